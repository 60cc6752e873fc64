//! The states that a BERT or RoBERTa gives the tokens of a text, for BERTScore (Zhang et al.,
//! ICLR 2020): of a layer of the user's choice, without the special tokens at the ends.

use std::{
    collections::HashMap,
    path::{Path, PathBuf},
};

use dl_core::{Fingerprint, fault::check};
use dl_torch::{
    convert,
    weights::{WeightFiles, WeightMap, unwrapped},
};
use ndarray::{Array2, s};
use tch::Device;

use crate::{
    EncoderError,
    bert::{BertDirectory, name_of},
    error::fingerprint,
    text::TextTokenizer,
    transformer::Transformer,
};

/// Texts in one pass.
const BATCH: usize = 64;

/// The model with its tokenizer.
pub struct TokenStates {
    name: String,
    device: Device,
    layer: usize,
    max_tokens: usize,
    tokenizer: TextTokenizer,
    transformer: Transformer,
    fingerprint: Fingerprint,
}

impl TokenStates {
    /// Reads a directory laid out by Hugging Face, of a BERT (bert-base-uncased) or a RoBERTa
    /// (roberta-large), with or without the head that it was trained with: `config.json`;
    /// `model.safetensors` or else `pytorch_model.bin`, whole or in parts; `tokenizer.json`,
    /// or for a BERT else `vocab.txt`. `layer` counts from 1; the last where none is said.
    ///
    /// # Errors
    /// [`EncoderError`] for a layer that the model has not, and for a file that is missing,
    /// cut short, or of another model.
    pub fn load(
        directory: &Path,
        layer: Option<usize>,
        device: Device,
    ) -> Result<Self, EncoderError> {
        let bert = BertDirectory::read_any(directory)?;
        let layers = usize::try_from(bert.settings.num_hidden_layers).unwrap_or(0);
        let layer = layer.unwrap_or(layers);
        check((1..=layers).contains(&layer), "layer", layer, format!("1 to {layers}"))?;
        let max_tokens = bert.settings.max_tokens();
        let files = bert.tokenizer_files()?;
        let tokenizer = bert.tokenizer(&files, max_tokens)?;
        let found = WeightFiles::find(directory)?;
        let mut weights = WeightMap::new(found.head(), unwrapped(found.read()?), device);
        for family in ["bert.", "roberta."] {
            weights.strip_prefix(family);
        }
        // Buffers, and what a model was trained with: the heads of masked words and of the
        // next sentence.
        for head in ["embeddings.position_ids", "pooler.", "cls.", "lm_head."] {
            weights.ignore(head);
        }
        let mut transformer = Transformer::new(&mut weights, "", &bert.settings, device)?;
        weights.finish()?;
        transformer.truncate(layer);
        let settings = bert.settings_path();
        let head = Fingerprint::of(&("token states", 1, layer));
        let read = std::iter::once(settings.as_path()).chain(files.iter().map(PathBuf::as_path));
        let fingerprint = fingerprint(Some(head), read.chain(found.all()))?;
        let name = name_of(directory);
        Ok(Self { name, device, layer, max_tokens, tokenizer, transformer, fingerprint })
    }

    /// What the model is called: the last part of its directory's path.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Which layer's states are given, from 1.
    pub fn layer(&self) -> usize {
        self.layer
    }

    /// Longest text in tokens, with the two special ones; the rest is cut off.
    pub fn max_tokens(&self) -> usize {
        self.max_tokens
    }

    /// Digest of the model's files and the layer.
    pub fn fingerprint(&self) -> &Fingerprint {
        &self.fingerprint
    }

    /// Which of `texts` have more tokens than [`TokenStates::max_tokens`].
    ///
    /// # Errors
    /// [`EncoderError::Item`] for a text that the tokenizer refuses.
    pub fn cut_texts(&self, texts: &[String]) -> Result<Vec<usize>, EncoderError> {
        self.tokenizer.cut_texts(texts)
    }

    /// The states `[tokens, dim]` of each text's tokens without the first and the last, which
    /// are special, in the order of `texts`. Equal texts have equal states.
    ///
    /// # Errors
    /// [`EncoderError::Item`] for a text that the tokenizer refuses.
    pub fn embed(&self, texts: &[String]) -> Result<Vec<Array2<f32>>, EncoderError> {
        let mut rows: HashMap<&str, usize> = HashMap::new();
        let mut tokens: Vec<Vec<i64>> = Vec::new();
        for (index, text) in texts.iter().enumerate() {
            if !rows.contains_key(text.as_str()) {
                rows.insert(text, tokens.len());
                tokens.push(self.tokenizer.tokens(index, text)?);
            }
        }
        // Texts of like length share a batch, so that little of it is padding.
        let mut order: Vec<usize> = (0..tokens.len()).collect();
        order.sort_by_key(|&row| tokens[row].len());
        let mut states = vec![Array2::zeros((0, 0)); tokens.len()];
        for batch in order.chunks(BATCH) {
            let own: Vec<&[i64]> = batch.iter().map(|&row| tokens[row].as_slice()).collect();
            let padded = self.tokenizer.batch(&own, self.device);
            let output = tch::no_grad(|| self.transformer.forward(&padded.ids, &padded.mask));
            for (place, &row) in batch.iter().enumerate() {
                let all = convert::array2(&output.get(place as i64))?;
                let end = tokens[row].len().saturating_sub(1).max(1);
                states[row] = all.slice(s![1..end, ..]).to_owned();
            }
        }
        Ok(texts.iter().map(|text| states[rows[text.as_str()]].clone()).collect())
    }
}
