//! T2: captions of the test split through every bridge, zero-shot and fully
//! supervised, and their scores.

use std::{collections::BTreeMap, path::PathBuf, sync::Arc};

use anyhow::{Result, anyhow};
use dl_core::{EmbeddingSet, Progress, RunDir, unit};
use dl_data::{Clip, Corpus, Split};
use dl_eval::{
    caption::{
        Item, diversity,
        meteor::{Matchers, MeteorData},
        metric::{self, BuiltIn, Column, Metric},
        registry, spice,
    },
    stats::{self, Clusters},
};
use ndarray::Array2;
use rayon::prelude::*;

use super::{
    nearest,
    outcome::{Outcome, info},
    sentences::Sentences,
};
use crate::{
    config::{Decoder, EvaluationConfig, Protocol, SuiteConfig, paths},
    report::{
        Estimate, Record, Versus,
        items::{self, ClipFacts, Items, Near},
    },
    stages::{Captions, Prediction, Suite, Work, clusters},
};

/// The row that decodes a caption's own embedding in place of the audio.
const CEILING: &str = "text (ceiling)";

/// The metric of the tests, of the share of the way and of a gain.
const CIDER_D: &str = "cider_d";

/// The metric of the other gain, as the field ranks by it.
const SPIDER: &str = "spider";

const PROTOCOLS: [(Protocol, &str); 2] =
    [(Protocol::ZeroShot, "t2_zero_shot"), (Protocol::Supervised, "t2_supervised")];

/// Every table: its protocol, its decoder, its name.
fn tables(config: &SuiteConfig) -> Vec<(Protocol, Decoder, String)> {
    let mut tables = Vec::new();
    for (protocol, name) in PROTOCOLS {
        for decoder in config.captioner.decoders() {
            let hardened = match decoder {
                Decoder::Plain => "",
                Decoder::Hardened(_) => "_hardened",
            };
            tables.push((protocol, decoder, format!("{name}{hardened}")));
        }
    }
    tables
}

/// The scores of one row under one seed.
pub struct Scores {
    /// The cluster of each clip: see [`clusters`].
    clusters: Vec<usize>,
    /// Of every metric that is computed here; CIDEr-D and SPIDEr among them.
    columns: Vec<Column>,
    cider_d: Vec<f64>,
    spider: Vec<f64>,
    /// 1 where the caption names one of the clip's sounds; empty where clips have no labels.
    own_label: Vec<f64>,
    distinct: f64,
    vocabulary: f64,
}

/// A row of a table: its name and one entry for each seed.
pub type Row = (String, Vec<Scores>);

/// One row of one table: its captions, for each seed.
struct Said {
    table: String,
    row: String,
    seeds: Vec<Arc<Captions>>,
}

/// The captions of every row for every seed.
fn said(suite: &Suite<'_>) -> Result<Vec<Said>> {
    let config = suite.config;
    let mut all = Vec::new();
    for (protocol, decoder, table) in tables(config) {
        let (rows, ceiling) = match protocol {
            Protocol::ZeroShot => (&config.rows.zero_shot, true),
            Protocol::Supervised => (&config.rows.supervised, false),
        };
        for row in rows.iter().map(String::as_str).chain(ceiling.then_some(CEILING)) {
            let of = |&seed: &u64| match row {
                CEILING => suite.captions_of_text(seed, decoder, Split::Test),
                _ => {
                    let (bridge, own) = (suite.bridge(row, seed)?, &config.captioner);
                    suite.captions(protocol, &bridge, own, decoder, Split::Test)
                }
            };
            let seeds = config.seeds.iter().map(of).collect::<Result<_>>()?;
            all.push(Said { table: table.clone(), row: row.into(), seeds });
        }
    }
    Ok(all)
}

/// The captions of every row for every seed.
pub fn wanted(suite: &Suite<'_>) -> Result<Vec<Arc<dyn Work>>> {
    let captions = said(suite)?.into_iter().flat_map(|said| said.seeds);
    Ok(captions.map(|captions| captions as Arc<dyn Work>).collect())
}

