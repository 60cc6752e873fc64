//! Text to tokens and back: byte-level BPE over lower-cased captions, trained and
//! kept with the `tokenizers` crate. Padding and truncation are ours, whatever a
//! file says: a file's own settings surprise its users.

use std::path::{Path, PathBuf};

use dl_core::{
    Fingerprint, atomic,
    fault::{ConfigError, check},
};
use dl_torch::weights::GgufMetadata;
use serde::{Deserialize, Serialize};
use tokenizers::{
    AddedToken, Tokenizer,
    models::{
        TrainerWrapper,
        bpe::{BPE, BpeTrainer},
    },
    normalizers::{Lowercase, NFC, NormalizerWrapper, Replace, Sequence, Strip},
    pre_tokenizers::byte_level::ByteLevel,
};

use crate::{LlmError, ModelFiles};

mod gguf;
mod sentencepiece;

pub(crate) const TOKENIZER: &str = "tokenizer.json";
const PIECES: &str = "tokenizer.model";
const PAD: &str = "<pad>";
const BOS: &str = "<bos>";
const EOS: &str = "<eos>";
const UNK: &str = "<unk>";

/// How a tokenizer is trained.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TokenizerConfig {
    /// Most tokens, at least 260: 256 bytes and 4 marks. Fewer come out where the
    /// captions are too few to merge more.
    pub vocab: usize,
    /// Times that a pair must occur to be merged.
    pub min_frequency: u64,
}

impl Default for TokenizerConfig {
    fn default() -> Self {
        Self { vocab: 1500, min_frequency: 2 }
    }
}

impl TokenizerConfig {
    /// Checks every range.
    ///
    /// # Errors
    /// [`ConfigError`] for the first field out of range.
    pub fn validate(&self) -> Result<(), ConfigError> {
        check(self.vocab >= 260, "vocab", self.vocab, "at least 260")
    }
}

/// Ids of the tokens that are marks, not text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Marks {
    /// Fills short rows of a batch.
    pub pad: u32,
    /// Begins every caption.
    pub bos: u32,
    /// Ends every caption.
    pub eos: u32,
}

/// A tokenizer and its marks.
#[derive(Clone, Debug)]
pub struct CaptionTokenizer {
    inner: Tokenizer,
    marks: Marks,
    special: Vec<u32>,
}

impl CaptionTokenizer {
    /// Trains on captions. The same captions in any order give the same tokenizer.
    ///
    /// # Errors
    /// [`LlmError`] for a bad configuration or when no caption holds a letter.
    pub fn train(captions: &[String], config: &TokenizerConfig) -> Result<Self, LlmError> {
        config.validate()?;
        if captions.iter().all(|caption| caption.trim().is_empty()) {
            return Err(LlmError::Input("no captions to train a tokenizer on".into()));
        }
        let failed = |error: tokenizers::Error| LlmError::Input(format!("tokenizer: {error}"));
        let spaces = tokenizers::normalizers::replace::ReplacePattern::Regex(r"\s+".into());
        let normalizer = Sequence::new(vec![
            NFC.into(),
            Lowercase.into(),
            NormalizerWrapper::Replace(Replace::new(spaces, " ").map_err(failed)?),
            Strip::new(true, true).into(),
        ]);
        // A leading space makes the first word the same token as in mid-sentence.
        let bytes = ByteLevel::new(true, true, true);
        let mut inner = Tokenizer::new(BPE::default());
        inner.with_normalizer(Some(normalizer)).map_err(failed)?;
        inner.with_pre_tokenizer(Some(bytes)).with_decoder(Some(bytes));
        let special = [PAD, BOS, EOS, UNK].map(|text| AddedToken::from(text, true));
        let mut trainer: TrainerWrapper = BpeTrainer::builder()
            .vocab_size(config.vocab)
            .min_frequency(config.min_frequency)
            .initial_alphabet(ByteLevel::alphabet().into_iter().collect())
            .special_tokens(special.to_vec())
            .show_progress(false)
            .build()
            .into();
        inner.train(&mut trainer, captions.iter()).map_err(failed)?;
        Self::with_marks(inner, [PAD, BOS, EOS])
            .ok_or_else(|| LlmError::Input("tokenizer: its marks are missing".into()))
    }

    fn with_marks(inner: Tokenizer, [pad, bos, eos]: [&str; 3]) -> Option<Self> {
        let id = |text| inner.token_to_id(text);
        let marks = Marks { pad: id(pad)?, bos: id(bos)?, eos: id(eos)? };
        Some(Self::new(inner, marks))
    }

