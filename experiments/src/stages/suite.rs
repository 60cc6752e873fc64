//! The stages of one suite, by the names in its configuration.

use std::sync::{Arc, OnceLock};

use anyhow::{Context, Result};
use dl_core::EmbeddingSet;
use dl_data::{Corpus, CorpusConfig, SceneCorpus, Split};
use dl_diffusion::BridgeConfig;
use dl_llm::PrefixConfig;

use super::{
    Bridged, Captions, Clips, DecoderInputs, Embeddings, Features, Fit, FrozenLm, Gap, Lab,
    OutOfFold, Part, Recipe, Recognised, Singles, Source, Splits, TrainedCaptioner, Work, source,
};
use crate::config::{
    CaptionerConfig, ChooseBy, Decoder, DecoderText, EncoderConfig, Protocol, SuiteConfig,
    SupervisedFrom,
};

/// A suite: its configuration, its corpus and its encoder. Variants of it share what they
/// have in common.
pub struct Suite<'l> {
    /// Where its stages are computed and kept.
    pub lab: &'l Lab<'l>,
    /// The resolved configuration.
    pub config: &'l SuiteConfig,
    source: Arc<Source>,
    /// The suite whose very encoder this one uses.
    encoder_of: Option<Arc<Embeddings>>,
    embeddings: OnceLock<Arc<Embeddings>>,
    /// Only keys are wanted.
    planning: bool,
}

impl<'l> Suite<'l> {
    /// Opens the corpus and reads the encoder's files for their digest. Nothing is loaded
    /// or computed.
    ///
    /// # Errors
    /// When the corpus cannot be opened or a file of the encoder cannot be read.
    pub fn open(lab: &'l Lab<'l>, config: &'l SuiteConfig) -> Result<Self> {
        let source = Arc::new(Source::open(lab, &config.data, config.seed, &config.encoder)?);
        let embeddings = OnceLock::new();
        Ok(Self { lab, config, source, encoder_of: None, embeddings, planning: false })
    }

    /// The same suite for [`Lab::plan`]: nothing is computed to know the stages. Which clips
    /// cannot be read is what the last run found.
    #[must_use]
    pub fn to_plan(self) -> Self {
        Self { planning: true, embeddings: OnceLock::new(), ..self }
    }

    /// The same corpus and encoder under a configuration that differs in rows and seeds alone.
    #[must_use]
    pub fn narrowed<'s>(&'s self, config: &'s SuiteConfig) -> Suite<'s> {
        Suite {
            lab: self.lab,
            config,
            source: Arc::clone(&self.source),
            encoder_of: self.encoder_of.clone(),
            embeddings: self.embeddings.clone(),
            planning: self.planning,
        }
    }

    fn of(&self, source: Source, encoder_of: Option<Arc<Embeddings>>) -> Self {
        let Self { lab, config, planning, .. } = *self;
        let (source, embeddings) = (Arc::new(source), OnceLock::new());
        Self { lab, config, source, encoder_of, embeddings, planning }
    }

    /// The same corpus under another encoder.
    ///
    /// # Errors
    /// When a file of the encoder cannot be read.
    pub fn with_encoder(&self, encoder: &EncoderConfig) -> Result<Self> {
        let source = Source::with_corpus(Arc::clone(&self.source.corpus), encoder)?;
        Ok(self.of(source, None))
    }

    /// Another corpus under the same encoder: heads are those that were trained on this
    /// suite's corpus.
    ///
    /// # Errors
    /// When the corpus cannot be opened.
    pub fn over(&self, corpus: &CorpusConfig) -> Result<Self> {
        let corpus = source::open_corpus(self.lab, corpus, self.config.seed)?;
        let encoder = Arc::clone(self.embeddings()?);
        Ok(self.of(self.source.over(corpus), Some(encoder)))
    }

    /// Sounds and captions.
    pub fn corpus(&self) -> &dyn Corpus {
        self.source.corpus.as_ref()
    }

    /// The corpus, for what only scenes have.
    ///
    /// # Errors
    /// When its clips are none.
    pub fn scenes(&self) -> Result<&dyn SceneCorpus> {
        self.source.scenes()
    }

    /// Whether the corpus is nothing but embeddings that were made elsewhere.
    pub fn is_given(&self) -> bool {
        self.source.is_given()
    }

