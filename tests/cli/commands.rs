//! The smaller commands.

use std::{path::Path, process::Command};

use crate::harness::{experiments, repository, run, run_directory, scratch, trained, trained_copy};

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

#[test]
fn a_run_captions_sounds_as_lines_and_as_a_table() {
    let folder = scratch("caption-run");
    let sound = folder.join("-a, b.wav");
    crate::audio_files::tone(&sound, 1, 16_000, 1.0);
    // The run as its owner has it, and moved to another place.
    let runs = trained_copy("caption-moved");
    let directory = run_directory(&runs, "t2");
    let table = folder.join("captions.csv");
    let caption = |more: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_experiments"));
        command.current_dir(repository()).args(["caption", "--run"]).arg(&directory).args(more);
        command.args(["--csv"]).arg(&table).arg("--").arg(&sound);
        command
    };
    let lines = run(&mut caption(&["--json"])).ok().out;
    let line: serde_json::Value = serde_json::from_str(lines.trim()).unwrap();
    let said = line["caption"].as_str().unwrap();
    assert_eq!(line["file"], sound.display().to_string());
    assert_eq!((line["seconds"].as_f64(), line["of_seconds"].as_f64()), (Some(5.0), Some(1.0)));
    assert_eq!(line["nearest"].as_array().unwrap().len(), 2);
    let rows: Vec<Vec<String>> = csv::Reader::from_path(&table)
        .unwrap()
        .into_records()
        .map(|row| row.unwrap().iter().map(str::to_owned).collect())
        .collect();
    assert_eq!(rows, [vec![sound.display().to_string(), said.to_owned()]]);
    // The same by the configuration that the run is of.
    let own = run(experiments(trained()).arg("caption").arg(&sound)).ok().out;
    assert!(own.to_lowercase().contains(&said.to_lowercase()), "{own} and {said}");
    run(Command::new(env!("CARGO_BIN_EXE_experiments"))
        .args(["caption", "--run"])
        .args([&folder, &sound]))
    .fails_with(1, &["--run", "is no run", "runs/<suite>/t2"]);
}
