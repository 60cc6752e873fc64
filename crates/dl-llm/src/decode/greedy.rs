//! Greedy search: of every caption nothing is kept but its tokens, and the model itself chooses
//! the next one, so that scores stay where it computes.

use super::{DecodeConfig, Forbidden, StepModel, Vocabulary, repeating_tokens};
use crate::LlmError;

/// The tokens of the caption of each item; `told` hears of each, by the number of its item.
pub(super) fn search(
    model: &mut impl StepModel,
    items: usize,
    words: &Vocabulary<'_>,
    config: &DecodeConfig,
    told: &mut dyn FnMut(usize, u32),
) -> Result<Vec<Vec<u32>>, LlmError> {
    let always: Vec<u32> =
        words.banned.iter().copied().filter(|&token| token != words.eos).collect();
    let mut captions: Vec<Vec<u32>> = vec![Vec::new(); items];
    // The items of the rows of the model's batch.
    let mut live: Vec<usize> = (0..items).collect();
    let (mut parents, mut tokens) = (live.clone(), vec![words.bos; items]);
    for _ in 0..config.max_tokens {
        if live.is_empty() {
            break;
        }
        let mut places = Vec::new();
        for (row, &item) in live.iter().enumerate() {
            let caption = &captions[item];
            let repeats = repeating_tokens(caption, config.no_repeat_ngram);
            let early = (caption.len() < config.min_tokens).then_some(words.eos);
            places.extend(repeats.into_iter().chain(early).map(|token| (row, token)));
        }
        let forbidden = Forbidden { always: &always, places: &places };
        let best = model.best(&parents, &tokens, &forbidden)?;
        parents.clear();
        tokens.clear();
        let mut going = Vec::with_capacity(live.len());
        for (row, (item, token)) in live.into_iter().zip(best).enumerate() {
            // Where every continuation is forbidden what is there has to do.
            if let Some(token) = token.filter(|&token| token != words.eos) {
                captions[item].push(token);
                told(item, token);
                parents.push(row);
                tokens.push(token);
                going.push(item);
            }
        }
        live = going;
    }
    Ok(captions)
}
