//! Faults in data and run directories: one line that names the file, and nothing
//! finished is lost.

use std::{fs, path::Path, process::Command};

use crate::{
    audio_files::{tone, tone_at},
    harness::{experiments, run, scratch, stage, trained, trained_copy},
};

/// A labelled folder: three labels, six sources each.
fn recordings(name: &str) -> std::path::PathBuf {
    let root = scratch(name);
    for (octave, label) in ["bell", "horn", "saw"].into_iter().enumerate() {
        fs::create_dir_all(root.join(label)).unwrap();
        for source in 0..10 {
            // Equal files would count as one source.
            let hertz = 200.0 * 2.0_f32.powi(octave as i32) + 7.0 * source as f32;
            tone_at(&root.join(format!("{label}/{source}.wav")), hertz, 1, 16_000, 1.0);
        }
    }
    run(Command::new(env!("CARGO_BIN_EXE_experiments"))
        .current_dir(crate::harness::repository())
        .arg("manifest")
        .arg(&root))
    .ok();
    root
}

fn recorded(root: &Path, runs: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_experiments"));
    command
        .current_dir(crate::harness::repository())
        .args(["doctor", "--config", "recorded"])
        .args(["--set", "encoder={kind='clap',path='configs/embedded/clap'}", "--set"])
        .arg(format!("data.roots=['{}']", root.display()))
        .arg("--set")
        .arg(format!("runs='{}'", runs.display()));
    command
}

#[test]
fn the_manifest_that_the_program_writes_opens() {
    let root = recordings("manifest-good");
    let said = run(&mut recorded(&root, &scratch("manifest-good-runs"))).ok();
    assert!(said.out.contains("ok     data"), "{}", said.out);
}

#[test]
fn a_key_of_the_corpus_is_named_whole() {
    let runs = scratch("corpus-keys");
    let set = |entry: &str| run(experiments(&runs).args(["run", "t1", "--set", entry]));
    set("data.scenes.train=-1").fails_with(1, &["data.scenes.train: invalid value: integer `-1`"]);
    set("data.mix.seconds=0.5").fails_with(1, &["data.mix.seconds = 0.5: must be from 1 to 60"]);
    set("data.scene=1").fails_with(1, &["unknown field `scene`", "did you mean `scenes`?"]);
    set("data.kind='soundscape'")
        .fails_with(1, &["data.kind: unknown variant `soundscape`", "did you mean `soundscapes`?"]);
}

#[test]
fn a_missing_file_is_listed_and_the_rest_goes_on() {
    let root = recordings("manifest-missing");
    fs::remove_file(root.join("horn/3.wav")).unwrap();
    let said = run(&mut recorded(&root, &scratch("manifest-missing-runs"))).ok();
    assert!(said.out.contains("1 warnings") && said.out.contains("horn/3.wav"), "{}", said.out);
}

#[test]
fn a_duplicate_and_a_missing_column_are_faults() {
    let root = recordings("manifest-duplicate");
    let manifest = root.join("manifest.csv");
    let text = fs::read_to_string(&manifest).unwrap();
    let line = text.lines().nth(1).unwrap();
    fs::write(&manifest, format!("{text}{line}\n")).unwrap();
    let runs = scratch("manifest-duplicate-runs");
    let said = run(&mut recorded(&root, &runs)).clean();
    assert_eq!(said.code, Some(2));
    assert!(said.out.contains("FAULT  data") && said.out.contains("a second time"), "{}", said.out);
    fs::write(&manifest, text.replacen("label", "class", 1)).unwrap();
    let said = run(&mut recorded(&root, &runs)).clean();
    assert!(said.out.contains("FAULT  data") && said.out.contains("label"), "{}", said.out);
}

#[test]
fn a_spoilt_embedding_set_is_named() {
    let runs = trained_copy("spoilt-set");
    fs::remove_dir_all(runs.join("tiny/t1")).unwrap();
    for name in ["bridged", "gap"] {
        fs::remove_dir_all(runs.join("tiny/stages").join(name)).unwrap();
    }
    let file = stage(&runs, "embeddings").join("test.safetensors");
    let good = fs::read(&file).unwrap();
    let t1 = || run(experiments(&runs).args(["run", "t1"]));

    let mut set = dl_core::EmbeddingSet::read(&file).unwrap();
    // The last text value becomes a NaN.
    let mut bytes = good.clone();
    let end = bytes.len();
    bytes[end - 4..].copy_from_slice(&f32::NAN.to_le_bytes());
    fs::write(&file, &bytes).unwrap();
    t1().fails_with(1, &["test.safetensors", "NaN"]);

    set.audio = set.audio.slice(ndarray::s![.., ..8]).to_owned();
    set.text = set.text.slice(ndarray::s![.., ..8]).to_owned();
    set.write(&file).unwrap();
    t1().fails_with(1, &["8 dimensions"]);

    fs::write(&file, &good[..good.len() / 2]).unwrap();
    t1().fails_with(1, &["test.safetensors", "make it again"]);

    fs::write(&file, &good).unwrap();
    t1().ok();
}

#[test]
fn a_run_directory_that_cannot_be_written_is_named() {
    // A folder that nobody can make, the super-user included.
    run(&mut experiments(Path::new("/proc/no-runs-here"))).fails_with(1, &["/proc/no-runs-here"]);
}

#[test]
fn a_full_disk_is_named_and_what_was_finished_stays() {
    let disk = scratch("full-disk");
    let mount =
        Command::new("mount").args(["-t", "tmpfs", "-o", "size=1m", "tmpfs"]).arg(&disk).output();
    if !mount.is_ok_and(|output| output.status.success()) {
        println!("skipped: mounting a small disk needs the super-user");
        return;
    }
    let said = run(&mut experiments(&disk));
    let left: Vec<_> = walk(&disk);
    Command::new("umount").arg(&disk).status().unwrap();
    said.fails_with(1, &["full-disk", "No space left on device"]);
    assert!(left.iter().all(|name| !name.ends_with(".tmp")), "half-written: {left:?}");
}

fn walk(folder: &Path) -> Vec<String> {
    let mut names = Vec::new();
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        if entry.path().is_dir() {
            names.extend(walk(&entry.path()));
        }
        names.push(entry.file_name().to_string_lossy().into_owned());
    }
    names
}

#[test]
fn embed_lists_bad_files_and_refuses_a_duplicate_id() {
    let folder = scratch("embed");
    tone(&folder.join("a.wav"), 1, 44_100, 1.0);
    fs::write(folder.join("b.wav"), "no sound").unwrap();
    let manifest = folder.join("manifest.csv");
    let output = folder.join("set.safetensors");
    let embed = || {
        run(experiments(trained())
            .args(["embed", "--npy", "--manifest"])
            .arg(&manifest)
            .arg("--output")
            .arg(&output))
        .clean()
    };
    let rows = "id,file,caption\none,a.wav,A bell rings\none,a.wav,A bell\ntwo,b.wav,A horn\n";
    fs::write(&manifest, rows).unwrap();
    let said = embed();
    assert_eq!(said.code, Some(1), "{}", said.err);
    assert!(said.err.contains("two") && said.err.contains("b.wav"), "{}", said.err);
    let set = dl_core::EmbeddingSet::read(&output).unwrap();
    assert_eq!((set.len(), set.captions.len()), (1, 2));
    assert!(folder.join("audio.npy").is_file());
    fs::write(&manifest, format!("{rows}one,b.wav,Another\n")).unwrap();
    embed().fails_with(1, &["manifest.csv", "id 'one' occurs again"]);
}
