//! Fingerprints: SHA-256 of everything that made a thing, shown as 64 hex digits.
//!
//! A cache is keyed by the fingerprint of all its inputs, so a changed number
//! in a configuration or a changed byte in a weight file makes a new entry.

use std::{
    fmt, fs,
    io::{self, Read},
    path::Path,
};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::regular;

/// A SHA-256 digest in lower-case hex.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Fingerprint(String);

impl Fingerprint {
    /// Digest of raw bytes.
    pub fn of_bytes(bytes: &[u8]) -> Self {
        Self(hex(&Sha256::digest(bytes)))
    }

    /// Digest of a value's JSON form. `serde_json` writes struct fields in their
    /// declared order, so equal values give equal fingerprints.
    ///
    /// # Panics
    /// When the value cannot be written as JSON at all (a map whose keys are not
    /// strings): a fault of the program, never of its input.
    pub fn of(value: &impl Serialize) -> Self {
        let json = serde_json::to_vec(value).expect("a configuration serialises to JSON");
        Self::of_bytes(&json)
    }

    /// Digest of a regular file's content, read in blocks.
    ///
    /// # Errors
    /// As [`regular::open`], without the path.
    pub fn of_file(path: &Path) -> io::Result<Self> {
        let mut file = regular::open(path)?;
        let mut digest = Sha256::new();
        let mut block = vec![0; 1 << 20];
        loop {
            match file.read(&mut block)? {
                0 => return Ok(Self(hex(&digest.finalize()))),
                n => digest.update(&block[..n]),
            }
        }
    }

    /// Digest of several fingerprints in order.
    pub fn combine<'a>(parts: impl IntoIterator<Item = &'a Fingerprint>) -> Self {
        let mut digest = Sha256::new();
        for part in parts {
            digest.update(part.0.as_bytes());
        }
        Self(hex(&digest.finalize()))
    }

    /// All 64 digits.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The first 12 digits: what directory names and tables show.
    pub fn short(&self) -> &str {
        self.0.get(..12).unwrap_or(&self.0)
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Name and content of every file in a folder but hidden ones, in the order of their names,
/// which have `/` between the parts; of a file its content alone, for its name is the user's
/// own.
///
/// # Errors
/// What the system says of the first that cannot be read.
pub fn contents(path: &Path) -> io::Result<Vec<(String, Fingerprint)>> {
    if !path.is_dir() {
        return Ok(vec![(String::new(), Fingerprint::of_file(path)?)]);
    }
    let mut files = Vec::new();
    for entry in fs::read_dir(path)? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if path.is_file() && !name.starts_with('.') {
            files.push((name, Fingerprint::of_file(&path)?));
        } else if path.is_dir() && !name.starts_with('.') {
            let inner = contents(&path)?;
            files.extend(inner.into_iter().map(|(file, print)| (format!("{name}/{file}"), print)));
        }
    }
    files.sort();
    Ok(files)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sha256_of_the_standard_vector() {
        // FIPS 180-2, appendix B.1.
        assert_eq!(
            Fingerprint::of_bytes(b"abc").as_str(),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
        );
    }

    #[test]
    fn a_file_and_its_bytes_agree() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let bytes = vec![7_u8; (1 << 20) + 3];
        std::fs::write(file.path(), &bytes).unwrap();
        assert_eq!(Fingerprint::of_file(file.path()).unwrap(), Fingerprint::of_bytes(&bytes));
    }

    #[test]
    fn the_order_of_parts_matters() {
        let (a, b) = (Fingerprint::of(&1), Fingerprint::of(&2));
        assert_ne!(Fingerprint::combine([&a, &b]), Fingerprint::combine([&b, &a]));
    }
}
