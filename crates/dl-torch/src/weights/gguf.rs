//! GGUF (llama.cpp's format) through `candle-core`'s reader: every tensor
//! dequantised to f32, the metadata as JSON values.

use std::{fs::File, io::BufReader, path::Path};

use candle_core::{
    Device,
    quantized::gguf_file::{Content, Value},
};
use tch::Tensor;

use super::GgufMetadata;
use crate::{TorchError, tensor_file::Tensors};

pub(super) fn read_tensors(path: &Path) -> Result<Tensors, TorchError> {
    let (mut reader, content) = open(path)?;
    let mut tensors = Tensors::new();
    for name in content.tensor_infos.keys() {
        let (shape, values) = content
            .tensor(&mut reader, name, &Device::Cpu)
            .and_then(|quantised| quantised.dequantize(&Device::Cpu))
            .and_then(|tensor| Ok((tensor.dims().to_vec(), tensor.flatten_all()?.to_vec1()?)))
            .map_err(|error| broken(path, &error))?;
        let values: Vec<f32> = values;
        let shape: Vec<i64> = shape.into_iter().map(|n| n as i64).collect();
        tensors.insert(name.clone(), Tensor::from_slice(&values).f_view(shape.as_slice())?);
    }
    Ok(tensors)
}

pub(super) fn read_metadata(path: &Path) -> Result<GgufMetadata, TorchError> {
    let (_, content) = open(path)?;
    Ok(content.metadata.iter().map(|(key, value)| (key.clone(), json(value))).collect())
}

fn open(path: &Path) -> Result<(BufReader<File>, Content), TorchError> {
    let file = File::open(path).map_err(|error| TorchError::io(path, error))?;
    let mut reader = BufReader::new(file);
    let content = Content::read(&mut reader).map_err(|error| broken(path, &error))?;
    Ok((reader, content))
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
