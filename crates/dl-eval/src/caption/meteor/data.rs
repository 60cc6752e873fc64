//! The tables that METEOR 1.5 looks words up in, in one file that is mapped into
//! memory: start-up costs nothing, pages come in as words need them, and several
//! processes share them.
//!
//! # Layout
//! Little-endian. A head of eight bytes `DLMETEOR`, the layout's number (u32), the
//! number of sections (u32), and of every [`Section`] offset and length in bytes
//! (u64 each); the sections follow. Words are numbered in byte order. A list of
//! lists is two sections: starts (one more than there are lists) and members.
//! Phrases of the paraphrase table are nodes of a tree, numbered level by level,
//! within a level by parent and word: the children of a node stand together,
//! ordered by word. Node 0 is the empty phrase.

use std::{cmp::Ordering, fs::File, io, path::Path};

use memmap2::Mmap;

/// First bytes of the file.
pub(super) const MAGIC: &[u8; 8] = b"DLMETEOR";
/// Number of the layout; a file of another one is made anew.
pub(super) const LAYOUT: u32 = 1;

/// The sections, in the order of the file. All but two hold u32.
#[derive(Clone, Copy, Debug)]
pub(super) enum Section {
    /// By word: where its text begins.
    WordStarts,
    /// UTF-8 of all words, one after the other.
    WordText,
    /// By word: one byte of [`flag`]s.
    WordFlags,
    /// By word: where its synonym sets begin.
    SynsetStarts,
    /// Numbers of synonym sets, ascending for each word.
    Synsets,
    /// By word: where its base forms begin.
    BaseStarts,
    /// Base forms of irregular words, as words.
    Bases,
    /// By node: its first child.
    ChildStarts,
    /// By node: its last word.
    NodeWords,
    /// By node: where its paraphrases begin.
    ParaphraseStarts,
    /// Paraphrases, as nodes, ascending for each node.
    Paraphrases,
}

/// How many sections there are.
pub(super) const SECTIONS: usize = Section::Paraphrases as usize + 1;
/// Bytes before the first section.
pub(super) const HEAD: usize = 16 + 16 * SECTIONS;

/// Bits of a word's flags.
pub(super) mod flag {
    /// It is a function word.
    pub(crate) const FUNCTION: u8 = 1;
    /// A full stop behind it ends no sentence.
    pub(crate) const PREFIX: u8 = 2;
    /// The same, before a number alone.
    pub(crate) const NUMERIC_PREFIX: u8 = 4;
}

/// How a word with a full stop behind it is treated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Prefix {
    /// The full stop belongs to it.
    Any,
    /// The full stop belongs to it before a number.
    BeforeNumber,
}

/// What is wrong with METEOR's data.
#[derive(Debug, thiserror::Error)]
pub enum MeteorDataError {
    /// A file cannot be read or written.
    #[error("METEOR data: {path}: {source}")]
    Io {
        /// The file.
        path: String,
        /// Why.
        source: io::Error,
    },
    /// The file is not one that [`MeteorData::convert`] of this version wrote.
    #[error("{path} is no METEOR data of this version ({why}); convert the package anew")]
    Layout {
        /// The file.
        path: String,
        /// What differs.
        why: &'static str,
    },
    /// The package is not that of METEOR 1.5.
    #[error("{path} is not what METEOR 1.5 ships ({why}); install the package anew")]
    Source {
        /// The file, or the file inside of the jar.
        path: String,
        /// What differs.
        why: String,
    },
}

impl MeteorDataError {
    pub(super) fn io(path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.display().to_string();
        move |source| Self::Io { path, source }
    }
}

/// The data of METEOR 1.5 (English): synonyms, base forms, function words,
/// abbreviations and paraphrases.
#[derive(Debug)]
pub struct MeteorData {
    map: Mmap,
    sections: [(usize, usize); SECTIONS],
}

impl MeteorData {
    /// Maps a file that [`MeteorData::convert`] wrote. The file must not be written
    /// to in place while it is open; `convert` never does (it puts a new file in
    /// the old one's place).
    ///
    /// # Errors
    /// [`MeteorDataError::Io`]; [`MeteorDataError::Layout`] where the file is
    /// something else, of another layout or cut off.
    pub fn open(path: &Path) -> Result<Self, MeteorDataError> {
        let file = File::open(path).map_err(MeteorDataError::io(path))?;
        // SAFETY: the file is only read, and nothing of this program changes it in
        // place. Should another program do so, lookups see other numbers: they check
        // every number that they follow.
        #[allow(unsafe_code)]
        let map = unsafe { Mmap::map(&file) }.map_err(MeteorDataError::io(path))?;
        let refuse = |why| MeteorDataError::Layout { path: path.display().to_string(), why };
        if map.len() < HEAD || &map[..8] != MAGIC {
            return Err(refuse("it begins otherwise"));
        }
        let number = |at: usize| u32::from_le_bytes(std::array::from_fn(|i| map[at + i]));
        if number(8) != LAYOUT || number(12) as usize != SECTIONS {
            return Err(refuse("its layout has another number"));
        }
        let long = |at: usize| u64::from_le_bytes(std::array::from_fn(|i| map[at + i])) as usize;
        let sections = std::array::from_fn(|s| (long(16 + 16 * s), long(24 + 16 * s)));
        let fits = |(at, length): &(usize, usize)| {
            at.checked_add(*length).is_some_and(|end| end <= map.len())
        };
        if !sections.iter().all(fits) {
            return Err(refuse("it is cut off"));
        }
        Ok(Self { map, sections })
    }

