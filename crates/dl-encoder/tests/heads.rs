//! Projection heads on synthetic features: both towers see one hidden vector
//! through random maps and noise.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test may fail and say why")]

#[path = "../../dl-torch/tests/strange/mod.rs"]
mod strange;

use std::{collections::HashMap, fs};

use dl_core::noise::Noise;
use dl_encoder::{Heads, HeadsConfig, Pairs, sanity};
use dl_torch::{
    TrainConfig, TrainContext,
    tensor_file::{self, Tensors},
};
use ndarray::Array2;
use proptest::{collection::vec, prelude::any, prop_assert, proptest};
use serde_json::{Value, json};
use tch::{Device, Kind, Tensor};

const HIDDEN: usize = 8;

struct Features {
    audio: Array2<f32>,
    text: Array2<f32>,
    owners: Vec<usize>,
}

impl Features {
    /// `clips` clips from number `first` on, two captions each.
    fn new(first: u64, clips: usize) -> Self {
        let normal = |stream, first: u64, rows: usize, columns| {
            let items: Vec<u64> = (first..first + rows as u64).collect();
            let values = Noise::new(5, stream).normal_rows(&items, 0, columns);
            Array2::from_shape_vec((rows, columns), values).unwrap()
        };
        let hidden = normal("hidden", first, clips, HIDDEN);
        let owners: Vec<usize> = (0..2 * clips).map(|caption| caption / 2).collect();
        let captions = hidden.select(ndarray::Axis(0), &owners);
        let audio_map = normal("audio map", 0, HIDDEN, 40);
        let text_map = normal("text map", 0, HIDDEN, 24);
        // Offsets and scales as real features have them, and a dead unit.
        let mut audio = hidden.dot(&audio_map) * 3.0 + normal("audio", first, clips, 40) + 7.0;
        audio.column_mut(0).fill(0.0);
        let text = captions.dot(&text_map) * 0.1 + normal("text", 2 * first, 2 * clips, 24) * 0.03;
        Self { audio, text, owners }
    }

    fn pairs(&self) -> Pairs<'_> {
        Pairs { audio: self.audio.view(), text: self.text.view(), owners: &self.owners }
    }
}

fn config() -> HeadsConfig {
    HeadsConfig {
        dim: 16,
        hidden: 32,
        train: TrainConfig {
            steps: 150,
            batch: 64,
            warmup_steps: 10,
            validate_every: 50,
            learning_rate: 3e-3,
            ..TrainConfig::default()
        },
        ..HeadsConfig::default()
    }
}

fn train(config: &HeadsConfig, data: &Features, held_out: &Features) -> Heads {
    let context = TrainContext::new(3);
    Heads::train(&data.pairs(), &held_out.pairs(), config, &context).unwrap().0
}

#[test]
fn training_aligns_pairs_of_clips_never_seen() {
    let (data, held_out) = (Features::new(0, 300), Features::new(300, 100));
    for skip in [false, true] {
        let heads = train(&HeadsConfig { skip, ..config() }, &data, &held_out);
        let audio = heads.embed_audio(&held_out.audio).unwrap();
        let text = heads.embed_text(&held_out.text).unwrap();
        let report = sanity(audio.view(), text.view(), &held_out.owners).unwrap();
        assert!(report.warnings.is_empty(), "{:?}", report.warnings);
        // Chance is 0.01.
        assert!(report.recall_at_1 > 0.8, "{report:?}");
        assert!(report.paired_cosine > report.unpaired_cosine + 0.5, "{report:?}");
        assert!((1.0..=100.0).contains(&heads.logit_scale()), "{}", heads.logit_scale());
    }
}

#[test]
fn a_saved_pair_of_heads_is_the_same_pair() {
    let (data, held_out) = (Features::new(0, 80), Features::new(80, 40));
    let config = HeadsConfig { skip: true, ..config() };
    let heads = train(&config, &data, &held_out);
    assert_eq!(
        heads.fingerprint().unwrap(),
        train(&config, &data, &held_out).fingerprint().unwrap(),
        "the same seed gives the same bits"
    );
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("heads.safetensors");
    heads.save(&path).unwrap();
    let loaded = Heads::load(&path, Device::Cpu).unwrap();
    assert_eq!(loaded.fingerprint().unwrap(), heads.fingerprint().unwrap());
    assert_eq!(loaded.logit_scale(), heads.logit_scale());
    assert_eq!(
        loaded.embed_audio(&held_out.audio).unwrap(),
        heads.embed_audio(&held_out.audio).unwrap()
    );
    assert_eq!(
        loaded.embed_text(&held_out.text).unwrap(),
        heads.embed_text(&held_out.text).unwrap()
    );
    let error = loaded.embed_audio(&held_out.text).unwrap_err().to_string();
    assert_eq!(error, "audio features: expected 40 columns, found 24 columns");

    let bytes = fs::read(&path).unwrap();
    fs::write(&path, &bytes[..bytes.len() / 2]).unwrap();
    let error = Heads::load(&path, Device::Cpu).err().unwrap().to_string();
    assert!(error.contains("heads.safetensors: not a whole safetensors file"), "{error}");
}

