//! Tokenizers against the reference implementations (`golden/pieces.py` and, on all captions of
//! AudioCaps where they lie beside the repository, `golden/caption_tokens.py`).

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test that cannot go on fails")]

use std::{
    fs,
    path::{Path, PathBuf},
};

use dl_core::Fingerprint;
use dl_llm::{CaptionTokenizer, LlamaConfig, LlmError, ModelFiles};
use dl_torch::tensor_file;
use serde_json::{Value, json};

fn golden(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name)
}

/// A model directory with `tokenizer.model` alone, and a table of `rows` rows.
fn directory(name: &str, rows: i64) -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    let mut config = LlamaConfig { vocab: rows, ..LlamaConfig::default() }.to_published();
    config["bos_token_id"] = json!(1);
    config["eos_token_id"] = json!(2);
    fs::write(directory.path().join("config.json"), config.to_string()).unwrap();
    let weights = directory.path().join("model.safetensors");
    tensor_file::write(&weights, &tensor_file::Tensors::new(), Default::default()).unwrap();
    let model = golden(name).join("tokenizer.model");
    fs::copy(model, directory.path().join("tokenizer.model")).unwrap();
    directory
}

fn open(directory: &tempfile::TempDir) -> Result<CaptionTokenizer, LlmError> {
    CaptionTokenizer::of_model(&ModelFiles::open(directory.path()).unwrap())
}

#[test]
fn sentencepiece_models_give_the_tokens_of_the_reference() {
    for name in ["sentencepiece_bpe", "sentencepiece_unigram"] {
        let tokenizer = open(&directory(name, 420)).unwrap();
        let text = fs::read_to_string(golden(name).join("expected.json")).unwrap();
        let expected: Vec<Value> = serde_json::from_str(&text).unwrap();
        for case in &expected {
            let words = case["text"].as_str().unwrap();
            let tokens: Vec<u32> = serde_json::from_value(case["tokens"].clone()).unwrap();
            assert_eq!(tokenizer.encode(words).unwrap(), tokens, "{name}: {words:?}");
            if !tokens.contains(&0) {
                let decoded = case["decoded"].as_str().unwrap();
                assert_eq!(tokenizer.decode_all(&tokens).unwrap(), decoded, "{name}");
            }
            let prompt = tokenizer.encode_prompt(words).unwrap();
            assert_eq!(prompt, [&[1], tokens.as_slice()].concat());
        }
        // Marks count only where they are meant. A unigram vocabulary has no place for a mark
        // that text cannot reach.
        if name == "sentencepiece_bpe" {
            assert!(!tokenizer.encode("a </s> dog").unwrap().contains(&2));
        }
        assert!(tokenizer.encode_with_marks("a dog</s>").unwrap().ends_with(&[2]));
    }
}

#[test]
fn a_tokenizer_of_another_model_is_refused() {
    let error = open(&directory("sentencepiece_bpe", 100)).unwrap_err().to_string();
    assert!(
        error.contains("tokenizer.model: 420 tokens, but the model's table has 100"),
        "{error}"
    );
    let directory = directory("sentencepiece_bpe", 420);
    let path = directory.path().join("tokenizer.model");
    let whole = fs::read(&path).unwrap();
    fs::write(&path, &whole[..whole.len() / 2]).unwrap();
    let error = open(&directory).unwrap_err().to_string();
    assert!(error.contains("tokenizer.model: no SentencePiece model"), "{error}");
    fs::remove_file(&path).unwrap();
    let error = open(&directory).unwrap_err().to_string();
    assert!(error.contains("tokenizer.json"), "{error}");
}

fn captions(folder: &Path) -> Vec<String> {
    let mut captions = Vec::new();
    for split in ["test", "train", "val"] {
        let path = folder.join(format!("audiocaps_{split}.csv"));
        let mut reader = csv::Reader::from_path(path).unwrap();
        let column = reader.headers().unwrap().iter().position(|name| name == "caption").unwrap();
        captions.extend(reader.records().map(|row| row.unwrap()[column].to_owned()));
    }
    captions
}

#[test]
fn every_caption_of_audiocaps_has_the_tokens_of_the_reference() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let folder = root.join("../shared/data/captions");
    if !folder.is_dir() {
        println!("skipped: ../shared/data/captions is not beside this repository");
        return;
    }
    let captions = captions(&folder);
    let expected = fs::read(golden("caption_tokens.json")).unwrap();
    let expected: Value = serde_json::from_slice(&expected).unwrap();
    assert_eq!(expected["captions"], captions.len());
    let mut tokenizers = Vec::new();
    for name in ["sentencepiece_bpe", "sentencepiece_unigram"] {
        tokenizers.push((name, open(&directory(name, 420)).unwrap()));
    }
    let smollm2 = root.join(".setup/models/smollm2");
    if smollm2.exists() {
        let files = ModelFiles::open(&smollm2).unwrap();
        tokenizers.push(("smollm2", CaptionTokenizer::of_model(&files).unwrap()));
    } else {
        println!("without SmolLM2, which is not set up (cargo setup --models)");
    }
    for (name, tokenizer) in tokenizers {
        let (mut lines, mut count) = (String::new(), 0);
        for caption in &captions {
            let tokens = tokenizer.encode(caption).unwrap();
            count += tokens.len();
            let tokens: Vec<String> = tokens.iter().map(u32::to_string).collect();
            lines.push_str(&(tokens.join(" ") + "\n"));
        }
        assert_eq!(expected[name]["tokens"], count, "{name}");
        let digest = Fingerprint::of_bytes(lines.as_bytes());
        assert_eq!(expected[name]["sha256"], digest.as_str(), "{name}");
    }
}
