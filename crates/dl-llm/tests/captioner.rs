//! The whole chain at toy size: language model from scratch, prefix for the frozen
//! model, captions of unseen items, files, and what is refused.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod common;
#[path = "../../dl-torch/tests/strange/mod.rs"]
mod strange;

use std::{
    cell::Cell,
    fs,
    panic::{AssertUnwindSafe, catch_unwind},
    path::Path,
    rc::Rc,
    sync::OnceLock,
};

use common::World;
use dl_core::{Progress, Silent};
use dl_llm::{
    CaptionPairs, CaptionScore, Captioner, CaptionerTraining, DecodeConfig, LanguageModel,
    LlamaConfig, LmReport, LmTrainConfig, LoraConfig, PrefixConfig, PrefixKind, PrefixSensitivity,
};
use dl_torch::{TrainConfig, TrainContext, tensor_file};
use ndarray::s;
use proptest::{collection::vec, prelude::any, prop_assert, proptest};
use serde_json::json;
use tch::Device;

const DIM: usize = 32;

fn context(label: &str) -> TrainContext<'_> {
    // Tests run side by side, and at this size two threads wait for each other.
    tch::set_num_threads(1);
    TrainContext::new(0).named(label)
}

fn schedule(steps: u64, learning_rate: f64) -> TrainConfig {
    TrainConfig {
        steps,
        batch: 32,
        learning_rate,
        warmup_steps: 10,
        validate_every: 50,
        ..TrainConfig::default()
    }
}

fn lm_config(steps: u64) -> LmTrainConfig {
    let model = LlamaConfig { hidden: 64, layers: 2, intermediate: 128, ..LlamaConfig::default() };
    LmTrainConfig { model, train: schedule(steps, 5e-3), ..LmTrainConfig::default() }
}

fn prefix_config(kind: PrefixKind, steps: u64) -> PrefixConfig {
    PrefixConfig { kind, hidden: 128, train: schedule(steps, 5e-3), ..PrefixConfig::default() }
}

fn world(n: usize, stream: &str) -> World {
    World::new(n, DIM, 0.1, stream)
}

fn pairs(world: &World) -> CaptionPairs<'_> {
    CaptionPairs { embeddings: world.embeddings.view(), captions: &world.captions }
}

/// A captioner trained once, as the directory that it was saved to.
fn trained() -> &'static (tempfile::TempDir, LmReport, f64) {
    static TRAINED: OnceLock<(tempfile::TempDir, LmReport, f64)> = OnceLock::new();
    TRAINED.get_or_init(|| {
        let (train, validation) = (world(600, "train"), world(64, "validation"));
        let (lm, report) = LanguageModel::train(
            &train.captions,
            &validation.captions,
            &lm_config(500),
            &context("language model"),
        )
        .unwrap();
        let (captioner, prefix) = Captioner::train_prefix(
            &Rc::new(lm),
            pairs(&train),
            pairs(&validation),
            &prefix_config(PrefixKind::Input, 250),
            &context("prefix"),
        )
        .unwrap();
        let directory = tempfile::tempdir().unwrap();
        captioner.save(directory.path()).unwrap();
        (directory, report, prefix.best_validation)
    })
}

fn load() -> Captioner {
    Captioner::load(trained().0.path(), Device::Cpu).unwrap()
}

fn copy(from: &Path) -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        fs::copy(entry.path(), directory.path().join(entry.file_name())).unwrap();
    }
    directory
}

#[test]
fn captions_of_unseen_items_name_what_is_there() {
    let test = world(200, "test");
    let captioner = load();
    let greedy = captioner.caption(&test.embeddings, &DecodeConfig::default()).unwrap();
    let accuracy = test.accuracy(&greedy);
    // All events of a scene, in order, out of 12 * (1 + 2 * 11) answers.
    assert!(accuracy > 0.8, "{accuracy}: {:?}", &greedy[..5]);
    let config = DecodeConfig { beams: 3, ..DecodeConfig::default() };
    let beam = captioner.caption(&test.embeddings, &config).unwrap();
    assert!(test.accuracy(&beam) > 0.8, "{:?}", &beam[..5]);
}

#[test]
fn the_prefix_matters_and_says_how_much() {
    let (captioner, test) = (load(), world(64, "test"));
    let PrefixSensitivity { own, shuffled } =
        captioner.prefix_sensitivity(pairs(&test), 0).unwrap();
    assert!(shuffled > own + 0.5, "own {own}, shuffled {shuffled}");
    // The report's perplexity is that of the same captions through the loaded model.
    let report = &trained().1;
    let validation = world(64, "validation");
    let perplexity = captioner.language_model().perplexity(&validation.captions).unwrap();
    assert!((perplexity / report.perplexity - 1.0).abs() < 1e-4, "{perplexity}, {report:?}");
    let own = captioner.prefix_sensitivity(pairs(&validation), 0).unwrap().own;
    assert!((own - trained().2).abs() < 1e-4, "{own}");
}

