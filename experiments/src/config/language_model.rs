//! The language models that a configuration can name.

use anyhow::{Context, Result};
use dl_core::tagged::{self, Tagged};
use dl_llm::{LmTrainConfig, PretrainedConfig};
use serde::{Deserialize, Deserializer, Serialize, de::Error as _};

use super::paths;

/// The decoder before any prefix.
#[derive(Clone, Debug, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum LanguageModelConfig {
    /// Trained from scratch on the captions of the suite's corpus.
    Train(Box<LmTrainConfig>),
    /// A published model of the Llama architecture.
    Pretrained(PretrainedConfig),
}

impl<'de> Deserialize<'de> for LanguageModelConfig {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let Tagged { kind, fields } = Tagged::read(deserializer)?;
        let kind = kind.ok_or_else(tagged::missing::<D::Error>)?;
        let read = match kind.as_str() {
            "train" => tagged::fields(fields).map(Self::Train),
            "pretrained" => tagged::fields(fields).map(Self::Pretrained),
            other => return Err(tagged::unknown(other, &["train", "pretrained"])),
        };
        read.map_err(D::Error::custom)
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_names_its_whole_key() {
        let read = |text: &str| {
            toml::from_str::<LanguageModelConfig>(text).map_err(|error| error.message().to_owned())
        };
        let rate = "kind = 'train'\ntrain = { learning_rate = 'high' }";
        let error = read(rate).unwrap_err();
        assert!(error.starts_with("train.learning_rate: invalid type"), "{error}");
        let error = read("kind = 'pretrained'\npath = 'a'\nprecison = 'f32'").unwrap_err();
        assert!(error.contains("precison"), "{error}");
        let error = read("kind = 'rwkv'").unwrap_err();
        assert!(error.contains("`train`, `pretrained`"), "{error}");
        assert!(read("path = 'a'").unwrap_err().contains("kind"));
        let fine = read("kind = 'pretrained'\npath = 'a'").unwrap();
        assert!(matches!(fine, LanguageModelConfig::Pretrained(_)));
    }
}
