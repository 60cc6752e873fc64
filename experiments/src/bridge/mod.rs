//! `bridge`: fit, apply and compare bridges on embeddings of any encoder, without
//! sound and without a language model.

mod apply;
mod compare;
mod fit;
mod methods;
mod pairs;

use std::path::{Path, PathBuf};

use anyhow::{Result, bail};
use clap::{Args, Subcommand};
use dl_torch::DeviceChoice;
use tch::Device;

use crate::ui::Reporter;
use pairs::{PairsArgs, RowsArgs};

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

/// Where to compute.
#[derive(Clone, Copy, Debug, Args)]
struct DeviceArgs {
    /// cpu, cuda, cuda:N or auto.
    #[arg(long, default_value = "cpu", value_parser = device)]
    device: DeviceChoice,
}

impl DeviceArgs {
    fn resolve(self) -> Result<Device> {
        Ok(self.device.resolve()?)
    }
}

/// Options of `bridge fit`.
#[derive(Debug, Args)]
pub struct FitArgs {
    #[command(flatten)]
    pairs: PairsArgs,
    /// The method, for example diffusion_link or ridge.
    #[arg(long, value_name = "NAME", required_unless_present = "config")]
    method: Option<String>,
    /// The method's configuration as TOML, as under [bridges.NAME] of a suite.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Seed of weights, batches and noise.
    #[arg(long, default_value_t = 0, value_name = "N")]
    seed: u64,
    /// Share of the clips that is kept to choose by, drawn by their ids.
    #[arg(long, default_value_t = 0.1, value_parser = share, value_name = "SHARE")]
    validation_share: f64,
    /// The bridge file to write.
    #[arg(long, value_name = "BRIDGE")]
    output: PathBuf,
    #[command(flatten)]
    device: DeviceArgs,
}

/// Options of `bridge apply`.
#[derive(Debug, Args)]
pub struct ApplyArgs {
    /// The bridge file.
    #[arg(long, value_name = "BRIDGE")]
    bridge: PathBuf,
    #[command(flatten)]
    rows: RowsArgs,
    /// Seed of the noise that sampling methods draw for each id.
    #[arg(long, default_value_t = 0, value_name = "N")]
    seed: u64,
    /// The .npy file to write: f32 [clips, dims], rows of unit norm.
    #[arg(long, value_name = "NPY")]
    output: PathBuf,
    #[command(flatten)]
    device: DeviceArgs,
}

/// Options of `bridge compare`.
#[derive(Debug, Args)]
pub struct CompareArgs {
    #[command(flatten)]
    pairs: PairsArgs,
    /// The methods, or names of the configuration [default: all].
    #[arg(long, value_delimiter = ',', value_name = "NAME,NAME")]
    methods: Option<Vec<String>>,
    /// A TOML file with [bridges.NAME] sections in place of the methods' defaults; a suite
    /// is one.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Seeds to average over.
    #[arg(long, value_delimiter = ',', default_value = "0", value_name = "N,N")]
    seeds: Vec<u64>,
    /// Share of the clips that is measured on, drawn by their ids; no fit sees them.
    #[arg(long, default_value_t = 0.2, value_parser = share, value_name = "SHARE")]
    test_share: f64,
    /// Share of the other clips that is kept to choose by.
    #[arg(long, default_value_t = 0.1, value_parser = share, value_name = "SHARE")]
    validation_share: f64,
    /// Training steps of every trained method [default: each method's own].
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    steps: Option<u64>,
    /// Batch of every trained method [default: each method's own].
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    batch: Option<u64>,
    /// The method that the others are tested against [default: diffusion_link, or the last].
    #[arg(long, value_name = "NAME")]
    against: Option<String>,
    /// Bootstrap resamples; their time grows with the cube of the dimensions.
    #[arg(long, default_value_t = 1000, value_name = "N")]
    resamples: usize,
    /// The folder to write: bridges, figures and tables.
    #[arg(long, value_name = "DIR")]
    output: PathBuf,
    #[command(flatten)]
    device: DeviceArgs,
}

/// Runs a command to its end.
pub fn run(command: &BridgeCommand, reporter: &Reporter) -> Result<()> {
    match command {
        BridgeCommand::Fit(args) => fit::run(args, reporter),
        BridgeCommand::Apply(args) => apply::run(args),
        BridgeCommand::Compare(args) => compare::run(args, reporter),
    }
}

/// Refuses a place where nothing can be written, before the work and not after it.
fn check_output(path: &Path) -> Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    if let Some(folder) = folder.filter(|folder| !folder.is_dir()) {
        bail!(
            "--output {}: there is no folder {}; make it first",
            path.display(),
            folder.display()
        );
    }
    Ok(())
}

/// The same for a file.
fn check_output_file(path: &Path) -> Result<()> {
    if path.is_dir() {
        bail!("--output {}: is a folder; name a file in it", path.display());
    }
    check_output(path)
}

fn device(text: &str) -> Result<DeviceChoice, String> {
    text.to_owned().try_into()
}

fn share(text: &str) -> Result<f64, String> {
    let share: f64 = text.parse().map_err(|_| "use a number, for example 0.1".to_owned())?;
    if share > 0.0 && share < 1.0 { Ok(share) } else { Err("must be in (0, 1)".into()) }
}