#[test]
fn training_goes_on_from_another_captioner() {
    let (start, train, validation) = (load(), world(64, "train"), world(64, "validation"));
    let before = start.prefix_sensitivity(pairs(&validation), 0).unwrap();
    // One step at nearly no rate: from the start it is as good as the start, from scratch not.
    let mut config = prefix_config(PrefixKind::Input, 1);
    config.train.learning_rate = 1e-7;
    let lm = start.language_model();
    let on_from = |config| {
        let training = CaptionerTraining::new(lm, pairs(&train), pairs(&validation), config);
        training.from(&start).run(&context("on"))
    };
    let (on, report) = on_from(&config).unwrap();
    assert!((report.best_validation - before.own).abs() < 1e-3, "{report:?}, {before:?}");
    let scratch = CaptionerTraining::new(lm, pairs(&train), pairs(&validation), &config);
    let (_, scratch) = scratch.run(&context("scratch")).unwrap();
    assert!(scratch.best_validation > before.own + 0.5, "{scratch:?}, {before:?}");
    // The start stays as it was, to the bit.
    assert_eq!(start.prefix_sensitivity(pairs(&validation), 0).unwrap(), before);
    assert_ne!(on.prefix_sensitivity(pairs(&validation), 0).unwrap(), before);
    // Another size of mapper is refused with what differs.
    let wider = PrefixConfig { hidden: 64, ..config.clone() };
    let error = on_from(&wider).unwrap_err().to_string();
    assert!(error.starts_with("the captioner to go on from: ") && error.contains("[64"), "{error}");
}

#[test]
fn the_best_step_may_be_chosen_by_captions() {
    let (start, train, validation) = (load(), world(64, "train"), world(64, "validation"));
    let mut config = prefix_config(PrefixKind::Input, 6);
    config.train.validate_every = 1;
    let decode = DecodeConfig { max_tokens: 4, ..DecodeConfig::default() };
    // A score that knows nothing of captions: it is highest at the fourth look.
    let looks = Cell::new(0);
    let score = |captions: &[String]| {
        assert_eq!(captions.len(), 64);
        looks.set(looks.get() + 1);
        Ok(-f64::from(looks.get() - 4_i32).abs())
    };
    let embeddings = &validation.embeddings;
    let by = CaptionScore { name: "looks", embeddings, decode: &decode, score: &score };
    let lm = start.language_model();
    let training = CaptionerTraining::new(lm, pairs(&train), pairs(&validation), &config);
    let (_, report) = training.from(&start).chosen_by(by).run(&context("chosen")).unwrap();
    assert_eq!((report.best_step, report.best_validation), (4, 0.0));
    let values: Vec<f64> = report.history.iter().map(|&(_, _, value)| value).collect();
    assert_eq!(values, [3.0, 2.0, 1.0, 0.0, 1.0, 2.0]);
}

#[test]
fn batched_captions_equal_single_ones() {
    let (captioner, test) = (load(), world(30, "test"));
    for beams in [1, 3] {
        let caption = |batch| {
            let config = DecodeConfig { beams, batch, ..DecodeConfig::default() };
            captioner.caption(&test.embeddings, &config).unwrap()
        };
        let single = caption(1);
        assert_eq!(caption(64), single);
        assert_eq!(caption(7), single);
        assert_eq!(caption(64), caption(64));
    }
}

#[test]
fn damaged_directories_are_named() {
    let files = ["config.json", "tokenizer.json", "model.safetensors", "prefix.safetensors"];
    for file in files {
        let directory = copy(trained().0.path());
        let path = directory.path().join(file);
        let whole = fs::read(&path).unwrap();
        fs::write(&path, &whole[..whole.len() / 2]).unwrap();
        let error = Captioner::load(directory.path(), Device::Cpu).unwrap_err().to_string();
        assert!(error.contains(file) && !error.contains('\n'), "{error}");
        fs::remove_file(&path).unwrap();
        let error = Captioner::load(directory.path(), Device::Cpu).unwrap_err().to_string();
        assert!(error.contains(file) && !error.contains('\n'), "{error}");
    }
}

