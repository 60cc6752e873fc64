//! T2: captions of the test split through every bridge, zero-shot and fully
//! supervised, and their scores.

use std::collections::BTreeMap;

use anyhow::Result;
use dl_core::{EmbeddingSet, RunDir};
use dl_data::{Clip, Corpus, Split};
use dl_eval::{
    caption::{Item, bleu::Bleu, cider_d, diversity, rouge_l, tokenize},
    stats,
};
use ndarray::{Array2, Axis};

use crate::{
    config::Protocol,
    pipeline::{Pipeline, Prediction},
    record::{self, Record, RunInfo},
    table::Estimate,
};

/// The row that decodes a caption's own embedding in place of the audio.
const CEILING: &str = "text (ceiling)";

const TABLES: [(Protocol, &str); 2] =
    [(Protocol::ZeroShot, "t2_zero_shot"), (Protocol::Supervised, "t2_supervised")];

/// The scores of one row under one seed.
struct Scores {
    bleu: Bleu,
    rouge_l: Vec<f64>,
    cider_d: Vec<f64>,
    /// 1 where the caption names one of the clip's sounds.
    own_label: Vec<f64>,
    distinct: f64,
    vocabulary: f64,
}

/// A figure with a value for each clip.
type ByClip = fn(&Scores) -> &Vec<f64>;

/// Captions and scores every row for every seed.
pub fn run(pipeline: &Pipeline<'_>) -> Result<RunDir> {
    let config = pipeline.config;
    let run = record::open(pipeline, "t2")?;
    let test = &pipeline.embeddings()?.test;
    let mut records = Vec::new();
    for (protocol, table) in TABLES {
        let (rows, ceiling) = match protocol {
            Protocol::ZeroShot => (&config.rows.zero_shot, true),
            Protocol::Supervised => (&config.rows.supervised, false),
        };
        let mut scored: Vec<(String, Vec<Scores>)> = Vec::new();
        let names = rows.iter().map(String::as_str).chain(ceiling.then_some(CEILING));
        for name in names {
            let mut seeds = Vec::new();
            for &seed in &config.seeds {
                let predictions = captions(pipeline, protocol, name, seed, test)?;
                let file = format!("predictions/{table}-{}-{seed}.csv", file_name(name));
                write_predictions(&run, &file, &predictions, test)?;
                seeds.push(score(pipeline.corpus()?, test, &predictions)?);
            }
            scored.push((name.replace('_', " "), seeds));
        }
        for (row, seeds) in &scored {
            let baseline = &scored[0].1;
            for (index, &seed) in config.seeds.iter().enumerate() {
                let own = std::slice::from_ref(&seeds[index]);
                let metrics = averaged(own, std::slice::from_ref(&baseline[index]), 0);
                records.push(Record {
                    table: table.into(),
                    row: row.clone(),
                    seed: Some(seed),
                    metrics,
                });
            }
            let metrics = averaged(seeds, baseline, config.evaluation.resamples);
            records.push(Record { table: table.into(), row: row.clone(), seed: None, metrics });
        }
    }
    record::finish(&run, &RunInfo::new(pipeline, "t2", test)?, &records)?;
    Ok(run)
}

fn captions(
    pipeline: &Pipeline<'_>,
    protocol: Protocol,
    row: &str,
    seed: u64,
    test: &EmbeddingSet,
) -> Result<Vec<Prediction>> {
    if row == CEILING {
        return pipeline.captions(protocol, "none", seed, CEILING, || Ok(first_captions(test)));
    }
    pipeline.captions(protocol, row, seed, row, || Ok(pipeline.bridged(row, seed)?.test.audio))
}

fn first_captions(set: &EmbeddingSet) -> Array2<f32> {
    let firsts: Vec<usize> = set.captions_of().iter().filter_map(|l| l.first().copied()).collect();
    set.text.select(Axis(0), &firsts)
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

fn score(corpus: &dyn Corpus, test: &EmbeddingSet, predictions: &[Prediction]) -> Result<Scores> {
    let items: Vec<Item> = predictions
        .iter()
        .zip(test.captions_of())
        .map(|(prediction, captions)| {
            let references: Vec<&String> = captions.iter().map(|&c| &test.captions[c]).collect();
            Item::new(&prediction.caption, &references)
        })
        .collect();
    let tokens: Vec<Vec<String>> =
        predictions.iter().map(|prediction| tokenize(&prediction.caption)).collect();
    let variety = diversity::diversity(&tokens);
    let clips: BTreeMap<&str, &Clip> =
        corpus.clips(Split::Test).iter().map(|clip| (clip.id.as_str(), clip)).collect();
    let names_one = |prediction: &Prediction| {
        let named = corpus.named_labels(&prediction.caption);
        let own = clips.get(prediction.id.as_str()).map(|clip| clip.labels.as_slice());
        let hit = named.iter().any(|label| own.unwrap_or_default().contains(label));
        if hit { 1.0 } else { 0.0 }
    };
    Ok(Scores {
        bleu: Bleu::new(&items)?,
        rouge_l: rouge_l::per_item(&items)?,
        cider_d: cider_d::per_item(&items)?,
        own_label: predictions.iter().map(names_one).collect(),
        distinct: variety.distinct,
        vocabulary: variety.vocabulary as f64,
    })
}

fn averaged(seeds: &[Scores], baseline: &[Scores], resamples: usize) -> BTreeMap<String, Estimate> {
    let clips = seeds[0].cider_d.len();
    let all: Vec<usize> = (0..clips).collect();
    let estimate = |statistic: &(dyn Fn(usize, &[usize]) -> f64 + Sync)| {
        let values: Vec<f64> = (0..seeds.len()).map(|seed| statistic(seed, &all)).collect();
        Estimate {
            value: stats::mean(&values),
            interval: stats::bootstrap(clips, seeds.len(), resamples, statistic),
        }
    };
    let mean_of = |values: &[f64], chosen: &[usize]| {
        chosen.iter().map(|&clip| values[clip]).sum::<f64>() / chosen.len() as f64
    };
    let mut metrics = BTreeMap::new();
    for n in 0..4 {
        let bleu = estimate(&|seed, chosen| seeds[seed].bleu.resampled(chosen)[n]);
        metrics.insert(format!("bleu_{}", n + 1), bleu);
    }
    let by_clip: [(&str, ByClip); 3] = [
        ("rouge_l", |scores| &scores.rouge_l),
        ("cider_d", |scores| &scores.cider_d),
        ("own_label", |scores| &scores.own_label),
    ];
    for (name, values) in by_clip {
        let figure = estimate(&|seed, chosen| mean_of(values(&seeds[seed]), chosen));
        metrics.insert(name.to_owned(), figure);
    }
    if !std::ptr::eq(seeds, baseline) {
        let gain = |seed: usize, chosen: &[usize]| {
            let before = mean_of(&baseline[seed].cider_d, chosen);
            100.0 * (mean_of(&seeds[seed].cider_d, chosen) / before.max(1e-9) - 1.0)
        };
        metrics.insert("gain".into(), estimate(&gain));
    }
    let over_seeds = |value: fn(&Scores) -> f64| {
        let values: Vec<f64> = seeds.iter().map(value).collect();
        Estimate { value: stats::mean(&values), interval: None }
    };
    metrics.insert("distinct".into(), over_seeds(|scores| scores.distinct));
    metrics.insert("vocabulary".into(), over_seeds(|scores| scores.vocabulary));
    metrics
}
