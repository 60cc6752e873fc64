//! What the METEOR jar compares instead of words: 32-bit Java hashes of words
//! and of their Snowball English stems (Porter, 2001).

use rust_stemmers::{Algorithm, Stemmer};

/// `String.hashCode` of Java: a polynomial in 31 over UTF-16 units, modulo 2^32.
/// The jar matches words by these hashes alone, so that two words of one hash
/// ("gül", "lal") count as equal; equal numbers need the same.
pub(super) fn hash(word: &str) -> i32 {
    word.encode_utf16()
        .fold(0, |hash: i32, unit| hash.wrapping_mul(31).wrapping_add(i32::from(unit)))
}

/// The stemmer of the jar. It equals that of the crate on every word that the
/// normaliser lets through (it leaves characters beyond the basic plane alone,
/// where the jar counts two units and the crate one).
pub(super) struct English(Stemmer);

impl English {
    pub(super) fn new() -> Self {
        Self(Stemmer::create(Algorithm::English))
    }

    /// The hash of the stem of a lower-case word.
    pub(super) fn hash(&self, word: &str) -> i32 {
        hash(&self.0.stem(word))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hashes_are_those_of_java() {
        // By the definition: 'a' * 31 + 'b'; above the basic plane two units count.
        assert_eq!(hash(""), 0);
        assert_eq!(hash("ab"), 97 * 31 + 98);
        assert_eq!(hash("\u{1f600}"), 0xd83d * 31 + 0xde00);
        assert_eq!(hash("gül"), hash("lal"));
    }

    #[test]
    fn stems_are_those_of_the_snowball_of_the_jar() {
        // Later Snowballs give "add", "ebb", "biolog" and "emergenc".
        let stemmer = English::new();
        for (word, stem) in [
            ("barking", "bark"),
            ("adding", "ad"),
            ("ebbing", "eb"),
            ("biologists", "biologist"),
            ("emergency", "emerg"),
            ("skies", "sky"),
            ("news", "news"),
            ("generally", "general"),
        ] {
            assert_eq!(stemmer.hash(word), hash(stem), "{word}");
        }
    }
}