    fn bytes(&self, section: Section) -> &[u8] {
        let (at, length) = self.sections[section as usize];
        &self.map[at..at + length]
    }

    fn numbers(&self, section: Section) -> Numbers<'_> {
        Numbers(self.bytes(section))
    }

    /// List number `index` of two sections.
    fn list(&self, starts: Section, members: Section, index: usize) -> Numbers<'_> {
        let starts = self.numbers(starts);
        match (starts.get(index), starts.get(index + 1)) {
            (Some(from), Some(to)) => self.numbers(members).range(from as usize, to as usize),
            _ => Numbers(&[]),
        }
    }

    fn text(&self, word: u32) -> &[u8] {
        let starts = self.numbers(Section::WordStarts);
        match (starts.get(word as usize), starts.get(word as usize + 1)) {
            (Some(from), Some(to)) => {
                self.bytes(Section::WordText).get(from as usize..to as usize).unwrap_or_default()
            }
            _ => &[],
        }
    }

    /// The number of a word of the tables.
    pub(super) fn word(&self, text: &str) -> Option<u32> {
        let words = self.numbers(Section::WordStarts).len().saturating_sub(1);
        let found = search(words, |word| self.text(word as u32).cmp(text.as_bytes())).ok()?;
        Some(found as u32)
    }

    fn flags(&self, word: u32) -> u8 {
        self.bytes(Section::WordFlags).get(word as usize).copied().unwrap_or(0)
    }

    /// Whether METEOR discounts the word.
    pub(super) fn is_function(&self, word: u32) -> bool {
        self.flags(word) & flag::FUNCTION != 0
    }

    /// Whether a full stop behind the word belongs to it.
    pub(super) fn prefix(&self, text: &str) -> Option<Prefix> {
        match self.flags(self.word(text)?) {
            flags if flags & flag::PREFIX != 0 => Some(Prefix::Any),
            flags if flags & flag::NUMERIC_PREFIX != 0 => Some(Prefix::BeforeNumber),
            _ => None,
        }
    }

    /// The synonym sets of a word, ascending.
    pub(super) fn synsets(&self, word: u32) -> Numbers<'_> {
        self.list(Section::SynsetStarts, Section::Synsets, word as usize)
    }

    /// The base forms of an irregular word.
    pub(super) fn bases(&self, word: u32) -> Numbers<'_> {
        self.list(Section::BaseStarts, Section::Bases, word as usize)
    }

    /// The phrase `node` followed by `word`.
    pub(super) fn child(&self, node: u32, word: u32) -> Option<u32> {
        let starts = self.numbers(Section::ChildStarts);
        let (from, to) = (starts.get(node as usize)?, starts.get(node as usize + 1)?);
        let words = self.numbers(Section::NodeWords).range(from as usize, to as usize);
        Some(from + words.find(word)? as u32)
    }

    /// The paraphrases of the phrase `node`, as nodes, ascending.
    pub(super) fn paraphrases(&self, node: u32) -> Numbers<'_> {
        self.list(Section::ParaphraseStarts, Section::Paraphrases, node as usize)
    }
}

/// u32 numbers in the mapped file.
#[derive(Clone, Copy, Debug)]
pub(super) struct Numbers<'a>(&'a [u8]);

impl<'a> Numbers<'a> {
    pub(super) fn len(self) -> usize {
        self.0.len() / 4
    }

    pub(super) fn is_empty(self) -> bool {
        self.len() == 0
    }

    fn get(self, index: usize) -> Option<u32> {
        let bytes = self.0.get(4 * index..4 * index + 4)?;
        Some(u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]))
    }

    fn range(self, from: usize, to: usize) -> Self {
        Self(self.0.get(4 * from..4 * to).unwrap_or_default())
    }

    pub(super) fn iter(self) -> impl Iterator<Item = u32> + 'a {
        self.0.chunks_exact(4).map(|b| u32::from_le_bytes([b[0], b[1], b[2], b[3]]))
    }

    /// The place of `number` in an ascending list.
    pub(super) fn find(self, number: u32) -> Option<usize> {
        search(self.len(), |index| self.get(index).unwrap_or(u32::MAX).cmp(&number)).ok()
    }

    /// Drops members of an ascending list from its front until `number` or more
    /// comes, and says whether `number` is in the list.
    pub(super) fn skip_to(&mut self, number: u32) -> bool {
        let found = search(self.len(), |index| self.get(index).unwrap_or(u32::MAX).cmp(&number));
        *self = self.range(found.unwrap_or_else(|place| place), self.len());
        found.is_ok()
    }
}

/// Binary search over `0..length`: the place, or where it would be.
fn search(length: usize, order: impl Fn(usize) -> Ordering) -> Result<usize, usize> {
    let (mut low, mut high) = (0, length);
    while low < high {
        let middle = low + (high - low) / 2;
        match order(middle) {
            Ordering::Less => low = middle + 1,
            Ordering::Greater => high = middle,
            Ordering::Equal => return Ok(middle),
        }
    }
    Err(low)
}
