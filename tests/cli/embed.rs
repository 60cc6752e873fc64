//! `embed` over any encoder: what it writes, what it says, and how it goes on.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::{Duration, Instant, SystemTime},
};

use dl_core::EmbeddingSet;
use dl_encoder::{AudioEncoder, Clap, ClapConfig, Encoder};
use ndarray::Axis;

use crate::{
    audio_files::tone_at,
    harness::{Said, experiments, repository, run, scratch},
};

/// Three pieces of clips: two of 32 and one of 6.
pub(crate) const CLIPS: usize = 70;

/// A file of `dl-encoder`'s tests.
fn golden(name: &str) -> PathBuf {
    repository().join("crates/dl-encoder/tests/golden").join(name)
}

/// A CLAP of random weights at toy size: 8 kHz, 2 s.
pub(crate) fn toy() -> PathBuf {
    golden("clap_unfused")
}

fn sound(folder: &Path, index: usize) -> PathBuf {
    folder.join(format!("{index}.wav"))
}

fn write_sound(folder: &Path, index: usize) {
    let seconds = if index == 4 { 3.5 } else { 0.1 + 0.005 * index as f32 };
    tone_at(&sound(folder, index), 100.0 + 40.0 * index as f32, 1, 8000, seconds);
}

/// `count` clips with one or two captions each, and their manifest `pairs.csv`.
pub(crate) fn corpus(folder: &Path, count: usize) {
    let mut rows = "id,file,caption\n".to_owned();
    for index in 0..count {
        write_sound(folder, index);
        rows += &format!("clip {index},{index}.wav,a tone number {index}\n");
        if index % 2 == 0 {
            rows += &format!("clip {index},{index}.wav,a hum\n");
        }
    }
    fs::write(folder.join("pairs.csv"), rows).unwrap();
}

/// `embed` on the manifest in `folder`; all paths absolute.
pub(crate) fn embed(folder: &Path, encoder: &Path, output: &str) -> Command {
    let mut command = experiments(&folder.join("runs"));
    command.arg("embed").arg("--encoder").arg(encoder);
    command.arg("--manifest").arg(folder.join("pairs.csv"));
    command.arg("--output").arg(folder.join(output));
    command
}

fn largest(a: &ndarray::Array2<f32>, b: &ndarray::Array2<f32>) -> f32 {
    assert_eq!(a.dim(), b.dim());
    (a - b).iter().fold(0.0, |worst, x| x.abs().max(worst))
}

#[test]
fn a_manifest_through_a_clap_directory() {
    let folder = scratch("embed-clap");
    corpus(&folder, 7);
    let said = run(embed(&folder, &toy(), "set.safetensors").arg("--npy")).ok();
    for part in ["7 clips, 11 captions, 24 dimensions", "norms: audio 1.000 to 1.000", "R@1"] {
        assert!(said.out.contains(part), "{}", said.out);
    }
    let set = EmbeddingSet::read(&folder.join("set.safetensors")).unwrap();
    let clap = Clap::load(&ClapConfig::at(toy()), tch::Device::Cpu).unwrap();
    let sounds: Vec<_> =
        (0..7).map(|index| dl_audio::load(&sound(&folder, index)).unwrap()).collect();
    assert_eq!(set.ids, (0..7).map(|index| format!("clip {index}")).collect::<Vec<_>>());
    assert!(largest(&set.audio, &clap.embed_audio(&sounds).unwrap()) < 1e-6);
    assert!(largest(&set.text, &clap.embed_text(&set.captions).unwrap()) < 1e-6);
    assert_eq!((&set.captions[1], set.owners[1], set.owners[2]), (&"a hum".to_owned(), 0, 1));
    assert_eq!(set.provenance.encoder, clap.fingerprint().to_string());
    for file in ["audio.npy", "text.npy", "owners.npy"] {
        assert!(folder.join(file).is_file(), "{file}");
    }
    assert!(!folder.join("set.safetensors.parts").exists());
}

#[test]
fn the_crop_is_the_users_choice() {
    let folder = scratch("embed-crop");
    corpus(&folder, 5);
    let with = |output: &str, arguments: &[&str]| {
        run(embed(&folder, &toy(), output).args(arguments)).ok();
        EmbeddingSet::read(&folder.join(output)).unwrap()
    };
    let default = with("default.safetensors", &[]);
    let centre = with("centre.safetensors", &["--crop", "centre", "--int16"]);
    assert_ne!(default.provenance.encoder, centre.provenance.encoder);
    let config = ClapConfig {
        crop: dl_audio::Crop::Centre,
        chunks: dl_audio::ChunkPolicy::Centre,
        int16: true,
        ..ClapConfig::at(toy())
    };
    let clap = Clap::load(&config, tch::Device::Cpu).unwrap();
    assert_eq!(centre.provenance.encoder, clap.fingerprint().to_string());
    // Clip 4 alone is longer than the window.
    let row = clap.embed_audio(&[dl_audio::load(&sound(&folder, 4)).unwrap()]).unwrap();
    assert!(largest(&centre.audio.select(Axis(0), &[4]), &row) < 1e-6);
    let said = run(embed(&folder, &toy(), "x.safetensors").args(["--crop", "end"]));
    assert_eq!(said.code, Some(2));
    assert!(said.err.contains("use first or centre"), "{}", said.err);
    run(embed(&folder, &golden("torchscript_bundle"), "x.safetensors").arg("--int16"))
        .fails_with(1, &["--crop and --int16", "torchscript_bundle"]);
}

