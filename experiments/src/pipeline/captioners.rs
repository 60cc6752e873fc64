//! The stages after the bridges: the language model, the captioners over it, and what
//! they say of a set of clips.

use std::rc::Rc;

use anyhow::{Context, Result};
use dl_core::{EmbeddingSet, Fingerprint, Stage};
use dl_data::Split;
use dl_llm::{CaptionPairs, Captioner, LanguageModel, PrefixConfig};
use ndarray::{Array2, Axis};

use super::{Pipeline, Prediction};
use crate::config::Protocol;

impl Pipeline<'_> {
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
        let context = self.context("language model", self.config.seed, &stage);
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

    /// The prefix mapper, with the noise that a bridge's source asks for.
    fn prefix(&self, protocol: Protocol, bridge: &str) -> Result<PrefixConfig> {
        let mut prefix = self.config.captioner.prefix.clone();
        if let (Protocol::ZeroShot, Some(noise)) =
            (protocol, self.config.bridge(bridge)?.decoder_noise())
        {
            prefix.noise = noise;
        }
        Ok(prefix)
    }

    /// What a decoder is trained on and chosen by, one row per caption.
    fn decoder_inputs(
        &self,
        protocol: Protocol,
        bridge: &str,
        seed: u64,
    ) -> Result<(Array2<f32>, Array2<f32>)> {
        let sets = self.embeddings()?;
        let by_caption = |set: &EmbeddingSet| set.audio.select(Axis(0), &set.owners);
        Ok(match protocol {
            Protocol::ZeroShot if self.config.bridge(bridge)?.moves_text() => {
                let bridge = self.bridge(bridge, seed)?;
                let text = |set: &EmbeddingSet| {
                    let captions = 0..set.captions.len();
                    let ids: Vec<String> =
                        captions.map(|row| format!("{} {row}", set.ids[set.owners[row]])).collect();
                    bridge.decoder_text(&set.text, &ids, seed)
                };
                (text(&sets.train)?, text(&sets.validation)?)
            }
            Protocol::ZeroShot => (sets.train.text.clone(), sets.validation.text.clone()),
            Protocol::Supervised if self.config.captioner.out_of_fold => {
                let train = self.bridged_out_of_fold(bridge, seed)?;
                (by_caption(&train), by_caption(&self.bridged(bridge, seed)?.validation))
            }
            Protocol::Supervised => {
                let bridged = self.bridged(bridge, seed)?;
                (by_caption(&bridged.train), by_caption(&bridged.validation))
            }
        })
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
            // One decoder serves every row that leaves the captions where they are: it
            // never sees what a bridge makes.
            Protocol::ZeroShot if !self.config.bridge(bridge)?.moves_text() => {
                self.encoder_key()?
            }
            Protocol::ZeroShot | Protocol::Supervised => self.bridge_stage(bridge, seed)?.1,
        };
        let config = Fingerprint::of(&(
            self.prefix(protocol, bridge)?,
            protocol,
            protocol == Protocol::Supervised && self.config.captioner.out_of_fold,
            seed,
        ));
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
        let sets = self.embeddings()?;
        let (train, validation) = self.decoder_inputs(protocol, bridge, seed)?;
        let own_space = self.config.bridge(bridge)?.moves_text();
        let task = match protocol {
            Protocol::ZeroShot if own_space => {
                format!("zero-shot decoder of {bridge}, seed {seed}")
            }
            Protocol::ZeroShot => format!("zero-shot decoder, seed {seed}"),
            Protocol::Supervised => format!("supervised decoder on {bridge}, seed {seed}"),
        };
        let context = self.context(&task, seed, &stage);
        let (captioner, report) = Captioner::train_prefix(
            model,
            CaptionPairs { embeddings: train.view(), captions: &sets.train.captions },
            CaptionPairs { embeddings: validation.view(), captions: &sets.validation.captions },
            &self.prefix(protocol, bridge)?,
            &context,
        )?;
        captioner.save_prefix(&file)?;
        stage.finish(&report)?;
        Ok(captioner)
    }

    /// Captions of the clips of `set`, decoded from its audio embeddings by the decoder
    /// of `bridge`; `inputs` is a name for the set.
    pub fn captions(
        &self,
        protocol: Protocol,
        bridge: &str,
        seed: u64,
        inputs: &str,
        set: impl FnOnce() -> Result<EmbeddingSet>,
    ) -> Result<Vec<Prediction>> {
        let (_, captioner) = self.captioner_stage(protocol, bridge, seed)?;
        let config = Fingerprint::of(&(&self.config.captioner.decode, inputs));
        let bridge_key = self.bridge_stage(bridge, seed)?.1;
        let key = Fingerprint::combine([&captioner, &bridge_key, &config]);
        let stage = self.store.stage("captions", &key);
        if stage.is_done() {
            return Ok(stage.summary()?);
        }
        let captioner = self.captioner(protocol, bridge, seed)?;
        let EmbeddingSet { ids, audio, .. } = set()?;
        let captions = captioner.caption(&audio, &self.config.captioner.decode)?;
        let predictions: Vec<Prediction> =
            ids.into_iter().zip(captions).map(|(id, caption)| Prediction { id, caption }).collect();
        stage.finish(&predictions)?;
        Ok(predictions)
    }
}
