//! The decoder as the search sees it: what it has read so far is in the cache.

use dl_torch::convert;
use ndarray::Array2;
use tch::{IndexOp, Kind, Tensor};

use crate::{
    KvCache, Llama, LlmError, StepModel, captions::Before, llama::positions, lora::Adapters,
};

/// A decoder behind what stands before every caption of a batch.
pub(crate) struct Steps<'a> {
    llama: &'a Llama,
    adapters: Option<Vec<Adapters<'a>>>,
    cache: KvCache,
    padding: Option<Padding>,
}

/// Where the rows of a batch begin at different places.
struct Padding {
    /// Where something stands: bool, `[rows, cached]`.
    readable: Tensor,
    /// How many tokens stand there: `[rows, 1]`.
    lengths: Tensor,
}

impl<'a> Steps<'a> {
    /// Reads `before`, of which every row has the same length.
    pub(crate) fn new(
        llama: &'a Llama,
        adapters: Option<Vec<Adapters<'a>>>,
        before: Before,
    ) -> Result<Self, LlmError> {
        let mut cache = before.cache.unwrap_or_default();
        if let Some(embeds) = before.embeds {
            let places = positions(cache.len(), embeds.size()[1], llama.device());
            // Only what it leaves in the cache is wanted.
            let _ = llama.read(&embeds, &places, None, Some(&mut cache), adapters.as_deref())?;
        }
        Ok(Self { llama, adapters, cache, padding: None })
    }

    /// Reads prompts of any lengths, all but the last token of each: the first step reads
    /// that one.
    pub(crate) fn of_prompts(llama: &'a Llama, prompts: &[Vec<u32>]) -> Result<Self, LlmError> {
        let lead = |prompt: &Vec<u32>| prompt.len().saturating_sub(1);
        let longest = prompts.iter().map(lead).max().unwrap_or(0);
        let mut steps = Self { llama, adapters: None, cache: KvCache::default(), padding: None };
        if longest == 0 {
            return Ok(steps);
        }
        let (mut ids, mut places, mut readable) = (Vec::new(), Vec::new(), Vec::new());
        for prompt in prompts {
            // Padding stands before a prompt, so that all end at the same place.
            let empty = longest - lead(prompt);
            ids.extend(std::iter::repeat_n(0_i64, empty));
            ids.extend(prompt[..lead(prompt)].iter().copied().map(i64::from));
            places.extend(std::iter::repeat_n(0_i64, empty));
            places.extend(0..lead(prompt) as i64);
            readable.extend((0..longest).map(|place| place >= empty));
        }
        let shape = [prompts.len() as i64, longest as i64];
        let matrix =
            |values: &[i64]| Tensor::from_slice(values).view(shape).to_device(llama.device());
        let readable = Tensor::from_slice(&readable).view(shape).to_device(llama.device());
        let uneven = prompts.iter().any(|prompt| lead(prompt) != longest);
        let mask = uneven.then_some(&readable);
        let embeds = llama.embed(&matrix(&ids));
        let _ = llama.read(&embeds, &matrix(&places), mask, Some(&mut steps.cache), None)?;
        if uneven {
            let lengths = readable.sum_dim_intlist(1, true, Kind::Int64);
            steps.padding = Some(Padding { readable, lengths });
        }
        Ok(steps)
    }

    fn select(&mut self, rows: &Tensor) {
        self.cache.select(rows);
        if let Some(Padding { readable, lengths }) = &mut self.padding {
            *readable = readable.index_select(0, rows);
            *lengths = lengths.index_select(0, rows);
        }
    }
}

impl StepModel for Steps<'_> {
    fn step(&mut self, parents: &[usize], tokens: &[u32]) -> Result<Array2<f32>, LlmError> {
        let device = self.llama.device();
        let moved = parents.iter().enumerate().any(|(row, &parent)| row != parent);
        if parents.len() as i64 != self.cache.rows() || moved {
            self.select(&convert::indices(parents, device));
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
        let scores = self.llama.logits(&hidden.i((.., 0, ..))).log_softmax(-1, Kind::Float);
        Ok(convert::array2(&scores)?)
    }
}
