//! `bridge`: fit, apply and compare bridges on embeddings of any encoder, without
//! sound and without a language model.

mod apply;
mod compare;
mod fit;
mod methods;
mod options;
mod pairs;

use anyhow::Result;
use clap::Subcommand;

use crate::{console::Output, stages::Services};
use apply::ApplyArgs;
use compare::CompareArgs;
use fit::FitArgs;

/// What to do with a bridge.
#[derive(Debug, Subcommand)]
pub enum BridgeCommand {
    /// Fits a bridge to pairs of audio and text embeddings.
    Fit(FitArgs),
    /// Moves audio embeddings through a fitted bridge.
    Apply(ApplyArgs),
    /// Fits several bridges to one part of the pairs and measures them on the rest.
    Compare(CompareArgs),
}

/// Runs a command to its end.
pub fn run(command: &BridgeCommand, services: &Services<'_>, out: &mut Output) -> Result<()> {
    match command {
        BridgeCommand::Fit(args) => fit::run(args, services, out),
        BridgeCommand::Apply(args) => apply::run(args, out),
        BridgeCommand::Compare(args) => compare::run(args, services, out),
    }
}
