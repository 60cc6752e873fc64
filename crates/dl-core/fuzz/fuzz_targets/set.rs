//! Any bytes as an embedding set: one error, or a set that is written and read back as it
//! is. Run from `crates/dl-core`:
//!
//!     unzip -q fuzz/corpus.zip -d fuzz/corpus
//!     cargo +nightly fuzz run set -- -max_len=1000
#![no_main]

use std::path::Path;

use dl_core::EmbeddingSet;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    match EmbeddingSet::parse(Path::new("x"), bytes) {
        Ok(set) => assert!(4 * (set.audio.len() + set.text.len()) <= bytes.len()),
        Err(error) => assert!(error.to_string().starts_with("x: ")),
    }
});
