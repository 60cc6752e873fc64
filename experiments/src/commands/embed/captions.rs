//! Captions through the text tower, in the same pieces as the sounds and kept
//! beside them. Which captions share a batch depends on their piece alone.

use std::{collections::HashMap, path::Path};

use anyhow::Result;
use dl_core::Fingerprint;
use dl_encoder::Encoder;
use dl_torch::{
    convert,
    tensor_file::{self, Tensors},
};
use ndarray::Array2;
use tch::Device;

use super::manifest::Item;

/// The only tensor of a piece, and in its metadata what it was made from.
const ROWS: &str = "captions";
const KEY: &str = "key";

/// The embeddings `[captions, dim]` of the captions of one piece, from `file` where it
/// holds them.
pub(super) fn embed(encoder: &dyn Encoder, items: &[Item], file: &Path) -> Result<Array2<f32>> {
    let captions: Vec<String> =
        items.iter().flat_map(|item| item.captions.iter().cloned()).collect();
    let key = Fingerprint::combine([&encoder.fingerprint(), &Fingerprint::of(&captions)]);
    let found = read(file, &key).filter(|rows| rows.dim() == (captions.len(), encoder.dim()));
    if let Some(rows) = found {
        return Ok(rows);
    }
    let rows = encoder.embed_text(&captions)?;
    write(file, &key, &rows)?;
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
