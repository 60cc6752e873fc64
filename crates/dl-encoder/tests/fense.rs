//! Sentence encoders and the classifier of fluency errors against sentence-transformers
//! and aac-metrics (tests/golden/fense.py).
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test may fail and say why")]

mod common;

use common::golden;
use dl_encoder::{FluencyClassifier, MiniLm, MiniLmConfig};
use serde_json::Value;
use tch::Device;

fn scores() -> (Vec<String>, Vec<Vec<String>>, Value) {
    let text = std::fs::read(golden("fense/scores.json")).unwrap();
    let mut scores: Value = serde_json::from_slice(&text).unwrap();
    let candidates = serde_json::from_value(scores["candidates"].take()).unwrap();
    let references = serde_json::from_value(scores["references"].take()).unwrap();
    (candidates, references, scores["items"].take())
}

#[test]
fn any_bert_with_mean_pooling_is_a_sentence_encoder() {
    let config = MiniLmConfig::of(&golden("fense/sentences")).unwrap();
    assert_eq!(config.max_tokens, 48);
    let encoder = MiniLm::load(&config, Device::Cpu).unwrap();
    let (candidates, references, items) = scores();
    let own = encoder.embed(&candidates).unwrap();
    let mut worst = 0.0_f64;
    for ((own, references), expected) in
        own.rows().into_iter().zip(&references).zip(items["sbert"].as_array().unwrap())
    {
        let others = encoder.embed(references).unwrap();
        let sum: f32 = others.rows().into_iter().map(|other| own.dot(&other)).sum();
        let found = f64::from(sum) / references.len() as f64;
        worst = worst.max((found - expected.as_f64().unwrap()).abs());
    }
    println!("largest difference {worst:.1e}");
    assert!(worst < 2e-6, "{worst}");
}

#[test]
fn probabilities_of_fluency_errors_are_the_reference_s() {
    let classifier = FluencyClassifier::load(&golden("fense/fluency"), Device::Cpu).unwrap();
    let (candidates, _, items) = scores();
    let found = classifier.error_probabilities(&candidates).unwrap();
    let expected = items["probability"].as_array().unwrap();
    let differences = found.iter().zip(expected).map(|(p, q)| (p - q.as_f64().unwrap()).abs());
    let worst = differences.fold(0.0_f64, f64::max);
    println!("largest difference {worst:.1e}");
    assert!(found.len() == 8 && worst < 2e-6, "{worst}");
    // A checkpoint of another model is refused by name.
    let error = FluencyClassifier::load(&golden("fense/sentences"), Device::Cpu).err().unwrap();
    assert!(error.to_string().contains("holds no .ckpt file"), "{error}");
}
