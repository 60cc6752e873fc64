//! Ablations: variants of one bridge, told by what they set, measured as T1 on the
//! **validation** split, because defaults follow from them. The test split is not
//! looked at.

use anyhow::{Context, Result, bail};
use dl_core::RunDir;
use dl_diffusion::BridgeConfig;

use crate::{
    config::{AblationConfig, SuiteConfig, variant_of},
    figure,
    pipeline::Pipeline,
    record::{self, Record, RunInfo},
    t1::{self, Measurer, Row},
};

/// A variant: its row, its bridge and, in a sweep, its place on the axis.
struct Variant {
    row: String,
    config: BridgeConfig,
    place: Option<f64>,
}

/// Fits and measures every variant of every ablation of the suite.
pub fn run(pipeline: &Pipeline<'_>) -> Result<RunDir> {
    let config = pipeline.config;
    let run = record::open(pipeline, "ablations")?;
    let mut records = Vec::new();
    for (name, ablation) in &config.ablations {
        let variants = variants(config, ablation).with_context(|| format!("ablations.{name}"))?;
        let mut all = config.clone();
        for variant in &variants {
            let bridge = bridge_name(name, &variant.row);
            if all.bridges.insert(bridge, variant.config.clone()).is_some() {
                bail!("ablations.{name}: two variants are called '{}'", variant.row);
            }
        }
        let with_variants = pipeline.with_config(&all)?;
        let mut rows: Vec<Row> = Vec::new();
        for variant in &variants {
            let mut measurer = Measurer::new(config.evaluation.resamples);
            let bridge = bridge_name(name, &variant.row);
            let seeds = config
                .seeds
                .iter()
                .map(|&seed| measurer.measure(with_variants.bridged(&bridge, seed)?.validation));
            rows.push((variant.row.clone(), seeds.collect::<Result<_>>()?));
        }
        let base = rows[0].0.clone();
        let own = t1::tabulate(&rows, &config.seeds, &base, config.evaluation.resamples)?;
        draw(&run, name, ablation, &variants, &own)?;
        records.extend(own.into_iter().map(|record| Record { table: name.clone(), ..record }));
    }
    let validation = &pipeline.embeddings()?.validation;
    let info = RunInfo {
        compare: Some("the first row".into()),
        split: "validation".into(),
        ..RunInfo::new(pipeline, "ablations", validation)?
    };
    record::finish(&run, &info, &records)?;
    Ok(run)
}

/// What a variant's bridge is called among the suite's.
fn bridge_name(ablation: &str, row: &str) -> String {
    let safe = |c: char| if c.is_ascii_alphanumeric() || c == '.' { c } else { '-' };
    format!("ablation-{ablation}-{}", row.chars().map(safe).collect::<String>())
}

fn variants(config: &SuiteConfig, ablation: &AblationConfig) -> Result<Vec<Variant>> {
    let base = config.bridge(&ablation.of)?;
    let mut variants = Vec::new();
    if let Some(sweep) = &ablation.sweep {
        for value in &sweep.values {
            variants.push(Variant {
                row: format!("{} = {value}", sweep.key),
                config: variant_of(base, &[format!("{}={value}", sweep.key)])?,
                place: value.as_float().or_else(|| value.as_integer().map(|x| x as f64)),
            });
        }
    }
    for variant in &ablation.variants {
        let row = variant.name.clone();
        variants.push(Variant { row, config: variant_of(base, &variant.set)?, place: None });
    }
    Ok(variants)
}

/// The curves of a sweep over numbers.
fn draw(
    run: &RunDir,
    name: &str,
    ablation: &AblationConfig,
    variants: &[Variant],
    records: &[Record],
) -> Result<()> {
    let Some(sweep) = &ablation.sweep else { return Ok(()) };
    let points: Vec<(f64, &Record)> = variants
        .iter()
        .filter_map(|variant| {
            let of_row = |record: &&Record| record.row == variant.row && record.seed.is_none();
            Some((variant.place?, records.iter().find(of_row)?))
        })
        .collect();
    if points.len() < 2 {
        return Ok(());
    }
    figure::sweep(&run.file(&format!("{name}.svg")), &ablation.about, &sweep.key, &points)
}
