//! `kill -9` in the middle of training a bridge, and in every stage, then the same command
//! again.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use crate::harness::{
    assert_same_tree, experiments, fits, run, scratch, stages, trained, trained_copy,
};

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

/// Features, embeddings and nothing after them, so that only the bridge is trained.
fn prepared(name: &str) -> PathBuf {
    let runs = trained_copy(name);
    for folder in ["stages/bridge", "stages/bridged", "stages/gap", "t1"] {
        fs::remove_dir_all(runs.join("tiny").join(folder)).unwrap();
    }
    runs
}

fn bridge(runs: &Path) -> Option<PathBuf> {
    fits(runs, "diffusion_link").pop()
}

pub(crate) fn killed_when(command: &mut Command, ready: impl Fn() -> bool) {
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let deadline = Instant::now() + Duration::from_secs(300);
    while !ready() {
        assert!(child.try_wait().unwrap().is_none(), "it ended before it could be killed");
        assert!(Instant::now() < deadline, "not ready to be killed within five minutes");
        std::thread::sleep(Duration::from_millis(2));
    }
    // SIGKILL on Unix.
    child.kill().unwrap();
    child.wait().unwrap();
}

fn killed_after_a_checkpoint(command: &mut Command, runs: &Path) {
    killed_when(command, || {
        bridge(runs).is_some_and(|stage| stage.join("checkpoint.safetensors").is_file())
    });
}

#[test]
fn a_killed_training_goes_on_and_ends_with_the_same_bits() {
    let straight = prepared("resume-straight");
    run(&mut long_t1(&straight)).ok();

    let killed = prepared("resume-killed");
    killed_after_a_checkpoint(&mut long_t1(&killed), &killed);
    assert!(!bridge(&killed).unwrap().join("done.json").exists(), "it was finished, not killed");
    run(&mut long_t1(&killed)).ok();
    assert_same_tree(&straight.join("tiny/stages"), &killed.join("tiny/stages"));
    let metrics =
        |runs: &Path| fs::read(crate::harness::run_directory(runs, "t1").join("metrics.jsonl"));
    assert_eq!(metrics(&straight).unwrap(), metrics(&killed).unwrap());
}

/// Kills the command as soon as the first stage of each of these kinds has begun under
/// `stages`, and begins it again. How many were not done when the signal came.
pub(crate) fn killed_in_every(
    stages: &Path,
    command: impl Fn() -> Command,
    kinds: &[&str],
) -> usize {
    let mut interrupted = 0;
    for kind in kinds {
        let begun = || -> Vec<PathBuf> {
            let entries = fs::read_dir(stages.join(kind)).into_iter().flatten();
            let folders = entries.map(|entry| entry.unwrap().path());
            folders.filter(|folder| folder.join("stage.json").is_file()).collect()
        };
        killed_when(&mut command(), || !begun().is_empty());
        let open = |folder: &PathBuf| !folder.join("done.json").exists();
        interrupted += usize::from(begun().iter().any(open));
    }
    interrupted
}

/// Killed as soon as the next of these stages has begun, and begun again; at last left to
/// its end.
#[test]
fn a_suite_killed_in_every_stage_ends_with_the_same_bits() {
    let runs = scratch("resume-every");
    let interrupted = killed_in_every(
        &runs.join("tiny/stages"),
        || experiments(&runs),
        &[
            "features",
            "embeddings",
            "bridge",
            "bridged",
            "gap",
            "language_model",
            "out_of_fold",
            "captioner",
            "captions",
            "singles",
            "recognition",
        ],
    );
    // A short stage may be done before the signal comes; the long ones are not.
    assert!(interrupted >= 4, "only {interrupted} stages were interrupted");
    run(&mut experiments(&runs)).ok();
    assert_same_tree(&trained().join("tiny/stages"), &runs.join("tiny/stages"));
}

/// Decoders chosen by their captions, the supervised one going on from the zero-shot one.
#[test]
fn a_captioner_that_goes_on_from_another_resumes_to_the_same_bits() {
    let t2 = |runs: &Path| {
        let mut command = experiments(runs);
        command.args(["run", "t2", "--jobs", "1"]);
        for entry in [
            "rows.zero_shot=['none']",
            "rows.supervised=['none']",
            "captioner.hardened=0.0",
            "captioner.choose_by=cider_d",
            "captioner.supervised_from=zero_shot",
            "captioner.prefix.train.steps=300",
            "captioner.prefix.train.checkpoint_every=20",
        ] {
            command.args(["--set", entry]);
        }
        command
    };
    // The captioner that went on from another, and that other one's key.
    let went_on = |runs: &Path| {
        stages(runs, "captioner").into_iter().find_map(|(folder, words)| {
            let from = words["inputs"]["from"].as_str()?.to_owned();
            Some((folder, words, from))
        })
    };
    let straight = trained_copy("goes-on-straight");
    run(&mut t2(&straight)).ok();
    let (folder, words, from) = went_on(&straight).unwrap();
    assert!(words["config"]["chosen by CIDEr-D"].is_array(), "{words}");
    let done = fs::read_to_string(folder.join("done.json")).unwrap();
    let report: serde_json::Value = serde_json::from_str(&done).unwrap();
    // CIDEr-D is not negative, and less it is what the training made least.
    let best = report["best_validation"].as_f64().unwrap();
    assert!((-10.0..=0.0).contains(&best), "{done}");
    let other = stages(&straight, "captioner").into_iter().find(|(folder, _)| {
        folder.file_name().is_some_and(|name| from.starts_with(&*name.to_string_lossy()))
    });
    let other = other.expect("the zero-shot captioner is a stage of its own").0;
    assert_ne!(
        fs::read(other.join("prefix.safetensors")).unwrap(),
        fs::read(folder.join("prefix.safetensors")).unwrap(),
    );

    let killed = trained_copy("goes-on-killed");
    let at_work = || {
        went_on(&killed).is_some_and(|(folder, ..)| folder.join("checkpoint.safetensors").is_file())
    };
    killed_when(&mut t2(&killed), at_work);
    let (folder, ..) = went_on(&killed).unwrap();
    assert!(!folder.join("done.json").exists(), "it was finished, not killed");
    run(&mut t2(&killed)).ok();
    assert_same_tree(&straight.join("tiny/stages"), &killed.join("tiny/stages"));
}

#[test]
fn a_checkpoint_cut_in_half_is_named_with_its_remedy() {
    let runs = prepared("resume-cut");
    killed_after_a_checkpoint(&mut long_t1(&runs), &runs);
    let checkpoint = bridge(&runs).unwrap().join("checkpoint.safetensors");
    let bytes = fs::read(&checkpoint).unwrap();
    fs::write(&checkpoint, &bytes[..bytes.len() / 2]).unwrap();
    run(&mut long_t1(&runs)).fails_with(1, &["checkpoint.safetensors", "delete it"]);
    fs::remove_file(&checkpoint).unwrap();
    run(&mut long_t1(&runs)).ok();
}
