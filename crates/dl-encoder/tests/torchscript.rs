//! A bundle that the export script wrote (tests/golden/torchscript.py): it gives
//! what the eager model gives, and is refused when anything about it is wrong.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test may fail and say why")]

mod common;

use std::{fs, path::Path};

use common::{golden, goldens};
use dl_audio::{AudioFeatures, Waveform};
use dl_core::Fingerprint;
use dl_encoder::{AudioEncoder, Encoder, TorchScriptEncoder};
use dl_torch::{
    convert,
    tensor_file::{self, Tensors},
};
use ndarray::Array2;
use tch::{CModule, Device, Tensor};

fn load(directory: &Path) -> Result<TorchScriptEncoder, String> {
    TorchScriptEncoder::load(directory, Device::Cpu).map_err(|error| error.to_string())
}

fn bundle() -> TorchScriptEncoder {
    load(&golden("torchscript_bundle")).unwrap()
}

fn clips(tensors: &Tensors) -> Vec<Waveform> {
    let samples = |i: i32| Some(Vec::try_from(tensors.get(&format!("waveform_{i}"))?).unwrap());
    (0..).map_while(samples).map(|samples| Waveform { samples, sample_rate: 4000 }).collect()
}

fn largest(a: &Array2<f32>, b: &Array2<f32>) -> f32 {
    assert_eq!(a.dim(), b.dim());
    (a - b).iter().fold(0.0, |largest, x| largest.max(x.abs()))
}

/// A copy of the bundle, changed and, with `signed`, with digests that agree again.
fn changed(signed: bool, change: impl Fn(&Path)) -> tempfile::TempDir {
    let copy = tempfile::tempdir().unwrap();
    for entry in fs::read_dir(golden("torchscript_bundle")).unwrap() {
        let path = entry.unwrap().path();
        fs::copy(&path, copy.path().join(path.file_name().unwrap())).unwrap();
    }
    change(copy.path());
    if signed {
        edit(copy.path(), |settings| {
            for (name, digest) in settings["sha256"].as_object_mut().unwrap() {
                let found = Fingerprint::of_file(&copy.path().join(name)).unwrap();
                *digest = found.as_str().into();
            }
        });
    }
    copy
}

fn edit(directory: &Path, change: impl Fn(&mut serde_json::Value)) {
    let path = directory.join("bundle.json");
    let mut settings = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    change(&mut settings);
    fs::write(&path, settings.to_string()).unwrap();
}

fn probe(directory: &Path, change: impl Fn(&mut Tensors)) {
    let path = directory.join("probe.safetensors");
    let (mut tensors, metadata) = tensor_file::read(&path, Device::Cpu).unwrap();
    change(&mut tensors);
    tensor_file::write(&path, &tensors, metadata).unwrap();
}

/// The message of a bundle that is refused: one line without a C++ trace.
fn refusal(copy: &tempfile::TempDir) -> String {
    let message = load(copy.path()).err().unwrap();
    println!("{message}");
    assert!(!message.contains('\n') && !message.contains("frame #"), "{message}");
    message
}

#[test]
fn clips_and_texts_outside_of_the_probe_match_the_eager_model() {
    let encoder = bundle();
    let expected = goldens("torchscript.safetensors");
    let audio = encoder.embed_audio(&clips(&expected)).unwrap();
    let error = largest(&audio, &convert::array2(&expected["audio"]).unwrap());
    println!("clips, with our front end: largest difference {error:.1e}");
    assert!(error < 1e-4, "{error}");
    let texts: Vec<String> =
        serde_json::from_slice(&fs::read(golden("torchscript.json")).unwrap()).unwrap();
    let text = encoder.embed_text(&texts).unwrap();
    let error = largest(&text, &convert::array2(&expected["text"]).unwrap());
    println!("texts: largest difference {error:.1e}");
    assert!(error < 1e-5, "{error}");
    assert_eq!((encoder.dim(), encoder.name()), (12, "toy-clap"));
    assert!(encoder.made_with()["torch"].starts_with("2."));
}

