//! A decoder of the Llama architecture (Touvron et al., 2023, section 2.2): RMS
//! normalisation before each half of a block, rotary positions, grouped-query
//! attention, SwiGLU. Parameters carry the names of published weight files, so
//! that those load as they are.

use dl_torch::{
    Path, TorchError,
    layers::{Embedding, Init, Linear, RmsNorm},
};
use tch::Tensor;

use crate::{
    LlamaConfig, LlmError, Lora,
    attention::{Attention, KvCache, Rotary, attention_mask},
};

/// Standard deviation of initial weights, as in published Llama configurations.
const INIT: Init = Init::Normal(0.02);

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
    fn new(path: &Path<'_>, config: &LlamaConfig) -> Self {
        let LlamaConfig { hidden, intermediate, norm_eps, .. } = *config;
        let mlp = path / "mlp";
        Self {
            input_norm: RmsNorm::new(&(path / "input_layernorm"), hidden, norm_eps),
            attention: Attention::new(&(path / "self_attn"), config, INIT),
            output_norm: RmsNorm::new(&(path / "post_attention_layernorm"), hidden, norm_eps),
            gate: Linear::without_bias(&(&mlp / "gate_proj"), hidden, intermediate, INIT),
            up: Linear::without_bias(&(&mlp / "up_proj"), hidden, intermediate, INIT),
            down: Linear::without_bias(&(&mlp / "down_proj"), intermediate, hidden, INIT),
        }
    }

    fn feed_forward(&self, x: &Tensor) -> Tensor {
        let x = self.output_norm.forward(x);
        self.down.forward(&(self.gate.forward(&x).silu() * self.up.forward(&x)))
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
        config.validate()?;
        let model = root / "model";
        let layers = &model / "layers";
        let LlamaConfig { vocab, hidden, .. } = *config;
        Ok(Self {
            embedding: Embedding::new(&(&model / "embed_tokens"), vocab, hidden, 0.02),
            blocks: (0..config.layers)
                .map(|layer| Block::new(&(&layers / layer.to_string().as_str()), config))
                .collect(),
            norm: RmsNorm::new(&(&model / "norm"), hidden, config.norm_eps),
            head: (!config.tied_embeddings)
                .then(|| Linear::without_bias(&(root / "lm_head"), hidden, vocab, INIT)),
            rotary: Rotary::new(config, root.device()),
            config: config.clone(),
        })
    }

    /// Its shape.
    pub fn config(&self) -> &LlamaConfig {
        &self.config
    }

    /// Where it computes.
    pub fn device(&self) -> tch::Device {
        self.embedding.weight().device()
    }

    /// Token embeddings: ids `[batch, len]` to `[batch, len, hidden]`.
    pub fn embed(&self, tokens: &Tensor) -> Tensor {
        self.embedding.forward(tokens)
    }

    /// Root mean square of all token embedding entries: the size of input that
    /// the blocks are used to.
    pub fn embedding_scale(&self) -> f64 {
        self.embedding.weight().square().mean(tch::Kind::Double).sqrt().double_value(&[])
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
        let (_, len, _) = embeds.size3().map_err(TorchError::from)?;
        let past = cache.as_ref().map_or(0, |cache| cache.len());
        if past + len > self.config.max_positions {
            let (total, limit) = (past + len, self.config.max_positions);
            return Err(LlmError::Input(format!(
                "a sequence of {total} positions is longer than max_positions = {limit}; shorten \
                 the captions or the prefix"
            )));
        }
        let adapters = lora.map(|lora| lora.layers(&self.config)).transpose()?;
        let angles = self.rotary.at(positions);
        let mask = attention_mask(past, len, readable, embeds.device());
        let mut fresh = KvCache::default();
        let mut x = embeds.shallow_clone();
        for (index, block) in self.blocks.iter().enumerate() {
            let past = cache.as_ref().and_then(|cache| cache.layers.get(index));
            let normed = block.input_norm.forward(&x);
            let lora = adapters.map(|layers| &layers[index]);
            let (attended, layer) =
                block.attention.forward(&normed, &angles, mask.as_ref(), past, lora);
            // Not `x += ..`, which writes into what the backward pass still needs.
            x = &x + attended;
            x = &x + block.feed_forward(&x);
            if cache.is_some() {
                fresh.layers.push(layer);
            }
        }
        if let Some(cache) = cache {
            *cache = fresh;
        }
        Ok(self.norm.forward(&x))
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
pub fn positions(start: i64, len: i64, device: tch::Device) -> Tensor {
    Tensor::arange_start(start, start + len, (tch::Kind::Int64, device))
}
