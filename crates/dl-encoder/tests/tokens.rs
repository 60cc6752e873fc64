//! The states of tokens, on a toy RoBERTa (tests/golden/scores.py). That they are those of the
//! reference is shown where BERTScore is made of them: in the tests of `score`.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test may fail and say why")]

mod common;

use std::{fs, path::Path};

use common::golden;
use dl_encoder::TokenStates;
use tch::Device;

fn load(directory: &Path, layer: Option<usize>) -> Result<TokenStates, String> {
    TokenStates::load(directory, layer, Device::Cpu).map_err(|error| error.to_string())
}

#[test]
fn special_tokens_are_left_out_and_long_texts_are_cut() {
    let tokens = load(&golden("roberta_toy"), None).unwrap();
    let inner = load(&golden("roberta_toy"), Some(1)).unwrap();
    assert_eq!((tokens.layer(), inner.layer()), (2, 1));
    assert_ne!(tokens.fingerprint(), inner.fingerprint());
    // 70 positions, the first of which are the padding's.
    assert_eq!((tokens.max_tokens(), tokens.name()), (68, "roberta_toy"));
    let long = "a dog barks ".repeat(60);
    let texts = [String::new(), "a".to_owned(), long];
    let states = tokens.embed(&texts).unwrap();
    let shapes: Vec<[usize; 2]> = states.iter().map(|rows| [rows.nrows(), rows.ncols()]).collect();
    assert_eq!(shapes, [[0, 16], [1, 16], [66, 16]]);
    assert_eq!(tokens.cut_texts(&texts).unwrap(), [2]);
}

#[test]
fn what_cannot_be_run_is_told_in_one_sentence() {
    let problem = load(&golden("roberta_toy"), Some(3)).err().unwrap();
    assert_eq!(problem, "layer = 3: must be 1 to 2");
    assert!(load(&golden("roberta_toy"), Some(0)).is_err());
    let folder = tempfile::tempdir().unwrap();
    for name in ["config.json", "tokenizer.json", "model.safetensors"] {
        fs::copy(golden("roberta_toy").join(name), folder.path().join(name)).unwrap();
    }
    let path = folder.path().join("config.json");
    let settings = fs::read_to_string(&path).unwrap();
    fs::write(&path, settings.replace("\"roberta\"", "\"deberta\"")).unwrap();
    let problem = load(folder.path(), None).err().unwrap();
    assert!(problem.contains("says `deberta` where only `bert` or `roberta`"), "{problem}");
}
