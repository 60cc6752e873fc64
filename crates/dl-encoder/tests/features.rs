//! Extraction of a corpus: faults, interruption, resumption.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test may fail and say why")]

mod common;

use std::{
    fs,
    sync::atomic::{AtomicUsize, Ordering},
};

use common::random_aisfx;
use dl_audio::Waveform;
use dl_core::Silent;
use dl_encoder::{Aisfx, AisfxConfig, AudioEncoder, Extraction, extract};
use tch::Device;

fn clip(index: usize) -> Waveform {
    let samples = (0..4000).map(|t| ((t * (index + 3)) as f32 * 0.01).sin()).collect();
    Waveform { samples, sample_rate: 16_000 }
}

#[test]
fn faults_are_listed_and_finished_chunks_are_not_made_again() {
    let directory = tempfile::tempdir().unwrap();
    let weights = directory.path().join("random.safetensors");
    random_aisfx(&weights);
    let config = AisfxConfig { path: weights, ..Default::default() };
    let tower = Aisfx::load(&config, Device::Cpu).unwrap();
    let chunks = directory.path().join("chunks");
    let rendered = AtomicUsize::new(0);
    let run = |items: usize, good: &(dyn Fn(usize) -> bool + Sync)| {
        rendered.store(0, Ordering::Relaxed);
        let plan = Extraction {
            directory: &chunks,
            key: &|_| String::new(),
            chunk: 3,
            task: "features",
            progress: &Silent,
        };
        let render = |index: usize| {
            rendered.fetch_add(1, Ordering::Relaxed);
            let mut clip = clip(index);
            match index {
                _ if good(index) => {}
                4 => clip.samples[7] = f32::NAN,
                _ => return Err(format!("clip-{index}.wav: cut short")),
            }
            Ok(clip)
        };
        let result = extract(&tower, items, render, &plan).unwrap();
        (result, rendered.load(Ordering::Relaxed))
    };

    // Interrupted after six of eight, with two bad clips among them.
    let (first, _) = run(6, &|index| index != 1 && index != 4);
    assert_eq!(first.kept, [0, 2, 3, 5]);
    assert_eq!(first.features.nrows(), 4);
    let faults: Vec<_> = first.faults.iter().map(|f| (f.index, f.problem.as_str())).collect();
    let nan = "sample 7 of the waveform is NaN or infinite; make it again without";
    assert_eq!(faults, [(1, "clip-1.wav: cut short"), (4, nan)]);

    // One is repaired: it is tried, and its chunk and the new one are made. The other faulty
    // one is tried in vain.
    let (second, made) = run(8, &|index| index != 4);
    assert_eq!(second.kept, [0, 1, 2, 3, 5, 6, 7]);
    assert_eq!(made, 1 + 3 + 2 + 1);
    let (third, made) = run(8, &|_| true);
    assert_eq!((third.kept.len(), third.faults.len(), made), (8, 0, 1 + 3));
    for (row, index) in [0, 1, 2, 3, 5, 6, 7].into_iter().enumerate() {
        assert_eq!(second.features.row(row), third.features.row(index));
    }

    // From the cache, to the last bit; a chunk cut in half is made again.
    let (again, made) = run(8, &|_| false);
    assert_eq!((&again, made), (&third, 0));
    let chunk = chunks.join("chunk-000003-000006.safetensors");
    let bytes = fs::read(&chunk).unwrap();
    fs::write(&chunk, &bytes[..bytes.len() / 2]).unwrap();
    let (again, made) = run(8, &|_| true);
    assert_eq!((&again, made), (&third, 3));

    // Each clip alone gives what it gave in company.
    let alone = tower.embed_audio(&[clip(5)]).unwrap();
    let error =
        (&alone.row(0) - &third.features.row(5)).iter().fold(0.0_f32, |e, x| e.max(x.abs()));
    let scale = alone.iter().fold(0.0_f32, |most, x| most.max(x.abs()));
    assert!(error < 1e-5 * scale, "{error} of {scale}");
}

#[test]
fn nothing_to_do_is_no_fault() {
    let directory = tempfile::tempdir().unwrap();
    let weights = directory.path().join("random.safetensors");
    random_aisfx(&weights);
    let config = AisfxConfig { path: weights, ..Default::default() };
    let tower = Aisfx::load(&config, Device::Cpu).unwrap();
    let plan = Extraction {
        directory: directory.path(),
        key: &|_| String::new(),
        chunk: 4,
        task: "features",
        progress: &Silent,
    };
    let empty = extract(&tower, 0, |_| Err("no clip"), &plan).unwrap();
    assert_eq!((empty.features.dim(), empty.kept.len()), ((0, 512), 0));
    // All clips bad: an empty chunk, not a crash.
    let bad = extract(&tower, 2, |_| Err("no clip"), &plan).unwrap();
    assert_eq!((bad.features.dim(), bad.faults.len()), ((0, 512), 2));
}