#[test]
fn a_prefix_belongs_to_its_language_model() {
    let test = world(64, "test");
    let (other, _) =
        LanguageModel::train(&test.captions, &test.captions, &lm_config(1), &context("other"))
            .unwrap();
    let path = trained().0.path().join("prefix.safetensors");
    let error = Captioner::load_prefix(&Rc::new(other), &path).unwrap_err().to_string();
    assert!(error.contains("trained with another language model"), "{error}");
}

#[test]
fn deep_prefixes_and_noise_train_save_and_load() {
    let (train, test) = (world(128, "train"), world(32, "test"));
    let lm = Rc::clone(load().language_model());
    let before = lm.fingerprint().unwrap();
    let config =
        PrefixConfig { noise: 0.04, label_smoothing: 0.05, ..prefix_config(PrefixKind::Deep, 60) };
    let train_once = || {
        Captioner::train_prefix(&lm, pairs(&train), pairs(&test), &config, &context("deep"))
            .unwrap()
    };
    let (captioner, report) = train_once();
    // It helps: the loss without any prefix is ln(perplexity).
    let without = lm.perplexity(&test.captions).unwrap().ln();
    assert!(report.best_validation < without - 0.1, "{report:?}, without {without}");
    assert_eq!(lm.fingerprint().unwrap(), before, "the language model is frozen");
    // The same training, noise included, gives the same bits.
    assert_eq!(train_once().1, report);
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("deep.safetensors");
    captioner.save_prefix(&path).unwrap();
    let loaded = Captioner::load_prefix(&lm, &path).unwrap();
    let config = DecodeConfig { beams: 2, ..DecodeConfig::default() };
    let captions = |captioner: &Captioner| captioner.caption(&test.embeddings, &config).unwrap();
    assert_eq!(captions(&loaded), captions(&captioner));
}

#[test]
fn a_training_that_computes_activations_again_is_the_same_training() {
    let (lm, train, test) = (load(), world(64, "train"), world(32, "test"));
    for kind in [PrefixKind::Input, PrefixKind::Deep] {
        let train_with = |checkpoint_activations| {
            let mut config = PrefixConfig {
                checkpoint_activations,
                micro_batch: 12,
                noise: 0.04,
                lora: Some(LoraConfig { dropout: 0.1, ..LoraConfig::default() }),
                ..prefix_config(kind, 12)
            };
            config.train.validate_every = 4;
            let (train, test, lm) = (pairs(&train), pairs(&test), lm.language_model());
            Captioner::train_prefix(lm, train, test, &config, &context("again")).unwrap()
        };
        let [(kept, report), (again, same)] = [false, true].map(train_with);
        assert_eq!(same, report);
        assert_eq!(report.history.len(), 3);
        let heard = |captioner: &Captioner| captioner.prefix_sensitivity(pairs(&test), 0).unwrap();
        assert_eq!(heard(&again), heard(&kept));
    }
}

/// The captions read backwards: what a language model from elsewhere has learnt.
fn backwards(world: &World) -> Vec<String> {
    let turn = |caption: &String| caption.split(' ').rev().collect::<Vec<_>>().join(" ");
    world.captions.iter().map(turn).collect()
}

#[test]
fn low_rank_matrices_teach_a_frozen_model_another_manner_of_speaking() {
    let (train, test) = (world(256, "train"), world(64, "test"));
    let (captions, held_out) = (backwards(&train), backwards(&test));
    let (lm, _) =
        LanguageModel::train(&captions, &held_out, &lm_config(100), &context("backwards")).unwrap();
    let lm = Rc::new(lm);
    let before = lm.fingerprint().unwrap();
    for kind in [PrefixKind::Input, PrefixKind::Deep] {
        let train_with = |lora| {
            let config = PrefixConfig { lora, ..prefix_config(kind, 60) };
            let (train, test) = (pairs(&train), pairs(&test));
            Captioner::train_prefix(&lm, train, test, &config, &context("lora")).unwrap()
        };
        let (plain, alone) = train_with(None);
        let (captioner, both) = train_with(Some(LoraConfig::default()));
        let (alone, best) = (alone.best_validation, both.best_validation);
        assert!(best < alone - 0.4, "{kind:?}: prefix alone {alone}, with matrices {best}");
        // One language model serves both, and neither has changed it.
        assert_eq!(lm.fingerprint().unwrap(), before, "the language model is frozen");
        let own =
            |captioner: &Captioner| captioner.prefix_sensitivity(pairs(&test), 0).unwrap().own;
        assert!((own(&plain) - alone).abs() < 1e-6);
        let directory = tempfile::tempdir().unwrap();
        captioner.save(directory.path()).unwrap();
        let loaded = Captioner::load(directory.path(), Device::Cpu).unwrap();
        assert!((own(&loaded) - best).abs() < 1e-6, "{} is not {best}", own(&loaded));
        let config = DecodeConfig { beams: 2, ..DecodeConfig::default() };
        let captions =
            |captioner: &Captioner| captioner.caption(&test.embeddings, &config).unwrap();
        assert_eq!(captions(&loaded), captions(&captioner));
        // The words come through the matrices: without them the same prefix says others.
        let path = directory.path().join("prefix.safetensors");
        let (mut tensors, metadata) = tensor_file::read(&path, Device::Cpu).unwrap();
        for (_, up) in tensors.iter_mut().filter(|(name, _)| name.contains("lora_B")) {
            *up = up.zeros_like();
        }
        tensor_file::write(&path, &tensors, metadata).unwrap();
        let without = Captioner::load_prefix(&lm, &path).unwrap();
        assert_ne!(captions(&without), captions(&captioner));
    }
}

