//! The CLAP front end against transformers' `ClapFeatureExtractor`
//! (`golden/clap_front_end.py`), its random choices replaced by our policies.
#![allow(clippy::unwrap_used, reason = "a test may fail")]

mod common;

use std::{collections::HashSet, fs};

use common::{gap, golden, thin, tone};
use dl_audio::{
    AudioError, ChunkPolicy, ClapFrontEnd, ClapFrontEndConfig, Crop, Fill, Waveform, load,
};
use dl_core::Fingerprint;
use ndarray::{Array3, ArrayView2, Axis};
use serde::Deserialize;
use serde_json::{Value, json};

#[derive(Deserialize)]
struct Golden {
    step: usize,
    preprocessor: Value,
    cases: Vec<Case>,
}

#[derive(Debug, Deserialize)]
struct Case {
    truncation: String,
    padding: String,
    policy: String,
    samples: usize,
    int16: bool,
    is_longer: bool,
    distinct_channels: usize,
}

impl Case {
    fn config(&self, preprocessor: &Value) -> ClapFrontEndConfig {
        let mut read = preprocessor.clone();
        read["truncation"] = json!(self.truncation);
        read["padding"] = json!(self.padding);
        let mut config = ClapFrontEndConfig::from_preprocessor_json(read.to_string()).unwrap();
        config.int16 = self.int16;
        config.chunks = serde_json::from_value(json!(self.policy)).unwrap();
        config.clip.crop = serde_json::from_value(json!(self.policy)).unwrap();
        config
    }
}

fn goldens() -> Golden {
    serde_json::from_slice(&fs::read(golden("clap_front_end.json")).unwrap()).unwrap()
}

/// The clip of the script: dog, rain, dog, ..., every copy of the two at half the
/// level, from anew after four.
fn clip(length: usize, gain: f32) -> Waveform {
    let both = ["real_dog.flac", "real_rain.flac"].map(|name| load(&golden(name)).unwrap().samples);
    let both = both.concat();
    let sample = |i: usize| gain * both[i % both.len()] * 0.5_f32.powi((i / both.len() % 4) as i32);
    Waveform { samples: (0..length).map(sample).collect(), sample_rate: 48_000 }
}

#[test]
fn every_case_equals_the_extractor() {
    let Golden { step, preprocessor, cases } = goldens();
    let expected: Array3<f32> = ndarray_npy::read_npy(golden("clap_front_end.npy")).unwrap();
    let mut expected = expected.outer_iter();
    for case in cases {
        let front_end = ClapFrontEnd::new(&case.config(&preprocessor)).unwrap();
        let found = front_end.features(&clip(case.samples, if case.int16 { 2.0 } else { 1.0 }));
        let found = found.unwrap();
        let channels = if case.truncation == "fusion" { 4 } else { 1 };
        assert_eq!(found.values.dim(), (channels, 1001, 64), "{case:?}");
        assert_eq!(found.is_longer, case.is_longer, "{case:?}");
        for (i, channel) in found.values.outer_iter().enumerate() {
            if i < case.distinct_channels {
                assert_close(&case, channel, expected.next().unwrap(), step);
            } else {
                assert_eq!(channel, found.values.index_axis(Axis(0), 0), "{case:?}");
            }
        }
    }
    assert!(expected.next().is_none());
}

fn assert_close(case: &Case, found: ArrayView2<f32>, expected: ArrayView2<f32>, step: usize) {
    let flat = |array: ArrayView2<f32>| array.iter().copied().collect::<Vec<_>>();
    let worst = gap(&flat(thin(&found.to_owned(), step).view()), &flat(expected));
    // Measured: at most 8e-6, a step of single precision at -100 dB.
    assert!(worst < 3e-5, "{case:?}: differs by {worst} dB");
}

#[test]
fn another_rate_is_resampled_first() {
    let front_end = ClapFrontEnd::new(&ClapFrontEndConfig::unfused()).unwrap();
    let clip = tone(440.0, 44_100, 30_000);
    let found = front_end.features(&clip).unwrap();
    assert_eq!(found, front_end.features(&clip.resample(48_000).unwrap()).unwrap());
    assert!(!found.is_longer);
    // The length counts after that: just over 10 s of 44.1 kHz is over 10 s.
    let long = Waveform { samples: vec![0.1; 441_001], sample_rate: 44_100 };
    assert!(front_end.features(&long).unwrap().is_longer);
}

#[test]
fn an_empty_clip_is_silence_and_a_bad_sample_an_error() {
    for config in [ClapFrontEndConfig::unfused(), ClapFrontEndConfig::fused()] {
        let front_end = ClapFrontEnd::new(&config).unwrap();
        let features = |samples| front_end.features(&Waveform { samples, sample_rate: 48_000 });
        let silence = features(vec![]).unwrap();
        assert_eq!(silence.values.shape(), front_end.shape());
        assert!(silence.values.iter().all(|&value| value == -100.0));
        let error = features(vec![0.0, f32::NAN]).unwrap_err();
        assert!(matches!(error, AudioError::BadSample { index: 1, .. }), "{error}");
    }
}

