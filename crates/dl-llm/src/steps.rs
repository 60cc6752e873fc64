//! The decoder as the search sees it: what it has read so far is in the cache.

use dl_torch::{TorchError, convert};
use ndarray::Array2;
use tch::{IndexOp, Kind, Tensor};

use crate::{
    Forbidden, KvCache, Llama, LlmError, StepModel, captions::Before, llama::positions,
    lora::Adapters,
};

/// A decoder behind what stands before every caption of a batch.
pub(crate) struct Steps<'a> {
    llama: &'a Llama,
    adapters: Option<Vec<Adapters<'a>>>,
    cache: KvCache,
    /// Positions read before the first step, and the item of every row: rows of one item begin
    /// alike.
    begin: i64,
    items: Vec<usize>,
    padding: Option<Padding>,
    /// What the last token of every beginning left, `[rows, hidden]`, until the first step.
    begun: Option<Tensor>,
    /// The tokens that are never chosen, where the model computes.
    always: Option<Tensor>,
}

/// Where the rows of a batch begin at different places.
struct Padding {
    /// Where something stands: bool, `[rows, cached]`.
    readable: Tensor,
    /// How many tokens stand there: `[rows, 1]`.
    lengths: Tensor,
}

impl<'a> Steps<'a> {
    /// Reads `before`, of which all `rows` have the same length, and `start`, the token that
    /// stands before every caption.
    pub(crate) fn new(
        llama: &'a Llama,
        adapters: Option<Vec<Adapters<'a>>>,
        before: Before,
        (rows, start): (usize, u32),
    ) -> Result<Self, LlmError> {
        let mut cache = before.cache.unwrap_or_default();
        let device = llama.device();
        let start = Tensor::full([rows as i64, 1], i64::from(start), (Kind::Int64, device));
        let start = llama.embed(&start);
        let embeds = match before.embeds {
            Some(embeds) => Tensor::cat(&[embeds, start], 1),
            None => start,
        };
        let places = positions(cache.len(), embeds.size()[1], device);
        let hidden = llama.read(&embeds, &places, None, Some(&mut cache), adapters.as_deref())?;
        Ok(Self::begin(llama, adapters, cache, &hidden))
    }

    /// Reads prompts of any lengths, at least one token each.
    pub(crate) fn of_prompts(llama: &'a Llama, prompts: &[Vec<u32>]) -> Result<Self, LlmError> {
        let longest = prompts.iter().map(Vec::len).max().unwrap_or(0);
        let (mut ids, mut places, mut readable) = (Vec::new(), Vec::new(), Vec::new());
        for prompt in prompts {
            // Padding stands before a prompt, so that all end at the same place.
            let empty = longest - prompt.len();
            ids.extend(std::iter::repeat_n(0_i64, empty));
            ids.extend(prompt.iter().copied().map(i64::from));
            places.extend(std::iter::repeat_n(0_i64, empty));
            places.extend(0..prompt.len() as i64);
            readable.extend((0..longest).map(|place| place >= empty));
        }
        let shape = [prompts.len() as i64, longest as i64];
        let matrix =
            |values: &[i64]| Tensor::from_slice(values).view(shape).to_device(llama.device());
        let readable = Tensor::from_slice(&readable).view(shape).to_device(llama.device());
        let uneven = prompts.iter().any(|prompt| prompt.len() != longest);
        let mask = uneven.then_some(&readable);
        let (embeds, mut cache) = (llama.embed(&matrix(&ids)), KvCache::default());
        let hidden = llama.read(&embeds, &matrix(&places), mask, Some(&mut cache), None)?;
        let padding = uneven.then(|| {
            let lengths = readable.sum_dim_intlist(1, true, Kind::Int64);
            Padding { readable, lengths }
        });
        Ok(Self { padding, ..Self::begin(llama, None, cache, &hidden) })
    }

    /// Behind what `cache` holds, the last of which left `hidden`, `[rows, len, hidden]`.
    fn begin(
        llama: &'a Llama,
        adapters: Option<Vec<Adapters<'a>>>,
        cache: KvCache,
        hidden: &Tensor,
    ) -> Self {
        let (begin, items) = (cache.len(), (0..hidden.size()[0] as usize).collect());
        let begun = Some(hidden.i((.., -1, ..)));
        Self { llama, adapters, cache, begin, items, padding: None, begun, always: None }
    }

    /// Row i becomes the old row `parents[i]`.
    fn select(&mut self, parents: &[usize]) {
        let rows = &convert::indices(parents, self.llama.device());
        let items: Vec<usize> = parents.iter().map(|&parent| self.items[parent]).collect();
        if items == self.items {
            self.cache.select_behind(self.begin, rows);
        } else {
            self.cache.select(rows);
            self.items = items;
        }
        if let Some(Padding { readable, lengths }) = &mut self.padding {
            *readable = readable.index_select(0, rows);
            *lengths = lengths.index_select(0, rows);
        }
    }
}

