//! The vocabulary inside a GGUF file as a `tokenizers` pipeline.

use std::collections::BTreeMap;

use dl_torch::weights::GgufMetadata;
use serde_json::{Value, json};

use super::sentencepiece::{Model, Piece};

/// `token_type` of tokens that are marks, and of those that are text but never cut.
const CONTROL: u64 = 3;
const USER_DEFINED: u64 = 4;

/// The pipeline of the file's vocabulary, as a `tokenizer.json`.
pub(super) fn pipeline(metadata: &GgufMetadata) -> Result<Value, String> {
    let value = |key: &str| metadata.get(&format!("tokenizer.ggml.{key}"));
    let list = |key: &str| value(key).and_then(Value::as_array);
    let tokens: Vec<&str> = list("tokens")
        .map(|tokens| tokens.iter().filter_map(Value::as_str).collect())
        .unwrap_or_default();
    if tokens.is_empty() {
        return Err("no vocabulary in this file".into());
    }
    let types: Vec<u64> = list("token_type")
        .map(|types| types.iter().filter_map(Value::as_u64).collect())
        .unwrap_or_default();
    let kind_of = |id: usize| types.get(id).copied().unwrap_or(1);
    match value("model").and_then(Value::as_str) {
        Some("llama") => {
            let scores = list("scores").ok_or("no scores beside the vocabulary")?;
            let score = |id: usize| scores.get(id).and_then(Value::as_f64).unwrap_or(0.0) as f32;
            let pieces = tokens.iter().enumerate().map(|(id, text)| Piece {
                text: (*text).to_owned(),
                score: score(id),
                kind: kind_of(id),
            });
            let flag = |key: &str, usual| value(key).and_then(Value::as_bool).unwrap_or(usual);
            let model = Model {
                pieces: pieces.collect(),
                bpe: true,
                byte_fallback: true,
                dummy_prefix: flag("add_space_prefix", true),
                squeeze_spaces: flag("remove_extra_whitespaces", false),
                charsmap: Vec::new(),
                begin: value("bos_token_id")
                    .and_then(Value::as_u64)
                    .map(|id| id as usize)
                    .filter(|&id| id < tokens.len() && flag("add_bos_token", true)),
            };
            model.pipeline()
        }
        Some("gpt2") => {
            let merges = list("merges").ok_or("no merges beside the vocabulary")?;
            let pairs = merges.iter().filter_map(|pair| pair.as_str()?.split_once(' '));
            let merges: Vec<[&str; 2]> = pairs.map(|(left, right)| [left, right]).collect();
            byte_level(&tokens, &merges, kind_of, value("pre").and_then(Value::as_str))
        }
        other => Err(format!(
            "its tokenizer is of kind {}; llama and gpt2 are read",
            other.unwrap_or("none")
        )),
    }
}

fn byte_level(
    tokens: &[&str],
    merges: &[[&str; 2]],
    kind_of: impl Fn(usize) -> u64,
    pre: Option<&str>,
) -> Result<Value, String> {
    let bytes = |use_regex: bool| {
        json!({
            "type": "ByteLevel",
            "add_prefix_space": false,
            "trim_offsets": true,
            "use_regex": use_regex,
        })
    };
    // How texts are cut into words before they are merged, by the file's name for it.
    let (pre_tokenizer, whole_words) = match pre.unwrap_or("default") {
        "default" | "gpt-2" => (bytes(true), false),
        "smollm" | "starcoder" | "refact" | "command-r" => {
            let digits = json!({ "type": "Digits", "individual_digits": true });
            let parts = [digits, bytes(true)];
            (json!({ "type": "Sequence", "pretokenizers": parts }), false)
        }
        "llama-bpe" | "llama3" | "llama-v3" => {
            // Contractions, words with one character before them, numbers of up to three
            // digits, other signs, and spaces by where they stand.
            let pattern = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";
            let split = json!({
                "type": "Split",
                "pattern": { "Regex": pattern },
                "behavior": "Isolated",
                "invert": false,
            });
            (json!({ "type": "Sequence", "pretokenizers": [split, bytes(false)] }), true)
        }
        other => {
            return Err(format!(
                "it cuts words in the manner {other}, which is not read here; use the model's \
                 directory with tokenizer.json"
            ));
        }
    };
    let vocab: BTreeMap<&str, usize> =
        tokens.iter().enumerate().map(|(id, token)| (*token, id)).collect();
    let added = tokens.iter().enumerate().filter_map(|(id, token)| {
        let kind = kind_of(id);
        (kind == CONTROL || kind == USER_DEFINED).then(|| {
            json!({
                "id": id,
                "content": token,
                "single_word": false,
                "lstrip": false,
                "rstrip": false,
                "normalized": false,
                "special": kind == CONTROL,
            })
        })
    });
    Ok(json!({
        "version": "1.0",
        "truncation": null,
        "padding": null,
        "added_tokens": added.collect::<Vec<_>>(),
        "normalizer": null,
        "pre_tokenizer": pre_tokenizer,
        "post_processor": null,
        "decoder": bytes(true),
        "model": {
            "type": "BPE",
            "dropout": null,
            "unk_token": null,
            "continuing_subword_prefix": null,
            "end_of_word_suffix": null,
            "fuse_unk": false,
            "byte_fallback": false,
            "ignore_merges": whole_words,
            "vocab": vocab,
            "merges": merges,
        },
    }))
}
