//! What the rest of the program sees of a data set, and the configurations that
//! open one.

use std::path::PathBuf;

use dl_audio::Waveform;
use dl_core::Fingerprint;
use serde::{Deserialize, Serialize};

use crate::{
    DataError,
    bank::SynthBank,
    partition::Rule,
    recordings::RecordedBank,
    scene::MixConfig,
    scene_corpus::SceneCorpus,
    split::{PerSplit, Split},
};

/// One clip of a corpus: what is known of it without hearing it.
#[derive(Clone, Debug, PartialEq)]
pub struct Clip {
    /// Its name, unique within the corpus.
    pub id: String,
    /// One caption for training, five for validation and test.
    pub captions: Vec<String>,
    /// The labels of what sounds in it.
    pub labels: Vec<String>,
    /// The recordings or synthesis instances it is made of.
    pub sources: Vec<String>,
}

/// One unmixed sound with its label.
#[derive(Clone, Debug, PartialEq)]
pub struct Single {
    /// Canonical label.
    pub label: String,
    /// The recording or synthesis instance.
    pub source: String,
}

/// One event of a clip, for tables.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct EventRecord {
    /// Canonical label.
    pub label: String,
    /// The recording or synthesis instance.
    pub source: String,
    /// Where it stands in the clip, in seconds; several when it is repeated.
    pub onsets: Vec<f32>,
    /// Length of one piece in seconds.
    pub seconds: f32,
    /// Factor on the common loudness.
    pub gain: f32,
}

/// Clips with captions in three splits.
///
/// A render depends on the corpus and the index only, never on other renders or on
/// the thread.
pub trait Corpus: Sync + Send {
    /// A short name for files and tables.
    fn name(&self) -> &str;

    /// Digest of all that its sounds and captions depend on.
    fn fingerprint(&self) -> Fingerprint;

    /// Samples per second of every render.
    fn sample_rate(&self) -> u32;

    /// All labels, sorted.
    fn labels(&self) -> &[String];

    /// The clips of a split.
    fn clips(&self, split: Split) -> &[Clip];

    /// The sound of a clip.
    ///
    /// # Errors
    /// [`DataError::OutOfRange`] when there is no such clip.
    fn render(&self, split: Split, index: usize) -> Result<Waveform, DataError>;

    /// What was left out or moved when the corpus was opened, one sentence each.
    fn warnings(&self) -> &[String];

    /// The events of a clip; empty when the corpus does not know them.
    fn events(&self, split: Split, index: usize) -> Vec<EventRecord>;

    /// `n` further captions in the manner of the training captions, paired with no sound.
    fn text_corpus(&self, n: usize) -> Vec<String>;

    /// The labels of the corpus that a caption names.
    fn named_labels(&self, caption: &str) -> Vec<String>;

    /// The unmixed sounds of a split.
    fn singles(&self, split: Split) -> &[Single];

    /// An unmixed sound as it was recorded.
    ///
    /// # Errors
    /// [`DataError::OutOfRange`] when there is no such sound.
    fn render_single(&self, split: Split, index: usize) -> Result<Waveform, DataError>;
}

/// A data set, by kind.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum CorpusConfig {
    /// Scenes of synthesised sounds.
    Soundscapes(SoundscapesConfig),
    /// Scenes of recordings from labelled folders.
    Recorded(RecordedConfig),
}

impl CorpusConfig {
    /// Checks every field.
    ///
    /// # Errors
    /// [`DataError::Config`] for the first field out of range.
    pub fn validate(&self) -> Result<(), DataError> {
        match self {
            Self::Soundscapes(config) => config.validate(),
            Self::Recorded(config) => config.validate(),
        }
    }

    /// Opens the corpus; everything drawn in it comes from `seed`.
    ///
    /// # Errors
    /// [`DataError`]: a field out of range, a manifest at fault, too few recordings.
    pub fn open(&self, seed: u64) -> Result<Box<dyn Corpus>, DataError> {
        self.validate()?;
        Ok(match self {
            Self::Soundscapes(config) => Box::new(config.open(seed)?),
            Self::Recorded(config) => Box::new(config.open(seed)?),
        })
    }
}

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
    /// [`DataError::Config`] for the first field out of range.
    pub fn validate(&self) -> Result<(), DataError> {
        check_common(self.sample_rate, &self.scenes, &self.mix)?;
        for split in Split::ALL {
            if self.scenes.of(split) > 0 && self.instances_per_kind.of(split) == 0 {
                return Err(DataError::config(
                    &format!("instances_per_kind.{}", split.name()),
                    "must be at least 1 where there are scenes",
                ));
            }
        }
        Ok(())
    }

    /// Opens the corpus under its own type.
    ///
    /// # Errors
    /// As [`CorpusConfig::open`].
    pub fn open(&self, seed: u64) -> Result<SceneCorpus, DataError> {
        self.validate()?;
        let bank = SynthBank::new(
            &self.kinds,
            self.instances_per_kind,
            self.mix.seconds,
            self.sample_rate,
            seed,
        )?;
        SceneCorpus::new("soundscapes", Box::new(bank), &self.mix, &self.scenes, seed, Vec::new())
    }
}

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
    /// [`DataError::Config`] for the first field out of range.
    pub fn validate(&self) -> Result<(), DataError> {
        check_common(self.sample_rate, &self.scenes, &self.mix)?;
        if self.roots.is_empty() {
            let problem = "no folder is given; name one or more that hold a manifest.csv";
            return Err(DataError::config("roots", problem));
        }
        let validation = self.validation_share;
        for (field, value, high) in [
            ("validation_share", validation, 0.5),
            ("test_share", self.test_share, 0.9 - validation.clamp(0.0, 0.5)),
        ] {
            if !(0.0..=high).contains(&value) {
                let problem = format!("{value} is not between 0 and {high}");
                return Err(DataError::config(field, problem));
            }
        }
        if let Some(fold) = self.test_folds.iter().find(|fold| self.validation_folds.contains(fold))
        {
            let problem = format!("fold {fold} stands in `validation_folds` too");
            return Err(DataError::config("test_folds", problem));
        }
        if !(0.1..=3600.0).contains(&self.max_seconds) {
            let problem = format!("{} is not between 0.1 and 3600", self.max_seconds);
            return Err(DataError::config("max_seconds", problem));
        }
        Ok(())
    }

    /// Opens the corpus under its own type.
    ///
    /// # Errors
    /// As [`CorpusConfig::open`].
    pub fn open(&self, seed: u64) -> Result<SceneCorpus, DataError> {
        self.validate()?;
        let rule = Rule {
            test_folds: &self.test_folds,
            validation_folds: &self.validation_folds,
            test_share: self.test_share,
            validation_share: self.validation_share,
        };
        let (bank, warnings) =
            RecordedBank::open(&self.roots, &rule, self.sample_rate, self.max_seconds)?;
        SceneCorpus::new("recorded", Box::new(bank), &self.mix, &self.scenes, seed, warnings)
    }
}

fn check_common(sample_rate: u32, scenes: &PerSplit, mix: &MixConfig) -> Result<(), DataError> {
    if !(8000..=192_000).contains(&sample_rate) {
        let problem = format!("{sample_rate} is not between 8000 and 192000");
        return Err(DataError::config("sample_rate", problem));
    }
    for split in Split::ALL {
        if scenes.of(split) > 1_000_000 {
            let problem = format!("{} is more than 1000000", scenes.of(split));
            return Err(DataError::config(&format!("scenes.{}", split.name()), problem));
        }
    }
    mix.validate()
}
