//! Grouped-query attention (Ainslie et al., 2023) with rotary positions (Su et
//! al., 2021) in the rotate-half layout of published Llama weights, and the cache
//! of keys and values.

use dl_torch::{
    Path,
    layers::{Init, Linear},
};
use tch::{Device, Kind, Tensor};

use crate::{
    LlamaConfig,
    lora::{LayerLora, LoraTarget, project},
};

/// Rotary tables for every position: `[max_positions, head_dim]` each.
#[derive(Debug)]
pub(crate) struct Rotary {
    cos: Tensor,
    sin: Tensor,
}

/// The rows of the tables that one forward pass needs: `[batch or 1, 1, len, head_dim]`.
pub(crate) struct Angles {
    cos: Tensor,
    sin: Tensor,
}

impl Rotary {
    pub(crate) fn new(config: &LlamaConfig, device: Device) -> Self {
        let half = config.head_dim() / 2;
        // Angles in f64, cast once: f32 angles are off by 1e-4 at position 2,000.
        let (mut cos, mut sin) = (Vec::new(), Vec::new());
        for position in 0..config.max_positions {
            let angle =
                |pair: i64| position as f64 / config.rope_theta.powf(pair as f64 / half as f64);
            for pair in (0..half).chain(0..half) {
                cos.push(angle(pair).cos() as f32);
                sin.push(angle(pair).sin() as f32);
            }
        }
        let table = |values: &[f32]| {
            Tensor::from_slice(values).view([config.max_positions, 2 * half]).to_device(device)
        };
        Self { cos: table(&cos), sin: table(&sin) }
    }

    /// `positions` is `[len]` or `[batch, len]`.
    pub(crate) fn at(&self, positions: &Tensor) -> Angles {
        let rows = |table: &Tensor| {
            let mut shape = positions.size();
            if shape.len() == 1 {
                shape.insert(0, 1);
            }
            shape.insert(1, 1);
            shape.push(table.size()[1]);
            table.index_select(0, &positions.flatten(0, -1)).view(shape.as_slice())
        };
        Angles { cos: rows(&self.cos), sin: rows(&self.sin) }
    }
}

impl Angles {
    /// Rotates `[batch, heads, len, head_dim]`.
    fn apply(&self, x: &Tensor) -> Tensor {
        let halves = x.chunk(2, -1);
        let turned = Tensor::cat(&[-&halves[1], halves[0].shallow_clone()], -1);
        x * &self.cos + turned * &self.sin
    }
}

/// Keys (rotated) and values of one block: `[batch, kv_heads, len, head_dim]`.
#[derive(Debug)]
pub(crate) struct LayerCache {
    pub(crate) keys: Tensor,
    pub(crate) values: Tensor,
}

/// Keys and values of everything that a model has read, one entry per block; empty
/// before the first forward pass.
#[derive(Debug, Default)]
pub struct KvCache {
    pub(crate) layers: Vec<LayerCache>,
}

impl KvCache {
    /// Positions read so far.
    pub fn len(&self) -> i64 {
        self.layers.first().map_or(0, |layer| layer.keys.size()[2])
    }

    /// Whether nothing has been read.
    pub fn is_empty(&self) -> bool {
        self.layers.is_empty()
    }

    /// Keeps, repeats and reorders rows: row i becomes the old row `rows[i]`.
    pub fn select(&mut self, rows: &Tensor) {
        for layer in &mut self.layers {
            layer.keys = layer.keys.index_select(0, rows);
            layer.values = layer.values.index_select(0, rows);
        }
    }
}

/// The attention half of a block.
#[derive(Debug)]
pub(crate) struct Attention {
    query: Linear,
    key: Linear,
    value: Linear,
    output: Linear,
    heads: i64,
    kv_heads: i64,
    head_dim: i64,
}

impl Attention {
    pub(crate) fn new(path: &Path<'_>, config: &LlamaConfig, init: Init) -> Self {
        let LlamaConfig { hidden, heads, kv_heads, .. } = *config;
        let head_dim = config.head_dim();
        let (wide, narrow) = (heads * head_dim, kv_heads * head_dim);
        Self {
            query: Linear::without_bias(&(path / "q_proj"), hidden, wide, init),
            key: Linear::without_bias(&(path / "k_proj"), hidden, narrow, init),
            value: Linear::without_bias(&(path / "v_proj"), hidden, narrow, init),
            output: Linear::without_bias(&(path / "o_proj"), wide, hidden, init),
            heads,
            kv_heads,
            head_dim,
        }
    }

    /// `x` is `[batch, len, hidden]`; `mask` is added to the scores,
    /// `[batch or 1, 1, len, past + len]`; `lora` adapts the projections.
    pub(crate) fn forward(
        &self,
        x: &Tensor,
        angles: &Angles,
        mask: Option<&Tensor>,
        past: Option<&LayerCache>,
        lora: Option<&LayerLora>,
    ) -> (Tensor, LayerCache) {
        let (batch, len) = (x.size()[0], x.size()[1]);
        let split = |projected: Tensor, heads: i64| {
            projected.view([batch, len, heads, self.head_dim]).transpose(1, 2)
        };
        let query =
            angles.apply(&split(project(&self.query, lora, LoraTarget::Query, x), self.heads));
        let mut keys =
            angles.apply(&split(project(&self.key, lora, LoraTarget::Key, x), self.kv_heads));
        let mut values = split(project(&self.value, lora, LoraTarget::Value, x), self.kv_heads);
        if let Some(past) = past {
            keys = Tensor::cat(&[&past.keys, &keys], 2);
            values = Tensor::cat(&[&past.values, &values], 2);
        }
        let mixed = Tensor::scaled_dot_product_attention(
            &query,
            &self.for_every_query_head(&keys),
            &self.for_every_query_head(&values),
            mask,
            0.0,
            false,
            None,
            false,
        );
        let joined = mixed.transpose(1, 2).reshape([batch, len, self.heads * self.head_dim]);
        let output = project(&self.output, lora, LoraTarget::Output, &joined);
        (output, LayerCache { keys, values })
    }

    /// Key-value head h serves query heads h * heads / kv_heads and onwards.
    fn for_every_query_head(&self, x: &Tensor) -> Tensor {
        if self.kv_heads == self.heads {
            return x.shallow_clone();
        }
        x.repeat_interleave_self_int(self.heads / self.kv_heads, Some(1), None)
    }
}

/// What may attend to what, as numbers to add to the scores, `[batch or 1, 1, len,
/// past + len]`: a position sees itself and those before it, and of those only the
/// ones that `readable` (`[batch, past + len]`, bool) lets it. `None` where all may.
pub(crate) fn attention_mask(
    past: i64,
    len: i64,
    readable: Option<&Tensor>,
    device: Device,
) -> Option<Tensor> {
    if len == 1 && readable.is_none() {
        return None;
    }
    let causal = Tensor::ones([len, past + len], (Kind::Bool, device)).tril(past);
    let allowed = match readable {
        Some(readable) => causal.logical_and(&readable.unsqueeze(1)).unsqueeze(1),
        None => causal.view([1, 1, len, past + len]),
    };
    // Not minus infinity: a padding row that sees nothing must not become NaN.
    let zeros = Tensor::zeros(allowed.size(), (Kind::Float, device));
    Some(zeros.masked_fill(&allowed.logical_not(), f64::from(f32::MIN)))
}
