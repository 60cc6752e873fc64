//! Captions as resident tensors, and the batches and losses made of them.

use std::cmp::Reverse;

use dl_torch::convert;
use tch::{Device, IndexOp, Kind, Tensor};

use crate::{
    CaptionTokenizer, KvCache, Llama, LlmError, llama::positions, lora::Adapters, recompute,
};

/// Targets with this value count for nothing.
const IGNORED: i64 = -100;

/// Tokenized captions: inputs begin with the token that stands before every caption,
/// targets end with the end mark, both `[captions, longest]`.
pub(crate) struct Captions {
    tokens: Vec<Vec<u32>>,
    inputs: Tensor,
    targets: Tensor,
}

/// One batch, cut to its longest caption: `[batch, len]` each.
pub(crate) struct CaptionBatch {
    pub(crate) inputs: Tensor,
    targets: Tensor,
}

impl Captions {
    /// `start` stands before every caption. Longer captions than `max_tokens` lose their end, and their end mark with it.
    pub(crate) fn new(
        captions: &[String],
        tokenizer: &CaptionTokenizer,
        start: u32,
        max_tokens: usize,
        device: Device,
    ) -> Result<Self, LlmError> {
        let marks = tokenizer.marks();
        let mut tokens = Vec::with_capacity(captions.len());
        for (index, caption) in captions.iter().enumerate() {
            let ids = tokenizer.encode(caption)?;
            if ids.is_empty() {
                return Err(LlmError::Input(format!(
                    "caption {index} is empty; leave its clip out or write one"
                )));
            }
            tokens.push(ids);
        }
        let longest = tokens.iter().map(|ids| ids.len() + 1).max().unwrap_or(1).min(max_tokens);
        let (mut inputs, mut targets) = (Vec::new(), Vec::new());
        for ids in &tokens {
            let ids = || ids.iter().copied().map(i64::from);
            let begin = i64::from(start);
            let pad = std::iter::repeat(i64::from(marks.pad));
            inputs.extend(std::iter::once(begin).chain(ids()).chain(pad).take(longest));
            let end = std::iter::once(i64::from(marks.eos));
            let ignored = std::iter::repeat(IGNORED);
            targets.extend(ids().chain(end).chain(ignored).take(longest));
        }
        let matrix = |values: &[i64]| {
            Tensor::from_slice(values).view([tokens.len() as i64, longest as i64]).to_device(device)
        };
        // The end mark's own input is never needed, but harmless: it is ignored.
        Ok(Self { inputs: matrix(&inputs), targets: matrix(&targets), tokens })
    }

    pub(crate) fn len(&self) -> usize {
        self.tokens.len()
    }

    /// Every caption, in order.
    pub(crate) fn all(&self) -> Vec<usize> {
        (0..self.len()).collect()
    }

    /// Tokens of one caption that a model is asked for, the end mark included.
    pub(crate) fn length(&self, caption: usize) -> usize {
        (self.tokens[caption].len() + 1).min(self.inputs.size()[1] as usize)
    }

    /// The same captions, the longest first, those of one length in their order: what stands
    /// together is padded little, and what needs the most memory comes at once.
    pub(crate) fn by_length(&self, captions: &[usize]) -> Vec<usize> {
        let mut sorted = captions.to_vec();
        sorted.sort_by_key(|&caption| Reverse(self.length(caption)));
        sorted
    }

    /// The tokens of one caption, without marks.
    pub(crate) fn tokens(&self, caption: usize) -> &[u32] {
        &self.tokens[caption]
    }

    pub(crate) fn batch(&self, captions: &[usize]) -> CaptionBatch {
        let longest = captions.iter().map(|&caption| self.length(caption)).max();
        let length = longest.unwrap_or(1) as i64;
        let rows = convert::indices(captions, self.inputs.device());
        let select = |matrix: &Tensor| matrix.index_select(0, &rows).narrow(1, 0, length);
        CaptionBatch { inputs: select(&self.inputs), targets: select(&self.targets) }
    }
}

/// What stands before a caption and its start: first what is in the cache, then vectors.
#[derive(Default)]
pub(crate) struct Before {
    /// Keys and values of every block.
    pub(crate) cache: Option<KvCache>,
    /// Vectors that are read like token embeddings: `[batch, len, hidden]`.
    pub(crate) embeds: Option<Tensor>,
}

