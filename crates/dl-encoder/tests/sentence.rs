//! Sentence encoders and the fluency classifier against sentence-transformers and
//! aac-metrics (tests/golden/sentence.py), on toy models.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test may fail and say why")]

mod common;

use std::{
    fs,
    path::{Path, PathBuf},
};

use common::golden;
use dl_encoder::{FluencyClassifier, MiniLm, MiniLmConfig, TextTokenizer, fluency};
use serde::Deserialize;
use tch::Device;
use tempfile::TempDir;

#[derive(Deserialize)]
struct Golden {
    texts: Vec<String>,
    embeddings: Vec<Vec<f32>>,
    error_probabilities: Vec<f64>,
    plain: Vec<String>,
    lowered: Vec<Vec<i64>>,
    cased: Vec<Vec<i64>>,
}

fn expected() -> Golden {
    serde_json::from_slice(&fs::read(golden("sentence.json")).unwrap()).unwrap()
}

/// A copy of a golden directory without some of its files.
fn copy(name: &str, without: &[&str]) -> TempDir {
    fn go(from: &Path, to: &Path, without: &[&str]) {
        fs::create_dir_all(to).unwrap();
        for entry in fs::read_dir(from).unwrap().map(Result::unwrap) {
            let name = entry.file_name().into_string().unwrap();
            if without.contains(&name.as_str()) {
                continue;
            }
            match entry.path().is_dir() {
                true => go(&entry.path(), &to.join(name), without),
                false => drop(fs::copy(entry.path(), to.join(name)).unwrap()),
            }
        }
    }
    let to = tempfile::tempdir().unwrap();
    go(&golden(name), to.path(), without);
    to
}

fn worst(model: &MiniLm, expected: &Golden) -> f32 {
    let found = model.embed(&expected.texts).unwrap();
    assert_eq!(found.nrows(), expected.embeddings.len());
    let pairs = found.iter().zip(expected.embeddings.iter().flatten());
    pairs.fold(0.0, |worst, (a, b)| worst.max((a - b).abs()))
}

fn open(directory: &Path) -> Result<MiniLm, String> {
    MiniLm::open(directory, Device::Cpu).map_err(|error| error.to_string())
}

#[test]
fn a_published_layout_embeds_as_the_reference_in_each_form() {
    let expected = expected();
    let model = open(&golden("sentence_bert")).unwrap();
    assert_eq!((model.name(), model.max_tokens(), model.dim()), ("sentence_bert", 24, 16));
    let mut prints = vec![model.fingerprint().clone()];
    println!("as published: largest difference {:.1e}", worst(&model, &expected));
    assert!(worst(&model, &expected) < 5e-6);
    for without in ["model.safetensors", "tokenizer.json", "modules.json", "1_Pooling"] {
        let directory = copy("sentence_bert", &[without]);
        let model = open(directory.path()).unwrap();
        assert!(worst(&model, &expected) < 5e-6, "{without}");
        prints.push(model.fingerprint().clone());
    }
    // Other files were read; what is only checked does not count.
    assert!(prints[0] != prints[1] && prints[0] != prints[2] && prints[1] != prints[2]);
    assert!(prints[0] == prints[3] && prints[0] == prints[4]);
}

