//! `bridge fit`: fits one method to the user's pairs and writes one file.

use std::path::{Path, PathBuf};

use anyhow::Result;
use clap::Args;
use dl_core::{EmbeddingSet, Fingerprint};
use dl_diffusion::{Bridge, BridgeConfig, BridgeData};
use dl_eval::gap;
use dl_torch::TrainContext;
use tch::Device;

use super::{
    methods,
    options::{DeviceArgs, share},
    pairs::{self, Pairs, PairsArgs},
};
use crate::{
    commands::output::check_file,
    console::{Output, Reporter},
    stages::Services,
};

/// Options of `bridge fit`.
#[derive(Debug, Args)]
pub struct FitArgs {
    #[command(flatten)]
    pairs: PairsArgs,
    /// The method, for example ridge [default: that of --config, else diffusion_link].
    #[arg(long, value_name = "NAME")]
    method: Option<String>,
    /// The method's configuration as TOML, as under [bridges.NAME] of a suite.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Seed of weights, batches and noise.
    #[arg(long, default_value_t = 0, value_name = "N")]
    seed: u64,
    /// Share of the clips that is kept to choose by, drawn by their ids, where --validation
    /// does not give them.
    #[arg(long, default_value_t = 0.1, value_parser = share, value_name = "SHARE")]
    validation_share: f64,
    /// The bridge file to write.
    #[arg(long, value_name = "BRIDGE")]
    output: PathBuf,
    #[command(flatten)]
    device: DeviceArgs,
}

/// Fits and writes a bridge, and says how it does on the clips kept to choose by.
pub fn run(args: &FitArgs, services: &Services<'_>, out: &mut Output) -> Result<()> {
    check_file(&args.output)?;
    let config = methods::configured(args.method.as_deref(), args.config.as_deref())?;
    let (validation, train) = match args.pairs.read()? {
        Pairs::Whole(pairs) => cut_validation(&pairs, args.validation_share)?,
        Pairs::Parts { train, validation } => (validation, train),
    };
    methods::check_batch(config.name(), &config, &train, "`train.batch` (--config)")?;
    let device = args.device.resolve()?;
    let data = args.pairs.data(&train, &validation);
    let fitted = fit(&config, &data, args.seed, device, &args.output, services.reporter)?;
    out.line(format_args!(
        "{}: {}, {} dimensions, fitted to {} clips with {} captions, chosen by {} clips",
        args.output.display(),
        fitted.name(),
        fitted.dim(),
        train.len(),
        train.captions.len(),
        validation.len()
    ))?;
    let report = fitted.report();
    for (scores, when) in [(&report.unbridged, "before"), (&report.scores, "after")] {
        out.line(format_args!(
            "  {when:6} paired cosine {:.3}, centroid {:.3}, Fréchet {:.3}, separability {:.3}",
            scores.paired_cosine, scores.centroid, scores.frechet, scores.separability
        ))?;
    }
    Ok(())
}

/// The clips to choose by, and those to fit to.
pub fn cut_validation(pairs: &EmbeddingSet, share: f64) -> Result<(EmbeddingSet, EmbeddingSet)> {
    let (stream, option) = ("bridge/validation", "validation-share");
    pairs::split(pairs, share, gap::FEWEST, stream, option)
}

/// Fits a bridge and saves it as `output`. What an interruption left beside it is gone on
/// with, and removed at the end.
pub fn fit(
    config: &BridgeConfig,
    data: &BridgeData<'_>,
    seed: u64,
    device: Device,
    output: &Path,
    reporter: &Reporter,
) -> Result<Bridge> {
    let key = Fingerprint::combine([
        &Fingerprint::of(&(config, seed)),
        &content(data.train),
        &content(data.validation),
    ]);
    let checkpoint = checkpoint_of(output, &key);
    let progress = reporter.task(&format!("{}, seed {seed}", config.name()));
    let context =
        TrainContext::new(seed).device(device).progress(&progress).checkpoint(&checkpoint);
    let bridge = config.fit(data, &context)?;
    bridge.save(output)?;
    // What cannot be removed harms nothing.
    let _ = std::fs::remove_file(checkpoint);
    Ok(bridge)
}

/// `BRIDGE.KEY.part`: named by all that goes into the fit, so that another fit to the same
/// file does not meet it.
fn checkpoint_of(output: &Path, key: &Fingerprint) -> PathBuf {
    let mut name = output.as_os_str().to_owned();
    name.push(format!(".{}.part", key.short()));
    name.into()
}

/// Digest of a set's ids, owners and rows.
pub fn content(set: &EmbeddingSet) -> Fingerprint {
    let rows = set.audio.iter().chain(&set.text);
    let bytes: Vec<u8> = rows.flat_map(|x| x.to_le_bytes()).collect();
    let shape = Fingerprint::of(&(set.audio.dim(), &set.ids, &set.owners));
    Fingerprint::combine([&shape, &Fingerprint::of_bytes(&bytes)])
}
