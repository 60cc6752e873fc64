//! Language models that were trained elsewhere: tried with `lm`, and in the tables.

use std::{fs, path::Path};

use crate::harness::{
    copy_folder, experiments, repository, run, run_directory, scratch, stage, stages, trained,
    trained_copy, tree,
};

const TOY: &str = "crates/dl-llm/tests/golden/llama_tuning";

/// `lm` with a model and further arguments.
fn lm(model: &str, arguments: &[&str]) -> crate::harness::Said {
    let mut command = experiments(Path::new("unused"));
    run(command.args(["lm", "--model", model]).args(arguments))
}

#[test]
fn lm_continues_prompts_alone_and_together() {
    let alone = lm(TOY, &["--prompt", "w4 w5 w9", "--tokens", "6"]).ok().out;
    let more = alone.trim_end().strip_prefix("w4 w5 w9").unwrap().to_owned();
    assert!(!more.is_empty() && alone.ends_with('\n'), "{alone:?}");
    let both = ["--prompt", "w7", "--prompt", "w4 w5 w9", "--tokens", "6", "--json"];
    let both = lm(TOY, &both).ok().out;
    let lines: Vec<serde_json::Value> =
        both.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.len(), 2, "{both}");
    assert_eq!(lines[0]["prompt"], "w7");
    assert_eq!(lines[1]["continuation"], more);
    let drawn = |seed: &str| {
        let drawn = ["--prompt", "w7", "--temperature", "2", "--seed", seed];
        lm(TOY, &drawn).ok().out
    };
    assert_eq!(drawn("1"), drawn("1"));
    assert_ne!(drawn("1"), drawn("2"));
}

/// The continuations that the transformers library made of the same file.
#[test]
fn lm_continues_as_the_published_model_does() {
    let model = repository().join(".setup/models/smollm2");
    if !model.is_dir() {
        println!("skipped: SmolLM2 is not installed (cargo setup --models)");
        return;
    }
    let golden = repository().join("crates/dl-llm/tests/golden/smollm2/smollm2.json");
    let golden: serde_json::Value = serde_json::from_slice(&fs::read(golden).unwrap()).unwrap();
    let prompt = &golden["prompts"][1];
    let text = prompt["text"].as_str().unwrap();
    let count = prompt["continuation"].as_array().unwrap().len().to_string();
    let model = model.display().to_string();
    let said = lm(&model, &["--prompt", text, "--tokens", &count]).ok().out;
    let tokens: Vec<u32> = serde_json::from_value(prompt["continuation"].clone()).unwrap();
    let files = dl_llm::ModelFiles::open(Path::new(&model)).unwrap();
    let tokenizer = dl_llm::CaptionTokenizer::of_model(&files).unwrap();
    assert_eq!(said, format!("{text}{}\n", tokenizer.decode_all(&tokens).unwrap()));
}

#[test]
fn lm_says_what_it_cannot_read() {
    lm("nowhere/at/all", &["--prompt", "a"]).fails_with(1, &["nowhere/at/all", "no such"]);
    lm(TOY, &["--prompt", ""]).fails_with(1, &["--prompt", "empty"]);
    lm(TOY, &["--prompt", "w1", "--precision", "f16"]).fails_with(1, &["f16", "GPU"]);
    lm(TOY, &["--prompt", "w1", "--tokens", "64"]).fails_with(1, &["64"]);
    assert_eq!(lm(TOY, &["--prompt", "w1", "--tokens", "0"]).code, Some(2));
    assert_eq!(lm(TOY, &["--prompt", "w1", "--device", "tpu"]).code, Some(2));
}

/// The model that a suite trained is a directory like any published one: named as such, it
/// gives the same captions, bit for bit, and no language model is trained.
#[test]
fn a_pretrained_model_captions_as_the_same_model_trained_here() {
    let runs = trained_copy("pretrained");
    let model = scratch("pretrained-model");
    copy_folder(&stage(&runs, "language_model"), &model);
    fs::remove_dir_all(runs.join("tiny/stages/language_model")).unwrap();
    fs::remove_dir_all(runs.join("tiny/stages/captioner")).unwrap();
    fs::remove_dir_all(runs.join("tiny/t2")).unwrap();
    let named = format!("language_model={{kind='pretrained',path='{}'}}", model.display());
    let t2 = || run(experiments(&runs).args(["--set", &named, "run", "t2"]));
    t2().ok();
    let predictions = |runs: &Path| tree(&run_directory(runs, "t2").join("predictions"));
    assert!(predictions(trained()) == predictions(&runs), "captions differ");
    assert!(stages(&runs, "language_model").is_empty());
    // Its weights are part of the key of what is trained over it.
    let captioners = stages(&runs, "captioner").len();
    let weights = model.join("model.safetensors");
    let mut bytes = fs::read(&weights).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    fs::write(&weights, bytes).unwrap();
    t2().ok();
    assert_eq!(stages(&runs, "captioner").len(), 2 * captioners);
    fs::remove_file(&weights).unwrap();
    t2().fails_with(1, &["language_model.path", "model.safetensors"]);
}
