//! Any bytes as a `.npy` file: one error or an array of the size that the bytes have. Run
//! from `crates/dl-core`:
//!
//!     unzip -q fuzz/corpus.zip -d fuzz/corpus
//!     cargo +nightly fuzz run npy -- -max_len=400
#![no_main]

use dl_core::npy::Npy;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Ok(npy) = Npy::parse(bytes.to_vec()) else { return };
    if let Ok(found) = npy.rows() {
        assert!(found.values.is_standard_layout() && 2 * found.values.len() <= bytes.len());
    }
    if let Ok(found) = npy.whole_numbers() {
        assert!(found.values.len() <= bytes.len());
    }
});
