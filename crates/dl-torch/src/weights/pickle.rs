//! PyTorch checkpoints: `candle-core`'s pickle machine builds the objects; the
//! storages, their strides and the state dictionary among the objects are found
//! here (`torch/_utils.py` `_rebuild_tensor_v2`, `torch/serialization.py`).

use std::{
    collections::HashMap,
    fs::{self, File},
    io::{BufReader, Cursor, Read},
    path::Path,
};

use candle_core::pickle::{Object, Stack};
use tch::{Kind, Tensor};
use zip::{ZipArchive, result::ZipError};

use crate::{TorchError, tensor_file::Tensors};

/// What `torch.save` writes first in the legacy form: a pickle of its magic number.
const MAGIC: [u8; 15] =
    [0x80, 2, 0x8a, 10, 0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19, b'.'];

/// A tensor as the pickle describes it; its values lie in a storage of that name.
#[derive(Debug)]
struct Stored {
    storage: String,
    kind: Kind,
    offset: i64,
    size: Vec<i64>,
    stride: Vec<i64>,
}

/// The zip form: `*/data.pkl`, and one entry `*/data/<name>` for each storage.
pub(super) fn read_zip(path: &Path) -> Result<Tensors, TorchError> {
    let file = File::open(path).map_err(|error| TorchError::io(path, error))?;
    let mut archive =
        ZipArchive::new(BufReader::new(file)).map_err(|error| broken(path, &error))?;
    let index = archive
        .file_names()
        .filter_map(Result::ok)
        .find(|name| name.ends_with("data.pkl"))
        .map(|name| name.into_owned())
        .ok_or_else(|| {
            TorchError::file(path, "a zip file without data.pkl is no PyTorch checkpoint")
        })?;
    // Read whole first: the archive's check sum then vouches for every byte.
    let pickle = entry(&mut archive, &index).map_err(|error| broken(path, &error))?;
    let object = unpickle(&mut Cursor::new(pickle)).map_err(|error| broken(path, &error))?;
    let directory = index.trim_end_matches(".pkl");
    assemble(path, object, |storage| {
        entry(&mut archive, &format!("{directory}/{storage}")).map_err(|error| error.to_string())
    })
}

/// The form before PyTorch 1.6: pickles of magic number, version, system, object
/// and list of storages, then each storage as its length and its values.
pub(super) fn read_legacy(path: &Path) -> Result<Tensors, TorchError> {
    let bytes = fs::read(path).map_err(|error| TorchError::io(path, error))?;
    let rest = bytes
        .strip_prefix(MAGIC.as_slice())
        .ok_or_else(|| TorchError::file(path, "is a pickle, but no PyTorch checkpoint"))?;
    let mut reader = Cursor::new(rest);
    let mut next = || unpickle(&mut reader).map_err(|error| broken(path, &error));
    let (_version, _system, object, names) = (next()?, next()?, next()?, next()?);
    let start = reader.position() as usize;
    let kinds = storage_kinds(&object);
    let storages = legacy_storages(&rest[start..], names, &kinds)
        .ok_or_else(|| broken(path, &"the storages end too early"))?;
    assemble(path, object, |name| {
        let range = storages.get(name).cloned().ok_or("no such storage")?;
        Ok(rest[start..][range].to_vec())
    })
}

