//! PyTorch checkpoints as names, shapes and bytes, without libtorch: the zip form and the
//! form before version 1.6 (`torch/serialization.py`, `torch/_utils.py`). Sizes are
//! compared with the file before anything is made of them.

use std::{
    collections::{HashMap, HashSet},
    io::{Read, Seek},
    ops::Range,
};

use zip::ZipArchive;

use super::unpickle::{self, Id, Node, Pickle};

/// The magic number, as every pickle protocol from 2 on writes it.
const MAGIC: [u8; 12] = [0x8a, 10, 0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19];
/// The same in protocol 1.
const MAGIC_TEXT: &[u8] = b"L119547037146038801333356L\n";

/// How many times its own size a file may unpack to: tied weights stand twice or thrice,
/// archives may be compressed.
const GROWTH: u64 = 64;
/// What even the smallest file may unpack to.
const ROOM: u64 = 1 << 20;

/// Where to look for the weights, in this order.
const USUAL: [&str; 5] = ["state_dict", "model_state_dict", "model", "module", "net"];

/// Why a file is not read.
#[derive(Debug)]
pub(super) enum Fault {
    /// It is not whole, or not what it seems.
    Broken(String),
    /// It is whole and something else; cause and remedy.
    Unfit(String),
}

impl From<String> for Fault {
    fn from(cause: String) -> Self {
        Self::Broken(cause)
    }
}

impl From<&str> for Fault {
    fn from(cause: &str) -> Self {
        Self::Broken(cause.into())
    }
}

fn unfit<T>(problem: impl Into<String>) -> Result<T, Fault> {
    Err(Fault::Unfit(problem.into()))
}

/// What a tensor is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Element {
    F64,
    F32,
    F16,
    Bf16,
    I64,
    I32,
    I16,
    I8,
    U8,
    Bool,
}

impl Element {
    /// Bytes of one.
    pub(super) fn width(self) -> u64 {
        match self {
            Self::F64 | Self::I64 => 8,
            Self::F32 | Self::I32 => 4,
            Self::F16 | Self::Bf16 | Self::I16 => 2,
            Self::I8 | Self::U8 | Self::Bool => 1,
        }
    }

    fn of(storage_class: &str) -> Option<Self> {
        Some(match storage_class {
            "DoubleStorage" => Self::F64,
            "FloatStorage" => Self::F32,
            "HalfStorage" => Self::F16,
            "BFloat16Storage" => Self::Bf16,
            "LongStorage" => Self::I64,
            "IntStorage" => Self::I32,
            "ShortStorage" => Self::I16,
            "CharStorage" => Self::I8,
            "ByteStorage" => Self::U8,
            "BoolStorage" => Self::Bool,
            _ => return None,
        })
    }
}

/// Bytes of one element of any storage, known here or not.
fn width_of(storage_class: &str) -> Option<u64> {
    match storage_class {
        "ComplexDoubleStorage" => Some(16),
        "ComplexFloatStorage" => Some(8),
        "QInt32Storage" => Some(4),
        "QInt8Storage" | "QUInt8Storage" | "QUInt4x2Storage" | "QUInt2x4Storage"
        | "UntypedStorage" => Some(1),
        other => Element::of(other).map(Element::width),
    }
}

/// A tensor as the pickle describes it.
#[derive(Debug)]
pub(super) struct Stored {
    pub(super) name: String,
    pub(super) element: Element,
    pub(super) shape: Vec<u64>,
    storage: String,
    offset: u64,
    stride: Vec<u64>,
}

/// A checkpoint whose tensors are known and whose values can be read.
pub(super) struct Checkpoint<R> {
    pub(super) tensors: Vec<Stored>,
    source: Source<R>,
    /// Bytes that may still be made of the file.
    left: u64,
    /// The storage that was read last: views of one often follow each other.
    last: Option<(String, Vec<u8>)>,
}

enum Source<R> {
    Zip { archive: ZipArchive<R>, folder: String },
    Legacy { bytes: Vec<u8>, storages: HashMap<String, Range<usize>> },
}

