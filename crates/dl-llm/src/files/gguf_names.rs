//! The names that GGUF files give to the tensors of a Llama, and the order of rows in which
//! they keep queries and keys.

use tch::Tensor;

use crate::LlamaConfig;

/// The name in a GGUF file of the tensor `name` of a published model.
pub(super) fn theirs(name: &str) -> Option<String> {
    match name {
        "model.embed_tokens.weight" => return Some("token_embd.weight".into()),
        "model.norm.weight" => return Some("output_norm.weight".into()),
        "lm_head.weight" => return Some("output.weight".into()),
        _ => {}
    }
    let (layer, part) = name.strip_prefix("model.layers.")?.split_once('.')?;
    let (part, ending) = part.rsplit_once('.')?;
    let part = match part {
        "input_layernorm" => "attn_norm",
        "self_attn.q_proj" => "attn_q",
        "self_attn.k_proj" => "attn_k",
        "self_attn.v_proj" => "attn_v",
        "self_attn.o_proj" => "attn_output",
        "post_attention_layernorm" => "ffn_norm",
        "mlp.gate_proj" => "ffn_gate",
        "mlp.up_proj" => "ffn_up",
        "mlp.down_proj" => "ffn_down",
        _ => return None,
    };
    Some(format!("blk.{layer}.{part}.{ending}"))
}

/// The tensor `name` with its rows as a published model has them. Files of this architecture
/// keep the two rows that are rotated together side by side; published weights keep all first
/// ones of a head before all second ones.
pub(super) fn reordered(name: &str, tensor: Tensor, config: &LlamaConfig) -> Tensor {
    let heads = if name.contains("q_proj") {
        config.heads
    } else if name.contains("k_proj") {
        config.kv_heads
    } else {
        return tensor;
    };
    let shape = tensor.size();
    let pairs = tensor.view([heads, config.head_dim() / 2, 2, -1]);
    pairs.transpose(1, 2).reshape(shape)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_every_place() {
        let theirs = |name| theirs(name).unwrap_or_default();
        assert_eq!(theirs("model.embed_tokens.weight"), "token_embd.weight");
        assert_eq!(theirs("model.layers.12.self_attn.o_proj.weight"), "blk.12.attn_output.weight");
        assert_eq!(
            theirs("model.layers.0.post_attention_layernorm.weight"),
            "blk.0.ffn_norm.weight"
        );
        assert_eq!(theirs("model.layers.0.self_attn.rotary_emb.inv_freq"), "");
    }

    #[test]
    fn rows_of_queries_by_hand() {
        // Two heads of four rows: a b a' b' becomes a a' b b'.
        let config = LlamaConfig { hidden: 8, heads: 2, kv_heads: 1, ..LlamaConfig::default() };
        let rows = |values: &[i64]| Tensor::from_slice(values).view([-1, 1]);
        let given = rows(&[0, 10, 1, 11, 2, 12, 3, 13]);
        let query = reordered("model.layers.0.self_attn.q_proj.weight", given.copy(), &config);
        assert_eq!(query, rows(&[0, 1, 10, 11, 2, 3, 12, 13]));
        let value = reordered("model.layers.0.self_attn.v_proj.weight", given.copy(), &config);
        assert_eq!(value, given);
    }
}
