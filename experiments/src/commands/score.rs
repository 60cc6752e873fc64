//! `score`, with the models that are named.

use std::path::PathBuf;

use anyhow::Result;
use clap::Args;
use dl_score::Outside;

use crate::experiments::Sentences;

/// Which models.
#[derive(Clone, Debug, Args)]
pub struct SentenceOptions {
    /// A BERT sentence encoder as sentence-transformers lays it out (config.json,
    /// tokenizer.json or vocab.txt, model.safetensors or pytorch_model.bin): adds sentence
    /// similarity.
    #[arg(long, value_name = "DIR")]
    pub sentence_encoder: Option<PathBuf>,
    /// FENSE's classifier of fluency errors (its .ckpt, and of its BERT config.json and
    /// tokenizer.json or vocab.txt): adds FENSE.
    #[arg(long, value_name = "DIR", requires = "sentence_encoder")]
    pub fluency: Option<PathBuf>,
}

/// Scores captions against references.
pub fn run(options: &dl_score::Options, models: &SentenceOptions) -> Result<()> {
    let SentenceOptions { sentence_encoder, fluency } = models;
    let Some(sentences) = Sentences::open(sentence_encoder.as_deref(), fluency.as_deref())? else {
        return dl_score::run(options, &Outside::NONE);
    };
    let metrics = |candidates: &[String], references: &[Vec<String>]| {
        Ok(vec![sentences.metric(candidates, references)?])
    };
    dl_score::run(options, &Outside { models: sentences.name(), metrics: &metrics })
}
