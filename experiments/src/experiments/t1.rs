//! T1: the modality gap on the test split, before and after every bridge, and
//! which rows differ significantly from the row that the configuration compares with.

use std::{collections::BTreeMap, sync::Arc};

use anyhow::Result;
use dl_core::{EmbeddingSet, RunDir, unit};
use dl_data::Split;
use dl_diffusion::BridgeConfig;
use dl_eval::{
    gap::{self, GapInput, GapReport, PerClip, Resampled},
    stats::{self, Clusters},
};

use super::outcome::{Outcome, info};
use crate::{
    report::{
        Estimate, FIGURE_FILE, Pictures, Record, RunInfo, Versus,
        figure::{self, Cosines, Histogram, Migration},
        items::{self, ClipFacts, Items},
    },
    stages::{Gap, Measured, Suite, Work},
};

/// A figure with a value for each clip.
type ByClip = fn(&PerClip) -> &Vec<f64>;
/// A figure of the whole set.
type Whole = fn(&GapReport) -> f64;
/// The same on every resample.
type OnResamples = fn(&Resampled) -> &Vec<f64>;

const BY_CLIP: [(&str, ByClip); 9] = [
    ("paired_cosine", |clips| &clips.paired_cosine),
    ("text_ceiling", |clips| &clips.text_ceiling),
    ("separability", |clips| &clips.probe_correct),
    ("a2t_r1", |clips| &clips.a2t_r1),
    ("a2t_r10", |clips| &clips.a2t_r10),
    ("a2t_map10", |clips| &clips.a2t_map10),
    ("t2a_r1", |clips| &clips.t2a_r1),
    ("t2a_r10", |clips| &clips.t2a_r10),
    ("t2a_map10", |clips| &clips.t2a_map10),
];

/// Figures that have a meaning on a resampled set.
const RESAMPLED: [(&str, Whole, OnResamples); 2] = [
    ("centroid_distance", |report| report.centroid_distance, |on| &on.centroid_distance),
    ("frechet", |report| report.frechet, |on| &on.frechet),
];

/// Figures that have none: a clip drawn twice is its own nearest neighbour, and narrows the
/// cloud.
const WHOLE: [(&str, Whole); 4] = [
    ("knn_mixing", |report| report.knn_mixing),
    ("relative_gap", |report| report.relative_gap),
    ("effective_dim_audio", |report| report.effective_dim_audio),
    ("effective_dim_text", |report| report.effective_dim_text),
];

/// Tested by clip; whether more is better.
const TESTED: [(&str, ByClip, bool); 2] = [
    ("paired_cosine", |clips| &clips.paired_cosine, true),
    ("separability", |clips| &clips.probe_correct, false),
];

/// Kinds of bridges that are older than Diffusion-Link and bridge by diffusion, too.
const PRIOR_DIFFUSION: [&str; 2] = ["diffusion_bridge", "seed_style"];

/// A row of the table: its name and one entry for each seed.
pub type Row = (String, Vec<Arc<Measured>>);

/// The gap of every row for every seed.
pub fn wanted(suite: &Suite<'_>) -> Result<Vec<Arc<dyn Work>>> {
    let mut wanted: Vec<Arc<dyn Work>> = Vec::new();
    for gaps in gaps(suite)? {
        wanted.extend(gaps.into_iter().map(|gap| gap as Arc<dyn Work>));
    }
    Ok(wanted)
}

/// T1 with its figure.
pub fn run(suite: &Suite<'_>, run: &RunDir) -> Result<Outcome> {
    let rows = measured(suite)?;
    let config = suite.config;
    let (compare, resamples) = (&config.rows.compare, config.evaluation.resamples);
    let records = tabulate(&rows, &config.seeds, compare, resamples)?;
    draw(suite, run)?;
    keep_items(run, "t1", &suite.sets()?.test.ids, &rows, &config.seeds)?;
    let rows = config.rows.t1.iter().map(|row| Ok((row.as_str(), config.bridge(row)?)));
    let prior_diffusion = prior_diffusion(rows.collect::<Result<Vec<_>>>()?);
    let info = RunInfo { prior_diffusion, ..info(suite, "t1", Split::Test, &suite.sets()?.test) };
    Ok(Outcome { info, records })
}

/// Of some rows those that the paper's claim is about: methods that bridge by diffusion,
/// too, and are older than Diffusion-Link.
pub fn prior_diffusion<'a>(
    rows: impl IntoIterator<Item = (&'a str, &'a BridgeConfig)>,
) -> Vec<String> {
    let is_prior = |config: &BridgeConfig| PRIOR_DIFFUSION.contains(&config.name());
    let prior = rows.into_iter().filter(|(_, config)| is_prior(config));
    prior.map(|(row, _)| row.replace('_', " ")).collect()
}