fn entry(archive: &mut ZipArchive<BufReader<File>>, name: &str) -> Result<Vec<u8>, ZipError> {
    let mut bytes = Vec::new();
    archive.by_name(name)?.read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn unpickle(reader: &mut Cursor<impl AsRef<[u8]>>) -> Result<Object, candle_core::Error> {
    let mut stack = Stack::empty();
    stack.read_loop(reader)?;
    stack.finalize()
}

fn broken(path: &Path, error: &dyn std::fmt::Display) -> TorchError {
    let cause = crate::error::first_line(&error.to_string());
    TorchError::file(path, format!("not a whole PyTorch checkpoint ({cause}); download it again"))
}

/// Where each storage lies in `bytes`: an i64 count and the values, one after another.
fn legacy_storages(
    bytes: &[u8],
    names: Object,
    kinds: &HashMap<String, Kind>,
) -> Option<HashMap<String, std::ops::Range<usize>>> {
    let Object::List(names) = names else { return None };
    let mut storages = HashMap::new();
    let mut at = 0;
    for name in names {
        let name = name.unicode().ok()?;
        let count = i64::from_le_bytes(bytes.get(at..at + 8)?.try_into().ok()?);
        let width = kinds.get(&name).map_or(1, |kind| kind.elt_size_in_bytes());
        let length = usize::try_from(count).ok()?.checked_mul(width)?;
        let end = (at + 8).checked_add(length)?;
        bytes.get(at + 8..end)?;
        storages.insert(name, at + 8..end);
        at = end;
    }
    Some(storages)
}

/// The element kind of every storage that a tensor anywhere in `object` uses.
fn storage_kinds(object: &Object) -> HashMap<String, Kind> {
    let mut kinds = HashMap::new();
    let mut waiting = vec![object];
    while let Some(object) = waiting.pop() {
        if let Some(stored) = stored(object) {
            kinds.insert(stored.storage, stored.kind);
        }
        match object {
            Object::Dict(entries) => waiting.extend(entries.iter().map(|(_, value)| value)),
            Object::Tuple(items) | Object::List(items) => waiting.extend(items),
            Object::Reduce { args, .. } => waiting.push(args),
            Object::Build { callable, args } => waiting.extend([&**callable, &**args]),
            _ => {}
        }
    }
    kinds
}

fn assemble(
    path: &Path,
    object: Object,
    mut storage: impl FnMut(&str) -> Result<Vec<u8>, String>,
) -> Result<Tensors, TorchError> {
    let mut tensors = Tensors::new();
    for (name, stored) in state_dictionary(path, &object)? {
        let bytes = storage(&stored.storage)
            .map_err(|error| broken(path, &format!("storage of `{name}`: {error}")))?;
        let count = bytes.len() / stored.kind.elt_size_in_bytes();
        // libtorch checks that the strided view stays within the storage.
        let tensor = Tensor::f_from_data_size(&bytes, &[count as i64], stored.kind)
            .and_then(|flat| flat.f_as_strided(&stored.size, &stored.stride, stored.offset))
            .and_then(|view| view.f_contiguous())
            .map_err(|error| broken(path, &format!("`{name}`: {error}")))?;
        tensors.insert(name, tensor.copy());
    }
    Ok(tensors)
}

/// The dictionary that holds tensors by name. Checkpoints wrap it in tuples or
/// put it under a key beside the optimiser's, so the one nearest to the top is
/// taken, and among several there the one with a usual name.
fn state_dictionary(path: &Path, object: &Object) -> Result<Vec<(String, Stored)>, TorchError> {
    let mut level = vec![(String::new(), object)];
    while !level.is_empty() {
        let mut found: Vec<(&str, Vec<(String, Stored)>)> = level
            .iter()
            .map(|(name, object)| (name.as_str(), tensors_of(object)))
            .filter(|(_, tensors)| !tensors.is_empty())
            .collect();
        let usual = ["state_dict", "model_state_dict", "model", "module"];
        let best = found.iter().position(|(name, _)| found.len() == 1 || usual.contains(name));
        match best {
            Some(index) => return Ok(found.swap_remove(index).1),
            None if found.is_empty() => level = level.into_iter().flat_map(children).collect(),
            None => {
                let names: Vec<&str> = found.iter().map(|(name, _)| *name).collect();
                return Err(TorchError::file(
                    path,
                    format!(
                        "holds several sets of weights ({}); save the one you mean alone",
                        names.join(", ")
                    ),
                ));
            }
        }
    }
    Err(TorchError::file(path, "a PyTorch file without a dictionary of tensors"))
}

fn children((_, object): (String, &Object)) -> Vec<(String, &Object)> {
    match object {
        Object::Tuple(items) | Object::List(items) => {
            items.iter().enumerate().map(|(i, item)| (i.to_string(), item)).collect()
        }
        Object::Dict(entries) => entries
            .iter()
            .filter_map(|(key, value)| Some((key.clone().unicode().ok()?, value)))
            .collect(),
        Object::Build { callable, args } => {
            vec![(String::new(), &**callable), (String::new(), &**args)]
        }
        _ => Vec::new(),
    }
}

fn tensors_of(object: &Object) -> Vec<(String, Stored)> {
    let Object::Dict(entries) = object else { return Vec::new() };
    entries
        .iter()
        .filter_map(|(key, value)| Some((key.clone().unicode().ok()?, stored(value)?)))
        .collect()
}

/// Reads the call that rebuilds a tensor; `None` for any other object.
fn stored(object: &Object) -> Option<Stored> {
    let Object::Reduce { callable, args } = object else { return None };
    let (Object::Class { module_name, class_name }, Object::Tuple(args)) = (&**callable, &**args)
    else {
        return None;
    };
    match (module_name.as_str(), class_name.as_str(), args.as_slice()) {
        // A parameter wraps its tensor.
        ("torch._utils", "_rebuild_parameter", [tensor, ..]) => stored(tensor),
        ("torch._utils", "_rebuild_tensor_v2", [storage, offset, size, stride, ..]) => {
            let Object::PersistentLoad(id) = storage else { return None };
            let Object::Tuple(id) = &**id else { return None };
            let [_, Object::Class { class_name, .. }, Object::Unicode(name), ..] = id.as_slice()
            else {
                return None;
            };
            Some(Stored {
                storage: name.clone(),
                kind: kind_of(class_name)?,
                offset: offset.clone().int_or_long().ok()?,
                size: integers(size)?,
                stride: integers(stride)?,
            })
        }
        _ => None,
    }
}

fn integers(object: &Object) -> Option<Vec<i64>> {
    let Object::Tuple(items) = object else { return None };
    items.iter().map(|item| item.clone().int_or_long().ok()).collect()
}

fn kind_of(storage_class: &str) -> Option<Kind> {
    Some(match storage_class {
        "DoubleStorage" => Kind::Double,
        "FloatStorage" => Kind::Float,
        "HalfStorage" => Kind::Half,
        "BFloat16Storage" => Kind::BFloat16,
        "LongStorage" => Kind::Int64,
        "IntStorage" => Kind::Int,
        "ShortStorage" => Kind::Int16,
        "CharStorage" => Kind::Int8,
        "ByteStorage" => Kind::Uint8,
        "BoolStorage" => Kind::Bool,
        _ => return None,
    })
}
