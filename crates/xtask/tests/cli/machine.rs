//! A machine at toy size: a checkout, a home, a PATH with a Python and a loader
//! that are shell scripts, and a package index with wheels of a few bytes.

use std::{
    fs,
    io::Write,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tempfile::TempDir;
use zip::{ZipWriter, write::SimpleFileOptions};

pub(crate) const CPU: &str = "torch/lib/libtorch_cpu.so";
pub(crate) const HEADER: &str = "torch/include/torch/csrc/api/include/torch/torch.h";

/// What pip does with a request for a wheel.
pub(crate) const GIVE: &str = "/bin/cp \"$index/$requirement\"/* \"$dest\"/";

pub(crate) struct Machine {
    home: TempDir,
    components: Value,
}

/// How a command ended.
pub(crate) struct End {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl From<Output> for End {
    fn from(output: Output) -> Self {
        let text = |bytes| String::from_utf8(bytes).unwrap();
        Self {
            code: output.status.code(),
            stdout: text(output.stdout),
            stderr: text(output.stderr),
        }
    }
}

impl End {
    /// Exit code 0 and one line for each component, from where `sources` say.
    pub(crate) fn expect_sources(&self, sources: [&str; 2]) {
        assert_eq!(self.code, Some(0), "{}", self.stderr);
        let lines: Vec<_> = self.stdout.lines().collect();
        assert_eq!(lines.len(), 2, "{}", self.stdout);
        for (line, source) in lines.iter().zip(sources) {
            assert!(line.contains(source), "{line} is not from {source}");
        }
    }

    /// Exit code 2 and one sentence with these words as the last line.
    pub(crate) fn expect_fault(&self, words: &[&str]) {
        assert_eq!(self.code, Some(2), "{}", self.stderr);
        assert_eq!(self.stdout, "");
        assert_eq!(self.stderr.matches("error: ").count(), 1, "{}", self.stderr);
        let last = self.stderr.lines().last().unwrap();
        assert!(last.starts_with("error: "), "{last}");
        for word in words {
            assert!(last.contains(word), "{last}\ndoes not say: {word}");
        }
    }
}

impl Machine {
    pub(crate) fn new() -> Self {
        let home = tempfile::tempdir().unwrap();
        let machine = Self { home, components: Value::Null };
        machine.write("root/crates/xtask/Cargo.toml", "");
        machine.script(
            "ldd",
            "case $(/bin/cat \"$1\") in *LOST*) echo 'libx.so.1 => not found';; esac",
        );
        let version = "__version__ = '2.11.0+toy'\n";
        let torch = [
            ("torch/version.py", version),
            (HEADER, "header"),
            (CPU, "the cpu half"),
            ("torch/lib/libtorch.so", "shell"),
            ("torch/lib/libc10.so", "core"),
            ("torch/lib/libtorch_cuda.so", "never unpacked"),
            ("torch/lib/libtorch_python.so", "unpacked, never linked"),
            ("torch/nn.py", "not asked for"),
        ];
        let torch = machine.offer("torch==2.11.0", "torch-2.11.0-any.whl", &torch);
        let cuda = [("nvidia/lib/libcudart.so", "companion")];
        let cuda = machine.offer("cudart==13", "cudart-13-any.whl", &cuda);
        let model = machine.offer("toy==1", "toy-1-any.whl", &[("toy/weights.bin", "weights")]);
        let (torch_take, cuda_take) = (
            json!({"torch/include/": "torch/include/", "torch/lib/": "torch/lib/",
                   "torch/version.py": "torch/version.py"}),
            json!({"nvidia/": "nvidia/"}),
        );
        let components = json!({"components": [
            {"key": "libtorch", "title": "libtorch", "version": "2.11.0", "directory": "torch-2.11.0",
             "unpacked_bytes": 100, "files": {CPU: sum(b"the cpu half")}, "wheels": [
                wheel(&torch, torch_take, &["torch/lib/libtorch_cuda"]), wheel(&cuda, cuda_take, &[])]},
            {"key": "toy", "title": "Toy", "version": "1", "directory": "models/toy-1",
             "unpacked_bytes": 100, "files": {"weights.bin": sum(b"weights")},
             "wheels": [wheel(&model, json!({"toy/weights.bin": "weights.bin"}), &[])]},
        ]});
        let mut machine = Self { components, ..machine };
        machine.change(|_| {});
        machine.python(GIVE, None);
        machine
    }

    /// Changes the list of components.
    pub(crate) fn change(&mut self, change: impl FnOnce(&mut Value)) {
        change(&mut self.components["components"]);
        self.write("components.json", &self.components.to_string());
    }

    /// Puts a wheel into the index.
    fn offer(&self, requirement: &str, file: &str, members: &[(&str, &str)]) -> (String, PathBuf) {
        let path = self.path(&format!("index/{requirement}/{file}"));
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        let mut archive = ZipWriter::new(fs::File::create(&path).unwrap());
        for (name, content) in members {
            archive.start_file(*name, SimpleFileOptions::default()).unwrap();
            archive.write_all(content.as_bytes()).unwrap();
        }
        archive.finish().unwrap();
        (requirement.into(), path)
    }

    /// Puts a `python3` on PATH: its pip does `download`, its torch is at `torch`. It has no
    /// virtual environments.
    pub(crate) fn python(&self, download: &str, torch: Option<&Path>) {
        let (index, calls) = (self.path("index"), self.path("calls"));
        let torch = torch.map_or(":".into(), |path| format!("echo '{}'", path.display()));
        let body = format!(
            r#"index='{}'
            case "$2" in *ensurepip*) exit 1;; esac
            case "$1" in -c) {torch}; exit 0;; esac
            case "$3" in --version) echo pip 99; exit 0;; esac
            while [ $# -gt 0 ]; do
                case "$1" in --dest) dest=$2;; --requirement) list=$2;; esac
                shift
            done
            read -r requirement hash < "$list"
            echo "$requirement" >> '{}'
            {download}"#,
            index.display(),
            calls.display()
        );
        self.script("python3", &body);
    }

    /// How often pip was asked for a wheel.
    pub(crate) fn downloads(&self, requirement: &str) -> usize {
        let calls = fs::read_to_string(self.path("calls")).unwrap_or_default();
        calls.lines().filter(|line| *line == requirement).count()
    }

    /// Puts a program on PATH. Another process writes it: were this one to, the
    /// children it starts meanwhile would hold the file open, too busy to be run.
    pub(crate) fn script(&self, name: &str, body: &str) {
        let text = format!("bin/{name}.txt");
        self.write(&text, &format!("#!/bin/sh\n{body}\n"));
        let mut install = Command::new("install");
        install.args(["-m", "755"]).arg(self.path(&text)).arg(self.path(&format!("bin/{name}")));
        assert!(install.status().unwrap().success());
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.home.path().join(name)
    }

    /// A place in the cache.
    pub(crate) fn cache(&self, name: &str) -> PathBuf {
        self.path(".cache/diffusion-link").join(name)
    }

    /// A place in the checkout's `.setup`, without links on the way.
    pub(crate) fn linked(&self, name: &str) -> PathBuf {
        let path = self.path("root/.setup").join(name);
        path.canonicalize().unwrap_or_else(|error| panic!("{}: {error}", path.display()))
    }

    pub(crate) fn write(&self, name: &str, content: &str) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }

    /// The command, in an environment that has this machine's things only.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_xtask"));
        command.env_clear().env("PATH", self.path("bin")).env("HOME", self.home.path());
        command.current_dir(self.home.path());
        command.arg("--root").arg(self.path("root"));
        command.arg("--components").arg(self.path("components.json")).args(arguments);
        command
    }

    pub(crate) fn run(&self, arguments: &[&str]) -> End {
        self.command(arguments).output().unwrap().into()
    }

    /// Runs `setup` with one variable of the environment set.
    pub(crate) fn run_with(&self, name: &str, value: impl AsRef<Path>) -> End {
        self.command(&["setup", "--models"]).env(name, value.as_ref()).output().unwrap().into()
    }

    /// Whether anything unfinished lies about.
    pub(crate) fn is_tidy(&self) -> bool {
        let mut open = vec![self.path(".cache"), self.path("root")];
        while let Some(directory) = open.pop() {
            for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
                if entry.file_name().to_string_lossy().contains(".part-") {
                    return false;
                }
                if entry.file_type().unwrap().is_dir() {
                    open.push(entry.path());
                }
            }
        }
        true
    }
}

fn wheel((requirement, path): &(String, PathBuf), take: Value, leave: &[&str]) -> Value {
    let bytes = fs::read(path).unwrap();
    json!({"requirement": requirement, "file": path.file_name().unwrap().to_str(),
           "sha256": sum(&bytes), "bytes": bytes.len(), "take": take, "leave": leave})
}

fn sum(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}
