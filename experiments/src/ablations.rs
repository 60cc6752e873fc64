//! Ablations: variants of a bridge, of the number of its pairs, or of the captioner,
//! told by what they set and measured as T1 or T2 on the **validation** split, because
//! defaults follow from them. The test split is not looked at.

use anyhow::{Context, Result, bail};
use dl_core::RunDir;
use dl_data::Split;
use dl_diffusion::BridgeConfig;

use crate::{
    config::{AblationConfig, CaptionerConfig, Protocol, SuiteConfig, Vary, variant_of},
    figure,
    pipeline::Pipeline,
    record::{self, Record, RunInfo},
    t1::{self, Measurer},
    t2,
};

/// A variant: its row, what it changes and, in a sweep, its place on the axis.
pub struct Variant {
    row: String,
    change: Change,
    place: Option<f64>,
}

enum Change {
    Bridge(Box<BridgeConfig>),
    Pairs(usize),
    Captioner(Box<CaptionerConfig>),
}

/// Fits and measures every variant of every ablation of the suite.
pub fn run(pipeline: &Pipeline<'_>) -> Result<RunDir> {
    let config = pipeline.config;
    let run = record::open(pipeline, "ablations")?;
    let mut records = Vec::new();
    for (name, ablation) in &config.ablations {
        let key = || format!("ablations.{name}");
        let variants = variants(config, ablation).with_context(key)?;
        let own = match ablation.vary {
            Vary::Bridge | Vary::Pairs => gaps(pipeline, ablation, &variants),
            Vary::Captioner => captions(pipeline, name, ablation, &variants),
        };
        let own = own.with_context(key)?;
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

/// T1 of the variants' bridges.
fn gaps(
    pipeline: &Pipeline<'_>,
    ablation: &AblationConfig,
    variants: &[Variant],
) -> Result<Vec<Record>> {
    let config = pipeline.config;
    let mut rows: Vec<t1::Row> = Vec::new();
    for variant in variants {
        let mut own = config.clone();
        if let Change::Bridge(bridge) = &variant.change {
            own.bridges.insert(ablation.of.clone(), bridge.as_ref().clone());
        }
        let mut pipeline = pipeline.with_config(&own)?;
        if let Change::Pairs(clips) = variant.change {
            pipeline = pipeline.with_clips(clips)?;
        }
        let mut measurer = Measurer::new(config.evaluation.resamples);
        let seeds = config
            .seeds
            .iter()
            .map(|&seed| measurer.measure(pipeline.bridged(&ablation.of, seed)?.validation));
        rows.push((variant.row.clone(), seeds.collect::<Result<_>>()?));
    }
    t1::tabulate(&rows, &config.seeds, &variants[0].row, config.evaluation.resamples)
}

/// T2, zero-shot, of the variants' captioners.
fn captions(
    pipeline: &Pipeline<'_>,
    table: &str,
    ablation: &AblationConfig,
    variants: &[Variant],
) -> Result<Vec<Record>> {
    let config = pipeline.config;
    let inputs = format!("validation through {}", ablation.of);
    let scorer = t2::Scorer::new(&config.evaluation)?;
    let mut rows: Vec<t2::Row> = Vec::new();
    for variant in variants {
        let mut own = config.clone();
        if let Change::Captioner(captioner) = &variant.change {
            own.captioner = captioner.as_ref().clone();
        }
        let with_variant = pipeline.with_config(&own)?;
        let seeds = config.seeds.iter().map(|&seed| {
            let bridged = || Ok(with_variant.bridged(&ablation.of, seed)?.validation);
            let protocol = Protocol::ZeroShot;
            let said = with_variant.captions(protocol, &ablation.of, seed, &inputs, bridged)?;
            let set = &pipeline.embeddings()?.validation;
            scorer.score(pipeline.corpus()?, Split::Validation, set, &said)
        });
        rows.push((variant.row.clone(), seeds.collect::<Result<_>>()?));
    }
    let mut config = config.clone();
    config.rows.compare = variants[0].row.clone();
    t2::tabulate(table, &rows, None, &config)
}

/// The variants of an ablation, checked.
pub fn variants(config: &SuiteConfig, ablation: &AblationConfig) -> Result<Vec<Variant>> {
    let bridge = config.bridge(&ablation.of)?;
    let change = |sets: &[String]| -> Result<Change> {
        Ok(match ablation.vary {
            Vary::Bridge => {
                let bridge: BridgeConfig = variant_of(bridge, sets)?;
                bridge.validate().with_context(|| sets.join(", "))?;
                Change::Bridge(Box::new(bridge))
            }
            Vary::Captioner => {
                let captioner: CaptionerConfig = variant_of(&config.captioner, sets)?;
                captioner.validate().with_context(|| sets.join(", "))?;
                Change::Captioner(Box::new(captioner))
            }
            Vary::Pairs => {
                let clips = sets.first().and_then(|set| set.strip_prefix("clips="));
                let clips = clips.and_then(|clips| clips.parse().ok()).filter(|&clips| clips > 0);
                let (Some(clips), 1) = (clips, sets.len()) else {
                    bail!(
                        "{}: with vary = \"pairs\" the key is `clips`, at least 1",
                        sets.join(", ")
                    );
                };
                Change::Pairs(clips)
            }
        })
    };
    let mut variants = Vec::new();
    if let Some(sweep) = &ablation.sweep {
        for value in &sweep.values {
            variants.push(Variant {
                row: format!("{} = {value}", sweep.key),
                change: change(&[format!("{}={value}", sweep.key)])?,
                place: value.as_float().or_else(|| value.as_integer().map(|x| x as f64)),
            });
        }
    }
    for variant in &ablation.variants {
        let row = variant.name.clone();
        variants.push(Variant { row, change: change(&variant.set)?, place: None });
    }
    if variants.is_empty() {
        bail!("give a sweep or at least one variant");
    }
    for (place, variant) in variants.iter().enumerate() {
        if variants[..place].iter().any(|before| before.row == variant.row) {
            bail!("two variants are called '{}'", variant.row);
        }
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
    let panels = match ablation.vary {
        Vary::Bridge | Vary::Pairs => figure::GAP_PANELS,
        Vary::Captioner => figure::CAPTION_PANELS,
    };
    let file = run.file(&format!("{name}.svg"));
    figure::sweep(&file, &ablation.about, &sweep.key, panels, &points)
}
