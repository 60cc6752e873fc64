//! All wordings of one label: from the lexicon, or from the label's own words.

use std::collections::HashSet;

use super::named::Key;
use crate::lexicon;

/// All wordings of one label.
#[derive(Clone, Debug)]
pub(super) struct Words {
    pub(super) label: String,
    pub(super) texture: bool,
    pub(super) finite: Vec<String>,
    pub(super) progressive: Vec<String>,
    pub(super) participle: Vec<String>,
    pub(super) noun: Vec<String>,
    pub(super) keys: Vec<Key>,
}

impl Words {
    /// The words for a label in canonical form.
    pub(super) fn of(label: &str) -> Self {
        match lexicon::find(label) {
            Some(entry) => Self::of_entry(entry),
            None => Self::of_unknown(label),
        }
    }

    fn of_entry(entry: &lexicon::Entry) -> Self {
        let acts = |wording: &dyn Fn(&lexicon::Act) -> String| {
            let mut seen = HashSet::new();
            entry.acts.iter().map(wording).filter(|text| seen.insert(text.clone())).collect()
        };
        Self {
            label: entry.labels[0].into(),
            texture: entry.texture,
            finite: acts(&|act| format!("{} {}", act.subject, act.finite)),
            progressive: acts(&|act| {
                // A passive act has its "is" already.
                if act.finite.starts_with("is ") || act.finite.starts_with("are ") {
                    return format!("{} {}", act.subject, act.finite);
                }
                let be = if act.plural { "are" } else { "is" };
                format!("{} {be} {}", act.subject, act.participle)
            }),
            participle: acts(&|act| format!("{} {}", act.subject, act.participle)),
            noun: entry.nouns.iter().map(|&noun| noun.into()).collect(),
            keys: entry.keys.iter().map(|key| Key::new(key)).collect(),
        }
    }

    fn of_unknown(label: &str) -> Self {
        let thing = with_article(label);
        let list = |texts: &[&str]| texts.iter().map(|text| text.replace('#', &thing)).collect();
        Self {
            label: label.into(),
            texture: false,
            finite: list(&["# is heard", "the sound of # is heard"]),
            progressive: list(&["# can be heard", "the sound of # can be heard"]),
            participle: list(&["# sounding", "the sound of # going on"]),
            noun: list(&["the sound of #", "the noise of #", "#"]),
            keys: vec![Key::new(label)],
        }
    }
}

/// "a" or "an" before a countable thing; nothing before plurals and "-ing" words.
fn with_article(label: &str) -> String {
    let plural = label.ends_with('s') && !label.ends_with("ss");
    if plural || label.ends_with("ing") {
        return label.into();
    }
    let vowel = label.starts_with(['a', 'e', 'i', 'o', 'u']);
    format!("{} {label}", if vowel { "an" } else { "a" })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn articles_fit_their_words() {
        assert_eq!(with_article("espresso machine"), "an espresso machine");
        assert_eq!(with_article("wind chimes"), "wind chimes");
        assert_eq!(with_article("tram"), "a tram");
    }
}
