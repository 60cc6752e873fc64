//! The whole chain at toy size: language model from scratch, prefix for the frozen
//! model, captions of unseen items, files, and what is refused.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod common;

use std::{
    fs,
    panic::{AssertUnwindSafe, catch_unwind},
    path::Path,
    rc::Rc,
    sync::OnceLock,
};

use common::World;
use dl_core::{Fingerprint, Progress, Silent};
use dl_llm::{
    CaptionPairs, Captioner, DecodeConfig, LanguageModel, LlamaConfig, LmReport, LmTrainConfig,
    PrefixConfig, PrefixKind, PrefixSensitivity,
};
use dl_torch::{TrainConfig, TrainContext};
use tch::Device;

const DIM: usize = 32;

fn context(task: &str) -> TrainContext<'_> {
    // Tests run side by side, and at this size two threads wait for each other.
    tch::set_num_threads(1);
    TrainContext {
        task,
        seed: 0,
        device: Device::Cpu,
        checkpoint: None,
        key: Fingerprint::of(&1),
        progress: &Silent,
    }
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
