//! Against tokens and scores that `golden/caption_scores.py` and `golden/tokens.py` made
//! with the reference caption tools.

#![allow(clippy::unwrap_used)]

use dl_eval::{
    caption::{Item, bleu::Bleu, cider_d, rouge_l, tokenize, tokenize_lines},
    stats,
};
use serde::Deserialize;

#[derive(Deserialize)]
struct Golden {
    items: Vec<Scored>,
    corpus: Scores,
}

#[derive(Deserialize)]
struct Scored {
    candidate: String,
    references: Vec<String>,
    candidate_tokens: Vec<String>,
    reference_tokens: Vec<Vec<String>>,
    #[serde(flatten)]
    scores: Scores,
}

#[derive(Deserialize)]
struct Scores {
    bleu: [f64; 4],
    rouge_l: f64,
    cider_d: f64,
}

#[track_caller]
fn assert_near(got: f64, expected: f64) {
    assert!((got - expected).abs() <= 1e-9 * expected.abs(), "{got} against {expected}");
}

#[test]
fn tokens_and_scores_equal_the_reference_tools() {
    let golden: Golden = serde_json::from_str(include_str!("golden/caption_scores.json")).unwrap();
    let candidates: Vec<&String> = golden.items.iter().map(|g| &g.candidate).collect();
    let references: Vec<&Vec<String>> = golden.items.iter().map(|g| &g.references).collect();
    let items = Item::all(&candidates, &references).unwrap();
    // The golden file lists words; a token may hold two.
    let words = |tokens: &[String]| -> Vec<String> {
        tokens.join(" ").split_whitespace().map(str::to_owned).collect()
    };
    for (item, expected) in items.iter().zip(&golden.items) {
        assert_eq!(words(&item.candidate), expected.candidate_tokens);
        for (found, expected) in item.references.iter().zip(&expected.reference_tokens) {
            assert_eq!(&words(found), expected);
        }
    }
    let bleu = Bleu::new(&items).unwrap();
    let (rouge, cider) = (rouge_l::per_item(&items).unwrap(), cider_d::per_item(&items).unwrap());
    for (index, expected) in golden.items.iter().enumerate() {
        for n in 0..4 {
            assert_near(bleu.per_item()[index][n], expected.scores.bleu[n]);
        }
        assert_near(rouge[index], expected.scores.rouge_l);
        assert_near(cider[index], expected.scores.cider_d);
    }
    for n in 0..4 {
        assert_near(bleu.corpus()[n], golden.corpus.bleu[n]);
    }
    assert_near(stats::mean(&rouge), golden.corpus.rouge_l);
    assert_near(stats::mean(&cider), golden.corpus.cider_d);
}

#[derive(Deserialize)]
struct Line {
    caption: String,
    tokens: String,
}

#[test]
fn hard_captions_are_cut_as_the_reference_tokenizer_cuts_them() {
    let golden: Vec<Line> = serde_json::from_str(include_str!("golden/tokens.json")).unwrap();
    let captions: Vec<&String> = golden.iter().map(|line| &line.caption).collect();
    for (found, line) in tokenize_lines(&captions).iter().zip(&golden) {
        assert_eq!(found.join(" "), line.tokens, "{:?}", line.caption);
    }
    // Three of them end in an abbreviation that the next line bears on.
    let alone = golden.iter().filter(|line| tokenize(&line.caption).join(" ") == line.tokens);
    assert!(golden.len() - alone.count() <= 3);
}

#[test]
fn long_captions_are_cut_as_short_ones() {
    for (part, tokens) in [("a dog's bark, ", 4), ("high-pitched ", 1), ("3.5 ", 1), ("犬 ", 1)] {
        assert_eq!(tokenize(&part.repeat(20_000)).len(), 20_000 * tokens, "{part:?}");
    }
    assert_eq!(tokenize(&"bark".repeat(50_000)).len(), 1);
}

#[test]
fn sets_of_different_length_are_refused() {
    let references = [vec!["a dog".to_owned()]];
    let fault = Item::all(&["a dog", "a cat"], &references).unwrap_err().to_string();
    assert!(fault.contains("expected 2, got 1"), "{fault}");
}
