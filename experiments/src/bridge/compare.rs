//! `bridge compare`: every method fitted to one part of the pairs and measured on the
//! rest, as T1. The fits are given the training and validation parts alone.

use std::{collections::BTreeMap, io::Write};

use anyhow::{Context, Result, bail};
use dl_core::{EmbeddingSet, RunDir};
use dl_diffusion::{BridgeConfig, BridgeData};
use serde::Serialize;

use super::{CompareArgs, check_output, fit, methods, pairs};
use crate::{
    config,
    record::{self, RunInfo},
    report,
    t1::{self, Measurer, Row},
    ui::Reporter,
};

/// Clips below which the measures say nothing.
const FEWEST_TO_MEASURE: usize = 10;

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
pub fn run(args: &CompareArgs, reporter: &Reporter) -> Result<()> {
    check_output(&args.output)?;
    if args.output.is_file() {
        bail!("--output {}: is a file; name a folder", args.output.display());
    }
    config::check_seeds(&args.seeds).context("--seeds")?;
    config::check_resamples(args.resamples).context("--resamples")?;
    let mut bridges = methods::chosen(args.methods.as_deref(), args.config.as_deref())?;
    for (_, config) in &mut bridges {
        *config = methods::with_training(config, args.steps, args.batch)?;
    }
    let against = against(args, &bridges)?;
    let all = args.pairs.read()?;
    let (stream, option) = ("bridge/test", "test-share");
    let (test, rest) = pairs::split(&all, args.test_share, FEWEST_TO_MEASURE, stream, option)?;
    let (validation, train) = fit::cut_validation(&rest, args.validation_share)?;
    for (name, config) in &bridges {
        methods::check_batch(name, config, &train, "--batch")?;
    }
    let device = args.device.resolve()?;
    let run = RunDir::open(&args.output);
    let settings = Settings {
        seeds: &args.seeds,
        test_share: args.test_share,
        validation_share: args.validation_share,
        resamples: args.resamples,
        against: &against,
        bridges: bridges.iter().map(|(name, config)| (name.as_str(), config)).collect(),
    };
    run.write_text("config.toml", &toml::to_string_pretty(&settings)?)?;
    let data = BridgeData::new(&train, &validation);
    let mut rows: Vec<Row> = Vec::new();
    for (name, config) in &bridges {
        let mut measurer = Measurer::new(args.resamples);
        let mut seeds = Vec::new();
        for &seed in &args.seeds {
            let file = run.file(&format!("bridges/{name}-{seed}.safetensors"));
            let bridge = fit::fit(config, &data, seed, device, &file, reporter)?;
            seeds.push(measurer.measure(bridge.apply_set(&test, seed)?)?);
        }
        reporter.say(&format!("measured {name}"));
        rows.push((name.clone(), seeds));
    }
    let records = t1::tabulate(&rows, &args.seeds, &against, args.resamples)?;
    let info = info(args, &all, &test, &against, device);
    record::finish(&run, &info, &records)?;
    let mut out = std::io::stdout().lock();
    report::print(&mut out, &run, &info, &records)?;
    Ok(out.flush()?)
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
    all: &EmbeddingSet,
    test: &EmbeddingSet,
    against: &str,
    device: tch::Device,
) -> RunInfo {
    let of_set = all.provenance.encoder.chars().take(12).collect::<String>();
    RunInfo {
        experiment: "t1".into(),
        suite: args.pairs.name(),
        split: "held-out".into(),
        clips: test.len(),
        captions: test.captions.len(),
        id_hash: test.id_hash().short().into(),
        seeds: args.seeds.clone(),
        resamples: args.resamples,
        compare: Some(against.replace('_', " ")),
        sentences: None,
        corpus: fit::content(all).short().into(),
        encoder: if of_set.is_empty() { "unnamed".into() } else { of_set },
        program: env!("CARGO_PKG_VERSION").into(),
        libtorch: dl_torch::device::LIBTORCH_VERSION.into(),
        device: dl_torch::device::describe(device),
    }
}
