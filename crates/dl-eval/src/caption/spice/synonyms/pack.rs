//! Packs the tables of METEOR 1.5 (`synonym/english.synsets` and `english.exceptions` of
//! its jar) into the layout that the module above reads. `examples/pack_synonyms.rs` does
//! it.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::{BLOCK, MAGIC};

/// A table that cannot be packed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the table of synonyms, entry {entry}: {fault}; take it from METEOR 1.5's jar")]
pub struct PackError {
    /// From 0.
    pub entry: usize,
    /// What is wrong with it.
    pub fault: &'static str,
}

/// Packs `synsets` (two lines each: a word, the numbers of its synonym sets) and
/// `exceptions` (two lines each: a base form, the irregular words that have it).
///
/// # Errors
/// [`PackError`] for a number that is none, a word that stands there twice, and for
/// tables that are too large.
pub fn pack(synsets: &str, exceptions: &str) -> Result<Vec<u8>, PackError> {
    let mut words: BTreeMap<&str, Vec<u32>> = BTreeMap::new();
    for (entry, (word, numbers)) in pairs(synsets).enumerate() {
        let fault = |fault| PackError { entry, fault };
        let numbers: Result<Vec<u32>, _> =
            numbers.split_ascii_whitespace().map(str::parse).collect();
        let numbers = numbers.map_err(|_| fault("a set is no number"))?;
        // A word without sets is as good as none.
        if numbers.is_empty() {
            continue;
        }
        if words.insert(word, numbers).is_some() {
            return Err(fault("the word stands there twice"));
        }
    }
    let places: HashMap<&str, u32> =
        words.keys().zip(0..).map(|(&word, place)| (word, place)).collect();
    let mut forms: BTreeMap<&str, BTreeSet<u32>> = BTreeMap::new();
    for (base, irregular) in pairs(exceptions) {
        for form in irregular.split_ascii_whitespace() {
            forms.entry(form).or_default().extend(places.get(base));
        }
    }
    let mut known: HashMap<u32, u32> = HashMap::new();
    let word_list = list(words.into_iter(), |set| {
        let fresh = known.len() as u32;
        match *known.entry(set).or_insert(fresh) {
            number if number == fresh => (0, 1),
            number => (number + 1, 0),
        }
    });
    let form_list = list(forms.into_iter(), |place| (place, 0));
    let mut packed = Vec::new();
    let [word_bytes, form_bytes] = [&word_list, &form_list].map(|list| list.bytes.len());
    for number in [MAGIC as usize, word_list.entries, form_list.entries, word_bytes, form_bytes] {
        packed.extend((number as u32).to_le_bytes());
    }
    packed.extend(word_list.blocks.iter().chain(&form_list.blocks));
    packed.extend(word_list.bytes.iter().chain(&form_list.bytes));
    Ok(packed)
}

/// Lines two by two.
fn pairs(text: &str) -> impl Iterator<Item = (&str, &str)> {
    let mut lines = text.lines();
    std::iter::from_fn(move || Some((lines.next()?, lines.next()?)))
}

struct Packed {
    entries: usize,
    blocks: Vec<u8>,
    bytes: Vec<u8>,
}

/// `code` gives the number to write and how many new sets it brought.
fn list<'a, N: IntoIterator<Item = u32>>(
    entries: impl ExactSizeIterator<Item = (&'a str, N)>,
    mut code: impl FnMut(u32) -> (u32, u32),
) -> Packed {
    let mut packed = Packed { entries: entries.len(), blocks: Vec::new(), bytes: Vec::new() };
    let (mut last, mut fresh): (&[u8], u32) = (&[], 0);
    for (place, (text, numbers)) in entries.enumerate() {
        if place % BLOCK == 0 {
            packed.blocks.extend((packed.bytes.len() as u32).to_le_bytes());
            packed.blocks.extend(fresh.to_le_bytes());
            last = &[];
        }
        let text = text.as_bytes();
        let shared = last.iter().zip(text).take_while(|(a, b)| a == b).count();
        leb128(&mut packed.bytes, shared as u32);
        leb128(&mut packed.bytes, (text.len() - shared) as u32);
        packed.bytes.extend(&text[shared..]);
        let numbers: Vec<u32> = numbers.into_iter().collect();
        leb128(&mut packed.bytes, numbers.len() as u32);
        for number in numbers {
            let (number, new) = code(number);
            fresh += new;
            leb128(&mut packed.bytes, number);
        }
        last = text;
    }
    packed
}

fn leb128(bytes: &mut Vec<u8>, mut number: u32) {
    while number >= 0x80 {
        bytes.push(number as u8 | 0x80);
        number >>= 7;
    }
    bytes.push(number as u8);
}
