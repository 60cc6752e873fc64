//! AudioCaps in miniature: the layout of a user's disk with a missing, a broken, a doubled
//! and a repeated one, a CLAP directory and a Llama directory at toy size, through the suite
//! of `configs/audiocaps` as it stands: T1, T2 and the report, killed once in every stage.
//! Where ESC-10 lies under `data/esc10`, its recordings are the sound; elsewhere it is tones.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use crate::{
    audio_files::tone_at,
    embed::toy,
    harness::{repository, run, scratch},
    resume::killed_in_every,
};

/// Clips of each split.
const TRAIN: usize = 48;
const HELD: usize = 16;

/// Models at toy size, in the layouts of the published ones.
pub(crate) const LLAMA: &str = "crates/dl-llm/tests/golden/llama_tuning";
pub(crate) const SENTENCES: &str = "crates/dl-encoder/tests/golden/sentence_bert";

/// What sounds in the clip of a number: a pitch, told in words.
fn caption(number: usize, way: usize) -> String {
    let pitch = ["low", "middle", "high"][number % 3];
    let rest = ["hums", "sounds for a while, then stops", "is heard", "rings", "goes on"][way];
    format!("\"A {pitch} tone, number {number}, {rest}\"")
}

pub(crate) fn write(sound: &Path, number: usize) {
    fs::create_dir_all(sound.parent().unwrap()).unwrap();
    let hertz = [150.0, 500.0, 1500.0][number % 3] * (1.0 + 0.01 * number as f32);
    tone_at(sound, hertz, 1, 8000, 0.2);
}

/// ESC-10's recordings, where they are at hand.
fn recordings() -> Vec<PathBuf> {
    let Ok(labels) = fs::read_dir(repository().join("data/esc10")) else { return Vec::new() };
    let labels = labels.map(|label| label.unwrap().path()).filter(|path| path.is_dir());
    let mut files: Vec<PathBuf> = labels
        .flat_map(|label| fs::read_dir(label).unwrap().map(|file| file.unwrap().path()))
        .filter(|file| file.extension().is_some_and(|end| end == "ogg"))
        .collect();
    files.sort();
    files
}

/// A recording of ESC-10 under the name of a sound, or a tone where there is none.
fn record(sound: &Path, number: usize) {
    let recordings = recordings();
    if recordings.is_empty() {
        return write(sound, number);
    }
    fs::create_dir_all(sound.parent().unwrap()).unwrap();
    // From all over the list, which is sorted by label.
    let recording = &recordings[(number * 37) % recordings.len()];
    fs::copy(recording, sound.with_extension("ogg")).unwrap();
}

/// The disk: captions as published, sound under the three names, one folder a split.
/// Test clip 3 is missing, 5 is broken, 7 is the sound of 6, 8 repeats a caption.
pub(crate) fn miniature(name: &str, write: impl Fn(&Path, usize)) -> PathBuf {
    let root = scratch(name);
    let head = "audiocap_id,youtube_id,start_time,caption\n";
    let mut number = 0;
    for (split, clips, captions) in [("train", TRAIN, 1), ("val", HELD, 5), ("test", HELD, 5)] {
        let mut rows = String::new();
        for clip in 0..clips {
            // YouTube's names begin with anything.
            let id = format!("-{split}_{clip:02}");
            let file =
                [format!("{id}.wav"), format!("{id}_{}.wav", 10 * clip), format!("Y{id}.wav")];
            let sound = root.join("audio").join(split).join(&file[clip % 3]);
            match (split, clip) {
                ("test", 3) => {}
                ("test", 5) => fs::write(&sound, "RIFF").unwrap(),
                ("test", 7) => write(&sound, number - 1),
                _ => write(&sound, number),
            }
            for way in 0..captions {
                let way = if (split, clip, way) == ("test", 8, 1) { 0 } else { way };
                let row = 1000 * number + rows.len();
                let caption = caption(number, way);
                rows += &format!("{row},{id},{},{caption}\n", 10 * clip);
            }
            number += 1;
        }
        fs::write(root.join(format!("{split}.csv")), format!("{head}{rows}")).unwrap();
    }
    root
}

