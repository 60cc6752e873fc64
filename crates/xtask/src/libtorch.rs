//! A libtorch that is already on the machine: LIBTORCH, a Python's torch, an
//! earlier set-up. Each must have the one version that tch takes, its C++ headers,
//! and libraries that the system can load.

use std::{
    env::consts::DLL_SUFFIX,
    ffi::OsString,
    fmt, fs,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use crate::{
    fault::Fault,
    manifest::files_below,
    tools::{ask, which},
};

const LIMIT: Duration = Duration::from_secs(20);

/// Prints where torch would be imported from, without importing it.
const WHERE_IS_TORCH: &str = "
import importlib.util, os
spec = importlib.util.find_spec('torch')
if spec and spec.origin:
    print(os.path.dirname(spec.origin))
";

/// Libraries that stay out of the link directory. torch-sys links the CUDA half
/// as soon as it sees it, and the linker then wants all of CUDA; programs load
/// that half at run time instead. Python's glue is of no use to C++.
const HIDDEN: [&str; 7] = [
    "libc10_cuda",
    "libc10_hip",
    "libcaffe2_nvrtc",
    "libtorch_cuda",
    "libtorch_hip",
    "libtorch_nvshmem",
    "libtorch_python",
];

/// A usable libtorch: a directory with `include` and `lib`.
#[derive(Clone, Debug)]
pub(crate) struct Libtorch {
    pub(crate) directory: PathBuf,
    /// With the build's suffix: `2.11.0+cu130`.
    pub(crate) version: String,
}

/// Why a directory is not a usable libtorch.
#[derive(Debug)]
pub(crate) enum Unfit {
    Version(String),
    Broken(String),
}

impl fmt::Display for Unfit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Version(found) => write!(f, "it is libtorch {found}"),
            Self::Broken(reason) => f.write_str(reason),
        }
    }
}

impl Libtorch {
    /// Looks at `directory` closely.
    pub(crate) fn inspect(directory: &Path, wanted: &str) -> Result<Self, Unfit> {
        let found = Self::glance(directory, wanted)?;
        loadable(&directory.join("lib").join(format!("libtorch_cpu{DLL_SUFFIX}")))?;
        Ok(found)
    }

    /// Version and files, without asking whether the libraries load.
    pub(crate) fn glance(directory: &Path, wanted: &str) -> Result<Self, Unfit> {
        let version = version(directory).ok_or_else(|| {
            let reason = match directory.is_dir() {
                true => "no version is to be found in it",
                false => "there is no such directory",
            };
            Unfit::Broken(reason.into())
        })?;
        if version.split('+').next() != Some(wanted) {
            return Err(Unfit::Version(version));
        }
        let header = "include/torch/csrc/api/include/torch/torch.h".to_owned();
        let libraries = ["torch_cpu", "torch", "c10"].map(|n| format!("lib/lib{n}{DLL_SUFFIX}"));
        for name in std::iter::once(header).chain(libraries) {
            if !directory.join(&name).is_file() {
                return Err(Unfit::Broken(format!("it has no {name}")));
            }
        }
        Ok(Self { directory: directory.into(), version })
    }

    /// What LIBTORCH names; the user asked for it, so what does not fit is a fault.
    pub(crate) fn of_user(directory: &Path, wanted: &str) -> Result<Self, Fault> {
        Self::inspect(directory, wanted).map_err(|unfit| {
            let (directory, wanted) = (directory.into(), wanted.into());
            match unfit {
                Unfit::Version(found) => Fault::LibtorchVersion { directory, found, wanted },
                Unfit::Broken(reason) => Fault::LibtorchUnusable { directory, reason, wanted },
            }
        })
    }

    /// The torch of `python3` or `python`, with the name of that Python. Another
    /// version is none of our business; the right one that cannot be used is said.
    pub(crate) fn of_python(wanted: &str) -> Option<(Self, PathBuf)> {
        for python in ["python3", "python"].into_iter().filter_map(which) {
            let mut command = Command::new(&python);
            // Elsewhere than here: Python would import a folder named torch.
            command.args(["-c", WHERE_IS_TORCH]).current_dir("/");
            let Ok((true, said)) = ask(&mut command, LIMIT) else { continue };
            let Some(directory) = said.lines().last().map(Path::new) else { continue };
            match Self::inspect(directory, wanted) {
                Ok(found) => return Some((found, python)),
                Err(Unfit::Version(_)) => {}
                Err(unfit) => eprintln!(
                    "passing over the torch of {} in {}: {unfit}",
                    python.display(),
                    directory.display()
                ),
            }
        }
        None
    }

