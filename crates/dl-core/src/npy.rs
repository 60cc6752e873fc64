//! `.npy` files (NumPy's `numpy/lib/_format_impl.py`, versions 1 to 3): arrays of any
//! number type, byte order and layout. Sizes are compared with the file before anything is
//! made of them.

use std::path::Path;

use half::f16;
use ndarray::Array2;

use crate::{FileError, regular};

/// What one value is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Number {
    Float(usize),
    Signed(usize),
    Unsigned(usize),
}

impl Number {
    fn width(self) -> usize {
        match self {
            Self::Float(width) | Self::Signed(width) | Self::Unsigned(width) => width,
        }
    }

    fn name(self) -> String {
        let kind = match self {
            Self::Float(_) => "float",
            Self::Signed(_) => "int",
            Self::Unsigned(_) => "uint",
        };
        format!("{kind}{}", 8 * self.width())
    }
}

/// An array in a file's bytes.
pub struct Npy {
    bytes: Vec<u8>,
    /// Where the values begin.
    start: usize,
    number: Number,
    big_endian: bool,
    fortran: bool,
    shape: Vec<usize>,
}

/// Rows or numbers, and what was done to them on the way.
#[derive(Debug, PartialEq)]
pub struct Converted<T> {
    /// As the program uses them.
    pub values: T,
    /// For the user: that they were of another type. None where nothing was changed.
    pub note: Option<String>,
}

/// Reads `[rows, dims]` of floating-point numbers as f32.
///
/// # Errors
/// [`FileError`] when the file cannot be read, is no `.npy` file, is cut short, or holds
/// something else.
pub fn rows(path: &Path) -> Result<Converted<Array2<f32>>, FileError> {
    let npy = Npy::parse(regular::read(path)?);
    npy.and_then(|npy| npy.rows()).map_err(|problem| FileError::invalid(path, problem))
}

/// Reads `[numbers]` of whole numbers.
///
/// # Errors
/// As [`rows`].
pub fn whole_numbers(path: &Path) -> Result<Converted<Vec<i64>>, FileError> {
    let npy = Npy::parse(regular::read(path)?);
    npy.and_then(|npy| npy.whole_numbers()).map_err(|problem| FileError::invalid(path, problem))
}

impl Npy {
    /// Reads the header in `bytes` and compares it with what follows.
    ///
    /// # Errors
    /// What is wrong and what to do, without a path.
    pub fn parse(bytes: Vec<u8>) -> Result<Self, String> {
        let Some(rest) = bytes.strip_prefix(b"\x93NUMPY") else { return Err(other_kind(&bytes)) };
        let short = || "is cut short; copy or save it again".to_owned();
        let (version, rest) = rest.split_first_chunk::<2>().ok_or_else(short)?;
        let (length, from) = match (version[0], rest) {
            (1, &[a, b, ..]) => (usize::from(u16::from_le_bytes([a, b])), 10),
            (2 | 3, &[a, b, c, d, ..]) => (u32::from_le_bytes([a, b, c, d]) as usize, 12),
            (1..=3, _) => return Err(short()),
            (other, _) => {
                return Err(format!(
                    "is of version {other} of .npy, but 1 to 3 are read; save it again with np.save"
                ));
            }
        };
        let start = from + length;
        let header = bytes.get(from..start).ok_or_else(short)?;
        let Header { descr, fortran, shape } = Header::parse(&String::from_utf8_lossy(header))?;
        let (number, big_endian) = number(&descr)?;
        let count = shape.iter().try_fold(1_usize, |count, &side| count.checked_mul(side));
        let promised = count.and_then(|count| count.checked_mul(number.width()));
        let found = bytes.len() - start;
        match promised {
            Some(promised) if promised == found => {}
            Some(promised) if promised < found => {
                let more = found - promised;
                return Err(format!(
                    "has {more} bytes behind its array {shape:?}; save every array into a file of \
                     its own"
                ));
            }
            _ => {
                return Err(format!(
                    "is cut short: its header promises {shape:?} of {}, but {found} bytes follow; \
                     copy or save it again",
                    number.name()
                ));
            }
        }
        Ok(Self { bytes, start, number, big_endian, fortran, shape })
    }

