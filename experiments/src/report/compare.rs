//! Two runs of one experiment row by row: the second's figures minus the first's, with paired
//! tests over the clips that both are over. Everything comes from the run directories.

use std::collections::BTreeMap;

use anyhow::{Result, bail};
use dl_core::RunDir;
use dl_eval::stats::{self, Clusters};

use super::{
    items::{self, ClipFacts, Items},
    record::{self, Record, RunInfo},
    table::{Column, Estimate, Row, Table, Versus},
    tables,
};

mod changed;
mod reason;

use changed::changed;
use reason::reason_against;

/// Figures of which less is better.
const LESS_IS_BETTER: [&str; 5] =
    ["centroid_distance", "frechet", "separability", "relative_gap", "fluency_error"];
/// Figures that say what the clips are, not how good a row is.
const NO_RIVALRY: [&str; 1] = ["text_ceiling"];
/// One run with its values by clip.
struct Side {
    run: RunDir,
    info: RunInfo,
    records: Vec<Record>,
    clips: Vec<ClipFacts>,
    items: Vec<Items>,
}

impl Side {
    fn read(run: &RunDir) -> Result<Self> {
        let (info, records) = record::read(run)?;
        if !items::are_there(run) {
            let experiment = &info.experiment;
            match experiment.as_str() {
                "t1" | "t2" => bail!(
                    "{}: has no values by clip (it is a kept result, or of an older version); \
                     `run {experiment}` writes them and computes no stage again",
                    run.dir().display()
                ),
                _ => bail!(
                    "{}: a run of {experiment} keeps no values by clip, so there is nothing to \
                     test with; name two runs of t1 or of t2",
                    run.dir().display()
                ),
            }
        }
        let clips = items::read_clips(run)?;
        let items = items::read_items(run, clips.len())?;
        Ok(Self { run: run.clone(), info, records, clips, items })
    }

    fn name(&self) -> std::path::Display<'_> {
        self.run.dir().display()
    }

    /// The values of a row by seed.
    fn of(&self, table: &str, row: &str) -> Vec<&Items> {
        let own = |items: &&Items| items.table == table && items.row == row;
        self.items.iter().filter(own).collect()
    }
}

/// The tables of differences.
///
/// # Errors
/// When a file is missing or spoilt, or, with the reason, when the two cannot be compared.
pub fn compare(first: &RunDir, second: &RunDir) -> Result<Vec<Table>> {
    let (info, other) = (record::read(first)?.0, record::read(second)?.0);
    if let Some(reason) = reason_against(&info, &other) {
        let [first, second] = [first, second].map(|run| run.dir().display());
        bail!("cannot compare {first} with {second}: {reason}");
    }
    let (first, second) = (Side::read(first)?, Side::read(second)?);
    let ids = |side: &Side| side.clips.iter().map(|clip| clip.id.clone()).collect::<Vec<_>>();
    if ids(&first) != ids(&second) {
        bail!(
            "cannot compare {} with {}: their clips stand in another order; run one of them again",
            first.name(),
            second.name()
        );
    }
    let of_second = tables::build(&second.info, &second.records)?;
    let mut found = Vec::new();
    let mut alone = Vec::new();
    for table in tables::build(&first.info, &first.records)? {
        match of_second.iter().find(|other| other.name == table.name) {
            Some(other) => found.push(differences(&first, &second, &table, other)?),
            None => alone.push(table.name),
        }
    }
    let common = |other: &&Table| !found.iter().any(|table: &Table| table.name == other.name);
    alone.extend(of_second.iter().filter(common).map(|table| table.name.clone()));
    if found.is_empty() {
        bail!(
            "cannot compare {} with {}: they have no table in common",
            first.name(),
            second.name()
        );
    }
    let changed = changed(&first, &second)?;
    let last = found.len() - 1;
    found[last].notes.push(changed);
    if !alone.is_empty() {
        found[last].notes.push(format!("Only one of the runs has {}.", alone.join(", ")));
    }
    Ok(found)
}

