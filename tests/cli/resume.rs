//! `kill -9` in the middle of training a bridge, then the same command again.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use crate::harness::{experiments, run, stage, trained_copy};

/// Enough steps that the kill lands in the middle.
const LONG: [&str; 8] = [
    "--set",
    "bridges.diffusion_link.train.steps=1200",
    "--set",
    "bridges.diffusion_link.train.checkpoint_every=40",
    "--set",
    "bridges.diffusion_link.train.validate_every=60",
    "--set",
    "rows.t1=['none', 'diffusion_link']",
];

fn long_t1(runs: &Path) -> Command {
    let mut command = experiments(runs);
    command.args(["run", "t1"]).args(LONG);
    command
}

/// Features, encoder and nothing after them, so that only the bridge is trained.
fn prepared(name: &str) -> PathBuf {
    let runs = trained_copy(name);
    fs::remove_dir_all(runs.join("tiny/stages/bridge-diffusion_link")).unwrap();
    fs::remove_dir_all(runs.join("tiny/t1")).unwrap();
    runs
}

fn bridge(runs: &Path) -> PathBuf {
    stage(runs, "bridge-diffusion_link")
}

fn killed_after_a_checkpoint(command: &mut Command, runs: &Path) {
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let folder = runs.join("tiny/stages/bridge-diffusion_link");
    let checkpoint = || {
        let entry = fs::read_dir(&folder).ok()?.next()?.ok()?.path();
        entry.join("checkpoint.safetensors").is_file().then_some(())
    };
    let deadline = Instant::now() + Duration::from_secs(120);
    while checkpoint().is_none() {
        assert!(child.try_wait().unwrap().is_none(), "it ended before it could be killed");
        assert!(Instant::now() < deadline, "no checkpoint within two minutes");
        std::thread::sleep(Duration::from_millis(5));
    }
    // SIGKILL on Unix.
    child.kill().unwrap();
    child.wait().unwrap();
}

#[test]
fn a_killed_training_goes_on_and_ends_with_the_same_bits() {
    let straight = prepared("resume-straight");
    run(&mut long_t1(&straight)).ok();

    let killed = prepared("resume-killed");
    killed_after_a_checkpoint(&mut long_t1(&killed), &killed);
    assert!(!bridge(&killed).join("done.json").exists(), "it was finished, not killed");
    let half = fs::read(bridge(&killed).join("checkpoint.safetensors")).unwrap();
    run(&mut long_t1(&killed)).ok();
    let whole = fs::read(bridge(&killed).join("checkpoint.safetensors")).unwrap();
    assert_ne!(half, whole, "nothing was left to train");

    for name in ["bridge.safetensors", "bridged-test.safetensors", "done.json"] {
        let read = |runs: &Path| fs::read(bridge(runs).join(name)).unwrap();
        assert!(read(&straight) == read(&killed), "{name} differs");
    }
    let metrics =
        |runs: &Path| fs::read(crate::harness::run_directory(runs, "t1").join("metrics.jsonl"));
    assert_eq!(metrics(&straight).unwrap(), metrics(&killed).unwrap());
}

#[test]
fn a_checkpoint_cut_in_half_is_named_with_its_remedy() {
    let runs = prepared("resume-cut");
    killed_after_a_checkpoint(&mut long_t1(&runs), &runs);
    let checkpoint = bridge(&runs).join("checkpoint.safetensors");
    let bytes = fs::read(&checkpoint).unwrap();
    fs::write(&checkpoint, &bytes[..bytes.len() / 2]).unwrap();
    run(&mut long_t1(&runs)).fails_with(1, &["checkpoint.safetensors", "delete it"]);
    fs::remove_file(&checkpoint).unwrap();
    run(&mut long_t1(&runs)).ok();
}
