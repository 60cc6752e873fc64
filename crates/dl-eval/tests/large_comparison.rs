//! Against files that `golden/large_comparison.py` makes from data that may not stand in
//! the repository: every token, and every score within 1e-9.

#![allow(clippy::print_stdout, clippy::unwrap_used)] // a test says what it skips

mod common;

use std::{fs, path::Path};

use common::meteor_data;
use dl_eval::{
    caption::{
        Item,
        bleu::Bleu,
        cider_d,
        meteor::{Matchers, Meteor},
        rouge_l, tokenize, tokenize_lines,
    },
    stats,
};
use serde::Deserialize;

#[derive(Deserialize)]
struct Tokens {
    captions: Vec<String>,
    tokens: Vec<String>,
}

#[derive(Deserialize)]
struct Scores {
    candidates: Vec<String>,
    references: Vec<Vec<String>>,
    bleu: [f64; 4],
    bleu_items: Vec<[f64; 4]>,
    rouge_l: f64,
    rouge_l_items: Vec<f64>,
    cider_d: f64,
    cider_d_items: Vec<f64>,
    meteor: f64,
    meteor_items: Vec<f64>,
}

#[test]
fn tokens_and_scores_equal_the_reference_tools() {
    let Ok(folder) = std::env::var("DL_EVAL_LARGE") else {
        println!("skipped: DL_EVAL_LARGE names no folder made by golden/large_comparison.py");
        return;
    };
    let mut differences = 0;
    let mut files: Vec<_> =
        fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    for file in files {
        let name = file.file_name().unwrap().to_string_lossy().into_owned();
        if name.ends_with(".tokens.json") {
            differences += compare_tokens(&name, &read(&file));
        } else if name.ends_with(".scores.json") {
            differences += compare_scores(&name, &read(&file));
        }
    }
    assert_eq!(differences, 0);
}

fn read<T: for<'a> Deserialize<'a>>(file: &Path) -> T {
    serde_json::from_slice(&fs::read(file).unwrap()).unwrap()
}

fn compare_tokens(name: &str, expected: &Tokens) -> usize {
    let found = tokenize_lines(&expected.captions);
    let (mut differ, mut alone) = (0, 0);
    for ((caption, tokens), expected) in expected.captions.iter().zip(found).zip(&expected.tokens) {
        let tokens = tokens.join(" ");
        if tokens != *expected {
            differ += 1;
            println!("{name}: {caption:?}\n  expected {expected:?}\n  found    {tokens:?}");
        }
        alone += usize::from(tokenize(caption).join(" ") != *expected);
    }
    let all = expected.captions.len();
    println!("{name}: {differ} of {all} differ; {alone} when tokenised alone");
    differ
}

fn compare_scores(name: &str, expected: &Scores) -> usize {
    let items = Item::all(&expected.candidates, &expected.references).unwrap();
    let bleu = Bleu::new(&items).unwrap();
    let (rouge, cider) = (rouge_l::per_item(&items).unwrap(), cider_d::per_item(&items).unwrap());
    let mut worst = [0.0_f64; 4];
    let mut compare = |metric: usize, found: f64, expected: f64| {
        let error = (found - expected).abs() / expected.abs().max(f64::MIN_POSITIVE);
        worst[metric] = worst[metric].max(if found == expected { 0.0 } else { error });
    };
    let pairs = bleu.per_item().into_iter().zip(&expected.bleu_items);
    for (found, expected) in pairs.chain([(bleu.corpus(), &expected.bleu)]) {
        (0..4).for_each(|n| compare(0, found[n], expected[n]));
    }
    let means = (stats::mean(&rouge), stats::mean(&cider));
    rouge.iter().zip(&expected.rouge_l_items).for_each(|(&f, &e)| compare(1, f, e));
    cider.iter().zip(&expected.cider_d_items).for_each(|(&f, &e)| compare(2, f, e));
    compare(1, means.0, expected.rouge_l);
    compare(2, means.1, expected.cider_d);
    if let Some(data) = meteor_data() {
        let meteor = Meteor::new(&items, Matchers::All(data)).unwrap();
        meteor.per_item().iter().zip(&expected.meteor_items).for_each(|(&f, &e)| compare(3, f, e));
        compare(3, meteor.corpus(), expected.meteor);
    }
    println!("{name}: {} items, worst relative error {worst:?}", items.len());
    worst.iter().filter(|&&error| error > 1e-9).count()
}