#[test]
fn batches_and_order_change_nothing() {
    let encoder = bundle();
    let clips = clips(&goldens("torchscript.safetensors"));
    // More than one batch, the longer clips among the others.
    let many: Vec<Waveform> = (0..11).map(|i| clips[i * 3 % clips.len()].clone()).collect();
    let together = encoder.embed_audio(&many).unwrap();
    let mut alone = Array2::zeros(together.dim());
    for (clip, mut row) in many.iter().zip(alone.rows_mut()) {
        row.assign(&encoder.embed_audio(std::slice::from_ref(clip)).unwrap().row(0));
    }
    let error = largest(&together, &alone);
    println!("batch 1 against 8: largest difference {error:.1e}");
    assert!(error < 1e-5, "{error}");
    for row in together.rows() {
        assert!((row.dot(&row) - 1.0).abs() < 1e-5);
    }
    let texts = ["rain", "a long sentence about rain on a roof", "rain"].map(str::to_owned);
    let rows = encoder.embed_text(&texts).unwrap();
    assert_eq!(rows.row(0), rows.row(2));
    let error =
        largest(&rows.select(ndarray::Axis(0), &[1]), &encoder.embed_text(&texts[1..2]).unwrap());
    assert!(error < 1e-5, "{error}");
    assert_eq!(encoder.embed_audio(&[]).unwrap().dim(), (0, 12));
    assert_eq!(encoder.embed_text(&[]).unwrap().dim(), (0, 12));
}

#[test]
fn a_spoilt_module_fails_the_probe() {
    // A weight of the text tower is overwritten inside of the archive.
    let copy = changed(true, |folder| {
        let path = folder.join("text.pt");
        let mut bytes = fs::read(&path).unwrap();
        let mut archive = zip_offsets(&bytes);
        archive.sort_by_key(|(_, range)| range.len());
        let (_, largest) = archive.pop().unwrap();
        for value in bytes[largest].chunks_exact_mut(4) {
            value.copy_from_slice(&0.25_f32.to_le_bytes());
        }
        fs::write(&path, bytes).unwrap();
    });
    let message = refusal(&copy);
    assert!(message.contains("text"), "{message}");
}

/// Names and places of the stored tensors in a TorchScript archive: after each
/// local header (30 bytes, name, extra field) come as many bytes as it says.
fn zip_offsets(bytes: &[u8]) -> Vec<(String, std::ops::Range<usize>)> {
    let word = |at: usize| u16::from_le_bytes([bytes[at], bytes[at + 1]]) as usize;
    let size = |at: usize| word(at) + (word(at + 2) << 16);
    let mut found = Vec::new();
    let mut at = 0;
    while bytes[at..].starts_with(b"PK\x03\x04") {
        let (name, extra) = (word(at + 26), word(at + 28));
        let start = at + 30 + name + extra;
        let text = String::from_utf8_lossy(&bytes[at + 30..at + 30 + name]).into_owned();
        let end = start + size(at + 18);
        if text.contains("/data/") {
            found.push((text, start..end));
        }
        at = end;
    }
    found
}

/// LAION-AI/CLAP#175: a trace kept what was constant in its example.
#[test]
fn a_module_that_kept_its_example_fails_the_probe() {
    let copy = changed(true, |folder| {
        let (tensors, _) =
            tensor_file::read(&folder.join("probe.safetensors"), Device::Cpu).unwrap();
        let one = |name: &str| tensors[name].narrow(0, 0, 1);
        let module = CModule::create_by_tracing(
            "frozen",
            "forward",
            &[one("features"), one("is_longer")],
            &mut |_| vec![one("audio")],
        );
        module.unwrap().save(folder.join("audio.pt")).unwrap();
    });
    let message = refusal(&copy);
    assert!(message.contains("audio module") && message.contains("item 1 alone"), "{message}");
}

