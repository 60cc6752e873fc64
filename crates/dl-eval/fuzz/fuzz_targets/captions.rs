//! Any bytes as captions, a line each: nothing panics, tokens are words, scores are in
//! range. Run from `crates/dl-eval`:
//!
//!     unzip -q fuzz/corpus.zip -d fuzz/corpus/captions
//!     cargo +nightly fuzz run captions -- -dict=fuzz/captions.dict -max_len=400
//!
//! The corpus grew from the captions of `tests/golden/tokens.py`.
#![no_main]

use dl_eval::caption::{
    Item, bleu::{self, Bleu}, cider_d, diversity,
    meteor::{Matchers, Meteor},
    rouge_l, tokenize, tokenize_lines,
};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let text = String::from_utf8_lossy(bytes);
    let captions: Vec<&str> = text.split('\n').collect();
    let together = tokenize_lines(&captions);
    assert_eq!(together.len(), captions.len());
    for token in together.iter().flatten().chain(&tokenize(&text)) {
        assert!(!token.is_empty() && !token.contains([' ', '\n']));
    }
    let items: Vec<Item> = captions.iter().map(|caption| Item::new(caption, &captions)).collect();
    let in_range = |scores: &[f64], most: f64| {
        assert!(scores.iter().all(|score| (0.0..=most + 1e-9).contains(score)), "{scores:?}");
    };
    let bleu = Bleu::new(&items).expect("every item has a reference");
    in_range(&bleu.corpus(), 1.0);
    in_range(bleu.per_item().as_flattened(), 1.0);
    in_range(&rouge_l::per_item(&items).expect("every item has a reference"), 1.0);
    let meteor = Meteor::new(&items, Matchers::ExactStem).expect("no data is needed");
    in_range(&meteor.per_item(), 1.0);
    if let Ok(scores) = cider_d::per_item(&items) {
        in_range(&scores, 10.0);
    }
    if let Some(scores) = bleu::self_bleu(&together) {
        in_range(&scores, 1.0);
    }
    in_range(&[diversity::diversity(&together).distinct], 1.0);
});
