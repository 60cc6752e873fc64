//! A decoder of the Llama architecture (Touvron et al., 2023, section 2.2): RMS
//! normalisation before each half of a block, rotary positions, grouped-query
//! attention, SwiGLU. Parameters carry the names of published weight files, so
//! that those load as they are.

use std::collections::BTreeMap;

use dl_torch::{
    Path, TorchError,
    layers::{Embedding, Linear, RmsNorm},
    weights::Source,
};
use tch::{Device, Kind, Tensor};

use crate::{
    KvCache, LlamaConfig, LlmError, Lora, ModelFiles, WeightKind,
    attention::{Attention, attention_mask, linear},
    lora::{Adapters, LoraTarget, project},
    rope::{Angles, Rotary},
};

/// Standard deviation of initial weights, as in published Llama configurations.
const INIT: f64 = 0.02;

#[derive(Debug)]
struct Block {
    input_norm: RmsNorm,
    attention: Attention,
    output_norm: RmsNorm,
    gate: Linear,
    up: Linear,
    down: Linear,
}

impl Block {
    fn take(source: &mut dyn Source, path: &str, config: &LlamaConfig) -> Self {
        let LlamaConfig { hidden, norm_eps, .. } = *config;
        let input_norm = format!("{path}.input_layernorm");
        let output_norm = format!("{path}.post_attention_layernorm");
        let mut projection = |target: LoraTarget| {
            let name = format!("{path}.mlp.{}", target.name());
            linear(source, &name, target.shape(config), config.mlp_bias)
        };
        let (gate, up) = (projection(LoraTarget::Gate), projection(LoraTarget::Up));
        let down = projection(LoraTarget::Down);
        Self {
            input_norm: RmsNorm::take(source, &input_norm, hidden, norm_eps),
            attention: Attention::take(source, &format!("{path}.self_attn"), config),
            output_norm: RmsNorm::take(source, &output_norm, hidden, norm_eps),
            gate,
            up,
            down,
        }
    }

    fn projection(&self, target: LoraTarget) -> &Linear {
        match target {
            LoraTarget::Query => &self.attention.query,
            LoraTarget::Key => &self.attention.key,
            LoraTarget::Value => &self.attention.value,
            LoraTarget::Output => &self.attention.output,
            LoraTarget::Gate => &self.gate,
            LoraTarget::Up => &self.up,
            LoraTarget::Down => &self.down,
        }
    }

    /// `x`, `[batch, len, hidden]`, with what the block adds to it. The keys and values go to
    /// the entry of the cache that `place` names.
    fn forward(
        &self,
        x: &Tensor,
        pass: &Pass,
        place: Option<(&mut KvCache, usize)>,
        adapters: Option<&Adapters<'_>>,
    ) -> Tensor {
        let (normed, mask) = (self.input_norm.forward(x), pass.mask.as_ref());
        // Not `x += ..`, which writes into what the backward pass still needs.
        let x = x + self.attention.forward(&normed, &pass.angles, mask, place, adapters);
        &x + self.feed_forward(&x, adapters)
    }

    fn feed_forward(&self, x: &Tensor, adapters: Option<&Adapters<'_>>) -> Tensor {
        let x = self.output_norm.forward(x);
        let gate = project(&self.gate, adapters, LoraTarget::Gate, &x);
        let inner = gate.silu() * project(&self.up, adapters, LoraTarget::Up, &x);
        project(&self.down, adapters, LoraTarget::Down, &inner)
    }
}

/// What is the same for every block of one forward pass.
pub(crate) struct Pass {
    angles: Angles,
    mask: Option<Tensor>,
}

/// Fresh parameters under the names of published files: gains one, biases zero, everything
/// else normal.
struct Scratch<'a>(&'a Path<'a>);

impl Source for Scratch<'_> {
    fn take(&mut self, name: &str, shape: &[i64]) -> Tensor {
        if name.ends_with("norm.weight") {
            self.0.ones(name, shape)
        } else if name.ends_with(".bias") {
            self.0.zeros(name, shape)
        } else {
            self.0.normal(name, shape, INIT)
        }
    }
}

