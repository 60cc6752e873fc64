//! Whether an embedding depends on what shares its batch, or on the number of threads.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test may fail and say why")]

mod common;

use common::golden;
use dl_audio::Waveform;
use dl_encoder::{AudioEncoder, Clap, ClapConfig};
use ndarray::Array2;
use tch::Device;

fn clips() -> Vec<Waveform> {
    let samples = |clip: usize| {
        (0..12_000).map(move |t| (t as f32 * 0.01 * (1 + clip) as f32).sin() * 0.5).collect()
    };
    (0..8).map(|clip| Waveform { samples: samples(clip), sample_rate: 8000 }).collect()
}

fn embed(threads: i32, batch: usize) -> Array2<f32> {
    tch::set_num_threads(threads);
    let config = ClapConfig { batch, ..ClapConfig::at(golden("clap_unfused")) };
    Clap::load(&config, Device::Cpu).unwrap().embed_audio(&clips()).unwrap()
}

#[test]
fn a_batch_moves_the_last_bits_at_most_and_threads_none_of_a_clip_alone() {
    let alone = embed(1, 1);
    for threads in [1, 2] {
        for batch in [1, 3, 8] {
            let found = embed(threads, batch);
            let worst = (&found - &alone).iter().fold(0.0_f32, |worst, x| worst.max(x.abs()));
            // A matrix product of libtorch rounds otherwise with other numbers of rows.
            assert!(worst < 1e-6, "threads {threads}, batch {batch}: {worst}");
            assert!(batch > 1 || found == alone, "threads {threads}");
        }
    }
}
