//! Base forms of regular words, as METEOR 1.5 and SPICE 1.0 find them.

/// Endings and what stands for them in a base form, in the order of METEOR's jar (that
/// of WordNet's own `morph`: nouns, verbs, adjectives).
const ENDINGS: [(&str, &str); 20] = [
    ("s", ""),
    ("ses", "s"),
    ("xes", "x"),
    ("zes", "z"),
    ("ches", "ch"),
    ("shes", "sh"),
    ("men", "man"),
    ("ies", "y"),
    ("s", ""),
    ("ies", "y"),
    ("es", "e"),
    ("es", ""),
    ("ed", "e"),
    ("ed", ""),
    ("ing", "e"),
    ("ing", ""),
    ("er", ""),
    ("est", ""),
    ("er", "e"),
    ("est", "e"),
];

/// What `look_up` knows of the first base form of a regular word that it knows.
pub(super) fn base<T>(text: &str, mut look_up: impl FnMut(&str) -> Option<T>) -> Option<T> {
    if text.ends_with("ss") || text.encode_utf16().count() <= 2 {
        return None;
    }
    ENDINGS.iter().find_map(|(ending, instead)| {
        let stem = text.strip_suffix(ending)?;
        look_up(&format!("{stem}{instead}"))
    })
}
