//! Log-mel spectrograms against librosa, aisfx's own code and CLAP's feature
//! extractor (`golden/log_mel.py`).
//!
//! The references work in single precision; measured, their values and ours
//! differ by at most 8e-6 dB (decibel front ends) and 1e-6 (the others).
#![allow(clippy::unwrap_used, reason = "a test may fail")]

mod common;

use std::{
    collections::{BTreeMap, HashSet},
    fs,
};

use common::{floats, gap, golden, synthetic, thin};
use dl_audio::{ClipConfig, LogMel, LogMelConfig, load};
use dl_core::Fingerprint;
use ndarray::{Array2, Axis, concatenate};

fn front_ends() -> BTreeMap<String, LogMelConfig> {
    serde_json::from_slice(&fs::read(golden("front_ends.json")).unwrap()).unwrap()
}

fn clips() -> Vec<Vec<f32>> {
    let mut clips: Vec<_> = [4_410, 44_100, 101_430].map(|n| floats(&synthetic(n))).into();
    for name in ["real_dog.flac", "real_rain.flac"] {
        clips.push(load(&golden(name)).unwrap().samples);
    }
    clips
}

fn assert_close(name: &str, found: &Array2<f32>, expected: &Array2<f32>, tolerance: f32) {
    assert_eq!(found.dim(), expected.dim(), "{name}");
    let flat = |array: &Array2<f32>| array.iter().copied().collect::<Vec<_>>();
    let worst = gap(&flat(found), &flat(expected));
    assert!(worst < tolerance, "{name}: differs by {worst}");
}

#[test]
fn every_front_end_equals_its_reference() {
    let clips = clips();
    for (name, config) in front_ends() {
        let spectrograms = LogMel::new(&config).unwrap().compute_batch(&clips);
        let rows: Vec<_> = spectrograms.iter().map(|spectrogram| thin(spectrogram, 7)).collect();
        let views: Vec<_> = rows.iter().map(Array2::view).collect();
        let found = concatenate(Axis(0), &views).unwrap();
        let expected = ndarray_npy::read_npy(golden(&format!("log_mel_{name}.npy"))).unwrap();
        let in_decibel = !["aisfx", "short_window"].contains(&name.as_str());
        assert_close(&name, &found, &expected, if in_decibel { 3e-5 } else { 3e-6 });
    }
}

#[test]
fn clap_equals_its_extractor_with_repeat_padding() {
    let mut rain = load(&golden("real_rain.flac")).unwrap();
    rain.sample_rate = 48_000; // As the script claims to the extractor.
    let clip = ClipConfig::default().apply(&rain);
    assert_eq!(clip.samples.len(), 480_000);
    for (name, config) in
        [("unfused", LogMelConfig::clap_unfused()), ("fused", LogMelConfig::clap_fused())]
    {
        let found = LogMel::new(&config).unwrap().compute_waveform(&clip).unwrap();
        assert_eq!(found.dim(), (1001, 64));
        let file = golden(&format!("log_mel_clap_extractor_{name}.npy"));
        let expected = ndarray_npy::read_npy(file).unwrap();
        assert_close(name, &thin(&found, 40), &expected, 3e-5);
    }
}

#[test]
fn presets_are_the_front_ends_of_the_goldens() {
    let front_ends = front_ends();
    assert_eq!(front_ends["aisfx"], LogMelConfig::aisfx());
    assert_eq!(front_ends["clap_unfused"], LogMelConfig::clap_unfused());
    assert_eq!(front_ends["clap_fused"], LogMelConfig::clap_fused());
    let json = serde_json::to_string(&LogMelConfig::default()).unwrap();
    assert_eq!(serde_json::from_str::<LogMelConfig>(&json).unwrap(), LogMelConfig::aisfx());
}

#[test]
fn every_value_of_a_configuration_is_in_its_fingerprint() {
    let mut configs = vec![
        LogMelConfig { hop_length: 1023, ..LogMelConfig::aisfx() },
        LogMelConfig { peak_normalise: false, ..LogMelConfig::aisfx() },
        LogMelConfig { f_max: 22_049.9, ..LogMelConfig::aisfx() },
    ];
    configs.extend(front_ends().into_values());
    let prints: HashSet<_> =
        configs.iter().map(|config| Fingerprint::of(config).to_string()).collect();
    assert_eq!(prints.len(), configs.len());
}

#[test]
fn a_batch_equals_its_clips_one_by_one() {
    let clips = clips();
    let front_end = LogMel::new(&LogMelConfig::aisfx()).unwrap();
    for (together, clip) in front_end.compute_batch(&clips).iter().zip(&clips) {
        assert_eq!(*together, front_end.compute(clip));
    }
}

#[test]
fn silence_and_tiny_clips_give_finite_numbers() {
    for config in front_ends().values() {
        let front_end = LogMel::new(config).unwrap();
        for length in [0, 1, 2, 999, 5000] {
            let spectrogram = front_end.compute(&vec![0.0; length]);
            assert_eq!(spectrogram.dim(), (front_end.frames(length), config.n_mels));
            assert!(spectrogram.iter().all(|value| value.is_finite()));
        }
    }
}

#[test]
fn peak_normalised_features_do_not_depend_on_gain() {
    let clip = floats(&synthetic(4_410));
    let quiet: Vec<f32> = clip.iter().map(|sample| sample / 64.0).collect();
    let front_end = LogMel::new(&LogMelConfig::aisfx()).unwrap();
    let (loud, quiet) = (front_end.compute(&clip), front_end.compute(&quiet));
    assert_close("gain", &loud, &quiet, 1e-7);
}

#[test]
fn faults_name_the_key() {
    let base = LogMelConfig::aisfx;
    let text = |config: LogMelConfig| LogMel::new(&config).err().unwrap().to_string();
    for (fault, config) in [
        ("sample_rate = 0: must be 1000 to 768000 Hz", LogMelConfig { sample_rate: 0, ..base() }),
        ("n_fft = 1: must be 2 to", LogMelConfig { n_fft: 1, ..base() }),
        ("win_length = 4096: must be", LogMelConfig { win_length: 4096, ..base() }),
        ("hop_length = 0: must be", LogMelConfig { hop_length: 0, ..base() }),
        ("n_mels = 0: must be 1", LogMelConfig { n_mels: 0, ..base() }),
        ("n_mels = 1000: must be smaller", LogMelConfig { n_mels: 1000, ..base() }),
        ("f_min = NaN: must", LogMelConfig { f_min: f64::NAN, ..base() }),
        ("f_max = 22051: must", LogMelConfig { f_max: 22_051.0, ..base() }),
    ] {
        let text = text(config);
        assert!(text.starts_with(fault), "{text}");
    }
    let parse = |json| serde_json::from_str::<LogMelConfig>(json).unwrap_err().to_string();
    assert!(parse(r#"{"n_mel": 64}"#).contains("unknown field `n_mel`, expected"));
    assert!(parse(r#"{"mel_scale": "mel"}"#).contains("expected `htk` or `slaney`"));
    let wrong = r#"{"compression": {"kind": "decibel", "floor": 1.0}}"#;
    assert!(parse(wrong).contains("unknown field `floor`"));
    let rain = load(&golden("real_rain.flac")).unwrap();
    let front_end = LogMel::new(&base()).unwrap();
    let text = front_end.compute_waveform(&rain).unwrap_err().to_string();
    assert!(text.contains("has 32000 Hz but the front end takes 44100 Hz"), "{text}");
}