#[test]
fn a_front_end_is_shared_between_threads() {
    fn shared<T: Send + Sync>() {}
    shared::<ClapFrontEnd>();
}

/// The file of `laion/clap-htsat-unfused`, but for what the extractor sets itself.
const PUBLISHED: &str = r#"{
    "chunk_length_s": 10, "feature_extractor_type": "ClapFeatureExtractor", "feature_size": 64,
    "fft_window_size": 1024, "frequency_max": 14000, "frequency_min": 50, "hop_length": 480,
    "max_length_s": 10, "n_fft": 1024, "nb_frequency_bins": 513, "nb_max_samples": 480000,
    "padding": "repeatpad", "padding_side": "right", "padding_value": 0.0,
    "processor_class": "ClapProcessor", "return_attention_mask": false, "sampling_rate": 48000,
    "top_db": null, "truncation": "rand_trunc"
}"#;

fn read(key: &str, value: Value) -> Result<ClapFrontEndConfig, AudioError> {
    let mut json: Value = serde_json::from_str(PUBLISHED).unwrap();
    json[key] = value;
    ClapFrontEndConfig::from_preprocessor_json(json.to_string())
}

#[test]
fn preprocessor_files_give_the_presets() {
    let unfused = ClapFrontEndConfig::from_preprocessor_json(PUBLISHED).unwrap();
    assert_eq!(unfused, ClapFrontEndConfig::unfused());
    assert_eq!(read("truncation", json!("fusion")).unwrap(), ClapFrontEndConfig::fused());
    for (padding, fill) in
        [("repeatpad", Fill::RepeatPad), ("repeat", Fill::Repeat), ("pad", Fill::ZeroPad)]
    {
        assert_eq!(read("padding", json!(padding)).unwrap().clip.fill, fill);
    }
    // What is absent has the extractor's defaults, of which the lowest frequency is another.
    let mut fused = ClapFrontEndConfig::fused();
    fused.log_mel.f_min = 0.0;
    assert_eq!(ClapFrontEndConfig::from_preprocessor_json("{}").unwrap(), fused);
}

#[test]
fn faults_of_a_preprocessor_file_name_the_key() {
    for (key, value, expected) in [
        ("truncation", json!("rand"), "truncation = rand: must be rand_trunc or"),
        ("padding", json!("repeat_pad"), "padding = repeat_pad: must be repeatpad, "),
        ("top_db", json!(80), "top_db = 80: must be null"),
        ("padding_value", json!(0.5), "padding_value = 0.5: must be 0"),
        (
            "nb_max_samples",
            json!(1),
            "nb_max_samples = 1: must be max_length_s times sampling_rate, 480000",
        ),
        (
            "nb_frequency_bins",
            json!(512),
            "nb_frequency_bins = 512: must be half of fft_window_size plus 1, 513",
        ),
        ("max_length_s", json!(0), "nb_max_samples = 480000: must be"),
        ("hop_length", json!(0), "hop_length = 0: must be at least 1"),
        ("feature_size", json!("x"), "preprocessor_config.json: invalid type: string \"x\""),
        (
            "feature_extractor_type",
            json!("Wav2Vec2"),
            "feature_extractor_type = Wav2Vec2: must be ClapFeatureExtractor",
        ),
    ] {
        let text = read(key, value).unwrap_err().to_string();
        assert!(text.starts_with(expected), "{text}");
    }
    let text = ClapFrontEndConfig::from_preprocessor_json("{").unwrap_err().to_string();
    assert!(text.starts_with("preprocessor_config.json: EOF while parsing"), "{text}");
}

#[test]
fn configurations_survive_json_and_differ_in_their_fingerprints() {
    let unfused = ClapFrontEndConfig::unfused;
    let mut centre = unfused();
    centre.clip.crop = Crop::Centre;
    let configs = [
        unfused(),
        ClapFrontEndConfig { int16: true, ..unfused() },
        ClapFrontEndConfig { chunks: ChunkPolicy::First, ..unfused() },
        ClapFrontEndConfig::fused(),
        centre,
    ];
    let prints: HashSet<_> =
        configs.iter().map(|config| Fingerprint::of(config).to_string()).collect();
    assert_eq!(prints.len(), configs.len());
    for config in configs {
        let json = serde_json::to_string(&config).unwrap();
        assert_eq!(serde_json::from_str::<ClapFrontEndConfig>(&json).unwrap(), config);
    }
    assert!(serde_json::from_str::<ClapFrontEndConfig>(r#"{"fuse": true}"#).is_err());
}

#[test]
fn policies_that_leave_other_lengths_are_refused() {
    let text = |edit: fn(&mut ClapFrontEndConfig)| {
        let mut config = ClapFrontEndConfig::unfused();
        edit(&mut config);
        ClapFrontEnd::new(&config).err().unwrap().to_string()
    };
    assert!(text(|config| config.clip.fill = Fill::None).starts_with("clip.fill = none: must be "));
    assert!(text(|config| config.clip.crop = Crop::None).starts_with("clip.crop = none: must be "));
}
