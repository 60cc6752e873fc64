//! Named tensors with string metadata in one safetensors file: checkpoints,
//! heads, bridges, language models.

use std::{
    borrow::Cow,
    collections::{BTreeMap, HashMap},
    path::Path,
};

use dl_core::Fingerprint;
use safetensors::{Dtype, SafeTensors, tensor::View};
use tch::{Device, Kind, Tensor};

use crate::TorchError;

/// Tensors by name, in a stable order.
pub type Tensors = BTreeMap<String, Tensor>;

/// Writes the file whole or not at all. Tensors are stored in their own kind.
///
/// # Errors
/// [`TorchError`] when a kind has no safetensors form or the disk refuses.
pub fn write(
    path: &Path,
    tensors: &Tensors,
    metadata: HashMap<String, String>,
) -> Result<(), TorchError> {
    let mut stored = Vec::with_capacity(tensors.len());
    for (name, tensor) in tensors {
        let dtype = dtype_of(tensor.kind()).ok_or_else(|| {
            TorchError::file(path, format!("tensor `{name}` is {:?}", tensor.kind()))
        })?;
        let shape = tensor.size().iter().map(|&n| n as usize).collect();
        stored.push((name.as_str(), Stored { tensor, dtype, shape }));
    }
    dl_core::atomic::write(path, |file| dl_core::stable::write(file, stored, &metadata))
        .map_err(|error| TorchError::io(path, error))
}

/// A tensor that is turned into bytes when its turn has come, so that no second copy of
/// all tensors is made.
struct Stored<'a> {
    tensor: &'a Tensor,
    dtype: Dtype,
    shape: Vec<usize>,
}

impl View for Stored<'_> {
    fn dtype(&self) -> Dtype {
        self.dtype
    }

    fn shape(&self) -> &[usize] {
        &self.shape
    }

    fn data(&self) -> Cow<'_, [u8]> {
        Cow::Owned(bytes(self.tensor))
    }

    fn data_len(&self) -> usize {
        self.tensor.numel() * self.tensor.kind().elt_size_in_bytes()
    }
}

/// The values of a tensor in row-major order, in its own kind.
fn bytes(tensor: &Tensor) -> Vec<u8> {
    let tensor = tensor.detach().to_device(Device::Cpu).contiguous();
    let mut data = vec![0; tensor.numel() * tensor.kind().elt_size_in_bytes()];
    tensor.copy_data_u8(&mut data, tensor.numel());
    data
}

/// Digest of names, shapes and bits.
pub fn fingerprint<'a>(tensors: impl IntoIterator<Item = (&'a str, &'a Tensor)>) -> Fingerprint {
    let mut parts = Vec::new();
    for (name, tensor) in tensors {
        parts.push(Fingerprint::of(&(name, tensor.size())));
        parts.push(Fingerprint::of_bytes(&bytes(tensor)));
    }
    Fingerprint::combine(&parts)
}

/// Reads every tensor onto `device`, and the metadata.
///
/// # Errors
/// [`TorchError`] when the file is missing, cut short or of another format.
pub fn read(path: &Path, device: Device) -> Result<(Tensors, HashMap<String, String>), TorchError> {
    let bytes = dl_core::regular::read(path)?;
    let broken = |error: safetensors::SafeTensorError| {
        TorchError::file(path, format!("not a whole safetensors file ({error}); make it again"))
    };
    let (_, header) = SafeTensors::read_metadata(&bytes).map_err(broken)?;
    let file = SafeTensors::deserialize(&bytes).map_err(broken)?;
    let mut tensors = Tensors::new();
    for (name, view) in file.iter() {
        let kind = kind_of(view.dtype()).ok_or_else(|| {
            TorchError::file(path, format!("tensor `{name}` has dtype {:?}", view.dtype()))
        })?;
        let shape = shape_of(view.shape()).ok_or_else(|| {
            let problem = "more sizes, or larger ones, than libtorch takes; make it again";
            TorchError::file(path, format!("tensor `{name}` has {problem}"))
        })?;
        let tensor = Tensor::f_from_data_size(view.data(), &shape, kind)?;
        tensors.insert(name.to_owned(), tensor.to_device(device));
    }
    Ok((tensors, header.metadata().clone().unwrap_or_default()))
}

/// A shape as libtorch takes it: at most 64 sizes, whose product, zeros apart, fits 63 bits.
/// The format allows any sizes beside a zero, since no byte stands for them.
fn shape_of(sizes: &[usize]) -> Option<Vec<i64>> {
    let shape: Vec<i64> = sizes.iter().map(|&n| i64::try_from(n).ok()).collect::<Option<_>>()?;
    let mut sizes = shape.iter().filter(|&&n| n > 0);
    let fits = sizes.try_fold(1_i64, |product, &n| product.checked_mul(n)).is_some();
    (fits && shape.len() <= 64).then_some(shape)
}

fn dtype_of(kind: Kind) -> Option<Dtype> {
    KINDS.iter().find(|(_, k)| *k == kind).map(|(dtype, _)| *dtype)
}

fn kind_of(dtype: Dtype) -> Option<Kind> {
    KINDS.iter().find(|(d, _)| *d == dtype).map(|(_, kind)| *kind)
}

const KINDS: [(Dtype, Kind); 9] = [
    (Dtype::F64, Kind::Double),
    (Dtype::F32, Kind::Float),
    (Dtype::F16, Kind::Half),
    (Dtype::BF16, Kind::BFloat16),
    (Dtype::I64, Kind::Int64),
    (Dtype::I32, Kind::Int),
    (Dtype::I16, Kind::Int16),
    (Dtype::U8, Kind::Uint8),
    (Dtype::BOOL, Kind::Bool),
];
