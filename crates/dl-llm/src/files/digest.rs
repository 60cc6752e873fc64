//! Fingerprints of weights, taken from the files. Those of safetensors go by tensor, so that a
//! model has the same one whole and in shards, and the one that it had before it was saved.

use std::{io, path::PathBuf};

use dl_core::Fingerprint;
use dl_torch::{TorchError, tensor_file::Tensors};
use tch::{Device, Kind};

use super::shards::Shard;

/// Larger tensors are digested in pieces of this many bytes.
const PIECE: usize = 64 << 20;

/// Digest of the bytes of one tensor.
fn of_pieces(mut pieces: Vec<Fingerprint>) -> Fingerprint {
    match pieces.len() {
        1 => pieces.remove(0),
        _ => Fingerprint::combine(&pieces),
    }
}

/// Name and shape; f32 goes without saying.
fn of_head(name: &str, shape: &[i64], dtype: &str) -> Fingerprint {
    match dtype {
        "F32" => Fingerprint::of(&(name, shape)),
        other => Fingerprint::of(&(name, shape, other)),
    }
}

/// Digest of the tensors of all shards that `wanted` names.
pub(super) fn of_shards(
    shards: &[Shard],
    wanted: impl Fn(&str) -> bool,
) -> io::Result<Fingerprint> {
    let mut names: Vec<(String, &Shard)> = shards
        .iter()
        .flat_map(|shard| shard.names().map(move |name| (name, shard)))
        .filter(|(name, _)| wanted(name))
        .collect();
    names.sort_by(|a, b| a.0.cmp(&b.0));
    let mut parts = Vec::new();
    for (name, shard) in names {
        let dtype = shard.dtype(&name).unwrap_or_default();
        parts.push(of_head(&name, &shard.shape(&name), &dtype));
        let mut pieces = Vec::new();
        shard.blocks(&name, PIECE, |bytes| -> io::Result<()> {
            pieces.push(Fingerprint::of_bytes(bytes));
            Ok(())
        })?;
        parts.push(of_pieces(pieces));
    }
    Ok(Fingerprint::combine(&parts))
}

/// Digest of whole files.
pub(super) fn of_files(paths: &[PathBuf]) -> io::Result<Fingerprint> {
    let digests = paths.iter().map(|path| Fingerprint::of_file(path));
    Ok(Fingerprint::combine(&digests.collect::<io::Result<Vec<_>>>()?))
}

/// The fingerprint that tensors have once they are in a file.
pub(crate) fn of_tensors(tensors: &Tensors) -> Result<Fingerprint, TorchError> {
    let mut parts = Vec::new();
    for (name, tensor) in tensors {
        let tensor = tensor.detach().to_device(Device::Cpu).contiguous();
        let mut bytes = vec![0; tensor.numel() * tensor.kind().elt_size_in_bytes()];
        tensor.f_copy_data_u8(&mut bytes, tensor.numel())?;
        let dtype = match tensor.kind() {
            Kind::Float => "F32".to_owned(),
            Kind::BFloat16 => "BF16".to_owned(),
            Kind::Half => "F16".to_owned(),
            other => format!("{other:?}"),
        };
        parts.push(of_head(name, &tensor.size(), &dtype));
        let pieces = bytes.chunks(PIECE).map(Fingerprint::of_bytes);
        parts.push(of_pieces(pieces.collect()));
    }
    Ok(Fingerprint::combine(&parts))
}

#[cfg(test)]
mod tests {
    use std::{collections::HashMap, path::Path};

    use super::*;
    use dl_torch::{Params, tensor_file};

    #[test]
    fn memory_files_and_shards_have_one_fingerprint() {
        let directory = tempfile::tempdir().unwrap();
        let params = Params::new(3, Device::Cpu);
        let _ = params.root().normal("a.weight", &[3, 5], 1.0);
        let _ = params.root().normal("b.weight", &[7], 1.0);
        let mut tensors = params.named();
        let memory = of_tensors(&tensors).unwrap();
        // As it was before there were other precisions than f32.
        assert_eq!(memory, params.fingerprint().unwrap());
        let shard = |name: &str, part: &Tensors| {
            let path = directory.path().join(name);
            tensor_file::write(&path, part, HashMap::new()).unwrap();
            Shard::open(Path::new(&path)).unwrap()
        };
        let whole = shard("whole", &tensors);
        let keep = |_: &str| true;
        assert_eq!(of_shards(&[whole], keep).unwrap(), memory);
        let first = Tensors::from([("a.weight".to_owned(), tensors.remove("a.weight").unwrap())]);
        let parts = [shard("b", &tensors), shard("a", &first)];
        assert_eq!(of_shards(&parts, keep).unwrap(), memory);
        assert_ne!(of_shards(&parts, |name| name != "a.weight").unwrap(), memory);
        let half: Tensors =
            tensors.iter().map(|(name, t)| (name.clone(), t.to_kind(Kind::BFloat16))).collect();
        let file = shard("half", &half);
        assert_eq!(of_shards(&[file], keep).unwrap(), of_tensors(&half).unwrap());
    }
}
