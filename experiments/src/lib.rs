//! Diffusion-Link from sound to score: every table and ablation as an experiment, and
//! the tools around them. What it composes lives in the `dl-*` crates.
//!
//! From the top down, and nothing knows what stands above it: [`commands`] (the command
//! line), [`experiments`] (one for each table), [`stages`] (pieces of work that are done
//! once), [`report`] (records, tables, figures), [`config`] (a suite's TOML), [`console`]
//! (what the user reads) and [`process`] (what the process needs before libtorch starts).
//! [`extend`] is for crates that add parts of their own.

pub mod commands;
pub mod config;
pub mod console;
pub mod experiments;
pub mod extend;
pub mod process;
pub mod report;
pub mod stages;

pub use commands::main;
