//! Resampling pinned by tones: what comes out must be the same tone at the new
//! rate, neither shifted nor scaled. The faults guarded against are a shift of
//! half a sample (odd FFT blocks) and of a whole filter delay (short clips).
#![allow(clippy::unwrap_used, reason = "a test may fail")]

mod common;

use common::{gap, golden, tone};
use dl_audio::{Waveform, load};

const PAIRS: [(u32, u32); 8] = [
    (44_100, 48_000),
    (48_000, 44_100),
    (32_000, 44_100),
    (8_000, 44_100),
    (192_000, 44_100),
    (32_000, 48_000),
    (48_000, 16_000),
    (44_100, 44_099),
];

/// Phase lag of the middle half of a sampled tone behind `sin(w n)`, in samples,
/// and its amplitude, by correlation with sine and cosine under a Hann window.
fn lag_and_amplitude(waveform: &Waveform, hz: f64) -> (f64, f64) {
    let samples = &waveform.samples;
    let (from, count) = (samples.len() / 4, samples.len() / 2);
    let step = std::f64::consts::TAU * hz / f64::from(waveform.sample_rate);
    let (mut sine, mut cosine, mut total) = (0.0, 0.0, 0.0);
    for i in 0..count {
        let weight = 1.0 - (std::f64::consts::TAU * i as f64 / count as f64).cos();
        let (s, c) = (step * (from + i) as f64).sin_cos();
        sine += weight * s * f64::from(samples[from + i]);
        cosine += weight * c * f64::from(samples[from + i]);
        total += weight;
    }
    (-cosine.atan2(sine) / step, 2.0 * sine.hypot(cosine) / total)
}

#[test]
fn tones_keep_their_place_and_height() {
    for (from, to) in PAIRS {
        for hz in [440.0, 3_000.0] {
            let input = tone(hz, from, from as usize);
            let output = input.resample(to).unwrap();
            assert_eq!((output.samples.len(), output.sample_rate), (to as usize, to));
            let (lag, amplitude) = lag_and_amplitude(&output, hz);
            assert!(lag.abs() < 1e-5, "{from} -> {to}, {hz} Hz: {lag} samples late");
            assert!((amplitude - 1.0).abs() < 1e-5, "{from} -> {to}, {hz} Hz: {amplitude}");
            // Away from the ends, sample by sample.
            let middle = output.samples.len() / 4..output.samples.len() * 3 / 4;
            let expected = tone(hz, to, output.samples.len());
            let worst = gap(&output.samples[middle.clone()], &expected.samples[middle]);
            assert!(worst < 1e-5, "{from} -> {to}, {hz} Hz: off by {worst}");
        }
    }
}

/// A clip shorter than one FFT block, fading in and out so that its ends do not
/// ring: a Hann window times a tone.
fn burst(hz: f64, sample_rate: u32, length: usize, seconds: f64) -> Waveform {
    let mut waveform = tone(hz, sample_rate, length);
    for (n, sample) in waveform.samples.iter_mut().enumerate() {
        let phase = (n as f64 / f64::from(sample_rate) / seconds).min(1.0);
        *sample *= (0.5 - 0.5 * (std::f64::consts::TAU * phase).cos()) as f32;
    }
    waveform
}

#[test]
fn short_clips_are_not_shifted() {
    for (from, to) in PAIRS {
        for length in [50_usize, 600] {
            let seconds = length as f64 / f64::from(from);
            // Four periods: the spectrum lies far below either Nyquist frequency.
            let hz = 4.0 / seconds;
            let output = burst(hz, from, length, seconds).resample(to).unwrap();
            let expected_length = (length as u64 * u64::from(to)).div_ceil(u64::from(from));
            assert_eq!(output.samples.len() as u64, expected_length, "{from} -> {to}, {length}");
            if hz * 6.0 > f64::from(from.min(to)) {
                continue; // 50 samples at 192 kHz last too short for that.
            }
            let expected = burst(hz, to, output.samples.len(), seconds);
            let worst = gap(&output.samples, &expected.samples);
            // A shift of 0.002 samples would show as 0.002 times the steepest slope.
            let slope = std::f64::consts::TAU * hz / f64::from(to);
            assert!(f64::from(worst) < 0.002 * slope, "{from} -> {to}, {length}: off by {worst}");
        }
    }
}

