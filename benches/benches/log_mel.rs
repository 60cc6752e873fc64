//! Clips per second of the CLAP front end: 10 s at 48 kHz, from samples to
//! log-mel, on one thread and on all. `side_by_side/front_end.py` reads what
//! criterion writes about it.

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use dl_audio::{ClapFrontEnd, ClapFrontEndConfig, LogMel, LogMelConfig, Waveform};

/// Clips in a batch for all threads.
const BATCH: u64 = 16;

/// Noise at a quarter of full scale, the same on every run.
fn clip() -> Waveform {
    let mut state = 1_u32;
    let mut sample = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        ((state >> 16) as f32 / 32_768.0 - 1.0) / 4.0
    };
    Waveform { samples: (0..480_000).map(|_| sample()).collect(), sample_rate: 48_000 }
}

fn log_mel(criterion: &mut Criterion) {
    let front_end = LogMel::new(&LogMelConfig::clap_unfused()).expect("the preset is valid");
    let clap = ClapFrontEnd::new(&ClapFrontEndConfig::unfused()).expect("the preset is valid");
    let clips = vec![clip(); BATCH as usize];
    let mut group = criterion.benchmark_group("log_mel");
    group.throughput(Throughput::Elements(1));
    group.bench_function("spectrogram", |bencher| {
        bencher.iter(|| black_box(front_end.compute(&clips[0].samples)));
    });
    // With the checks and clip policies around it.
    group.bench_function("one_thread", |bencher| {
        bencher.iter(|| black_box(clap.features(&clips[0])));
    });
    group.throughput(Throughput::Elements(BATCH));
    group.bench_function("all_threads", |bencher| {
        bencher.iter(|| black_box(front_end.compute_batch(&clips)));
    });
    group.finish();
}

criterion_group!(benches, log_mel);
criterion_main!(benches);