/// The second's figures of a table minus the first's, in the rows and columns of both.
fn differences(first: &Side, second: &Side, table: &Table, other: &Table) -> Result<Table> {
    let same_models = first.info.sentences == second.info.sentences;
    let is_of_models = |key: &str| ["sbert", "fense", "fluency_error"].contains(&key);
    // A gain is relative to a row of its own run, which may itself have changed.
    let is_derived = |key: &str| key.starts_with("gain") || key == "share_of_way";
    let columns: Vec<(usize, usize)> = table
        .columns
        .iter()
        .enumerate()
        .filter(|(_, column)| !is_derived(&column.key))
        .filter(|(_, column)| same_models || !is_of_models(&column.key))
        .filter_map(|(place, column)| {
            Some((place, other.columns.iter().position(|other| other.key == column.key)?))
        })
        .collect();
    let rows: Vec<(&Row, &Row)> = table
        .rows
        .iter()
        .filter_map(|row| Some((row, other.rows.iter().find(|other| other.label == row.label)?)))
        .collect();
    let mut shown: Vec<Row> =
        rows.iter().map(|(row, _)| Row { label: row.label.clone(), cells: Vec::new() }).collect();
    let clusters: Vec<usize> = first.clips.iter().map(|clip| clip.cluster).collect();
    let clusters = Clusters::of(&clusters);
    for &(place, of_other) in &columns {
        let key = table.columns[place].key.as_str();
        let mut cells = Vec::new();
        for (row, other) in &rows {
            let [one, two] = [row.cells[place], other.cells[of_other]];
            cells.push(match (one, two) {
                (Some(one), Some(two)) => {
                    let items = [first, second].map(|side| side.of(&table.name, &row.label));
                    let resamples = first.info.resamples;
                    Some(difference(key, two.value - one.value, &items, &clusters, resamples)?)
                }
                _ => None,
            });
        }
        let tests: Vec<Option<(f64, bool)>> =
            cells.iter().map(|cell| cell.as_ref().and_then(|(_, test)| *test)).collect();
        let corrected = Versus::family(&tests);
        for ((row, cell), versus) in shown.iter_mut().zip(cells).zip(corrected) {
            row.cells.push(cell.map(|(estimate, _)| Estimate { versus, ..estimate }));
        }
    }
    let mut notes = vec![
        format!(
            "First: {}, seeds {:?}, encoder {}. Second: {}, seeds {:?}, encoder {}. Both over the \
             same {} {} clips, id hash {}.",
            first.name(),
            first.info.seeds,
            first.info.encoder,
            second.name(),
            second.info.seeds,
            second.info.encoder,
            first.info.clips,
            first.info.split,
            first.info.id_hash,
        ),
        format!(
            "▲ the second is better, ▼ worse, no mark: not distinguishable or not tested \
             (two-sided, 95 %, Holm's correction over the rows of a column; {} sign flips of the \
             clips' differences, means over seeds; centroid and Fréchet by a paired bootstrap). \
             Figures that are no mean over clips have no test and no interval.",
            stats::PERMUTATIONS
        ),
    ];
    if first.info.seeds != second.info.seeds {
        notes.push(
            "The seeds differ: intervals are over clips alone, of means over seeds.".to_owned(),
        );
    }
    if !same_models {
        notes.push("Their sentence models differ, so sentence similarity is left out.".to_owned());
    }
    let lone = lone_rows(table, other);
    if !lone.is_empty() {
        notes.push(format!("Only one of the runs has the rows {}.", lone.join(", ")));
    }
    let columns = columns.iter().map(|&(place, _)| table.columns[place].clone());
    let columns: Vec<Column> = columns.collect();
    let title = format!("{}: second run minus first", table.title);
    Ok(Table { name: table.name.clone(), title, columns, rows: shown, notes })
}

fn lone_rows(table: &Table, other: &Table) -> Vec<String> {
    let labels = |table: &Table| table.rows.iter().map(|row| row.label.clone()).collect::<Vec<_>>();
    let (one, two) = (labels(table), labels(other));
    let missing = |from: &[String], of: &[String]| -> Vec<String> {
        of.iter().filter(|label| !from.contains(label)).cloned().collect()
    };
    [missing(&two, &one), missing(&one, &two)].concat()
}

/// A difference with its interval and, where the clips say something, its p and whether the
/// second is better.
type Tested = (Estimate, Option<(f64, bool)>);