/// Real recordings against soxr (`golden/resample.py`). The two differ in the
/// last per cents below the Nyquist frequency, where each filter falls off in its
/// own way, and so by as much as the sound has there: measured 7e-4, 5e-3 and 5e-3
/// of peaks of 0.33, 0.48 and 0.33. A shift of half a sample would be 0.05, 0.1 and 0.1.
#[test]
fn real_sound_equals_soxr() {
    for (name, to, tolerance) in
        [("dog", 44_100, 1e-3), ("rain", 48_000, 7e-3), ("dog", 16_000, 7e-3)]
    {
        let found = load(&golden(&format!("real_{name}.flac"))).unwrap().resample(to).unwrap();
        let file = golden(&format!("resampled_{name}_{to}.npy"));
        let expected: ndarray::Array1<f32> = ndarray_npy::read_npy(file).unwrap();
        let found: Vec<f32> = found.samples.into_iter().step_by(16).collect();
        let worst = gap(&found, expected.as_slice().unwrap());
        assert!(worst < tolerance, "{name} -> {to}: off by {worst}");
    }
}

#[test]
fn an_impulse_stays_where_it_is() {
    for (from, to) in PAIRS {
        let mut input = Waveform { samples: vec![0.0; from as usize / 10], sample_rate: from };
        input.samples[from as usize / 20] = 1.0;
        let output = input.resample(to).unwrap().samples;
        // Centre of mass of the squared response.
        let energy: f64 = output.iter().map(|&x| f64::from(x).powi(2)).sum();
        let centre = output.iter().enumerate().map(|(n, &x)| n as f64 * f64::from(x).powi(2));
        let centre = centre.sum::<f64>() / energy;
        let expected = f64::from(from / 20) * f64::from(to) / f64::from(from);
        assert!((centre - expected).abs() < 0.01, "{from} -> {to}: {centre} for {expected}");
    }
}

#[test]
fn what_lies_above_the_new_nyquist_frequency_does_not_alias() {
    for (from, to, hz) in [(48_000, 16_000, 9_000.0), (192_000, 44_100, 30_000.0)] {
        let output = tone(hz, from, from as usize).resample(to).unwrap().samples;
        let middle = &output[output.len() / 4..output.len() * 3 / 4];
        let loudest = middle.iter().fold(0.0_f32, |peak, sample| peak.max(sample.abs()));
        assert!(loudest < 1e-5, "{from} -> {to}: {loudest}");
    }
}

#[test]
fn a_constant_stays_a_constant() {
    let output = Waveform { samples: vec![0.5; 44_100], sample_rate: 44_100 };
    let output = output.resample(48_000).unwrap().samples;
    let worst = gap(&output[12_000..36_000], &vec![0.5; 24_000]);
    assert!(worst < 5e-6, "{worst}");
}

#[test]
fn the_same_rate_changes_nothing_and_empty_stays_empty() {
    let waveform = tone(440.0, 44_100, 100);
    assert_eq!(waveform.resample(44_100).unwrap(), waveform);
    let empty = Waveform { samples: Vec::new(), sample_rate: 8_000 };
    assert!(empty.resample(44_100).unwrap().samples.is_empty());
}

#[test]
fn absurd_rates_are_refused() {
    for (from, to) in [(0, 44_100), (44_100, 0), (44_100, 999), (768_001, 44_100)] {
        let waveform = Waveform { samples: vec![0.0; 10], sample_rate: from };
        let text = waveform.resample(to).unwrap_err().to_string();
        let expected = format!("cannot resample from {from} to {to} Hz; both must lie within 1000");
        assert!(text.starts_with(&expected), "{text}");
    }
}

#[test]
fn a_sample_that_is_no_number_is_refused() {
    let clip = Waveform { samples: vec![0.1, f32::NAN, 0.2], sample_rate: 8_000 };
    let error = clip.resample(16_000).unwrap_err().to_string();
    assert!(error.starts_with("sample 1 is NaN"), "{error}");
}
