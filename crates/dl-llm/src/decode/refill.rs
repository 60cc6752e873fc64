//! Beam search in which a finished hypothesis leaves its place to another, as the
//! transformers library does it (`generation/utils.py`, version 5.23): of twice as many
//! candidates as there are beams, those that do not end go on; those among the best that end
//! are kept, as many as there are beams, by log-probability / tokens^penalty.

use ndarray::Array2;

use super::{BeamRule, DecodeConfig, Hypothesis, StepModel, Vocabulary, best_tokens, descending};
use crate::LlmError;

struct Item {
    live: Vec<Hypothesis>,
    /// Score and tokens, best first.
    finished: Vec<(f64, Vec<u32>)>,
    open: bool,
}

pub(super) fn search(
    model: &mut impl StepModel,
    items: usize,
    words: &Vocabulary<'_>,
    config: &DecodeConfig,
) -> Result<Vec<Vec<u32>>, LlmError> {
    let start = |row| Hypothesis { tokens: Vec::new(), log_probability: 0.0, row };
    let mut states: Vec<Item> = (0..items)
        .map(|row| Item { live: vec![start(row)], finished: Vec::new(), open: true })
        .collect();
    let (mut parents, mut tokens): (Vec<usize>, _) = ((0..items).collect(), vec![words.bos; items]);
    for length in 1..=config.max_tokens {
        if parents.is_empty() {
            break;
        }
        let scores = model.step(&parents, &tokens)?;
        parents.clear();
        tokens.clear();
        for item in states.iter_mut().filter(|item| item.open) {
            item.advance(&scores, words, config, length);
            for hypothesis in &mut item.live {
                parents.push(hypothesis.row);
                tokens.extend(hypothesis.tokens.last());
                hypothesis.row = parents.len() - 1;
            }
        }
    }
    let best = |item: Item| item.finished.into_iter().next().map(|(_, tokens)| tokens);
    let without_mark = |mut tokens: Vec<u32>| {
        tokens.pop_if(|last| *last == words.eos);
        tokens
    };
    Ok(states.into_iter().map(|item| without_mark(best(item).unwrap_or_default())).collect())
}

impl Item {
    fn advance(
        &mut self,
        scores: &Array2<f32>,
        words: &Vocabulary<'_>,
        config: &DecodeConfig,
        length: usize,
    ) {
        let count = 2 * config.beams;
        let mut candidates: Vec<(f64, usize, u32)> = Vec::new();
        for (parent, hypothesis) in self.live.iter().enumerate() {
            let row = scores.row(hypothesis.row);
            let best = best_tokens(row, &hypothesis.tokens, words, config, count);
            let sum = |score: f32| hypothesis.log_probability + f64::from(score);
            candidates.extend(best.into_iter().map(|(token, score)| (sum(score), parent, token)));
        }
        candidates.sort_by(|a, b| descending(a.0, b.0).then((a.1, a.2).cmp(&(b.1, b.2))));
        candidates.truncate(count);
        let live = std::mem::take(&mut self.live);
        let last = length == config.max_tokens;
        for (place, (log_probability, parent, token)) in candidates.into_iter().enumerate() {
            let ends = last || token == words.eos;
            if ends && place >= config.beams || !ends && self.live.len() == config.beams {
                continue;
            }
            let parent = &live[parent];
            let mut tokens = parent.tokens.clone();
            tokens.push(token);
            if ends {
                let score = log_probability / (length as f64).powf(config.length_penalty);
                self.finished.push((score, tokens));
            } else {
                self.live.push(Hypothesis { tokens, log_probability, row: parent.row });
            }
        }
        self.finished.sort_by(|a, b| descending(a.0, b.0));
        self.finished.truncate(config.beams);
        if self.live.is_empty() && self.finished.is_empty() {
            // Every continuation is forbidden: what is there has to do.
            let kept = live.into_iter().map(|hypothesis| {
                let length = hypothesis.tokens.len().max(1) as f64;
                let score = hypothesis.log_probability / length.powf(config.length_penalty);
                (score, hypothesis.tokens)
            });
            self.finished = kept.collect();
            self.finished.sort_by(|a, b| descending(a.0, b.0));
        }
        self.open = self.promises(config, length);
        if !self.open {
            self.live.clear();
        }
    }

    /// Whether going on can change the result.
    fn promises(&self, config: &DecodeConfig, length: usize) -> bool {
        let Some(best) = self.live.first() else { return false };
        if self.finished.len() < config.beams {
            return true;
        }
        if config.beam_rule == BeamRule::RefillEarly {
            return false;
        }
        let longest = config.beam_rule == BeamRule::RefillNever && config.length_penalty > 0.0;
        let length = if longest { config.max_tokens } else { length };
        let possible = best.log_probability / (length as f64).powf(config.length_penalty);
        self.finished.last().is_none_or(|(worst, _)| possible > *worst)
    }
}
