//! Weight files of other tools, told apart by their first bytes: safetensors,
//! PyTorch checkpoints (`torch.save`, both its zip form and the form before
//! version 1.6) and GGUF. Their tensors go through a [`WeightMap`] into a model,
//! which lists all that does not fit in one error.

use std::{
    collections::BTreeMap,
    io::{self, Read},
    path::{Path, PathBuf},
};

use dl_core::regular;
use tch::{Device, Kind, Tensor};

use crate::{Params, TorchError, params::list_faults, tensor_file, tensor_file::Tensors};

mod files;
mod gguf;
mod gguf_file;
mod names;
mod pickle;
mod torch_file;
mod unpickle;

pub use files::WeightFiles;
pub use names::{unwrapped, unwrapped_name};

pub use gguf::Gguf;

/// What a GGUF file says beside its tensors (architecture, tokenizer).
pub type GgufMetadata = BTreeMap<String, serde_json::Value>;

#[derive(Debug, PartialEq)]
enum Format {
    Safetensors,
    TorchZip,
    TorchLegacy,
    Gguf,
}

/// Reads all tensors of a file onto the processor, in the kinds that the file
/// has (GGUF's quantised ones as f32). Of a PyTorch checkpoint it takes the
/// state dictionary, wherever in nested tuples and dictionaries that lies.
///
/// # Errors
/// [`TorchError`] when the file cannot be read, is cut short, or is of no format
/// known here.
pub fn read_weights(path: &Path) -> Result<Tensors, TorchError> {
    match format_of(path)? {
        Format::Safetensors => Ok(tensor_file::read(path, Device::Cpu)?.0),
        Format::TorchZip => pickle::read_zip(path),
        Format::TorchLegacy => pickle::read_legacy(path),
        Format::Gguf => gguf::read_tensors(path),
    }
}

/// That `path` begins as a weight file does, without reading it.
///
/// # Errors
/// [`TorchError`] when it cannot be read or is of a format that is not known.
pub fn check_format(path: &Path) -> Result<(), TorchError> {
    format_of(path).map(|_| ())
}

/// Reads what a GGUF file says beside its tensors.
///
/// # Errors
/// As [`read_weights`], and when the file is not GGUF.
pub fn read_gguf_metadata(path: &Path) -> Result<GgufMetadata, TorchError> {
    match format_of(path)? {
        Format::Gguf => Ok(Gguf::open(path)?.metadata()),
        other => Err(TorchError::file(path, format!("is {other:?}, not GGUF"))),
    }
}

fn format_of(path: &Path) -> Result<Format, TorchError> {
    let open = || -> io::Result<(Vec<u8>, u64)> {
        let file = regular::open(path)?;
        let length = file.metadata()?.len();
        let mut head = Vec::new();
        file.take(64).read_to_end(&mut head)?;
        Ok((head, length))
    };
    regular::check(path)?;
    let (head, length) = open().map_err(|error| TorchError::io(path, error))?;
    match head.as_slice() {
        [] => Err(TorchError::file(path, "the file is empty; download it again")),
        [b'P', b'K', 3, 4, ..] => Ok(Format::TorchZip),
        [b'G', b'G', b'U', b'F', ..] => Ok(Format::Gguf),
        head if torch_file::is_legacy(head) => Ok(Format::TorchLegacy),
        // A safetensors file begins with the length of its JSON header.
        [_, _, _, _, _, _, _, _, b'{', ..] => Ok(Format::Safetensors),
        _ => Err(TorchError::file(
            path,
            format!(
                "{length} bytes that are no weight file (safetensors, PyTorch checkpoint or \
                 GGUF); a page saved in place of the file looks like this: download it again"
            ),
        )),
    }
}

/// Where a model that is being built gets its tensors, by name and shape: from a
/// file to be used as it is ([`WeightMap`]), or fresh ones to be trained ([`Fresh`]).
pub trait Source {
    /// The tensor `name`, f32, on the model's device.
    fn take(&mut self, name: &str, shape: &[i64]) -> Tensor;
}

impl Source for WeightMap {
    fn take(&mut self, name: &str, shape: &[i64]) -> Tensor {
        WeightMap::take(self, name, shape)
    }
}

