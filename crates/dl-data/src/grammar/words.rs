//! All wordings of one label: from the lexicon, or from the label's own words; and those
//! of its class.

use std::collections::HashSet;

use super::named::Key;
use crate::lexicon;

/// All wordings of one label.
#[derive(Clone, Debug)]
pub(super) struct Words {
    pub(super) label: String,
    pub(super) texture: bool,
    pub(super) forms: Forms,
    /// Wordings of its class ("an animal"), where it has one.
    pub(super) class: Option<Forms>,
    pub(super) keys: Vec<Key>,
}

/// The wordings of one thing that sounds, by their grammatical form.
#[derive(Clone, Debug)]
pub(super) struct Forms {
    pub(super) finite: Vec<String>,
    pub(super) progressive: Vec<String>,
    pub(super) participle: Vec<String>,
    pub(super) noun: Vec<String>,
}

impl Forms {
    fn of(acts: &[lexicon::Act], nouns: &[&str]) -> Self {
        let each = |wording: &dyn Fn(&lexicon::Act) -> String| {
            let mut seen = HashSet::new();
            acts.iter().map(wording).filter(|text| seen.insert(text.clone())).collect()
        };
        Self {
            finite: each(&|act| format!("{} {}", act.subject, act.finite)),
            progressive: each(&|act| {
                // A passive act has its "is" already.
                if act.finite.starts_with("is ") || act.finite.starts_with("are ") {
                    return format!("{} {}", act.subject, act.finite);
                }
                let be = if act.plural { "are" } else { "is" };
                format!("{} {be} {}", act.subject, act.participle)
            }),
            participle: each(&|act| format!("{} {}", act.subject, act.participle)),
            noun: nouns.iter().map(|&noun| noun.into()).collect(),
        }
    }
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
        let label = entry.labels[0];
        Self {
            label: label.into(),
            texture: entry.texture,
            forms: Forms::of(entry.acts, entry.nouns),
            class: lexicon::class_of(label).map(|class| Forms::of(class.acts, class.nouns)),
            keys: entry.keys.iter().map(|key| Key::new(key)).collect(),
        }
    }

    fn of_unknown(label: &str) -> Self {
        let thing = with_article(label);
        let list = |texts: &[&str]| texts.iter().map(|text| text.replace('#', &thing)).collect();
        Self {
            label: label.into(),
            texture: false,
            forms: Forms {
                finite: list(&["# is heard", "the sound of # is heard"]),
                progressive: list(&["# can be heard", "the sound of # can be heard"]),
                participle: list(&["# sounding", "the sound of # going on"]),
                noun: list(&["the sound of #", "the noise of #", "#"]),
            },
            class: None,
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
