//! Pre-training at toy size: it learns, it is exact, and what it writes is a CLAP.
#![allow(clippy::unwrap_used, reason = "a test may fail")]

use dl_audio::Waveform;
use dl_encoder::{
    AudioEncoder, Clap, ClapConfig, Encoder,
    clap::{MaskedConfig, PretrainConfig, Pretrained, Spectrograms, pretrain::Scenes},
    sanity,
};
use dl_torch::{TrainConfig, TrainContext, TrainReport};
use ndarray::Array2;
use tch::Device;

/// Tones of six pitches, steady or beating, and their captions.
const PITCHES: [(f32, &str); 6] = [
    (200.0, "a hum"),
    (400.0, "a drone"),
    (700.0, "a tone"),
    (1100.0, "a beep"),
    (1700.0, "a whistle"),
    (2600.0, "a squeak"),
];

fn config() -> PretrainConfig {
    serde_json::from_value(serde_json::json!({
        "model": {
            "model_type": "clap", "projection_dim": 16,
            "audio_config": {
                "spec_size": 64, "num_mel_bins": 32, "window_size": 4, "patch_size": 8,
                "patch_stride": 8, "patch_embeds_hidden_size": 16, "depths": [2, 2],
                "num_attention_heads": [2, 2], "hidden_size": 32,
            },
            "text_config": {
                "vocab_size": 280, "hidden_size": 16, "num_hidden_layers": 1,
                "num_attention_heads": 2, "intermediate_size": 32, "max_position_embeddings": 34,
            },
        },
        "preprocessor": {
            "feature_size": 32, "sampling_rate": 8000, "hop_length": 160, "fft_window_size": 512,
            "max_length_s": 1, "truncation": "rand_trunc", "padding": "repeatpad",
            "frequency_min": 50, "frequency_max": 3800,
        },
        "max_tokens": 16, "temperature": 0.1, "gain_db": 3.0, "mask_mels": 3, "mask_frames": 8,
        "train": TrainConfig {
            steps: 60, batch: 12, learning_rate: 3e-3, warmup_steps: 5, validate_every: 20,
            checkpoint_every: 20, ..TrainConfig::default()
        },
    }))
    .unwrap()
}

fn clips() -> (Vec<Waveform>, Vec<String>) {
    let mut clips = Vec::new();
    let mut captions = Vec::new();
    for (hz, name) in PITCHES {
        for (beat, manner) in [(0.0_f32, "steadily"), (8.0, "in pulses")] {
            for shift in [0.97_f32, 1.0, 1.03] {
                let samples = (0..8000)
                    .map(|t| {
                        let t = t as f32 / 8000.0;
                        let loud = 0.5 + 0.5 * (std::f32::consts::TAU * beat * t).cos();
                        0.4 * loud * (std::f32::consts::TAU * hz * shift * t).sin()
                    })
                    .collect();
                clips.push(Waveform { samples, sample_rate: 8000 });
                captions.push(format!("{name} sounds {manner}"));
            }
        }
    }
    (clips, captions)
}

fn train(seed: u64, checkpoint: Option<std::path::PathBuf>) -> (Pretrained, TrainReport) {
    train_as(&config(), seed, checkpoint)
}

fn train_as(
    config: &PretrainConfig,
    seed: u64,
    checkpoint: Option<std::path::PathBuf>,
) -> (Pretrained, TrainReport) {
    let (clips, captions) = clips();
    let spectrograms = Spectrograms::new(config.front_end().unwrap());
    let rows: Array2<f32> = spectrograms.embed_audio(&clips).unwrap();
    let owners: Vec<usize> = (0..clips.len()).collect();
    let scenes = Scenes { spectrograms: &rows, captions: &captions, owners: &owners };
    let context = TrainContext { checkpoint, ..TrainContext::new(seed) };
    Pretrained::train(&scenes, &scenes, config, &context).unwrap()
}

/// The recipe whose text tower first fills in masked tokens.
fn taught() -> PretrainConfig {
    let train = TrainConfig {
        steps: 40,
        batch: 12,
        learning_rate: 3e-3,
        warmup_steps: 5,
        validate_every: 20,
        checkpoint_every: 20,
        ..TrainConfig::default()
    };
    PretrainConfig { text: Some(MaskedConfig { share: 0.3, train }), ..config() }
}

