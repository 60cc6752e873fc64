//! SmolLM2-135M-Instruct from its GGUF file against the transformers library's reading of the
//! same file (`golden/smollm2.py`). It runs where `cargo setup --models` has brought the model.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test that cannot go on fails")]

use std::{
    fs,
    path::{Path, PathBuf},
};

use dl_llm::{ChatTemplate, DecodeConfig, LanguageModel};
use dl_torch::tensor_file;
use serde_json::Value;
use tch::{Device, Tensor};

fn model() -> Option<LanguageModel> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../.setup/models/smollm2");
    if !path.exists() {
        println!("skipped: SmolLM2 is not set up (cargo setup --models)");
        return None;
    }
    Some(LanguageModel::load(&path, Device::Cpu).unwrap())
}

fn golden(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/smollm2").join(name)
}

fn about() -> Value {
    serde_json::from_str(&fs::read_to_string(golden("smollm2.json")).unwrap()).unwrap()
}

fn tokens(value: &Value) -> Vec<u32> {
    value.as_array().unwrap().iter().map(|token| token.as_u64().unwrap() as u32).collect()
}

#[test]
fn tokens_logits_and_continuations_equal_the_reference() {
    let Some(lm) = model() else { return };
    let (logits, _) = tensor_file::read(&golden("smollm2.safetensors"), Device::Cpu).unwrap();
    let about = about();
    let tokenizer = lm.tokenizer();
    for text in about["texts"].as_array().unwrap() {
        let (words, expected) = (text["text"].as_str().unwrap(), tokens(&text["tokens"]));
        assert_eq!(tokenizer.encode(words).unwrap(), expected, "{words:?}");
        assert_eq!(tokenizer.decode_all(&expected).unwrap(), words);
    }
    let chat = lm.chat().map(|chat: &ChatTemplate| chat.user("Describe the audio you hear."));
    assert_eq!(chat.unwrap().unwrap(), about["chat"].as_str().unwrap());
    let mut prompts = Vec::new();
    let mut expected = Vec::new();
    for (number, prompt) in about["prompts"].as_array().unwrap().iter().enumerate() {
        let text = prompt["text"].as_str().unwrap();
        let ids = tokens(&prompt["tokens"]);
        assert_eq!(tokenizer.encode_prompt(text).unwrap(), ids, "{text:?}");
        let ids: Vec<i64> = ids.into_iter().map(i64::from).collect();
        let found = tch::no_grad(|| lm.llama().forward(&Tensor::from_slice(&ids).unsqueeze(0)));
        let found = found.unwrap().squeeze_dim(0).slice(1, None, None, 31);
        let worst = (found - &logits[&format!("logits.{number}")]).abs().max().double_value(&[]);
        assert!(worst < 1e-3, "{text:?}: {worst:e}");
        prompts.push(text.to_owned());
        let continued = tokens(&prompt["continuation"]);
        let end = continued.iter().position(|&token| token == 2).unwrap_or(continued.len());
        expected.push(tokenizer.decode_all(&continued[..end]).unwrap());
    }
    // All together, of unequal length, and each alone.
    let config = DecodeConfig {
        max_tokens: 20,
        min_tokens: 0,
        no_repeat_ngram: 0,
        batch: 10,
        ..DecodeConfig::default()
    };
    let mut heard = vec![String::new(); prompts.len()];
    let together = lm.complete(&prompts, &config, &mut |row, part| heard[row].push_str(part));
    assert_eq!(together.unwrap(), expected);
    assert_eq!(heard, expected);
    let single = DecodeConfig { batch: 1, ..config };
    assert_eq!(lm.complete(&prompts[..3], &single, &mut |_, _| ()).unwrap(), expected[..3]);
}
