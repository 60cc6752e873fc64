//! Standard output and standard error that nobody reads, or that are full.

use std::{
    fs::{self, File},
    path::Path,
    process::{Command, Stdio},
};

use crate::{
    embed::{corpus, embed, toy},
    harness::{Said, experiments, run, scratch, trained, trained_copy},
};

/// The command with a pipe as standard output (and error) of which the other end is closed.
fn closed(command: &mut Command, error_too: bool) -> Option<i32> {
    let pipe = || {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        Stdio::from(writer)
    };
    command.stdout(pipe());
    command.stderr(if error_too { pipe() } else { Stdio::null() });
    command.status().unwrap().code()
}

/// The command with standard output on a disk that is full.
fn full(command: &mut Command) -> Said {
    let disk = File::options().write(true).open("/dev/full").unwrap();
    let output = command.stdout(disk).stderr(Stdio::piped()).output().unwrap();
    let err = String::from_utf8(output.stderr).unwrap();
    Said { code: output.status.code(), out: String::new(), err }
}

fn commands(folder: &Path) -> Vec<Command> {
    // `run` writes: on runs of its own.
    let runs = folder.join("runs");
    let plain = [&["list"][..], &["report"], &["doctor"], &["run", "t1"], &["--help"]];
    let mut all: Vec<Command> = plain
        .into_iter()
        .map(|words| {
            let mut command = experiments(&runs);
            command.args(words);
            command
        })
        .collect();
    let mut scenes = experiments(trained());
    scenes.args(["scenes", "--count", "1", "--output"]).arg(folder.join("scenes"));
    all.push(scenes);
    all.push(embed(folder, &toy(), "set.safetensors"));
    all
}

#[test]
fn a_closed_pipe_is_no_fault() {
    let folder = trained_copy("closed-pipe/runs").parent().unwrap().to_owned();
    corpus(&folder, 3);
    for mut command in commands(&folder) {
        for error_too in [false, true] {
            assert_eq!(closed(&mut command, error_too), Some(0), "{command:?}");
        }
    }
    // What was computed is there.
    assert!(folder.join("set.safetensors").is_file() && folder.join("scenes").is_dir());
}

#[test]
fn a_full_disk_is_an_error_in_one_sentence() {
    let folder = trained_copy("full-output/runs").parent().unwrap().to_owned();
    corpus(&folder, 3);
    for mut command in commands(&folder) {
        full(&mut command).fails_with(1, &["standard output", "No space left on device"]);
    }
    assert!(folder.join("set.safetensors").is_file(), "results come first");
}

#[test]
fn a_place_that_cannot_be_written_is_found_out_before_the_work() {
    let folder = scratch("bad-output");
    corpus(&folder, 3);
    let output = folder.join("taken");
    fs::create_dir_all(&output).unwrap();
    run(&mut embed(&folder, &toy(), "taken")).fails_with(1, &["taken", "is a folder"]);
    run(&mut embed(&folder, &toy(), "pairs.csv/set")).fails_with(1, &["pairs.csv is a file"]);
    assert!(!folder.join("taken.parts").exists(), "something was embedded first");
    let mut scenes = experiments(trained());
    scenes.args(["scenes", "--output"]).arg(folder.join("pairs.csv"));
    run(&mut scenes).fails_with(1, &["pairs.csv", "is a file; name a folder"]);
}

#[test]
fn without_a_terminal_something_is_said_within_seconds() {
    let folder = scratch("says-something");
    corpus(&folder, 40);
    let said = run(embed(&folder, &toy(), "set.safetensors").env("TERM", "dumb")).ok();
    assert!(!said.err.contains('\u{1b}'), "{}", said.err);
    let said = run(&mut experiments(&scratch("says-something-runs"))).ok();
    assert!(said.err.contains("t1: modality gap"), "{}", said.err);
}
