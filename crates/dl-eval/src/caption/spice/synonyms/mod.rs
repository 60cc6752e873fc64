//! Which words may mean the same: the synonym sets and irregular forms of WordNet 3.0, as
//! METEOR 1.5 ships them and SPICE 1.0 reads them there. They are part of the program, so
//! that SPICE needs no data beside it; `data/spice/WORDNET-LICENSE` is their licence.
//!
//! # Layout
//! Little-endian. Five numbers (u32): [`MAGIC`], words, irregular forms, and the lengths
//! in bytes of the two lists. Then for each list, words first, of each [`BLOCK`] of entries
//! where it begins in the list and how many synonym sets came before it (u32 each); then the
//! lists. An entry is a word in byte order: how many bytes it shares with the one before
//! it in its block, how many more it has, these, a count and so many numbers. With a word
//! these are its synonym sets: 0 is the next that no word before had, another number one
//! more than the set's. With a form they are the places of its base forms among the words.
//! All numbers of an entry are LEB128.

mod pack;

use std::cmp::Ordering;

pub use pack::{PackError, pack};

use crate::caption::morph;

/// First bytes: "SYN1".
const MAGIC: u32 = u32::from_le_bytes(*b"SYN1");
/// Entries that are read one after the other.
const BLOCK: usize = 16;
/// Bytes before the places of the blocks.
const HEAD: usize = 20;

static BUILT_IN: &[u8] = include_bytes!("../../../../data/spice/synonyms.bin");

/// Synonym sets by word.
#[derive(Clone, Copy, Debug)]
pub struct Synonyms<'a> {
    words: List<'a>,
    forms: List<'a>,
}

/// Entries in blocks.
#[derive(Clone, Copy, Debug)]
struct List<'a> {
    entries: usize,
    /// By block: its place in `bytes`, synonym sets before it.
    blocks: &'a [u8],
    bytes: &'a [u8],
}

/// One entry.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Entry {
    /// Its place in the list.
    place: usize,
    numbers: Vec<u32>,
}

impl Synonyms<'static> {
    /// Those that the program carries.
    pub fn built_in() -> Self {
        Self::read(BUILT_IN).expect("the program carries a whole table of synonyms")
    }
}

impl<'a> Synonyms<'a> {
    /// What [`pack`] made; `None` where it is something else or cut short.
    pub fn read(bytes: &'a [u8]) -> Option<Self> {
        let number = |place: usize| u32_at(bytes, 4 * place);
        if number(0)? != MAGIC {
            return None;
        }
        let [words, forms, word_bytes, form_bytes] = [1, 2, 3, 4].map(number);
        let [words, forms] = [words? as usize, forms? as usize];
        let mut rest = bytes.get(HEAD..)?;
        let mut take = |length: usize| rest.split_off(..length);
        let word_blocks = take(8 * words.div_ceil(BLOCK))?;
        let form_blocks = take(8 * forms.div_ceil(BLOCK))?;
        let word_bytes = take(word_bytes? as usize)?;
        let form_bytes = take(form_bytes? as usize)?;
        Some(Self {
            words: List { entries: words, blocks: word_blocks, bytes: word_bytes },
            forms: List { entries: forms, blocks: form_blocks, bytes: form_bytes },
        })
    }

    /// The synonym sets of a word (with underscores for spaces) and of its base forms,
    /// ascending: those of an irregular form; else the first form without a regular ending
    /// that is a word.
    pub fn synsets(&self, text: &str) -> Vec<u32> {
        let own = self.words.find(text.as_bytes(), true);
        let mut synsets = own.map(|entry| entry.numbers).unwrap_or_default();
        match self.forms.find(text.as_bytes(), false) {
            Some(form) => {
                for base in form.numbers {
                    synsets.extend(self.words.at(base as usize).unwrap_or_default());
                }
            }
            None => {
                let known = |text: &str| self.words.find(text.as_bytes(), true);
                synsets.extend(morph::base(text, known).into_iter().flat_map(|base| base.numbers));
            }
        }
        synsets.sort_unstable();
        synsets.dedup();
        synsets
    }
}

