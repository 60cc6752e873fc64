//! From captions to token tensors, for every text tower: the tokenizer of the
//! model's directory with our own truncation and padding, equal texts embedded
//! once, and texts of like length in one batch.

use std::{collections::HashMap, path::Path};

use dl_core::text;
use dl_torch::{TorchError, convert};
use ndarray::{Array2, Axis};
use tch::{Device, Kind, Tensor};
use tokenizers::{
    AddedToken, Encoding, PostProcessor, Tokenizer, TokenizerBuilder, TruncationParams,
    decoders::byte_level::ByteLevel,
    models::{
        bpe::{BPE, BpeTrainerBuilder},
        wordpiece::WordPiece,
    },
    normalizers::{BertNormalizer, Lowercase, NormalizerWrapper, Sequence},
    pre_tokenizers::bert::BertPreTokenizer,
    processors::{bert::BertProcessing, roberta::RobertaProcessing},
};

use crate::{
    EncoderError,
    error::{bad, check},
};

/// Texts as token ids, padded at the end to the longest.
pub struct TokenBatch {
    /// i64 `[texts, tokens]`.
    pub ids: Tensor,
    /// bool `[texts, tokens]`: false at padding.
    pub mask: Tensor,
    /// i64 `[texts, 1]`: real tokens of each text.
    pub lengths: Tensor,
}

impl TokenBatch {
    /// One row for each text; `pad` fills the rest of a row.
    pub fn new(texts: &[&[i64]], pad: i64, device: Device) -> Self {
        let longest = texts.iter().map(|tokens| tokens.len()).max().unwrap_or(0);
        let mut ids = vec![pad; texts.len() * longest];
        for (row, tokens) in texts.iter().enumerate() {
            ids[row * longest..][..tokens.len()].copy_from_slice(tokens);
        }
        let shape = [texts.len() as i64, longest as i64];
        let ids = Tensor::from_slice(&ids).view(shape).to_device(device);
        let lengths: Vec<i64> = texts.iter().map(|tokens| tokens.len() as i64).collect();
        let lengths = Tensor::from_slice(&lengths).to_device(device).unsqueeze(1);
        let mask = Tensor::arange(longest as i64, (Kind::Int64, device)).lt_tensor(&lengths);
        Self { ids, mask, lengths }
    }
}

fn failed(error: tokenizers::Error) -> EncoderError {
    EncoderError::Torch(TorchError::Torch(format!("tokenizer: {error}")))
}

/// A model's tokenizer.
pub struct TextTokenizer {
    tokenizer: Tokenizer,
    pad: i64,
}

impl TextTokenizer {
    /// Reads a `tokenizer.json`. Its own padding and truncation are replaced:
    /// texts are cut to `max_tokens` with the special ones, and `pad` fills rows.
    ///
    /// # Errors
    /// [`EncoderError`] naming the file when it is missing or not whole.
    pub fn read(path: &Path, max_tokens: usize, pad: i64) -> Result<Self, EncoderError> {
        let text = text::read(path)?;
        Self::parse(text.as_bytes(), max_tokens, pad).map_err(|error| {
            bad(path, format!("not a whole tokenizer.json ({error}); download it again"))
        })
    }