#[test]
fn claims_of_a_file_that_it_does_not_hold_are_refused() {
    let data = Features::new(0, 80);
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("heads.safetensors");
    train(&config(), &data, &data).save(&path).unwrap();
    let (tensors, metadata) = tensor_file::read(&path, Device::Cpu).unwrap();
    let refused = |tensors: &Tensors, metadata: HashMap<String, String>, expected: &str| {
        tensor_file::write(&path, tensors, metadata).unwrap();
        let error = Heads::load(&path, Device::Cpu).err().unwrap().to_string();
        let problem = error.strip_prefix(&format!("{}: ", path.display())).unwrap();
        assert!(problem.starts_with(expected), "{problem}");
    };
    for (key, value, expected) in [
        ("dim", json!(u64::MAX), "its configuration: dim = 18446744073709551615: must be in 1.."),
        ("hidden", json!(1_u64 << 40), "its configuration: hidden = 1099511627776: must be in 1"),
        ("hidden", json!(65_536), "the tensors do not fit this model: `audio.first.weight` is ["),
        ("skip", json!(true), "the tensors do not fit this model: `audio.skip.weight` is missing"),
    ] {
        let mut config: Value = serde_json::from_str(&metadata["config"]).unwrap();
        config[key] = value;
        let mut metadata = metadata.clone();
        metadata.insert("config".into(), config.to_string());
        refused(&tensors, metadata, expected);
    }
    let with = |name: &str, tensor: Tensor| {
        let mut tensors: Tensors =
            tensors.iter().map(|(name, tensor)| (name.clone(), tensor.shallow_clone())).collect();
        tensors.insert(name.into(), tensor);
        tensors
    };
    let few = Tensor::ones([3], (Kind::Float, Device::Cpu));
    let expected = "`text.mean` and `text.deviation` are of different lengths; train the heads";
    refused(&with("text.deviation", few), metadata.clone(), expected);
    let whole = tensors["audio.second.bias"].to_kind(Kind::Int64);
    let expected = "the tensors do not fit this model: `audio.second.bias` is of kind Int64, ";
    refused(&with("audio.second.bias", whole), metadata.clone(), expected);
}

#[test]
fn any_header_gives_heads_or_one_sentence() {
    let data = Features::new(0, 80);
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("heads.safetensors");
    let short = TrainConfig { steps: 1, ..config().train };
    train(&HeadsConfig { train: short, ..config() }, &data, &data).save(&path).unwrap();
    let (tensors, metadata) = tensor_file::read(&path, Device::Cpu).unwrap();
    proptest!(strange::cases(500), |(changes in vec((any::<usize>(), any::<usize>()), 1..4))| {
        let mut metadata = metadata.clone();
        metadata.insert("config".into(), strange::changed(&metadata["config"], &changes));
        tensor_file::write(&path, &tensors, metadata).unwrap();
        match Heads::load(&path, Device::Cpu) {
            Ok(heads) => {
                let audio = heads.embed_audio(&data.audio).unwrap();
                prop_assert!(audio.iter().all(|value| value.is_finite()));
            }
            Err(error) => {
                let error = error.to_string();
                prop_assert!(error.starts_with(&path.display().to_string()), "{error}");
                prop_assert!(!error.contains('\n') && error.len() < 2000, "{error}");
            }
        }
    });
}

#[test]
fn features_that_do_not_fit_are_told() {
    let data = Features::new(0, 80);
    let context = TrainContext::new(0);
    let message = |training: Pairs<'_>, config: &HeadsConfig| {
        Heads::train(&training, &data.pairs(), config, &context).err().unwrap().to_string()
    };
    let short = Pairs { owners: &data.owners[1..], ..data.pairs() };
    assert_eq!(message(short, &config()), "owners: expected one per caption (160), found 159");
    let owners = vec![80; 160];
    let beyond = Pairs { owners: &owners, ..data.pairs() };
    assert_eq!(message(beyond, &config()), "owners: expected clips below 80, found clip 80");
    let mut nan = data.audio.clone();
    nan[[3, 3]] = f32::NAN;
    let broken = Pairs { audio: nan.view(), ..data.pairs() };
    assert_eq!(
        message(broken, &config()),
        "audio features: expected finite numbers, found NaN or infinite"
    );
    let cold = HeadsConfig { temperature: 0.0, ..config() };
    assert_eq!(message(data.pairs(), &cold), "temperature = 0: must be 0.01 to 10");
}
