//! Where the single sounds of a scene come from: the seam between the mixer and
//! its sources.

use std::borrow::Cow;

use dl_core::Fingerprint;

use crate::split::Split;

/// One single sound of a bank.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SourceKey {
    /// The split that it serves, and no other.
    pub split: Split,
    /// Index into the bank's labels.
    pub label: usize,
    /// Index within that label and split.
    pub instance: usize,
}

/// A store of single sounds by label and split.
pub trait SourceBank: Send + Sync {
    /// Canonical labels, sorted, all different.
    fn labels(&self) -> &[String];
    /// Number of instances of a label in a split.
    fn instances(&self, split: Split, label: usize) -> usize;
    /// A name of the source that tells it from all others.
    fn source(&self, key: SourceKey) -> String;
    /// Length in seconds without leading and trailing silence.
    fn seconds(&self, key: SourceKey) -> f32;
    /// Where, in seconds after the leading silence, the liveliest stretch of `seconds`
    /// begins: what is kept of a source too long for its place.
    fn liveliest(&self, _key: SourceKey, _seconds: f32) -> f32 {
        0.0
    }
    /// The samples without leading and trailing silence.
    fn draw(&self, key: SourceKey) -> Cow<'_, [f32]>;
    /// The samples as they were recorded.
    fn whole(&self, key: SourceKey) -> Cow<'_, [f32]> {
        self.draw(key)
    }
    /// Samples per second of all sounds.
    fn sample_rate(&self) -> u32;
    /// Digest of all that the sounds depend on.
    fn fingerprint(&self) -> Fingerprint;
}
