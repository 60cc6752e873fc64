//! Training of Diffusion-Link at the size of AudioCaps: 50,000 pairs, D = 512, 9.7
//! million parameters, batch 256. A fit of few steps and one of more: their difference
//! is the cost of the steps alone, without reading, scoring and the first touch of memory.

use criterion::{Criterion, criterion_group, criterion_main};
use dl_core::{EmbeddingSet, Provenance, noise::Noise};
use dl_diffusion::{BridgeConfig, BridgeData};
use dl_torch::TrainContext;
use ndarray::{Array2, Axis};

const DIM: usize = 512;
const PAIRS: usize = 50_000;

/// Unit rows; `stream` keeps the sides apart.
fn rows(stream: &str, count: usize) -> Array2<f32> {
    let items: Vec<u64> = (0..count as u64).collect();
    let numbers = Noise::new(0, stream).normal_rows(&items, 0, DIM);
    let mut rows = Array2::from_shape_vec((count, DIM), numbers).expect("rows of DIM numbers");
    for mut row in rows.axis_iter_mut(Axis(0)) {
        let norm = row.dot(&row).sqrt();
        row /= norm;
    }
    rows
}

fn set(split: &str, count: usize) -> EmbeddingSet {
    EmbeddingSet {
        ids: (0..count).map(|clip| format!("{split} {clip}")).collect(),
        audio: rows(&format!("{split} audio"), count),
        captions: vec!["a sound".into(); count],
        owners: (0..count).collect(),
        text: rows(&format!("{split} text"), count),
        provenance: Provenance::default(),
    }
}

fn training(criterion: &mut Criterion) {
    let (train, validation) = (set("train", PAIRS), set("validation", 64));
    let data = BridgeData::new(&train, &validation);
    let mut group = criterion.benchmark_group("bridge_training");
    group.sample_size(10);
    let cases = [("", "f32"), ("bf16_", "bf16")];
    for ((prefix, precision), steps) in
        cases.into_iter().flat_map(|case| [(case, 2_u64), (case, 10)])
    {
        let config: BridgeConfig = serde_json::from_value(serde_json::json!({
            "kind": "diffusion_link",
            "network": { "precision": precision },
            "train": { "steps": steps, "validate_every": 1000, "checkpoint_every": 1000,
                       "warmup_steps": 1, "batch": 256, "clip_norm": 1.0 },
            "candidates": [{ "kind": "one_step", "timestep": 50 }],
        }))
        .expect("the configuration is valid");
        group.bench_function(format!("{prefix}steps_{steps}"), |bencher| {
            bencher.iter(|| {
                let context = TrainContext::new(0);
                config.fit(&data, &context).expect("the pairs are sound")
            });
        });
    }
    group.finish();
}

criterion_group!(benches, training);
criterion_main!(benches);
