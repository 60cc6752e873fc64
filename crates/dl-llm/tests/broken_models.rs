//! Model directories that cannot be used: one clear sentence, before anything large is read.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

#[path = "../../dl-torch/tests/strange/mod.rs"]
mod strange;

use std::{
    collections::HashMap,
    fs,
    path::{Path, PathBuf},
};

use dl_llm::{Llama, ModelFiles, WeightKind};
use dl_torch::tensor_file::{self, Tensors};
use proptest::{collection::vec, prelude::any, prop_assert, proptest};
use serde_json::{Value, json};
use tch::{Device, Kind, Tensor};

fn golden(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/llama_biased").join(name)
}

fn weights() -> Tensors {
    tensor_file::read(&golden("model.safetensors"), Device::Cpu).unwrap().0
}

/// The golden model in two shards, its weights and configuration changed.
fn sharded(weights: &Tensors, change: impl FnOnce(&mut Value)) -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    let text = fs::read_to_string(golden("config.json")).unwrap();
    let mut config: Value = serde_json::from_str(&text).unwrap();
    change(&mut config);
    fs::write(directory.path().join("config.json"), config.to_string()).unwrap();
    let mut map = serde_json::Map::new();
    for (number, file) in ["1.safetensors", "2.safetensors"].into_iter().enumerate() {
        let part: Tensors = weights
            .iter()
            .enumerate()
            .filter(|(index, _)| index % 2 == number)
            .map(|(_, (name, tensor))| (name.clone(), tensor.shallow_clone()))
            .collect();
        map.extend(part.keys().map(|key| (key.clone(), file.into())));
        tensor_file::write(&directory.path().join(file), &part, HashMap::new()).unwrap();
    }
    let index = json!({ "weight_map": map }).to_string();
    fs::write(directory.path().join("model.safetensors.index.json"), index).unwrap();
    directory
}

fn load(directory: &Path) -> Result<Tensors, String> {
    let files = ModelFiles::open(directory).map_err(|error| error.to_string())?;
    let loaded = Llama::load(&files, WeightKind::File, Device::Cpu);
    loaded.map(|(_, weights)| weights).map_err(|error| error.to_string())
}

fn refused(directory: &Path, parts: &[&str]) {
    let error = load(directory).unwrap_err();
    assert!(!error.contains('\n'), "{error}");
    for part in parts {
        assert!(error.contains(part), "{error}");
    }
}

fn same(found: &Tensors, expected: &Tensors) {
    assert_eq!(found.keys().collect::<Vec<_>>(), expected.keys().collect::<Vec<_>>());
    for (name, tensor) in found {
        assert_eq!(tensor, &expected[name], "{name}");
    }
}

#[test]
fn shards_and_pickles_hold_the_same_weights() {
    let directory = sharded(&weights(), |_| ());
    same(&load(directory.path()).unwrap(), &weights());
    let old = tempfile::tempdir().unwrap();
    for file in ["config.json", "pytorch_model.bin"] {
        fs::copy(golden(file), old.path().join(file)).unwrap();
    }
    same(&load(old.path()).unwrap(), &weights());
    // In halves of the precision, as larger models are published.
    let half: Tensors =
        weights().iter().map(|(name, t)| (name.clone(), t.to_kind(Kind::BFloat16))).collect();
    same(&load(sharded(&half, |_| ()).path()).unwrap(), &half);
}

#[test]
fn shards_that_are_missing_or_cut() {
    let directory = sharded(&weights(), |_| ());
    let shard = directory.path().join("2.safetensors");
    let whole = fs::read(&shard).unwrap();
    for length in [whole.len() - 1, 100, 4, 0] {
        fs::write(&shard, &whole[..length]).unwrap();
        refused(directory.path(), &["2.safetensors: not a whole safetensors file", "again"]);
    }
    fs::remove_file(&shard).unwrap();
    refused(directory.path(), &["2.safetensors: "]);
}

#[test]
fn weights_of_another_model() {
    let mut other = weights();
    other.insert("model.norm.weight".into(), Tensor::ones([7], (Kind::Float, Device::Cpu)));
    other.insert("model.extra".into(), Tensor::ones([7], (Kind::Float, Device::Cpu)));
    other.remove("model.layers.1.mlp.up_proj.bias");
    let directory = sharded(&other, |_| ());
    refused(
        directory.path(),
        &[
            "`model.norm.weight` is [7], expected [16]",
            "`model.layers.1.mlp.up_proj.bias` is missing",
            "`model.extra` is unknown",
        ],
    );
    // What older files keep besides is left alone.
    let mut older = weights();
    let frequencies = Tensor::ones([3], (Kind::Float, Device::Cpu));
    older.insert("model.layers.0.self_attn.rotary_emb.inv_freq".into(), frequencies);
    same(&load(sharded(&older, |_| ()).path()).unwrap(), &weights());
}

#[test]
fn any_configuration_gives_a_model_or_one_sentence() {
    let directory = sharded(&weights(), |_| ());
    let file = directory.path().join("config.json");
    let text = fs::read_to_string(&file).unwrap();
    proptest!(strange::cases(300), |(changes in vec((any::<usize>(), any::<usize>()), 1..4))| {
        fs::write(&file, strange::changed(&text, &changes)).unwrap();
        if let Err(error) = load(directory.path()) {
            prop_assert!(error.starts_with(&directory.path().display().to_string()), "{error}");
            prop_assert!(!error.contains('\n') && error.len() < 2000, "{error}");
        }
    });
}

#[test]
fn configurations_that_are_not_supported() {
    let directory = sharded(&weights(), |config| config["model_type"] = json!("mistral"));
    refused(directory.path(), &["config.json: `model_type` is mistral; only llama"]);
    let directory =
        sharded(&weights(), |config| config["vocab_size"] = json!(2_000_000_000_000_i64));
    refused(directory.path(), &["vocab = 2000000000000: must be in 1..=16777216"]);
    // Two tables of 16,000,000 x 60,000 values.
    let directory = sharded(&weights(), |config| {
        config["vocab_size"] = json!(16_000_000);
        config["hidden_size"] = json!(60_000);
    });
    refused(directory.path(), &["the weights take", "of memory are free"]);
    let index = "model.safetensors.index.json";
    let directory = sharded(&weights(), |_| ());
    fs::write(directory.path().join(index), r#"{"weight_map": {"a": "../x"}}"#).unwrap();
    refused(directory.path(), &[index, "`../x` is no file beside it"]);
}
