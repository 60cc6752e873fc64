//! Running the program, and one trained tiny suite that all tests share.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
    sync::LazyLock,
};

/// The repository.
pub(crate) fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

/// The tiny configuration.
pub(crate) fn tiny() -> PathBuf {
    repository().join("tests/cli/tiny.toml")
}

/// A fresh folder of this test run, under the target directory.
pub(crate) fn scratch(name: &str) -> PathBuf {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join("cli").join(name);
    if path.exists() {
        fs::remove_dir_all(&path).unwrap();
    }
    fs::create_dir_all(&path).unwrap();
    path
}

/// `experiments` on the tiny configuration with its runs under `runs`.
pub(crate) fn experiments(runs: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_experiments"));
    command
        .current_dir(repository())
        .arg("--config")
        .arg(tiny())
        .arg("--set")
        .arg(format!("runs='{}'", runs.display()));
    command
}

/// Output and error of a command as text.
pub(crate) struct Said {
    pub(crate) code: Option<i32>,
    pub(crate) out: String,
    pub(crate) err: String,
}

/// Runs to the end.
pub(crate) fn run(command: &mut Command) -> Said {
    let Output { status, stdout, stderr } = command.output().unwrap();
    Said {
        code: status.code(),
        out: String::from_utf8(stdout).unwrap(),
        err: String::from_utf8(stderr).unwrap(),
    }
}

impl Said {
    /// It must have succeeded.
    pub(crate) fn ok(self) -> Self {
        assert_eq!(self.code, Some(0), "{}\n{}", self.out, self.err);
        self
    }

    /// It must have failed with exit code `code` and one `error:` line, which
    /// holds all of `parts`. No panic, no C++ trace.
    pub(crate) fn fails_with(self, code: i32, parts: &[&str]) -> Self {
        assert_eq!(self.code, Some(code), "{}\n{}", self.out, self.err);
        let lines: Vec<&str> = self.err.lines().filter(|line| line.starts_with("error:")).collect();
        assert_eq!(lines.len(), 1, "one error line, not\n{}", self.err);
        for part in parts {
            assert!(lines[0].contains(part), "`{part}` is not in: {}", lines[0]);
        }
        self.clean()
    }

    /// Nothing that a user should never see.
    pub(crate) fn clean(self) -> Self {
        for word in ["panicked", "internal fault", "Exception raised from", "frame #"] {
            assert!(!self.err.contains(word), "{word} in\n{}", self.err);
        }
        self
    }
}

/// The runs folder of a tiny suite that has been run once; read, never written.
pub(crate) fn trained() -> &'static Path {
    static RUNS: LazyLock<PathBuf> = LazyLock::new(|| {
        let runs = scratch("trained");
        run(&mut experiments(&runs)).ok();
        runs
    });
    &RUNS
}

/// A copy of the trained runs that a test may change.
pub(crate) fn trained_copy(name: &str) -> PathBuf {
    let copy = scratch(name);
    copy_folder(trained(), &copy);
    copy
}

pub(crate) fn copy_folder(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy_folder(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}

/// Every entry of `<runs>/tiny/stages/<stage>`, with its key in words.
pub(crate) fn stages(runs: &Path, stage: &str) -> Vec<(PathBuf, serde_json::Value)> {
    let folder = runs.join("tiny/stages").join(stage);
    let entries = fs::read_dir(&folder).into_iter().flatten();
    let words = |path: PathBuf| {
        let text = fs::read(path.join("stage.json")).ok()?;
        Some((path, serde_json::from_slice(&text).unwrap()))
    };
    entries.filter_map(|entry| words(entry.unwrap().path())).collect()
}

/// The only entry of `<runs>/tiny/stages/<stage>`.
pub(crate) fn stage(runs: &Path, stage: &str) -> PathBuf {
    let found = stages(runs, stage);
    assert_eq!(found.len(), 1, "{stage}");
    found[0].0.clone()
}

/// The fits of a kind of bridge to all of the training clips.
pub(crate) fn fits(runs: &Path, kind: &str) -> Vec<PathBuf> {
    let wanted = |words: &serde_json::Value| {
        words["config"]["bridge"]["kind"] == kind && words["config"]["part"].is_null()
    };
    stages(runs, "bridge").into_iter().filter(|(_, w)| wanted(w)).map(|(path, _)| path).collect()
}

/// Beside the output of a stage or a run, and no part of it: who works there, what it took, and
/// how long a clip takes.
const BESIDE: [&str; 3] = ["lock", "took.json", "speed.json"];

/// Every file under a folder by its path in it, but those beside the output of stages.
pub(crate) fn tree(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    fn walk(root: &Path, folder: &Path, found: &mut BTreeMap<PathBuf, Vec<u8>>) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                walk(root, &path, found);
            } else if path
                .file_name()
                .is_none_or(|name| BESIDE.iter().all(|beside| name != *beside))
            {
                let name = path.strip_prefix(root).unwrap().to_owned();
                found.insert(name, fs::read(&path).unwrap());
            }
        }
    }
    let mut found = BTreeMap::new();
    walk(folder, folder, &mut found);
    found
}

/// The same files with the same bytes.
pub(crate) fn assert_same_tree(a: &Path, b: &Path) {
    let (a, b) = (tree(a), tree(b));
    let names = |tree: &BTreeMap<PathBuf, Vec<u8>>| tree.keys().cloned().collect::<Vec<_>>();
    assert_eq!(names(&a), names(&b));
    for (name, bytes) in &a {
        assert!(*bytes == b[name], "{} differs", name.display());
    }
}

/// The only run directory of an experiment.
pub(crate) fn run_directory(runs: &Path, experiment: &str) -> PathBuf {
    let folder = runs.join("tiny").join(experiment);
    let entries: Vec<PathBuf> =
        fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert_eq!(entries.len(), 1, "{}", folder.display());
    entries[0].clone()
}