/// The decoder.
#[derive(Debug)]
pub struct Llama {
    config: LlamaConfig,
    embedding: Embedding,
    blocks: Vec<Block>,
    norm: RmsNorm,
    head: Option<Linear>,
    rotary: Rotary,
}

impl Llama {
    /// A decoder with fresh parameters under `root`.
    ///
    /// # Errors
    /// [`LlmError::Config`] when `config` is out of range.
    pub fn new(root: &Path<'_>, config: &LlamaConfig) -> Result<Self, LlmError> {
        Self::from_source(&mut Scratch(root), config)
    }

    /// A decoder whose weights come from `source`, in the kind and on the device that it
    /// gives them.
    ///
    /// # Errors
    /// [`LlmError::Config`] when `config` is out of range.
    pub fn from_source(source: &mut dyn Source, config: &LlamaConfig) -> Result<Self, LlmError> {
        config.validate()?;
        let LlamaConfig { vocab, hidden, .. } = *config;
        let embedding = Embedding::take(source, "model.embed_tokens", vocab, hidden);
        let blocks = (0..config.layers)
            .map(|layer| Block::take(source, &format!("model.layers.{layer}"), config))
            .collect();
        let norm = RmsNorm::take(source, "model.norm", hidden, config.norm_eps);
        let head = (!config.tied_embeddings)
            .then(|| Linear::take_without_bias(source, "lm_head", hidden, vocab));
        let (kind, device) = (embedding.weight().kind(), embedding.weight().device());
        let rotary = Rotary::new(config, kind, device);
        Ok(Self { config: config.clone(), embedding, blocks, norm, head, rotary })
    }

    /// The decoder that `files` hold, frozen, and its weights by name (the same tensors).
    ///
    /// # Errors
    /// [`LlmError`] naming the file that cannot be read or does not fit, or when there is not
    /// enough memory.
    pub fn load(
        files: &ModelFiles,
        wish: WeightKind,
        device: Device,
    ) -> Result<(Self, BTreeMap<String, Tensor>), LlmError> {
        let mut loader = files.loader(files.kind(wish, device)?, device)?;
        let llama = Self::from_source(&mut loader, files.config())?;
        Ok((llama, loader.finish()?))
    }

    /// A projection of block `layer`.
    pub(crate) fn projection(&self, layer: usize, target: LoraTarget) -> &Linear {
        self.blocks[layer].projection(target)
    }

    /// Its shape.
    pub fn config(&self) -> &LlamaConfig {
        &self.config
    }

    /// Where it computes.
    pub fn device(&self) -> Device {
        self.embedding.weight().device()
    }

    /// What it computes in.
    pub fn kind(&self) -> Kind {
        self.embedding.weight().kind()
    }

    /// Token embeddings: ids `[batch, len]` to `[batch, len, hidden]`.
    pub fn embed(&self, tokens: &Tensor) -> Tensor {
        self.embedding.forward(tokens)
    }

    /// Root mean square of all token embedding entries: the size of input that
    /// the blocks are used to.
    pub fn embedding_scale(&self) -> f64 {
        self.embedding.weight().square().mean(Kind::Double).sqrt().double_value(&[])
    }

    /// Reads `embeds` `[batch, len, hidden]` after what `cache` holds and returns
    /// the last hidden states, `[batch, len, hidden]`, normalised.
    ///
    /// `positions` are `[len]` or `[batch, len]`. `readable` (bool, `[batch, cached +
    /// len]`) is false at padding; without it everything before may be attended to.
    /// Attention is causal always. `cache` grows by `len`. `lora` adapts the
    /// projections; whoever continues a cache passes what began it.
    ///
    /// # Errors
    /// [`LlmError::Input`] when the sequence is longer than `max_positions` or
    /// `lora` is for a decoder of another shape, [`TorchError::Torch`] when
    /// `embeds` are not three-dimensional.
    pub fn forward_embeds(
        &self,
        embeds: &Tensor,
        positions: &Tensor,
        readable: Option<&Tensor>,
        cache: Option<&mut KvCache>,
        lora: Option<&Lora>,
    ) -> Result<Tensor, LlmError> {
        let adapters = lora.map(|lora| lora.adapters(&self.config, None)).transpose()?;
        self.read(embeds, positions, readable, cache, adapters.as_deref())
    }

