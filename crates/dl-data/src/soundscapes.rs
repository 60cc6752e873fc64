//! The corpus `soundscapes`: scenes of synthesised sounds.

use std::{borrow::Cow, path::Path};

use dl_core::{ConfigError, Fingerprint, Under, fault::check, noise::item_of};
use serde::{Deserialize, Serialize};

use crate::{
    bank::{SourceBank, SourceKey},
    corpus::Corpus,
    error::DataError,
    kind::CorpusKind,
    lexicon::canonical_label,
    mix_config::MixConfig,
    mixed_scenes::{MixedScenes, check_scenes},
    split::{PerSplit, Split},
    synth,
};

/// Scenes of synthesised sounds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SoundscapesConfig {
    /// Samples per second. Default 32,000.
    pub sample_rate: u32,
    /// Number of scenes. Default 1,600, 200, 400.
    pub scenes: PerSplit,
    /// Number of different sounds of each kind. Default 40, 10, 15.
    pub instances_per_kind: PerSplit,
    /// The kinds to use; none given: all.
    pub kinds: Vec<String>,
    /// How scenes are drawn and mixed.
    pub mix: MixConfig,
}

impl Default for SoundscapesConfig {
    fn default() -> Self {
        Self {
            sample_rate: 32_000,
            scenes: PerSplit { train: 1600, validation: 200, test: 400 },
            instances_per_kind: PerSplit { train: 40, validation: 10, test: 15 },
            kinds: Vec::new(),
            mix: MixConfig::default(),
        }
    }
}

impl SoundscapesConfig {
    /// Checks every field.
    ///
    /// # Errors
    /// [`ConfigError`] for the first field out of range.
    pub fn validate(&self) -> Result<(), ConfigError> {
        check_scenes(self.sample_rate, &self.scenes, &self.mix)?;
        for split in Split::ALL {
            let count = self.instances_per_kind.of(split);
            let good = self.scenes.of(split) == 0 || count > 0;
            check(good, split.name(), count, "at least 1 where there are scenes")
                .under("instances_per_kind")?;
        }
        Ok(())
    }

    /// Opens the corpus under its own type.
    ///
    /// # Errors
    /// [`DataError`]: a field out of range, or too few kinds.
    pub fn open(&self, seed: u64) -> Result<MixedScenes, DataError> {
        self.validate()?;
        let bank = SynthBank::new(
            &self.kinds,
            self.instances_per_kind,
            self.mix.seconds,
            self.sample_rate,
            seed,
        )?;
        MixedScenes::new("soundscapes", Box::new(bank), &self.mix, &self.scenes, seed, Vec::new())
    }
}

crate::register_corpus!(SoundscapesConfig);

impl CorpusKind for SoundscapesConfig {
    const KIND: &'static str = "soundscapes";

    fn validate(&self) -> Result<(), ConfigError> {
        self.validate()
    }

    fn open(&self, seed: u64, _: &Path) -> Result<Box<dyn Corpus>, DataError> {
        Ok(Box::new(self.open(seed)?))
    }
}

/// Synthesised sounds: a finite pool of seeds per kind and split.
struct SynthBank {
    kinds: Vec<&'static synth::Kind>,
    labels: Vec<String>,
    instances: PerSplit,
    seconds: f32,
    sample_rate: u32,
    seed: u64,
}

impl SynthBank {
    /// A bank of the kinds with these labels, or of all when there are none given.
    fn new(
        labels: &[String],
        instances: PerSplit,
        seconds: f32,
        sample_rate: u32,
        seed: u64,
    ) -> Result<Self, ConfigError> {
        let wanted: Vec<String> = labels.iter().map(|label| canonical_label(label)).collect();
        for label in &wanted {
            let known: Vec<&str> = synth::KINDS.iter().map(|kind| kind.label).collect();
            let range = format!("made of {}", known.join(", "));
            check(known.contains(&label.as_str()), "kinds", format!("'{label}'"), range)?;
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
