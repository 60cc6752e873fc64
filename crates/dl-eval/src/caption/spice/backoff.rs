//! A table that is asked from the most special description of a case to the most general
//! one. Only what the more general ones would get wrong is kept, so that it is small.

use foldhash::{HashMap, HashMapExt};

/// Mixes a feature into a description.
pub(super) fn mix(key: u32, feature: u32) -> u32 {
    let mut mixed = (key ^ feature).wrapping_mul(0x9e37_79b1);
    mixed ^= mixed >> 15;
    mixed = mixed.wrapping_mul(0x85eb_ca77).wrapping_add(feature);
    mixed ^ (mixed >> 13)
}

/// A text as a feature (FNV-1a).
pub(super) fn feature(text: &str) -> u32 {
    text.bytes()
        .fold(0x811c_9dc5, |hash: u32, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193))
}

/// What was learnt.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Table {
    /// Ascending.
    keys: Vec<u32>,
    values: Vec<u16>,
}

/// A case to learn from. Descriptions stand from the most special on; each has its level
/// mixed in, so that those of several levels are apart.
#[derive(Clone, Debug)]
pub(super) struct Case<const LEVELS: usize> {
    pub(super) keys: [u32; LEVELS],
    pub(super) value: u16,
    /// What is said of it where the table says nothing.
    pub(super) otherwise: Option<u16>,
}

impl Table {
    /// The value of the most special description that is known.
    pub(super) fn get(&self, keys: &[u32]) -> Option<u16> {
        keys.iter().find_map(|key| {
            let place = self.keys.binary_search(key).ok()?;
            self.values.get(place).copied()
        })
    }

    pub(super) fn len(&self) -> usize {
        self.keys.len()
    }

    /// Learns the commonest value of each description that occurs `least` times (of its
    /// level) with it.
    pub(super) fn learn<const LEVELS: usize>(cases: &[Case<LEVELS>], least: [u32; LEVELS]) -> Self {
        let mut learnt: HashMap<u32, u16> = HashMap::new();
        for level in (0..LEVELS).rev() {
            let mut counts: HashMap<(u32, u16), u32> = HashMap::new();
            for case in cases {
                *counts.entry((case.keys[level], case.value)).or_default() += 1;
            }
            // The commonest; of equal ones the smallest value, whatever the order.
            let mut best: HashMap<u32, (u32, u16)> = HashMap::new();
            for ((key, value), count) in counts {
                let known = best.entry(key).or_insert((count, value));
                if (count, u16::MAX - value) > (known.0, u16::MAX - known.1) {
                    *known = (count, value);
                }
            }
            let mut fresh: HashMap<u32, u16> = HashMap::new();
            for case in cases {
                let key = case.keys[level];
                let (count, value) = best[&key];
                if count < least[level] || fresh.contains_key(&key) {
                    continue;
                }
                let general =
                    case.keys[level + 1..].iter().find_map(|key| learnt.get(key).copied());
                if general.or(case.otherwise) != Some(value) {
                    fresh.insert(key, value);
                }
            }
            learnt.extend(fresh);
        }
        let mut entries: Vec<(u32, u16)> = learnt.into_iter().collect();
        entries.sort_unstable();
        let (keys, values) = entries.into_iter().unzip();
        Self { keys, values }
    }

    /// Appends the table to a file: the number of entries, keys, values.
    pub(super) fn write(&self, bytes: &mut Vec<u8>) {
        bytes.extend((self.keys.len() as u32).to_le_bytes());
        bytes.extend(self.keys.iter().flat_map(|key| key.to_le_bytes()));
        bytes.extend(self.values.iter().flat_map(|value| value.to_le_bytes()));
    }

    /// Takes it off the front of a file; `None` where it is cut short.
    pub(super) fn read(bytes: &mut &[u8]) -> Option<Self> {
        let count = read_u32(bytes)? as usize;
        let keys = bytes.split_off(..4 * count)?;
        let values = bytes.split_off(..2 * count)?;
        Some(Self {
            keys: keys.as_chunks().0.iter().map(|&key| u32::from_le_bytes(key)).collect(),
            values: values.as_chunks().0.iter().map(|&value| u16::from_le_bytes(value)).collect(),
        })
    }
}

pub(super) fn read_u32(bytes: &mut &[u8]) -> Option<u32> {
    let (number, rest) = bytes.split_first_chunk()?;
    *bytes = rest;
    Some(u32::from_le_bytes(*number))
}

/// Appends texts: their number, then each with its length.
pub(super) fn write_texts(texts: &[String], bytes: &mut Vec<u8>) {
    bytes.extend((texts.len() as u32).to_le_bytes());
    for text in texts {
        bytes.extend((text.len() as u32).to_le_bytes());
        bytes.extend(text.as_bytes());
    }
}

/// Takes them off the front of a file.
pub(super) fn read_texts(bytes: &mut &[u8]) -> Option<Vec<String>> {
    let count = read_u32(bytes)?;
    let text = |_| {
        let length = read_u32(bytes)? as usize;
        String::from_utf8(bytes.split_off(..length)?.to_vec()).ok()
    };
    (0..count).map(text).collect()
}

/// Numbers for texts, as they come.
#[derive(Default)]
pub(super) struct Numbering {
    numbers: HashMap<String, u16>,
    pub(super) texts: Vec<String>,
}

impl Numbering {
    /// The number of a text; `None` where there are too many.
    pub(super) fn number(&mut self, text: &str) -> Option<u16> {
        if let Some(&number) = self.numbers.get(text) {
            return Some(number);
        }
        let number = u16::try_from(self.texts.len()).ok()?;
        self.texts.push(text.to_owned());
        self.numbers.insert(text.to_owned(), number);
        Some(number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_the_general_gets_wrong_is_kept() {
        // By word and by ending: "s" is 1, but of "bus" it is 2; "gas" is seen once only.
        let case = |word: u32, ending: u32, value| Case {
            keys: [mix(0, word), mix(1, ending)],
            value,
            otherwise: Some(0),
        };
        let mut cases = vec![case(10, 5, 1); 4];
        cases.extend([case(11, 5, 2), case(11, 5, 2), case(12, 5, 3), case(13, 6, 0)]);
        let table = Table::learn(&cases, [2, 1]);
        assert_eq!(table.len(), 2);
        let get = |word, ending| table.get(&[mix(0, word), mix(1, ending)]);
        assert_eq!([get(10, 5), get(11, 5), get(12, 5)], [Some(1), Some(2), Some(1)]);
        assert_eq!(get(13, 6), None);
        let mut bytes = Vec::new();
        table.write(&mut bytes);
        assert_eq!(Table::read(&mut bytes.as_slice()), Some(table));
        assert_eq!(Table::read(&mut &bytes[..bytes.len() - 1]), None);
    }
}
