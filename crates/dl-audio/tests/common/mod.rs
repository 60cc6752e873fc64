//! What the tests of this crate share.
#![allow(dead_code, reason = "every test file uses its own part")]

use std::path::PathBuf;

use dl_audio::Waveform;
use ndarray::{Array2, Axis};

/// A golden file.
pub(crate) fn golden(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name)
}

/// The signal of `golden/synthetic.py`.
pub(crate) fn synthetic(length: usize) -> Vec<i16> {
    let mut state = 1_u32;
    (0..length as i64)
        .map(|n| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let noise = i64::from(state >> 16) - 0x8000;
            let chirp = (((n * n * 3) >> 5) & 0xffff) - 0x8000;
            if (30_000..40_000).contains(&n) { 0 } else { ((chirp >> 1) + (noise >> 4)) as i16 }
        })
        .collect()
}

/// 16-bit samples on the scale of a waveform.
pub(crate) fn floats(samples: &[i16]) -> Vec<f32> {
    samples.iter().map(|&sample| f32::from(sample) / 32_768.0).collect()
}

/// A sine of amplitude 1.
pub(crate) fn tone(hz: f64, sample_rate: u32, length: usize) -> Waveform {
    let step = std::f64::consts::TAU * hz / f64::from(sample_rate);
    let samples = (0..length).map(|n| (step * n as f64).sin() as f32).collect();
    Waveform { samples, sample_rate }
}

/// Largest absolute difference.
pub(crate) fn gap(found: &[f32], expected: &[f32]) -> f32 {
    assert_eq!(found.len(), expected.len());
    found.iter().zip(expected).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max)
}

/// Every `step`-th row and the last one.
pub(crate) fn thin(rows: &Array2<f32>, step: usize) -> Array2<f32> {
    let last = rows.nrows() - 1;
    let kept: Vec<usize> = (0..last).step_by(step).chain([last]).collect();
    rows.select(Axis(0), &kept)
}