/// The records of every row for every seed.
pub fn records(suite: &Suite<'_>) -> Result<Vec<Record>> {
    let config = suite.config;
    let rows = measured(suite)?;
    tabulate(&rows, &config.seeds, &config.rows.compare, config.evaluation.resamples)
}

/// Measures every row for every seed.
fn measured(suite: &Suite<'_>) -> Result<Vec<Row>> {
    let gaps = gaps(suite)?;
    suite.lab.make(&wanted(suite)?)?;
    let rows = suite.config.rows.t1.iter().zip(gaps);
    rows.map(|(row, gaps)| Ok((row.clone(), read(&gaps)?))).collect()
}

/// Keeps the rows clip by clip: see [`items`].
fn keep_items(
    run: &RunDir,
    table: &str,
    ids: &[String],
    rows: &[Row],
    seeds: &[u64],
) -> Result<()> {
    let Some((_, first)) = rows.first() else { return Ok(()) };
    let clip = |(id, &cluster): (&String, &usize)| ClipFacts {
        id: id.clone(),
        cluster,
        references: Vec::new(),
        nearest: BTreeMap::new(),
    };
    let clips: Vec<ClipFacts> = ids.iter().zip(&first[0].clusters).map(clip).collect();
    let mut all = Vec::new();
    for (row, by_seed) in rows {
        for (measured, &seed) in by_seed.iter().zip(seeds) {
            let by_clip = BY_CLIP.iter().filter_map(|(metric, values)| {
                let values = items::kept(values(&measured.report.per_clip))?;
                (!values.is_empty()).then(|| ((*metric).to_owned(), values))
            });
            let resampled = RESAMPLED.iter().filter_map(|(metric, _, values)| {
                Some(((*metric).to_owned(), items::kept(values(&measured.resampled))?))
            });
            all.push(Items {
                table: table.into(),
                row: row.replace('_', " "),
                seed,
                captions: None,
                values: by_clip.collect(),
                resampled: resampled.collect(),
            });
        }
    }
    items::write(run, &clips, &all)
}

/// For each row one gap for each seed.
fn gaps(suite: &Suite<'_>) -> Result<Vec<Vec<Arc<Gap>>>> {
    let of = |row: &String| {
        let seeds = suite.config.seeds.iter();
        seeds.map(|&seed| suite.gap(&suite.bridge(row, seed)?, Split::Test)).collect()
    };
    suite.config.rows.t1.iter().map(of).collect()
}

/// The figures of gaps that are made.
pub fn read(gaps: &[Arc<Gap>]) -> Result<Vec<Arc<Measured>>> {
    gaps.iter().map(|gap| gap.read()).collect()
}

fn input(set: &EmbeddingSet) -> GapInput<'_> {
    GapInput::new(set.audio.view(), set.text.view(), &set.owners)
}

/// The records of all rows: one for each seed, and the mean over seeds with intervals
/// and with the tests against the row `compare`.
pub fn tabulate(
    rows: &[Row],
    seeds: &[u64],
    compare: &str,
    resamples: usize,
) -> Result<Vec<Record>> {
    let tests = tests(rows, compare)?;
    let mut records = Vec::new();
    for (index, (row, by_seed)) in rows.iter().enumerate() {
        for (position, &seed) in seeds.iter().enumerate() {
            let own = std::slice::from_ref(&by_seed[position]);
            records.push(record_of(row, Some(seed), averaged(own, 0)));
        }
        let mut metrics = averaged(by_seed, resamples);
        for (metric, column) in &tests {
            if let Some(estimate) = metrics.get_mut(*metric) {
                estimate.versus = column[index];
            }
        }
        records.push(record_of(row, None, metrics));
    }
    Ok(records)
}

fn record_of(row: &str, seed: Option<u64>, metrics: BTreeMap<String, Estimate>) -> Record {
    Record { table: "t1".into(), row: row.replace('_', " "), seed, metrics }
}

