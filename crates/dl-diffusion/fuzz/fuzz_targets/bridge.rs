//! Any text as the header of a bridge file, with as many bytes of data behind it as its
//! offsets ask for: one error of one line that begins with the file, or a bridge whose rows
//! are unit vectors. Run from `crates/dl-diffusion` (libtorch is found as `cargo setup` left
//! it; `-D -s none` builds without optimisation and sanitizer, in much less time):
//!
//!     unzip -q fuzz/corpus.zip -d fuzz/corpus
//!     ASAN_OPTIONS=detect_leaks=0 cargo +nightly fuzz run bridge -- -max_len=14000 \
//!         -dict=fuzz/bridge.dict -rss_limit_mb=2000 -timeout=20
//!
//! `cargo run -p dl-diffusion --example fuzz_corpus -- DIRECTORY` makes the headers of the
//! corpus.
#![no_main]

use std::{env, fs, path::PathBuf, process, sync::LazyLock};

use dl_diffusion::Bridge;
use libfuzzer_sys::fuzz_target;
use ndarray::Array2;
use serde_json::Value;
use tch::Device;

/// No file gets more data than this.
const MOST_DATA: u64 = 1 << 20;
/// Wider bridges are loaded and not applied.
const MOST_DIMENSIONS: usize = 64;

static FILE: LazyLock<PathBuf> = LazyLock::new(|| {
    tch::set_num_threads(1);
    env::temp_dir().join(format!("dl-diffusion-bridge-{}", process::id()))
});

/// Where the last tensor ends.
fn end(header: &[u8]) -> u64 {
    let header: Value = serde_json::from_slice(header).unwrap_or_default();
    let entries = header.as_object().into_iter().flatten();
    let ends = entries.filter_map(|(_, entry)| entry["data_offsets"][1].as_u64());
    ends.max().unwrap_or(0).min(MOST_DATA)
}

/// The file of a header: f32 values in [-1/2, 1/2) that look random.
fn file(header: &[u8]) -> Vec<u8> {
    let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
    bytes.extend(header);
    let values = (0..end(header).div_ceil(4) as u32).flat_map(|place| {
        let share = place.wrapping_mul(2_654_435_761) >> 8;
        (share as f32 / (1 << 24) as f32 - 0.5).to_le_bytes()
    });
    bytes.extend(values.take(end(header) as usize));
    bytes
}

/// Two rows through everything that a bridge does with rows.
fn look(bridge: &Bridge) {
    let rows = Array2::from_shape_fn((2, bridge.dim()), |(row, column)| {
        1.0 + (row * 7 + column * 3 % 5) as f32
    });
    let ids = ["a".to_owned(), "b".to_owned()];
    for moved in [
        bridge.apply(&rows, &ids, 0),
        bridge.text(&rows),
        bridge.decoder_text(&rows, &ids, 0),
        bridge.text_through(&rows, &ids, 0),
    ] {
        let Ok(moved) = moved else { continue };
        assert_eq!(moved.dim(), rows.dim());
        assert!(moved.outer_iter().all(|row| (row.dot(&row) - 1.0).abs() < 1e-2), "{moved}");
    }
}

fuzz_target!(|header: &[u8]| {
    fs::write(&*FILE, file(header)).unwrap();
    match Bridge::load(&FILE, Device::Cpu) {
        Ok(bridge) if bridge.dim() <= MOST_DIMENSIONS => look(&bridge),
        Ok(_) => {}
        Err(error) => {
            let error = error.to_string();
            assert!(error.starts_with(&FILE.display().to_string()), "{error}");
            assert!(!error.contains('\n'), "{error}");
        }
    }
});