    fn new(mut inner: Tokenizer, marks: Marks) -> Self {
        inner.with_padding(None);
        // It fails for a stride that no truncation has.
        let _ = inner.with_truncation(None);
        // A caption that contains the letters "<eos>" has not ended.
        inner.set_encode_special_tokens(true);
        let mut special: Vec<u32> = inner
            .get_added_tokens_decoder()
            .iter()
            .filter(|(_, token)| token.special)
            .map(|(&id, _)| id)
            .chain([marks.pad, marks.bos, marks.eos])
            .collect();
        special.sort_unstable();
        special.dedup();
        Self { inner, marks, special }
    }

    /// Reads a `tokenizer.json`, of this crate or of a published model; `marks`
    /// are the ids that a published model's `config.json` gives.
    ///
    /// # Errors
    /// [`LlmError`] when the file is missing, is no tokenizer, or lacks the marks.
    pub fn load(path: &Path, marks: Option<Marks>) -> Result<Self, LlmError> {
        let bytes = std::fs::read(path).map_err(|error| LlmError::io(path, error))?;
        let inner = Tokenizer::from_bytes(&bytes).map_err(|error| {
            LlmError::file(path, format!("not a whole tokenizer file ({error}); make it again"))
        })?;
        match marks {
            Some(marks) => Self::with_known(inner, Some(marks), path),
            None => Self::with_marks(inner, [PAD, BOS, EOS]).ok_or_else(|| {
                LlmError::file(path, format!("the marks {PAD}, {BOS} and {EOS} are missing"))
            }),
        }
    }

    /// The tokenizer of a pretrained model: its `tokenizer.json`, else its SentencePiece
    /// `tokenizer.model`, or what is inside its GGUF file.
    ///
    /// # Errors
    /// [`LlmError`] when there is none or it is of a kind that is not read, when the marks are
    /// missing, or when it has more tokens than the model's table has rows.
    pub fn of_model(files: &ModelFiles) -> Result<Self, LlmError> {
        let (path, tokenizer) = Self::found(files)?;
        let (words, rows) = (tokenizer.largest_id() as i64 + 1, files.config().vocab);
        if words > rows {
            let problem = format!(
                "{words} tokens, but the model's table has {rows} rows; take the tokenizer that \
                 belongs to this model"
            );
            return Err(LlmError::file(&path, problem));
        }
        Ok(tokenizer)
    }

    fn found(files: &ModelFiles) -> Result<(PathBuf, Self), LlmError> {
        let path = files.path();
        if let Some(metadata) = &files.gguf {
            return Ok((path.into(), Self::of_gguf(metadata, path)?));
        }
        let marks = published_marks(&files.about);
        let (json, pieces) = (path.join(TOKENIZER), path.join(PIECES));
        if json.exists() || !pieces.exists() {
            let tokenizer = Self::load(&json, marks)?;
            return Ok((json, tokenizer));
        }
        let bytes = std::fs::read(&pieces).map_err(|error| LlmError::io(&pieces, error))?;
        let unusable = |problem: String| {
            LlmError::file(
                &pieces,
                format!("no SentencePiece model ({problem}); download it again"),
            )
        };
        let model = sentencepiece::Model::parse(&bytes).map_err(unusable)?;
        let inner = built(&model.pipeline().map_err(unusable)?).map_err(unusable)?;
        let usual = || ["<s>", "</s>"].map(|mark| inner.token_to_id(mark));
        let marks = marks.or_else(|| match usual() {
            [Some(bos), Some(eos)] => Some(Marks { pad: eos, bos, eos }),
            _ => None,
        });
        let tokenizer = Self::with_known(inner, marks, &pieces)?;
        Ok((pieces, tokenizer))
    }

    fn of_gguf(metadata: &GgufMetadata, path: &Path) -> Result<Self, LlmError> {
        let refuse = |problem: String| LlmError::file(path, problem);
        let inner = built(&gguf::pipeline(metadata).map_err(refuse)?).map_err(refuse)?;
        let id = |key: &str| {
            let value = metadata.get(&format!("tokenizer.ggml.{key}_token_id"))?;
            u32::try_from(value.as_u64()?).ok()
        };
        let marks = match (id("bos"), id("eos")) {
            (Some(bos), Some(eos)) => Some(Marks { pad: id("padding").unwrap_or(eos), bos, eos }),
            _ => None,
        };
        Self::with_known(inner, marks, path)
    }

