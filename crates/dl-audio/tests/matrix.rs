//! Decoding of every container, rate, number of channels and quality against libsndfile
//! (`golden/matrix.py`).
#![allow(clippy::unwrap_used, reason = "a test may fail")]

mod common;

use std::{collections::BTreeMap, fs};

use common::golden;
use dl_audio::load;
use serde::Deserialize;

#[derive(Deserialize)]
struct Case {
    file: String,
    rate: u32,
    frames: usize,
    rms: f64,
    peak: f64,
    /// By their places.
    samples: BTreeMap<usize, f64>,
}

/// Greatest difference to a sample. The lossless formats differ by the rounding of a mean
/// to f32 alone; two decoders of a lossy one round on their way.
fn tolerance(file: &str) -> f64 {
    if file.starts_with("wav") || file.starts_with("flac") { 1e-7 } else { 3e-6 }
}

#[test]
fn every_file_is_decoded_as_libsndfile_decodes_it() {
    let cases: Vec<Case> =
        serde_json::from_str(&fs::read_to_string(golden("matrix.json")).unwrap()).unwrap();
    assert_eq!(cases.len(), 93);
    let mut worst: BTreeMap<&str, f64> = BTreeMap::new();
    let mut faults = Vec::new();
    for case in &cases {
        let found = load(&golden("matrix").join(&case.file)).unwrap();
        assert_eq!(
            (found.sample_rate, found.samples.len()),
            (case.rate, case.frames),
            "{}",
            case.file
        );
        let squares: f64 = found.samples.iter().map(|&x| f64::from(x).powi(2)).sum();
        let rms = (squares / case.frames as f64).sqrt();
        let peak = found.samples.iter().fold(0.0_f64, |peak, &x| peak.max(f64::from(x).abs()));
        let gaps = case.samples.iter().map(|(&at, &x)| (f64::from(found.samples[at]) - x).abs());
        let gap = gaps.fold((rms - case.rms).abs().max((peak - case.peak).abs()), f64::max);
        let kind = case.file.split('-').next().unwrap();
        worst.entry(kind).and_modify(|most| *most = most.max(gap)).or_insert(gap);
        if gap > tolerance(&case.file) {
            faults.push(format!("{}: differs by {gap}", case.file));
        }
    }
    println!("greatest differences: {worst:?}");
    assert!(faults.is_empty(), "{faults:#?}");
}
