//! Trains the caption parser of SPICE and compares it with the official one. The
//! recipe and its results stand in the README beside this program.
#![allow(clippy::print_stdout)]

mod compare;
mod data;

use std::{path::PathBuf, time::Instant};

use anyhow::{Context, Result};
use clap::Parser as _;
use dl_eval::caption::spice::{
    lexicon::LexiconConfig,
    parser::Parser,
    train::{TrainConfig, Trainer},
};
use serde_json::json;

/// Trains the caption parser of SPICE and compares it with the official one.
#[derive(clap::Parser)]
enum Command {
    /// Learns weights from DATA/train.jsonl.gz; DATA/validation.jsonl.gz tells how good
    /// they are after each epoch.
    Train(Train),
    /// Parses DATA/validation.jsonl.gz and DATA/test.jsonl.gz and prints how many trees
    /// are the official ones.
    Compare(Compare),
}

#[derive(clap::Args)]
struct Train {
    /// The data's folder.
    data: PathBuf,
    /// Where the weights go; a record of the training goes beside them, as JSON.
    #[arg(long)]
    output: PathBuf,
    /// Sets to learn from, with commas between; all where none is named.
    #[arg(long, value_delimiter = ',')]
    sets: Vec<String>,
    /// Every how manyth caption to learn from.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..))]
    every: u64,
    /// Passes over the captions.
    #[arg(long, default_value_t = TrainConfig::default().epochs)]
    epochs: u32,
    /// The margin, a node.
    #[arg(long, default_value_t = TrainConfig::default().margin)]
    margin: f32,
    /// How cheaply a constraint is broken.
    #[arg(long, default_value_t = TrainConfig::default().slack)]
    slack: f32,
    /// Sweeps over all constraints after a batch.
    #[arg(long, default_value_t = TrainConfig::default().sweeps)]
    sweeps: usize,
    /// How much more freely seldom weights move than frequent ones.
    #[arg(long, default_value_t = TrainConfig::default().freedom)]
    freedom: f32,
    /// The width of the search's beam while learning.
    #[arg(long, default_value_t = TrainConfig::default().beam)]
    beam: f32,
    /// The width of the beam in use.
    #[arg(long, default_value_t = 11.0)]
    width: f32,
    /// Captions that are searched before the weights change.
    #[arg(long, default_value_t = TrainConfig::default().batch)]
    batch: usize,
    /// Of the captions' order.
    #[arg(long, default_value_t = TrainConfig::default().seed)]
    seed: u64,
}

#[derive(clap::Args)]
struct Compare {
    /// The data's folder.
    data: PathBuf,
    /// Weights; without it those that the program carries.
    #[arg(long)]
    weights: Option<PathBuf>,
    /// Another width of the search's beam; "inf" searches all.
    #[arg(long)]
    beam: Option<f32>,
}

fn train(args: &Train) -> Result<()> {
    let clock = Instant::now();
    let config = TrainConfig {
        epochs: args.epochs,
        batch: args.batch.max(1),
        margin: args.margin,
        slack: args.slack,
        sweeps: args.sweeps,
        freedom: args.freedom,
        beam: args.beam,
        lexicon: LexiconConfig::default(),
        seed: args.seed,
    };
    let path = args.data.join("train.jsonl.gz");
    let bank = data::treebank(&path, &args.sets, args.every as usize)?;
    let validation = data::read(&args.data.join("validation.jsonl.gz"))?;
    let captions = bank.len();
    let numbered = bank.number()?;
    println!(
        "{captions} captions: {} symbols, {} binary rules, {} unary rules",
        numbered.rules.symbols().len(),
        numbered.rules.binary().len(),
        numbered.rules.unary().len()
    );
    let mut trainer = Trainer::new(numbered, config.clone());
    let mut record = Vec::new();
    for epoch in 0..=config.epochs {
        let seen = if epoch == 0 { None } else { Some(trainer.epoch()) };
        let grammar = trainer.average();
        let beam = trainer.beam_of(&grammar);
        let bytes = Parser::new(grammar, beam).with_width(args.width).write()?;
        std::fs::write(&args.output, &bytes)
            .with_context(|| format!("{} cannot be written", args.output.display()))?;
        // As it will be read: rounded.
        let comparison = compare::compare(&Parser::read(&bytes)?, &validation);
        println!(
            "\nafter epoch {epoch}, {:.0} s, {} bytes, {seen:?}\n{comparison}",
            clock.elapsed().as_secs_f64(),
            bytes.len()
        );
        record.push(json!({
            "epoch": epoch,
            "train": seen.map(|seen| json!({ "right": seen.right, "lost": seen.lost })),
            "validation": comparison.sets,
        }));
        let record = json!({
            "data": { "sha256": data::hash(&path)?, "sets": args.sets, "every": args.every, "captions": captions },
            "config": config,
            "epochs": record,
        });
        let path = args.output.with_extension("json");
        std::fs::write(&path, serde_json::to_string_pretty(&record)? + "\n")
            .with_context(|| format!("{} cannot be written", path.display()))?;
    }
    Ok(())
}

fn compare(args: &Compare) -> Result<()> {
    let mut parser = match &args.weights {
        None => Parser::embedded()?,
        Some(path) => {
            let bytes = std::fs::read(path)
                .with_context(|| format!("{} cannot be read", path.display()))?;
            Parser::read(&bytes).with_context(|| path.display().to_string())?
        }
    };
    if let Some(width) = args.beam {
        parser = parser.with_width(width);
    }
    for split in ["validation", "test"] {
        let officials = data::read(&args.data.join(format!("{split}.jsonl.gz")))?;
        let comparison = compare::compare(&parser, &officials);
        println!("{split}\n\n{comparison}");
        println!("{:.3} ms a caption on all cores\n", 1e3 * comparison.seconds);
    }
    Ok(())
}

fn main() -> Result<()> {
    match Command::parse() {
        Command::Train(args) => train(&args),
        Command::Compare(args) => compare(&args),
    }
}
