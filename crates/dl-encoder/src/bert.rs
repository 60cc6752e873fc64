//! What lies beside the weights in the directory of a BERT model, as Hugging Face
//! and `sentence-transformers` lay it out: `config.json`, the tokenizer in one of
//! its two forms, and small JSON files that may be absent.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use dl_core::Fingerprint;
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
        let file = path.join("config.json");
        let bytes = fs::read(&file).map_err(|source| io_error(&file, source))?;
        let fault = |error| bad(&file, format!("not the config.json of a BERT model ({error})"));
        let family: Family = serde_json::from_slice(&bytes).map_err(fault)?;
        let settings = serde_json::from_slice(&bytes).map_err(fault)?;
        // RoBERTa has tensors of the same names and another first position: it would
        // load, and be wrong.
        for (found, wanted) in
            [(family.model_type, "bert"), (family.position_embedding_type, "absolute")]
        {
            if let Some(found) = found.filter(|found| found != wanted) {
                let problem = format!(
                    "says `{found}` where only `{wanted}` can be run; give the directory of a \
                     BERT model"
                );
                return Err(bad(&file, problem));
            }
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

    /// The tokenizer and the files that it was read from: `tokenizer.json`, or else
    /// `vocab.txt` with what `tokenizer_config.json` says about case and accents.
    ///
    /// # Errors
    /// [`EncoderError`] when both are missing, or one is not whole.
    pub(crate) fn tokenizer(
        &self,
        max_tokens: usize,
    ) -> Result<(TextTokenizer, Vec<PathBuf>), EncoderError> {
        let names = ["tokenizer.json", "vocab.txt", "tokenizer_config.json"];
        let [whole, words, settings_path] = names.map(|name| self.path.join(name));
        // Padding is masked out everywhere: any token will do.
        if whole.is_file() {
            return Ok((TextTokenizer::read(&whole, max_tokens, 0)?, vec![whole]));
        }
        if !words.is_file() {
            let problem = "has no tokenizer.json and no vocab.txt; copy one of them from where \
                           the model is published";
            return Err(bad(&self.path, problem));
        }
        let said = self.tokenizer_settings()?;
        let normalizer = tokenizers::normalizers::BertNormalizer::new(
            true,
            said.tokenize_chinese_chars,
            said.strip_accents,
            said.do_lower_case,
        );
        let tokenizer = TextTokenizer::read_words(&words, normalizer, max_tokens)?;
        let mut files = vec![words];
        files.extend(settings_path.is_file().then_some(settings_path));
        Ok((tokenizer, files))
    }
}

/// The last part of `path`, which is what models are called by.
pub(crate) fn name_of(path: &Path) -> String {
    let whole = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    whole.file_name().unwrap_or(whole.as_os_str()).to_string_lossy().into_owned()
}

/// A JSON file that may be absent.
pub(crate) fn optional_json<T: DeserializeOwned>(path: &Path) -> Result<Option<T>, EncoderError> {
    let bytes = match fs::read(path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(source) => return Err(io_error(path, source)),
    };
    let parsed = serde_json::from_slice(&bytes);
    parsed.map(Some).map_err(|error| bad(path, format!("cannot be read ({error}); copy it again")))
}

/// Digest of `head` and of the content of `files`, in order.
pub(crate) fn fingerprint(
    head: Fingerprint,
    files: &[PathBuf],
) -> Result<Fingerprint, EncoderError> {
    let mut parts = vec![head];
    for path in files {
        parts.push(Fingerprint::of_file(path).map_err(|source| io_error(path, source))?);
    }
    Ok(Fingerprint::combine(&parts))
}

pub(crate) fn io_error(path: &Path, source: io::Error) -> EncoderError {
    EncoderError::Io { path: path.into(), source }
}
