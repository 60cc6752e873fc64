//! Where everything begins: a corpus and the frozen model over it.

use std::{rc::Rc, sync::Arc};

use anyhow::{Context, Result};
use dl_core::Fingerprint;
use dl_data::{Corpus, CorpusConfig, SceneCorpus, Split};

use super::{Frozen, Lab, models::kept};
use crate::config::{self, EncoderConfig};

/// Sounds with captions, and the model that embeds them.
pub struct Source {
    /// Sounds and captions.
    pub corpus: Arc<dyn Corpus>,
    /// The frozen model, its files where they lie.
    pub encoder: EncoderConfig,
    /// Digest of the content of those files.
    pub encoder_files: Fingerprint,
}

impl Source {
    /// Opens the corpus and reads the encoder's files once, for their digest. No model is
    /// loaded.
    ///
    /// # Errors
    /// When the corpus cannot be opened or a file cannot be read.
    pub fn open(
        lab: &Lab<'_>,
        corpus: &CorpusConfig,
        seed: u64,
        encoder: &EncoderConfig,
    ) -> Result<Self> {
        let corpus = open_corpus(lab, corpus, seed)?;
        let source = Self::with_corpus(corpus, encoder)?;
        if source.is_given() {
            lab.reporter.say("note: the embeddings are given, so [encoder] is not used");
        }
        Ok(source)
    }

    /// The same over a corpus that is open.
    ///
    /// # Errors
    /// When a file of the encoder cannot be read.
    pub fn with_corpus(corpus: Arc<dyn Corpus>, encoder: &EncoderConfig) -> Result<Self> {
        let encoder = encoder.in_repository()?;
        if given(corpus.as_ref()) {
            return Ok(Self { corpus, encoder, encoder_files: Fingerprint::of(&"not used") });
        }
        let encoder_files = encoder
            .files_fingerprint()
            .context("encoder: name its files, or let `cargo setup --models` bring them")?;
        Ok(Self { corpus, encoder, encoder_files })
    }

    /// Whether the corpus is nothing but embeddings: the encoder is of no use then.
    pub fn is_given(&self) -> bool {
        given(self.corpus.as_ref())
    }

    /// The same model over another corpus.
    pub fn over(&self, corpus: Arc<dyn Corpus>) -> Self {
        Self { corpus, encoder: self.encoder.clone(), encoder_files: self.encoder_files.clone() }
    }

    /// The corpus, for what only scenes have.
    ///
    /// # Errors
    /// When its clips are none.
    pub fn scenes(&self) -> Result<&dyn SceneCorpus> {
        let name = self.corpus.name();
        self.corpus.as_scenes().with_context(|| {
            format!("the clips of `{name}` are no scenes; use a corpus of scenes (data.kind)")
        })
    }

    /// Digest of the frozen model: its files, and how they are used.
    pub fn encoder_print(&self) -> Fingerprint {
        Fingerprint::of(&(self.encoder.frozen_settings(), &self.encoder_files))
    }

    /// This thread's copy of the frozen model.
    pub(super) fn frozen(&self, lab: &Lab<'_>) -> Result<Rc<Frozen>> {
        let load = || Frozen::load(&self.encoder, lab.device);
        kept("encoder", self.encoder_print().as_str(), load)
    }
}

fn given(corpus: &dyn Corpus) -> bool {
    corpus.embeddings(Split::Test).is_some()
}

/// Opens a corpus and says what it warns of.
pub(super) fn open_corpus(
    lab: &Lab<'_>,
    corpus: &CorpusConfig,
    seed: u64,
) -> Result<Arc<dyn Corpus>> {
    let corpus: Arc<dyn Corpus> = config::open_corpus(corpus, seed)?.into();
    for warning in corpus.warnings() {
        lab.reporter.say(&format!("warning: {warning}"));
    }
    Ok(corpus)
}
