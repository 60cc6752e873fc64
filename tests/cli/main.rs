//! The command line as a user types it, on a suite small enough for a test: a CLAP at toy
//! size, 64 scenes, every stage. No model has to be downloaded.

// Tests may unwrap, in their helpers too, and say what they skip.
#![allow(clippy::unwrap_used, clippy::print_stdout)]

mod audio_files;
mod audiocaps;
mod bad_config;
mod bad_data;
mod bad_sound;
mod bridge;
mod clap;
mod commands;
mod corpora;
mod embed;
mod extension;
mod guide;
mod harness;
mod keys;
mod language_model;
mod locks;
mod merge;
mod plan;
mod printing;
mod report_compare;
mod report_page;
mod resume;
mod score;
mod tables;
