//! One kind of sound in words: who does what, noun phrases, and the words by which a
//! caption is known to name it.

/// Somebody or something that does something.
#[derive(Clone, Copy)]
pub(crate) struct Act {
    pub(crate) subject: &'static str,
    pub(crate) plural: bool,
    pub(crate) finite: &'static str,
    pub(crate) participle: &'static str,
}

/// An act of a singular subject.
pub(crate) const fn one(
    subject: &'static str,
    finite: &'static str,
    participle: &'static str,
) -> Act {
    Act { subject, plural: false, finite, participle }
}

/// An act of a plural subject.
pub(crate) const fn many(
    subject: &'static str,
    finite: &'static str,
    participle: &'static str,
) -> Act {
    Act { subject, plural: true, finite, participle }
}

/// One kind of sound.
pub(crate) struct Entry {
    /// The canonical label, then other labels for the same kind.
    pub(crate) labels: &'static [&'static str],
    /// Whether it goes on evenly, so that any piece of it stands for the whole and
    /// "several times" makes no sense of it.
    pub(crate) texture: bool,
    pub(crate) acts: &'static [Act],
    pub(crate) nouns: &'static [&'static str],
    /// Words that name it in a caption: a trailing `*` stands for any ending, several
    /// words stand in a row.
    pub(crate) keys: &'static [&'static str],
}

/// A kind that happens once.
pub(crate) const fn event(
    labels: &'static [&'static str],
    acts: &'static [Act],
    nouns: &'static [&'static str],
    keys: &'static [&'static str],
) -> Entry {
    Entry { labels, texture: false, acts, nouns, keys }
}

/// A kind that goes on.
pub(crate) const fn texture(
    labels: &'static [&'static str],
    acts: &'static [Act],
    nouns: &'static [&'static str],
    keys: &'static [&'static str],
) -> Entry {
    Entry { labels, texture: true, acts, nouns, keys }
}
