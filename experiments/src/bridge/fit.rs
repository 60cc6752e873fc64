//! `bridge fit`: one method on the user's pairs, to one file.

use std::path::{Path, PathBuf};

use anyhow::Result;
use dl_core::{EmbeddingSet, Fingerprint};
use dl_diffusion::{Bridge, BridgeConfig, BridgeData};
use dl_torch::TrainContext;
use tch::Device;

use super::{FitArgs, check_output_file, methods, pairs};
use crate::ui::Reporter;

/// Clips below which nothing can be chosen.
pub const FEWEST_TO_CHOOSE_BY: usize = 2;

/// Fits and writes a bridge, and says how it does on the clips kept to choose by.
pub fn run(args: &FitArgs, reporter: &Reporter) -> Result<()> {
    check_output_file(&args.output)?;
    let config = methods::configured(args.method.as_deref(), args.config.as_deref())?;
    let pairs = args.pairs.read()?;
    let (validation, train) = cut_validation(&pairs, args.validation_share)?;
    methods::check_batch(config.name(), &config, &train, "`train.batch` (--config)")?;
    let device = args.device.resolve()?;
    let data = BridgeData::new(&train, &validation);
    let fitted = fit(&config, &data, args.seed, device, &args.output, reporter)?;
    println!(
        "{}: {}, {} dimensions, fitted to {} clips with {} captions, chosen by {} clips",
        args.output.display(),
        fitted.name(),
        fitted.dim(),
        train.len(),
        train.captions.len(),
        validation.len()
    );
    let report = fitted.report();
    for (scores, when) in [(&report.unbridged, "before"), (&report.scores, "after")] {
        println!(
            "  {when:6} paired cosine {:.3}, centroid {:.3}, Fréchet {:.3}, separability {:.3}",
            scores.paired_cosine, scores.centroid, scores.frechet, scores.separability
        );
    }
    Ok(())
}

/// The clips to choose by, and those to fit to.
pub fn cut_validation(pairs: &EmbeddingSet, share: f64) -> Result<(EmbeddingSet, EmbeddingSet)> {
    let (stream, option) = ("bridge/validation", "validation-share");
    pairs::split(pairs, share, FEWEST_TO_CHOOSE_BY, stream, option)
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
    let context = TrainContext::new(seed)
        .named(format!("{}, seed {seed}", config.name()))
        .device(device)
        .progress(reporter)
        .checkpoint(&checkpoint);
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
