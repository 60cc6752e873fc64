//! The chain from sound to caption as stages, each cached under the fingerprint
//! of everything that goes into it (`dl_core::run`). Asking for a result runs
//! what is missing before it and nothing else.

mod captioners;

use std::{cell::OnceCell, rc::Rc};

use anyhow::{Context, Result, bail};
use dl_core::{EmbeddingSet, Fingerprint, Stage, Store};
use dl_data::{Corpus, Split};
use dl_diffusion::{Bridge, BridgeData};
use dl_encoder::{
    AudioEncoder, Clap, Encoder, HeadedEncoder, Heads, Sanity, TowerPair,
    torchscript::TorchScriptEncoder,
};
use dl_llm::LanguageModel;
use dl_torch::TrainContext;
use ndarray::Array2;
use serde::{Deserialize, Serialize};
use tch::Device;

use crate::{
    config::{EncoderConfig, SuiteConfig},
    features::{self, Features},
    ui::Reporter,
};

/// One value for each split.
#[derive(Clone, Debug)]
pub struct Splits<T> {
    /// Bridges, heads and decoders are fitted on it.
    pub train: T,
    /// Everything is chosen on it.
    pub validation: T,
    /// Tables are over it; nothing else ever sees it.
    pub test: T,
}

/// One caption that the program wrote.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Prediction {
    /// The clip.
    pub id: String,
    /// The caption.
    pub caption: String,
}

/// The file of the projection heads in the stage `encoder`.
const HEADS: &str = "heads.safetensors";

/// A frozen model that is loaded: an encoder, or towers that need heads to be one.
enum Frozen {
    Encoder(Box<dyn Encoder>),
    Towers(Box<TowerPair>),
}

impl Frozen {
    fn load(config: &EncoderConfig, device: Device) -> Result<Self> {
        Ok(match config.in_repository()? {
            EncoderConfig::Clap(clap) => Self::Encoder(Box::new(Clap::load(&clap, device)?)),
            EncoderConfig::Torchscript(bundle) => {
                Self::Encoder(Box::new(TorchScriptEncoder::load(&bundle.path, device)?))
            }
            EncoderConfig::Towers(parts) => {
                Self::Towers(Box::new(TowerPair::load(&parts.towers, device)?))
            }
        })
    }

    fn audio(&self) -> &dyn AudioEncoder {
        match self {
            Self::Encoder(encoder) => encoder.as_ref(),
            Self::Towers(towers) => towers.audio(),
        }
    }

    fn embed_text(&self, captions: &[String]) -> Result<Array2<f32>> {
        Ok(match self {
            Self::Encoder(encoder) => encoder.embed_text(captions)?,
            Self::Towers(towers) => towers.text_features(captions)?,
        })
    }

    fn fingerprint(&self) -> Fingerprint {
        match self {
            Self::Encoder(encoder) => encoder.fingerprint(),
            Self::Towers(towers) => towers.fingerprint(),
        }
    }
}

/// The stages of one suite.
pub struct Pipeline<'a> {
    /// The resolved configuration.
    pub config: &'a SuiteConfig,
    /// Where progress goes.
    pub reporter: &'a Reporter,
    device: Device,
    store: Store,
    corpus: OnceCell<Box<dyn Corpus>>,
    frozen: OnceCell<Frozen>,
    embeddings: OnceCell<Splits<EmbeddingSet>>,
    language_model: OnceCell<Rc<LanguageModel>>,
    /// What bridges are fitted on, where it is not the suite's own training split.
    pairs: Option<Fingerprint>,
}

impl<'a> Pipeline<'a> {
    /// Nothing is opened or computed yet.
    pub fn new(config: &'a SuiteConfig, reporter: &'a Reporter) -> Result<Self> {
        Ok(Self {
            config,
            reporter,
            device: config.device.resolve()?,
            store: Store::new(config.runs_dir()?.join("stages")),
            corpus: OnceCell::new(),
            frozen: OnceCell::new(),
            embeddings: OnceCell::new(),
            language_model: OnceCell::new(),
            pairs: None,
        })
    }

