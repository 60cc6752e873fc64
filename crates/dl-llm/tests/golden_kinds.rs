//! Every kind of Llama that is published against the reference implementation
//! (`golden/kinds.py`): logits behind a prefix of embeddings, with and without cache, and the
//! tokens that greedy and beam search find.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::path::{Path, PathBuf};

use dl_llm::{
    BeamRule, DecodeConfig, KvCache, Llama, LlmError, ModelFiles, StepModel, Vocabulary,
    WeightKind, positions, search,
};
use dl_torch::tensor_file::{self, Tensors};
use ndarray::Array2;
use tch::{Device, IndexOp, Kind, Tensor};

const KINDS: [&str; 5] = ["biased", "linear", "dynamic", "llama3", "yarn"];

/// The logits have a standard deviation of 2; a wrong frequency, mask or bias moves them by
/// more than 0.1.
const TOLERANCE: f64 = 1e-4;

fn golden(kind: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(format!("llama_{kind}"))
}

fn load(kind: &str) -> (Llama, Tensors) {
    let files = ModelFiles::open(&golden(kind)).unwrap();
    let (llama, _) = Llama::load(&files, WeightKind::File, Device::Cpu).unwrap();
    let expected = tensor_file::read(&golden(kind).join("expected.safetensors"), Device::Cpu);
    (llama, expected.unwrap().0)
}

/// The prefix and the first `tokens` tokens of all rows.
fn start(llama: &Llama, expected: &Tensors, tokens: i64) -> Tensor {
    Tensor::cat(
        &[
            expected["prefix"].shallow_clone(),
            llama.embed(&expected["tokens"].narrow(1, 0, tokens)),
        ],
        1,
    )
}

fn distance(a: &Tensor, b: &Tensor) -> f64 {
    (a - b).abs().max().double_value(&[])
}

#[test]
fn logits_behind_a_prefix_equal_the_reference() {
    for kind in KINDS {
        let (llama, expected) = load(kind);
        let embeds = start(&llama, &expected, 37).narrow(0, 0, 2);
        let places = positions(0, 42, Device::Cpu);
        let hidden = llama.forward_embeds(&embeds, &places, None, None, None).unwrap();
        let worst = distance(&llama.logits(&hidden), &expected["logits"]);
        assert!(worst < TOLERANCE, "{kind}: {worst:e}");
        if kind == "dynamic" {
            // Its frequencies depend on the length: what a cache holds was rotated for another.
            continue;
        }
        let mut cache = KvCache::default();
        for (from, len) in [(0, 5), (5, 30), (35, 1), (36, 1), (37, 5)] {
            let (part, at) = (embeds.narrow(1, from, len), positions(from, len, Device::Cpu));
            let hidden = llama.forward_embeds(&part, &at, None, Some(&mut cache), None).unwrap();
            let worst = distance(&llama.logits(&hidden), &expected["logits"].narrow(1, from, len));
            assert!(worst < TOLERANCE, "{kind}, from {from}: {worst:e}");
        }
    }
}

/// A decoder that continues rows of embeddings.
struct Continued<'a> {
    llama: &'a Llama,
    cache: KvCache,
    first: Option<Tensor>,
}

impl StepModel for Continued<'_> {
    fn step(&mut self, parents: &[usize], tokens: &[u32]) -> Result<Array2<f32>, LlmError> {
        let hidden = match self.first.take() {
            Some(hidden) => hidden,
            None => {
                let rows: Vec<i64> = parents.iter().map(|&row| row as i64).collect();
                self.cache.select(&Tensor::from_slice(&rows));
                let ids: Vec<i64> = tokens.iter().copied().map(i64::from).collect();
                let embeds = self.llama.embed(&Tensor::from_slice(&ids).unsqueeze(1));
                let places = positions(self.cache.len(), 1, Device::Cpu);
                let cache = Some(&mut self.cache);
                self.llama.forward_embeds(&embeds, &places, None, cache, None)?
            }
        };
        let scores = self.llama.logits(&hidden.i((.., -1, ..))).log_softmax(-1, Kind::Float);
        let (rows, vocab) = scores.size2()?;
        let values: Vec<f32> = Vec::try_from(scores.flatten(0, -1))?;
        Ok(Array2::from_shape_vec((rows as usize, vocab as usize), values).unwrap())
    }
}

#[test]
fn searches_find_the_tokens_of_the_reference() {
    let config = |beams, rule, length_penalty, no_repeat_ngram| DecodeConfig {
        beams,
        beam_rule: rule,
        length_penalty,
        no_repeat_ngram,
        max_tokens: 14,
        min_tokens: 0,
        ..DecodeConfig::default()
    };
    let searches = [
        ("greedy", config(1, BeamRule::Shrink, 1.0, 0)),
        ("greedy_no_repeat", config(1, BeamRule::Shrink, 1.0, 2)),
        ("beams", config(4, BeamRule::Refill, 1.0, 0)),
        ("beams_early", config(3, BeamRule::RefillEarly, 0.6, 0)),
        ("beams_never", config(3, BeamRule::RefillNever, 2.0, 0)),
        ("beams_no_repeat", config(4, BeamRule::Refill, 1.0, 2)),
    ];
    for kind in KINDS {
        let (llama, expected) = load(kind);
        let embeds = start(&llama, &expected, 4);
        for (name, config) in &searches {
            let mut cache = KvCache::default();
            let places = positions(0, 9, Device::Cpu);
            let hidden = llama.forward_embeds(&embeds, &places, None, Some(&mut cache), None);
            let mut model = Continued { llama: &llama, cache, first: Some(hidden.unwrap()) };
            let vocabulary = Vocabulary { bos: 1, eos: 2, banned: &[] };
            let found = search(&mut model, 6, &vocabulary, config).unwrap();
            for (row, tokens) in found.iter().enumerate() {
                let line = expected[&format!("search.{name}")].get(row as i64);
                let reference = Vec::<i64>::try_from(line).unwrap();
                let end = reference.iter().position(|&token| token == 2);
                let reference: Vec<u32> =
                    reference[..end.unwrap_or(14)].iter().map(|&t| t as u32).collect();
                assert_eq!(*tokens, reference, "{kind}, {name}, row {row}");
            }
        }
    }
}

#[test]
fn bfloat16_is_the_same_to_its_precision() {
    let files = ModelFiles::open(&golden("biased")).unwrap();
    let (llama, weights) = Llama::load(&files, WeightKind::Bf16, Device::Cpu).unwrap();
    assert!(weights.values().all(|weight| weight.kind() == Kind::BFloat16));
    let (_, expected) = load("biased");
    let embeds = start(&llama, &expected, 37).narrow(0, 0, 2).to_kind(Kind::BFloat16);
    let hidden = llama.forward_embeds(&embeds, &positions(0, 42, Device::Cpu), None, None, None);
    let logits = llama.logits(&hidden.unwrap()).to_kind(Kind::Float);
    let difference = (&logits - &expected["logits"]).square().mean(Kind::Float).sqrt();
    // Eight bits of mantissa in weights and sums of a standard deviation of 2.
    let worst = difference.double_value(&[]);
    assert!(worst < 0.1 && worst > 1e-4, "{worst}");
    let error = Llama::load(&files, WeightKind::F16, Device::Cpu).unwrap_err().to_string();
    assert!(error.contains("f16 works on a GPU only"), "{error}");
}