    /// BERT's WordPiece tokenizer from a `vocab.txt`, one token a line (Devlin et al.,
    /// 2019; the defaults of Hugging Face's `BertTokenizer`). Texts are cut to
    /// `max_tokens` with the special ones.
    ///
    /// # Errors
    /// [`EncoderError`] naming the file when it is missing, no text, or without one of
    /// the tokens `[PAD]`, `[UNK]`, `[CLS]` and `[SEP]`.
    pub fn read_words(
        path: &Path,
        normalizer: BertNormalizer,
        max_tokens: usize,
    ) -> Result<Self, EncoderError> {
        let text = text::read(path)?;
        let fault = |error| bad(path, format!("not a list of tokens ({error}); copy it again"));
        let words = WordPiece::read_bytes(text.as_bytes()).map_err(fault)?;
        let special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]"].map(|token| (token, words.get(token)));
        if let Some((token, _)) = special.iter().find(|(_, id)| id.is_none()) {
            return Err(bad(
                path,
                format!("has no line {token}; give the vocab.txt of a BERT model"),
            ));
        }
        let [_, _, cls, sep] =
            special.map(|(token, id)| (token.to_owned(), id.copied().unwrap_or_default()));
        // As in `BertTokenizer`, these are found in a text before it is split.
        let whole = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
            .into_iter()
            .filter(|token| words.contains_key(*token))
            .map(|token| AddedToken::from(token, true));
        let whole: Vec<AddedToken> = whole.collect();
        let build = || -> Result<Self, tokenizers::Error> {
            let mut tokenizer = Tokenizer::new(WordPiece::builder().vocab(words).build()?);
            tokenizer
                .with_normalizer(Some(normalizer))?
                .with_pre_tokenizer(Some(BertPreTokenizer))
                .with_post_processor(Some(BertProcessing::new(sep, cls)));
            tokenizer.add_special_tokens(whole)?;
            Self::cut(tokenizer, max_tokens, 0)
        };
        build().map_err(fault)
    }

    /// The same tokenizer on texts in lower case.
    ///
    /// # Errors
    /// [`EncoderError::Torch`] when the tokenizer cannot be changed.
    pub fn lowercase(mut self) -> Result<Self, EncoderError> {
        let before = self.tokenizer.get_normalizer().cloned();
        let all = [Some(Lowercase.into()), before].into_iter().flatten().collect();
        self.tokenizer.with_normalizer(Some(Sequence::new(all))).map_err(failed)?;
        Ok(self)
    }

    /// As [`TextTokenizer::read`], from what [`TextTokenizer::learn`] gave.
    ///
    /// # Errors
    /// [`EncoderError::Torch`] when it is something else.
    pub fn from_json(json: &str, max_tokens: usize, pad: i64) -> Result<Self, EncoderError> {
        Self::parse(json.as_bytes(), max_tokens, pad).map_err(failed)
    }

    fn parse(bytes: &[u8], max_tokens: usize, pad: i64) -> Result<Self, tokenizers::Error> {
        Self::cut(Tokenizer::from_bytes(bytes)?, max_tokens, pad)
    }

    fn cut(
        mut tokenizer: Tokenizer,
        max_tokens: usize,
        pad: i64,
    ) -> Result<Self, tokenizers::Error> {
        let marks = tokenizer.get_post_processor().map_or(0, |marks| marks.added_tokens(false));
        if marks >= max_tokens {
            let problem = "special tokens around every text leave no room: the model takes";
            return Err(format!("{marks} {problem} {max_tokens} tokens").into());
        }
        let truncation = TruncationParams { max_length: max_tokens, ..Default::default() };
        tokenizer.with_padding(None).with_truncation(Some(truncation))?;
        Ok(Self { tokenizer, pad })
    }

    /// Learns a byte-level BPE of at most `vocabulary` tokens from `texts`, with
    /// RoBERTa's special tokens (`<s>` 0, `<pad>` 1, `</s>` 2, `<unk>` 3), and
    /// gives it as the text of a `tokenizer.json`. The same texts give the same file.
    ///
    /// # Errors
    /// [`EncoderError::Config`] when the vocabulary is too small.
    pub fn learn(texts: &[String], vocabulary: usize) -> Result<String, EncoderError> {
        // 256 bytes and four special tokens.
        check(vocabulary >= 260, "vocabulary", vocabulary, "at least 260")?;
        let special = |text: &str| AddedToken::from(text, true);
        let mut trainer = BpeTrainerBuilder::new()
            .show_progress(false)
            .vocab_size(vocabulary)
            .initial_alphabet(ByteLevel::alphabet().into_iter().collect())
            .special_tokens(["<s>", "<pad>", "</s>", "<unk>"].map(special).into())
            .build();
        let bytes = ByteLevel::default().add_prefix_space(false);
        let ends = RobertaProcessing::new(("</s>".into(), 2), ("<s>".into(), 0));
        let mut tokenizer = TokenizerBuilder::new()
            .with_model(BPE::builder().unk_token("<unk>".into()).build().map_err(failed)?)
            .with_normalizer(None::<NormalizerWrapper>)
            .with_pre_tokenizer(Some(bytes))
            .with_post_processor(Some(ends.add_prefix_space(false)))
            .with_decoder(Some(bytes))
            .build()
            .map_err(failed)?;
        tokenizer.train(&mut trainer, texts.iter().map(String::as_str)).map_err(failed)?;
        tokenizer.to_string(false).map_err(failed)
    }

    /// Tokens in the vocabulary, added ones included.
    pub fn vocabulary(&self) -> usize {
        self.tokenizer.get_vocab_size(true)
    }

    /// The tokens of one text, special ones included.
    ///
    /// # Errors
    /// [`EncoderError::Item`] with `index` for a text that cannot be tokenised.
    pub fn tokens(&self, index: usize, text: &str) -> Result<Vec<i64>, EncoderError> {
        Ok(self.encode(index, text)?.get_ids().iter().map(|&id| i64::from(id)).collect())
    }

    /// Which of `texts` have more tokens than fit: their ends are cut off.
    ///
    /// # Errors
    /// [`EncoderError::Item`] for a text that cannot be tokenised.
    pub fn cut_texts(&self, texts: &[String]) -> Result<Vec<usize>, EncoderError> {
        let mut cut = Vec::new();
        for (index, text) in texts.iter().enumerate() {
            if !self.encode(index, text)?.get_overflowing().is_empty() {
                cut.push(index);
            }
        }
        Ok(cut)
    }

    fn encode(&self, index: usize, text: &str) -> Result<Encoding, EncoderError> {
        self.tokenizer.encode_fast(text, true).map_err(|error| EncoderError::Item {
            index,
            problem: format!("cannot be tokenised ({error})"),
        })
    }

    /// A padded batch of texts as tokens.
    pub fn batch(&self, texts: &[&[i64]], device: Device) -> TokenBatch {
        TokenBatch::new(texts, self.pad, device)
    }

    /// Embeds `texts` with `forward` (`[texts, dim]` for each batch of at most
    /// `batch`), in order. Equal texts are embedded once, so their rows agree to
    /// the last bit.
    ///
    /// # Errors
    /// As [`TextTokenizer::tokens`], and those of `forward`.
    pub fn embed(
        &self,
        texts: &[String],
        batch: usize,
        dim: usize,
        device: Device,
        forward: impl Fn(&TokenBatch) -> Result<Tensor, EncoderError>,
    ) -> Result<Array2<f32>, EncoderError> {
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
        let mut embedded = Array2::zeros((unique.len(), dim));
        for batch in order.chunks(batch) {
            let tokens: Vec<&[i64]> = batch.iter().map(|&row| unique[row].as_slice()).collect();
            let batch_tokens = self.batch(&tokens, device);
            let output = convert::array2(&tch::no_grad(|| forward(&batch_tokens))?)?;
            for (&row, values) in batch.iter().zip(output.rows()) {
                embedded.row_mut(row).assign(&values);
            }
        }
        let wanted: Vec<usize> = texts.iter().map(|text| rows[text.as_str()]).collect();
        Ok(embedded.select(Axis(0), &wanted))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_padded_to_the_longest() {
        let batch = TokenBatch::new(&[&[5, 6, 7], &[8]], 1, Device::Cpu);
        let ids: Vec<i64> = Vec::try_from(batch.ids.flatten(0, -1)).unwrap();
        assert_eq!(ids, [5, 6, 7, 8, 1, 1]);
        let mask: Vec<bool> = Vec::try_from(batch.mask.flatten(0, -1)).unwrap();
        assert_eq!(mask, [true, true, true, true, false, false]);
        assert_eq!(batch.lengths.size(), [2, 1]);
    }
}
