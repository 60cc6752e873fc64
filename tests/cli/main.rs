//! The command line as a user types it, on a suite small enough for a test: real
//! towers, 64 scenes, every stage.

mod audio_files;
mod bad_config;
mod bad_data;
mod bad_sound;
mod commands;
mod harness;
mod resume;
mod tables;
