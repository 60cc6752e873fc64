//! Corpora: sounds with captions, in three splits that share no source.
//!
//! A [`CorpusConfig`] opens a [`Corpus`]: scenes of synthesised sounds, or scenes
//! mixed from folders of labelled recordings. Everything in a corpus is a pure
//! function of its configuration and seed; any clip can be rendered alone, on any
//! thread, with the same bits.

mod bank;
mod corpus;
mod dice;
mod error;
mod export;
pub mod grammar;
mod manifest;
mod mixer;
mod partition;
mod recordings;
mod scene;
mod scene_corpus;
mod split;
mod synth;

pub use bank::{SourceBank, SourceKey};
pub use corpus::{
    Clip, Corpus, CorpusConfig, EventRecord, RecordedConfig, Single, SoundscapesConfig,
};
pub use error::DataError;
pub use export::{SCENES, export};
pub use manifest::{MANIFEST, ManifestSummary, write_manifest};
pub use scene::{Distance, Event, MixConfig, Relation, Scene};
pub use scene_corpus::SceneCorpus;
pub use split::{PerSplit, Split};
pub use synth::SYNTH_VERSION;

/// Compiles and runs the example of the README.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
