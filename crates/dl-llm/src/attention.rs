//! Grouped-query attention (Ainslie et al., 2023).

use dl_torch::{layers::Linear, weights::Source};
use tch::{Device, Kind, Tensor};

use crate::{
    KvCache, LlamaConfig,
    lora::{Adapters, LoraTarget, project},
    rope::Angles,
};

/// The attention half of a block.
#[derive(Debug)]
pub(crate) struct Attention {
    pub(crate) query: Linear,
    pub(crate) key: Linear,
    pub(crate) value: Linear,
    pub(crate) output: Linear,
    heads: i64,
    kv_heads: i64,
    head_dim: i64,
}

/// `<name>.weight` of a source and, where the model has biases, `<name>.bias`.
pub(crate) fn linear(
    source: &mut dyn Source,
    name: &str,
    (inputs, outputs): (i64, i64),
    bias: bool,
) -> Linear {
    match bias {
        true => Linear::take(source, name, inputs, outputs),
        false => Linear::take_without_bias(source, name, inputs, outputs),
    }
}

impl Attention {
    pub(crate) fn take(source: &mut dyn Source, path: &str, config: &LlamaConfig) -> Self {
        let mut projection = |target: LoraTarget| {
            let name = format!("{path}.{}", target.name());
            linear(source, &name, target.shape(config), config.attention_bias)
        };
        Self {
            query: projection(LoraTarget::Query),
            key: projection(LoraTarget::Key),
            value: projection(LoraTarget::Value),
            output: projection(LoraTarget::Output),
            heads: config.heads,
            kv_heads: config.kv_heads,
            head_dim: config.head_dim(),
        }
    }

    /// `x` is `[batch, len, hidden]`; `mask` is what [`attention_mask`] made for the number of
    /// query heads that share a key; the keys and values go to block `index` of `cache`.
    pub(crate) fn forward(
        &self,
        x: &Tensor,
        angles: &Angles,
        mask: Option<&Tensor>,
        cache: Option<(&mut KvCache, usize)>,
        adapters: Option<&Adapters<'_>>,
    ) -> Tensor {
        let (batch, len) = (x.size()[0], x.size()[1]);
        let split = |projected: Tensor, heads: i64| {
            projected.view([batch, len, heads, self.head_dim]).transpose(1, 2)
        };
        let projected = |layer: &Linear, target| project(layer, adapters, target, x);
        let query = angles.apply(&split(projected(&self.query, LoraTarget::Query), self.heads));
        let mut keys = angles.apply(&split(projected(&self.key, LoraTarget::Key), self.kv_heads));
        let mut values = split(projected(&self.value, LoraTarget::Value), self.kv_heads);
        if let Some((cache, index)) = cache {
            (keys, values) = cache.extend(index, keys, values);
        }
        // The query heads of one key-value head stand below each other, as if they were
        // further positions: keys and values need not be repeated for them.
        let rows = self.heads / self.kv_heads * len;
        let query = query.reshape([batch, self.kv_heads, rows, self.head_dim]);
        let mixed = Tensor::scaled_dot_product_attention(
            &query, &keys, &values, mask, 0.0, false, None, false,
        );
        let joined = mixed
            .reshape([batch, self.heads, len, self.head_dim])
            .transpose(1, 2)
            .reshape([batch, len, self.heads * self.head_dim]);
        project(&self.output, adapters, LoraTarget::Output, &joined)
    }
}

/// What may attend to what, as numbers to add to the scores, `[batch or 1, 1, group * len,
/// past + len]`, the same rows for each of `group` query heads: a position sees itself and
/// those before it, and of those only the ones that `readable` (`[batch, past + len]`, bool)
/// lets it. `None` where all may.
pub(crate) fn attention_mask(
    (past, len): (i64, i64),
    group: i64,
    readable: Option<&Tensor>,
    kind: Kind,
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
    let least = match kind {
        Kind::Float => f64::from(f32::MIN),
        _ => -30_000.0,
    };
    let zeros = Tensor::zeros(allowed.size(), (kind, device));
    let mask = zeros.masked_fill(&allowed.logical_not(), least);
    Some(if group == 1 { mask } else { mask.repeat([1, 1, group, 1]) })
}
