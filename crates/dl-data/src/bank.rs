//! Where the single sounds of a scene come from: the seam between the mixer and
//! its sources.

use std::borrow::Cow;

use dl_core::{Fingerprint, noise::item_of};

use crate::{DataError, Split, grammar, split::PerSplit, synth};

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

/// Synthesised sounds: a finite pool of seeds per kind and split.
pub(crate) struct SynthBank {
    kinds: Vec<&'static synth::Kind>,
    labels: Vec<String>,
    instances: PerSplit,
    seconds: f32,
    sample_rate: u32,
    seed: u64,
}

impl SynthBank {
    /// A bank of the kinds with these labels, or of all when there are none given.
    pub(crate) fn new(
        labels: &[String],
        instances: PerSplit,
        seconds: f32,
        sample_rate: u32,
        seed: u64,
    ) -> Result<Self, DataError> {
        let wanted: Vec<String> =
            labels.iter().map(|label| grammar::canonical_label(label)).collect();
        if let Some(unknown) =
            wanted.iter().find(|label| !synth::KINDS.iter().any(|kind| kind.label == *label))
        {
            let known: Vec<&str> = synth::KINDS.iter().map(|kind| kind.label).collect();
            return Err(DataError::config(
                "kinds",
                format!("no kind is called '{unknown}'; choose among {}", known.join(", ")),
            ));
        }
        let kinds: Vec<_> = synth::KINDS
            .iter()
            .filter(|kind| wanted.is_empty() || wanted.iter().any(|label| kind.label == label))
            .collect();
        let labels = kinds.iter().map(|kind| kind.label.into()).collect();
        Ok(Self { kinds, labels, instances, seconds, sample_rate, seed })
    }

    /// The number that an instance is drawn under: the splits have ranges of their own.
    fn item(key: SourceKey) -> u64 {
        item_of(key.split.name()).wrapping_add(key.instance as u64)
    }
}

impl SourceBank for SynthBank {
    fn labels(&self) -> &[String] {
        &self.labels
    }

    fn instances(&self, split: Split, _: usize) -> usize {
        self.instances.of(split)
    }

    fn source(&self, key: SourceKey) -> String {
        format!("{}/{}/{}", self.labels[key.label], key.split.name(), key.instance)
    }

    fn seconds(&self, key: SourceKey) -> f32 {
        synth::seconds(self.kinds[key.label], self.seed, Self::item(key), self.seconds)
    }

    fn draw(&self, key: SourceKey) -> Cow<'_, [f32]> {
        let (kind, item) = (self.kinds[key.label], Self::item(key));
        Cow::Owned(synth::render(kind, self.seed, item, self.seconds, self.sample_rate))
    }

    fn sample_rate(&self) -> u32 {
        self.sample_rate
    }

    fn fingerprint(&self) -> Fingerprint {
        Fingerprint::of(&(
            synth::SYNTH_VERSION,
            &self.labels,
            self.instances,
            self.seconds,
            self.sample_rate,
            self.seed,
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ranges_of_instance_numbers_are_disjoint() {
        let first = |split| SynthBank::item(SourceKey { split, label: 0, instance: 0 });
        for a in Split::ALL {
            for b in Split::ALL {
                let distance = first(a).wrapping_sub(first(b)).min(first(b).wrapping_sub(first(a)));
                assert!(a == b || distance > 1 << 40, "{distance}");
            }
        }
    }
}