fn difference(
    key: &str,
    value: f64,
    [first, second]: &[Vec<&Items>; 2],
    clusters: &Clusters,
    resamples: usize,
) -> Result<Tested> {
    let is_better = (value > 0.0) != LESS_IS_BETTER.contains(&key);
    let untested = Ok((Estimate::new(value, None), None));
    if NO_RIVALRY.contains(&key) {
        return untested;
    }
    let [one, two] = [first, second].map(|items| lists(items, |items| &items.values, key));
    if let (Some(one), Some(two)) = (one, two) {
        let means = [&one, &two].map(|lists| stats::mean_by_item(lists));
        let p =
            stats::permutation_test_clusters(&means[1], &means[0], clusters, stats::PERMUTATIONS)?;
        let same_seeds = seeds(first) == seeds(second);
        let by_seed: Vec<Vec<f64>> = if same_seeds {
            let minus = |(one, two): (&&[f64], &&[f64])| {
                two.iter().zip(*one).map(|(two, one)| two - one).collect()
            };
            one.iter().zip(&two).map(minus).collect()
        } else {
            vec![means[1].iter().zip(&means[0]).map(|(two, one)| two - one).collect()]
        };
        let over = |seed: usize, chosen: &[usize]| {
            chosen.iter().map(|&clip| by_seed[seed][clip]).sum::<f64>() / chosen.len() as f64
        };
        let interval = stats::bootstrap_clusters(clusters, by_seed.len(), resamples, over);
        return Ok((Estimate::new(value, interval), Some((p, is_better))));
    }
    let [one, two] = [first, second].map(|items| lists(items, |items| &items.resampled, key));
    if let (Some(one), Some(two)) = (one, two) {
        let [one, two] = [one, two].map(|lists| stats::over_seeds(&lists));
        if one.len() == two.len() && !one.is_empty() {
            let values: Vec<f64> = two.iter().zip(&one).map(|(two, one)| two - one).collect();
            let interval = stats::interval(&stats::centred(value, &values));
            let p = stats::bootstrap_test(value, &values);
            return Ok((Estimate::new(value, interval), Some((p, is_better))));
        }
    }
    untested
}

fn seeds(items: &[&Items]) -> Vec<u64> {
    items.iter().map(|items| items.seed).collect()
}

/// The values of a metric, a list for each seed; `None` where any seed has none.
fn lists<'i>(
    items: &[&'i Items],
    of: fn(&Items) -> &BTreeMap<String, Vec<f64>>,
    key: &str,
) -> Option<Vec<&'i [f64]>> {
    let lists = items.iter().map(|items| of(items).get(key).map(Vec::as_slice));
    lists.collect::<Option<Vec<_>>>().filter(|lists| !lists.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn items(seed: u64, values: &[f64]) -> Items {
        Items {
            table: "t1".into(),
            row: "a".into(),
            seed,
            captions: None,
            values: BTreeMap::from([("cider_d".into(), values.to_vec())]),
            resampled: BTreeMap::from([("frechet".into(), values.to_vec())]),
        }
    }

    #[test]
    fn differences_are_paired_by_clip() {
        // Clips vary far more than the difference of 0.1 that each of them shows.
        let base: Vec<f64> = (0..40).map(f64::from).collect();
        let more: Vec<f64> = base.iter().map(|x| x + 0.1).collect();
        let (one, two) = (items(0, &base), items(0, &more));
        let clusters = Clusters::singles(40);
        let sides = [vec![&one], vec![&two]];
        let (estimate, test) = difference("cider_d", 0.1, &sides, &clusters, 200).unwrap();
        let (low, high) = estimate.interval.unwrap();
        assert!((low - 0.1).abs() < 1e-9 && (high - 0.1).abs() < 1e-9, "{low} {high}");
        // All 40 signs have to be alike: the smallest p that there is.
        let (p, better) = test.unwrap();
        assert!((p - 1.0 / (stats::PERMUTATIONS as f64 + 1.0)).abs() < 1e-12 && better);
        let (estimate, test) = difference("frechet", 0.1, &sides, &clusters, 200).unwrap();
        let (low, high) = estimate.interval.unwrap();
        assert!((low - 0.1).abs() < 1e-9 && (high - 0.1).abs() < 1e-9, "{low} {high}");
        assert!(!test.unwrap().1, "a larger Fréchet distance is no gain");
        // A figure without values by clip is shown untested, and so is the clips' own.
        for key in ["bleu_4", "text_ceiling"] {
            let (estimate, test) = difference(key, 0.1, &sides, &clusters, 200).unwrap();
            assert_eq!((estimate, test), (Estimate::new(0.1, None), None));
        }
        // The same run twice: nothing to tell apart.
        let same = [vec![&one], vec![&one]];
        let (_, test) = difference("cider_d", 0.0, &same, &clusters, 200).unwrap();
        assert!(test.unwrap().0 > 0.99);
    }
}