/// The suite with the paths of this disk, and the sizes of a test.
fn audiocaps(root: &Path, runs: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_experiments"));
    command.current_dir(repository()).args(["--config", "audiocaps"]);
    let mut set = |entry: String| {
        command.args(["--set", &entry]);
    };
    set(format!("data.root='{}'", root.display()));
    set(format!("encoder.path='{}'", toy().display()));
    set(format!("runs='{}'", runs.display()));
    set(format!("language_model={{kind='pretrained',path='{LLAMA}',precision='f32'}}"));
    set(format!("evaluation.sentence_encoder='{SENTENCES}'"));
    for size in [
        "device='cpu'",
        "seeds=[0]",
        "evaluation.resamples=100",
        "captioner.prefix.hidden=16",
        "captioner.prefix.length=2",
        "captioner.prefix.train.steps=4",
        "captioner.prefix.train.batch=8",
        "captioner.decode.max_tokens=6",
    ] {
        set(size.to_owned());
    }
    for bridge in [
        "mlp_regression",
        "diffusion_bridge",
        "seed_style",
        "brownian_bridge",
        "diffusion_link",
        "refined_link.of.of",
    ] {
        set(format!("bridges.{bridge}.train.steps=20"));
        set(format!("bridges.{bridge}.train.batch=16"));
    }
    command
}

#[test]
fn the_suite_runs_over_what_is_there_though_it_is_killed_in_every_stage() {
    let root = miniature("audiocaps", record);
    let runs = scratch("audiocaps-runs");
    let t1 = || run(audiocaps(&root, &runs).args(["run", "t1"])).ok().clean();
    let both = |root: &Path, runs: &Path| {
        let mut command = audiocaps(root, runs);
        command.args(["run", "t1", "t2"]);
        command
    };
    let kinds = ["features", "embeddings", "bridge", "bridged", "gap", "captioner", "captions"];
    let interrupted =
        killed_in_every(&runs.join("audiocaps/stages"), || both(&root, &runs), &kinds);
    assert!(interrupted >= 2, "only {interrupted} stages were interrupted");
    let said = run(&mut both(&root, &runs)).ok().clean();
    let report = run(audiocaps(&root, &runs).arg("report")).ok().clean();
    for part in
        ["T1: modality gap", "T2: captioning, zero-shot", "T2: captioning, fully supervised"]
    {
        assert!(report.out.contains(part), "`{part}` is not in\n{}", report.out);
    }
    // No list says what sounds in a clip, so no caption is right or wrong about it.
    assert!(!report.out.contains("names a sound"), "{}", report.out);
    for part in [
        "warning: 1 of the 16 test clips have no sound file and are left out (the first: \
         '-test_03', looked for -test_03, -test_03_30, Y-test_03)",
        "warning: -test_05 is left out: ",
        "test.csv: has 80 rows, not 4875 as AudioCaps was published",
    ] {
        assert!(said.err.contains(part), "`{part}` is not in\n{}", said.err);
    }
    let line = "audiocaps suite: 14 of the 16 test clips (87.5 %) with 70 captions, id hash ";
    assert!(said.out.contains(line), "{}", said.out);
    let rows = ["none", "nearest neighbour", "refined link", "diffusion link"];
    assert!(rows.iter().all(|row| said.out.contains(row)), "{}", said.out);
    let hash =
        |out: &str| out.split("id hash ").nth(1).unwrap().split(';').next().unwrap().to_owned();

    // The same clips in another place, under other names: the same hash.
    let moved = scratch("audiocaps-moved");
    for entry in ["train", "val", "test"] {
        fs::copy(root.join(format!("{entry}.csv")), moved.join(format!("audiocaps_{entry}.csv")))
            .unwrap();
        for file in fs::read_dir(root.join("audio").join(entry)).unwrap() {
            let file = file.unwrap().path();
            fs::copy(&file, moved.join(file.file_name().unwrap())).unwrap();
        }
    }
    let elsewhere = scratch("audiocaps-moved-runs");
    // Nothing was killed there, and the figures are the same bits.
    let there = run(&mut both(&moved, &elsewhere)).ok();
    assert_eq!(hash(&there.out), hash(&said.out));
    for experiment in ["t1", "t2"] {
        let figures = |runs: &Path| {
            let folder = fs::read_dir(runs.join("audiocaps").join(experiment)).unwrap().next();
            fs::read(folder.unwrap().unwrap().path().join("metrics.jsonl")).unwrap()
        };
        assert!(figures(&runs) == figures(&elsewhere), "{experiment} differs");
    }

    // Mended, a clip is taken in; no other piece is embedded again.
    let kept = || {
        let pieces = fs::read_dir(runs.join("audiocaps/stages/pieces")).unwrap().next().unwrap();
        let pieces = pieces.unwrap().path();
        let made = |name: &str| pieces.join(name).metadata().unwrap().modified().unwrap();
        ["train-000000/chunk-000000-000048.safetensors", "test-text.safetensors"].map(made)
    };
    let made = kept();
    write(&root.join("audio/test/Y-test_05.wav"), 500);
    let mended = t1();
    assert!(mended.out.contains("15 of the 16 test clips (93.8 %) with 75"), "{}", mended.out);
    assert_eq!(kept(), made);
    // With the last one found, there is nothing that pieces could serve.
    write(&root.join("audio/test/-test_03.wav"), 300);
    let mended = t1();
    assert!(mended.out.contains("16 of the 16 test clips (100.0 %) with 80"), "{}", mended.out);
    assert!(!mended.err.contains("left out"), "{}", mended.err);
    assert_ne!(hash(&mended.out), hash(&said.out));
    let pieces = fs::read_dir(runs.join("audiocaps/stages/pieces")).unwrap();
    assert_eq!(pieces.count(), 0);
}

