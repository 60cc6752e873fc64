//! The check of the Python package: its wheel is built, installed into a fresh virtual
//! environment, and its tests run there, beside the program `dl-score` of the same build.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use crate::{
    fault::Fault,
    tools::{ask, which},
};

/// Builds the wheel.
const MATURIN: &str = "1.16.0";

const PACKAGE: &str = "crates/dl-score-py";

/// What the check came to.
pub(crate) enum Outcome {
    Passed,
    /// One of its programs failed; it has said why.
    Failed,
    /// There is no Python to try the package with.
    NoPython,
}

/// The Python on PATH, if the package can be installed with it.
fn python() -> Option<PathBuf> {
    const FITS: &str = "import ensurepip, sys, venv; sys.exit(sys.version_info < (3, 9))";
    let fits = |program: &PathBuf| {
        let mut command = Command::new(program);
        matches!(ask(command.args(["-c", FITS]), Duration::from_secs(60)), Ok((true, _)))
    };
    ["python3", "python"].into_iter().filter_map(which).find(fits)
}

/// Builds, installs and tests the package. `cargo` is a command for cargo.
pub(crate) fn check(root: &Path, cargo: &dyn Fn() -> Command) -> Result<Outcome, Fault> {
    let Some(python) = python() else { return Ok(Outcome::NoPython) };
    let target = env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), PathBuf::from);
    let target = root.join(target);
    let [tools, fresh, wheels] =
        ["tools", "fresh", "wheels"].map(|name| target.join("python").join(name));
    if wheels.exists() {
        fs::remove_dir_all(&wheels).map_err(Fault::disk("remove", &wheels))?;
    }
    let within = |environment: &Path, program: &str| environment.join("bin").join(program);
    let maturin = within(&tools, "maturin");
    let installed = ask(Command::new(&maturin).arg("--version"), Duration::from_secs(60));
    let has_maturin = installed.is_ok_and(|(_, said)| said.trim() == format!("maturin {MATURIN}"));
    let mut steps = Vec::new();
    let mut step = |mut command: Command, arguments: &[&str]| {
        command.args(arguments);
        steps.push(command);
    };
    if !has_maturin {
        let mut make = Command::new(&python);
        make.args(["-m", "venv"]).arg(&tools);
        step(make, &[]);
        let requirement = format!("maturin=={MATURIN}");
        let quiet = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check"];
        step(Command::new(within(&tools, "python")), &[&quiet[..], &[&requirement]].concat());
    }
    step(cargo(), &["build", "--quiet", "--package", "dl-score"]);
    let mut build = Command::new(&maturin);
    build.args(["build", "--quiet", "--profile", "dev", "--compatibility", "linux", "--out"]);
    build.arg(&wheels).arg("--interpreter").arg(within(&tools, "python")).arg("--manifest-path");
    build.arg(root.join(PACKAGE).join("Cargo.toml"));
    step(build, &[]);
    let mut make = Command::new(&python);
    make.args(["-m", "venv", "--clear", "--without-pip"]).arg(&fresh);
    step(make, &[]);
    let mut install = Command::new(within(&tools, "python"));
    install.args(["-m", "pip", "--python"]).arg(within(&fresh, "python"));
    install.args([
        "--disable-pip-version-check",
        "install",
        "--quiet",
        "--no-index",
        "--find-links",
    ]);
    install.arg(&wheels).arg("dl-score");
    step(install, &[]);
    let mut test = Command::new(within(&fresh, "python"));
    test.args(["-m", "unittest", "discover", "--start-directory"])
        .arg(root.join(PACKAGE).join("tests"));
    test.env("DL_SCORE_PROGRAM", target.join("debug/dl-score"));
    step(test, &[]);
    for mut command in steps {
        // An interpreter's own settings would let other packages in.
        command.current_dir(root).env_remove("PYTHONPATH").env_remove("PYTHONHOME");
        let program = PathBuf::from(command.get_program());
        let status = command.status().map_err(Fault::disk("run", &program))?;
        if !status.success() {
            return Ok(Outcome::Failed);
        }
    }
    Ok(Outcome::Passed)
}
