//! Trains and measures the parser of SPICE.
#![allow(clippy::print_stdout)]

use std::{
    collections::BTreeMap,
    fs::File,
    io::{BufRead, BufReader},
    path::Path,
    time::Instant,
};

use anyhow::{Context, Result};
use dl_eval::caption::spice::{
    chart::{Beam, Chart},
    grammar::Grammar,
    lexicon::Views,
    parser::Parser,
    train::{TrainConfig, Trainer, Update},
    tree::Tree,
    treebank::Treebank,
};
use flate2::read::GzDecoder;
use rayon::prelude::*;
use serde::Deserialize;

#[derive(Deserialize)]
struct Line {
    set: String,
    sentences: Vec<Sentence>,
}

#[derive(Deserialize)]
struct Sentence {
    tree: String,
}

fn lines(path: &Path, mut each: impl FnMut(Line) -> Result<()>) -> Result<()> {
    let file = File::open(path).with_context(|| path.display().to_string())?;
    for line in BufReader::new(GzDecoder::new(file)).lines() {
        each(serde_json::from_str(&line?)?)?;
    }
    Ok(())
}

#[derive(clap::Parser)]
struct Args {
    data: std::path::PathBuf,
    #[arg(long, default_value = "audiocaps,recombined,substituted,vocabulary,coco")]
    sets: String,
    #[arg(long, default_value_t = 1)]
    every: usize,
    #[arg(long, default_value_t = 8)]
    epochs: u32,
    #[arg(long, default_value_t = 32)]
    batch: usize,
    #[arg(long, default_value_t = 0.3)]
    step: f32,
    #[arg(long, default_value_t = 0.5)]
    decay: f32,
    #[arg(long, default_value_t = 0.3)]
    margin: f32,
    #[arg(long, default_value_t = 1)]
    average_from: u32,
    #[arg(long, default_value_t = 12.0)]
    beam: f32,
    #[arg(long, default_value_t = 30)]
    rare: u32,
    #[arg(long)]
    test: bool,
    #[arg(long, default_value = "perceptron")]
    update: String,
    /// Writes the weights here after each epoch.
    #[arg(long)]
    save: Option<std::path::PathBuf>,
    #[arg(long, default_value_t = 1e9)]
    seconds: f64,
}

struct Held {
    set: String,
    words: Vec<String>,
    tree: String,
}

fn held_out(path: &Path) -> Result<Vec<Held>> {
    let mut all = Vec::new();
    lines(path, |line| {
        for sentence in line.sentences {
            let (_, words) = Tree::read(&sentence.tree)?;
            all.push(Held {
                set: line.set.clone(),
                words: words.into_iter().map(str::to_owned).collect(),
                tree: sentence.tree.clone(),
            });
        }
        Ok(())
    })?;
    Ok(all)
}

fn evaluate(grammar: &Grammar, beam: &Beam, held: &[Held], show: bool) -> String {
    let clock = Instant::now();
    let results: Vec<(bool, usize, usize, bool)> = held
        .par_iter()
        .map_init(Chart::default, |chart, item| {
            let views: Vec<Views> =
                item.words.iter().map(|word| grammar.lexicon.views(word)).collect();
            chart.fill(grammar, beam, &views, None);
            let found = chart.best(grammar, None);
            let mine: Vec<_> = found
                .iter()
                .map(|node| {
                    let symbol = grammar.rules.symbols()[node.symbol as usize].as_str();
                    (node.start, node.end, symbol)
                })
                .collect();
            let (tree, words) = Tree::read(&item.tree).unwrap();
            // spans of gold
            let n = tree.nodes();
            let mut spans = vec![(0u16, 0u16); n.len()];
            for i in (0..n.len()).rev() {
                use dl_eval::caption::spice::tree::Below;
                spans[i] = match n[i].below {
                    Below::Word(w) => (w as u16, w as u16 + 1),
                    Below::One(c) => spans[c],
                    Below::Two(l, r) => (spans[l].0, spans[r].1),
                };
            }
            let gold: Vec<_> = n
                .iter()
                .enumerate()
                .skip(1)
                .map(|(i, x)| (spans[i].0, spans[i].1, x.label))
                .collect();
            let plain = |label: &str| dl_eval::caption::spice::tree::plain_label(label).to_owned();
            let strip = |v: &[(u16, u16, &str)]| -> Vec<(u16, u16, String)> {
                v.iter().filter(|x| !x.2.starts_with('@')).map(|x| (x.0, x.1, plain(x.2))).collect()
            };
            let tags = |v: &[(u16, u16, &str)]| -> Vec<String> {
                let mut out = vec![String::new(); words.len()];
                for x in v {
                    if x.0 + 1 == x.1 && out[x.0 as usize].is_empty() | true {
                        out[x.0 as usize] = plain(x.2);
                    }
                }
                out
            };
            let right = tags(&mine).iter().zip(&tags(&gold)).filter(|(a, b)| a == b).count();
            let exact = strip(&mine) == strip(&gold);
            if show && !exact {
                println!("{}\n  {:?}\n  {:?}", item.words.join(" "), strip(&mine), strip(&gold));
            }
            (exact, right, words.len(), found.is_empty())
        })
        .collect();
    let mut by: BTreeMap<&str, (usize, usize, usize, usize, usize)> = BTreeMap::new();
    for (item, r) in held.iter().zip(&results) {
        let e = by.entry(&item.set).or_default();
        e.0 += 1;
        e.1 += usize::from(r.0);
        e.2 += r.1;
        e.3 += r.2;
        e.4 += usize::from(r.3);
    }
    let mut text = String::new();
    for (set, e) in by {
        text += &format!(
            " {set}: n {} exact {:.2} tags {:.2} none {};",
            e.0,
            100.0 * e.1 as f64 / e.0 as f64,
            100.0 * e.2 as f64 / e.3 as f64,
            e.4
        );
    }
    text + &format!(" {:.3} ms/caption", clock.elapsed().as_secs_f64() * 1e3 / held.len() as f64)
}

