//! Base forms of words, given their tags, as the official tool finds them. It has a rule
//! for every ending and lists of exceptions; these are learnt from what it gave.

use std::sync::LazyLock;

use super::backoff::{self, Case, Numbering, Table, feature, mix};

/// Endings that are looked at, in characters from the longest; the whole word comes before.
const LONGEST: usize = 6;
const LEVELS: usize = LONGEST + 2;

/// First bytes: "LEM1".
const MAGIC: &[u8] = b"LEM1";

static BUILT_IN: LazyLock<Lemmas> = LazyLock::new(|| {
    Lemmas::read(include_bytes!("../../../data/spice/lemmas.bin"))
        .expect("the program carries a whole table of lemmas")
});

/// How words lose their endings.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Lemmas {
    table: Table,
    /// "2 an": the last two characters are replaced by "an".
    changes: Vec<(usize, String)>,
}

impl Lemmas {
    /// Those that the program carries.
    pub fn built_in() -> &'static Self {
        &BUILT_IN
    }

    /// The base form of a word with this Penn tag.
    pub fn lemma(&self, word: &str, tag: &str) -> String {
        let lower = word.to_lowercase();
        let change = self.table.get(&keys(&lower, tag)).map(usize::from);
        let Some((drop, add)) = change.and_then(|change| self.changes.get(change)) else {
            return lower;
        };
        match lower.char_indices().rev().nth(drop.wrapping_sub(1)) {
            Some((at, _)) if at > 0 || !add.is_empty() => format!("{}{add}", &lower[..at]),
            _ if *drop == 0 => lower + add,
            _ => lower,
        }
    }

    /// Learns from words, tags and base forms.
    pub fn learn(examples: impl Iterator<Item = (String, String, String)>) -> Self {
        let mut examples: Vec<_> = examples.collect();
        examples.sort_unstable();
        examples.dedup();
        let mut changes = Numbering::default();
        let none = changes.number("0 ");
        let mut cases: Vec<Case<LEVELS>> = Vec::new();
        for (word, tag, lemma) in &examples {
            let shared = word.chars().zip(lemma.chars()).take_while(|(a, b)| a == b).count();
            let added: String = lemma.chars().skip(shared).collect();
            let change = format!("{} {added}", word.chars().count() - shared);
            if let Some(value) = changes.number(&change) {
                cases.push(Case { keys: keys(word, tag), value, otherwise: none });
            }
        }
        let mut least = [2; LEVELS];
        least[0] = 1;
        Self { table: Table::learn(&cases, least), changes: parse(&changes.texts) }
    }

    /// As a file.
    pub fn write(&self) -> Vec<u8> {
        let mut bytes = MAGIC.to_vec();
        let texts: Vec<String> =
            self.changes.iter().map(|(drop, add)| format!("{drop} {add}")).collect();
        backoff::write_texts(&texts, &mut bytes);
        self.table.write(&mut bytes);
        bytes
    }

    /// What [`Lemmas::write`] made; `None` of anything else.
    pub fn read(bytes: &[u8]) -> Option<Self> {
        let mut rest = bytes.strip_prefix(MAGIC)?;
        let changes = parse(&backoff::read_texts(&mut rest)?);
        Some(Self { table: Table::read(&mut rest)?, changes })
    }
}

fn parse(changes: &[String]) -> Vec<(usize, String)> {
    let change = |text: &String| {
        let (drop, add) = text.split_once(' ').unwrap_or_default();
        (drop.parse().unwrap_or(0), add.to_owned())
    };
    changes.iter().map(change).collect()
}

/// The word, then its endings from the longest to none, each with the tag.
fn keys(word: &str, tag: &str) -> [u32; LEVELS] {
    let tag = feature(tag);
    let mut keys = [0; LEVELS];
    let mut key = mix(tag, 1);
    keys[LEVELS - 1] = key;
    let mut letters = word.chars().rev();
    for length in 1..=LONGEST {
        // A word shorter than this has its beginning as a letter.
        key = mix(key, letters.next().map_or(0, u32::from));
        keys[LEVELS - 1 - length] = key;
    }
    keys[0] = mix(mix(tag, 2), feature(word));
    keys
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn endings_and_exceptions_are_learnt() {
        let examples = [
            ("dogs", "NNS", "dog"),
            ("cats", "NNS", "cat"),
            ("men", "NNS", "man"),
            ("barks", "VBZ", "bark"),
            ("talks", "VBZ", "talk"),
            ("bus", "NN", "bus"),
            ("was", "VBD", "be"),
        ];
        let owned = examples.map(|(word, tag, lemma)| (word.into(), tag.into(), lemma.into()));
        let lemmas = Lemmas::learn(owned.into_iter());
        for (word, tag, lemma) in examples {
            assert_eq!(lemmas.lemma(word, tag), lemma, "{word} {tag}");
        }
        assert_eq!(lemmas.lemma("engines", "NNS"), "engine");
        assert_eq!(lemmas.lemma("gas", "NN"), "gas");
        assert_eq!(lemmas.lemma("", "NNS"), "");
        assert_eq!(Lemmas::read(&lemmas.write()), Some(lemmas));
    }
}
