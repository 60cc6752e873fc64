//! Weight files of other tools against what their own libraries say is in them
//! (tests/golden/weights.py).
#![allow(clippy::unwrap_used, reason = "a test may fail")]

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use dl_torch::weights::{read_gguf_metadata, read_weights};
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

fn expected() -> BTreeMap<String, Expected> {
    serde_json::from_slice(&fs::read(golden("weights.json")).unwrap()).unwrap()
}

fn check(name: &str, tensor: &Tensor, expected: &Expected, tolerance: f64) {
    assert_eq!(tensor.size(), expected.shape, "{name}");
    let values = Tensor::from_slice(&expected.values).view(expected.shape.as_slice());
    let error = (tensor.to_kind(Kind::Double) - values).abs().max().double_value(&[]);
    assert!(error <= tolerance, "{name}: {error}");
}

#[test]
fn every_form_of_checkpoint_gives_the_same_tensors() {
    let mut expected = expected();
    expected.retain(|name, _| !name.starts_with('q'));
    for file in
        ["weights.safetensors", "weights_zip.pth", "weights_nested.pth", "weights_legacy.pth"]
    {
        let tensors = read_weights(&golden(file)).unwrap();
        let names: Vec<&String> = tensors.keys().collect();
        assert_eq!(names, expected.keys().collect::<Vec<_>>(), "{file}");
        for (name, tensor) in &tensors {
            check(&format!("{file}: {name}"), tensor, &expected[name], 0.0);
        }
        assert_eq!(tensors["brain"].kind(), Kind::BFloat16);
        assert_eq!(tensors["count"].kind(), Kind::Int64);
    }
}

#[test]
fn gguf_is_dequantised_as_its_own_library_does() {
    let tensors = read_weights(&golden("weights.gguf")).unwrap();
    let expected = expected();
    check("norm", &tensors["norm"], &expected["plain"], 0.0);
    // Scale times level plus offset, in f32 there and here.
    check("q8", &tensors["q8"], &expected["q8"], 1e-6);
    check("q4", &tensors["q4"], &expected["q4"], 1e-6);
    let metadata = read_gguf_metadata(&golden("weights.gguf")).unwrap();
    assert_eq!(metadata["general.architecture"], "llama");
    assert_eq!(metadata["llama.block_count"], 30);
    assert_eq!(metadata["tokenizer.ggml.tokens"][1], "dog");
    assert!(read_gguf_metadata(&golden("weights_zip.pth")).is_err());
}

#[test]
fn a_file_cut_short_is_one_sentence() {
    let directory = tempfile::tempdir().unwrap();
    for file in ["weights.safetensors", "weights_zip.pth", "weights_legacy.pth", "weights.gguf"] {
        let bytes = fs::read(golden(file)).unwrap();
        let path = directory.path().join(file);
        for length in [0, 1, 7, 20, bytes.len() / 2, bytes.len() - 1] {
            fs::write(&path, &bytes[..length]).unwrap();
            let Err(error) = read_weights(&path) else {
                // The alignment that GGUF puts after its last tensor is no loss.
                assert!(file == "weights.gguf" && length > 20, "{file} cut to {length}");
                continue;
            };
            let message = error.to_string();
            assert!(message.contains(file) && !message.contains('\n'), "{message}");
        }
    }
    let page = directory.path().join("page.bin");
    fs::write(&page, "<!DOCTYPE html><html></html>").unwrap();
    let message = read_weights(&page).unwrap_err().to_string();
    assert!(message.contains("page.bin: 28 bytes that are no weight file"), "{message}");
    let message = read_weights(Path::new("/nowhere/x.bin")).unwrap_err().to_string();
    assert!(message.starts_with("/nowhere/x.bin: "), "{message}");
}

#[test]
fn a_bit_turned_in_a_checkpoint_is_found() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("turned.pth");
    let bytes = fs::read(golden("weights_zip.pth")).unwrap();
    // The pickle lies at the front of the archive, in clear.
    let place = bytes.windows(5).position(|window| window == b"plain").unwrap();
    let mut turned = bytes;
    turned[place] ^= 1;
    fs::write(&path, turned).unwrap();
    let message = read_weights(&path).unwrap_err().to_string();
    assert!(message.contains("not a whole PyTorch checkpoint"), "{message}");
}