    /// `[rows, dims]` as f32.
    ///
    /// # Errors
    /// What is wrong and what to do, without a path.
    pub fn rows(&self) -> Result<Converted<Array2<f32>>, String> {
        let &[rows, dims] = self.shape.as_slice() else {
            return Err(self.other_shape("[rows, dims]"));
        };
        if !matches!(self.number, Number::Float(_)) {
            return Err(format!(
                "holds {}, no embeddings: those are floats; check which file this is",
                self.number.name()
            ));
        }
        let mut values = Vec::new();
        for (index, value) in self.values().enumerate() {
            let wide = match value {
                Value::Float(value) => value,
                Value::Whole(value) => value as f64,
            };
            let narrow = wide as f32;
            if wide.is_finite() && !narrow.is_finite() {
                let row = if self.fortran { index % rows } else { index / dims };
                return Err(format!("row {row}: {wide:e} is beyond float32; scale the rows down"));
            }
            values.push(narrow);
        }
        let (shape, fault) = ((rows, dims), |error: ndarray::ShapeError| error.to_string());
        let values = if self.fortran {
            let turned = Array2::from_shape_vec((dims, rows), values).map_err(fault)?;
            turned.reversed_axes().as_standard_layout().into_owned()
        } else {
            Array2::from_shape_vec(shape, values).map_err(fault)?
        };
        let note = (self.number != Number::Float(4))
            .then(|| format!("{} was converted to float32", self.number.name()));
        Ok(Converted { values, note })
    }

    /// `[numbers]` as i64.
    ///
    /// # Errors
    /// What is wrong and what to do, without a path.
    pub fn whole_numbers(&self) -> Result<Converted<Vec<i64>>, String> {
        if self.shape.len() != 1 {
            return Err(self.other_shape("[captions]"));
        }
        let whole = |(index, value)| match value {
            Value::Whole(value) => i64::try_from(value)
                .map_err(|_| format!("entry {index}: {value} is beyond int64; check the file")),
            Value::Float(_) => Err(format!(
                "holds {}, but owners are whole numbers; save them with .astype(np.int64)",
                self.number.name()
            )),
        };
        let values = self.values().enumerate().map(whole).collect::<Result<_, _>>()?;
        let note = (self.number != Number::Signed(8))
            .then(|| format!("{} was converted to int64", self.number.name()));
        Ok(Converted { values, note })
    }

    fn other_shape(&self, expected: &str) -> String {
        format!("has the shape {:?}, expected {expected}; reshape and save it again", self.shape)
    }

    /// In the order of the file.
    fn values(&self) -> impl Iterator<Item = Value> + use<'_> {
        let (number, big_endian) = (self.number, self.big_endian);
        self.bytes[self.start..].chunks_exact(number.width()).map(move |bytes| {
            let mut little = [0; 8];
            little[..bytes.len()].copy_from_slice(bytes);
            if big_endian {
                little[..bytes.len()].reverse();
            }
            let bits = u64::from_le_bytes(little);
            match number {
                Number::Float(2) => Value::Float(f16::from_bits(bits as u16).into()),
                Number::Float(4) => Value::Float(f32::from_bits(bits as u32).into()),
                Number::Float(_) => Value::Float(f64::from_bits(bits)),
                Number::Unsigned(_) => Value::Whole(bits.into()),
                Number::Signed(width) => {
                    let unused = 64 - 8 * width as u32;
                    Value::Whole(((bits << unused) as i64 >> unused).into())
                }
            }
        })
    }
}

enum Value {
    Float(f64),
    Whole(i128),
}

