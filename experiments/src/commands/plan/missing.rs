//! What a run lacks that only the user can bring: data and models, each with the command or
//! the entry that brings it.

use anyhow::Result;
use dl_data::{CorpusKind, EmbeddingsConfig};

use super::super::doctor;
use crate::{
    config::{LanguageModelConfig, SuiteConfig, paths},
    experiments,
};

/// Parts that are not there, with cause and remedy.
pub(super) fn of(config: &SuiteConfig, names: &[String]) -> Result<Vec<(String, String)>> {
    let mut missing = Vec::new();
    let mut look = |part: &str, found: Result<String, String>| {
        if let Err(problem) = found {
            missing.push((part.to_owned(), problem));
        }
    };
    look("data", doctor::data(config));
    if config.data.kind() != EmbeddingsConfig::KIND {
        for (part, found) in doctor::encoder(&config.encoder.in_repository()?) {
            look(part, found);
        }
        if names.iter().any(|name| name == "encoders") {
            for encoder in config.encoders.values() {
                for (part, found) in doctor::encoder(&encoder.in_repository()?) {
                    look(part, found);
                }
            }
        }
    }
    if experiments::words(names)? {
        if let LanguageModelConfig::Pretrained(model) = &config.language_model {
            look("language model", doctor::language_model(model));
        }
        let models = [
            ("sentence encoder", &config.evaluation.sentence_encoder),
            ("fluency", &config.evaluation.fluency),
        ];
        for (part, path) in models {
            if let Some(path) = path {
                look(part, doctor::model(&paths::in_repository(path)?));
            }
        }
    }
    Ok(missing)
}

/// What a run can do without, and what it loses.
pub(super) fn notes(names: &[String]) -> Result<Vec<String>> {
    let mut notes = Vec::new();
    if experiments::words(names)? && !dl_score::has_meteor_data() {
        notes.push(
            "Not there: METEOR's data, without which T2 has no METEOR; `cargo setup --metrics` \
             brings it."
                .into(),
        );
    }
    Ok(notes)
}
