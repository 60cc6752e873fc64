//! GGUF (llama.cpp's format): the header is read here, quantised values through
//! `candle-core`, every tensor as f32.

use std::{
    collections::BTreeMap,
    fs::File,
    io::{BufReader, Read, Seek, SeekFrom},
    path::{Path, PathBuf},
};

use candle_core::{
    Device,
    quantized::{GgmlDType, ggml_file::qtensor_from_ggml},
};
use dl_core::regular;
use tch::Tensor;

use super::{
    GgufMetadata,
    gguf_file::{self, Described, Header},
};
use crate::{TorchError, tensor_file::Tensors};

/// A GGUF file whose tensors are read one by one, so that a large model is never in memory
/// a second time.
#[derive(Debug)]
pub struct Gguf {
    path: PathBuf,
    header: Header,
}

impl Gguf {
    /// Reads the head of a file: metadata, names and shapes.
    ///
    /// # Errors
    /// [`TorchError`] when the file cannot be read, is cut short or is of another format.
    pub fn open(path: &Path) -> Result<Self, TorchError> {
        let file = regular::open(path)?;
        let length = file.metadata().map_err(|error| TorchError::io(path, error))?.len();
        let header = gguf_file::read(&mut BufReader::new(file), length)
            .map_err(|error| broken(path, &error))?;
        Ok(Self { path: path.into(), header })
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What the file says beside its tensors.
    pub fn metadata(&self) -> GgufMetadata {
        self.header.metadata.clone()
    }

    /// Names and shapes of all tensors, in the order of their names.
    pub fn shapes(&self) -> BTreeMap<String, Vec<i64>> {
        let tensors = self.header.tensors.iter();
        tensors.map(|described| (described.name.clone(), shape(described))).collect()
    }

    /// One tensor as f32 on the processor, dequantised.
    ///
    /// # Errors
    /// [`TorchError`] when the file has no such tensor or ends within it.
    pub fn tensor(&self, name: &str) -> Result<Tensor, TorchError> {
        let mut tensors = self.header.tensors.iter();
        let described = tensors.find(|described| described.name == name).ok_or_else(|| {
            TorchError::file(&self.path, format!("has no tensor `{name}`; take another file"))
        })?;
        let file = regular::open(&self.path)?;
        let values = values(&mut BufReader::new(file), described)
            .map_err(|error| broken(&self.path, &error))?;
        Ok(Tensor::from_slice(&values).f_view(shape(described).as_slice())?)
    }
}

pub(super) fn read_tensors(path: &Path) -> Result<Tensors, TorchError> {
    let file = Gguf::open(path)?;
    let names = file.header.tensors.iter().map(|described| &described.name);
    names.map(|name| Ok((name.clone(), file.tensor(name)?))).collect()
}

fn shape(described: &Described) -> Vec<i64> {
    described.shape.iter().map(|&side| side as i64).collect()
}

fn values(reader: &mut BufReader<File>, tensor: &Described) -> Result<Vec<f32>, String> {
    let (start, length) = (tensor.place.start, tensor.place.end - tensor.place.start);
    let mut bytes = Vec::new();
    reader
        .seek(SeekFrom::Start(start))
        .and_then(|_| reader.take(length).read_to_end(&mut bytes))
        .map_err(|error| error.to_string())?;
    if bytes.len() as u64 != length {
        return Err("it ends too early".into());
    }
    let shape: Vec<usize> = tensor.shape.iter().map(|&side| side as usize).collect();
    let kind = kind_of(tensor.kind).ok_or("a kind is not known")?;
    qtensor_from_ggml(kind, &bytes, shape, &Device::Cpu)
        .and_then(|quantised| quantised.dequantize(&Device::Cpu)?.flatten_all()?.to_vec1())
        .map_err(|error| format!("`{}`: {error}", tensor.name))
}

/// Those that [`gguf_file::block`] knows.
fn kind_of(number: u32) -> Option<GgmlDType> {
    Some(match number {
        0 => GgmlDType::F32,
        1 => GgmlDType::F16,
        2 => GgmlDType::Q4_0,
        3 => GgmlDType::Q4_1,
        6 => GgmlDType::Q5_0,
        7 => GgmlDType::Q5_1,
        8 => GgmlDType::Q8_0,
        10 => GgmlDType::Q2K,
        11 => GgmlDType::Q3K,
        12 => GgmlDType::Q4K,
        13 => GgmlDType::Q5K,
        14 => GgmlDType::Q6K,
        30 => GgmlDType::BF16,
        _ => return None,
    })
}

fn broken(path: &Path, error: &str) -> TorchError {
    let cause = crate::error::first_line(error);
    TorchError::file(path, format!("not a whole GGUF file ({cause}); download it again"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_are_those_of_the_library() {
        for number in 0..64 {
            let theirs =
                kind_of(number).map(|kind| (kind.block_size() as u64, kind.type_size() as u64));
            assert_eq!(gguf_file::block(number), theirs, "{number}");
        }
    }
}
