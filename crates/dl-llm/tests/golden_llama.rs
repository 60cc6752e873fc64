//! The decoder against transformers' LlamaForCausalLM (tests/golden/llama.py):
//! grouped-query and tied models, token ids, `inputs_embeds`, left padding; and
//! low-rank adaptation against peft (tests/golden/lora.py) and merged weights.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::{
    collections::HashMap,
    fs,
    path::{Path, PathBuf},
};

use dl_llm::{
    CaptionTokenizer, KvCache, LanguageModel, Llama, LlamaConfig, Lora, LoraConfig, LoraTarget,
    TokenizerConfig, positions,
};
use dl_torch::{
    Params,
    tensor_file::{self, Tensors},
};
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
    adapted(llama, embeds, None)
}

fn adapted(llama: &Llama, embeds: &Tensor, lora: Option<&Lora>) -> Tensor {
    let places = positions(0, embeds.size()[1], Device::Cpu);
    llama.logits(&llama.forward_embeds(embeds, &places, None, None, lora).unwrap())
}

/// The matrices that the golden file holds, and the logits of the first sequence.
fn golden_lora(name: &str, llama: &Llama) -> (LoraConfig, Params, Lora, Tensor) {
    let targets = match name {
        "llama_tied" => LoraConfig::default().targets,
        _ => vec![LoraTarget::Query, LoraTarget::Key, LoraTarget::Value, LoraTarget::Output],
    };
    let config = LoraConfig { rank: 3, alpha: 5.0, targets, ..LoraConfig::default() };
    let path = golden(name).join("lora.safetensors");
    let (mut tensors, _) = tensor_file::read(&path, Device::Cpu).unwrap();
    let expected = tensors.remove("logits").unwrap();
    let params = Params::new(0, Device::Cpu);
    let lora = Lora::new(&(params.root() / "lora"), &config, llama.config()).unwrap();
    params.restore(&tensors, &path).unwrap();
    (config, params, lora, expected)
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
fn low_rank_matrices_equal_the_reference() {
    for name in ["llama_gqa", "llama_tied"] {
        let (lm, given) = load(name);
        let llama = lm.llama();
        let (_, _, lora, expected) = golden_lora(name, llama);
        let embeds = llama.embed(&given["tokens"].narrow(0, 0, 1));
        let whole = adapted(llama, &embeds, Some(&lora));
        let worst = distance(&whole, &expected);
        assert!(worst < TOLERANCE, "{name}: {worst:e}");
        // Token by token with a cache, as captions are made.
        let mut cache = KvCache::default();
        for place in 0..embeds.size()[1] {
            let (part, at) = (embeds.narrow(1, place, 1), positions(place, 1, Device::Cpu));
            let hidden = llama.forward_embeds(&part, &at, None, Some(&mut cache), Some(&lora));
            let worst = distance(&llama.logits(&hidden.unwrap()), &expected.narrow(1, place, 1));
            assert!(worst < TOLERANCE, "{name}, place {place}: {worst:e}");
        }
    }
}

#[test]
fn merged_weights_give_the_same_logits() {
    for name in ["llama_gqa", "llama_tied"] {
        let (lm, given) = load(name);
        let (config, params, lora, _) = golden_lora(name, lm.llama());
        let path = golden(name).join("model.safetensors");
        let (mut weights, _) = tensor_file::read(&path, Device::Cpu).unwrap();
        let matrices = params.named();
        for (name, down) in matrices.iter().filter(|(name, _)| name.contains("lora_A")) {
            let up = &matrices[&name.replace("lora_A", "lora_B")];
            let frozen = name.replace("lora.model", "model").replace("lora_A.", "");
            let product = up.matmul(down) * (config.alpha / config.rank as f64);
            let merged = &weights[&frozen] + product.detach();
            weights.insert(frozen, merged);
        }
        let merged_params = Params::new(0, Device::Cpu);
        let merged = Llama::new(&merged_params.root(), lm.llama().config()).unwrap();
        merged_params.restore(&weights, &path).unwrap();
        let embeds = &given["embeds"];
        let merged = logits(&merged, embeds);
        let worst = distance(&adapted(lm.llama(), embeds, Some(&lora)), &merged);
        // Of the largest, 8: these weights amplify rounding, and peft's own two ways
        // differ by 3.5e-5 in f32 here.
        let worst = worst / merged.abs().max().double_value(&[]);
        assert!(worst < 1e-5, "{name}: {worst:e}");
        // And they are other logits than those of the frozen weights.
        assert!(distance(&merged, &given["from_embeds"]) > 0.1);
    }
}

#[test]
fn untrained_matrices_change_no_bit() {
    let (lm, given) = load("llama_gqa");
    let params = Params::new(5, Device::Cpu);
    let targets = vec![LoraTarget::Query, LoraTarget::Key, LoraTarget::Value, LoraTarget::Output];
    let config = LoraConfig { targets, ..LoraConfig::default() };
    let lora = Lora::new(&params.root(), &config, lm.llama().config()).unwrap();
    let embeds = &given["embeds"];
    assert_eq!(adapted(lm.llama(), embeds, Some(&lora)), logits(lm.llama(), embeds));
    // A is not zero, and stays within 1 / sqrt(16 inputs); B is [outputs, rank].
    let first = &params.named()["model.layers.0.self_attn.k_proj.lora_A.weight"];
    let largest = first.abs().max().double_value(&[]);
    assert!(largest > 0.2 && largest <= 0.25, "{largest}");
    assert_eq!(params.named()["model.layers.1.self_attn.k_proj.lora_B.weight"].size(), [8, 8]);
}

#[test]
fn matrices_for_another_decoder_are_refused() {
    let (lm, given) = load("llama_gqa");
    let other = LlamaConfig { hidden: 32, ..lm.llama().config().clone() };
    let params = Params::new(0, Device::Cpu);
    let lora = Lora::new(&params.root(), &LoraConfig::default(), &other).unwrap();
    let places = positions(0, 7, Device::Cpu);
    let error = lm.llama().forward_embeds(&given["embeds"], &places, None, None, Some(&lora));
    let error = error.unwrap_err().to_string();
    assert!(error.contains("a decoder of another shape"), "{error}");
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
    // Of the files, so before they go.
    let fingerprint = whole.fingerprint().unwrap();
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
    assert_eq!(shards.fingerprint().unwrap(), fingerprint);
    fs::remove_file(directory.path().join("b.safetensors")).unwrap();
    let error = LanguageModel::load(directory.path(), Device::Cpu).unwrap_err().to_string();
    assert!(error.contains("b.safetensors"), "{error}");
}
