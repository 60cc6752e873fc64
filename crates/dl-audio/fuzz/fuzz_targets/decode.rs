//! Any bytes as a sound file: it is decoded to finite samples, or refused with its name.
//! Run from `crates/dl-audio`:
//!
//!     cargo +nightly fuzz run decode fuzz/corpus/decode tests/golden/matrix \
//!         -- -dict=fuzz/decode.dict -max_len=16384
//!
//! A panic inside symphonia or lewton is caught as in the program and counts as a refusal;
//! what is sought are panics of this crate, hangs, and memory beyond libFuzzer's limit. It
//! begins with the files that `tests/golden/matrix.py` made.
#![no_main]

use std::path::Path;

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    match dl_audio::decode_bytes(Path::new("some/file"), bytes.to_vec()) {
        Ok(sound) => {
            assert!(!sound.samples.is_empty());
            assert!(sound.samples.iter().all(|sample| sample.is_finite()));
            assert!((1_000..=768_000).contains(&sound.sample_rate));
        }
        Err(error) => assert!(error.to_string().contains("some/file"), "{error}"),
    }
});