#[test]
fn bundles_and_configurations_are_encoders_too() {
    let folder = scratch("embed-others");
    corpus(&folder, 3);
    for encoder in [&golden("torchscript_bundle"), Path::new("embedded")] {
        let said = run(&mut embed(&folder, encoder, "set.safetensors")).ok();
        assert!(said.out.contains("3 clips, 5 captions"), "{}", said.out);
    }
}

#[test]
fn what_is_no_encoder_is_refused_in_one_sentence() {
    let folder = scratch("no-encoder");
    corpus(&folder, 1);
    let with = |encoder: &Path| run(&mut embed(&folder, encoder, "x.safetensors"));
    with(Path::new("nowhere/clap")).fails_with(
        1,
        &["--encoder nowhere/clap", "CLAP directory", ".pt", "TorchScript bundle", "recorded"],
    );
    let empty = folder.join("empty");
    fs::create_dir_all(&empty).unwrap();
    with(&empty).fails_with(1, &["empty: has no preprocessor_config.json"]);
    let broken = folder.join("broken");
    fs::create_dir_all(&broken).unwrap();
    for entry in fs::read_dir(toy()).unwrap() {
        let path = entry.unwrap().path();
        fs::copy(&path, broken.join(path.file_name().unwrap())).unwrap();
    }
    let weights = fs::read(broken.join("model.safetensors")).unwrap();
    fs::write(broken.join("model.safetensors"), &weights[..weights.len() / 2]).unwrap();
    with(&broken).fails_with(1, &["model.safetensors", "not a whole"]);
    with(&folder.join("pairs.csv")).fails_with(1, &["pairs.csv"]);
    let checkpoint = folder.join("laion.pt");
    fs::copy(golden("laion.pt"), &checkpoint).unwrap();
    with(&checkpoint).fails_with(1, &["tokenizer.json", "roberta-base"]);
}

#[test]
fn a_collapsed_tower_is_warned_of_in_words() {
    let folder = scratch("collapsed");
    corpus(&folder, 3);
    for index in 1..3 {
        fs::copy(sound(&folder, 0), sound(&folder, index)).unwrap();
    }
    let said = run(&mut embed(&folder, &toy(), "set.safetensors")).ok();
    assert!(
        said.err.contains("warning: the audio embeddings are nearly all alike"),
        "{}",
        said.err
    );
}

/// Kills `command` (SIGKILL) when the piece of clips 32 to 64 is done. The next
/// piece has a long way to go.
fn killed_in_the_third_piece(command: &mut Command, parts: &Path) {
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    // Pieces are made side by side: the first may be the later one.
    let pieces =
        ["000000", "000032"].map(|p| parts.join(p).join("chunk-000000-000032.safetensors"));
    let deadline = Instant::now() + Duration::from_secs(120);
    while !pieces.iter().all(|piece| piece.is_file()) {
        assert!(child.try_wait().unwrap().is_none(), "it ended before it could be killed");
        assert!(Instant::now() < deadline, "no second piece within two minutes");
        std::thread::sleep(Duration::from_millis(5));
    }
    child.kill().unwrap();
    child.wait().unwrap();
}

#[test]
fn a_killed_run_goes_on_and_ends_with_the_same_bytes() {
    let folder = scratch("embed-killed");
    corpus(&folder, CLIPS);
    let go = || run(&mut embed(&folder, &toy(), "set.safetensors"));
    let parts = folder.join("set.safetensors.parts");
    let changed = || -> SystemTime {
        let piece = parts.join("000000/chunk-000000-000032.safetensors");
        piece.metadata().unwrap().modified().unwrap()
    };

    let late = sound(&folder, 66);
    tone_at(&late, 300.0, 8, 48_000, 60.0);
    killed_in_the_third_piece(&mut embed(&folder, &toy(), "set.safetensors"), &parts);
    assert!(!folder.join("set.safetensors").exists());
    let made = changed();

    // It goes on to the end without the clip that has become no sound.
    fs::write(&late, "no sound").unwrap();
    let said: Said = go().clean();
    assert_eq!(said.code, Some(1), "{}", said.err);
    assert!(said.err.contains("error: clip 66: ") && said.err.contains("66.wav"), "{}", said.err);
    assert!(said.out.contains("69 clips, 103 captions"), "{}", said.out);
    assert_eq!(changed(), made, "a finished piece was made again");

    // Mended, it is taken in.
    write_sound(&folder, 66);
    go().ok();
    assert!(!parts.exists());
    run(&mut embed(&folder, &toy(), "straight.safetensors")).ok();
    let bytes = |name: &str| fs::read(folder.join(name)).unwrap();
    assert!(bytes("set.safetensors") == bytes("straight.safetensors"));
}

#[test]
fn a_sound_or_caption_that_changed_is_embedded_again() {
    let folder = scratch("embed-changed");
    corpus(&folder, 3);
    // A fault keeps the pieces.
    fs::write(sound(&folder, 2), "no sound").unwrap();
    assert_eq!(run(&mut embed(&folder, &toy(), "set.safetensors")).code, Some(1));
    assert!(folder.join("set.safetensors.parts").is_dir());
    write_sound(&folder, 2);
    tone_at(&sound(&folder, 0), 3000.0, 1, 8000, 0.7);
    let manifest = folder.join("pairs.csv");
    let rows = fs::read_to_string(&manifest).unwrap().replace("number 1", "number one");
    fs::write(&manifest, rows).unwrap();
    run(&mut embed(&folder, &toy(), "set.safetensors")).ok();
    run(&mut embed(&folder, &toy(), "fresh.safetensors")).ok();
    let bytes = |name: &str| fs::read(folder.join(name)).unwrap();
    assert!(bytes("set.safetensors") == bytes("fresh.safetensors"));
}
