//! `cargo reproduce` and `cargo verify`, with a cargo that only notes what it is asked.

use std::fs;

use crate::machine::{End, Machine};

/// A cargo that writes its arguments down and does `act`.
fn run(machine: &Machine, act: &str, arguments: &[&str]) -> (End, Vec<String>) {
    let log = machine.path("cargo.log");
    machine.script("cargo", &format!("echo \"$*\" >> '{}'; {act}", log.display()));
    let mut command = machine.command(arguments);
    let end = command.env("CARGO", machine.path("bin/cargo")).output().unwrap().into();
    let calls = fs::read_to_string(&log).unwrap_or_default();
    (end, calls.lines().map(str::to_owned).collect())
}

#[test]
fn reproduce_passes_arguments_and_exit_code_on() {
    let machine = Machine::new();
    let act = "case $1 in run) echo table; exit 7;; esac";
    let (end, calls) = run(&machine, act, &["reproduce", "run", "t1", "--set", "a=1"]);
    assert_eq!(end.code, Some(7));
    assert_eq!(calls[0], "build --package experiments");
    assert_eq!(calls[1], "run --quiet --package experiments -- run t1 --set a=1");
    // Tables alone on standard output; how set-up went is beside it.
    assert_eq!(end.stdout, "table\n");
    assert!(end.stderr.contains("wheels through pip"), "{}", end.stderr);
}

#[test]
fn reproduce_stops_where_the_build_does() {
    let (end, calls) = run(&Machine::new(), "exit 101", &["reproduce", "--seeds", "3"]);
    assert_eq!((end.code, calls.len()), (Some(101), 1));
}

#[test]
fn verify_ends_with_the_tests() {
    let (end, calls) = run(&Machine::new(), "", &["verify"]);
    assert_eq!(end.code, Some(0), "{}", end.stderr);
    let first: Vec<_> = calls.iter().filter_map(|call| call.split(' ').next()).collect();
    assert_eq!(first, ["fmt", "clippy", "test", "test"]);
    assert!(calls[2].ends_with("--doc") && calls[3].contains("--tests"), "{calls:?}");
    let left_out = "[3/5] Python package: left out, there is no Python of at least 3.9 with venv";
    assert!(end.stderr.contains(left_out), "{}", end.stderr);
    assert!(end.stderr.lines().last().unwrap().starts_with("[5/5] tests: cargo test"));
}

#[test]
fn verify_names_the_step_that_failed() {
    let machine = Machine::new();
    let (end, calls) = run(&machine, "case $1 in clippy) exit 101;; esac", &["verify"]);
    assert_eq!((end.code, calls.len()), (Some(1), 2));
    assert!(end.stderr.ends_with("error: lints failed; `cargo clippy --workspace --all-targets -- -D warnings` shows it alone\n"));

    // A set-up that cannot be finished is told apart from a failed check.
    let machine = Machine::new();
    fs::remove_file(machine.path("bin/python3")).unwrap();
    let (end, calls) = run(&machine, "", &["verify"]);
    end.expect_fault(&["neither Python nor pip was found"]);
    assert!(calls.is_empty());
}
