//! Safetensors files that depend on content alone. The `safetensors` crate takes
//! metadata as a hash map and writes it in that map's random order; here it is
//! sorted, so that equal sets give equal files and files can be compared by their
//! hash. And only one tensor at a time is turned into bytes.

use std::{
    collections::HashMap,
    io::{self, Write},
};

use safetensors::tensor::{TensorInfo, TensorView, View};
use serde_json::{Map, Value};

/// The bytes of a safetensors file.
///
/// # Errors
/// None in memory: those of [`write`].
pub fn serialize<'a>(
    tensors: impl IntoIterator<Item = (&'a str, TensorView<'a>)>,
    metadata: &HashMap<String, String>,
) -> io::Result<Vec<u8>> {
    let mut file = Vec::new();
    write(&mut file, tensors, metadata)?;
    Ok(file)
}

/// Writes a safetensors file.
///
/// # Errors
/// When `file` refuses.
pub fn write<'a, V: View>(
    file: &mut impl Write,
    tensors: impl IntoIterator<Item = (&'a str, V)>,
    metadata: &HashMap<String, String>,
) -> io::Result<()> {
    let mut tensors: Vec<(&str, V)> = tensors.into_iter().collect();
    // Wide types first, so that every tensor begins at a multiple of its own width.
    tensors.sort_by(|(name, a), (other, b)| b.dtype().cmp(&a.dtype()).then(name.cmp(other)));
    let mut header = Map::new();
    let mut entries: Vec<(&String, &String)> = metadata.iter().collect();
    entries.sort();
    let entries = entries.into_iter().map(|(k, v)| (k.clone(), Value::String(v.clone())));
    header.insert("__metadata__".into(), Value::Object(entries.collect()));
    let mut end = 0;
    for (name, tensor) in &tensors {
        let start = end;
        end += tensor.data_len();
        let (dtype, shape) = (tensor.dtype(), tensor.shape().to_vec());
        let info = TensorInfo { dtype, shape, data_offsets: (start, end) };
        header.insert((*name).to_owned(), serde_json::to_value(info)?);
    }
    let mut header = serde_json::to_vec(&header)?;
    // The format asks for data that begins at a multiple of eight bytes.
    header.resize(header.len().next_multiple_of(8), b' ');
    file.write_all(&(header.len() as u64).to_le_bytes())?;
    file.write_all(&header)?;
    tensors.iter().try_for_each(|(_, tensor)| file.write_all(&tensor.data()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use safetensors::{Dtype, SafeTensors};

    #[test]
    fn bytes_depend_on_content_alone_and_the_crate_reads_them() {
        let data = [1_u8, 2, 3];
        let file = || {
            // A new hash map has a new order.
            let metadata: HashMap<String, String> =
                (0..20).map(|i| (format!("key {i}"), "\"value\"".to_owned())).collect();
            let view = TensorView::new(Dtype::U8, vec![3], &data).unwrap();
            serialize([("x", view)], &metadata).unwrap()
        };
        let first = file();
        assert!((0..10).all(|_| file() == first));
        assert_eq!(SafeTensors::deserialize(&first).unwrap().tensor("x").unwrap().data(), data);
        let (_, header) = SafeTensors::read_metadata(&first).unwrap();
        assert_eq!(header.metadata().as_ref().unwrap()["key 7"], "\"value\"");
    }
}