impl CaptionBatch {
    /// The summed cross-entropy of all tokens (nats), and their number; `adapters` as
    /// in [`Llama::read`].
    pub(crate) fn loss_sum(
        &self,
        llama: &Llama,
        adapters: Option<&[Adapters<'_>]>,
        before: Before,
        label_smoothing: f64,
    ) -> Result<(Tensor, i64), LlmError> {
        let Before { mut cache, embeds } = before;
        let (lead, all) = self.behind(embeds, llama);
        let past = cache.as_ref().map_or(0, KvCache::len);
        let places = positions(past, all.size()[1], self.inputs.device());
        let hidden = llama.read(&all, &places, None, cache.as_mut(), adapters)?;
        Ok(self.cross_entropy(llama, hidden, lead, label_smoothing))
    }

    /// The vectors that are read, `[batch, lead + len, hidden]`, and how many stand before the
    /// captions. Padding stands behind every caption and attention is causal: no token that
    /// counts can see it.
    fn behind(&self, embeds: Option<Tensor>, llama: &Llama) -> (i64, Tensor) {
        let tokens = llama.embed(&self.inputs);
        match embeds {
            Some(embeds) => (embeds.size()[1], Tensor::cat(&[embeds, tokens], 1)),
            None => (0, tokens),
        }
    }

    /// The summed cross-entropy of all tokens (nats), and their number, from the last hidden
    /// states.
    fn cross_entropy(
        &self,
        llama: &Llama,
        hidden: Tensor,
        lead: i64,
        label_smoothing: f64,
    ) -> (Tensor, i64) {
        let hidden = if lead > 0 { hidden.i((.., lead.., ..)) } else { hidden };
        let targets = self.targets.flatten(0, 1);
        let counted = targets.not_equal(IGNORED).nonzero().squeeze_dim(-1);
        let hidden = hidden.flatten(0, 1).index_select(0, &counted);
        let targets = targets.index_select(0, &counted);
        let sum = llama.logits(&hidden).to_kind(Kind::Float).cross_entropy_loss(
            &targets,
            None::<&Tensor>,
            tch::Reduction::Sum,
            IGNORED,
            label_smoothing,
        );
        (sum, targets.numel() as i64)
    }

    /// The summed cross-entropy of all tokens over `counted`, with its gradients already where
    /// they belong: see [`recompute::backward`].
    pub(crate) fn backward(
        &self,
        llama: &Llama,
        adapters: Option<&[Adapters<'_>]>,
        before: Before,
        label_smoothing: f64,
        counted: i64,
    ) -> Result<Tensor, LlmError> {
        let Before { cache, embeds } = before;
        let (lead, all) = self.behind(embeds, llama);
        recompute::backward(llama, all, cache, adapters, |hidden| {
            self.cross_entropy(llama, hidden, lead, label_smoothing).0 / counted as f64
        })
    }

    /// The mean cross-entropy per token (nats).
    pub(crate) fn loss(
        &self,
        llama: &Llama,
        adapters: Option<&[Adapters<'_>]>,
        before: Before,
        label_smoothing: f64,
    ) -> Result<Tensor, LlmError> {
        let (sum, tokens) = self.loss_sum(llama, adapters, before, label_smoothing)?;
        Ok(sum / tokens as f64)
    }
}

/// Mean loss per token over the captions `rows`, in batches; `before` makes what stands before
/// the captions of a batch.
pub(crate) fn mean_loss(
    captions: &Captions,
    rows: &[usize],
    llama: &Llama,
    adapters: Option<&[Adapters<'_>]>,
    batch: usize,
    mut before: impl FnMut(&[usize]) -> Result<Before, LlmError>,
) -> Result<f64, LlmError> {
    let (mut sum, mut counted) = (0.0, 0);
    for rows in rows.chunks(batch) {
        let (loss, tokens) = captions.batch(rows).loss_sum(llama, adapters, before(rows)?, 0.0)?;
        sum += loss.double_value(&[]);
        counted += tokens;
    }
    Ok(sum / counted.max(1) as f64)
}
