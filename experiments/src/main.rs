//! Diffusion-Link from sound to score: every table and ablation as an
//! experiment, and the tools around them. This binary is glue; what it composes
//! lives in the `dl-*` crates.

// A program speaks to its user, libraries do not; and in a program `pub` reaches
// no further than the crate.
#![allow(clippy::print_stdout, clippy::print_stderr, unreachable_pub)]

mod ablations;
mod across_encoders;
mod bridge;
mod caption;
mod cli;
mod config;
mod doctor;
mod embed;
mod encoders;
mod features;
mod figure;
mod files;
mod merge;
mod paths;
mod pipeline;
mod pretrain;
mod recognition;
mod record;
mod report;
mod sentences;
mod suite;
mod t1;
mod t2;
mod table;
mod tables;
mod transfer;
mod ui;

use std::process::ExitCode;

use anyhow::Result;
use clap::Parser;

use cli::{Cli, Command};
use config::SuiteConfig;
use dl_score::Outside;
use pipeline::Pipeline;
use sentences::{SentenceOptions, Sentences};
use ui::Reporter;

fn main() -> ExitCode {
    quiet_panics();
    match run(&Cli::parse()) {
        Ok(code) => code,
        Err(error) if is_broken_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {}", one_line(&error));
            ExitCode::from(1)
        }
    }
}

fn run(cli: &Cli) -> Result<ExitCode> {
    let options = cli.all_options();
    let name = options.config.as_deref().unwrap_or("embedded");
    let load = || SuiteConfig::load(name, &options.sets, options.seeds.as_deref());
    let reporter = Reporter::new();
    match &cli.command {
        Some(Command::List) => suite::list()?,
        Some(Command::Report { runs, readme, .. }) => report::run(runs, *readme, &load()?)?,
        Some(Command::Doctor { .. }) => return doctor::run(&load()?),
        Some(Command::Bridge { command }) => bridge::run(command, &reporter)?,
        Some(Command::Manifest { folder }) => files::write_manifest(folder)?,
        Some(Command::PretrainClap { recipe, output, recipe_sets }) => {
            let recipe = recipe.as_deref();
            pretrain::run(recipe, recipe_sets, output, &reporter)?;
        }
        Some(Command::Run { names, .. }) => {
            suite::run(names, &Pipeline::new(&load()?, &reporter)?)?;
        }
        Some(Command::Caption { files, .. }) => {
            return caption::run(files, &Pipeline::new(&load()?, &reporter)?);
        }
        Some(Command::Embed { manifest, output, npy, encoder, choices, shard, .. }) => {
            let manifest = embed::Manifest::read(manifest)?;
            let opened = encoders::open(encoder.as_deref(), *choices, &load()?, &reporter)?;
            let output = embed::Output { file: output, npy: *npy, shard: *shard };
            return embed::run(&manifest, &output, &opened, &reporter);
        }
        Some(Command::Score { options, sentences }) => score(options, sentences)?,
        Some(Command::Merge { shards, output, npy }) => merge::run(shards, output, *npy)?,
        Some(Command::Scenes { split, output, count, .. }) => {
            files::write_scenes(split, output, *count, &Pipeline::new(&load()?, &reporter)?)?;
        }
        None => {
            let config = load()?;
            suite::run(&config.experiments, &Pipeline::new(&config, &reporter)?)?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// `score`, with the models that are named.
fn score(options: &dl_score::Options, models: &SentenceOptions) -> Result<()> {
    let SentenceOptions { sentence_encoder, fluency } = models;
    let Some(sentences) = Sentences::open(sentence_encoder.as_deref(), fluency.as_deref())? else {
        return dl_score::run(options, &Outside::NONE);
    };
    let metrics = |candidates: &[String], references: &[Vec<String>]| {
        Ok(vec![sentences.metric(candidates, references)?])
    };
    dl_score::run(options, &Outside { models: sentences.name(), metrics: &metrics })
}

/// The chain of causes on one line, each said once, without a C++ trace.
fn one_line(error: &anyhow::Error) -> String {
    let mut line = String::new();
    for cause in error.chain() {
        let text = dl_torch::error::first_line(&cause.to_string());
        if line.is_empty() {
            line = text;
        } else if !line.contains(&text) {
            line = format!("{line}: {text}");
        }
    }
    line
}

fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error.chain().any(|cause| {
        cause
            .downcast_ref::<std::io::Error>()
            .is_some_and(|error| error.kind() == std::io::ErrorKind::BrokenPipe)
    })
}

/// A panic is a fault of the program. It is reported in one line, without the
/// C++ trace that libtorch puts into its messages.
fn quiet_panics() {
    std::panic::set_hook(Box::new(|panic| {
        let message = panic
            .payload()
            .downcast_ref::<String>()
            .map(String::as_str)
            .or_else(|| panic.payload().downcast_ref::<&str>().copied())
            .unwrap_or("unknown");
        let place = panic.location().map(ToString::to_string).unwrap_or_default();
        eprintln!(
            "error: internal fault at {place}: {} (please report it with the command you typed)",
            dl_torch::error::first_line(message)
        );
    }));
}
