//! `bridge compare`: every method fitted to one part of the pairs and measured on the
//! rest, as T1. The fits are given the training and validation parts alone.

use std::{
    collections::BTreeMap,
    path::PathBuf,
    sync::{Mutex, PoisonError},
    time::Instant,
};

use anyhow::{Context, Result, bail};
use clap::Args;
use dl_core::{EmbeddingSet, Fingerprint, RunDir};
use dl_diffusion::BridgeConfig;
use dl_eval::gap;
use serde::Serialize;

use super::{
    fit, methods,
    options::{DeviceArgs, share},
    pairs::{self, Pairs, PairsArgs},
};
use crate::{
    commands::{output::check_folder, report::print},
    config::{self, training},
    console::{Ahead, Output},
    experiments::t1::{self, Row},
    report::{self, RunInfo},
    stages::{Measured, Once, Services, side_by_side},
};

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
    /// An EmbeddingSet to measure on, beside --train and --validation.
    #[arg(long, value_name = "FILE", requires = "train")]
    test: Option<PathBuf>,
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

/// What a comparison depends on beside its files: `config.toml` of the run.
#[derive(Serialize)]
struct Settings<'a> {
    seeds: &'a [u64],
    test_share: f64,
    validation_share: f64,
    resamples: usize,
    against: &'a str,
    bridges: BTreeMap<&'a str, &'a BridgeConfig>,
}

/// Fits, measures, writes the run and prints its table.
pub fn run(args: &CompareArgs, services: &Services<'_>, out: &mut Output) -> Result<()> {
    check_folder(&args.output)?;
    config::check_seeds(&args.seeds).context("--seeds")?;
    config::check_resamples(args.resamples).context("--resamples")?;
    let mut bridges = methods::chosen(args.methods.as_deref(), args.config.as_deref())?;
    for (_, config) in &mut bridges {
        *config = training::with_training(config, args.steps, args.batch)?;
    }
    let against = against(args, &bridges)?;
    let Parts { train, validation, test, content } = parts(args)?;
    for (name, config) in &bridges {
        methods::check_batch(name, config, &train, "--batch")?;
    }
    let device = args.device.resolve()?;
    let run = RunDir::open(&args.output);
    let say = |line: &str| services.reporter.say(line);
    let _lock = run.lock(services.if_busy, &say)?;
    let settings = Settings {
        seeds: &args.seeds,
        test_share: args.test_share,
        validation_share: args.validation_share,
        resamples: args.resamples,
        against: &against,
        bridges: bridges.iter().map(|(name, config)| (name.as_str(), config)).collect(),
    };
    run.write_text("config.toml", &toml::to_string_pretty(&settings)?)?;
    let data = args.pairs.data(&train, &validation);
    let (once, seeds) = (Once::default(), args.seeds.len());
    let (jobs, pieces) = (services.jobs_on(device), bridges.len() * seeds);
    if pieces > 1 {
        say(&format!("{pieces} bridges to fit and to measure"));
    }
    let kinds = (0..pieces).map(|job| bridges[job / seeds].0.clone());
    let ahead = Mutex::new(Ahead::of(kinds, jobs));
    let measured = side_by_side(jobs, pieces, |job| {
        let ((name, config), seed) = (&bridges[job / seeds], args.seeds[job % seeds]);
        let begun = Instant::now();
        let file = run.file(&format!("bridges/{name}-{seed}.safetensors"));
        let bridge = fit::fit(config, &data, seed, device, &file, services.reporter)?;
        let bridged = bridge.apply_set(&test, seed)?;
        let independent = (0..bridged.len()).collect();
        let measured = Measured::once(&once, &bridged, independent, args.resamples)?;
        say(&format!("measured {name}, seed {seed}"));
        let mut ahead = ahead.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(line) = ahead.finished(name, begun.elapsed(), Instant::now()) {
            say(&line);
        }
        Ok(measured)
    })?;
    let rows: Vec<Row> = bridges
        .iter()
        .zip(measured.chunks(seeds))
        .map(|((name, _), own)| (name.clone(), own.to_vec()))
        .collect();
    let records = t1::tabulate(&rows, &args.seeds, &against, args.resamples)?;
    let of_rows = bridges.iter().map(|(name, config)| (name.as_str(), config));
    let prior_diffusion = t1::prior_diffusion(of_rows);
    let versions = bridges.iter().map(|(name, config)| (name.clone(), config.version())).collect();
    let info = info(args, &test, content, &against, device);
    let info = RunInfo { prior_diffusion, bridges: versions, ..info };
    report::finish(&run, &info, &records)?;
    print(&run, &info, &records, out)
}

