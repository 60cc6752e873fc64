//! Where the parts of a CLAP lie: a directory as Hugging Face lays it out, or a LAION
//! checkpoint with its tokenizer beside it.

use std::path::{Path, PathBuf};

use dl_core::{FileError, Fingerprint, text};
use dl_torch::weights::{WeightFiles, check_format};
use serde_json::Value;

use crate::{EncoderError, error::fingerprint};

/// The files of one model.
pub(super) enum Files {
    /// As `save_pretrained` writes them.
    Directory { config: PathBuf, front_end: PathBuf, tokenizer: PathBuf, weights: WeightFiles },
    /// As LAION's own code writes them; the tokenizer is RoBERTa's.
    Laion { checkpoint: PathBuf, tokenizer: PathBuf },
}

impl Files {
    /// Finds the files; of the weights, none is read.
    pub(super) fn find(path: &Path) -> Result<Self, EncoderError> {
        if !path.exists() {
            let problem = "there is no such file or folder; give a CLAP directory as Hugging Face \
                           lays it out, or a LAION .pt file";
            return Err(FileError::invalid(path, problem).into());
        }
        if !path.is_dir() {
            // Whatever else is missing beside it: a file of another kind is the first fault.
            check_format(path)?;
            let tokenizer = path.with_file_name("tokenizer.json");
            if !tokenizer.exists() {
                let problem = "is missing: LAION's checkpoints use RoBERTa's tokenizer; put the \
                               tokenizer.json of roberta-base beside the checkpoint";
                return Err(FileError::invalid(&tokenizer, problem).into());
            }
            return Ok(Self::Laion { checkpoint: path.to_owned(), tokenizer });
        }
        Ok(Self::Directory {
            config: path.join("config.json"),
            front_end: front_end_file(path)?,
            tokenizer: path.join("tokenizer.json"),
            weights: WeightFiles::find(path)?,
        })
    }

    /// Digest of the content of all files.
    pub(super) fn fingerprint(&self) -> Result<Fingerprint, EncoderError> {
        match self {
            Self::Directory { config, front_end, tokenizer, weights } => {
                let small = [config, front_end, tokenizer].map(PathBuf::as_path);
                fingerprint(None, small.into_iter().chain(weights.all()))
            }
            Self::Laion { checkpoint, tokenizer } => {
                fingerprint(None, [checkpoint, tokenizer].map(PathBuf::as_path))
            }
        }
    }
}

/// transformers 5 puts the front end's numbers into `processor_config.json`, those before
/// into `preprocessor_config.json`. Where both are there, it reads the former.
fn front_end_file(directory: &Path) -> Result<PathBuf, EncoderError> {
    let [new, old] =
        ["processor_config.json", "preprocessor_config.json"].map(|name| directory.join(name));
    // Before transformers 5 the new name was in use too, without these numbers.
    if new.exists() && inside(&new)?.is_some() {
        return Ok(new);
    }
    if old.exists() {
        return Ok(old);
    }
    let problem = "has no preprocessor_config.json and no processor_config.json with a \
                   feature_extractor; copy one of them from where the model is published";
    Err(FileError::invalid(directory, problem).into())
}

fn inside(path: &Path) -> Result<Option<Value>, EncoderError> {
    let file: Value = serde_json::from_str(&text::read(path)?)
        .map_err(|error| FileError::invalid(path, format!("not JSON ({error}); copy it again")))?;
    let part = file.get("feature_extractor").or_else(|| file.get("audio_processor"));
    Ok(part.filter(|value| value.is_object()).cloned())
}

/// What the front end's file says, in the form that `preprocessor_config.json` has.
pub(super) fn front_end_json(path: &Path) -> Result<String, EncoderError> {
    match inside(path)? {
        Some(value) => Ok(value.to_string()),
        None => Ok(text::read(path)?),
    }
}
