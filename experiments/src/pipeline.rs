//! The chain from sound to caption as stages, each cached under the fingerprint
//! of everything that goes into it (`dl_core::run`). Asking for a result runs
//! what is missing before it and nothing else.

use std::{cell::OnceCell, path::PathBuf, rc::Rc};

use anyhow::{Context, Result};
use dl_core::{EmbeddingSet, Fingerprint, Stage, Store};
use dl_data::{Corpus, Split};
use dl_diffusion::{Bridge, BridgeData};
use dl_encoder::{HeadedEncoder, Heads, TowerPair};
use dl_llm::{CaptionPairs, Captioner, LanguageModel};
use dl_torch::TrainContext;
use ndarray::{Array2, Axis};
use serde::{Deserialize, Serialize};
use tch::Device;

use crate::{
    config::{Protocol, SuiteConfig},
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

/// The stages of one suite.
pub struct Pipeline<'a> {
    /// The resolved configuration.
    pub config: &'a SuiteConfig,
    /// Where progress goes.
    pub reporter: &'a Reporter,
    device: Device,
    store: Store,
    corpus: OnceCell<Box<dyn Corpus>>,
    towers: OnceCell<TowerPair>,
    embeddings: OnceCell<Splits<EmbeddingSet>>,
    language_model: OnceCell<Rc<LanguageModel>>,
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
            towers: OnceCell::new(),
            embeddings: OnceCell::new(),
            language_model: OnceCell::new(),
        })
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

    /// The pretrained towers.
    pub fn towers(&self) -> Result<&TowerPair> {
        if self.towers.get().is_none() {
            let towers = TowerPair::load(&self.config.towers()?, self.device)?;
            let _ = self.towers.set(towers);
        }
        self.towers.get().context("the towers are loaded")
    }

    fn features_key(&self) -> Result<Fingerprint> {
        let parts = [&self.corpus()?.fingerprint(), &self.towers()?.fingerprint()];
        Ok(Fingerprint::combine(parts))
    }

    fn features(&self) -> Result<Splits<Features>> {
        let stage = self.store.stage("features", &self.features_key()?);
        let of = |split| features::compute(self, &stage, split);
        let splits = Splits {
            train: of(Split::Train)?,
            validation: of(Split::Validation)?,
            test: of(Split::Test)?,
        };
        if !stage.is_done() {
            stage.finish(&"tower features of every split")?;
        }
        Ok(splits)
    }

    /// What the encoder stands for: corpus, towers, heads and their seed.
    pub fn heads_key(&self) -> Result<Fingerprint> {
        Ok(Fingerprint::combine([
            &self.features_key()?,
            &Fingerprint::of(&(&self.config.encoder.heads, self.config.seed)),
        ]))
    }

    fn heads_file(&self) -> Result<PathBuf> {
        Ok(self.store.stage("encoder", &self.heads_key()?).file("heads.safetensors"))
    }

    /// The frozen encoder, for sounds from outside the corpus.
    pub fn encoder(&self) -> Result<HeadedEncoder> {
        self.embeddings()?;
        let heads = Heads::load(&self.heads_file()?, self.device)?;
        let towers = TowerPair::load(&self.config.towers()?, self.device)?;
        Ok(HeadedEncoder::new(towers, heads)?)
    }

    /// Embeddings of every split by the frozen encoder.
    pub fn embeddings(&self) -> Result<&Splits<EmbeddingSet>> {
        if self.embeddings.get().is_none() {
            let _ = self.embeddings.set(self.make_embeddings()?);
        }
        self.embeddings.get().context("the embeddings are made")
    }

    fn make_embeddings(&self) -> Result<Splits<EmbeddingSet>> {
        let key = self.heads_key()?;
        let stage = self.store.stage("encoder", &key);
        if stage.is_done() {
            return read_sets(&stage, "");
        }
        let features = self.features()?;
        let context = self.context("projection heads", self.config.seed, &stage, &key);
        let (heads, report) = Heads::train(
            &features.train.pairs(),
            &features.validation.pairs(),
            &self.config.encoder.heads,
            &context,
        )?;
        heads.save(&stage.file("heads.safetensors"))?;
        let provenance = |split: &str| dl_core::Provenance {
            split: split.into(),
            encoder: key.to_string(),
            corpus: self.corpus.get().map(|c| c.fingerprint().to_string()).unwrap_or_default(),
            bridges: Vec::new(),
        };
        let sets = Splits {
            train: features.train.embed(&heads, provenance("train"))?,
            validation: features.validation.embed(&heads, provenance("validation"))?,
            test: features.test.embed(&heads, provenance("test"))?,
        };
        write_sets(&stage, "", &sets)?;
        stage.finish(&report)?;
        Ok(sets)
    }

    /// A bridge fitted with `seed`, from its file when it has been fitted before.
    pub fn bridge(&self, name: &str, seed: u64) -> Result<Box<dyn Bridge>> {
        let (stage, key) = self.bridge_stage(name, seed)?;
        let file = stage.file("bridge.safetensors");
        if stage.is_done() {
            return Ok(dl_diffusion::load(&file, self.device)?);
        }
        let sets = self.embeddings()?;
        let task = format!("bridge {name}, seed {seed}");
        let context = self.context(&task, seed, &stage, &key);
        // The test split is not within reach of fitting and selection.
        let data = BridgeData { train: &sets.train, validation: &sets.validation };
        let bridge = self
            .config
            .bridge(name)?
            .fit(&data, &context)
            .with_context(|| format!("cannot fit bridge '{name}'"))?;
        bridge.save(&file)?;
        stage.finish(&bridge.summary())?;
        Ok(bridge)
    }

    /// Where a bridge is kept, and what it is kept under.
    pub fn bridge_stage(&self, name: &str, seed: u64) -> Result<(Stage, Fingerprint)> {
        let config = Fingerprint::of(&(self.config.bridge(name)?, seed));
        let key = Fingerprint::combine([&self.heads_key()?, &config]);
        Ok((self.store.stage(&format!("bridge-{name}"), &key), key))
    }

    /// Every split after a bridge.
    pub fn bridged(&self, name: &str, seed: u64) -> Result<Splits<EmbeddingSet>> {
        let (stage, _) = self.bridge_stage(name, seed)?;
        let done = stage.file("bridged-test.safetensors");
        if stage.is_done() && done.is_file() {
            return read_sets(&stage, "bridged-");
        }
        let bridge = self.bridge(name, seed)?;
        let across = |set: &EmbeddingSet| -> Result<EmbeddingSet> {
            Ok(set.with_audio(bridge.apply(&set.audio, &set.ids, seed)?, name))
        };
        let sets = self.embeddings()?;
        let bridged = Splits {
            train: across(&sets.train)?,
            validation: across(&sets.validation)?,
            test: across(&sets.test)?,
        };
        write_sets(&stage, "bridged-", &bridged)?;
        Ok(bridged)
    }

    fn language_model_stage(&self) -> Result<(Stage, Fingerprint)> {
        let config = Fingerprint::of(&(&self.config.language_model, self.config.seed));
        let key = Fingerprint::combine([&self.corpus()?.fingerprint(), &config]);
        Ok((self.store.stage("language-model", &key), key))
    }

    /// The decoder, trained on caption text alone and frozen.
    pub fn language_model(&self) -> Result<&Rc<LanguageModel>> {
        if self.language_model.get().is_none() {
            let _ = self.language_model.set(Rc::new(self.make_language_model()?));
        }
        self.language_model.get().context("the language model is made")
    }

    fn make_language_model(&self) -> Result<LanguageModel> {
        let (stage, key) = self.language_model_stage()?;
        if stage.is_done() {
            return Ok(LanguageModel::load(stage.dir(), self.device)?);
        }
        let corpus = self.corpus()?;
        let captions = |split| -> Vec<String> {
            corpus.clips(split).iter().flat_map(|clip| clip.captions.iter().cloned()).collect()
        };
        let context = self.context("language model", self.config.seed, &stage, &key);
        let (model, report) = LanguageModel::train(
            &captions(Split::Train),
            &captions(Split::Validation),
            &self.config.language_model,
            &context,
        )?;
        model.save(stage.dir())?;
        stage.finish(&report)?;
        Ok(model)
    }

    /// Where a captioner is kept, and what it is kept under.
    pub fn captioner_stage(
        &self,
        protocol: Protocol,
        bridge: &str,
        seed: u64,
    ) -> Result<(Stage, Fingerprint)> {
        let (_, model) = self.language_model_stage()?;
        let inputs = match protocol {
            // One decoder serves every row: it never sees what a bridge makes.
            Protocol::ZeroShot => self.heads_key()?,
            Protocol::Supervised => self.bridge_stage(bridge, seed)?.1,
        };
        let config = Fingerprint::of(&(&self.config.captioner.prefix, protocol, seed));
        let key = Fingerprint::combine([&model, &inputs, &config]);
        Ok((self.store.stage("captioner", &key), key))
    }

    /// Fails with `remedy`, the command to run, unless the captioner is trained.
    pub fn require_captioner(
        &self,
        protocol: Protocol,
        bridge: &str,
        seed: u64,
        remedy: &str,
    ) -> Result<()> {
        self.captioner_stage(protocol, bridge, seed)?.0.require(remedy)?;
        Ok(())
    }

    /// A prefix mapper over the frozen decoder.
    pub fn captioner(&self, protocol: Protocol, bridge: &str, seed: u64) -> Result<Captioner> {
        let (stage, key) = self.captioner_stage(protocol, bridge, seed)?;
        let model = self.language_model()?;
        let file = stage.file("prefix.safetensors");
        if stage.is_done() {
            return Ok(Captioner::load_prefix(model, &file)?);
        }
        let bridged;
        let sets = match protocol {
            Protocol::ZeroShot => self.embeddings()?,
            Protocol::Supervised => {
                bridged = self.bridged(bridge, seed)?;
                &bridged
            }
        };
        let task = match protocol {
            Protocol::ZeroShot => format!("zero-shot decoder, seed {seed}"),
            Protocol::Supervised => format!("supervised decoder on {bridge}, seed {seed}"),
        };
        let context = self.context(&task, seed, &stage, &key);
        let inputs = |set| decoder_inputs(set, protocol);
        let (train, validation) = (inputs(&sets.train), inputs(&sets.validation));
        let (captioner, report) = Captioner::train_prefix(
            model,
            CaptionPairs { embeddings: train.view(), captions: &sets.train.captions },
            CaptionPairs { embeddings: validation.view(), captions: &sets.validation.captions },
            &self.config.captioner.prefix,
            &context,
        )?;
        captioner.save_prefix(&file)?;
        stage.finish(&report)?;
        Ok(captioner)
    }

    /// Captions of the test split, decoded from `inputs` (`[clips, dim]`), which
    /// `key` stands for.
    pub fn captions(
        &self,
        protocol: Protocol,
        bridge: &str,
        seed: u64,
        inputs: &str,
        audio: impl FnOnce() -> Result<Array2<f32>>,
    ) -> Result<Vec<Prediction>> {
        let (_, captioner) = self.captioner_stage(protocol, bridge, seed)?;
        let config = Fingerprint::of(&(&self.config.captioner.decode, inputs));
        let bridge_key = self.bridge_stage(bridge, seed)?.1;
        let key = Fingerprint::combine([&captioner, &bridge_key, &config]);
        let stage = self.store.stage("captions", &key);
        if stage.is_done() {
            return Ok(stage.summary()?);
        }
        let captions = self
            .captioner(protocol, bridge, seed)?
            .caption(&audio()?, &self.config.captioner.decode)?;
        let ids = &self.embeddings()?.test.ids;
        let predictions: Vec<Prediction> = ids
            .iter()
            .zip(captions)
            .map(|(id, caption)| Prediction { id: id.clone(), caption })
            .collect();
        stage.finish(&predictions)?;
        Ok(predictions)
    }

    fn context<'c>(
        &'c self,
        task: &'c str,
        seed: u64,
        stage: &Stage,
        key: &Fingerprint,
    ) -> TrainContext<'c> {
        TrainContext {
            task,
            seed,
            device: self.device,
            checkpoint: Some(stage.file("checkpoint.safetensors")),
            key: key.clone(),
            progress: self.reporter,
        }
    }
}

/// The embeddings that a decoder is trained on or chosen by, one per caption.
fn decoder_inputs(set: &EmbeddingSet, protocol: Protocol) -> Array2<f32> {
    match protocol {
        Protocol::ZeroShot => set.text.clone(),
        Protocol::Supervised => set.audio.select(Axis(0), &set.owners),
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