fn save(path: &Path, grammar: &Grammar, beam: &Beam, held: &[Held]) -> Result<()> {
    let bytes = Parser::new(grammar.clone(), beam.clone()).write()?;
    std::fs::write(path, &bytes)?;
    let clock = Instant::now();
    let parser = Parser::read(&bytes)?;
    println!("{} bytes, read in {:.0} ms", bytes.len(), clock.elapsed().as_secs_f64() * 1e3);
    println!("rounded:{}", evaluate(parser.grammar(), parser.beam(), held, false));
    let exact = held
        .iter()
        .filter(|item| {
            let words: Vec<&str> = item.words.iter().map(String::as_str).collect();
            parser.parse(&words).print(&words) == item.tree
        })
        .count();
    println!("binary trees: {:.2}", 100.0 * exact as f64 / held.len() as f64);
    Ok(())
}

fn main() -> Result<()> {
    let args = <Args as clap::Parser>::parse();
    let clock = Instant::now();
    let sets: Vec<&str> = args.sets.split(',').collect();
    let mut bank = Treebank::default();
    let mut count = 0;
    lines(&args.data.join("train.jsonl.gz"), |line| {
        if sets.contains(&line.set.as_str()) {
            count += 1;
            if count % args.every == 0 {
                for sentence in &line.sentences {
                    let (tree, words) = Tree::read(&sentence.tree)?;
                    bank.add(&tree, &words);
                }
            }
        }
        Ok(())
    })?;
    let validation = held_out(&args.data.join("validation.jsonl.gz"))?;
    let test = if args.test { held_out(&args.data.join("test.jsonl.gz"))? } else { Vec::new() };
    println!("read {} in {:.1} s", bank.len(), clock.elapsed().as_secs_f64());
    let numbered = bank.number()?;
    println!(
        "symbols {} binary {} unary {}",
        numbered.rules.symbols().len(),
        numbered.rules.binary().len(),
        numbered.rules.unary().len()
    );
    let config = TrainConfig {
        epochs: args.epochs,
        batch: args.batch,
        step: args.step,
        decay: args.decay,
        margin: args.margin,
        average_from: args.average_from,
        beam: args.beam,
        update: match args.update.as_str() {
            "mira" => Update::Mira,
            "adagrad" => Update::AdaGrad,
            _ => Update::Perceptron,
        },
        lexicon: dl_eval::caption::spice::lexicon::LexiconConfig {
            rare: args.rare,
            ..Default::default()
        },
        ..Default::default()
    };
    let mut trainer = Trainer::new(numbered, config);
    println!("ready {:.1} s", clock.elapsed().as_secs_f64());
    let start = trainer.average();
    for width in [f32::INFINITY, 16.0, 12.0, 9.0, 6.0] {
        if args.epochs > 0 && width != args.beam {
            continue;
        }
        let beam = Beam { width, ..trainer.beam().clone() };
        println!("start beam {width}:{}", evaluate(&start, &beam, &validation, false));
    }
    if let (Some(path), 0) = (&args.save, args.epochs) {
        save(path, &start, trainer.beam(), &validation)?;
    }
    for epoch in 0..args.epochs {
        let begun = clock.elapsed().as_secs_f64();
        let seen = trainer.epoch();
        let average = trainer.average();
        let beam = trainer.beam_of(&average);
        println!(
            "epoch {epoch} train {:.2}% lost {:.2}% |{} | {:.0} s",
            100.0 * seen.right as f64 / seen.captions as f64,
            100.0 * seen.lost as f64 / seen.captions as f64,
            evaluate(&average, &beam, &validation, false),
            clock.elapsed().as_secs_f64()
        );
        if let Some(path) = &args.save {
            save(path, &average, &beam, &validation)?;
        }
        let now = clock.elapsed().as_secs_f64();
        if epoch + 1 == args.epochs || now + (now - begun) * 1.05 > args.seconds {
            for width in [f32::INFINITY, 16.0, 12.0, 9.0, 7.0, 5.0] {
                let beam = Beam { width, ..beam.clone() };
                println!("beam {width}:{}", evaluate(&average, &beam, &validation, false));
            }
            if args.test {
                println!("test {}", evaluate(&average, &beam, &test, false));
            }
            break;
        }
    }
    Ok(())
}
