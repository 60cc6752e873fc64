//! A pretrained language model as a configuration names it.

use std::path::PathBuf;

use dl_core::Fingerprint;
use serde::{Deserialize, Serialize};
use tch::Device;

use crate::{CaptionTokenizer, LanguageModel, LlmError, ModelFiles, WeightKind};

/// Where a model is and what it computes in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PretrainedConfig {
    /// A published model's directory, or a GGUF file.
    pub path: PathBuf,
    /// What its weights are kept and multiplied in.
    #[serde(default)]
    pub precision: WeightKind,
}

impl PretrainedConfig {
    /// Reads the model.
    ///
    /// # Errors
    /// As [`LanguageModel::load`].
    pub fn load(&self, device: Device) -> Result<LanguageModel, LlmError> {
        LanguageModel::load_as(&self.path, self.precision, device)
    }

    /// The model's [`LanguageModel::fingerprint`], from its files alone: what the key of a
    /// cache needs before anything large is read. It does not tell precisions apart.
    ///
    /// # Errors
    /// [`LlmError`] naming the file that is missing or of another model.
    pub fn fingerprint(&self) -> Result<Fingerprint, LlmError> {
        let files = ModelFiles::open(&self.path)?;
        let tokenizer = CaptionTokenizer::of_model(&files)?;
        files.fingerprint(files.digest(), &tokenizer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_and_model_have_one_fingerprint() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/llama_tuning");
        let config = PretrainedConfig { path: path.into(), precision: WeightKind::Bf16 };
        let model = config.load(Device::Cpu).unwrap();
        assert_eq!(config.fingerprint().unwrap(), model.fingerprint().unwrap());
        let gone = PretrainedConfig { path: "nowhere/at/all".into(), ..config };
        let error = gone.load(Device::Cpu).unwrap_err().to_string();
        assert!(error.starts_with("nowhere/at/all: there is no such"), "{error}");
    }
}