    /// As [`Llama::forward_embeds`], with the matrices of every block.
    pub(crate) fn read(
        &self,
        embeds: &Tensor,
        positions: &Tensor,
        readable: Option<&Tensor>,
        mut cache: Option<&mut KvCache>,
        adapters: Option<&[Adapters<'_>]>,
    ) -> Result<Tensor, LlmError> {
        let past = cache.as_ref().map_or(0, |cache| cache.len());
        let pass = self.pass(embeds, positions, readable, past)?;
        let mut x = embeds.shallow_clone();
        for index in 0..self.blocks.len() {
            let place = cache.as_deref_mut().map(|cache| (cache, index));
            x = self.block(index, &x, &pass, place, adapters);
        }
        if let Some(cache) = cache {
            cache.advance(x.size()[1]);
        }
        Ok(self.normalised(&x))
    }

    /// What `rows` rows that all begin with `embeds`, `[1, len, hidden]`, have read of them.
    pub(crate) fn read_for_all(
        &self,
        embeds: &Tensor,
        rows: i64,
        adapters: Option<&[Adapters<'_>]>,
    ) -> Result<KvCache, LlmError> {
        let mut cache = KvCache::default();
        let places = positions(0, embeds.size()[1], embeds.device());
        let _ = self.read(embeds, &places, None, Some(&mut cache), adapters)?;
        Ok(cache.of_each(rows))
    }

    /// What the blocks need to read `embeds` behind `past` positions; the rest as in
    /// [`Llama::forward_embeds`].
    pub(crate) fn pass(
        &self,
        embeds: &Tensor,
        positions: &Tensor,
        readable: Option<&Tensor>,
        past: i64,
    ) -> Result<Pass, LlmError> {
        let (_, len, _) = embeds.size3().map_err(TorchError::from)?;
        self.check_length(past + len)?;
        let angles = self.rotary.at(positions, past + len);
        let group = self.config.heads / self.config.kv_heads;
        let (kind, device) = (embeds.kind(), embeds.device());
        let mask = attention_mask((past, len), group, readable, kind, device);
        Ok(Pass { angles, mask })
    }

    /// What block `index` makes of `x`, `[batch, len, hidden]`; `adapters` are those of every
    /// block.
    pub(crate) fn block(
        &self,
        index: usize,
        x: &Tensor,
        pass: &Pass,
        place: Option<(&mut KvCache, usize)>,
        adapters: Option<&[Adapters<'_>]>,
    ) -> Tensor {
        self.blocks[index].forward(x, pass, place, adapters.map(|layers| &layers[index]))
    }

    /// What the last block made, as [`Llama::logits`] takes it.
    pub(crate) fn normalised(&self, x: &Tensor) -> Tensor {
        self.norm.forward(x)
    }

    /// # Errors
    /// [`LlmError::Input`] when a sequence of `total` positions is longer than the model reads.
    pub(crate) fn check_length(&self, total: i64) -> Result<(), LlmError> {
        let limit = self.config.context();
        if total <= limit {
            return Ok(());
        }
        Err(LlmError::Input(format!(
            "a sequence of {total} positions is longer than max_positions = {limit}; shorten the \
             captions, the instruction or the prefix"
        )))
    }

    /// Scores of the next token: hidden states `[.., hidden]` to `[.., vocab]`.
    pub fn logits(&self, hidden: &Tensor) -> Tensor {
        match &self.head {
            Some(head) => head.forward(hidden),
            None => hidden.linear(self.embedding.weight(), None::<&Tensor>),
        }
    }

    /// Scores after each token of `[batch, len]`, without cache or padding:
    /// `[batch, len, vocab]`.
    ///
    /// # Errors
    /// As [`Llama::forward_embeds`].
    pub fn forward(&self, tokens: &Tensor) -> Result<Tensor, LlmError> {
        let positions = positions(0, tokens.size()[1], tokens.device());
        Ok(self.logits(&self.forward_embeds(&self.embed(tokens), &positions, None, None, None)?))
    }
}

/// `start, start + 1, ..`, `len` of them.
pub fn positions(start: i64, len: i64, device: Device) -> Tensor {
    Tensor::arange_start(start, start + len, (Kind::Int64, device))
}
