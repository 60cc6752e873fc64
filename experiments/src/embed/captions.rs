//! Captions through the text tower, in the same pieces as the sounds and kept
//! beside them. Which captions share a batch depends on their piece alone.

use std::{collections::HashMap, path::Path};

use anyhow::Result;
use dl_core::{Fingerprint, Progress};
use dl_encoder::Encoder;
use dl_torch::{
    convert,
    tensor_file::{self, Tensors},
};
use ndarray::{Array2, s};
use tch::Device;

use super::{PIECE, manifest::Item};
use crate::ui::Reporter;

/// The only tensor of a piece, and in its metadata what it was made from.
const ROWS: &str = "captions";
const KEY: &str = "key";

/// The embeddings `[captions, dim]` of all captions of `items`, in order.
pub fn embed(
    encoder: &dyn Encoder,
    items: &[Item],
    directory: &Path,
    reporter: &Reporter,
) -> Result<Array2<f32>> {
    let count = items.iter().map(|item| item.captions.len()).sum();
    let mut rows = Array2::zeros((count, encoder.dim()));
    let mut done = 0;
    reporter.begin("embedding captions", count as u64);
    for (number, piece) in items.chunks(PIECE).enumerate() {
        let captions: Vec<String> =
            piece.iter().flat_map(|item| item.captions.iter().cloned()).collect();
        let path = directory.join(format!("captions-{number:06}.safetensors"));
        let key = Fingerprint::combine([&encoder.fingerprint(), &Fingerprint::of(&captions)]);
        let found = read(&path, &key).filter(|rows| rows.dim() == (captions.len(), encoder.dim()));
        let part = match found {
            Some(part) => part,
            None => {
                let part = encoder.embed_text(&captions)?;
                write(&path, &key, &part)?;
                part
            }
        };
        rows.slice_mut(s![done..done + captions.len(), ..]).assign(&part);
        done += captions.len();
        reporter.update(done as u64, "");
    }
    reporter.end();
    Ok(rows)
}

/// The piece, if there is a sound one of these captions and this encoder.
fn read(path: &Path, key: &Fingerprint) -> Option<Array2<f32>> {
    if !path.exists() {
        return None;
    }
    let (tensors, metadata) = tensor_file::read(path, Device::Cpu).ok()?;
    if metadata.get(KEY).map(String::as_str) != Some(key.as_str()) {
        return None;
    }
    convert::array2(tensors.get(ROWS)?).ok()
}

fn write(path: &Path, key: &Fingerprint, rows: &Array2<f32>) -> Result<()> {
    let tensors = Tensors::from([(ROWS.to_owned(), convert::tensor2(rows.view(), Device::Cpu))]);
    let metadata = HashMap::from([(KEY.to_owned(), key.to_string())]);
    Ok(tensor_file::write(path, &tensors, metadata)?)
}