fn number(descr: &str) -> Result<(Number, bool), String> {
    let refuse = |what: &str| Err(format!("holds {what}; save plain numbers with np.save"));
    let mut letters = descr.chars();
    let (order, rest) = match letters.next() {
        Some(order @ ('<' | '>' | '|' | '=')) => (order, letters.as_str()),
        _ => ('<', descr),
    };
    let number = match rest {
        "f2" | "f4" | "f8" => Number::Float,
        "i1" | "i2" | "i4" | "i8" => Number::Signed,
        "u1" | "u2" | "u4" | "u8" => Number::Unsigned,
        "b1" | "?" => return refuse("truth values"),
        "O" | "O8" => return refuse("Python objects"),
        _ if rest.starts_with('c') => return refuse("complex numbers"),
        _ if rest.starts_with(['U', 'S', 'a']) => return refuse("texts"),
        _ if rest.starts_with('V') => {
            return refuse("values of a type that NumPy itself has not (bfloat16 is saved so)");
        }
        _ => return refuse(&format!("values of the type {descr:?}")),
    };
    let width = usize::from(rest.as_bytes()[1] - b'0');
    Ok((number(width), order == '>'))
}

/// What a file that does not begin as `.npy` files do seems to be.
fn other_kind(bytes: &[u8]) -> String {
    let what = match bytes {
        [] => return "is empty; save it again with np.save".into(),
        [b'P', b'K', 3, 4, ..] if bytes.windows(8).take(4096).any(|part| part == b"data.pkl") => {
            "a PyTorch checkpoint; save the tensor's .numpy() with np.save"
        }
        [b'P', b'K', ..] => "an archive (.npz); save the one array with np.save",
        [0x80, 2..=5, ..] => "a Python pickle; load it there and save the array with np.save",
        [0x89, b'H', b'D', b'F', ..] => "an HDF5 file; save the one array with np.save",
        [_, _, _, _, _, _, _, _, b'{', ..] => {
            "a safetensors file; give an EmbeddingSet with --set, or save the array with np.save"
        }
        _ if std::str::from_utf8(&bytes[..bytes.len().min(4096)])
            .map_or_else(|error| error.error_len().is_none(), |text| !text.contains('\0')) =>
        {
            "text; read it with np.loadtxt and save the array with np.save"
        }
        _ => "something else; save the array with np.save",
    };
    format!("is no .npy file but {what}")
}

/// The dictionary before the values, a Python literal.
struct Header {
    descr: String,
    fortran: bool,
    shape: Vec<usize>,
}

impl Header {
    fn parse(text: &str) -> Result<Self, String> {
        let unreadable = || {
            let shown: String = text.trim().chars().take(100).collect();
            format!("has a header that cannot be read ({shown:?}); save it again with np.save")
        };
        let mut rest = text.trim().strip_prefix('{').ok_or_else(unreadable)?.trim_start();
        let (mut descr, mut fortran, mut shape) = (None, None, None);
        while !rest.starts_with('}') {
            let (key, after) = quoted(rest).ok_or_else(unreadable)?;
            rest = after.trim_start().strip_prefix(':').ok_or_else(unreadable)?.trim_start();
            match key {
                "descr" if rest.starts_with('[') => {
                    return Err(
                        "holds records of several fields; save one field with np.save".into()
                    );
                }
                "descr" => {
                    let (value, after) = quoted(rest).ok_or_else(unreadable)?;
                    (descr, rest) = (Some(value.to_owned()), after);
                }
                "fortran_order" => {
                    let word = rest.find([',', '}']).ok_or_else(unreadable)?;
                    fortran = match rest[..word].trim() {
                        "True" => Some(true),
                        "False" => Some(false),
                        _ => return Err(unreadable()),
                    };
                    rest = &rest[word..];
                }
                "shape" => {
                    let inside = rest.strip_prefix('(').ok_or_else(unreadable)?;
                    let (inside, after) = inside.split_once(')').ok_or_else(unreadable)?;
                    let sides = inside.split(',').map(str::trim).filter(|side| !side.is_empty());
                    // NumPy for Python 2 wrote long integers: 3L.
                    let sides = sides.map(|side| side.trim_end_matches('L').parse());
                    let sides: Result<Vec<usize>, _> = sides.collect();
                    (shape, rest) = (Some(sides.map_err(|_| unreadable())?), after);
                }
                _ => return Err(unreadable()),
            }
            rest = rest.trim_start();
            rest = rest.strip_prefix(',').unwrap_or(rest).trim_start();
        }
        let all = descr.zip(fortran).zip(shape);
        let ((descr, fortran), shape) = all.ok_or_else(unreadable)?;
        Ok(Self { descr, fortran, shape })
    }
}