    /// The features of the corpus.
    pub fn features(&self) -> Arc<Features> {
        Features::new(self.lab, &self.source)
    }

    /// The embeddings, but for those clips that could not be read. Where they are not made,
    /// the features are, because it is they that say which clips those are.
    ///
    /// # Errors
    /// When the features cannot be made.
    pub fn embeddings(&self) -> Result<&Arc<Embeddings>> {
        if self.embeddings.get().is_none() {
            let features = self.features();
            let whole = self.embeddings_of(&features, Vec::new());
            let embeddings = if self.source.is_given() || whole.stage().is_done()? {
                whole
            } else {
                if !self.planning {
                    self.lab.make(&[Arc::clone(&features) as Arc<dyn Work>])?;
                }
                self.embeddings_of(&features, features.left_out()?)
            };
            let _ = self.embeddings.set(embeddings);
        }
        self.embeddings.get().context("the embeddings are known")
    }

    /// The embeddings, if they have been made.
    ///
    /// # Errors
    /// When they have not, with `remedy`, the command that makes them.
    pub fn finished_embeddings(&self, remedy: &str) -> Result<&Arc<Embeddings>> {
        if self.embeddings.get().is_none() {
            let features = self.features();
            let embeddings = self.embeddings_of(&features, features.left_out()?);
            embeddings.stage().require(remedy)?;
            let _ = self.embeddings.set(embeddings);
        }
        self.embeddings.get().context("the embeddings are known")
    }

    fn embeddings_of(
        &self,
        features: &Arc<Features>,
        left_out: Vec<super::LeftOut>,
    ) -> Arc<Embeddings> {
        match &self.encoder_of {
            Some(trained) => Embeddings::of_encoder(self.lab, trained, features, left_out),
            None => Embeddings::new(self.lab, features, self.config.seed, left_out),
        }
    }

    /// The embeddings of every split, made if need be.
    ///
    /// # Errors
    /// When they cannot be made.
    pub fn sets(&self) -> Result<&Splits<EmbeddingSet>> {
        let embeddings = self.embeddings()?;
        self.lab.make(&[Arc::clone(embeddings) as Arc<dyn Work>])?;
        embeddings.sets()
    }

    /// The bridge that the configuration calls `name`.
    ///
    /// # Errors
    /// When there is none, or as [`Suite::embeddings`].
    pub fn bridge(&self, name: &str, seed: u64) -> Result<Arc<Fit>> {
        self.fit(name, self.config.bridge(name)?, seed, Part::Whole)
    }

    /// A bridge of any configuration on a part of the training clips.
    ///
    /// # Errors
    /// As [`Suite::embeddings`].
    pub fn fit(
        &self,
        name: &str,
        config: &BridgeConfig,
        seed: u64,
        part: Part,
    ) -> Result<Arc<Fit>> {
        Ok(Fit::new(self.lab, name, config, seed, self.embeddings()?, part))
    }

    /// A split of this suite's corpus through a bridge, which may be another suite's.
    ///
    /// # Errors
    /// As [`Suite::embeddings`].
    pub fn bridged(&self, bridge: &Arc<Fit>, split: Split) -> Result<Arc<Bridged>> {
        Ok(Bridged::new(self.lab, bridge, self.embeddings()?, split))
    }

    /// The gap of a split of this suite's corpus after a bridge.
    ///
    /// # Errors
    /// As [`Suite::embeddings`].
    pub fn gap(&self, bridge: &Arc<Fit>, split: Split) -> Result<Arc<Gap>> {
        let bridged = self.bridged(bridge, split)?;
        let resamples = self.config.evaluation.resamples;
        Ok(Gap::new(self.lab, &bridged, &self.source.corpus, split, resamples))
    }

    /// The decoder before any prefix.
    ///
    /// # Errors
    /// When a file of a published model is missing or of another model.
    pub fn language_model(&self) -> Result<FrozenLm> {
        let (config, seed) = (&self.config.language_model, self.config.seed);
        FrozenLm::new(self.lab, &self.source, config, seed)
    }