/// The prefix file with its configuration changed as `change` says.
fn edited(path: &Path, change: impl FnOnce(&mut serde_json::Value)) -> tempfile::TempDir {
    let (tensors, mut metadata) = tensor_file::read(path, Device::Cpu).unwrap();
    let mut about = serde_json::from_str(&metadata["prefix"]).unwrap();
    change(&mut about);
    metadata.insert("prefix".into(), about.to_string());
    let directory = tempfile::tempdir().unwrap();
    tensor_file::write(&directory.path().join("prefix.safetensors"), &tensors, metadata).unwrap();
    directory
}

#[test]
fn matrices_that_do_not_fit_their_configuration_are_refused() {
    let (lm, test) = (Rc::clone(load().language_model()), world(32, "test"));
    let config =
        PrefixConfig { lora: Some(LoraConfig::default()), ..prefix_config(PrefixKind::Deep, 1) };
    let (captioner, _) =
        Captioner::train_prefix(&lm, pairs(&test), pairs(&test), &config, &context("fit")).unwrap();
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("prefix.safetensors");
    captioner.save_prefix(&path).unwrap();
    let refused = |lora: serde_json::Value, message: &str| {
        let directory = edited(&path, |about| about["config"]["lora"] = lora);
        let path = directory.path().join("prefix.safetensors");
        let error = Captioner::load_prefix(&lm, &path).unwrap_err().to_string();
        assert!(error.contains("prefix.safetensors") && error.contains(message), "{error}");
    };
    refused(json!(null), "lora_A.weight` is unknown");
    refused(json!({ "rank": 4 }), "lora_A.weight` is [8, 64], expected [4, 64]");
    refused(json!({ "rank": -4 }), "lora.rank = -4: must be in 1..=65536");
    refused(json!({ "targets": ["query", "key", "value"] }), "k_proj.lora_A.weight` is missing");
    refused(json!({ "targets": ["gate"] }), "gate_proj.lora_A.weight` is missing");
    refused(json!({ "targets": ["head"] }), "unknown variant `head`");
}

/// Sizes that a file claims and does not hold: nothing is made of them. Matrices of these would
/// take terabytes.
#[test]
fn claims_of_a_prefix_beyond_its_file_are_refused() {
    let (lm, test) = (Rc::clone(load().language_model()), world(32, "test"));
    let config = PrefixConfig { hidden: 8, ..prefix_config(PrefixKind::Deep, 1) };
    let (captioner, _) =
        Captioner::train_prefix(&lm, pairs(&test), pairs(&test), &config, &context("fit")).unwrap();
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("prefix.safetensors");
    captioner.save_prefix(&path).unwrap();
    for (place, value, message) in [
        ("/dim", json!(1_u64 << 40), "dim = 1099511627776: must be in 1..=65536"),
        ("/dim", json!(-1), "dim = -1: must be in 1..=65536"),
        ("/dim", json!(65_536), "expected [8, 65536]"),
        ("/config/hidden", json!(1_u64 << 60), "hidden = 1152921504606846976: must be in 1..="),
        ("/config/hidden", json!(65_536), "is [8], expected [65536]"),
        ("/config/length", json!(i64::MAX), "length = 9223372036854775807: must be in 1..=65536"),
        ("/config/max_tokens", json!(u64::MAX), "max_tokens = 18446744073709551615: must be in 1"),
    ] {
        let changed = edited(&path, |about| *about.pointer_mut(place).unwrap() = value);
        let path = changed.path().join("prefix.safetensors");
        let error = Captioner::load_prefix(&lm, &path).unwrap_err().to_string();
        assert!(error.contains("prefix.safetensors: ") && error.contains(message), "{error}");
    }
}