#[test]
fn it_learns_and_what_it_writes_is_a_clap() {
    let directory = tempfile::tempdir().unwrap();
    let (model, report) = train(1, None);
    model.save(directory.path()).unwrap();
    let (first, last) = (report.history[0].2, report.best_validation);
    // Chance is ln 12, with twelve pairs in a batch.
    assert!(last < first && last < 0.8 * 12_f64.ln(), "{first} {last}");
    let clap = Clap::load(&ClapConfig::at(directory.path()), Device::Cpu).unwrap();
    let (clips, captions) = clips();
    let audio = clap.embed_audio(&clips).unwrap();
    let text = clap.embed_text(&captions).unwrap();
    let owners: Vec<usize> = (0..clips.len()).collect();
    let report = sanity(audio.view(), text.view(), &owners).unwrap();
    assert!(report.paired_cosine > report.unpaired_cosine + 0.05, "{report:?}");
    // Both scales are the one that was learned.
    let [from_audio, from_text] = clap.logit_scales();
    assert_eq!(from_audio, from_text);
}

#[test]
fn the_same_seed_gives_the_same_files_and_another_seed_others() {
    let bytes = |seed| {
        let directory = tempfile::tempdir().unwrap();
        train(seed, None).0.save(directory.path()).unwrap();
        std::fs::read(directory.path().join("model.safetensors")).unwrap()
    };
    let one = bytes(1);
    assert_eq!(one, bytes(1));
    assert_ne!(one, bytes(2));
}

#[test]
fn a_taught_text_tower_is_another_and_resumes_to_the_same_bits() {
    let directory = tempfile::tempdir().unwrap();
    let bytes = |config: &PretrainConfig, checkpoint| {
        train_as(config, 1, checkpoint).0.save(directory.path()).unwrap();
        std::fs::read(directory.path().join("model.safetensors")).unwrap()
    };
    let taught = taught();
    let once = bytes(&taught, None);
    assert_ne!(once, bytes(&config(), None));
    let checkpoint = directory.path().join("checkpoint.safetensors");
    assert_eq!(once, bytes(&taught, Some(checkpoint.clone())));
    // Of both trainings one checkpoint each is there, and both are gone on from.
    assert!(directory.path().join("text.safetensors").exists());
    assert_eq!(once, bytes(&taught, Some(checkpoint)));
}

#[test]
fn a_temperature_that_stays_stays() {
    let directory = tempfile::tempdir().unwrap();
    let scale = |learn_temperature| {
        let config = PretrainConfig { learn_temperature, ..config() };
        train_as(&config, 1, None).0.save(directory.path()).unwrap();
        let clap = Clap::load(&ClapConfig::at(directory.path()), Device::Cpu).unwrap();
        clap.logit_scales()[0]
    };
    // 0.1 in the recipe, kept in half precision.
    assert!((scale(false) - 10.0).abs() < 0.01, "{}", scale(false));
    assert!((scale(true) - 10.0).abs() > 0.05, "{}", scale(true));
}

#[test]
fn a_recipe_out_of_range_names_the_key() {
    let fault = |change: fn(&mut PretrainConfig)| {
        let mut config = config();
        change(&mut config);
        config.validate().unwrap_err().to_string()
    };
    assert!(fault(|c| c.temperature = 0.0).contains("temperature = 0: must be 0.01 to 10"));
    assert!(fault(|c| c.gain_db = -1.0).contains("gain_db = -1"));
    assert!(fault(|c| c.train.batch = 1).contains("train.batch = 1: must be at least 2"));
    let share = |c: &mut PretrainConfig| {
        c.text = Some(MaskedConfig { share: 0.0, train: TrainConfig::default() });
    };
    assert!(fault(share).contains("text.share = 0: must be above 0 and at most 0.9"));
    assert!(fault(|c| c.max_tokens = 33).contains("max_tokens = 33: must be at most"));
    assert!(fault(|c| c.preprocessor["feature_size"] = 16.into()).contains("feature_size = 16"));
    assert!(fault(|c| c.preprocessor["hop_length"] = 20.into()).contains("frames of the"));
    assert!(fault(|c| c.preprocessor["truncation"] = "half".into()).contains("truncation"));
}