    /// What its headers and libraries take on disk.
    pub(crate) fn bytes(&self) -> u64 {
        let below = |name| files_below(&self.directory.join(name)).unwrap_or_default();
        ["include", "lib"].into_iter().flat_map(below).map(|(_, bytes)| bytes).sum()
    }

    /// The libraries to build against: the name to link under, and the file.
    ///
    /// `libtorch` itself is an empty shell whose only use is to pull in both
    /// halves, CUDA too where it was built with it. Its name leads to the CPU half.
    pub(crate) fn libraries(&self) -> Result<Vec<(OsString, PathBuf)>, Fault> {
        let directory = self.directory.join("lib");
        let read = Fault::disk("read", &directory);
        let entries = fs::read_dir(&directory).and_then(Iterator::collect::<Result<Vec<_>, _>>);
        let mut libraries = Vec::new();
        for entry in entries.map_err(read)?.iter().filter(|entry| wanted(&entry.path())) {
            let file = match entry.file_name() == *format!("libtorch{DLL_SUFFIX}") {
                true => directory.join(format!("libtorch_cpu{DLL_SUFFIX}")),
                false => entry.path(),
            };
            libraries.push((entry.file_name(), file));
        }
        Ok(libraries)
    }
}

/// Whether a file belongs into the link directory.
fn wanted(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    path.is_file() && name.contains(DLL_SUFFIX) && !HIDDEN.iter().any(|stem| name.starts_with(stem))
}

/// The version that a directory declares: as the official archives, the Python
/// package or the headers write it.
fn version(directory: &Path) -> Option<String> {
    if let Ok(text) = fs::read_to_string(directory.join("build-version")) {
        return Some(text.trim().to_owned());
    }
    if let Ok(text) = fs::read_to_string(directory.join("version.py")) {
        let value = text.lines().find_map(|line| line.strip_prefix("__version__ = "));
        return value.map(|value| value.trim_matches(['\'', '"', ' ']).to_owned());
    }
    let headers = ["torch/headeronly/version.h", "torch/csrc/api/include/torch/version.h"];
    headers.iter().find_map(|header| {
        let text = fs::read_to_string(directory.join("include").join(header)).ok()?;
        let number = |part: &str| {
            let start = format!("#define TORCH_VERSION_{part} ");
            text.lines().find_map(|line| line.strip_prefix(&start)).map(str::trim)
        };
        Some(format!("{}.{}.{}", number("MAJOR")?, number("MINOR")?, number("PATCH")?))
    })
}

/// Asks the system's loader whether it finds all that a library needs. Where
/// the machine has no `ldd`, the build will show it.
fn loadable(library: &Path) -> Result<(), Unfit> {
    let Some(ldd) = which("ldd") else { return Ok(()) };
    let Ok((success, said)) = ask(Command::new(ldd).arg(library), LIMIT) else { return Ok(()) };
    let missing: Vec<&str> = said
        .lines()
        .filter(|line| line.contains("not found"))
        .filter_map(|line| line.split_whitespace().next())
        .collect();
    let name = library.file_name().unwrap_or_default().to_string_lossy();
    match (success, missing.as_slice()) {
        (true, []) => Ok(()),
        (_, []) => Err(Unfit::Broken(format!("{name} is not a library that can be loaded"))),
        _ => Err(Unfit::Broken(format!("{name} needs {}, not found", missing.join(" and ")))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_is_read_wherever_a_build_puts_it() {
        let home = tempfile::tempdir().unwrap();
        let read = || version(home.path());
        assert_eq!(read(), None);
        let header = home.path().join("include/torch/headeronly/version.h");
        fs::create_dir_all(header.parent().unwrap()).unwrap();
        let macros =
            ["MAJOR 2", "MINOR 11", "PATCH 0"].map(|m| format!("#define TORCH_VERSION_{m}\n"));
        fs::write(header, macros.concat()).unwrap();
        assert_eq!(read().as_deref(), Some("2.11.0"));
        let python = "from typing import Optional\n__version__ = '2.11.1+cu130'\ndebug = False\n";
        fs::write(home.path().join("version.py"), python).unwrap();
        assert_eq!(read().as_deref(), Some("2.11.1+cu130"));
        fs::write(home.path().join("build-version"), "2.11.2+cpu\n").unwrap();
        assert_eq!(read().as_deref(), Some("2.11.2+cpu"));
    }

    #[test]
    fn a_library_with_lost_companions_is_not_loadable() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("libtorch_cpu.so");
        fs::write(&path, "half a download").unwrap();
        if which("ldd").is_some() {
            let unfit = loadable(&path).unwrap_err().to_string();
            assert!(unfit.contains("libtorch_cpu.so is not a library"), "{unfit}");
        }
        let shell = which("sh").unwrap().canonicalize().unwrap();
        loadable(&shell).unwrap();
    }
}
