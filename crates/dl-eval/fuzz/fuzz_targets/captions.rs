//! Any bytes as captions, a line each: nothing panics, tokens are words, scores are in
//! range. Run from `crates/dl-eval`:
//!
//!     unzip -q fuzz/corpus.zip -d fuzz/corpus/captions
//!     cargo +nightly fuzz run captions -- -dict=fuzz/captions.dict -max_len=400
//!
//! With `DL_EVAL_METEOR` naming METEOR's converted data (`.setup/meteor.bin`) all four
//! matchers run, without it two. The corpus grew from the captions of
//! `tests/golden/tokens.py`.
#![no_main]

use std::{path::Path, sync::LazyLock};

use dl_eval::caption::{
    Item, bleu::{self, Bleu}, cider_d, diversity,
    meteor::{Matchers, Meteor, MeteorData},
    rouge_l, tokenize, tokenize_lines,
};
use libfuzzer_sys::fuzz_target;

static METEOR: LazyLock<Option<MeteorData>> = LazyLock::new(|| {
    let file = std::env::var_os("DL_EVAL_METEOR")?;
    Some(MeteorData::open(Path::new(&file)).expect("DL_EVAL_METEOR is METEOR's data"))
});

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
    let matchers = METEOR.as_ref().map_or(Matchers::ExactStem, Matchers::All);
    let meteor = Meteor::new(&items, matchers).expect("every item has a reference");
    in_range(&meteor.per_item(), 1.0);
    if let Ok(scores) = cider_d::per_item(&items) {
        in_range(&scores, 10.0);
    }
    if let Some(scores) = bleu::self_bleu(&together) {
        in_range(&scores, 1.0);
    }
    in_range(&[diversity::diversity(&together).distinct], 1.0);
});
