//! The embeddings of every split by the frozen encoder: its features as they are, or
//! through projection heads that are trained over them.

use std::sync::{Arc, OnceLock};

use anyhow::{Context, Result, bail};
use dl_core::{EmbeddingSet, Provenance, Stage};
use dl_data::Split;
use dl_encoder::{Encoder, Heads, HeadsConfig, Sanity};

use super::{
    Bench, Cost, Desk, Features, Frozen, Lab, LeftOut, Made, Source, Splits, Work,
    cost::{by_steps, set_bytes},
};

/// Changes whenever the same features get other embeddings.
const VERSION: u32 = 1;
const HEADS: &str = "heads.safetensors";

/// Where the heads come from.
enum HeadsFrom {
    /// The encoder needs none.
    None,
    /// There is no encoder: the corpus is nothing but embeddings.
    Given,
    /// They are trained on these features.
    Own(HeadsConfig, u64),
    /// They were trained elsewhere.
    Other(Arc<Embeddings>),
}

/// Embeddings of every split of a corpus.
pub struct Embeddings {
    stage: Stage,
    features: Arc<Features>,
    heads: HeadsFrom,
    left_out: Vec<LeftOut>,
    sets: OnceLock<Splits<EmbeddingSet>>,
}

impl Embeddings {
    /// Over the features of a source, but for the clips `left_out`. `seed` is that of heads
    /// that are trained here.
    pub fn new(
        lab: &Lab<'_>,
        features: &Arc<Features>,
        seed: u64,
        left_out: Vec<LeftOut>,
    ) -> Arc<Self> {
        let heads = match features.source().encoder.heads() {
            _ if features.source().is_given() => HeadsFrom::Given,
            Some(config) => HeadsFrom::Own(config.clone(), seed),
            None => HeadsFrom::None,
        };
        Self::with_heads(lab, features, heads, left_out)
    }

    /// Over the features of another corpus, by the very encoder of `trained`.
    pub fn of_encoder(
        lab: &Lab<'_>,
        trained: &Arc<Self>,
        features: &Arc<Features>,
        left_out: Vec<LeftOut>,
    ) -> Arc<Self> {
        let heads = match trained.heads {
            _ if features.source().is_given() => HeadsFrom::Given,
            HeadsFrom::None | HeadsFrom::Given => HeadsFrom::None,
            HeadsFrom::Own(..) | HeadsFrom::Other(_) => HeadsFrom::Other(Arc::clone(trained)),
        };
        Self::with_heads(lab, features, heads, left_out)
    }

    fn with_heads(
        lab: &Lab<'_>,
        features: &Arc<Features>,
        heads: HeadsFrom,
        left_out: Vec<LeftOut>,
    ) -> Arc<Self> {
        let mut draft = match heads {
            HeadsFrom::Given => lab
                .store
                .stage("embeddings", VERSION)
                .source("given", &features.source().corpus.fingerprint()),
            _ => lab.stage("embeddings", VERSION).input("features", features.stage().key()),
        };
        match &heads {
            HeadsFrom::None | HeadsFrom::Given => {}
            HeadsFrom::Own(config, seed) => {
                draft = draft.config("heads", config).config("seed", seed);
            }
            HeadsFrom::Other(trained) => draft = draft.input("heads", trained.stage.key()),
        }
        if !left_out.is_empty() {
            let ids: Vec<&String> = left_out.iter().map(|clip| &clip.id).collect();
            draft = draft.config("left_out", &ids);
        }
        let features = Arc::clone(features);
        Arc::new(Self { stage: draft.open(), features, heads, left_out, sets: OnceLock::new() })
    }

    /// Every split, from disk; read once.
    ///
    /// # Errors
    /// When a file is spoilt.
    pub fn sets(&self) -> Result<&Splits<EmbeddingSet>> {
        if self.sets.get().is_none() {
            let read = |split| EmbeddingSet::read(&self.file(split));
            let _ = self.sets.set(Splits::try_of(read)?);
        }
        self.sets.get().context("the embeddings are read")
    }

    /// What they are of.
    pub fn source(&self) -> &Arc<Source> {
        self.features.source()
    }

    /// Values per embedding, by the configuration of the heads or by the model.
    ///
    /// # Errors
    /// When a model's file is missing or does not fit.
    pub(super) fn dim(&self, lab: &Lab<'_>) -> Result<usize> {
        let source = self.features.source();
        match &self.heads {
            HeadsFrom::Own(config, _) => Ok(config.dim),
            HeadsFrom::Other(trained) => trained.dim(lab),
            HeadsFrom::Given => {
                let set = source.corpus.embeddings(Split::Test);
                Ok(set.context("a corpus of embeddings has every split")?.dim())
            }
            HeadsFrom::None => Ok(source.frozen(lab)?.embed_text(&["a sound".into()])?.ncols()),
        }
    }

    fn file(&self, split: Split) -> std::path::PathBuf {
        self.stage.file(&format!("{}.safetensors", split.name()))
    }

    /// What the sets say of themselves.
    fn provenance(&self, split: Split) -> Provenance {
        let source = self.features.source();
        // The encoder is the frozen model with the heads over it, whatever it embeds.
        let encoder = match &self.heads {
            HeadsFrom::None | HeadsFrom::Given => source.encoder_print().to_string(),
            HeadsFrom::Own(..) => self.stage.key().to_string(),
            HeadsFrom::Other(trained) => trained.stage.key().to_string(),
        };
        Provenance {
            split: split.name().into(),
            encoder,
            corpus: source.corpus.listing().to_string(),
            bridges: Vec::new(),
        }
    }

