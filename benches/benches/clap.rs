//! Clips per second of CLAP's audio tower at published size (random weights),
//! batch 8. `benches/side_by_side/clap_tower.py` runs the reference beside it.

use std::{hint::black_box, path::Path};

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use dl_encoder::clap::{ModelConfig, Network};
use dl_torch::{
    Params,
    weights::{Fresh, WeightMap},
};
use tch::{Device, Kind, Tensor};

const BATCH: i64 = 8;

fn clap(criterion: &mut Criterion) {
    let config = ModelConfig::from_json(r#"{"model_type": "clap"}"#).expect("published defaults");
    let params = Params::new(0, Device::Cpu);
    Network::take(&mut Fresh::new(&params), &config, Device::Cpu).expect("published defaults");
    // Through the tensors of a file: a frozen model, as it is used.
    let mut weights = WeightMap::new(Path::new("random"), params.snapshot(), Device::Cpu);
    let network = Network::take(&mut weights, &config, Device::Cpu).expect("the same tensors");
    let log_mels = Tensor::arange(BATCH * 1001 * 64, (Kind::Float, Device::Cpu))
        .sin()
        .view([BATCH, 1, 1001, 64]);
    let mut group = criterion.benchmark_group("clap");
    group.sample_size(10);
    group.throughput(Throughput::Elements(BATCH as u64));
    group.bench_function("audio_tower_8", |bencher| {
        bencher.iter(|| tch::no_grad(|| black_box(network.embed_audio(&log_mels, &[]))));
    });
    group.finish();
}

criterion_group!(benches, clap);
criterion_main!(benches);