impl<'a> List<'a> {
    fn block(&self, block: usize) -> Option<Block<'a>> {
        let place = u32_at(self.blocks, 8 * block)?;
        let fresh = u32_at(self.blocks, 8 * block + 4)?;
        Some(Block { rest: self.bytes.get(place as usize..)?, text: Vec::new(), fresh })
    }

    /// The entry of a text; whether its numbers are synonym sets.
    fn find(&self, text: &[u8], sets: bool) -> Option<Entry> {
        let (mut low, mut high) = (0, self.entries.div_ceil(BLOCK));
        // The last block that begins at or before the text.
        while high - low > 1 {
            let middle = low + (high - low) / 2;
            let mut block = self.block(middle)?;
            if block.next_text()? <= text { low = middle } else { high = middle }
        }
        let mut block = self.block(low)?;
        for place in BLOCK * low..self.entries.min(BLOCK * (low + 1)) {
            match block.next_text()?.cmp(text) {
                Ordering::Less => drop(block.next_numbers(sets)?),
                Ordering::Equal => {
                    return Some(Entry { place, numbers: block.next_numbers(sets)? });
                }
                Ordering::Greater => return None,
            }
        }
        None
    }

    /// The synonym sets of the word at a place.
    fn at(&self, place: usize) -> Option<Vec<u32>> {
        let mut block = self.block(place / BLOCK)?;
        for _ in 0..place % BLOCK {
            block.next_text()?;
            block.next_numbers(true)?;
        }
        block.next_text()?;
        block.next_numbers(true)
    }
}

/// A block while it is read.
struct Block<'a> {
    rest: &'a [u8],
    text: Vec<u8>,
    /// The next synonym set that no word had.
    fresh: u32,
}

impl Block<'_> {
    fn next_text(&mut self) -> Option<&[u8]> {
        let shared = self.number()? as usize;
        let more = self.number()? as usize;
        self.text.truncate(shared);
        self.text.extend_from_slice(self.rest.split_off(..more)?);
        Some(&self.text)
    }

    fn next_numbers(&mut self, sets: bool) -> Option<Vec<u32>> {
        let count = self.number()?;
        let number = |_| {
            let number = self.number()?;
            if sets && number == 0 {
                self.fresh += 1;
                return Some(self.fresh - 1);
            }
            Some(number - u32::from(sets))
        };
        (0..count).map(number).collect()
    }

    fn number(&mut self) -> Option<u32> {
        let mut number = 0;
        for shift in [0, 7, 14, 21] {
            let byte = *self.rest.split_off_first()?;
            number |= u32::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Some(number);
            }
        }
        None
    }
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_of_a_few_words() {
        let synsets = "dog\n01 02\nhound\n02 9000\ngo\n05\nmove\n05 07\ngoose\n11\n";
        let exceptions = "go\nwent gone\ngoose\ngeese\nox\noxen\n";
        let packed = pack(synsets, exceptions).unwrap();
        let table = Synonyms::read(&packed).unwrap();
        let of = |text: &str| table.synsets(text);
        let shared = |a: &str, b: &str| of(a).iter().filter(|set| of(b).contains(set)).count();
        assert_eq!([of("dog").len(), of("hound").len(), of("went").len()], [2, 2, 1]);
        assert_eq!(shared("dog", "hound"), 1);
        assert_eq!(shared("dog", "dogs"), 2);
        assert_eq!(shared("went", "moving"), 1);
        assert_eq!(shared("geese", "goose"), 1);
        // "goes" is "go" by the ending "es"; "oxen" has a base form that is no word.
        assert_eq!(shared("goes", "go"), 1);
        assert_eq!([of("oxen"), of("cat"), of("")], [[0; 0]; 3].map(Vec::from));
        assert!((0..packed.len()).all(|end| Synonyms::read(&packed[..end]).is_none()));
    }

    #[test]
    fn the_built_in_table_is_whole() {
        let table = Synonyms::built_in();
        assert_eq!((table.words.entries, table.forms.entries), (147_306, 5_940));
        let shared = |a: &str, b: &str| {
            let of = table.synsets(b);
            table.synsets(a).iter().any(|set| of.contains(set))
        };
        assert!(shared("car", "automobile") && shared("turn_on", "switch_on"));
        assert!(shared("spoke", "talk") && !shared("dog", "cat"));
    }
}
