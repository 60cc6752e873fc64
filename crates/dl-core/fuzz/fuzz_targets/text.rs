//! Any bytes as a text: without marks at line starts and foreign line ends, quotation marks
//! checked, ids shown. Run from `crates/dl-core`:
//!
//!     unzip -q fuzz/corpus.zip -d fuzz/corpus
//!     cargo +nightly fuzz run text -- -max_len=400
#![no_main]

use dl_core::text::{csv_quotes, parse, shown, told_apart};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Ok(text) = parse(bytes.to_vec()) else { return };
    assert!(!text.contains('\r') && text.len() <= bytes.len());
    assert!(text.lines().all(|line| !line.starts_with('\u{feff}')));
    // A second reading changes nothing.
    assert_eq!(parse(text.clone().into_bytes()).as_ref(), Ok(&text));
    let lines = 1 + text.matches('\n').count();
    for field in csv_quotes(&text).unwrap_or_default() {
        assert!(field.line < field.end && field.end <= lines);
    }
    assert!(shown(&text).is_ascii());
    let _ = told_apart(&text, text.lines());
});
