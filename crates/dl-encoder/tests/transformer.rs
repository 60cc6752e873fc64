//! The transformer against Hugging Face's BertModel and RobertaModel with random
//! weights (tests/golden/transformer.py).
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test may fail and say why")]

mod common;

use std::path::Path;

use common::{difference, goldens};
use dl_encoder::transformer::{Transformer, TransformerConfig};
use dl_torch::weights::WeightMap;
use tch::Device;

fn config(first_position: i64, layer_norm_eps: f64) -> TransformerConfig {
    TransformerConfig {
        vocab_size: 40,
        hidden_size: 12,
        num_hidden_layers: 2,
        num_attention_heads: 3,
        intermediate_size: 20,
        max_position_embeddings: 16,
        type_vocab_size: 2,
        layer_norm_eps,
        hidden_act: "gelu".into(),
        first_position,
    }
}

fn check(name: &str, config: &TransformerConfig) {
    let mut tensors = goldens(name);
    let mut take = |name: &str| tensors.remove(name).unwrap();
    let (ids, mask, states) = (take("ids"), take("mask"), take("states"));
    let mut weights = WeightMap::new(Path::new(name), tensors, Device::Cpu);
    weights.strip_prefix("model.");
    weights.ignore("embeddings.position_ids");
    weights.ignore("embeddings.token_type_ids");
    let model = Transformer::new(&mut weights, "", config, Device::Cpu).unwrap();
    weights.finish().unwrap();
    let found = tch::no_grad(|| model.forward(&ids, &mask));
    // What stands at padding is nobody's business.
    let real = mask.unsqueeze(2);
    let error = difference(&(found * &real), &(states * &real));
    println!("{name}: largest difference {error:.1e}");
    assert!(error < 1e-5, "{error}");
}

#[test]
fn bert_matches() {
    check("bert.safetensors", &config(0, 1e-12));
}

#[test]
fn roberta_matches() {
    // Its positions begin after the padding token, which is number 1.
    check("roberta.safetensors", &config(2, 1e-12));
}

#[test]
fn a_configuration_that_is_not_built_is_refused() {
    let mut relu = config(0, 1e-12);
    relu.hidden_act = "relu".into();
    assert_eq!(relu.validate().unwrap_err().to_string(), "hidden_act = relu: must be gelu");
    let mut heads = config(0, 1e-12);
    heads.num_attention_heads = 5;
    assert!(heads.validate().unwrap_err().to_string().contains("a divisor of hidden_size"));
}
