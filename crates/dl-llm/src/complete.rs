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
                let mut steps = Starts::new(Steps::of_prompts(self.llama(), starts)?, starts);
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

/// A decoder behind prompts, whose first step reads the last token of each.
struct Starts<'a> {
    steps: Steps<'a>,
    last: Option<Vec<u32>>,
}

impl<'a> Starts<'a> {
    fn new(steps: Steps<'a>, prompts: &[Vec<u32>]) -> Self {
        let last = prompts.iter().filter_map(|prompt| prompt.last().copied()).collect();
        Self { steps, last: Some(last) }
    }
}

impl crate::StepModel for Starts<'_> {
    fn step(
        &mut self,
        parents: &[usize],
        tokens: &[u32],
    ) -> Result<ndarray::Array2<f32>, LlmError> {
        match self.last.take() {
            Some(last) => self.steps.step(parents, &last),
            None => self.steps.step(parents, tokens),
        }
    }
}
