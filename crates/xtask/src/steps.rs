//! The README's two commands: what runs after set-up.

use std::{
    env,
    ffi::OsString,
    os::unix::process::ExitStatusExt,
    process::{Command, ExitStatus},
};

use crate::{
    fault::Fault,
    places::Places,
    python::{self, Outcome},
};

enum Check {
    /// A command of cargo.
    Cargo(&'static [&'static str]),
    /// The Python package.
    Python,
}

/// What `cargo verify` runs, in this order. The tests are last, so that the
/// output ends with their own summary.
const CHECKS: [(&str, Check); 5] = [
    ("formatting", Check::Cargo(&["fmt", "--all", "--check"])),
    ("lints", Check::Cargo(&["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"])),
    ("Python package", Check::Python),
    ("examples in the documentation", Check::Cargo(&["test", "--workspace", "--doc"])),
    (
        "tests",
        Check::Cargo(&["test", "--workspace", "--lib", "--bins", "--tests", "--no-fail-fast"]),
    ),
];

/// Builds the program and runs it with `arguments`; gives its exit code.
pub(crate) fn reproduce(arguments: &[OsString]) -> Result<u8, Fault> {
    // Built apart from running: the first build takes minutes and should show it.
    eprintln!("building (the first time this takes some minutes) ...");
    let mut build = cargo();
    let built = build.args(["build", "--package", "experiments"]).status().map_err(Fault::Cargo)?;
    if !built.success() {
        return Ok(exit_code(built));
    }
    let mut run = cargo();
    run.args(["run", "--quiet", "--package", "experiments", "--"]).args(arguments);
    run.status().map(exit_code).map_err(Fault::Cargo)
}

/// Runs every check up to the first that fails: 0, or 1 with the step's name.
pub(crate) fn verify(places: &Places) -> Result<u8, Fault> {
    for (number, (name, check)) in CHECKS.iter().enumerate() {
        let place = format!("[{}/{}] {name}", number + 1, CHECKS.len());
        let (passed, command) = match check {
            Check::Cargo(arguments) => {
                let command = format!("cargo {}", arguments.join(" "));
                eprintln!("{place}: {command}");
                let mut step = cargo();
                let status = step.args(*arguments).current_dir(&places.root).status();
                (status.map_err(Fault::Cargo)?.success(), Some(command))
            }
            Check::Python => {
                eprintln!("{place}: its wheel, installed and tested");
                let passed = match python::check(&places.root, &cargo)? {
                    Outcome::Passed => true,
                    Outcome::Failed => false,
                    Outcome::NoPython => {
                        eprintln!(
                            "{place}: left out, there is no Python of at least 3.9 with venv on PATH"
                        );
                        true
                    }
                };
                (passed, None)
            }
        };
        if !passed {
            let alone = command.map(|command| format!("; `{command}` shows it alone"));
            eprintln!("error: {name} failed{}", alone.unwrap_or_default());
            return Ok(1);
        }
    }
    Ok(0)
}

/// The cargo that runs this.
fn cargo() -> Command {
    Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
}

/// As a shell gives it: a program ended by a signal has 128 and its number.
fn exit_code(status: ExitStatus) -> u8 {
    let code = status.code().or_else(|| status.signal().map(|signal| 128 + signal));
    code.and_then(|code| u8::try_from(code).ok()).unwrap_or(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exit_codes_are_passed_on() {
        // Wait statuses of POSIX: the code in the second byte, a signal in the first.
        for (raw, code) in [(0, 0), (3 << 8, 3), (9, 137)] {
            assert_eq!(exit_code(ExitStatus::from_raw(raw)), code);
        }
    }

    #[test]
    fn the_tests_come_last() {
        assert_eq!(CHECKS.last().map(|(name, _)| *name), Some("tests"));
    }
}