#[test]
fn the_longest_text_is_what_the_directory_says() {
    let from = |path: &Path, max_tokens| {
        let config = MiniLmConfig { path: path.into(), max_tokens, ..Default::default() };
        MiniLm::load(&config, Device::Cpu).map(|model| model.max_tokens())
    };
    assert_eq!(from(&golden("sentence_bert"), 128).unwrap(), 24);
    assert_eq!(from(&golden("sentence_bert"), 10).unwrap(), 10);
    let directory = copy("sentence_bert", &["sentence_bert_config.json"]);
    // The tokenizer's 512 are more than there are positions.
    assert_eq!(open(directory.path()).unwrap().max_tokens(), 70);
    fs::write(directory.path().join("tokenizer_config.json"), r#"{"model_max_length": 1e30}"#)
        .unwrap();
    assert_eq!(open(directory.path()).unwrap().max_tokens(), 70);
    fs::write(directory.path().join("tokenizer_config.json"), r#"{"model_max_length": 24}"#)
        .unwrap();
    let model = open(directory.path()).unwrap();
    assert!(model.max_tokens() == 24 && worst(&model, &expected()) < 5e-6);
    fs::remove_file(directory.path().join("tokenizer_config.json")).unwrap();
    let error = from(directory.path(), 71).unwrap_err().to_string();
    assert!(error.ends_with("config.json: takes 70 tokens; lower max_tokens = 71"), "{error}");
}

#[test]
fn a_list_of_words_tokenises_as_the_reference() {
    let expected = expected();
    for (settings, tokens) in
        [("{}", &expected.lowered), (r#"{"do_lower_case": false}"#, &expected.cased)]
    {
        let directory = copy("sentence_bert", &["tokenizer.json", "sentence_bert_config.json"]);
        let path = directory.path().join("tokenizer_config.json");
        fs::write(path, settings).unwrap();
        let lower = settings == "{}";
        let normalizer = tokenizers::normalizers::BertNormalizer::new(true, true, None, lower);
        let words = directory.path().join("vocab.txt");
        let tokenizer = TextTokenizer::read_words(&words, normalizer, 512).unwrap();
        for (index, (text, tokens)) in expected.texts.iter().zip(tokens).enumerate() {
            assert_eq!(&tokenizer.tokens(index, text).unwrap(), tokens, "{text}");
        }
        // The same through a directory: captions that differ in case alone.
        let rows = open(directory.path()).unwrap().embed(&["A dog".into(), "a dog".into()]);
        let rows = rows.unwrap();
        assert_eq!(rows.row(0) == rows.row(1), lower);
    }
    // `do_lower_case` of the sentence encoder comes before a tokenizer that keeps case.
    let directory = copy("sentence_bert", &["tokenizer.json"]);
    let write = |name: &str, text: &str| fs::write(directory.path().join(name), text).unwrap();
    write("tokenizer_config.json", r#"{"do_lower_case": false}"#);
    let before = open(directory.path()).unwrap();
    write("sentence_bert_config.json", r#"{"max_seq_length": 24, "do_lower_case": true}"#);
    let after = open(directory.path()).unwrap();
    assert!(before.fingerprint() != after.fingerprint());
    let rows = after.embed(&["A dog".into(), "a dog".into()]).unwrap();
    assert_eq!(rows.row(0), rows.row(1));
}

#[test]
fn what_is_missing_or_of_another_kind_is_told_in_one_sentence() {
    let without = |names: &[&str]| open(copy("sentence_bert", names).path()).err().unwrap();
    assert!(without(&["config.json"]).contains("config.json: No such file"));
    let problem = without(&["model.safetensors", "pytorch_model.bin"]);
    assert!(problem.contains("has no model.safetensors and no pytorch_model.bin"), "{problem}");
    let problem = without(&["tokenizer.json", "vocab.txt"]);
    assert!(problem.contains("has no tokenizer.json and no vocab.txt"), "{problem}");
    let with = |name: &str, text: &str| {
        let directory = copy("sentence_bert", &["tokenizer.json"]);
        fs::write(directory.path().join(name), text).unwrap();
        open(directory.path()).err()
    };
    let settings = fs::read_to_string(golden("sentence_bert/config.json")).unwrap();
    let class =
        |name: &str| format!(r#"{{"path": "", "type": "sentence_transformers.models.{name}"}}"#);
    let classes = |names: [&str; 3]| format!("[{}]", names.map(class).join(", "));
    for (name, text, part) in [
        ("config.json", settings.replace("\"bert\"", "\"roberta\""), "says `roberta`"),
        ("config.json", settings.replace("absolute", "relative_key"), "says `relative_key`"),
        ("config.json", "{}".to_owned(), "not the config.json of a BERT model"),
        ("vocab.txt", "[PAD]\n[UNK]\n[CLS]\n".to_owned(), "has no line [SEP]"),
        ("1_Pooling/config.json", r#"{"pooling_mode_cls_token": true}"#.into(), "pools by cls;"),
        (
            "1_Pooling/config.json",
            r#"{"pooling_mode_mean_tokens": true, "pooling_mode_max_tokens": true}"#.into(),
            "pools by max and mean;",
        ),
        (
            "1_Pooling/config.json",
            r#"{"pooling_mode_mean_sqrt_len_tokens": true}"#.into(),
            "pools by mean_sqrt_len;",
        ),
        ("1_Pooling/config.json", r#"{"pooling_mode": ["cls", "mean"]}"#.into(), "cls and mean;"),
        (
            "modules.json",
            classes(["Transformer", "Pooling", "Dense"]),
            "lists Transformer, Pooling, Dense;",
        ),
        ("modules.json", "[".to_owned(), "cannot be read"),
        (
            "config_sentence_transformers.json",
            r#"{"default_prompt_name": "query"}"#.into(),
            "puts the prompt `query` before every text",
        ),
        ("sentence_bert_config.json", r#"{"max_seq_length": 2}"#.into(), "max_seq_length = 2"),
        ("sentence_bert_config.json", r#"{"max_seq_length": 99}"#.into(), "takes 70 tokens"),
    ] {
        let problem = with(name, &text).unwrap();
        assert!(problem.contains(part), "{problem}");
    }
    // What newer versions of the package write is understood.
    for (name, text) in [
        (
            "1_Pooling/config.json",
            r#"{"embedding_dimension": 16, "pooling_mode": "mean"}"#.to_owned(),
        ),
        ("config_sentence_transformers.json", r#"{"default_prompt_name": null}"#.to_owned()),
    ] {
        assert_eq!(with(name, &text), None);
    }
}

#[test]
fn error_probabilities_match_the_reference() {
    let expected = expected();
    assert_eq!(fluency::plain(&expected.texts).unwrap(), expected.plain);
    let model = FluencyClassifier::load(&golden("fluency_toy"), Device::Cpu).unwrap();
    assert_eq!(model.name(), "fluency_toy");
    let found = model.error_probabilities(&expected.texts).unwrap();
    let pairs = || found.iter().zip(&expected.error_probabilities);
    let worst = pairs().fold(0.0_f64, |worst, (a, b)| worst.max((a - b).abs()));
    println!("largest difference {worst:.1e}");
    assert!(found.len() == expected.texts.len() && worst < 5e-6, "{worst}");
    assert!(pairs().all(|(a, b)| (*a > 0.9) == (*b > 0.9)));
    assert!(found.iter().any(|p| *p > 0.9) && found.iter().any(|p| *p < 0.9));
    // Case and full stop are gone before the tokenizer.
    assert_eq!(found[0].to_bits(), found[1].to_bits());
}

#[test]
fn a_classifier_directory_that_lacks_something_says_what() {
    let load = |directory: &Path| {
        FluencyClassifier::load(directory, Device::Cpu).err().unwrap().to_string()
    };
    let without = |name| load(copy("fluency_toy", &[name]).path());
    assert!(without("fluency_toy.ckpt").contains("has no .ckpt file"));
    assert!(without("config.json").contains("config.json: No such file"));
    assert!(without("vocab.txt").contains("has no tokenizer.json and no vocab.txt"));
    assert!(load(Path::new("/nowhere/fluency")).starts_with("/nowhere/fluency: "));
    let checkpoint = |directory: &TempDir| -> PathBuf { directory.path().join("fluency_toy.ckpt") };
    let two = copy("fluency_toy", &[]);
    fs::copy(checkpoint(&two), two.path().join("other.ckpt")).unwrap();
    assert!(load(two.path()).contains("has 2 .ckpt files"));
    let other = copy("fluency_toy", &[]);
    fs::copy(golden("sentence_bert/pytorch_model.bin"), checkpoint(&other)).unwrap();
    assert!(load(other.path()).contains("has no matrix clf.weight"));
    let settings = fs::read_to_string(golden("fluency_toy/config.json")).unwrap();
    for (from, to, part) in [
        ("\"hidden_size\": 16", "\"hidden_size\": 32", "hidden_size = 32, but "),
        ("\"num_hidden_layers\": 2", "\"num_hidden_layers\": 1", "is unknown"),
        ("_embeddings\": 70", "_embeddings\": 40", "takes 40 tokens; the classifier needs 64"),
    ] {
        let directory = copy("fluency_toy", &[]);
        fs::write(directory.path().join("config.json"), settings.replace(from, to)).unwrap();
        let problem = load(directory.path());
        assert!(problem.contains(part), "{problem}");
    }
}