    /// With marks that must be in the vocabulary.
    fn with_known(inner: Tokenizer, marks: Option<Marks>, path: &Path) -> Result<Self, LlmError> {
        let Some(marks) = marks else {
            return Err(LlmError::file(path, "nothing says which tokens begin and end a text"));
        };
        let known = |id| inner.id_to_token(id).is_some();
        if known(marks.pad) && known(marks.bos) && known(marks.eos) {
            return Ok(Self::new(inner, marks));
        }
        Err(LlmError::file(path, format!("{marks:?} are not all in this vocabulary")))
    }

    fn largest_id(&self) -> u32 {
        self.inner.get_vocab(true).into_values().max().unwrap_or(0)
    }

    /// Writes `tokenizer.json`, whole or not at all.
    ///
    /// # Errors
    /// [`LlmError`] when the disk refuses.
    pub fn save(&self, path: &Path) -> Result<(), LlmError> {
        atomic::write_bytes(path, self.to_json()?.as_bytes())
            .map_err(|error| LlmError::io(path, error))
    }

    fn to_json(&self) -> Result<String, LlmError> {
        self.inner
            .to_string(true)
            .map_err(|error| LlmError::Input(format!("tokenizer: cannot be written ({error})")))
    }

    /// Digest of everything in it.
    ///
    /// # Errors
    /// [`LlmError`] when it cannot be written as JSON.
    pub fn fingerprint(&self) -> Result<Fingerprint, LlmError> {
        Ok(Fingerprint::of_bytes(self.to_json()?.as_bytes()))
    }

    /// Number of tokens, marks included.
    pub fn vocab(&self) -> usize {
        self.inner.get_vocab_size(true)
    }

    /// Ids of the marks.
    pub fn marks(&self) -> Marks {
        self.marks
    }

    /// Ids that never stand for text, in order.
    pub fn special(&self) -> &[u32] {
        &self.special
    }

    /// The tokens of a caption, without marks.
    ///
    /// # Errors
    /// [`LlmError::Input`] when the tokenizer refuses the text.
    pub fn encode(&self, text: &str) -> Result<Vec<u32>, LlmError> {
        match self.inner.encode_fast(text, false) {
            Ok(encoding) => Ok(encoding.get_ids().to_vec()),
            Err(error) => Err(LlmError::Input(format!("cannot tokenize '{text}': {error}"))),
        }
    }

    /// The tokens of a text in which marks that are spelled out stand for themselves, as in
    /// chat templates.
    ///
    /// # Errors
    /// [`LlmError::Input`] when the tokenizer refuses the text.
    pub fn encode_with_marks(&self, text: &str) -> Result<Vec<u32>, LlmError> {
        self.encode_marked(text, false)
    }

    /// The tokens of a text that a model is to continue: marks that are spelled out stand for
    /// themselves, and the mark that begins a text is put before it where the model's own
    /// tokenizer does so.
    ///
    /// # Errors
    /// [`LlmError::Input`] when the tokenizer refuses the text.
    pub fn encode_prompt(&self, text: &str) -> Result<Vec<u32>, LlmError> {
        self.encode_marked(text, true)
    }

    fn encode_marked(&self, text: &str, begin: bool) -> Result<Vec<u32>, LlmError> {
        let mut inner = self.inner.clone();
        inner.set_encode_special_tokens(false);
        match inner.encode_fast(text, begin) {
            Ok(encoding) => Ok(encoding.get_ids().to_vec()),
            Err(error) => Err(LlmError::Input(format!("cannot tokenize '{text}': {error}"))),
        }
    }

    /// How the vocabulary spells a token.
    pub fn spelling(&self, id: u32) -> Option<String> {
        self.inner.id_to_token(id)
    }

    /// The text of tokens, without marks.
    ///
    /// # Errors
    /// [`LlmError::Input`] when the tokenizer refuses an id.
    pub fn decode(&self, ids: &[u32]) -> Result<String, LlmError> {
        Ok(self.decode_all(ids)?.trim().to_owned())
    }

    /// The same with the spaces at its ends.
    ///
    /// # Errors
    /// [`LlmError::Input`] when the tokenizer refuses an id.
    pub fn decode_all(&self, ids: &[u32]) -> Result<String, LlmError> {
        let text = self.inner.decode(ids, true);
        text.map_err(|error| LlmError::Input(format!("cannot decode {ids:?}: {error}")))
    }
}

/// The pipeline that a `tokenizer.json` describes.
fn built(json: &serde_json::Value) -> Result<Tokenizer, String> {
    let text = serde_json::to_vec(json).map_err(|error| error.to_string())?;
    Tokenizer::from_bytes(&text).map_err(|error| error.to_string())
}

