//! The classifier of fluency errors behind FENSE (Zhou et al., ICASSP 2022; their
//! `echecker`): BERT, the state of the first token, a linear layer with a logistic output
//! for each kind of error and one for an error of any kind, the last. A text goes in with
//! all signs but letters, digits, `_` and white space removed, in lower case, as at most
//! 64 tokens.

use std::{
    fs,
    path::{Path, PathBuf},
};

use dl_torch::{layers::Linear, weights::WeightMap};
use tch::Device;

use crate::{EncoderError, minilm::read_settings, text::TextTokenizer, transformer::Transformer};

/// Longest text in tokens, with the two special ones.
const MAX_TOKENS: usize = 64;
/// Texts in one pass.
const BATCH: usize = 64;
/// Five kinds of error (an open end, a repeated event, a repeated adverb, a conjunction or
/// a verb that is missing), and any of them.
const OUTPUTS: i64 = 6;

/// The classifier with its tokenizer.
pub struct FluencyClassifier {
    device: Device,
    tokenizer: TextTokenizer,
    transformer: Transformer,
    output: Linear,
}

impl FluencyClassifier {
    /// Reads a directory with the published checkpoint (one file `*.ckpt`) and, of the BERT
    /// that it names as `model_type`, `config.json` and `tokenizer.json`.
    ///
    /// # Errors
    /// [`EncoderError`] for a file that is missing, cut short, or of another model.
    pub fn load(directory: &Path, device: Device) -> Result<Self, EncoderError> {
        let settings = read_settings(&directory.join("config.json"))?;
        let tokenizer = TextTokenizer::read(&directory.join("tokenizer.json"), MAX_TOKENS, 0)?;
        let mut weights = WeightMap::read(&checkpoint(directory)?, device)?;
        // A buffer of 0, 1, 2 and so on, and a layer that the first token has no use for.
        weights.ignore("encoder.embeddings.position_ids");
        weights.ignore("encoder.pooler.");
        let transformer = Transformer::new(&mut weights, "encoder.", &settings, device)?;
        let output = Linear::take(&mut weights, "clf", settings.hidden_size, OUTPUTS);
        weights.finish()?;
        if settings.max_tokens() < MAX_TOKENS {
            return Err(EncoderError::Model {
                path: directory.join("config.json"),
                problem: format!("takes fewer than {MAX_TOKENS} tokens; take that of the BERT"),
            });
        }
        Ok(Self { device, tokenizer, transformer, output })
    }

    /// The probability of an error of any kind in each text.
    ///
    /// # Errors
    /// [`EncoderError::Item`] for a text that the tokenizer refuses.
    pub fn error_probabilities(&self, texts: &[String]) -> Result<Vec<f64>, EncoderError> {
        let texts: Vec<String> = texts.iter().map(|text| plain(text)).collect();
        let dim = OUTPUTS as usize;
        let outputs = self.tokenizer.embed(&texts, BATCH, dim, self.device, |batch| {
            let states = self.transformer.forward(&batch.ids, &batch.mask);
            Ok(self.output.forward(&states.select(1, 0)).sigmoid())
        })?;
        Ok(outputs.column(dim - 1).iter().map(|&p| f64::from(p)).collect())
    }
}

fn checkpoint(directory: &Path) -> Result<PathBuf, EncoderError> {
    let entries = fs::read_dir(directory)
        .map_err(|source| EncoderError::Io { path: directory.into(), source })?;
    let mut found: Vec<PathBuf> = entries
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| path.extension().is_some_and(|ending| ending == "ckpt"))
        .collect();
    match (found.pop(), found.is_empty()) {
        (Some(path), true) => Ok(path),
        (found, _) => Err(EncoderError::Model {
            path: directory.into(),
            problem: match found {
                Some(_) => "holds several .ckpt files; keep the classifier's alone",
                None => "holds no .ckpt file; put the classifier's checkpoint there",
            }
            .into(),
        }),
    }
}

fn plain(text: &str) -> String {
    let stays = |c: &char| c.is_alphanumeric() || c.is_whitespace() || *c == '_';
    text.chars().filter(stays).collect::<String>().to_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signs_go_and_letters_are_lower() {
        assert_eq!(plain("A dog's BARK, (far-away)… été_1"), "a dogs bark faraway été_1");
    }

    #[test]
    fn what_is_missing_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let said = |folder: &Path| checkpoint(folder).unwrap_err().to_string();
        assert!(said(folder.path()).contains("holds no .ckpt file"));
        for name in ["a.ckpt", "b.ckpt"] {
            fs::write(folder.path().join(name), b"").unwrap();
        }
        assert!(said(folder.path()).contains("several .ckpt files"));
        let error = FluencyClassifier::load(folder.path(), Device::Cpu).err().unwrap();
        assert!(error.to_string().contains("config.json"), "{error}");
    }
}