/// A tested metric, and how every row stands in it.
type Column = (&'static str, Vec<Option<Versus>>);

/// For each tested metric how every row stands against the row `compare`.
fn tests(rows: &[Row], compare: &str) -> Result<Vec<Column>> {
    let Some((_, base)) = rows.iter().find(|(row, _)| row == compare) else {
        return Ok(Vec::new());
    };
    let mut columns = Vec::new();
    let clusters = Clusters::of(&base[0].clusters);
    for (metric, values, more_is_better) in TESTED {
        let of = |seeds: &[Arc<Measured>]| {
            let lists: Vec<&[f64]> =
                seeds.iter().map(|seed| values(&seed.report.per_clip).as_slice()).collect();
            stats::mean_by_item(&lists)
        };
        let base = of(base);
        let column = family(rows, compare, |seeds| {
            let own = of(seeds);
            let p = stats::permutation_test_clusters(&own, &base, &clusters, stats::PERMUTATIONS)?;
            Ok((p, (stats::mean(&own) > stats::mean(&base)) == more_is_better))
        })?;
        columns.push((metric, column));
    }
    for (metric, value, on_resamples) in RESAMPLED {
        let base_values = over_seeds(base, on_resamples);
        let column = family(rows, compare, |seeds| {
            let difference = mean_of(seeds, value) - mean_of(base, value);
            let values = over_seeds(seeds, on_resamples);
            let values: Vec<f64> = values.iter().zip(&base_values).map(|(a, b)| a - b).collect();
            Ok((stats::bootstrap_test(difference, &values), difference < 0.0))
        })?;
        columns.push((metric, column));
    }
    Ok(columns)
}

/// Tests every row but `compare` (a p, and whether the row is better), as one family.
fn family(
    rows: &[Row],
    compare: &str,
    test: impl Fn(&[Arc<Measured>]) -> Result<(f64, bool)>,
) -> Result<Vec<Option<Versus>>> {
    let tested = rows
        .iter()
        .map(|(row, seeds)| (row != compare).then(|| test(seeds)).transpose())
        .collect::<Result<Vec<_>>>()?;
    Ok(Versus::family(&tested))
}

fn mean_of(seeds: &[Arc<Measured>], value: Whole) -> f64 {
    stats::mean(&seeds.iter().map(|seed| value(&seed.report)).collect::<Vec<_>>())
}

fn over_seeds(seeds: &[Arc<Measured>], values: OnResamples) -> Vec<f64> {
    let lists: Vec<&[f64]> = seeds.iter().map(|seed| values(&seed.resampled).as_slice()).collect();
    stats::over_seeds(&lists)
}

/// Means over seeds. Intervals: bootstrap over clips and seeds, Student's over seeds for
/// figures without a meaning on resamples; none with 0 resamples.
fn averaged(seeds: &[Arc<Measured>], resamples: usize) -> BTreeMap<String, Estimate> {
    let mut metrics = BTreeMap::new();
    let clusters = Clusters::of(&seeds[0].clusters);
    for (name, values) in BY_CLIP {
        let values = |seed: usize| values(&seeds[seed].report.per_clip);
        if values(0).is_empty() {
            continue;
        }
        let over = |seed: usize, chosen: &[usize]| {
            chosen.iter().map(|&clip| values(seed)[clip]).sum::<f64>() / chosen.len() as f64
        };
        let means: Vec<f64> = (0..seeds.len()).map(|seed| stats::mean(values(seed))).collect();
        let interval = stats::bootstrap_clusters(&clusters, seeds.len(), resamples, over);
        metrics.insert(name.to_owned(), Estimate::new(stats::mean(&means), interval));
    }
    for (name, value, on_resamples) in RESAMPLED {
        let mean = mean_of(seeds, value);
        let mut interval = None;
        if resamples > 0 {
            let values = stats::centred(mean, &over_seeds(seeds, on_resamples));
            interval = stats::interval(&values).map(|(low, high)| (low.max(0.0), high));
        }
        metrics.insert(name.to_owned(), Estimate::new(mean, interval));
    }
    for (name, value) in WHOLE {
        let values: Vec<f64> = seeds.iter().map(|seed| value(&seed.report)).collect();
        let interval = if resamples == 0 { None } else { stats::student(&values) };
        metrics.insert(name.to_owned(), Estimate::new(stats::mean(&values), interval));
    }
    metrics
}

/// What the bridge that the rows are compared with does to the clips: the migration, and the
/// cosines before and after it.
fn draw(suite: &Suite<'_>, run: &RunDir) -> Result<()> {
    let config = suite.config;
    let row = &config.rows.compare;
    let bridged = suite.bridged(&suite.bridge(row, config.seeds[0])?, Split::Test)?;
    suite.lab.make(&[Arc::clone(&bridged) as Arc<dyn Work>])?;
    let label = row.replace('_', " ");
    let title = format!("{} test clips through {label}", config.name);
    let sets = suite.sets()?;
    let bridged = bridged.read()?;
    let migration = Migration::of(
        &title,
        &gap::modality_direction(&input(&sets.validation))?,
        sets.test.text.view(),
        sets.test.audio.view(),
        bridged.audio.view(),
    );
    figure::migration(&run.file(FIGURE_FILE), &migration)?;
    let cosines = vec![cosines("no bridge", &sets.test), cosines(&label, &bridged)];
    Pictures { migration, cosines }.write(run)
}

/// The cosines of every clip with every caption.
fn cosines(row: &str, set: &EmbeddingSet) -> Cosines {
    let (mut audio, mut text) = (set.audio.clone(), set.text.clone());
    unit::scale_rows(&mut audio);
    unit::scale_rows(&mut text);
    let all = audio.dot(&text.t());
    let of = |pairs: bool| {
        let is_wanted = |(clip, caption): (usize, usize)| (set.owners[caption] == clip) == pairs;
        let each = all.indexed_iter().filter(|(place, _)| is_wanted(*place));
        Histogram::of(each.map(|(_, &cosine)| cosine))
    };
    Cosines { row: row.into(), pairs: of(true), strangers: of(false) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use dl_core::noise::Noise;
    use ndarray::Array2;

    const CLIPS: usize = 60;
    const DIM: usize = 8;

    fn normal(stream: &str) -> Array2<f32> {
        let items: Vec<u64> = (0..CLIPS as u64).collect();
        let rows = Noise::new(5, stream).normal_rows(&items, 0, DIM);
        Array2::from_shape_vec((CLIPS, DIM), rows).unwrap()
    }

    /// Audio that is its text and noise of its own, `offset` beside it.
    fn measured(stream: &str, offset: f32) -> Arc<Measured> {
        let text = normal("text");
        let mut audio = &text + &(normal(stream) * 0.3);
        audio.column_mut(0).mapv_inplace(|x| x + offset);
        let set = EmbeddingSet {
            ids: (0..CLIPS).map(|clip| clip.to_string()).collect(),
            audio,
            captions: vec![String::new(); CLIPS],
            owners: (0..CLIPS).collect(),
            text,
            provenance: dl_core::Provenance::default(),
        };
        Arc::new(Measured::of(&set, (0..CLIPS).collect(), 300).unwrap())
    }

    #[test]
    fn a_row_with_a_gap_is_worse_in_every_tested_column_and_a_twin_is_not() {
        let rows = [
            ("gap".to_owned(), vec![measured("a", 3.0), measured("b", 3.0)]),
            ("our_row".to_owned(), vec![measured("c", 0.0), measured("d", 0.0)]),
            ("twin".to_owned(), vec![measured("e", 0.0), measured("f", 0.0)]),
        ];
        let records = tabulate(&rows, &[0, 1], "our_row", 300).unwrap();
        let of = |row: &str, metric: &str| {
            let found = records.iter().find(|r| r.row == row && r.seed.is_none()).unwrap();
            found.metrics[metric]
        };
        for metric in ["paired_cosine", "separability", "centroid_distance", "frechet"] {
            let gap = of("gap", metric).versus.unwrap();
            assert!(!gap.better && gap.p < 0.05, "{metric}: {gap:?}");
            assert_eq!(of("our row", metric).versus, None);
            let twin = of("twin", metric).versus.unwrap();
            assert!(twin.p > 0.05, "{metric}: {twin:?}");
            let Estimate { value, interval, .. } = of("twin", metric);
            let (low, high) = interval.unwrap();
            assert!(low <= value && value <= high && low < high, "{metric}: {low} {value} {high}");
        }
        // Seen from the row with the gap, both others are better.
        let turned = tabulate(&rows, &[0, 1], "gap", 300).unwrap();
        for record in turned.iter().filter(|r| r.seed.is_none() && r.row != "gap") {
            let versus = record.metrics["frechet"].versus.unwrap();
            assert!(versus.better && versus.p < 0.05, "{versus:?}");
        }
        // One seed has intervals, too; two seeds are averaged.
        let one = tabulate(&[(rows[0].0.clone(), rows[0].1[..1].to_vec())], &[0], "gap", 300);
        assert!(one.unwrap()[1].metrics["frechet"].interval.is_some());
        let value = |seed| {
            let found = records.iter().find(|r| r.row == "gap" && r.seed == seed).unwrap();
            found.metrics["frechet"].value
        };
        assert!((value(None) - (value(Some(0)) + value(Some(1))) / 2.0).abs() < 1e-12);
    }
}
