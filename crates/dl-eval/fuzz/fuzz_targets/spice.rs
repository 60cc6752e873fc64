//! Any bytes as captions, a line each: SPICE parses and scores them without a panic or a
//! hang, and equal captions score 1 or have no tuples. Run from `crates/dl-eval`:
//!
//!     unzip -q fuzz/corpus.zip -d fuzz/corpus/captions
//!     cargo +nightly fuzz run spice fuzz/corpus/captions -- -dict=fuzz/captions.dict -max_len=400
#![no_main]

use dl_eval::caption::{
    Item,
    spice::{Evaluator, score::Kind},
};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let text = String::from_utf8_lossy(bytes);
    let captions: Vec<&str> = text.split('\n').take(8).collect();
    let mut items: Vec<Item> = captions.iter().map(|caption| Item::new(caption, &captions)).collect();
    items.extend(captions.iter().map(|caption| Item::new(caption, &[caption])));
    let scores = Evaluator::new().scores(&items).expect("every item has a reference");
    for (place, item) in scores.iter().enumerate() {
        for kind in Kind::ALL {
            if let Some(score) = item.score.of(kind) {
                assert!((0.0..=1.0 + 1e-12).contains(&score), "{kind:?} {score}");
            }
        }
        let same = place >= captions.len() && !item.score.candidate.is_empty();
        assert!(!same || (item.score.f() - 1.0).abs() < 1e-12);
    }
});
