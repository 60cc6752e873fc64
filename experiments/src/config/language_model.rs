//! The language models that a configuration can name.

use anyhow::{Context, Result};
use dl_llm::{LmTrainConfig, PretrainedConfig};
use serde::{Deserialize, Serialize};

use super::paths;

/// The decoder before any prefix.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum LanguageModelConfig {
    /// Trained from scratch on the captions of the suite's corpus.
    Train(Box<LmTrainConfig>),
    /// A published model of the Llama architecture.
    Pretrained(PretrainedConfig),
}

impl LanguageModelConfig {
    /// Checks every range. Files are looked at when the model's key is needed.
    pub(super) fn validate(&self) -> Result<()> {
        match self {
            Self::Train(config) => config.validate().context("language_model"),
            Self::Pretrained(_) => Ok(()),
        }
    }

    /// A pretrained model with its files relative to the repository.
    pub(crate) fn located(config: &PretrainedConfig) -> Result<PretrainedConfig> {
        Ok(PretrainedConfig { path: paths::in_repository(&config.path)?, ..config.clone() })
    }
}