/// Whether a file that begins like this is a checkpoint of the form before 1.6.
pub(super) fn is_legacy(head: &[u8]) -> bool {
    legacy_start(head).is_some()
}

/// Where the second pickle begins.
fn legacy_start(head: &[u8]) -> Option<usize> {
    if head.starts_with(MAGIC_TEXT) && head.get(MAGIC_TEXT.len()) == Some(&b'.') {
        return Some(MAGIC_TEXT.len() + 1);
    }
    // Protocol, from 4 on a frame of nine bytes, the number, the end.
    let [0x80, 2..=5, ..] = head else { return None };
    let start = if head.get(2) == Some(&0x95) { 11 } else { 2 };
    let number = head.get(start..start + MAGIC.len())?;
    let end = start + MAGIC.len();
    (number == MAGIC && head.get(end) == Some(&b'.')).then_some(end + 1)
}

/// Opens the zip form: `*/data.pkl`, and one entry `*/data/NAME` for each storage.
pub(super) fn open_zip<R: Read + Seek>(reader: R, length: u64) -> Result<Checkpoint<R>, Fault> {
    let mut archive = ZipArchive::new(reader).map_err(|error| error.to_string())?;
    let names: Vec<String> =
        archive.file_names().filter_map(Result::ok).map(|name| name.into_owned()).collect();
    let Some(index) = names.iter().find(|name| *name == "data.pkl" || name.ends_with("/data.pkl"))
    else {
        return unfit(if names.iter().any(|name| name.ends_with(".npy")) {
            "is an archive of NumPy arrays (.npz), no PyTorch checkpoint; name the weights"
        } else {
            "is a zip file without data.pkl, no PyTorch checkpoint; name the weights"
        });
    };
    let folder = index.trim_end_matches("data.pkl").to_owned();
    if names.iter().any(|name| name.starts_with(&format!("{folder}code/"))) {
        return unfit("is a TorchScript module, no dictionary of weights; save its state_dict()");
    }
    let mut left = length.saturating_mul(GROWTH).saturating_add(ROOM);
    let order = format!("{folder}byteorder");
    if names.contains(&order) && entry(&mut archive, &order, &mut left)? != b"little" {
        return unfit("was saved on a big-endian machine; save it again on another");
    }
    // Read whole first: the archive's check sum then vouches for every byte.
    let bytes = entry(&mut archive, &format!("{folder}data.pkl"), &mut left)?;
    let pickle = unpickle::read(&bytes)?;
    let tensors = state_dictionary(&pickle)?;
    Ok(Checkpoint { tensors, source: Source::Zip { archive, folder }, left, last: None })
}

/// Opens the form before 1.6: pickles of magic number, version, system, object and list of
/// storages, then each storage as its length and its values.
pub(super) fn open_legacy<R>(bytes: Vec<u8>) -> Result<Checkpoint<R>, Fault> {
    let mut at = legacy_start(&bytes).ok_or("a pickle, but no PyTorch checkpoint")?;
    let mut next = || -> Result<Pickle, String> {
        let pickle = unpickle::read(&bytes[at..])?;
        at += pickle.length;
        Ok(pickle)
    };
    let (_version, _system, object, names) = (next()?, next()?, next()?, next()?);
    let widths = storage_widths(&object);
    let Node::List(names_of) = &names.nodes[names.root] else {
        return Err("its list of storages is missing".into());
    };
    let mut storages = HashMap::new();
    for &name in names_of {
        let name = names.text(name).ok_or("a storage has no name")?;
        let early = || format!("storage {name} ends too early");
        let count = bytes.get(at..).and_then(|rest| rest.first_chunk()).ok_or_else(early)?;
        let width = widths.get(name).copied().unwrap_or(1);
        let length = u64::try_from(i64::from_le_bytes(*count)).ok();
        let length = length.and_then(|count| usize::try_from(count.checked_mul(width)?).ok());
        let start = at + 8;
        let end = length.and_then(|length| start.checked_add(length)).ok_or_else(early)?;
        if end > bytes.len() {
            return Err(early().into());
        }
        storages.insert(name.to_owned(), start..end);
        at = end;
    }
    let tensors = state_dictionary(&object)?;
    let left = (bytes.len() as u64).saturating_mul(GROWTH).saturating_add(ROOM);
    Ok(Checkpoint { tensors, source: Source::Legacy { bytes, storages }, left, last: None })
}

