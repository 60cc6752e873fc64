//! What lies beside the weights in the directory of a BERT model, as Hugging Face
//! and `sentence-transformers` lay it out: `config.json`, the tokenizer in one of
//! its two forms, and small JSON files that may be absent.

use std::path::{Path, PathBuf};

use dl_core::text;
use serde::{Deserialize, de::DeserializeOwned};

use crate::{EncoderError, error::bad, text::TextTokenizer, transformer::TransformerConfig};

/// A directory whose `config.json` has been read.
pub(crate) struct BertDirectory {
    pub(crate) path: PathBuf,
    pub(crate) settings: TransformerConfig,
}

/// What `config.json` says beside the shape.
#[derive(Deserialize)]
struct Family {
    model_type: Option<String>,
    position_embedding_type: Option<String>,
    pad_token_id: Option<i64>,
}

/// The keys of `tokenizer_config.json` that matter here, with the defaults of `BertTokenizer`.
#[derive(Deserialize)]
#[serde(default)]
pub(crate) struct TokenizerSettings {
    do_lower_case: bool,
    strip_accents: Option<bool>,
    tokenize_chinese_chars: bool,
    /// In tokens; 1e30 where nobody has set it.
    pub(crate) model_max_length: Option<f64>,
}

impl Default for TokenizerSettings {
    fn default() -> Self {
        Self {
            do_lower_case: true,
            strip_accents: None,
            tokenize_chinese_chars: true,
            model_max_length: None,
        }
    }
}

impl BertDirectory {
    /// Reads `config.json`.
    ///
    /// # Errors
    /// [`EncoderError`] naming the file that is missing or of another kind of model.
    pub(crate) fn read(path: &Path) -> Result<Self, EncoderError> {
        Self::read_of(path, &["bert"])
    }

    /// The same of a BERT or a RoBERTa.
    ///
    /// # Errors
    /// As [`BertDirectory::read`].
    pub(crate) fn read_any(path: &Path) -> Result<Self, EncoderError> {
        Self::read_of(path, &["bert", "roberta"])
    }

    fn read_of(path: &Path, families: &[&str]) -> Result<Self, EncoderError> {
        let file = path.join("config.json");
        let text = text::read(&file)?;
        let fault = |error| bad(&file, format!("not the config.json of a BERT model ({error})"));
        let family: Family = serde_json::from_str(&text).map_err(fault)?;
        let mut settings: TransformerConfig = serde_json::from_str(&text).map_err(fault)?;
        // RoBERTa has tensors of the same names and another first position: taken for a
        // BERT it would load, and be wrong.
        for (found, wanted) in
            [(&family.model_type, families), (&family.position_embedding_type, &["absolute"])]
        {
            if let Some(found) = found.as_deref().filter(|found| !wanted.contains(found)) {
                let problem = format!(
                    "says `{found}` where only `{}` can be run; give the directory of a BERT model",
                    wanted.join("` or `")
                );
                return Err(bad(&file, problem));
            }
        }
        if family.model_type.as_deref() == Some("roberta") {
            settings = (settings.with_positions_above(family.pad_token_id.unwrap_or(1)))
                .map_err(|error| bad(&file, error.to_string()))?;
        }
        Ok(Self { path: path.into(), settings })
    }

    /// The file of the settings, for errors.
    pub(crate) fn settings_path(&self) -> PathBuf {
        self.path.join("config.json")
    }

    /// `tokenizer_config.json`, with defaults for what it does not say.
    pub(crate) fn tokenizer_settings(&self) -> Result<TokenizerSettings, EncoderError> {
        Ok(optional_json(&self.path.join("tokenizer_config.json"))?.unwrap_or_default())
    }

    /// The files of the tokenizer: `tokenizer.json`, or else `vocab.txt` with
    /// `tokenizer_config.json`, which may be absent.
    ///
    /// # Errors
    /// [`EncoderError`] when both are missing.
    pub(crate) fn tokenizer_files(&self) -> Result<Vec<PathBuf>, EncoderError> {
        let names = ["tokenizer.json", "vocab.txt", "tokenizer_config.json"];
        let [whole, words, settings] = names.map(|name| self.path.join(name));
        if whole.exists() {
            return Ok(vec![whole]);
        }
        if !words.exists() {
            let problem = "has no tokenizer.json and no vocab.txt; copy one of them from where \
                           the model is published";
            return Err(bad(&self.path, problem));
        }
        Ok(std::iter::once(words).chain(settings.exists().then_some(settings)).collect())
    }

    /// The tokenizer in `files`, which [`BertDirectory::tokenizer_files`] gave: whole, or a
    /// list of tokens with what `tokenizer_config.json` says about case and accents.
    ///
    /// # Errors
    /// [`EncoderError`] when one is not whole.
    pub(crate) fn tokenizer(
        &self,
        files: &[PathBuf],
        max_tokens: usize,
    ) -> Result<TextTokenizer, EncoderError> {
        let first = &files[0];
        // Padding is masked out everywhere: any token will do.
        if first.ends_with("tokenizer.json") {
            return TextTokenizer::read(first, max_tokens, 0);
        }
        let said = self.tokenizer_settings()?;
        let normalizer = tokenizers::normalizers::BertNormalizer::new(
            true,
            said.tokenize_chinese_chars,
            said.strip_accents,
            said.do_lower_case,
        );
        TextTokenizer::read_words(first, normalizer, max_tokens)
    }
}

/// The last part of `path`, which is what models are called by.
pub(crate) fn name_of(path: &Path) -> String {
    let whole = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    whole.file_name().unwrap_or(whole.as_os_str()).to_string_lossy().into_owned()
}

/// A JSON file that may be absent.
pub(crate) fn optional_json<T: DeserializeOwned>(path: &Path) -> Result<Option<T>, EncoderError> {
    if !path.exists() {
        return Ok(None);
    }
    let text = text::read(path)?;
    let parsed = serde_json::from_str(&text);
    parsed.map(Some).map_err(|error| bad(path, format!("cannot be read ({error}); copy it again")))
}
