//! The suites of `configs/` at the size of a test: all their sections, rows and variants, over
//! fewer scenes, for fewer steps and with models of toy size.

use std::{fs, os::unix::fs::symlink, path::Path};

use toml::{Table, Value};

use crate::{
    audiocaps::{LLAMA, SENTENCES},
    embed::toy,
    harness::repository,
};

/// A suite that stands on no other, at the size of a test.
const SUITE: &str = r#"
[language_model]
kind = "train"
tokenizer = { vocab = 300 }
model = { hidden = 32, layers = 1, heads = 2, kv_heads = 1, intermediate = 64 }
train = { steps = 6 }

[captioner.prefix]
length = 2
hidden = 16
train = { steps = 4 }

[captioner.decode]
max_tokens = 6

[evaluation]
resamples = 100

[rows]
zero_shot = ["none", "projection", "refined_link", "diffusion_link"]
supervised = ["none", "diffusion_link"]
"#;
pub(super) const SCENES: &str = "scenes={train=64,validation=16,test=16}";
/// Bridges that are trained.
const TRAINED: [&str; 5] =
    ["mlp_regression", "diffusion_bridge", "seed_style", "brownian_bridge", "diffusion_link"];

fn table(text: &str) -> Table {
    toml::from_str(text).unwrap()
}

/// Entries of `top` over those of `base`, section by section.
fn lay_over(base: &mut Table, top: Table) {
    for (key, value) in top {
        match (base.get_mut(&key), value) {
            (Some(Value::Table(below)), Value::Table(above)) => lay_over(below, above),
            (_, value) => drop(base.insert(key, value)),
        }
    }
}

/// Fewer scenes, steps and pairs, and models at toy size, wherever `part` speaks of them.
fn shrink(part: &mut Table) {
    if part.contains_key("steps") {
        lay_over(part, table("batch = 8\nwarmup_steps = 1\nvalidate_every = 4"));
        let steps = part["steps"].as_integer().unwrap();
        part.insert("steps".into(), steps.min(8).into());
        part.remove("checkpoint_every");
    }
    if part.get("kind").and_then(Value::as_str).is_some_and(|kind| TRAINED.contains(&kind)) {
        lay_over(part, table("train = { steps = 8 }"));
    }
    if part.get("key").and_then(Value::as_str) == Some("clips") {
        lay_over(part, table("values = [16, 64]"));
    }
    for (key, value) in part.iter_mut() {
        match key.as_str() {
            "scenes" => *value = table(SCENES)["scenes"].clone(),
            "instances_per_kind" => *value = table("train = 6\nvalidation = 2\ntest = 2").into(),
            "sentence_encoder" => *value = SENTENCES.into(),
            "encoder" | "aisfx_minilm" => *value = encoder(),
            _ => {}
        }
        if let Value::Table(inner) = value {
            shrink(inner);
        }
    }
}

fn encoder() -> Value {
    let mut encoder = table("kind = \"clap\"");
    encoder.insert("path".into(), toy().to_string_lossy().into_owned().into());
    encoder.into()
}

/// `configs/` with every suite at the size of a test.
pub(super) fn configs(folder: &Path) {
    for entry in fs::read_dir(repository().join("configs")).unwrap() {
        let real = entry.unwrap().path();
        let copy = folder.join("configs").join(real.file_name().unwrap());
        fs::create_dir_all(&copy).unwrap();
        for name in ["suite.toml", "clap.toml"] {
            let Ok(text) = fs::read_to_string(real.join(name)) else { continue };
            let mut suite = table(&text);
            if name == "suite.toml" && !suite.contains_key("base") {
                lay_over(&mut suite, table(SUITE));
            }
            let pretrained = suite.get_mut("language_model").and_then(Value::as_table_mut);
            if let Some(model) = pretrained.filter(|model| model.contains_key("path")) {
                model.insert("path".into(), LLAMA.into());
            }
            shrink(&mut suite);
            fs::write(copy.join(name), toml::to_string(&suite).unwrap()).unwrap();
        }
        if real.join("results").is_dir() {
            symlink(real.join("results"), copy.join("results")).unwrap();
        }
    }
}