#[test]
fn a_spoilt_probe_names_side_item_found_and_expected() {
    for (side, item, part) in [("audio", 2, "audio module"), ("text", 1, "text module")] {
        let copy = changed(true, |folder| {
            probe(folder, |tensors| {
                let mut value = tensors[side].get(item).get(0);
                value += 0.01;
            });
        });
        let message = refusal(&copy);
        for part in [part, &format!("item {item} alone"), "0.99999", "probe.safetensors"] {
            assert!(message.contains(part), "{message}");
        }
    }
    // Clips that a model hears alike prove nothing.
    let copy = changed(true, |folder| {
        probe(folder, |tensors| {
            let same = tensors["audio"].narrow(0, 0, 1).expand([6, 12], false).contiguous();
            tensors.insert("audio".into(), same);
        });
    });
    assert!(refusal(&copy).contains("proves nothing"));
    let copy = changed(true, |folder| {
        probe(folder, |tensors| {
            let _ = tensors["audio"].get(0).get(0).fill_(f64::NAN);
        });
    });
    assert!(refusal(&copy).contains("no numbers"));
    let copy = changed(true, |folder| {
        probe(folder, |tensors| drop(tensors.remove("mask").unwrap()));
    });
    assert!(refusal(&copy).contains("`mask` is missing"));
    let copy = changed(true, |folder| {
        probe(folder, |tensors| {
            tensors.insert("ids".into(), Tensor::from_slice(&[0_i64; 4]).view([4, 1]));
        });
    });
    assert!(refusal(&copy).contains("do not fit together"));
}

#[test]
fn files_that_are_missing_cut_short_or_exchanged_are_named() {
    for name in ["audio.pt", "text.pt", "tokenizer.json", "probe.safetensors", "bundle.json"] {
        let copy = changed(false, |folder| fs::remove_file(folder.join(name)).unwrap());
        assert!(refusal(&copy).contains(name));
        let cut = |folder: &Path| {
            let path = folder.join(name);
            let bytes = fs::read(&path).unwrap();
            fs::write(&path, &bytes[..bytes.len() / 2]).unwrap();
        };
        let message = refusal(&changed(false, cut));
        assert!(message.contains(name), "{message}");
        if name == "bundle.json" {
            continue;
        }
        assert!(message.contains("SHA-256"), "{message}");
        let message = refusal(&changed(true, cut));
        assert!(message.contains(name), "{message}");
    }
}

#[test]
fn settings_are_checked() {
    for (key, value, part) in [
        ("format", 2.into(), "format 2 of bundles, but this program reads 1"),
        ("format", serde_json::Value::Null, "format null"),
        ("dim", 0.into(), "dim = 0: must be at least 1"),
        ("dim", 13.into(), "expected [1, 13], found [1, 12]"),
        ("colour", 1.into(), "unknown field `colour`"),
        ("sha256", serde_json::json!({}), "has no sha256 of audio.pt"),
        ("text", serde_json::json!({"max_tokens": 1, "pad_id": 1}), "max_tokens = 1"),
        ("front_end", serde_json::json!({"clip": {"fill": "none"}}), "front_end: "),
    ] {
        let copy = changed(false, |folder| edit(folder, |all| all[key] = value.clone()));
        let message = refusal(&copy);
        assert!(message.contains(part), "{message}");
    }
}

#[test]
fn the_fingerprint_follows_what_embeddings_depend_on() {
    let encoder = bundle();
    let renamed = changed(false, |folder| edit(folder, |all| all["name"] = "other".into()));
    assert_eq!(load(renamed.path()).unwrap().fingerprint(), encoder.fingerprint());
    let rounded =
        changed(false, |folder| edit(folder, |all| all["front_end"]["int16"] = true.into()));
    assert_ne!(load(rounded.path()).unwrap().fingerprint(), encoder.fingerprint());
}

#[test]
fn features_of_another_shape_are_refused() {
    let features = AudioFeatures { values: ndarray::Array3::zeros((1, 5, 64)), is_longer: false };
    let message = bundle().embed_features(&[features]).unwrap_err().to_string();
    assert!(message.contains("expected [4, 21, 64], found [1, 5, 64]"), "{message}");
}
