//! Ablations: variants of a bridge, of the number of its pairs, or of the captioner,
//! named by what they set and measured as in T1 or T2 on the **validation** split, because
//! defaults are chosen by them. The test split plays no part.

use std::sync::Arc;

use anyhow::{Context, Result};
use dl_core::RunDir;
use dl_data::Split;

use super::{
    outcome::{Outcome, info},
    t1, t2,
};
use crate::{
    config::{AblationConfig, Change, Decoder, Measure, Variant, variants},
    report::{Record, RunInfo, Speeds, figure},
    stages::{Captions, Fit, Gap, Part, Suite, Work},
};

/// The stages of every variant of every ablation of the suite.
pub(super) fn wanted(suite: &Suite<'_>) -> Result<Vec<Arc<dyn Work>>> {
    let mut wanted: Vec<Arc<dyn Work>> = Vec::new();
    for (name, ablation) in suite.config.ablations() {
        let key = || format!("ablations.{name}");
        for variant in variants(suite.config, ablation).with_context(key)? {
            match ablation.measures() {
                Measure::Gap => {
                    let gaps = gaps(suite, ablation, &variant).with_context(key)?;
                    wanted.extend(gaps.into_iter().map(|gap| gap as Arc<dyn Work>));
                }
                Measure::Captions => {
                    let said = captions(suite, ablation, &variant).with_context(key)?;
                    wanted.extend(said.into_iter().map(|captions| captions as Arc<dyn Work>));
                }
            }
        }
    }
    Ok(wanted)
}

/// Fits and measures every variant of every ablation of the suite.
pub(super) fn run(suite: &Suite<'_>, run: &RunDir) -> Result<Outcome> {
    let config = suite.config;
    check_clips(suite)?;
    suite.lab.make(&wanted(suite)?)?;
    let scorer = t2::Scorer::new(&config.evaluation)?;
    let (mut records, mut speeds) = (Vec::new(), Speeds::default());
    for (name, ablation) in config.ablations() {
        let key = || format!("ablations.{name}");
        let variants = variants(config, ablation).with_context(key)?;
        let own = match ablation.measures() {
            Measure::Gap => {
                for variant in &variants {
                    let gaps = gaps(suite, ablation, variant).with_context(key)?;
                    speeds.add(name, &variant.row, gaps.iter().map(|gap| gap.milliseconds()));
                }
                measured(suite, ablation, &variants)
            }
            Measure::Captions => scored(suite, name, ablation, &variants, &scorer),
        };
        let own = own.with_context(key)?;
        draw(run, name, ablation, &variants, &own)?;
        records.extend(own.into_iter().map(|record| Record { table: name.clone(), ..record }));
    }
    speeds.write(run)?;
    let facts = RunInfo {
        compare: Some("the first row".into()),
        ..info(suite, "ablations", Split::Validation, &suite.sets()?.validation)
    };
    Ok(Outcome { info: facts, records })
}

/// Whether there are as many training clips as variants ask for, before any is fitted.
fn check_clips(suite: &Suite<'_>) -> Result<()> {
    let clips = suite.corpus().clips(Split::Train).len();
    for (name, ablation) in suite.config.ablations() {
        for variant in variants(suite.config, ablation)? {
            if let Change::Pairs(wanted, _) = variant.change
                && wanted > clips
            {
                anyhow::bail!(
                    "ablations.{name}: clips = {wanted}: there are {clips} training clips"
                );
            }
        }
    }
    Ok(())
}

/// A variant's bridge, for each seed.
fn bridges(
    suite: &Suite<'_>,
    ablation: &AblationConfig,
    variant: &Variant,
) -> Result<Vec<Arc<Fit>>> {
    let (config, part) = match &variant.change {
        Change::Bridge(own) => (own.as_ref(), Part::Whole),
        Change::Pairs(clips, own) => (own.as_ref(), Part::First(*clips)),
        Change::Captioner(_) => (suite.config.bridge(&ablation.of)?, Part::Whole),
    };
    let of = |&seed: &u64| suite.fit(&ablation.of, config, seed, part);
    suite.config.seeds.iter().map(of).collect()
}

/// The gap of a variant's bridge, for each seed.
fn gaps(suite: &Suite<'_>, ablation: &AblationConfig, variant: &Variant) -> Result<Vec<Arc<Gap>>> {
    let bridges = bridges(suite, ablation, variant)?;
    bridges.iter().map(|bridge| suite.gap(bridge, Split::Validation)).collect()
}

/// What a variant's captioner says of audio behind its bridge, for each seed.
fn captions(
    suite: &Suite<'_>,
    ablation: &AblationConfig,
    variant: &Variant,
) -> Result<Vec<Arc<Captions>>> {
    let config = match &variant.change {
        Change::Captioner(own) => own.as_ref(),
        Change::Bridge(_) | Change::Pairs(..) => &suite.config.captioner,
    };
    let (protocol, split) = (ablation.protocol, Split::Validation);
    let of = |bridge: &Arc<Fit>| suite.captions(protocol, bridge, config, Decoder::Plain, split);
    bridges(suite, ablation, variant)?.iter().map(of).collect()
}

/// T1 of the variants' bridges.
fn measured(
    suite: &Suite<'_>,
    ablation: &AblationConfig,
    variants: &[Variant],
) -> Result<Vec<Record>> {
    let config = suite.config;
    let row = |variant: &Variant| -> Result<t1::Row> {
        Ok((variant.row.clone(), t1::read(&gaps(suite, ablation, variant)?)?))
    };
    let rows = variants.iter().map(row).collect::<Result<Vec<_>>>()?;
    t1::tabulate(&rows, &config.seeds, &variants[0].row, config.evaluation.resamples)
}

/// T2 of the variants' captioners.
fn scored(
    suite: &Suite<'_>,
    table: &str,
    ablation: &AblationConfig,
    variants: &[Variant],
    scorer: &t2::Scorer,
) -> Result<Vec<Record>> {
    let set = &suite.sets()?.validation;
    let mut rows: Vec<t2::Row> = Vec::new();
    for variant in variants {
        let score = |captions: Arc<Captions>| {
            scorer.score(suite.corpus(), Split::Validation, set, &captions.read()?)
        };
        let seeds = captions(suite, ablation, variant)?.into_iter().map(score);
        rows.push((variant.row.clone(), seeds.collect::<Result<_>>()?));
    }
    let mut config = suite.config.clone();
    config.rows.compare = variants[0].row.clone();
    t2::tabulate(table, &rows, None, &config)
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
    let panels = match ablation.measures() {
        Measure::Gap => figure::GAP_PANELS,
        Measure::Captions => figure::CAPTION_PANELS,
    };
    let file = run.file(&format!("{name}.svg"));
    figure::sweep(&file, &ablation.about, &sweep.key, panels, &points)
}
