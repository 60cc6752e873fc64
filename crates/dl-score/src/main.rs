//! The program `dl-score`: `experiments score` without libtorch and its start-up.

#![allow(clippy::print_stderr)]

use std::process::ExitCode;

use clap::Parser;

/// Scores captions against references: BLEU, METEOR, ROUGE-L, CIDEr-D and variety.
#[derive(Parser)]
#[command(name = "dl-score", version)]
struct Cli {
    #[command(flatten)]
    options: dl_score::Options,
}

fn main() -> ExitCode {
    match dl_score::run(&Cli::parse().options, &dl_score::Outside::NONE) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::from(1)
        }
    }
}
