//! Corpora: sounds with captions, in three splits that share no source.
//!
//! A [`CorpusConfig`] opens a [`Corpus`]: scenes of synthesised sounds, scenes mixed from
//! folders of labelled recordings, or sound files with the caption lists of published data
//! sets. Everything in a corpus is a pure function of its configuration, its files and its
//! seed; any clip can be rendered alone, on any thread, with the same bits.

mod bank;
mod captioned;
mod check;
mod corpus;
mod corpus_config;
mod dice;
mod error;
mod export;
pub mod grammar;
mod kind;
mod lexicon;
mod manifest;
mod mix_config;
mod mixed_scenes;
mod mixer;
mod partition;
mod plan;
mod recorded;
mod recordings;
mod scene;
mod soundscapes;
mod split;
mod synth;

pub use bank::{SourceBank, SourceKey};
pub use captioned::{
    AudioCapsConfig, CaptionManifest, ClothoConfig, EmbeddingsConfig, ManifestCaption,
    ManifestClip, ManifestConfig, PairFiles, SetFiles, WavCapsConfig, file_state,
};
pub use check::{CheckedClip, Soundness, check_sounds};
pub use corpus::{Clip, Corpus, EventRecord, Missing, SceneCorpus, Single};
pub use corpus_config::{CorpusConfig, CorpusEntry};
pub use error::DataError;
pub use export::{SCENES, export};
/// Here for [`register_corpus`].
pub use inventory;
pub use kind::CorpusKind;
pub use manifest::{MANIFEST, ManifestSummary, write_manifest};
pub use mix_config::MixConfig;
pub use mixed_scenes::MixedScenes;
pub use recorded::RecordedConfig;
pub use scene::{Distance, Event, Relation, Scene};
pub use soundscapes::SoundscapesConfig;
pub use split::{PerSplit, Split};
pub use synth::SYNTH_VERSION;

/// Compiles and runs the example of the README.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