/// Captions and scores every row for every seed.
pub fn run(suite: &Suite<'_>, run: &RunDir) -> Result<Outcome> {
    let config = suite.config;
    suite.lab.make(&wanted(suite)?)?;
    let test = &suite.sets()?.test;
    let scorer = Scorer::new(&config.evaluation)?;
    let mut tables: Vec<(Decoder, String, Vec<Row>)> = tables(config)
        .into_iter()
        .map(|(_, decoder, table)| (decoder, table, Vec::new()))
        .collect();
    let said = said(suite)?;
    let progress = suite.lab.reporter.task("scores of captions");
    progress.begin("", (said.len() * config.seeds.len()) as u64);
    let mut scored = 0;
    let mut by_clip = Vec::new();
    for said in said {
        let mut seeds = Vec::new();
        for (captions, seed) in said.seeds.iter().zip(&config.seeds) {
            let predictions = captions.read()?;
            let file = format!("predictions/{}-{}-{seed}.csv", said.table, file_name(&said.row));
            write_predictions(run, &file, &predictions, test)?;
            let scores = scorer.score(suite.corpus(), Split::Test, test, &predictions)?;
            by_clip.push(Items {
                table: said.table.clone(),
                row: said.row.replace('_', " "),
                seed: *seed,
                captions: Some(file),
                values: scores.by_clip(),
                resampled: BTreeMap::new(),
            });
            seeds.push(scores);
            scored += 1;
            progress.update(scored, "");
        }
        let mut own = tables.iter_mut().filter(|(_, table, _)| *table == said.table);
        if let Some((.., rows)) = own.next() {
            rows.push((said.row, seeds));
        }
    }
    progress.end();
    items::write(run, &clips(suite)?, &by_clip)?;
    let mut records = Vec::new();
    for (decoder, table, rows) in &tables {
        // The ceiling of a decoder is in the zero-shot table, and counts for both protocols.
        let same = tables.iter().filter(|(other, ..)| other == decoder);
        let ceiling = same.flat_map(|(.., rows)| rows).find(|(row, _)| row == CEILING);
        let ceiling = ceiling.map(|(_, seeds)| seeds.as_slice());
        records.extend(tabulate(table, rows, ceiling, config)?);
    }
    let mut facts = info(suite, "t2", Split::Test, test);
    facts.sentences = scorer.sentences.map(|sentences| sentences.name().to_owned());
    Ok(Outcome { info: facts, records })
}

/// The test clips, each with the training captions nearest to its embedding as it is and
/// through the bridge that the suite compares with.
fn clips(suite: &Suite<'_>) -> Result<Vec<ClipFacts>> {
    let config = suite.config;
    let sets = suite.sets()?;
    let test = &sets.test;
    let mut embeddings = vec![("no bridge".to_owned(), test.audio.clone())];
    let compare = &config.rows.compare;
    let is_shown = [&config.rows.zero_shot, &config.rows.supervised];
    let is_shown = is_shown.iter().any(|rows| rows.contains(compare));
    // Where a bridge moves text, the training captions are in another space.
    if is_shown && !config.bridge(compare)?.moves_text() {
        let bridged = suite.bridged(&suite.bridge(compare, config.seeds[0])?, Split::Test)?;
        suite.lab.make(&[Arc::clone(&bridged) as Arc<dyn Work>])?;
        embeddings.push((compare.replace('_', " "), bridged.read()?.audio));
    }
    embeddings.iter_mut().for_each(|(_, rows)| unit::scale_rows(rows));
    let count = config.caption.neighbours;
    let near = |clip: usize| -> BTreeMap<String, Vec<Near>> {
        let of = |(row, rows): &(String, Array2<f32>)| {
            (row.clone(), nearest(&sets.train, rows.row(clip), count))
        };
        embeddings.iter().map(of).collect()
    };
    let clusters = clusters(suite.corpus(), Split::Test, &test.ids);
    let captions = test.captions_of();
    let facts = |clip: usize| ClipFacts {
        id: test.ids[clip].clone(),
        cluster: clusters[clip],
        references: captions[clip].iter().map(|&own| test.captions[own].clone()).collect(),
        nearest: near(clip),
    };
    Ok((0..test.len()).into_par_iter().map(facts).collect())
}

impl Scores {
    /// Of every metric whose figure is a mean over clips the value of each clip.
    fn by_clip(&self) -> BTreeMap<String, Vec<f64>> {
        let scores = self.columns.iter().filter_map(|column| {
            let scores = column.scores.as_ref().ok()?;
            let is_mean = (stats::mean(&scores.per_item) - scores.corpus).abs() < 1e-9;
            is_mean.then(|| Some((column.key.to_owned(), items::kept(&scores.per_item)?)))?
        });
        let own_label = items::kept(&self.own_label).map(|values| ("own_label".into(), values));
        scores.chain(own_label).collect()
    }
}

