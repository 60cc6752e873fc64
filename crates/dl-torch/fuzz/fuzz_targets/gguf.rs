//! Any bytes as a GGUF file: one error, or tensors that lie inside of it. Run from
//! `crates/dl-torch`; libtorch is not needed:
//!
//!     unzip -q fuzz/corpus.zip -d fuzz/corpus
//!     cargo +nightly fuzz run gguf -- -max_len=1000
#![no_main]
#![allow(dead_code)]

use libfuzzer_sys::fuzz_target;

#[path = "../../src/weights/gguf_file.rs"]
mod gguf_file;

fuzz_target!(|bytes: &[u8]| {
    let Ok(header) = gguf_file::read(bytes, bytes.len() as u64) else { return };
    let places = header.tensors.iter().map(|tensor| &tensor.place);
    assert!(places.clone().all(|place| place.end <= bytes.len() as u64));
    assert!(places.map(|place| place.end - place.start).sum::<u64>() <= bytes.len() as u64);
});