    /// The same stages under another configuration of the same corpus and encoder.
    pub fn with_config<'b>(&self, config: &'b SuiteConfig) -> Result<Pipeline<'b>>
    where
        'a: 'b,
    {
        let other = Pipeline::new(config, self.reporter)?;
        // What the frozen encoder made is not read again.
        let _ = other.embeddings.set(self.embeddings()?.clone());
        Ok(other)
    }

    /// The same stages, but bridges get the first `clips` training clips only.
    pub fn with_clips(mut self, clips: usize) -> Result<Self> {
        let train = &self.embeddings()?.train;
        if clips > train.len() {
            bail!("clips = {clips}: there are {} training clips", train.len());
        }
        let train = train.select(&(0..clips).collect::<Vec<_>>());
        let sets = self.embeddings.take().context("the embeddings are made")?;
        let _ = self.embeddings.set(Splits { train, ..sets });
        self.pairs = Some(Fingerprint::of(&clips));
        Ok(self)
    }

    /// The same stages over the corpus of another configuration, embedded by this
    /// suite's encoder: heads are those that were trained on this suite's corpus.
    pub fn over<'b>(&self, config: &'b SuiteConfig) -> Result<Pipeline<'b>>
    where
        'a: 'b,
    {
        let mut other = Pipeline::new(config, self.reporter)?;
        self.embeddings()?;
        let key = self.encoder_key()?;
        let sets = match &self.config.encoder {
            EncoderConfig::Towers(_) => {
                let heads = self.store.stage("encoder", &key).file(HEADS);
                other.headed(&Heads::load(&heads, self.device)?, &key)?
            }
            EncoderConfig::Clap(_) | EncoderConfig::Torchscript(_) => other.make_embeddings()?,
        };
        let _ = other.embeddings.set(sets);
        other.pairs = Some(key);
        Ok(other)
    }

    /// A stage of this suite.
    pub fn stage(&self, name: &str, key: &Fingerprint) -> Stage {
        self.store.stage(name, key)
    }

    /// Where tensors are computed.
    pub fn device(&self) -> Device {
        self.device
    }

    /// Sounds and captions.
    pub fn corpus(&self) -> Result<&dyn Corpus> {
        if self.corpus.get().is_none() {
            let corpus = self.config.corpus()?.open(self.config.seed)?;
            for warning in corpus.warnings() {
                self.reporter.say(&format!("warning: {warning}"));
            }
            let _ = self.corpus.set(corpus);
        }
        Ok(self.corpus.get().context("the corpus is open")?.as_ref())
    }

    /// The frozen model under the encoder: the encoder itself, or pretrained towers.
    fn frozen(&self) -> Result<&Frozen> {
        if self.frozen.get().is_none() {
            let _ = self.frozen.set(Frozen::load(&self.config.encoder, self.device)?);
        }
        self.frozen.get().context("the encoder is loaded")
    }

    fn features_key(&self) -> Result<Fingerprint> {
        Ok(Fingerprint::combine([&self.corpus()?.fingerprint(), &self.frozen()?.fingerprint()]))
    }

    fn features(&self) -> Result<Splits<Features>> {
        let stage = self.store.stage("features", &self.features_key()?);
        let frozen = self.frozen()?;
        let text = |captions: &[String]| frozen.embed_text(captions);
        let of = |split| features::compute(self, &stage, split, frozen.audio(), &text);
        let splits = Splits {
            train: of(Split::Train)?,
            validation: of(Split::Validation)?,
            test: of(Split::Test)?,
        };
        if !stage.is_done() {
            stage.finish(&"features of every split by the frozen model")?;
        }
        Ok(splits)
    }

    /// What the embeddings stand for: corpus, frozen model and, where heads are
    /// trained over it, these and their seed.
    pub fn encoder_key(&self) -> Result<Fingerprint> {
        let features = self.features_key()?;
        Ok(match &self.config.encoder {
            EncoderConfig::Towers(parts) => Fingerprint::combine([
                &features,
                &Fingerprint::of(&(&parts.heads, self.config.seed)),
            ]),
            EncoderConfig::Clap(_) | EncoderConfig::Torchscript(_) => features,
        })
    }

    /// The frozen encoder, for sounds from outside the corpus.
    pub fn encoder(&self) -> Result<Box<dyn Encoder>> {
        // A second copy of the model: this one is the caller's.
        match Frozen::load(&self.config.encoder, self.device)? {
            Frozen::Encoder(encoder) => Ok(encoder),
            Frozen::Towers(towers) => {
                self.embeddings()?;
                let stage = self.store.stage("encoder", &self.encoder_key()?);
                let heads = Heads::load(&stage.file(HEADS), self.device)?;
                Ok(Box::new(HeadedEncoder::new(*towers, heads)?))
            }
        }
    }

    /// Embeddings of every split by the frozen encoder.
    pub fn embeddings(&self) -> Result<&Splits<EmbeddingSet>> {
        if self.embeddings.get().is_none() {
            let fresh = !self.store.stage("encoder", &self.encoder_key()?).is_done();
            let sets = self.make_embeddings()?;
            if fresh {
                self.look_at(&sets.validation)?;
            }
            let _ = self.embeddings.set(sets);
        }
        self.embeddings.get().context("the embeddings are made")
    }

    /// Says whether new embeddings look sane, before anything is built on them.
    fn look_at(&self, set: &EmbeddingSet) -> Result<()> {
        let report = Sanity::of(set)?;
        self.reporter.say(&format!(
            "embeddings of validation: {} dimensions; mean cosine of pairs {:.3}, of strangers \
             {:.3}, of two clips {:.3}, of two captions {:.3}; audio to text R@1 {:.3}",
            report.dim,
            report.paired_cosine,
            report.unpaired_cosine,
            report.audio_cosine,
            report.text_cosine,
            report.recall_at_1
        ));
        for warning in &report.warnings {
            self.reporter.say(&format!("warning: {warning}"));
        }
        Ok(())
    }

    fn make_embeddings(&self) -> Result<Splits<EmbeddingSet>> {
        let key = self.encoder_key()?;
        let stage = self.store.stage("encoder", &key);
        if stage.is_done() {
            return read_sets(&stage, "");
        }
        let features = self.features()?;
        let EncoderConfig::Towers(parts) = &self.config.encoder else {
            let sets = Splits {
                train: features.train.into_set(self.provenance("train", &key)?),
                validation: features.validation.into_set(self.provenance("validation", &key)?),
                test: features.test.into_set(self.provenance("test", &key)?),
            };
            write_sets(&stage, "", &sets)?;
            stage.finish(&"embeddings of every split by the encoder")?;
            return Ok(sets);
        };
        let context = self.context("projection heads", self.config.seed, &stage);
        let (heads, report) = Heads::train(
            &features.train.pairs(),
            &features.validation.pairs(),
            &parts.heads,
            &context,
        )?;
        heads.save(&stage.file(HEADS))?;
        let sets = self.headed(&heads, &key)?;
        write_sets(&stage, "", &sets)?;
        stage.finish(&report)?;
        Ok(sets)
    }

    /// The features of every split through `heads`, which with their towers go by `key`.
    fn headed(&self, heads: &Heads, key: &Fingerprint) -> Result<Splits<EmbeddingSet>> {
        let features = self.features()?;
        Ok(Splits {
            train: features.train.embed(heads, self.provenance("train", key)?)?,
            validation: features.validation.embed(heads, self.provenance("validation", key)?)?,
            test: features.test.embed(heads, self.provenance("test", key)?)?,
        })
    }

    fn provenance(&self, split: &str, encoder: &Fingerprint) -> Result<dl_core::Provenance> {
        Ok(dl_core::Provenance {
            split: split.into(),
            encoder: encoder.to_string(),
            corpus: self.corpus()?.fingerprint().to_string(),
            bridges: Vec::new(),
        })
    }

    /// A bridge fitted with `seed`, from its file when it has been fitted before.
    pub fn bridge(&self, name: &str, seed: u64) -> Result<Bridge> {
        let (stage, _) = self.bridge_stage(name, seed)?;
        let file = stage.file("bridge.safetensors");
        if stage.is_done() {
            return Ok(Bridge::load(&file, self.device)?);
        }
        let sets = self.embeddings()?;
        let task = format!("bridge {name}, seed {seed}");
        let context = self.context(&task, seed, &stage);
        // The test split is not within reach of fitting and selection.
        let data = BridgeData::new(&sets.train, &sets.validation);
        let bridge = self
            .config
            .bridge(name)?
            .fit(&data, &context)
            .with_context(|| format!("cannot fit bridge '{name}'"))?;
        bridge.save(&file)?;
        stage.finish(bridge.report())?;
        Ok(bridge)
    }

    /// Where a bridge is kept, and what it is kept under.
    pub fn bridge_stage(&self, name: &str, seed: u64) -> Result<(Stage, Fingerprint)> {
        let bridge = self.config.bridge(name)?;
        let config = Fingerprint::of(&(bridge, bridge.version(), seed));
        let mut key = Fingerprint::combine([&self.encoder_key()?, &config]);
        if let Some(pairs) = &self.pairs {
            key = Fingerprint::combine([&key, pairs]);
        }
        Ok((self.store.stage(&format!("bridge-{name}"), &key), key))
    }

    /// Every split after a bridge.
    pub fn bridged(&self, name: &str, seed: u64) -> Result<Splits<EmbeddingSet>> {
        let (stage, _) = self.bridge_stage(name, seed)?;
        let done = stage.file("bridged-test.safetensors");
        if stage.is_done() && done.is_file() {
            return read_sets(&stage, "bridged-");
        }
        let sets = self.embeddings()?;
        let bridged = Splits {
            train: self.across(name, seed, &sets.train)?,
            validation: self.across(name, seed, &sets.validation)?,
            test: self.across(name, seed, &sets.test)?,
        };
        write_sets(&stage, "bridged-", &bridged)?;
        Ok(bridged)
    }

    /// Any set of the suite's encoder after a bridge.
    pub fn across(&self, name: &str, seed: u64, set: &EmbeddingSet) -> Result<EmbeddingSet> {
        let bridge = self.bridge(name, seed)?;
        Ok(bridge.apply_set(set, seed)?)
    }

    /// The training split after bridges that never saw it: clips in even and in odd
    /// places, each half through a bridge fitted on the other. A bridge moves its own
    /// training clips further than new ones, so a decoder that is trained on them
    /// would not know what it meets at test time.
    fn bridged_out_of_fold(&self, name: &str, seed: u64) -> Result<EmbeddingSet> {
        let (stage, _) = self.bridge_stage(name, seed)?;
        let file = stage.file("out-of-fold.safetensors");
        if file.is_file() {
            return Ok(EmbeddingSet::read(&file)?);
        }
        let sets = self.embeddings()?;
        let train = &sets.train;
        let mut audio = train.audio.clone();
        for parity in [0, 1] {
            let (held, kept): (Vec<usize>, Vec<usize>) =
                (0..train.len()).partition(|clip| clip % 2 == parity);
            let (held_set, kept_set) = (train.select(&held), train.select(&kept));
            let task = format!("bridge {name}, seed {seed}, half {}", parity + 1);
            let context = self
                .context(&task, seed, &stage)
                .checkpoint(stage.file(&format!("half-{parity}.checkpoint.safetensors")));
            let data = BridgeData::new(&kept_set, &sets.validation);
            let bridge = self
                .config
                .bridge(name)?
                .fit(&data, &context)
                .with_context(|| format!("cannot fit bridge '{name}' on half of the clips"))?;
            let rows = bridge.apply(&held_set.audio, &held_set.ids, seed)?;
            for (&clip, row) in held.iter().zip(rows.outer_iter()) {
                audio.row_mut(clip).assign(&row);
            }
        }
        let bridged = train.with_audio(audio, name);
        bridged.write(&file)?;
        Ok(bridged)
    }

    fn context<'c>(&'c self, task: &'c str, seed: u64, stage: &Stage) -> TrainContext<'c> {
        TrainContext::new(seed)
            .named(task)
            .device(self.device)
            .progress(self.reporter)
            .checkpoint(stage.file("checkpoint.safetensors"))
    }
}

fn write_sets(stage: &Stage, prefix: &str, sets: &Splits<EmbeddingSet>) -> Result<()> {
    // The test split last: its file says that all are there.
    for (split, set) in
        [("train", &sets.train), ("validation", &sets.validation), ("test", &sets.test)]
    {
        set.write(&stage.file(&format!("{prefix}{split}.safetensors")))?;
    }
    Ok(())
}

fn read_sets(stage: &Stage, prefix: &str) -> Result<Splits<EmbeddingSet>> {
    let read =
        |split: &str| EmbeddingSet::read(&stage.file(&format!("{prefix}{split}.safetensors")));
    Ok(Splits { train: read("train")?, validation: read("validation")?, test: read("test")? })
}