/// The marks that a published `config.json` names. Models without a padding mark
/// pad with their end mark.
fn published_marks(file: &serde_json::Value) -> Option<Marks> {
    // Some models list several end marks; the first is the one of plain text.
    let id = |key: &str| {
        let value = &file[key];
        value.as_u64().or_else(|| value[0].as_u64()).and_then(|id| u32::try_from(id).ok())
    };
    let (bos, eos) = (id("bos_token_id")?, id("eos_token_id")?);
    Some(Marks { pad: id("pad_token_id").unwrap_or(eos), bos, eos })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn captions() -> Vec<String> {
        ["A dog barks loudly", "Rain falls, and a dog barks", "a man's voice: \"hello\""]
            .map(str::to_owned)
            .to_vec()
    }

    fn trained() -> CaptionTokenizer {
        let config = TokenizerConfig { vocab: 300, min_frequency: 2 };
        CaptionTokenizer::train(&captions(), &config).unwrap()
    }

    #[test]
    fn captions_come_back_lower_cased_and_frequent_words_are_one_token() {
        let tokenizer = trained();
        for caption in captions() {
            let ids = tokenizer.encode(&caption).unwrap();
            assert_eq!(tokenizer.decode(&ids).unwrap(), caption.to_lowercase());
        }
        assert_eq!(tokenizer.encode("Dog").unwrap().len(), 1);
        // First in a sentence or not, a word is the same token.
        assert_eq!(tokenizer.encode("dog dog").unwrap()[0], tokenizer.encode("dog").unwrap()[0]);
        assert_eq!(tokenizer.marks(), Marks { pad: 0, bos: 1, eos: 2 });
        assert_eq!(tokenizer.special(), [0, 1, 2, 3]);
    }

    #[test]
    fn marks_in_a_caption_are_text_and_marks_in_the_tokens_are_not() {
        let tokenizer = trained();
        let ids = tokenizer.encode("a <eos> dog").unwrap();
        assert!(!ids.contains(&tokenizer.marks().eos));
        assert_eq!(tokenizer.decode(&ids).unwrap(), "a <eos> dog");
        let dog = tokenizer.encode("dog").unwrap()[0];
        assert_eq!(tokenizer.decode(&[1, dog, 2, 0, 0]).unwrap(), "dog");
    }

    #[test]
    fn the_order_of_captions_does_not_matter_and_files_round_trip() {
        let tokenizer = trained();
        let mut reversed = captions();
        reversed.reverse();
        let config = TokenizerConfig { vocab: 300, min_frequency: 2 };
        let again = CaptionTokenizer::train(&reversed, &config).unwrap();
        assert_eq!(tokenizer.fingerprint().unwrap(), again.fingerprint().unwrap());

        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("tokenizer.json");
        tokenizer.save(&path).unwrap();
        let loaded = CaptionTokenizer::load(&path, None).unwrap();
        assert_eq!(loaded.fingerprint().unwrap(), tokenizer.fingerprint().unwrap());
        assert_eq!(loaded.encode("a <eos> dog").unwrap(), tokenizer.encode("a <eos> dog").unwrap());
        let other = Marks { pad: 0, bos: 1, eos: 5000 };
        assert!(CaptionTokenizer::load(&path, Some(other)).is_err());

        let whole = std::fs::read(&path).unwrap();
        std::fs::write(&path, &whole[..whole.len() / 2]).unwrap();
        let error = CaptionTokenizer::load(&path, None).unwrap_err().to_string();
        assert!(error.contains("tokenizer.json: not a whole tokenizer file"), "{error}");
    }

    #[test]
    fn unusable_settings_and_captions_are_refused() {
        let small = TokenizerConfig { vocab: 100, ..TokenizerConfig::default() };
        let error = CaptionTokenizer::train(&captions(), &small).unwrap_err().to_string();
        assert_eq!(error, "vocab = 100: must be at least 260");
        let blank = [" ".to_owned(), String::new()];
        assert!(CaptionTokenizer::train(&blank, &TokenizerConfig::default()).is_err());
    }

    proptest! {
        #[test]
        fn any_text_comes_back(text in "[a-zA-Z0-9 .,:;!?'\"<>äöüéß日本😀\\-]{0,60}") {
            let tokenizer = trained();
            let expected =
                text.to_lowercase().split_whitespace().collect::<Vec<_>>().join(" ");
            let ids = tokenizer.encode(&text).unwrap();
            prop_assert_eq!(tokenizer.decode(&ids).unwrap(), expected);
        }
    }
}
