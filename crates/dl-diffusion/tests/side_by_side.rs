//! The same bits, however many trainings run side by side.

mod toy;

use std::thread;

use dl_core::EmbeddingSet;
use dl_diffusion::{Bridge, BridgeConfig, BridgeData};
use ndarray::Array2;
use toy::{context, set};

/// Everything that a fit gives: weights (by what they do to a set), choice and scores.
fn fitted(config: &BridgeConfig, sets: &[EmbeddingSet; 2], seed: u64) -> (Array2<f32>, String) {
    let [train, validation] = sets;
    let bridge: Bridge =
        config.fit(&BridgeData::new(train, validation), &context(seed)).expect("a fit");
    let rows = bridge.apply(&validation.audio, &validation.ids, seed).expect("rows");
    let report = serde_json::to_string(bridge.report()).expect("JSON");
    (rows, report)
}

#[test]
fn one_two_and_four_trainings_side_by_side_give_the_same_bits() {
    let sets = [set("train", 300, 1), set("validation", 60, 2)];
    let training = "[train]\nsteps = 40\nbatch = 64\nvalidate_every = 20";
    for text in [
        format!("kind = \"diffusion_link\"\n[network]\nhidden = 96\n{training}"),
        format!("kind = \"brownian_bridge\"\n[network]\nhidden = 96\n{training}"),
        "kind = \"pls\"".to_owned(),
        "kind = \"projection\"".to_owned(),
    ] {
        let config: BridgeConfig = toml::from_str(&text).unwrap();
        let alone: Vec<_> = (0..4).map(|seed| fitted(&config, &sets, seed)).collect();
        for count in [2, 4] {
            let together: Vec<_> = thread::scope(|scope| {
                let fits = (0..count as u64).map(|seed| {
                    let (config, sets) = (&config, &sets);
                    scope.spawn(move || fitted(config, sets, seed))
                });
                let fits: Vec<_> = fits.collect();
                fits.into_iter().map(|fit| fit.join().unwrap()).collect()
            });
            assert_eq!(together, alone[..count], "{text}, {count} side by side");
        }
    }
}

#[test]
fn a_bridge_can_be_sent_to_another_thread() {
    let sets = [set("train", 60, 1), set("validation", 20, 1)];
    let config = BridgeConfig::of_kind("ridge").unwrap();
    let [train, validation] = &sets;
    let bridge = config.fit(&BridgeData::new(train, validation), &context(0)).unwrap();
    let here = bridge.apply_set(validation, 0).unwrap();
    let there = thread::scope(|scope| scope.spawn(move || bridge.apply_set(validation, 0)).join());
    assert_eq!(there.unwrap().unwrap(), here);
}
