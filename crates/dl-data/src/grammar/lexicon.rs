//! How each kind of sound is put into words, in the tone of AudioCaps: who does
//! what, finite and participle, noun phrases, and the words by which a caption is
//! known to name the kind.

use super::{lexicon_living::LIVING, lexicon_things::THINGS};

/// Somebody or something that does something.
#[derive(Clone, Copy)]
pub(super) struct Act {
    pub(super) subject: &'static str,
    pub(super) plural: bool,
    pub(super) finite: &'static str,
    pub(super) participle: &'static str,
}

/// An act of a singular subject.
pub(super) const fn one(
    subject: &'static str,
    finite: &'static str,
    participle: &'static str,
) -> Act {
    Act { subject, plural: false, finite, participle }
}

/// An act of a plural subject.
pub(super) const fn many(
    subject: &'static str,
    finite: &'static str,
    participle: &'static str,
) -> Act {
    Act { subject, plural: true, finite, participle }
}

/// One kind of sound.
pub(super) struct Entry {
    /// The canonical label, then other labels for the same kind.
    pub(super) labels: &'static [&'static str],
    /// Whether it goes on evenly, so that any piece of it stands for the whole and
    /// "several times" makes no sense of it.
    pub(super) texture: bool,
    pub(super) acts: &'static [Act],
    pub(super) nouns: &'static [&'static str],
    /// Words that name it in a caption: a trailing `*` stands for any ending, several
    /// words stand in a row.
    pub(super) keys: &'static [&'static str],
}

/// A kind that happens once.
pub(super) const fn event(
    labels: &'static [&'static str],
    acts: &'static [Act],
    nouns: &'static [&'static str],
    keys: &'static [&'static str],
) -> Entry {
    Entry { labels, texture: false, acts, nouns, keys }
}

/// A kind that goes on.
pub(super) const fn texture(
    labels: &'static [&'static str],
    acts: &'static [Act],
    nouns: &'static [&'static str],
    keys: &'static [&'static str],
) -> Entry {
    Entry { labels, texture: true, acts, nouns, keys }
}

/// All kinds that the lexicon knows.
pub(super) fn all() -> impl Iterator<Item = &'static Entry> {
    LIVING.iter().chain(THINGS)
}

/// The entry of a label in its plain form (see [`super::plain_label`]).
pub(super) fn find(label: &str) -> Option<&'static Entry> {
    all().find(|entry| entry.labels.contains(&label))
}