/// What is fitted to, chosen by and measured on, and the digest of it all.
struct Parts {
    train: EmbeddingSet,
    validation: EmbeddingSet,
    test: EmbeddingSet,
    content: Fingerprint,
}

/// The parts that the user made, or parts drawn by the clips' ids.
fn parts(args: &CompareArgs) -> Result<Parts> {
    match args.pairs.read()? {
        Pairs::Whole(all) => {
            let content = fit::content(&all);
            let (stream, option) = ("bridge/test", "test-share");
            let (test, rest) = pairs::split(&all, args.test_share, gap::FEWEST, stream, option)?;
            let (validation, train) = fit::cut_validation(&rest, args.validation_share)?;
            Ok(Parts { train, validation, test, content })
        }
        Pairs::Parts { train, validation } => {
            let Some(path) = &args.test else {
                bail!("--train and --validation: give --test, too, a set to measure on");
            };
            let test = args.pairs.read_set(path)?;
            args.pairs.belong(&train, &test).context("--train and --test")?;
            args.pairs.belong(&validation, &test).context("--validation and --test")?;
            if test.len() < gap::FEWEST {
                let clips = test.len();
                bail!("{}: {clips} clips, but measuring needs {}", path.display(), gap::FEWEST);
            }
            let content =
                Fingerprint::combine([&train, &validation, &test].map(fit::content).iter());
            Ok(Parts { train, validation, test, content })
        }
    }
}

/// The row that the others are tested against.
fn against(args: &CompareArgs, bridges: &[(String, BridgeConfig)]) -> Result<String> {
    let names: Vec<&str> = bridges.iter().map(|(name, _)| name.as_str()).collect();
    let default = names.iter().find(|name| **name == "diffusion_link").or(names.last());
    let Some(against) = args.against.as_deref().or(default.copied()) else {
        bail!("there is no method to compare; give --methods");
    };
    if !names.contains(&against) {
        bail!("--against {against}: must be one of the methods, {}", names.join(", "));
    }
    Ok(against.to_owned())
}

fn info(
    args: &CompareArgs,
    test: &EmbeddingSet,
    content: Fingerprint,
    against: &str,
    device: tch::Device,
) -> RunInfo {
    let of_set = test.provenance.encoder.chars().take(12).collect::<String>();
    RunInfo {
        experiment: "t1".into(),
        suite: args.pairs.name(),
        split: "held-out".into(),
        clips: test.len(),
        listed: None,
        clusters: None,
        captions: test.captions.len(),
        id_hash: test.id_hash().short().into(),
        seeds: args.seeds.clone(),
        resamples: args.resamples,
        compare: Some(against.replace('_', " ")),
        prior_diffusion: Vec::new(),
        sentences: None,
        remarks: Vec::new(),
        metrics: None,
        bridges: BTreeMap::new(),
        corpus: content.short().into(),
        encoder: if of_set.is_empty() { "unnamed".into() } else { of_set },
        program: env!("CARGO_PKG_VERSION").into(),
        libtorch: dl_torch::device::LIBTORCH_VERSION.into(),
        device: dl_torch::device::describe(device),
    }
}