/// The records of all rows: one for each seed, and the mean over seeds with intervals and
/// with the tests against the row that the suite compares with.
pub fn tabulate(
    table: &str,
    rows: &[Row],
    ceiling: Option<&[Scores]>,
    config: &SuiteConfig,
) -> Result<Vec<Record>> {
    let record = |row: &str, seed, metrics| Record {
        table: table.into(),
        row: row.replace('_', " "),
        seed,
        metrics,
    };
    let mut records = Vec::new();
    for ((row, seeds), versus) in rows.iter().zip(tests(rows, &config.rows.compare)?) {
        let baseline = &rows[0].1;
        for (index, &seed) in config.seeds.iter().enumerate() {
            let [own, baseline] = [seeds, baseline].map(|of| std::slice::from_ref(&of[index]));
            let ceiling = ceiling.map(|ceiling| std::slice::from_ref(&ceiling[index]));
            records.push(record(row, Some(seed), averaged(own, baseline, ceiling, 0)));
        }
        let mut metrics = averaged(seeds, baseline, ceiling, config.evaluation.resamples);
        if let Some(estimate) = metrics.get_mut(CIDER_D) {
            estimate.versus = versus;
        }
        records.push(record(row, None, metrics));
    }
    Ok(records)
}

fn file_name(row: &str) -> String {
    row.chars().filter(|c| c.is_alphanumeric() || *c == '_').collect()
}

fn write_predictions(
    run: &RunDir,
    file: &str,
    predictions: &[Prediction],
    test: &EmbeddingSet,
) -> Result<()> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    writer.write_record(["id", "caption", "references"])?;
    for (prediction, captions) in predictions.iter().zip(test.captions_of()) {
        let references: Vec<&str> = captions.iter().map(|&c| test.captions[c].as_str()).collect();
        writer.write_record([&prediction.id, &prediction.caption, &references.join(" | ")])?;
    }
    run.write_text(file, &String::from_utf8(writer.into_inner()?)?)?;
    Ok(())
}

/// What scores captions, opened once.
pub struct Scorer {
    /// `None` where set-up did not bring METEOR's data.
    meteor: Option<MeteorData>,
    sentences: Option<Sentences>,
    /// Keeps what the references say: they are the same in every row.
    spice: spice::Evaluator,
}

impl Scorer {
    /// Opens METEOR's data and the models that the configuration names.
    ///
    /// # Errors
    /// When a model's file is missing or spoilt.
    pub fn new(config: &EvaluationConfig) -> Result<Self> {
        let path = |path: &Option<PathBuf>| path.as_deref().map(paths::in_repository).transpose();
        let (encoder, fluency) = (path(&config.sentence_encoder)?, path(&config.fluency)?);
        let sentences = Sentences::open(encoder.as_deref(), fluency.as_deref())?;
        let meteor = dl_score::meteor_data(None)?;
        Ok(Self { meteor, sentences, spice: spice::Evaluator::new() })
    }

    /// Scores the captions of a split's clips, in the order of `set`.
    pub fn score(
        &self,
        corpus: &dyn Corpus,
        split: Split,
        set: &EmbeddingSet,
        predictions: &[Prediction],
    ) -> Result<Scores> {
        let said: Vec<String> = predictions.iter().map(|one| one.caption.clone()).collect();
        let references = set.references();
        let items = Item::all(&said, &references)?;
        let tokens: Vec<Vec<String>> = items.iter().map(|item| item.candidate.clone()).collect();
        let variety = diversity::diversity(&tokens);
        let clips: BTreeMap<&str, &Clip> =
            corpus.clips(split).iter().map(|clip| (clip.id.as_str(), clip)).collect();
        let scenes = corpus.as_scenes();
        let names_one = |prediction: &Prediction| {
            let named = scenes?.named_labels(&prediction.caption);
            let own = clips.get(prediction.id.as_str()).map(|clip| clip.labels.as_slice());
            let hit = named.iter().any(|label| own.unwrap_or_default().contains(label));
            Some(if hit { 1.0 } else { 0.0 })
        };
        let meteor = self.meteor.as_ref().map(|data| BuiltIn::Meteor(Matchers::All(data)));
        let spice = BuiltIn::Spice(&self.spice);
        let mut metrics: Vec<&dyn Metric> =
            vec![&BuiltIn::Bleu, &BuiltIn::RougeL, &BuiltIn::CiderD, &spice];
        metrics.extend(meteor.iter().map(|meteor| meteor as &dyn Metric));
        let registered = registry::registered();
        metrics.extend(registered.iter().map(|&metric| metric as &dyn Metric));
        let mut columns = metric::evaluate(&metrics, &items)?;
        // SPICE's sub-scores leave out the clips whose references have no such tuple. A
        // resample may have none of the others, so they have no interval and no place here.
        columns.retain(|column| !column.key.starts_with("spice_"));
        columns.push(metric::spider(&columns));
        if let Some(sentences) = &self.sentences {
            columns.extend(sentences.metric(&said, &references)?.columns(&items)?);
        }
        let per_item = |key: &str| {
            let column = columns.iter().find(|column| column.key == key);
            let scores =
                column.map(|column| column.scores.as_ref().map_err(|why| anyhow!("{why}")));
            anyhow::Ok(
                scores.transpose()?.map(|scores| scores.per_item.clone()).unwrap_or_default(),
            )
        };
        Ok(Scores {
            cider_d: per_item(CIDER_D)?,
            spider: per_item(SPIDER)?,
            columns,
            own_label: predictions.iter().filter_map(names_one).collect(),
            distinct: variety.distinct,
            vocabulary: variety.vocabulary as f64,
            clusters: clusters(corpus, split, &set.ids),
        })
    }
}

