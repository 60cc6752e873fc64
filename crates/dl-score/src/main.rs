//! The program `dl-score`: `experiments score` without libtorch and its start-up.

#![allow(clippy::print_stderr)]

use std::{
    io::{self, ErrorKind},
    process::ExitCode,
};

use clap::Parser;

/// Much of the work is to make short words and lists, on all cores: with the system's
/// allocator AudioCaps' layout took 64 ms in place of 53.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Scores captions against references: BLEU, METEOR, ROUGE-L, CIDEr-D, SPICE, SPIDEr and
/// variety.
#[derive(Parser)]
#[command(name = "dl-score", version)]
struct Cli {
    #[command(flatten)]
    options: dl_score::Options,
}

fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == ErrorKind::BrokenPipe)
}

fn main() -> ExitCode {
    match dl_score::run(&Cli::parse().options, &dl_score::Outside::NONE) {
        Ok(()) => ExitCode::SUCCESS,
        // The reader has seen enough, as `head` does.
        Err(error) if is_broken_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::from(1)
        }
    }
}
