//! The header of a GGUF file (llama.cpp's format, versions 1 to 3): metadata, and names,
//! shapes and places of tensors. Counts and lengths are compared with what is left of the
//! file before anything is made of them.

use std::{collections::BTreeMap, io::Read, ops::Range};

use serde_json::Value;

/// Where tensors begin, unless the file says otherwise: multiples of this.
const ALIGNMENT: u64 = 32;
/// Arrays inside of arrays that are read; published files have one.
const DEPTH: usize = 4;

/// A tensor as the header describes it.
#[derive(Debug, PartialEq)]
pub(super) struct Described {
    pub(super) name: String,
    /// Outermost first.
    pub(super) shape: Vec<u64>,
    /// GGML's number of its kind.
    pub(super) kind: u32,
    /// Its bytes in the file.
    pub(super) place: Range<u64>,
}

/// What a GGUF file says of itself.
#[derive(Debug)]
pub(super) struct Header {
    pub(super) metadata: BTreeMap<String, Value>,
    pub(super) tensors: Vec<Described>,
}

/// Values in one block of a kind, and its bytes (`ggml.c`, `type_traits`).
pub(super) fn block(kind: u32) -> Option<(u64, u64)> {
    Some(match kind {
        0 => (1, 4),
        1 | 30 => (1, 2),
        2 => (32, 18),
        3 => (32, 20),
        6 => (32, 22),
        7 => (32, 24),
        8 => (32, 34),
        10 => (256, 84),
        11 => (256, 110),
        12 => (256, 144),
        13 => (256, 176),
        14 => (256, 210),
        _ => return None,
    })
}

/// Reads the header of a file of `length` bytes.
///
/// # Errors
/// What is wrong, in words.
pub(super) fn read(reader: impl Read, length: u64) -> Result<Header, String> {
    let mut source = Source { reader, length, left: length, wide: true };
    if source.take(4)? != b"GGUF" {
        return Err("it does not begin with GGUF".into());
    }
    let version = source.u32()?;
    if !(1..=3).contains(&version) {
        return Err(format!("its version is {version}; 1 to 3 are read, little-endian"));
    }
    source.wide = version > 1;
    let (tensors, entries) = (source.count(9)?, source.count(9)?);
    let mut metadata = BTreeMap::new();
    for _ in 0..entries {
        let key = source.text()?;
        let kind = source.u32()?;
        let value = source.value(kind, 0)?;
        metadata.insert(key, value);
    }
    let mut described = Vec::new();
    for _ in 0..tensors {
        described.push(source.tensor()?);
    }
    let alignment = match metadata.get("general.alignment") {
        None => ALIGNMENT,
        Some(value) => value
            .as_u64()
            .filter(|alignment| alignment.is_power_of_two() && *alignment <= 1 << 20)
            .ok_or_else(|| format!("its alignment is {value}, no power of two up to 2^20"))?,
    };
    let start = (length - source.left).next_multiple_of(alignment);
    let mut sum = 0_u64;
    for (tensor, bytes) in &mut described {
        let place = start.checked_add(tensor.place.start);
        let end = place.and_then(|start| start.checked_add(*bytes)).filter(|end| *end <= length);
        let (Some(start), Some(end)) = (place, end) else {
            return Err(format!("`{}` reaches beyond its end", tensor.name));
        };
        tensor.place = start..end;
        sum += *bytes;
        if sum > length {
            return Err("its tensors overlap".into());
        }
    }
    Ok(Header { metadata, tensors: described.into_iter().map(|(tensor, _)| tensor).collect() })
}

struct Source<R> {
    reader: R,
    length: u64,
    left: u64,
    /// Lengths and sides of eight bytes; version 1 has four.
    wide: bool,
}

impl<R: Read> Source<R> {
    fn take(&mut self, count: u64) -> Result<Vec<u8>, String> {
        let early = || "it ends too early".to_owned();
        self.left = self.left.checked_sub(count).ok_or_else(early)?;
        let mut bytes = Vec::new();
        self.reader.by_ref().take(count).read_to_end(&mut bytes).map_err(|e| e.to_string())?;
        if bytes.len() as u64 == count { Ok(bytes) } else { Err(early()) }
    }

    fn number(&mut self, width: u64) -> Result<u64, String> {
        let bytes = self.take(width)?;
        Ok(bytes.iter().rev().fold(0, |number, &byte| number << 8 | u64::from(byte)))
    }

    fn u32(&mut self) -> Result<u32, String> {
        Ok(self.number(4)? as u32)
    }