/// Fresh parameters under the names that a file would have: matrices and kernels
/// normal with deviation one over the root of their inputs (LeCun et al., "Efficient
/// BackProp", 1998, equation 16), tables normal with deviation 0.02, gains and
/// variances one, everything else zero. Hugging Face's 0.02 for all would be right at
/// a width of 2,500; in narrow models it leaves most directions unused for long.
pub struct Fresh<'a> {
    params: &'a Params,
}

impl<'a> Fresh<'a> {
    /// Makes parameters in `params`.
    pub fn new(params: &'a Params) -> Self {
        Self { params }
    }
}

impl Source for Fresh<'_> {
    fn take(&mut self, name: &str, shape: &[i64]) -> Tensor {
        let root = self.params.root();
        if name.ends_with("embeddings.weight") || name.ends_with("_table") {
            root.normal(name, shape, 0.02)
        } else if shape.len() > 1 {
            let inputs: i64 = shape[1..].iter().product();
            root.normal(name, shape, 1.0 / (inputs as f64).sqrt())
        } else if name.ends_with(".weight") || name.ends_with(".running_var") {
            root.ones(name, shape)
        } else {
            root.zeros(name, shape)
        }
    }
}

/// The tensors of a weight file, handed out by name and shape to a model that is
/// being built. Faults are collected; [`WeightMap::finish`] tells them all.
pub struct WeightMap {
    path: PathBuf,
    device: Device,
    tensors: Tensors,
    missing: Vec<String>,
    faults: Vec<String>,
}

impl WeightMap {
    /// Reads a file for a model on `device`.
    ///
    /// # Errors
    /// As [`read_weights`].
    pub fn read(path: &Path, device: Device) -> Result<Self, TorchError> {
        Ok(Self::new(path, read_weights(path)?, device))
    }

    /// Hands out `tensors`; errors will name `path`.
    pub fn new(path: &Path, tensors: Tensors, device: Device) -> Self {
        Self { path: path.into(), device, tensors, missing: Vec::new(), faults: Vec::new() }
    }

    /// Whether the file has `name` (and nobody has taken it yet).
    pub fn contains(&self, name: &str) -> bool {
        self.tensors.contains_key(name)
    }

    /// Takes one tensor as f32 on the model's device, of any float kind in the
    /// file. When it is missing or of another shape, that is noted, and one zero, seen as
    /// `shape`, stands in until [`WeightMap::finish`] refuses the file: whatever sizes a
    /// configuration claims, nothing is made that the file does not hold.
    pub fn take(&mut self, name: &str, shape: &[i64]) -> Tensor {
        match self.tensors.remove(name) {
            None => self.missing.push(name.to_owned()),
            Some(tensor) if tensor.size() != shape => {
                self.faults.push(format!("`{name}` is {:?}, expected {shape:?}", tensor.size()));
            }
            Some(tensor) if !is_finite(&tensor) => {
                self.faults.push(format!("`{name}` has NaN or infinite values"));
            }
            Some(tensor) => return tensor.to_device(self.device).to_kind(Kind::Float),
        }
        Tensor::zeros([0_i64; 0], (Kind::Float, self.device)).expand(shape, false)
    }

    /// Takes what training code put into the names out of them, see [`unwrapped_name`].
    pub fn unwrap(&mut self) {
        self.tensors = unwrapped(std::mem::take(&mut self.tensors));
    }

    /// Drops the tensors whose names begin with `prefix`: parts of the file that
    /// this model has no use for.
    pub fn ignore(&mut self, prefix: &str) {
        self.tensors.retain(|name, _| !name.starts_with(prefix));
    }

    /// Drops the tensors whose names end with `suffix`: buffers that many layers
    /// of this model carry and no one needs.
    pub fn ignore_ending(&mut self, suffix: &str) {
        self.tensors.retain(|name, _| !name.ends_with(suffix));
    }

    /// Removes `prefix` from the names that have it.
    pub fn strip_prefix(&mut self, prefix: &str) {
        self.tensors = std::mem::take(&mut self.tensors)
            .into_iter()
            .map(|(name, tensor)| match name.strip_prefix(prefix) {
                Some(rest) => (rest.to_owned(), tensor),
                None => (name, tensor),
            })
            .collect();
    }

