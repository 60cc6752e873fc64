//! Any bytes as a file of captions, in all three layouts: one error, or clips with ids and
//! captions. Run from `crates/dl-score`:
//!
//!     unzip -q fuzz/corpus.zip -d fuzz/corpus
//!     cargo +nightly fuzz run captions -- -max_len=600
#![no_main]
#![allow(dead_code)]

use libfuzzer_sys::fuzz_target;

#[path = "../../src/files.rs"]
mod files;

fuzz_target!(|bytes: &[u8]| {
    let Ok(text) = dl_core::text::parse(bytes.to_vec()) else { return };
    for ending in ["csv", "jsonl", "json"] {
        let Ok(file) = files::parse(&text, ending) else { continue };
        assert!(!file.clips.is_empty());
        for clip in &file.clips {
            assert!(!clip.id.trim().is_empty() && !clip.captions.is_empty());
        }
    }
});