fn spend(left: &mut u64, bytes: u64) -> Result<(), String> {
    *left = left.checked_sub(bytes).ok_or_else(|| {
        format!("it unpacks to more than {GROWTH} times its size, as no saved model does")
    })?;
    Ok(())
}

fn entry<R: Read + Seek>(
    archive: &mut ZipArchive<R>,
    name: &str,
    left: &mut u64,
) -> Result<Vec<u8>, String> {
    let fault = |error: &dyn std::fmt::Display| format!("{name}: {error}");
    let entry = archive.by_name(name).map_err(|error| fault(&error))?;
    let mut bytes = Vec::new();
    // What the archive says of the size may be wrong: one byte more than may be.
    entry.take(*left + 1).read_to_end(&mut bytes).map_err(|error| fault(&error))?;
    spend(left, bytes.len() as u64)?;
    Ok(bytes)
}

impl<R: Read + Seek> Checkpoint<R> {
    /// The values of tensor `index`, one row behind the other, little-endian.
    pub(super) fn values(&mut self, index: usize) -> Result<Vec<u8>, String> {
        let Self { tensors, source, left, last } = self;
        let tensor = &tensors[index];
        let fault = |problem: String| format!("`{}`: {problem}", tensor.name);
        let storage: &[u8] = match source {
            Source::Legacy { bytes, storages } => {
                let range = storages.get(&tensor.storage).cloned();
                &bytes[range.ok_or_else(|| fault("its storage is missing".into()))?]
            }
            Source::Zip { archive, folder } => {
                if last.as_ref().is_none_or(|(name, _)| *name != tensor.storage) {
                    let name = format!("{folder}data/{}", tensor.storage);
                    let bytes = entry(archive, &name, left).map_err(fault)?;
                    *last = Some((tensor.storage.clone(), bytes));
                }
                last.as_ref().map_or(&[], |(_, bytes)| bytes)
            }
        };
        let length = tensor.length_in(storage.len() as u64).map_err(fault)?;
        spend(left, length).map_err(fault)?;
        Ok(tensor.gather(storage))
    }
}

impl Stored {
    /// Bytes of all values, when all of them lie in a storage of `bytes` bytes.
    fn length_in(&self, bytes: u64) -> Result<u64, String> {
        let width = self.element.width();
        let count = self.shape.iter().try_fold(1_u64, |count, &side| count.checked_mul(side));
        let length = count.and_then(|count| count.checked_mul(width));
        let length = length.ok_or("its shape is too large")?;
        if length == 0 {
            return Ok(0);
        }
        let last = self.shape.iter().zip(&self.stride).try_fold(self.offset, |at, (side, step)| {
            (side - 1).checked_mul(*step).and_then(|far| at.checked_add(far))
        });
        match last.and_then(|last| last.checked_add(1)?.checked_mul(width)) {
            Some(end) if end <= bytes => Ok(length),
            _ => Err("it reaches beyond its storage".into()),
        }
    }

    /// The values out of a storage that has them all.
    fn gather(&self, storage: &[u8]) -> Vec<u8> {
        let width = self.element.width();
        let at = |element: u64| (element * width) as usize;
        let mut dense = 1;
        let is_dense = self.shape.iter().zip(&self.stride).rev().all(|(&side, &step)| {
            let fits = side == 1 || step == dense;
            dense *= side;
            fits
        });
        if self.shape.contains(&0) {
            return Vec::new();
        }
        if is_dense {
            return storage[at(self.offset)..at(self.offset + dense)].to_vec();
        }
        let mut values = Vec::new();
        let mut place = vec![0_u64; self.shape.len()];
        loop {
            let steps = place.iter().zip(&self.stride).map(|(at, step)| at * step);
            let element = self.offset + steps.sum::<u64>();
            values.extend_from_slice(&storage[at(element)..at(element + 1)]);
            let next = (0..place.len()).rev().find(|&axis| place[axis] + 1 < self.shape[axis]);
            let Some(axis) = next else { return values };
            place[axis] += 1;
            place[axis + 1..].fill(0);
        }
    }
}

