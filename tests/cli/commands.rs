//! The smaller commands.

use std::path::Path;

use crate::harness::{experiments, run, scratch, trained};

#[test]
fn list_names_every_experiment() {
    let said = run(experiments(Path::new("unused")).arg("list")).ok();
    for name in ["t1", "t2", "recognition"] {
        assert!(said.out.lines().any(|line| line.starts_with(name)), "{}", said.out);
    }
}

#[test]
fn doctor_finds_everything_or_names_a_remedy() {
    let runs = scratch("doctor");
    let said = run(experiments(&runs).arg("doctor")).ok();
    for part in ["libtorch", "device", "process", "runs", "data", "CLAP"] {
        assert!(said.out.contains(&format!("ok     {part}")), "{}", said.out);
    }
    // The model's whole folder, 505 kB, not its configuration alone.
    assert!(said.out.contains("clap_unfused (0.5 MB)"), "{}", said.out);
    assert!(said.out.contains("1 thread of libtorch for each job"), "{}", said.out);
    let towers =
        "encoder={kind='towers',towers={audio={kind='aisfx',path='nowhere.pth'}},heads={}}";
    let said = run(experiments(&runs).args(["doctor", "--set", towers]));
    assert_eq!(said.code, Some(2), "{}", said.out);
    assert!(
        said.out.contains("nowhere.pth") && said.out.contains("cargo setup --models"),
        "{}",
        said.out
    );
}

#[test]
fn scenes_are_written_to_listen_to() {
    let folder = scratch("scenes");
    run(experiments(trained()).args(["scenes", "--count", "3", "--output"]).arg(&folder)).ok();
    let wavs = std::fs::read_dir(&folder)
        .unwrap()
        .filter(|entry| entry.as_ref().unwrap().path().extension().is_some_and(|e| e == "wav"))
        .count();
    assert_eq!(wavs, 3);
    assert!(std::fs::read_to_string(folder.join("scenes.csv")).unwrap().lines().count() > 3);
}

#[test]
fn caption_before_training_names_the_command() {
    let folder = scratch("untrained");
    let sound = folder.join("a.wav");
    crate::audio_files::tone(&sound, 1, 16_000, 1.0);
    run(experiments(&folder.join("runs")).arg("caption").arg(&sound)).fails_with(1, &["run t2"]);
}

#[test]
fn a_bad_command_line_is_explained() {
    let said = run(experiments(Path::new("unused")).arg("captoin"));
    assert_eq!(said.code, Some(2));
    assert!(said.err.contains("caption"), "{}", said.err);
    run(experiments(Path::new("unused")).args(["--set", "seeds", "list"])).ok();
    run(experiments(Path::new("unused")).args(["--set", "seeds", "run", "t1"]))
        .fails_with(1, &["--set seeds", "key=value"]);
}

#[test]
fn options_before_and_after_the_command_both_count() {
    let runs = scratch("both-places");
    let said = run(experiments(&runs).args(["doctor", "--set", "device=cpu"])).ok();
    assert!(said.out.contains(&format!("ok     runs       {}", runs.display())), "{}", said.out);
}
