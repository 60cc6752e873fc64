//! The decoder against transformers' LlamaForCausalLM (tests/golden/llama.py):
//! grouped-query and tied models, token ids, `inputs_embeds`, left padding.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::{
    collections::HashMap,
    fs,
    path::{Path, PathBuf},
};

use dl_llm::{CaptionTokenizer, KvCache, LanguageModel, Llama, TokenizerConfig, positions};
use dl_torch::tensor_file::{self, Tensors};
use tch::{Device, IndexOp, Kind, Tensor};

fn golden(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name)
}

/// The golden model as a user's model directory: with a tokenizer.
fn directory(name: &str) -> tempfile::TempDir {
    let golden = golden(name);
    let directory = tempfile::tempdir().unwrap();
    for file in ["config.json", "model.safetensors"] {
        fs::copy(golden.join(file), directory.path().join(file)).unwrap();
    }
    let captions = ["a dog barks in the rain".to_owned()];
    let config = TokenizerConfig { vocab: 280, min_frequency: 1 };
    let tokenizer = CaptionTokenizer::train(&captions, &config).unwrap();
    tokenizer.save(&directory.path().join("tokenizer.json")).unwrap();
    directory
}

fn load(name: &str) -> (LanguageModel, Tensors) {
    let lm = LanguageModel::load(directory(name).path(), Device::Cpu).unwrap();
    let expected = golden(name).join("expected.safetensors");
    (lm, tensor_file::read(&expected, Device::Cpu).unwrap().0)
}

fn distance(a: &Tensor, b: &Tensor) -> f64 {
    (a - b).abs().max().double_value(&[])
}

fn logits(llama: &Llama, embeds: &Tensor) -> Tensor {
    let places = positions(0, embeds.size()[1], Device::Cpu);
    llama.logits(&llama.forward_embeds(embeds, &places, None, None, None).unwrap())
}

/// The logits have a standard deviation of 2; f32 sums in another order move them
/// by some 1e-6. A wrong mask, rotation or head order moves them by more than 0.1.
const TOLERANCE: f64 = 2e-5;

#[test]
fn logits_equal_the_reference() {
    for name in ["llama_gqa", "llama_tied"] {
        let (lm, expected) = load(name);
        let llama = lm.llama();
        let from_tokens =
            distance(&llama.forward(&expected["tokens"]).unwrap(), &expected["logits"]);
        assert!(from_tokens < TOLERANCE, "{name}, tokens: {from_tokens:e}");
        let from_embeds = distance(&logits(llama, &expected["embeds"]), &expected["from_embeds"]);
        assert!(from_embeds < TOLERANCE, "{name}, embeds: {from_embeds:e}");
    }
}

#[test]
fn left_padding_equals_the_reference_where_something_stands() {
    for name in ["llama_gqa", "llama_tied"] {
        let (lm, expected) = load(name);
        let readable = expected["readable"].to_kind(Kind::Bool);
        let hidden = lm.llama().forward_embeds(
            &expected["embeds"],
            &expected["positions"],
            Some(&readable),
            None,
            None,
        );
        let difference = lm.llama().logits(&hidden.unwrap()) - &expected["padded"];
        let worst = difference.abs().amax(-1, false).masked_select(&readable).max();
        assert!(worst.double_value(&[]) < TOLERANCE, "{name}: {worst:?}");
    }
}

#[test]
fn a_cache_changes_nothing() {
    let (lm, expected) = load("llama_gqa");
    let llama = lm.llama();
    let embeds = &expected["embeds"];
    let whole = logits(llama, embeds);
    // Three positions at once, then one by one.
    let mut cache = KvCache::default();
    for (start, len) in [(0, 3), (3, 1), (4, 1), (5, 2)] {
        let part = embeds.narrow(1, start, len);
        let places = positions(start, len, Device::Cpu);
        let hidden = llama.forward_embeds(&part, &places, None, Some(&mut cache), None).unwrap();
        let worst = distance(&llama.logits(&hidden), &whole.narrow(1, start, len));
        assert!(worst < TOLERANCE, "from {start}: {worst:e}");
        assert_eq!(cache.len(), start + len);
    }
    // Rows of the cache can change places.
    cache.select(&Tensor::from_slice(&[1_i64, 1, 0]));
    let next = Tensor::ones([3, 1, 16], (Kind::Float, Device::Cpu));
    let hidden = llama
        .forward_embeds(&next, &positions(7, 1, Device::Cpu), None, Some(&mut cache), None)
        .unwrap();
    let longer = Tensor::cat(&[embeds.i((1..2, .., ..)), next.i((0..1, .., ..))], 1);
    let worst = distance(
        &llama.logits(&hidden.i((0..2, 0, ..))),
        &logits(llama, &longer).i((.., -1, ..)).expand([2, -1], false),
    );
    assert!(worst < TOLERANCE, "{worst:e}");
}

#[test]
fn too_long_a_sequence_is_an_error() {
    let (lm, _) = load("llama_tied");
    let tokens = Tensor::ones([1, 65], (Kind::Int64, Device::Cpu));
    let error = lm.llama().forward(&tokens).unwrap_err().to_string();
    assert!(error.contains("65 positions is longer than max_positions = 64"), "{error}");
}

#[test]
fn shards_are_one_model() {
    let directory = directory("llama_gqa");
    let whole = LanguageModel::load(directory.path(), Device::Cpu).unwrap();
    let file = directory.path().join("model.safetensors");
    let (tensors, _) = tensor_file::read(&file, Device::Cpu).unwrap();
    fs::remove_file(&file).unwrap();
    let mut map = serde_json::Map::new();
    for (number, name) in ["a.safetensors", "b.safetensors"].into_iter().enumerate() {
        let part: Tensors = tensors
            .iter()
            .enumerate()
            .filter(|(index, _)| index % 2 == number)
            .map(|(_, (name, tensor))| (name.clone(), tensor.shallow_clone()))
            .collect();
        map.extend(part.keys().map(|key| (key.clone(), name.into())));
        tensor_file::write(&directory.path().join(name), &part, HashMap::new()).unwrap();
    }
    let index = serde_json::json!({ "weight_map": map }).to_string();
    fs::write(directory.path().join("model.safetensors.index.json"), index).unwrap();
    let shards = LanguageModel::load(directory.path(), Device::Cpu).unwrap();
    assert_eq!(shards.fingerprint().unwrap(), whole.fingerprint().unwrap());
    fs::remove_file(directory.path().join("b.safetensors")).unwrap();
    let error = LanguageModel::load(directory.path(), Device::Cpu).unwrap_err().to_string();
    assert!(error.contains("b.safetensors"), "{error}");
}
