//! Against tokens and scores that `golden/caption_scores.py` made with the reference
//! caption tools.

#![allow(clippy::unwrap_used)]

use dl_eval::{
    caption::{Item, bleu::Bleu, cider_d, rouge_l},
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
    let items: Vec<Item> =
        golden.items.iter().map(|g| Item::new(&g.candidate, &g.references)).collect();
    for (item, expected) in items.iter().zip(&golden.items) {
        assert_eq!(item.candidate, expected.candidate_tokens);
        assert_eq!(item.references, expected.reference_tokens);
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