    /// The captioner of a bridge. Whatever the bridge was fitted to, a zero-shot decoder learns
    /// from the captions of all training clips, a supervised one from the audio of all.
    ///
    /// # Errors
    /// As [`Suite::embeddings`].
    pub fn captioner(
        &self,
        protocol: Protocol,
        bridge: &Arc<Fit>,
        config: &CaptionerConfig,
        decoder: Decoder,
    ) -> Result<Arc<TrainedCaptioner>> {
        let (method, seed) = (bridge.config(), bridge.seed());
        let pairs = || Ok::<_, anyhow::Error>(Arc::clone(self.embeddings()?));
        let called = if decoder == Decoder::Plain { "" } else { "hardened " };
        let noise = match (decoder, protocol) {
            (Decoder::Hardened(noise), _) => noise,
            (Decoder::Plain, Protocol::Supervised) => config.prefix.noise,
            (Decoder::Plain, Protocol::ZeroShot) => {
                method.decoder_noise().unwrap_or(config.prefix.noise)
            }
        };
        let prefix = PrefixConfig { noise, ..config.prefix.clone() };
        let inputs = match protocol {
            Protocol::ZeroShot => {
                if method.moves_text() {
                    DecoderInputs::MovedText(Arc::clone(bridge))
                } else if method.bridges_text() && config.text == DecoderText::Bridged {
                    DecoderInputs::BridgedText(Arc::clone(bridge))
                } else {
                    DecoderInputs::Text(pairs()?)
                }
            }
            Protocol::Supervised => {
                let validation = self.bridged(bridge, Split::Validation)?;
                let (pairs, parts) = (pairs()?, config.out_of_fold);
                if parts > 0 {
                    let name = bridge.name();
                    let train = OutOfFold::new(self.lab, name, method, seed, &pairs, parts);
                    DecoderInputs::OutOfFold { train, validation, pairs }
                } else {
                    let train = self.bridged(bridge, Split::Train)?;
                    DecoderInputs::Audio { train, validation, pairs }
                }
            }
        };
        let from = match (protocol, config.supervised_from) {
            (Protocol::Supervised, SupervisedFrom::ZeroShot) => {
                Some(self.captioner(Protocol::ZeroShot, bridge, config, decoder)?)
            }
            _ => None,
        };
        let lm = self.language_model()?;
        let by_captions = match config.choose_by {
            ChooseBy::Loss => None,
            ChooseBy::CiderD => Some(config.decode.clone()),
        };
        let recipe = Recipe { inputs, from, prefix, by_captions, called };
        Ok(TrainedCaptioner::new(self.lab, &lm, recipe, seed))
    }

    /// What the captioner of a bridge says of the clips of a split.
    ///
    /// # Errors
    /// As [`Suite::embeddings`].
    pub fn captions(
        &self,
        protocol: Protocol,
        bridge: &Arc<Fit>,
        config: &CaptionerConfig,
        decoder: Decoder,
        split: Split,
    ) -> Result<Arc<Captions>> {
        let captioner = self.captioner(protocol, bridge, config, decoder)?;
        let clips = Clips::Bridged(self.bridged(bridge, split)?);
        Ok(Captions::new(self.lab, &captioner, clips, &config.decode))
    }

    /// What the captioner of `none` says of the first captions' own embeddings.
    ///
    /// # Errors
    /// As [`Suite::bridge`].
    pub fn captions_of_text(
        &self,
        seed: u64,
        decoder: Decoder,
        split: Split,
    ) -> Result<Arc<Captions>> {
        let config = &self.config.captioner;
        let none = self.bridge("none", seed)?;
        let captioner = self.captioner(Protocol::ZeroShot, &none, config, decoder)?;
        let clips = Clips::FirstCaptions(Arc::clone(self.embeddings()?), split);
        Ok(Captions::new(self.lab, &captioner, clips, &config.decode))
    }

    /// What the default of `caption` says of the unmixed test recordings.
    ///
    /// # Errors
    /// As [`Suite::bridge`].
    pub fn recognised(&self, seed: u64) -> Result<Arc<Recognised>> {
        let (settings, config) = (&self.config.caption, &self.config.captioner);
        let singles = Singles::new(self.lab, &self.source, self.embeddings()?, &settings.clip);
        let bridge = self.bridge(&settings.bridge, seed)?;
        let captioner = self.captioner(settings.protocol, &bridge, config, Decoder::Plain)?;
        Ok(Recognised::new(self.lab, &singles, &bridge, &captioner, &config.decode))
    }
}