/// The element width of every storage that the pickle names.
fn storage_widths(pickle: &Pickle) -> HashMap<String, u64> {
    let outside = pickle.nodes.iter().filter_map(|node| match node {
        Node::Outside(id) => storage(pickle, *id),
        _ => None,
    });
    outside.filter_map(|(class, name)| Some((name.to_owned(), width_of(class)?))).collect()
}

/// Class and name of a storage from its id: `("storage", class, name, device, count)`.
fn storage(pickle: &Pickle, id: Id) -> Option<(&str, &str)> {
    let [_, class, name, ..] = pickle.tuple(id)? else { return None };
    let Node::Global(_, class) = pickle.nodes[*class] else { return None };
    Some((pickle.text(class)?, pickle.text(*name)?))
}

/// A dictionary that holds tensors, under the name that it has in the one around it.
struct Found<'a> {
    name: String,
    tensors: Vec<(&'a str, Id)>,
}

/// The tensors by name. Checkpoints wrap their dictionary in tuples and dictionaries, beside
/// the optimiser's and single tensors (state of random numbers, best loss). The one nearest
/// to the top is taken; of several there, the one with a usual name; and rather than a
/// dictionary with a few stray tensors, the one inside of it that has the usual name or,
/// alone there, more tensors.
fn state_dictionary(pickle: &Pickle) -> Result<Vec<Stored>, Fault> {
    let mut level = vec![(String::new(), pickle.root)];
    let mut seen = HashSet::from([pickle.root]);
    let mut above: Option<Found> = None;
    while !level.is_empty() {
        let mut found: Vec<Found> = level
            .iter()
            .map(|(name, id)| Found { name: name.clone(), tensors: tensors_of(pickle, *id) })
            .filter(|found| !found.tensors.is_empty())
            .collect();
        let named = |usual: &&str| found.iter().position(|found| found.name == **usual);
        let usual = USUAL.iter().find_map(named);
        match (above.take(), usual, found.len()) {
            (_, Some(index), _) => return finish(pickle, found.swap_remove(index)),
            (Some(above), None, 1) if found[0].tensors.len() > above.tensors.len() => {
                return finish(pickle, found.swap_remove(0));
            }
            (Some(above), ..) => return finish(pickle, above),
            (None, None, 0) => {}
            // Whether it is the one shows on the next level.
            (None, None, 1) => above = found.pop(),
            (None, None, _) => {
                let names: Vec<&str> = found.iter().map(|found| found.name.as_str()).collect();
                return unfit(format!(
                    "holds several sets of weights ({}); save the one you mean alone",
                    names.join(", ")
                ));
            }
        }
        let mut below = Vec::new();
        for (_, id) in &level {
            for (name, child) in children(pickle, *id) {
                if seen.insert(child) {
                    below.push((name, child));
                }
            }
        }
        level = below;
    }
    match above {
        Some(found) => finish(pickle, found),
        None => unfit("is a PyTorch file without a dictionary of tensors; save the state_dict()"),
    }
}

fn finish(pickle: &Pickle, found: Found) -> Result<Vec<Stored>, Fault> {
    // Of a name that is set twice, the last holds.
    let mut places: HashMap<&str, usize> = HashMap::new();
    let mut tensors: Vec<Stored> = Vec::new();
    for (name, id) in found.tensors {
        let tensor = stored(pickle, name, id)
            .map_err(|problem| Fault::Unfit(format!("`{name}` {problem}")))?;
        match places.get(name) {
            Some(&place) => tensors[place] = tensor,
            None => {
                places.insert(name, tensors.len());
                tensors.push(tensor);
            }
        }
    }
    Ok(tensors)
}