#[test]
fn what_is_wrong_with_the_disk_is_said_in_one_sentence() {
    let root = miniature("audiocaps-wrong", write);
    let runs = scratch("audiocaps-wrong-runs");
    let t1 = || run(audiocaps(&root, &runs).args(["run", "t1"]));
    fs::rename(root.join("audio/val"), root.join("val.away")).unwrap();
    for file in fs::read_dir(root.join("val.away")).unwrap() {
        let path = file.unwrap().path();
        fs::rename(&path, path.with_extension("m4a")).unwrap();
    }
    t1().fails_with(
        1,
        &[
            "audiocaps has no clips for validation that can be embedded (16 are listed)",
            "data check",
        ],
    );
    fs::remove_file(root.join("val.csv")).unwrap();
    t1().fails_with(1, &["audiocaps-wrong: has no val.csv", "`data.captions`"]);
    let runs = format!("runs='{}'", runs.display());
    let nowhere = ["--config", "audiocaps", "--set", &runs, "--set", "data.root='no/such'"];
    run(Command::new(env!("CARGO_BIN_EXE_experiments"))
        .current_dir(repository())
        .args(["run", "t1"])
        .args(nowhere))
    .fails_with(1, &["no/such: there is no such folder; correct `data.root`"]);
}

#[test]
fn data_check_lists_every_clip() {
    let root = miniature("data-check", write);
    // Silence, and a click.
    crate::audio_files::wav(&root.join("audio/train/-train_00.wav"), 1, 8000, &[0; 1600]);
    tone_at(&root.join("audio/val/-val_00.wav"), 300.0, 1, 8000, 0.01);
    let runs = scratch("data-check-runs");
    let check = |shortest: &str| {
        let mut command = audiocaps(&root, &runs);
        command.args(["data", "check", &format!("--shortest={shortest}")]);
        command
    };
    let said = run(&mut check("0.1")).ok().clean();
    let table: Vec<Vec<&str>> =
        said.out.lines().map(|line| line.split_whitespace().collect()).collect();
    for row in [
        "split listed usable share missing unreadable silent too short doubled captions repeated",
        "train 48 48 100.0 % 0 0 1 0 0 48 0",
        "validation 16 16 100.0 % 0 0 0 1 0 80 0",
        "test 16 14 87.5 % 1 1 0 0 2 75 1",
    ] {
        let row: Vec<&str> = row.split(' ').collect();
        assert!(table.contains(&row), "{row:?} is not in\n{}", said.out);
    }
    let list = fs::read_to_string(runs.join("audiocaps/data_check.csv")).unwrap();
    assert_eq!(list.lines().count(), 1 + TRAIN + 2 * HELD);
    assert_eq!(list.lines().next(), Some("split,id,state,seconds,file,remark"));
    for part in [
        "train,-train_00,silent,0.200,",
        "validation,-val_00,too short,0.010,",
        "test,-test_03,missing,,,\"looked for -test_03, -test_03_30, Y-test_03\"",
        "test,-test_05,unreadable,,",
        "test,-test_06,doubled,0.200,",
        "the same sound as '-test_06' of test",
    ] {
        assert!(list.contains(part), "`{part}` is not in\n{list}");
    }
    // What was mended is heard again.
    write(&root.join("audio/test/Y-test_05.wav"), 500);
    let other = root.join("list.csv");
    let said = run(check("0.1").arg("--output").arg(&other)).ok();
    assert!(said.out.contains("93.8 %"), "{}", said.out);
    assert!(fs::read_to_string(&other).unwrap().contains("test,-test_05,fine,0.200,"));
    run(&mut check("-1")).fails_with(1, &["--shortest -1: give seconds"]);
    run(check("0.1").args(["--output", "/"])).fails_with(1, &["--output /: is a folder"]);
}
