//! Safetensors bytes that depend on content alone. The `safetensors` crate takes
//! metadata as a hash map and writes it in that map's random order; here its
//! header is written again with the metadata sorted, so that equal sets give
//! equal files and files can be compared by their hash.

use std::{collections::HashMap, io};

use safetensors::tensor::{TensorView, serialize as unsorted};
use serde_json::{Map, Value};

/// The bytes of a safetensors file.
///
/// # Errors
/// When a tensor's bytes do not fit its shape.
pub fn serialize<'a>(
    tensors: impl IntoIterator<Item = (&'a str, TensorView<'a>)>,
    metadata: &HashMap<String, String>,
) -> io::Result<Vec<u8>> {
    let plain = unsorted(tensors, None).map_err(io::Error::other)?;
    let broken = || io::Error::other("safetensors wrote no header");
    let (length, rest) = plain.split_first_chunk::<8>().ok_or_else(broken)?;
    let (header, data) =
        rest.split_at_checked(u64::from_le_bytes(*length) as usize).ok_or_else(broken)?;
    let mut header: Map<String, Value> = serde_json::from_slice(header)?;
    let mut entries: Vec<(&String, &String)> = metadata.iter().collect();
    entries.sort();
    let entries = entries.into_iter().map(|(k, v)| (k.clone(), Value::String(v.clone())));
    header.insert("__metadata__".into(), Value::Object(entries.collect()));
    let mut header = serde_json::to_vec(&header)?;
    // The format asks for data that begins at a multiple of eight bytes.
    header.resize(header.len().next_multiple_of(8), b' ');
    let mut file = Vec::with_capacity(8 + header.len() + data.len());
    file.extend((header.len() as u64).to_le_bytes());
    file.extend(header);
    file.extend(data);
    Ok(file)
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