impl Steps<'_> {
    /// What `tokens` leave behind the rows `parents`, `[rows, hidden]`. At the first step all
    /// is read already.
    fn read(&mut self, parents: &[usize], tokens: &[u32]) -> Result<Tensor, LlmError> {
        if let Some(begun) = self.begun.take() {
            return Ok(begun);
        }
        let device = self.llama.device();
        let moved = parents.iter().enumerate().any(|(row, &parent)| row != parent);
        if parents.len() != self.items.len() || moved {
            self.select(parents);
        }
        let ids: Vec<i64> = tokens.iter().copied().map(i64::from).collect();
        let ids = Tensor::from_slice(&ids).unsqueeze(1).to_device(device);
        let embeds = self.llama.embed(&ids);
        let (places, readable) = match &mut self.padding {
            None => (positions(self.cache.len(), 1, device), None),
            Some(Padding { readable, lengths }) => {
                let one = Tensor::ones([readable.size()[0], 1], (Kind::Bool, device));
                *readable = Tensor::cat(&[&*readable, &one], 1);
                let places = lengths.shallow_clone();
                *lengths = &*lengths + 1;
                (places, Some(&*readable))
            }
        };
        let (cache, adapters) = (Some(&mut self.cache), self.adapters.as_deref());
        let hidden = self.llama.read(&embeds, &places, readable, cache, adapters)?;
        Ok(hidden.i((.., 0, ..)))
    }

    /// Log-probabilities of the next token, `[rows, vocab]`, where the model computes.
    fn scores(&mut self, parents: &[usize], tokens: &[u32]) -> Result<Tensor, LlmError> {
        let hidden = self.read(parents, tokens)?;
        Ok(self.llama.logits(&hidden).log_softmax(-1, Kind::Float))
    }
}

impl StepModel for Steps<'_> {
    fn step(&mut self, parents: &[usize], tokens: &[u32]) -> Result<Array2<f32>, LlmError> {
        Ok(convert::array2(&self.scores(parents, tokens)?)?)
    }

    fn best(
        &mut self,
        parents: &[usize],
        tokens: &[u32],
        forbidden: &Forbidden<'_>,
    ) -> Result<Vec<Option<u32>>, LlmError> {
        let scores = self.scores(parents, tokens)?;
        best_on_device(&scores, forbidden, &mut self.always)
    }
}

/// The best token of each row of log-probabilities, `[rows, vocab]`, which are written over at
/// forbidden places; `always` keeps those of any row between calls.
fn best_on_device(
    scores: &Tensor,
    forbidden: &Forbidden<'_>,
    always: &mut Option<Tensor>,
) -> Result<Vec<Option<u32>>, LlmError> {
    let (device, vocab) = (scores.device(), scores.size()[1]);
    let forbid = |scores: &Tensor, dim, places: &Tensor| {
        let _ = scores.shallow_clone().index_fill_(dim, places, f64::NEG_INFINITY);
    };
    if !forbidden.always.is_empty() {
        let list = || -> Vec<i64> { forbidden.always.iter().copied().map(i64::from).collect() };
        let always = always.get_or_insert_with(|| Tensor::from_slice(&list()).to_device(device));
        forbid(scores, 1, always);
    }
    if !forbidden.places.is_empty() {
        let flat = |&(row, token): &(usize, u32)| row as i64 * vocab + i64::from(token);
        let flat: Vec<i64> = forbidden.places.iter().map(flat).collect();
        forbid(&scores.view([-1]), 0, &Tensor::from_slice(&flat).to_device(device));
    }
    // Of equal values this takes the first. A row with NaN in it has nothing else.
    let (values, indices) = scores.max_dim(-1, false);
    let none = values.gt(f64::NEG_INFINITY).logical_not();
    let found = Vec::<i64>::try_from(&indices.masked_fill(&none, -1)).map_err(TorchError::from)?;
    Ok(found.into_iter().map(|token| u32::try_from(token).ok()).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Scores that are given.
    struct Given(Array2<f32>);

    impl StepModel for Given {
        fn step(&mut self, _: &[usize], _: &[u32]) -> Result<Array2<f32>, LlmError> {
            Ok(self.0.clone())
        }
    }

    #[test]
    fn the_device_chooses_as_the_search_does() {
        let (low, nan) = (f32::NEG_INFINITY, f32::NAN);
        let scores = ndarray::array![
            [-3.0, -1.0, -2.0, -1.0, -1.0],
            [-1.0, -1.0, -3.0, -2.0, -2.0],
            [-1.0, low, low, low, low],
            [nan, nan, nan, nan, nan],
            [-1.0, -4.0, -2.0, -3.0, -5.0],
        ];
        let none = Forbidden { always: &[], places: &[] };
        let first = Forbidden { always: &[0], places: &[] };
        let more = Forbidden { places: &[(0, 1), (0, 3), (4, 2)], ..first };
        for (forbidden, expected) in [
            (none, [Some(1), Some(0), Some(0), None, Some(0)]),
            (first, [Some(1), Some(1), None, None, Some(2)]),
            (more, [Some(4), Some(1), None, None, Some(3)]),
        ] {
            let tensor = Tensor::try_from(&scores).unwrap();
            let device = best_on_device(&tensor, &forbidden, &mut None).unwrap();
            assert_eq!(device, expected);
            let search = Given(scores.clone()).best(&[0; 5], &[0; 5], &forbidden).unwrap();
            assert_eq!(search, expected);
        }
    }
}