/// A text in quotes and what follows it.
fn quoted(text: &str) -> Option<(&str, &str)> {
    let quote = text.chars().next().filter(|letter| matches!(letter, '\'' | '"'))?;
    text[1..].split_once(quote)
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::array;

    /// As NumPy writes version 1.
    fn file(descr: &str, fortran: bool, shape: &str, values: &[u8]) -> Vec<u8> {
        let order = if fortran { "True" } else { "False" };
        let header =
            format!("{{'descr': {descr}, 'fortran_order': {order}, 'shape': {shape}, }}\n");
        let mut bytes = b"\x93NUMPY\x01\0".to_vec();
        bytes.extend((header.len() as u16).to_le_bytes());
        bytes.extend(header.as_bytes());
        bytes.extend(values);
        bytes
    }

    fn rows(bytes: Vec<u8>) -> Result<Converted<Array2<f32>>, String> {
        Npy::parse(bytes)?.rows()
    }

    fn owners(bytes: Vec<u8>) -> Result<Converted<Vec<i64>>, String> {
        Npy::parse(bytes)?.whole_numbers()
    }

    #[test]
    fn every_float_and_layout_gives_the_same_rows() {
        let expected = array![[1.0_f32, 2.0, -0.5], [4.0, 0.25, 8.0]];
        let inside = [1.0_f64, 2.0, -0.5, 4.0, 0.25, 8.0];
        let turned = [1.0_f64, 4.0, 2.0, 0.25, -0.5, 8.0];
        let bytes = |of: &dyn Fn(f64) -> Vec<u8>, values: &[f64]| -> Vec<u8> {
            values.iter().flat_map(|&value| of(value)).collect()
        };
        let f4 = |x: f64| (x as f32).to_le_bytes().to_vec();
        let f8 = |x: f64| x.to_le_bytes().to_vec();
        let f8_big = |x: f64| x.to_be_bytes().to_vec();
        let f4_big = |x: f64| (x as f32).to_be_bytes().to_vec();
        let f2 = |x: f64| f16::from_f64(x).to_le_bytes().to_vec();
        let f2_big = |x: f64| f16::from_f64(x).to_be_bytes().to_vec();
        for (descr, of, note) in [
            ("'<f4'", &f4 as &dyn Fn(f64) -> Vec<u8>, None),
            ("'>f4'", &f4_big, None),
            ("'<f8'", &f8, Some("float64 was converted to float32")),
            ("'>f8'", &f8_big, Some("float64 was converted to float32")),
            ("'<f2'", &f2, Some("float16 was converted to float32")),
            ("'>f2'", &f2_big, Some("float16 was converted to float32")),
        ] {
            for (fortran, values) in [(false, &inside), (true, &turned)] {
                let found = rows(file(descr, fortran, "(2, 3)", &bytes(of, values))).unwrap();
                assert_eq!(found.values, expected, "{descr} {fortran}");
                assert!(found.values.is_standard_layout());
                assert_eq!(found.note.as_deref(), note);
            }
        }
    }

    #[test]
    fn versions_two_and_three_have_a_longer_length() {
        for version in [2, 3] {
            let one = file("'<f4'", false, "(1, 1)", &1.5_f32.to_le_bytes());
            let mut bytes = b"\x93NUMPY".to_vec();
            bytes.extend([version, 0]);
            bytes.extend([one[8], one[9], 0, 0]);
            bytes.extend(&one[10..]);
            assert_eq!(rows(bytes).unwrap().values, array![[1.5]]);
        }
        let mut other = file("'<f4'", false, "(1, 1)", &[0; 4]);
        other[6] = 4;
        assert!(rows(other).unwrap_err().contains("version 4"));
    }

    #[test]
    fn every_whole_number_makes_an_owner() {
        for (descr, bytes, note) in [
            ("'<i8'", [-1_i64, 2].iter().flat_map(|x| x.to_le_bytes()).collect::<Vec<u8>>(), false),
            ("'<i4'", [-1_i32, 2].iter().flat_map(|x| x.to_le_bytes()).collect(), true),
            ("'>i2'", [-1_i16, 2].iter().flat_map(|x| x.to_be_bytes()).collect(), true),
            ("'|i1'", vec![0xff, 2], true),
        ] {
            let found = owners(file(descr, false, "(2,)", &bytes)).unwrap();
            assert_eq!(found.values, [-1, 2], "{descr}");
            assert_eq!(found.note.is_some(), note, "{descr}");
        }
        assert_eq!(owners(file("'|u1'", false, "(1,)", &[200])).unwrap().values, [200]);
        let huge = owners(file("'<u8'", false, "(1,)", &[0xff; 8])).unwrap_err();
        assert!(huge.contains("entry 0: 18446744073709551615 is beyond int64"), "{huge}");
        let float = owners(file("'<f8'", false, "(1,)", &[0; 8])).unwrap_err();
        assert!(float.contains("holds float64, but owners are whole numbers"), "{float}");
    }

    #[test]
    fn promises_are_compared_with_the_file() {
        let huge = rows(file("'<f4'", false, "(1000000, 64000)", &[0; 8])).unwrap_err();
        assert!(huge.starts_with("is cut short: its header promises [1000000, 64000]"), "{huge}");
        let overflowing = "(99999999999, 99999999999, 99999999999)";
        assert!(rows(file("'<f4'", false, overflowing, &[])).unwrap_err().contains("cut short"));
        let more = rows(file("'<f4'", false, "(1, 1)", &[0; 9])).unwrap_err();
        assert!(more.contains("5 bytes behind its array"), "{more}");
        let whole = file("'<f4'", false, "(1, 1)", &[0; 4]);
        for length in 0..whole.len() {
            assert!(rows(whole[..length].to_vec()).is_err(), "{length}");
        }
    }

    #[test]
    fn other_files_are_named_for_what_they_are() {
        for (bytes, part) in [
            (&b""[..], "is empty"),
            (b"PK\x03\x04....arr_0.npy", "an archive (.npz)"),
            (b"PK\x03\x04....archive/data.pkl", "a PyTorch checkpoint"),
            (b"\x80\x04\x95", "a Python pickle"),
            (b"\x10\0\0\0\0\0\0\0{\"a\"", "a safetensors file"),
            (b"0.1 0.2\n0.3 0.4\n", "text; read it with np.loadtxt"),
            ("0,1\u{e9}".as_bytes(), "text; "),
            (b"\0\x01\x02\xff", "something else"),
        ] {
            let fault = rows(bytes.to_vec()).unwrap_err();
            assert!(fault.contains(part), "{fault}");
        }
    }

    #[test]
    fn other_types_and_shapes_are_refused_by_name() {
        let fault = |descr: &str, shape: &str, values: &[u8]| {
            rows(file(descr, false, shape, values)).unwrap_err()
        };
        assert!(fault("'|O'", "(1, 1)", &[0; 8]).contains("Python objects"));
        assert!(fault("'<c8'", "(1, 1)", &[0; 8]).contains("complex numbers"));
        assert!(fault("'<U3'", "(1, 1)", &[0; 12]).contains("texts"));
        assert!(fault("'|V2'", "(1, 1)", &[0; 2]).contains("bfloat16"));
        assert!(fault("[('a', '<f4'), ('b', '<f4')]", "(1,)", &[0; 8]).contains("several fields"));
        assert!(fault("'<i8'", "(1, 1)", &[0; 8]).contains("holds int64, no embeddings"));
        assert!(fault("'<f4'", "(1,)", &[0; 4]).contains("shape [1], expected [rows, dims]"));
        assert!(fault("'<f4'", "()", &[0; 4]).contains("shape []"));
        assert!(fault("'<f8'", "(1, 1)", &1e300_f64.to_le_bytes()).contains("row 0: 1e300"));
        // No values, no rows to divide by.
        assert_eq!(rows(file("'<f4'", true, "(0, 3)", &[])).unwrap().values.dim(), (0, 3));
        assert_eq!(rows(file("'<f4'", false, "(3, 0)", &[])).unwrap().values.dim(), (3, 0));
    }
}
