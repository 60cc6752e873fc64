//! `score`, with the models that are named.

mod recordings;
mod tokens;

use std::path::PathBuf;

use anyhow::Result;
use clap::Args;
use dl_eval::caption::{
    bert_score::BertScore,
    metric::Metric,
    similarity::{FluencyClassifier, FluencyErrors},
};
use dl_score::Outside;

use self::{recordings::Clap, tokens::Tokens};
use crate::experiments::{Fluency, Sentences};

/// Which models.
#[derive(Clone, Debug, Args)]
pub struct SentenceOptions {
    /// A BERT sentence encoder as sentence-transformers lays it out (config.json,
    /// tokenizer.json or vocab.txt, model.safetensors or pytorch_model.bin): adds sentence
    /// similarity.
    #[arg(long, value_name = "DIR")]
    pub sentence_encoder: Option<PathBuf>,
    /// FENSE's classifier of fluency errors (its .ckpt, and of its BERT config.json and
    /// tokenizer.json or vocab.txt): adds SPIDEr-FL, FENSE to sentence similarity and MACE
    /// to CLAP.
    #[arg(long, value_name = "DIR")]
    pub fluency: Option<PathBuf>,
    /// A BERT or RoBERTa as Hugging Face lays it out (roberta-large, bert-base-uncased): adds
    /// BERTScore.
    #[arg(long, value_name = "DIR")]
    pub bertscore: Option<PathBuf>,
    /// Which of its layers BERTScore takes, from 1 [default: the last].
    #[arg(long, value_name = "N", requires = "bertscore")]
    pub bertscore_layer: Option<usize>,
    /// A CLAP as `embed` takes it: adds the similarity of captions and references.
    #[arg(long, value_name = "DIR")]
    pub clap: Option<PathBuf>,
    /// The folder of the clips' recordings, each named as its clip, with or without an
    /// ending: adds their similarity to CLAP's.
    #[arg(long, value_name = "DIR", requires = "clap")]
    pub recordings: Option<PathBuf>,
}

/// Scores captions against references.
pub fn run(options: &dl_score::Options, models: &SentenceOptions) -> Result<()> {
    let fluency = models.fluency.as_deref();
    let sentences = Sentences::open(models.sentence_encoder.as_deref(), fluency)?;
    // One classifier serves both.
    let own = match (&sentences, fluency) {
        (None, Some(directory)) => Some(Fluency::open(directory)?),
        _ => None,
    };
    let fluency = match &sentences {
        Some(sentences) => sentences.fluency(),
        None => own.as_ref().map(|fluency| fluency as &dyn FluencyClassifier),
    };
    let layer = models.bertscore_layer;
    let tokens = models.bertscore.as_deref().map(|path| Tokens::open(path, layer)).transpose()?;
    let recordings = models.recordings.as_deref();
    let clap = models.clap.as_deref().map(|path| Clap::open(path, recordings)).transpose()?;
    let mut names: Vec<String> = Vec::new();
    names.extend(sentences.as_ref().map(|sentences| format!("sentences by {}", sentences.name())));
    names.extend(own.as_ref().map(Fluency::name));
    names.extend(tokens.as_ref().map(Tokens::name));
    names.extend(clap.as_ref().map(Clap::name));
    let metrics = |ids: &[String], candidates: &[String], references: &[Vec<String>]| {
        let mut metrics: Vec<Box<dyn Metric>> = Vec::new();
        if let Some(sentences) = &sentences {
            metrics.push(sentences.metric(candidates, references)?);
        }
        if let Some(own) = &own {
            metrics.push(Box::new(FluencyErrors::new(own, candidates)?));
        }
        if let Some(tokens) = &tokens {
            metrics.push(Box::new(BertScore::new(tokens, candidates, references)?));
        }
        if let Some(clap) = &clap {
            metrics.push(Box::new(clap.metric(ids, candidates, references, fluency)?));
        }
        Ok(metrics)
    };
    dl_score::run(options, &Outside { models: &names.join("; "), metrics: &metrics })
}
