//! Texts continued by a language model: to try one before tuning it.

use crate::{DecodeConfig, LanguageModel, LlmError, Vocabulary, decode, steps::Steps};

impl LanguageModel {
    /// Continues each of `prompts`; marks that are spelled out in them stand for themselves.
    /// Returns what follows, without the prompts. `told` gets each new part of the text of a
    /// prompt, by its number, as soon as it is certain (of greedy search and sampling).
    ///
    /// # Errors
    /// [`LlmError`] for a bad configuration, an empty prompt, or one that leaves no room.
    pub fn complete(
        &self,
        prompts: &[String],
        config: &DecodeConfig,
        told: &mut dyn FnMut(usize, &str),
    ) -> Result<Vec<String>, LlmError> {
        config.validate()?;
        let tokenizer = self.tokenizer();
        let (marks, banned) = (tokenizer.marks(), tokenizer.special());
        let mut starts = Vec::with_capacity(prompts.len());
        for (number, prompt) in prompts.iter().enumerate() {
            let tokens = tokenizer.encode_prompt(prompt)?;
            if tokens.is_empty() {
                return Err(LlmError::Input(format!("prompt {number} is empty")));
            }
            self.llama().check_length((tokens.len() + config.max_tokens) as i64)?;
            starts.push(tokens);
        }
        let mut texts = Vec::with_capacity(prompts.len());
        for starts in starts.chunks(config.batch) {
            let first = texts.len();
            let mut heard = vec![Heard::default(); starts.len()];
            let mut hear = |row: usize, token: u32| {
                if token != marks.eos
                    && let Some(part) =
                        heard[row].part(token, |tokens| tokenizer.decode_all(tokens))
                {
                    told(first + row, &part);
                }
            };
            let found = tch::no_grad(|| {
                let mut steps = Steps::of_prompts(self.llama(), starts)?;
                let vocabulary = Vocabulary { bos: 0, eos: marks.eos, banned };
                let items = starts.len();
                decode::search_from(&mut steps, first, items, &vocabulary, config, &mut hear)
            })?;
            for tokens in found {
                texts.push(tokenizer.decode_all(&tokens)?);
            }
        }
        Ok(texts)
    }
}

/// What has been told of one text.
#[derive(Clone, Default)]
struct Heard {
    tokens: Vec<u32>,
    told: usize,
}

impl Heard {
    /// The part that `token` makes certain: half a letter is not.
    fn part(
        &mut self,
        token: u32,
        decode: impl Fn(&[u32]) -> Result<String, LlmError>,
    ) -> Option<String> {
        self.tokens.push(token);
        let text = decode(&self.tokens).ok()?;
        let part = text.get(self.told..)?.to_owned();
        if part.is_empty() || part.ends_with(char::REPLACEMENT_CHARACTER) {
            return None;
        }
        self.told = text.len();
        Some(part)
    }
}
