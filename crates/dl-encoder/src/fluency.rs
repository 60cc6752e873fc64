//! The fluency classifier of FENSE (Zhou et al., "Can Audio Captions Be Evaluated with
//! Image Caption Metrics?", ICASSP 2022): BERT, the state of its first token, and a
//! linear layer with a sigmoid for each kind of error. Its last output says whether a
//! caption has any error: a tail added or cut, a repetition, a missing word. Numbers
//! (64 tokens, what is removed from a text) are those of `blmoistawinde/fense` and of
//! `aac-metrics`, which runs the same checkpoints.

use std::{
    fs,
    path::{Path, PathBuf},
};

use dl_core::{FileError, Fingerprint};
use dl_torch::{
    layers::Linear,
    weights::{WeightMap, read_weights, unwrapped},
};
use tch::{Device, Tensor};
use tokenizers::{
    NormalizedString, Normalizer,
    normalizers::replace::{Replace, ReplacePattern},
};

use crate::{
    EncoderError,
    bert::{BertDirectory, name_of},
    error::{bad, fingerprint},
    text::TextTokenizer,
    transformer::Transformer,
};

/// Longest text in tokens, with the two special ones; the rest is cut off.
pub const MAX_TOKENS: usize = 64;

/// Texts in one pass.
const BATCH: usize = 64;

/// The classifier with its tokenizer.
pub struct FluencyClassifier {
    name: String,
    device: Device,
    tokenizer: TextTokenizer,
    transformer: Transformer,
    outputs: Linear,
    fingerprint: Fingerprint,
}

impl FluencyClassifier {
    /// Reads a directory that holds one checkpoint (`*.ckpt`: a dictionary with
    /// `state_dict`, as the authors publish `echecker_clotho_audiocaps_base.ckpt` and
    /// `echecker_clotho_audiocaps_tiny.ckpt`) beside `config.json` and `tokenizer.json`
    /// or `vocab.txt` of its encoder, which the checkpoint names but does not hold:
    /// `bert-base-uncased` for the first, `prajjwal1/bert-tiny` for the second.
    ///
    /// # Errors
    /// [`EncoderError`] for a file that is missing, cut short, or of another model.
    pub fn load(directory: &Path, device: Device) -> Result<Self, EncoderError> {
        let checkpoint = checkpoint_in(directory)?;
        let bert = BertDirectory::read(directory)?;
        let mut files = bert.tokenizer_files()?;
        let tokenizer = bert.tokenizer(&files, MAX_TOKENS)?;
        let dim = bert.settings.hidden_size;
        let tensors = unwrapped(read_weights(&checkpoint)?);
        let outputs = match tensors.get("clf.weight").map(Tensor::size).as_deref() {
            Some(&[outputs, inputs]) if outputs > 0 && inputs == dim => outputs,
            Some(&[_, inputs]) => {
                let problem = format!(
                    "hidden_size = {dim}, but {} is made for {inputs}; put the config.json of \
                     the encoder here that the checkpoint was trained with",
                    checkpoint.display()
                );
                return Err(bad(&bert.settings_path(), problem));
            }
            _ => {
                let problem = "has no matrix clf.weight, so it is no fluency classifier of FENSE; \
                               give echecker_clotho_audiocaps_base.ckpt or its like";
                return Err(bad(&checkpoint, problem));
            }
        };
        if bert.settings.max_tokens() < MAX_TOKENS {
            let takes = bert.settings.max_tokens();
            let problem = format!("takes {takes} tokens; the classifier needs {MAX_TOKENS}");
            return Err(bad(&bert.settings_path(), problem));
        }
        let mut weights = WeightMap::new(&checkpoint, tensors, device);
        // As in every BERT: a buffer, and a layer that the first token's state goes past.
        weights.ignore("encoder.embeddings.position_ids");
        weights.ignore("encoder.pooler.");
        let transformer = Transformer::new(&mut weights, "encoder.", &bert.settings, device)?;
        let outputs = Linear::take(&mut weights, "clf", dim, outputs);
        weights.finish()?;
        files.insert(0, bert.settings_path());
        let name = name_of(&checkpoint.with_extension(""));
        files.push(checkpoint);
        let head = Fingerprint::of(&("fluency", 1, MAX_TOKENS));
        let fingerprint = fingerprint(Some(head), files.iter().map(PathBuf::as_path))?;
        Ok(Self { name, device, tokenizer, transformer, outputs, fingerprint })
    }

    /// What the checkpoint's file is called, without its ending.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Digest of the files and the longest text.
    pub fn fingerprint(&self) -> &Fingerprint {
        &self.fingerprint
    }

    /// The probability of an error in each of `texts`, raw captions, 0 to 1, in their
    /// order. Texts that [`plain`] makes equal have equal ones.
    ///
    /// # Errors
    /// [`EncoderError::Item`] for a text that the tokenizer refuses.
    pub fn error_probabilities(&self, texts: &[String]) -> Result<Vec<f64>, EncoderError> {
        let texts = plain(texts)?;
        let found = self.tokenizer.embed(&texts, BATCH, 1, self.device, |batch| {
            let states = self.transformer.forward(&batch.ids, &batch.mask);
            let outputs = self.outputs.forward(&states.select(1, 0));
            Ok(outputs.select(1, -1).sigmoid().unsqueeze(1))
        })?;
        Ok(found.iter().map(|&probability| f64::from(probability)).collect())
    }
}

/// Texts as the classifier reads them: nothing but letters, numbers, underscores and
/// white space, in lower case.
///
/// # Errors
/// [`EncoderError::Item`] for a text that cannot be searched.
pub fn plain(texts: &[String]) -> Result<Vec<String>, EncoderError> {
    // What Python's `\w` and `\s` are; a combining mark is neither.
    let others = ReplacePattern::Regex(r"[^\p{L}\p{N}_\p{White_Space}\x{1c}-\x{1f}]".to_owned());
    let fault = |index, error| EncoderError::Item {
        index,
        problem: format!("its punctuation cannot be removed ({error})"),
    };
    let remove = Replace::new(others, "").map_err(|error| fault(0, error))?;
    let plain = |(index, text): (usize, &String)| {
        let mut text = NormalizedString::from(text.as_str());
        remove.normalize(&mut text).map_err(|error| fault(index, error))?;
        Ok(text.get().to_lowercase())
    };
    texts.iter().enumerate().map(plain).collect()
}

/// The one checkpoint in `directory`.
fn checkpoint_in(directory: &Path) -> Result<PathBuf, EncoderError> {
    let mut found = Vec::new();
    let unreadable = |source| FileError::io(directory, source);
    for entry in fs::read_dir(directory).map_err(unreadable)? {
        let path = entry.map_err(unreadable)?.path();
        if path.extension().is_some_and(|ending| ending == "ckpt") {
            found.push(path);
        }
    }
    match found.len() {
        1 => Ok(found.swap_remove(0)),
        0 => {
            let problem = "has no .ckpt file; put echecker_clotho_audiocaps_base.ckpt into it";
            Err(bad(directory, problem))
        }
        many => Err(bad(directory, format!("has {many} .ckpt files; leave the one you mean"))),
    }
}
