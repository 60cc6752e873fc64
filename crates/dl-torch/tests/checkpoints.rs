//! Checkpoints as training code saves them (tests/golden/checkpoints.py): what lies beside
//! the weights, pickle protocols, views; and what is no checkpoint.
#![allow(clippy::unwrap_used, reason = "a test may fail")]

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use dl_torch::weights::{WeightFiles, read_weights};
use serde::Deserialize;
use tch::{Kind, Tensor};

#[derive(Deserialize)]
struct Expected {
    shape: Vec<i64>,
    values: Vec<f64>,
}

fn golden(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name)
}

#[test]
fn the_weights_are_found_whatever_lies_beside_them() {
    let text = fs::read_to_string(golden("weights.json")).unwrap();
    let expected: BTreeMap<String, Expected> = serde_json::from_str(&text).unwrap();
    for kind in [
        "rng",
        "protocol1",
        "protocol3",
        "protocol4",
        "protocol5",
        "legacy1",
        "legacy4",
        "unnamed",
        "shared",
        "subclass",
    ] {
        let tensors = read_weights(&golden(&format!("checkpoint_{kind}.pth"))).unwrap();
        let names: Vec<&str> = tensors.keys().map(String::as_str).collect();
        let more: &[&str] = if kind == "shared" { &["still"] } else { &[] };
        assert_eq!(names, [&["count", "part", "plain"], more, &["transposed"]].concat(), "{kind}");
        for name in ["count", "part", "plain", "transposed"] {
            let Expected { shape, values } = &expected[name];
            assert_eq!(&tensors[name].size(), shape, "{kind} {name}");
            let values = Tensor::from_slice(values).view(shape.as_slice());
            // Saved from f32 values, read back bit for bit.
            let error =
                (tensors[name].to_kind(Kind::Double) - values).abs().max().double_value(&[]);
            assert_eq!(error, 0.0, "{kind} {name}");
        }
        if kind == "shared" {
            assert_eq!(Vec::<f32>::try_from(&tensors["still"]).unwrap(), [0.0; 3]);
        }
    }
}

#[test]
fn every_cut_of_a_checkpoint_is_one_sentence() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("cut.pth");
    for kind in ["rng", "legacy4"] {
        let bytes = fs::read(golden(&format!("checkpoint_{kind}.pth"))).unwrap();
        for length in (0..bytes.len()).step_by(7) {
            fs::write(&path, &bytes[..length]).unwrap();
            let message = read_weights(&path).unwrap_err().to_string();
            assert!(message.contains("cut.pth: ") && !message.contains('\n'), "{message}");
        }
    }
}

#[test]
fn a_storage_larger_than_the_file_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("huge.pth");
    let mut bytes = fs::read(golden("checkpoint_legacy4.pth")).unwrap();
    // The one storage of `count`: one i64, 5, behind its length.
    let place = bytes
        .windows(16)
        .rposition(|part| part == [1, 0, 0, 0, 0, 0, 0, 0, 5, 0, 0, 0, 0, 0, 0, 0]);
    bytes[place.unwrap() + 5] = 0x40;
    fs::write(&path, bytes).unwrap();
    let message = read_weights(&path).unwrap_err().to_string();
    assert!(message.contains("ends too early"), "{message}");
}

#[cfg(unix)]
#[test]
fn a_pipe_a_folder_and_a_device_are_refused_at_once() {
    let directory = tempfile::tempdir().unwrap();
    let pipe = directory.path().join("pipe.pt");
    assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    for (path, kind) in [
        (pipe.as_path(), "named pipe"),
        (directory.path(), "folder"),
        (Path::new("/dev/zero"), "device"),
    ] {
        let message = read_weights(path).unwrap_err().to_string();
        assert!(message.starts_with(&format!("{}: is a {kind}", path.display())), "{message}");
    }
}

#[test]
fn an_index_may_not_lead_elsewhere() {
    let directory = tempfile::tempdir().unwrap();
    let index = directory.path().join("model.safetensors.index.json");
    let fault = |text: &str| {
        fs::write(&index, text).unwrap();
        WeightFiles::find(directory.path()).unwrap_err().to_string()
    };
    for (text, part) in [
        ("[", "not JSON"),
        ("{}", "lists no tensors"),
        (r#"{"weight_map": {"a": "../secret"}}"#, "is no file beside the index"),
        (r#"{"weight_map": {"a": "/etc/passwd"}}"#, "is no file beside the index"),
        (r#"{"weight_map": {"a": 5}}"#, "is no file beside the index"),
        (r#"{"weight_map": {"a": "part.safetensors"}}"#, "part.safetensors: is missing, but"),
    ] {
        let message = fault(text);
        assert!(message.contains(part), "{message}");
    }
    fs::copy(golden("weights.safetensors"), directory.path().join("part.safetensors")).unwrap();
    let files = WeightFiles::find(directory.path()).unwrap();
    assert_eq!(files.all().len(), 2);
    let message = files.read().unwrap_err().to_string();
    assert!(message.contains("part.safetensors: has no `a`"), "{message}");
    fs::remove_file(&index).unwrap();
    let message = WeightFiles::find(directory.path()).unwrap_err().to_string();
    assert!(message.contains("no model.safetensors and no pytorch_model.bin"), "{message}");
}