#[test]
fn any_header_of_a_prefix_gives_a_captioner_or_one_sentence() {
    let (lm, test) = (Rc::clone(load().language_model()), world(32, "test"));
    let first = test.embeddings.slice(s![..1, ..]).to_owned();
    for kind in [PrefixKind::Input, PrefixKind::Deep] {
        let lora = Some(LoraConfig::default());
        let config = PrefixConfig { hidden: 8, lora, ..prefix_config(kind, 1) };
        let (captioner, _) =
            Captioner::train_prefix(&lm, pairs(&test), pairs(&test), &config, &context("fit"))
                .unwrap();
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("prefix.safetensors");
        captioner.save_prefix(&path).unwrap();
        let (tensors, metadata) = tensor_file::read(&path, Device::Cpu).unwrap();
        let anything = vec((any::<usize>(), any::<usize>()), 1..4);
        proptest!(strange::cases(300), |(changes in anything)| {
            let mut metadata = metadata.clone();
            metadata.insert("prefix".into(), strange::changed(&metadata["prefix"], &changes));
            tensor_file::write(&path, &tensors, metadata).unwrap();
            match Captioner::load_prefix(&lm, &path) {
                Ok(captioner) => {
                    captioner.caption(&first, &DecodeConfig::default()).unwrap();
                }
                Err(error) => {
                    let error = error.to_string();
                    prop_assert!(error.starts_with(&path.display().to_string()), "{error}");
                    prop_assert!(!error.contains('\n') && error.len() < 2000, "{error}");
                }
            }
        });
    }
}

#[test]
fn a_configuration_without_matrices_is_written_as_before() {
    let text = serde_json::to_string(&PrefixConfig::default()).unwrap();
    assert!(!text.contains("lora") && !text.contains("checkpoint_activations"), "{text}");
    let with = PrefixConfig { lora: Some(LoraConfig::default()), ..PrefixConfig::default() };
    let value = serde_json::to_value(&with).unwrap();
    assert_eq!(value["lora"], json!({ "rank": 8, "alpha": 32.0, "targets": ["query", "value"] }));
    assert_eq!(serde_json::from_value::<PrefixConfig>(value).unwrap(), with);
}

#[test]
fn embeddings_and_captions_that_do_not_fit_are_refused() {
    let (captioner, mut test) = (load(), world(16, "test"));
    let wide = World::new(2, DIM + 1, 0.1, "test");
    let refused = |embeddings, message: &str| {
        let result = captioner.caption(embeddings, &DecodeConfig::default());
        let error = result.unwrap_err().to_string();
        assert!(error.contains(message), "{error}");
    };
    refused(&wide.embeddings, "33 dimensions, but the captioner takes 32");
    test.embeddings[[3, 5]] = f32::NAN;
    refused(&test.embeddings, "embedding 3 holds NaN");
    test.captions.pop();
    let error = captioner.prefix_sensitivity(pairs(&test), 0).unwrap_err().to_string();
    assert!(error.contains("15 captions and 16 embeddings"), "{error}");
    let mut blank = world(64, "test").captions;
    blank[2].clear();
    let error = LanguageModel::train(&blank, &blank, &lm_config(1), &context("blank"));
    assert!(error.unwrap_err().to_string().contains("caption 2 is empty"));
}

/// Kills the training from within when it has made 30 steps.
struct Kill;

impl Progress for Kill {
    fn begin(&self, _: &str, _: u64) {}
    fn update(&self, done: u64, _: &str) {
        assert!(done < 30, "killed");
    }
    fn end(&self) {}
}

#[test]
fn an_interrupted_training_ends_with_the_same_bits() {
    let world = world(64, "train");
    let directory = tempfile::tempdir().unwrap();
    let checkpoint = directory.path().join("lm.checkpoint");
    let train = |progress: &dyn Progress, checkpoint: Option<&Path>| {
        let mut config = lm_config(40);
        config.train.checkpoint_every = 20;
        let checkpoint = checkpoint.map(Path::to_owned);
        let context = TrainContext { checkpoint, progress, ..context("resume") };
        let (lm, report) =
            LanguageModel::train(&world.captions, &world.captions, &config, &context).unwrap();
        (lm.fingerprint().unwrap(), report)
    };
    let killed = catch_unwind(AssertUnwindSafe(|| train(&Kill, Some(&checkpoint))));
    assert!(killed.is_err() && checkpoint.exists());
    assert_eq!(train(&Silent, Some(&checkpoint)), train(&Silent, None));
}
