//! How each kind of sound is put into words, in the tone of AudioCaps, and the labels
//! that name it.

mod classes;
mod entry;
mod living;
mod things;

use self::{classes::CLASSES, living::LIVING, things::THINGS};
pub(crate) use self::{
    classes::Class,
    entry::{Act, Entry},
};

/// All kinds that the lexicon knows.
pub(crate) fn all() -> impl Iterator<Item = &'static Entry> {
    LIVING.iter().chain(THINGS)
}

/// The entry of a label in its plain form (see [`plain_label`]).
pub(crate) fn find(label: &str) -> Option<&'static Entry> {
    all().find(|entry| entry.labels.contains(&label))
}

/// The class of a kind in its canonical form.
pub(crate) fn class_of(label: &str) -> Option<&'static Class> {
    CLASSES.iter().find(|class| class.members.contains(&label))
}

/// A label in plain form: lower case, words parted by single spaces.
pub fn plain_label(label: &str) -> String {
    label
        .split(|c: char| c.is_whitespace() || c == '_' || c == '-')
        .filter(|word| !word.is_empty())
        .map(str::to_lowercase)
        .collect::<Vec<_>>()
        .join(" ")
}

/// The label under which the lexicon files a kind of sound ("crying_baby" is "baby
/// cry"), or the plain form of a label that it does not know.
pub fn canonical_label(label: &str) -> String {
    let plain = plain_label(label);
    find(&plain).map_or(plain, |entry| entry.labels[0].into())
}

/// All labels of the lexicon in canonical form.
pub fn known_labels() -> Vec<String> {
    all().map(|entry| entry.labels[0].into()).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn no_two_entries_share_a_label() {
        let mut seen = HashSet::new();
        for label in all().flat_map(|entry| entry.labels) {
            assert!(seen.insert(label), "{label}");
            assert_eq!(plain_label(label), *label);
        }
        assert_eq!(canonical_label("crying_baby"), "baby cry");
    }

    #[test]
    fn every_member_of_a_class_is_a_kind_and_of_no_second_class() {
        let labels = known_labels();
        let mut seen = HashSet::new();
        for member in CLASSES.iter().flat_map(|class| class.members) {
            assert!(labels.iter().any(|label| label == member), "{member}");
            assert!(seen.insert(member), "{member}");
        }
    }
}