    /// Ends the building of a model.
    ///
    /// # Errors
    /// [`TorchError::File`] with a list of what was missing, of another shape,
    /// or left over.
    pub fn finish(self) -> Result<(), TorchError> {
        let unknown: Vec<&str> = self.tensors.keys().map(String::as_str).collect();
        let missing: Vec<&str> = self.missing.iter().map(String::as_str).collect();
        if let Some(prefix) = names::foreign_prefix(&missing, &unknown) {
            let problem = format!(
                "the names of its tensors begin with `{prefix}`, those of this model do not; save \
                 the state dictionary again without `{prefix}`"
            );
            return Err(TorchError::file(&self.path, problem));
        }
        let faults = self.missing.iter().map(|name| format!("`{name}` is missing"));
        let faults = faults.chain(self.faults);
        let faults = faults.chain(unknown.iter().map(|name| format!("`{name}` is unknown")));
        let faults: Vec<String> = faults.collect();
        if faults.is_empty() {
            return Ok(());
        }
        Err(TorchError::file(&self.path, list_faults(&faults)))
    }
}

fn is_finite(tensor: &Tensor) -> bool {
    !tensor.is_floating_point() || tensor.isfinite().all().int64_value(&[]) != 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_fault_is_in_one_message_and_the_eleventh_is_counted() {
        let tensors = (0..11)
            .map(|i| (format!("extra.{i:02}"), Tensor::zeros([1], (Kind::Float, Device::Cpu))))
            .chain([("weight".to_owned(), Tensor::ones([2, 3], (Kind::Double, Device::Cpu)))])
            .collect();
        let mut map = WeightMap::new(Path::new("model.bin"), tensors, Device::Cpu);
        assert_eq!(map.take("weight", &[3, 2]).size(), [3, 2]);
        // Two to the power of 60 values, of which there is one.
        let _ = map.take("bias", &[1 << 30, 1 << 30]);
        let message = map.finish().unwrap_err().to_string();
        assert!(message.starts_with("model.bin: "), "{message}");
        for part in ["`weight` is [2, 3], expected [3, 2]", "`bias` is missing", "and 3 more"] {
            assert!(message.contains(part), "{message}");
        }
    }

    #[test]
    fn fresh_tensors_begin_by_their_names() {
        let params = Params::new(1, Device::Cpu);
        let mut fresh = Fresh::new(&params);
        let mut deviation = |name: &str, shape: &[i64]| {
            let tensor = fresh.take(name, shape);
            assert!(tensor.requires_grad() && tensor.size() == shape);
            tensor.std(false).double_value(&[])
        };
        // 25,600 draws: a deviation within 2 %, five standard errors.
        let near = |found: f64, expected: f64| (found / expected - 1.0).abs() < 0.02;
        assert!(near(deviation("layer.weight", &[160, 160]), 160.0_f64.powf(-0.5)));
        assert!(near(deviation("conv.weight", &[400, 4, 4, 4]), 0.125));
        assert!(near(deviation("word_embeddings.weight", &[160, 160]), 0.02));
        assert!(near(deviation("relative_position_bias_table", &[160, 160]), 0.02));
        let mean = |name: &str| params.named()[name].mean(Kind::Float).double_value(&[]);
        for (name, value) in
            [("norm.weight", 1.0), ("norm.running_var", 1.0), ("norm.bias", 0.0), ("scale", 0.0)]
        {
            let shape: &[i64] = if name == "scale" { &[] } else { &[3] };
            let _ = Fresh::new(&params).take(name, shape);
            assert_eq!(mean(name), value, "{name}");
        }
    }

    #[test]
    fn what_fits_is_taken_as_f32() {
        let tensors = [
            ("net.weight".to_owned(), Tensor::ones([2], (Kind::Half, Device::Cpu))),
            ("head.weight".to_owned(), Tensor::ones([2], (Kind::Half, Device::Cpu))),
        ];
        let mut map = WeightMap::new(Path::new("x"), tensors.into(), Device::Cpu);
        map.strip_prefix("net.");
        map.ignore("head.");
        assert!(map.contains("weight"));
        assert_eq!(map.take("weight", &[2]).kind(), Kind::Float);
        map.finish().unwrap();
    }
}