    fn side(&mut self) -> Result<u64, String> {
        self.number(if self.wide { 8 } else { 4 })
    }

    /// A number of things that have `least` bytes each at least.
    fn count(&mut self, least: u64) -> Result<u64, String> {
        let count = self.side()?;
        match count.checked_mul(least) {
            Some(bytes) if bytes <= self.left => Ok(count),
            _ => Err(format!(
                "it promises {count} entries, for which its {} bytes are too few",
                self.length
            )),
        }
    }

    fn text(&mut self) -> Result<String, String> {
        let length = self.side()?;
        let bytes = self.take(length)?;
        // Some files end their texts with zeros, some are no UTF-8.
        Ok(String::from_utf8_lossy(&bytes).trim_end_matches('\0').to_owned())
    }

    fn value(&mut self, kind: u32, depth: usize) -> Result<Value, String> {
        Ok(match kind {
            0 => self.number(1)?.into(),
            1 => (self.number(1)? as u8 as i8).into(),
            2 => self.number(2)?.into(),
            3 => (self.number(2)? as u16 as i16).into(),
            4 => self.number(4)?.into(),
            5 => (self.number(4)? as u32 as i32).into(),
            6 => f32::from_bits(self.u32()?).into(),
            7 => (self.number(1)? != 0).into(),
            8 => self.text()?.into(),
            9 if depth < DEPTH => {
                let kind = self.u32()?;
                let count = self.count(1)?;
                let mut items = Vec::new();
                for _ in 0..count {
                    items.push(self.value(kind, depth + 1)?);
                }
                Value::Array(items)
            }
            10 => self.number(8)?.into(),
            11 => (self.number(8)? as i64).into(),
            12 => f64::from_bits(self.number(8)?).into(),
            other => {
                return Err(format!("a metadata value is of kind {other}, which is not known"));
            }
        })
    }

    /// A tensor with its place from the start of the data, and its bytes.
    fn tensor(&mut self) -> Result<(Described, u64), String> {
        let name = self.text()?;
        let sides = self.u32()?;
        if sides > 8 {
            return Err(format!("`{name}` has {sides} dimensions, more than any tensor"));
        }
        let mut shape = Vec::new();
        for _ in 0..sides {
            shape.push(self.side()?);
        }
        shape.reverse();
        let kind = self.u32()?;
        let offset = self.number(8)?;
        let (values, bytes) = block(kind)
            .ok_or_else(|| format!("`{name}` is of GGML's kind {kind}, which is not read"))?;
        let count = shape.iter().try_fold(1_u64, |count, &side| count.checked_mul(side));
        let length = count.filter(|count| count.is_multiple_of(values));
        let length = length.and_then(|count| (count / values).checked_mul(bytes));
        let length = length
            .ok_or_else(|| format!("`{name}` has the shape {shape:?}, which its kind has not"))?;
        Ok((Described { name, shape, kind, place: offset..offset }, length))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Version 3, no metadata, one f32 tensor `t` of `count` values at 0.
    fn one_tensor(count: u64) -> Vec<u8> {
        let mut file = b"GGUF\x03\0\0\0".to_vec();
        for number in [1, 0, 1] {
            file.extend(u64::to_le_bytes(number));
        }
        file.push(b't');
        file.extend(1_u32.to_le_bytes());
        file.extend(count.to_le_bytes());
        file.extend(0_u32.to_le_bytes());
        file.extend(0_u64.to_le_bytes());
        file
    }

    #[test]
    fn a_tensor_is_found_at_the_next_multiple_of_the_alignment() {
        let mut file = one_tensor(2);
        let header = file.len() as u64;
        assert_eq!(header, 57);
        file.resize(64 + 8, 0);
        let found = read(file.as_slice(), file.len() as u64).unwrap();
        let expected = Described { name: "t".into(), shape: vec![2], kind: 0, place: 64..72 };
        assert_eq!(found.tensors, [expected]);
    }

    #[test]
    fn promises_are_compared_with_the_file() {
        let fault = |file: &[u8]| read(file, file.len() as u64).unwrap_err();
        assert_eq!(fault(&one_tensor(2)), "`t` reaches beyond its end");
        assert!(fault(&one_tensor(u64::MAX)).contains("shape"));
        let mut many = one_tensor(2);
        many[8..16].copy_from_slice(&u64::MAX.to_le_bytes());
        assert!(fault(&many).contains("promises 18446744073709551615 entries"));
        assert!(fault(b"GGUF\x09\0\0\0").contains("its version is 9"));
        for length in 0..57 {
            assert!(read(&one_tensor(2)[..length], length as u64).is_err());
        }
    }
}