/// How the CIDEr-D of every row stands against that of the row `compare`; the ceiling,
/// which is no rival, is not tested.
fn tests(rows: &[Row], compare: &str) -> Result<Vec<Option<Versus>>> {
    let of = |seeds: &[Scores]| {
        let lists: Vec<&[f64]> = seeds.iter().map(|scores| scores.cider_d.as_slice()).collect();
        stats::mean_by_item(&lists)
    };
    let Some((_, base)) = rows.iter().find(|(row, _)| row == compare) else {
        return Ok(vec![None; rows.len()]);
    };
    let clusters = Clusters::of(&base[0].clusters);
    let base = of(base);
    let test = |(row, seeds): &Row| -> Result<Option<(f64, bool)>> {
        if row == compare || row == CEILING {
            return Ok(None);
        }
        let own = of(seeds);
        let p = stats::permutation_test_clusters(&own, &base, &clusters, stats::PERMUTATIONS)?;
        Ok(Some((p, stats::mean(&own) > stats::mean(&base))))
    };
    Ok(Versus::family(&rows.iter().map(test).collect::<Result<Vec<_>>>()?))
}

/// Means over seeds with bootstrap intervals over clips and seeds, beside the first row
/// (`baseline`) and, for the share of the way between the two, the `ceiling`.
fn averaged(
    seeds: &[Scores],
    baseline: &[Scores],
    ceiling: Option<&[Scores]>,
    resamples: usize,
) -> BTreeMap<String, Estimate> {
    let clusters = Clusters::of(&seeds[0].clusters);
    let all: Vec<usize> = (0..clusters.items()).collect();
    let estimate = |statistic: &(dyn Fn(usize, &[usize]) -> f64 + Sync)| {
        let values: Vec<f64> = (0..seeds.len()).map(|seed| statistic(seed, &all)).collect();
        let interval = stats::bootstrap_clusters(&clusters, seeds.len(), resamples, statistic);
        Estimate::new(stats::mean(&values), interval)
    };
    let mean_of = |values: &[f64], chosen: &[usize]| {
        chosen.iter().map(|&clip| values[clip]).sum::<f64>() / chosen.len() as f64
    };
    let mut metrics = BTreeMap::new();
    for (place, column) in seeds[0].columns.iter().enumerate() {
        let scores: Vec<_> =
            seeds.iter().filter_map(|seed| seed.columns[place].scores.as_ref().ok()).collect();
        if scores.len() == seeds.len() {
            let figure = estimate(&|seed, chosen| scores[seed].resampled(chosen));
            metrics.insert(column.key.to_owned(), figure);
        }
    }
    if seeds.iter().all(|seed| !seed.own_label.is_empty()) {
        let own_label = estimate(&|seed, chosen| mean_of(&seeds[seed].own_label, chosen));
        metrics.insert("own_label".into(), own_label);
    }
    if !std::ptr::eq(seeds, baseline) {
        let cider_d: fn(&Scores) -> &[f64] = |scores| &scores.cider_d;
        let spider: fn(&Scores) -> &[f64] = |scores| &scores.spider;
        for (key, of) in [("gain", cider_d), ("gain_spider", spider)] {
            let gain = |seed: usize, chosen: &[usize]| {
                let before = mean_of(of(&baseline[seed]), chosen);
                100.0 * (mean_of(of(&seeds[seed]), chosen) / before.max(1e-9) - 1.0)
            };
            metrics.insert(key.into(), estimate(&gain));
        }
        let way = |seed: usize, to: &[Scores], chosen: &[usize]| {
            mean_of(&to[seed].cider_d, chosen) - mean_of(&baseline[seed].cider_d, chosen)
        };
        // Without a ceiling above the first row there is no way to go a share of.
        let is_way = |ceiling: &&[Scores]| {
            (0..seeds.len()).all(|seed| way(seed, ceiling, &all) > 1e-9)
                && !std::ptr::eq(seeds, *ceiling)
        };
        if let Some(ceiling) = ceiling.filter(is_way) {
            let share = |seed: usize, chosen: &[usize]| {
                100.0 * way(seed, seeds, chosen) / way(seed, ceiling, chosen).max(1e-9)
            };
            metrics.insert("share_of_way".into(), estimate(&share));
        }
    }
    let over_seeds = |value: fn(&Scores) -> f64| {
        let values: Vec<f64> = seeds.iter().map(value).collect();
        Estimate::new(stats::mean(&values), None)
    };
    metrics.insert("distinct".into(), over_seeds(|scores| scores.distinct));
    metrics.insert("vocabulary".into(), over_seeds(|scores| scores.vocabulary));
    metrics
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Four captions of which only CIDEr-D and SPIDEr matter here; SPICE is 0.2.
    fn scores(cider_d: [f64; 4]) -> Scores {
        Scores {
            columns: Vec::new(),
            cider_d: cider_d.to_vec(),
            spider: cider_d.map(|cider_d| f64::midpoint(cider_d, 0.2)).to_vec(),
            own_label: vec![1.0; 4],
            distinct: 1.0,
            vocabulary: 3.0,
            clusters: vec![0, 1, 2, 3],
        }
    }

    #[test]
    fn the_share_of_the_way_by_hand() {
        // Way of 1 and of 4; gone 0.5 and 1: shares of 50 % and 25 %.
        let first = [scores([1.0; 4]), scores([2.0; 4])];
        let ceiling = [scores([2.0; 4]), scores([6.0; 4])];
        let row = [scores([1.5; 4]), scores([3.0; 4])];
        let metrics = averaged(&row, &first, Some(&ceiling), 50);
        assert!((metrics["share_of_way"].value - 37.5).abs() < 1e-9);
        let (low, high) = metrics["share_of_way"].interval.unwrap();
        assert!((25.0 - 1e-9..37.5).contains(&low) && (37.5..50.0 + 1e-9).contains(&high));
        // The first row and the ceiling have none, nor has a table without a ceiling
        // above its first row.
        for (of, baseline, ceiling) in [
            (&first, &first, Some(&ceiling[..])),
            (&ceiling, &first, Some(&ceiling[..])),
            (&row, &first, None),
            (&row, &ceiling, Some(&first[..])),
        ] {
            assert!(!averaged(of, baseline, ceiling, 50).contains_key("share_of_way"));
        }
    }

    #[test]
    fn the_gains_by_hand() {
        let (first, row) = (scores([1.0; 4]), scores([1.5, 1.5, 1.0, 2.0]));
        let metrics = averaged(&[row], &[first], None, 50);
        // CIDEr-D from 1 to 1.5; SPIDEr from (1 + 0.2) / 2 to (1.5 + 0.2) / 2.
        assert!((metrics["gain"].value - 50.0).abs() < 1e-9);
        assert!((metrics["gain_spider"].value - 125.0 / 3.0).abs() < 1e-9);
        let (low, high) = metrics["gain_spider"].interval.unwrap();
        assert!(low < 125.0 / 3.0 && high > 125.0 / 3.0);
    }

    #[test]
    fn the_ceiling_is_not_tested_and_few_clips_tell_nothing() {
        let rows = ["none", "ours", CEILING].map(|row| (row.to_owned(), vec![scores([1.0; 4])]));
        let versus = tests(&rows, "ours").unwrap();
        assert!(versus[0].unwrap().p > 0.99 && versus[1].is_none() && versus[2].is_none());
        assert_eq!(tests(&rows, "other").unwrap(), [None; 3]);
    }
}