    /// The frozen encoder, for sounds from outside of the corpus. The embeddings are made.
    ///
    /// # Errors
    /// When a model's file is missing or does not fit.
    pub fn encoder(&self, lab: &Lab<'_>) -> Result<Box<dyn Encoder>> {
        let frozen = Frozen::load(&self.features.source().encoder, lab.device)?;
        frozen.with_heads(|| self.load_heads(lab))
    }

    /// Where the heads over towers are kept.
    pub fn heads_file(&self) -> std::path::PathBuf {
        match &self.heads {
            HeadsFrom::Other(trained) => trained.heads_file(),
            HeadsFrom::None | HeadsFrom::Given | HeadsFrom::Own(..) => self.stage.file(HEADS),
        }
    }

    fn load_heads(&self, lab: &Lab<'_>) -> Result<Heads> {
        Ok(Heads::load(&self.heads_file(), lab.device)?)
    }
}

impl Work for Embeddings {
    fn stage(&self) -> &Stage {
        &self.stage
    }

    fn title(&self) -> String {
        format!("embeddings of {}", self.features.source().corpus.name())
    }

    fn needs(&self) -> Vec<Arc<dyn Work>> {
        let mut needs: Vec<Arc<dyn Work>> = Vec::new();
        // Features with clips left out are there, though they are not done.
        if self.left_out.is_empty() && !matches!(self.heads, HeadsFrom::Given) {
            needs.push(Arc::clone(&self.features) as Arc<dyn Work>);
        }
        if let HeadsFrom::Other(trained) = &self.heads {
            needs.push(Arc::clone(trained) as Arc<dyn Work>);
        }
        needs
    }

    fn measure(&self, bench: &Bench<'_>) -> Result<Option<Cost>> {
        let sets = bench.sets(self)?;
        let bytes = Split::ALL.iter().map(|split| set_bytes(sets.of(*split))).sum();
        // Without a training it is reading and writing.
        let HeadsFrom::Own(config, seed) = &self.heads else { return Ok(None) };
        let (audio, text) = self.features.widths(bench.lab)?;
        let wide = |set: &EmbeddingSet| self.features.stand_in(set, audio, text);
        let (train, validation) = (wide(&sets.train), wide(&sets.validation));
        let (time, basis) = by_steps(config.train.steps, |steps| {
            let mut config = config.clone();
            config.train.steps = steps;
            let context = bench.training(*seed);
            Heads::train(&train.pairs(), &validation.pairs(), &config, &context)?;
            Ok(())
        })?;
        Ok(Some(Cost::measured(time, Some(bytes), basis)))
    }

    fn make(&self, desk: &Desk<'_>) -> Result<Made> {
        if let HeadsFrom::Given = self.heads {
            return self.take_given(desk.lab);
        }
        if self.features.left_out()? != self.left_out {
            bail!("the clips that can be read have changed meanwhile; run it again");
        }
        let features = self.features.read_all()?;
        let (sets, made) = match &self.heads {
            HeadsFrom::None | HeadsFrom::Given => {
                let as_it_is = |features: super::features::SplitFeatures, split| {
                    features.into_set(self.provenance(split))
                };
                let sets = Splits {
                    train: as_it_is(features.train, Split::Train),
                    validation: as_it_is(features.validation, Split::Validation),
                    test: as_it_is(features.test, Split::Test),
                };
                (sets, Made::whole(&"embeddings of every split by the encoder")?)
            }
            HeadsFrom::Own(config, seed) => {
                let (heads, report) = Heads::train(
                    &features.train.pairs(),
                    &features.validation.pairs(),
                    config,
                    &desk.training(*seed),
                )?;
                heads.save(&self.stage.file(HEADS))?;
                (self.headed(features, &heads)?, Made::whole(&report)?)
            }
            HeadsFrom::Other(trained) => {
                let heads = trained.load_heads(desk.lab)?;
                (self.headed(features, &heads)?, Made::whole(&"through heads trained elsewhere")?)
            }
        };
        for split in Split::ALL {
            sets.of(split).write(&self.file(split))?;
        }
        look_at(desk.lab, &sets.validation)?;
        Ok(made)
    }
}

impl Embeddings {
    /// The sets of the corpus as they are: what was made elsewhere is kept like what is made
    /// here, so that a run does not hang on files that may change.
    fn take_given(&self, lab: &Lab<'_>) -> Result<Made> {
        let corpus = &self.features.source().corpus;
        for split in Split::ALL {
            let set = corpus.embeddings(split).context("a corpus of embeddings has every split")?;
            set.write(&self.file(split))?;
            if split == Split::Validation {
                look_at(lab, set)?;
            }
        }
        Made::whole(&"embeddings of every split that were made elsewhere")
    }

    fn headed(
        &self,
        features: Splits<super::features::SplitFeatures>,
        heads: &Heads,
    ) -> Result<Splits<EmbeddingSet>> {
        Ok(Splits {
            train: features.train.embed(heads, self.provenance(Split::Train))?,
            validation: features.validation.embed(heads, self.provenance(Split::Validation))?,
            test: features.test.embed(heads, self.provenance(Split::Test))?,
        })
    }
}

/// Says whether new embeddings look sane, before anything is built on them.
fn look_at(lab: &Lab<'_>, set: &EmbeddingSet) -> Result<()> {
    let report = Sanity::of(set)?;
    lab.reporter.say(&format!(
        "embeddings of validation: {} dimensions; mean cosine of pairs {:.3}, of strangers {:.3}, \
         of two clips {:.3}, of two captions {:.3}; audio to text R@1 {:.3}",
        report.dim,
        report.paired_cosine,
        report.unpaired_cosine,
        report.audio_cosine,
        report.text_cosine,
        report.recall_at_1
    ));
    for warning in &report.warnings {
        lab.reporter.say(&format!("warning: {warning}"));
    }
    Ok(())
}
