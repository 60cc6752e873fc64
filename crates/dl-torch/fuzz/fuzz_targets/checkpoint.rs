//! Any bytes as a PyTorch checkpoint, in the zip form and in that before torch 1.6: one
//! error, or tensors of the size that their shapes say, and never more than a constant
//! times the file. Run from `crates/dl-torch`; libtorch is not needed:
//!
//!     unzip -q fuzz/corpus.zip -d fuzz/corpus
//!     cargo +nightly fuzz run checkpoint -- -max_len=4000 -rss_limit_mb=1000
#![no_main]
#![allow(dead_code)]

use std::io::{Cursor, Read, Seek};

use libfuzzer_sys::fuzz_target;

#[path = "../../src/weights/torch_file.rs"]
mod torch_file;
#[path = "../../src/weights/unpickle.rs"]
mod unpickle;

fn look<R: Read + Seek>(checkpoint: Result<torch_file::Checkpoint<R>, torch_file::Fault>, size: usize) {
    let Ok(mut checkpoint) = checkpoint else { return };
    let mut sum = 0;
    for index in 0..checkpoint.tensors.len() {
        let Ok(values) = checkpoint.values(index) else { continue };
        let tensor = &checkpoint.tensors[index];
        let count: u64 = tensor.shape.iter().product();
        assert_eq!(values.len() as u64, count * tensor.element.width());
        sum += values.len();
    }
    assert!(sum <= 64 * size + (1 << 20));
}

fuzz_target!(|bytes: &[u8]| {
    look(torch_file::open_zip(Cursor::new(bytes), bytes.len() as u64), bytes.len());
    look(torch_file::open_legacy::<Cursor<&[u8]>>(bytes.to_vec()), bytes.len());
    if let Ok(pickle) = unpickle::read(bytes) {
        assert!(pickle.length <= bytes.len() && pickle.nodes.len() <= 3 * bytes.len());
    }
});