/// What lies one level further in, by name.
fn children(pickle: &Pickle, id: Id) -> Vec<(String, Id)> {
    let key = |id: Id| match &pickle.nodes[id] {
        Node::Text(text) => text.clone(),
        Node::Int(number) => number.to_string(),
        _ => String::new(),
    };
    let numbered = |items: &[Id]| items.iter().map(|&item| (String::new(), item)).collect();
    match &pickle.nodes[id] {
        Node::Tuple(items) | Node::List(items) => numbered(items),
        Node::Dict(pairs) => pairs.iter().map(|&(name, value)| (key(name), value)).collect(),
        Node::Call(call) => {
            let pairs = call.pairs.iter().map(|&(name, value)| (key(name), value));
            let rest = call.items.iter().chain(&call.state).chain([&call.args]);
            pairs.chain(rest.map(|&id| (String::new(), id))).collect()
        }
        _ => Vec::new(),
    }
}

fn tensors_of(pickle: &Pickle, id: Id) -> Vec<(&str, Id)> {
    let Some(pairs) = pickle.dict(id) else { return Vec::new() };
    let named = |&(key, value): &(Id, Id)| Some((pickle.text(key)?, rebuilt(pickle, value)?));
    let tensors = pairs.iter().filter_map(named);
    tensors.map(|(name, (id, _))| (name, id)).collect()
}

/// The arguments of the call that rebuilds a tensor, and what holds them; `None` for any
/// other object.
fn rebuilt(pickle: &Pickle, id: Id) -> Option<(Id, &[Id])> {
    let mut call = pickle.called(id)?;
    // A parameter wraps its tensor, a class of its own the call. Eight is more than any has.
    for _ in 0..8 {
        match call {
            ("torch._utils", "_rebuild_parameter" | "_rebuild_parameter_with_state", args) => {
                call = pickle.called(*args.first()?)?;
            }
            ("torch._tensor", "_rebuild_from_type_v2", [callable, _, args, ..]) => {
                call = pickle.named(*callable, *args)?;
            }
            (
                "torch._utils",
                "_rebuild_tensor" | "_rebuild_tensor_v2" | "_rebuild_tensor_v3",
                args,
            ) => {
                return Some((id, args));
            }
            _ => return None,
        }
    }
    None
}

fn stored(pickle: &Pickle, name: &str, id: Id) -> Result<Stored, String> {
    let (_, args) = rebuilt(pickle, id).ok_or("is no tensor; save it again")?;
    let [outside, offset, shape, stride, ..] = args else {
        return Err("is not described whole; save it again".into());
    };
    let Node::Outside(outside) = pickle.nodes[*outside] else {
        return Err("has no storage; save it again".into());
    };
    let (class, storage) = storage(pickle, outside).ok_or("has no storage; save it again")?;
    let element = Element::of(class).ok_or_else(|| {
        format!("is of the kind {class}, which is not read here; save it as float32")
    })?;
    let size = |id: Id| pickle.int(id).and_then(|number| u64::try_from(number).ok());
    let sizes = |id: Id| {
        let items = pickle.tuple(id).or_else(|| match pickle.called(id)? {
            ("torch", "Size", [items]) => pickle.tuple(*items),
            _ => None,
        });
        items.and_then(|items| items.iter().map(|&item| size(item)).collect::<Option<Vec<u64>>>())
    };
    let (shape, stride) = sizes(*shape).zip(sizes(*stride)).ok_or("has no shape; save it again")?;
    if shape.len() != stride.len() || shape.len() > 64 {
        return Err("has a shape that no tensor has; save it again".into());
    }
    let offset = size(*offset).ok_or("has no place in its storage; save it again")?;
    Ok(Stored {
        name: name.to_owned(),
        element,
        shape,
        storage: storage.to_owned(),
        offset,
        stride,
    })
}
