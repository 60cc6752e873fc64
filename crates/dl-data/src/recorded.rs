//! The corpus `recorded`: scenes of recordings from labelled folders.

use std::path::{Path, PathBuf};

use dl_core::{ConfigError, fault::check};
use serde::{Deserialize, Serialize};

use crate::{
    corpus::Corpus,
    error::DataError,
    kind::CorpusKind,
    mix_config::MixConfig,
    mixed_scenes::{MixedScenes, check_scenes},
    partition::Rule,
    recordings::RecordedBank,
    split::PerSplit,
};

/// Scenes of recordings from labelled folders.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RecordedConfig {
    /// The folders, each with its `manifest.csv`.
    pub roots: Vec<PathBuf>,
    /// Samples per second; recordings are resampled to it. Default 32,000.
    pub sample_rate: u32,
    /// Number of scenes. Default 4,000, 400, 800.
    pub scenes: PerSplit,
    /// Folds that serve as test. Default 5.
    pub test_folds: Vec<u32>,
    /// Folds that serve as validation. Default 4. Without folds of either kind, the
    /// shares below hold for all recordings.
    pub validation_folds: Vec<u32>,
    /// Share of the sources of each label that serve as test where the manifest has
    /// no fold. Default 0.2.
    pub test_share: f32,
    /// The same for validation. Default 0.1.
    pub validation_share: f32,
    /// Recordings are cut to this many seconds. Default 30.
    pub max_seconds: f32,
    /// How scenes are drawn and mixed.
    pub mix: MixConfig,
}

impl Default for RecordedConfig {
    fn default() -> Self {
        Self {
            roots: Vec::new(),
            sample_rate: 32_000,
            scenes: PerSplit { train: 4000, validation: 400, test: 800 },
            test_folds: vec![5],
            validation_folds: vec![4],
            test_share: 0.2,
            validation_share: 0.1,
            max_seconds: 30.0,
            mix: MixConfig::default(),
        }
    }
}

impl RecordedConfig {
    /// Checks every field.
    ///
    /// # Errors
    /// [`ConfigError`] for the first field out of range.
    pub fn validate(&self) -> Result<(), ConfigError> {
        check_scenes(self.sample_rate, &self.scenes, &self.mix)?;
        let folders = "one or more folders that hold a manifest.csv";
        check(!self.roots.is_empty(), "roots", "[]", folders)?;
        let validation = self.validation_share;
        for (field, value, high) in [
            ("validation_share", validation, 0.5),
            ("test_share", self.test_share, 0.9 - validation.clamp(0.0, 0.5)),
        ] {
            check((0.0..=high).contains(&value), field, value, format!("from 0 to {high}"))?;
        }
        let twice = self.test_folds.iter().find(|fold| self.validation_folds.contains(fold));
        if let Some(fold) = twice {
            return Err(ConfigError::new("test_folds", fold, "no fold of `validation_folds`"));
        }
        let seconds = self.max_seconds;
        check((0.1..=3600.0).contains(&seconds), "max_seconds", seconds, "from 0.1 to 3600")
    }

    /// Opens the corpus under its own type.
    ///
    /// # Errors
    /// [`DataError`]: a field out of range, a manifest at fault, too few recordings.
    pub fn open(&self, seed: u64) -> Result<MixedScenes, DataError> {
        self.validate()?;
        let rule = Rule {
            test_folds: &self.test_folds,
            validation_folds: &self.validation_folds,
            test_share: self.test_share,
            validation_share: self.validation_share,
        };
        let (bank, warnings) =
            RecordedBank::open(&self.roots, &rule, self.sample_rate, self.max_seconds)?;
        MixedScenes::new("recorded", Box::new(bank), &self.mix, &self.scenes, seed, warnings)
    }
}

crate::register_corpus!(RecordedConfig);

impl CorpusKind for RecordedConfig {
    const KIND: &'static str = "recorded";

    fn validate(&self) -> Result<(), ConfigError> {
        self.validate()
    }

    fn open(&self, seed: u64, folder: &Path) -> Result<Box<dyn Corpus>, DataError> {
        let roots = self.roots.iter().map(|root| folder.join(root)).collect();
        Ok(Box::new(Self { roots, ..self.clone() }.open(seed)?))
    }
}
