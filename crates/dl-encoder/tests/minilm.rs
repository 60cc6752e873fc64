//! The text tower against transformers (tests/golden/minilm.py).
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test may fail and say why")]

mod common;

use common::{difference, golden, goldens, model};
use dl_core::Fingerprint;
use dl_encoder::{MiniLm, MiniLmConfig};
use dl_torch::convert;
use tch::Device;

fn load(batch: usize) -> Option<MiniLm> {
    let config = MiniLmConfig { path: model("minilm")?, batch, ..Default::default() };
    Some(MiniLm::load(&config, Device::Cpu).unwrap())
}

fn sentences() -> Vec<String> {
    serde_json::from_slice(&std::fs::read(golden("minilm.json")).unwrap()).unwrap()
}

#[test]
fn sentences_match_the_reference() {
    let Some(tower) = load(64) else { return };
    let found = tower.embed(&sentences()).unwrap();
    let found = convert::tensor2(found.view(), Device::Cpu);
    let error = difference(&found, &goldens("minilm.safetensors")["embeddings"]);
    println!("largest difference {error:.1e}");
    assert!(error < 1e-5, "{error}");
}

#[test]
fn batches_order_and_copies_change_nothing() {
    let (Some(one), Some(many)) = (load(1), load(64)) else { return };
    let mut texts = sentences();
    let alone = one.embed(&texts).unwrap();
    let together = many.embed(&texts).unwrap();
    let error = (&alone - &together).iter().fold(0.0_f32, |e, x| e.max(x.abs()));
    println!("batch 1 against 64: largest difference {error:.1e}");
    assert!(error < 1e-5, "{error}");
    for row in together.rows() {
        assert!((row.dot(&row) - 1.0).abs() < 1e-5);
    }
    texts.reverse();
    texts.push(texts[3].clone());
    let reversed = many.embed(&texts).unwrap();
    assert_eq!(reversed.row(8), reversed.row(3));
    for index in 0..8 {
        let error = (&reversed.row(7 - index) - &together.row(index))
            .iter()
            .fold(0.0_f32, |e, x| e.max(x.abs()));
        assert!(error < 1e-5, "{index}: {error}");
    }
    assert_eq!(many.embed(&[]).unwrap().dim(), (0, 384));
}

#[test]
fn its_fingerprint_is_that_of_earlier_versions() {
    let Some(path) = model("minilm") else { return };
    let file = |name| Fingerprint::of_file(&path.join(name)).unwrap();
    let parts = [
        Fingerprint::of(&("minilm", 1, 128)),
        file("config.json"),
        file("tokenizer.json"),
        file("model.safetensors"),
    ];
    let tower = load(64).unwrap();
    assert_eq!(tower.fingerprint(), &Fingerprint::combine(&parts));
    assert_eq!(tower.name(), "minilm");
}
