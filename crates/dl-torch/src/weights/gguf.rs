//! GGUF (llama.cpp's format) through `candle-core`'s reader: every tensor
//! dequantised to f32, the metadata as JSON values.

use std::{
    collections::BTreeMap,
    fs::File,
    io::BufReader,
    path::{Path, PathBuf},
};

use candle_core::{
    Device,
    quantized::gguf_file::{Content, TensorInfo, Value},
};
use tch::Tensor;

use super::GgufMetadata;
use crate::{TorchError, tensor_file::Tensors};

/// A GGUF file whose tensors are read one by one, so that a large model is never in memory
/// a second time.
#[derive(Debug)]
pub struct Gguf {
    path: PathBuf,
    content: Content,
}

impl Gguf {
    /// Reads the head of a file: metadata, names and shapes.
    ///
    /// # Errors
    /// [`TorchError`] when the file cannot be read, is cut short or is of another format.
    pub fn open(path: &Path) -> Result<Self, TorchError> {
        let file = File::open(path).map_err(|error| TorchError::io(path, error))?;
        let content =
            Content::read(&mut BufReader::new(file)).map_err(|error| broken(path, &error))?;
        Ok(Self { path: path.into(), content })
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What the file says beside its tensors.
    pub fn metadata(&self) -> GgufMetadata {
        self.content.metadata.iter().map(|(key, value)| (key.clone(), json(value))).collect()
    }

    /// Names and shapes of all tensors, in the order of their names.
    pub fn shapes(&self) -> BTreeMap<String, Vec<i64>> {
        let shape = |info: &TensorInfo| info.shape.dims().iter().map(|&n| n as i64).collect();
        self.content.tensor_infos.iter().map(|(name, info)| (name.clone(), shape(info))).collect()
    }

    /// One tensor as f32 on the processor, dequantised.
    ///
    /// # Errors
    /// [`TorchError`] when the file has no such tensor or ends within it.
    pub fn tensor(&self, name: &str) -> Result<Tensor, TorchError> {
        let file = File::open(&self.path).map_err(|error| TorchError::io(&self.path, error))?;
        let (shape, values) = self
            .content
            .tensor(&mut BufReader::new(file), name, &Device::Cpu)
            .and_then(|quantised| quantised.dequantize(&Device::Cpu))
            .and_then(|tensor| Ok((tensor.dims().to_vec(), tensor.flatten_all()?.to_vec1()?)))
            .map_err(|error| broken(&self.path, &error))?;
        let values: Vec<f32> = values;
        let shape: Vec<i64> = shape.into_iter().map(|n| n as i64).collect();
        Ok(Tensor::from_slice(&values).f_view(shape.as_slice())?)
    }
}

pub(super) fn read_tensors(path: &Path) -> Result<Tensors, TorchError> {
    let file = Gguf::open(path)?;
    let names = file.content.tensor_infos.keys();
    names.map(|name| Ok((name.clone(), file.tensor(name)?))).collect()
}

fn broken(path: &Path, error: &candle_core::Error) -> TorchError {
    let cause = crate::error::first_line(&error.to_string());
    TorchError::file(path, format!("not a whole GGUF file ({cause}); download it again"))
}

fn json(value: &Value) -> serde_json::Value {
    match value {
        Value::U8(x) => (*x).into(),
        Value::I8(x) => (*x).into(),
        Value::U16(x) => (*x).into(),
        Value::I16(x) => (*x).into(),
        Value::U32(x) => (*x).into(),
        Value::I32(x) => (*x).into(),
        Value::U64(x) => (*x).into(),
        Value::I64(x) => (*x).into(),
        Value::F32(x) => (*x).into(),
        Value::F64(x) => (*x).into(),
        Value::Bool(x) => (*x).into(),
        Value::String(x) => x.as_str().into(),
        Value::Array(items) => items.iter().map(json).collect(),
    }
}
