//! Makes `data/spice/dependencies.bin` and `data/spice/lemmas.bin` from what the official
//! tool made of many captions, and tells how they do on captions that were held out:
//!
//!     cargo run --release -p dl-eval --example train_dependencies -- FOLDER
//!
//! FOLDER holds `train.jsonl.gz` and `validation.jsonl.gz`. Nothing is drawn by chance: the
//! same data gives the same bytes.

#![allow(clippy::print_stdout)] // a program that speaks to its user

use std::{
    collections::BTreeSet,
    error::Error,
    fs::File,
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
};

use dl_core::atomic;
use dl_eval::caption::spice::{
    dependencies::{Dependencies, Example},
    lemmas::Lemmas,
    tree::Tree,
};
use flate2::read::MultiGzDecoder;
use serde_json::Value;

type Fault = Box<dyn Error>;

/// A sentence as the data holds it.
struct Sentence {
    tree: String,
    lemmas: Vec<String>,
    heads: Vec<usize>,
    relations: Vec<String>,
}

fn texts(value: &Value) -> Vec<String> {
    let list = value.as_array().into_iter().flatten();
    list.filter_map(|text| Some(text.as_str()?.to_owned())).collect()
}

/// The sentences in which every word has a head.
fn sentences(file: &Path) -> Result<Vec<Sentence>, Fault> {
    let mut found = Vec::new();
    for line in BufReader::new(MultiGzDecoder::new(File::open(file)?)).lines() {
        let line: Value = serde_json::from_str(&line?)?;
        for sentence in line["sentences"].as_array().into_iter().flatten() {
            let lemmas = texts(&sentence["lemmas"]);
            let mut heads = vec![usize::MAX; lemmas.len()];
            let mut relations = vec![String::new(); lemmas.len()];
            let mut set = |dependent: usize, head: usize, relation: &str| {
                if relation != "none" && dependent < heads.len() {
                    heads[dependent] = if head == 0 { dependent } else { head - 1 };
                    relations[dependent] = relation.to_owned();
                }
            };
            let number = |value: &Value| value.as_u64().unwrap_or(0) as usize;
            for edge in sentence["basic"].as_array().into_iter().flatten() {
                set(number(&edge[1]) - 1, number(&edge[0]), edge[2].as_str().unwrap_or("none"));
            }
            let listed = sentence["heads"].as_array().into_iter().flatten();
            for (dependent, (head, relation)) in
                listed.zip(texts(&sentence["relations"])).enumerate()
            {
                set(dependent, number(head), &relation);
            }
            if !heads.contains(&usize::MAX) {
                let tree = sentence["tree"].as_str().unwrap_or_default().to_owned();
                found.push(Sentence { tree, lemmas, heads, relations });
            }
        }
    }
    Ok(found)
}

fn examples(sentences: &[Sentence]) -> Result<Vec<Example<'_>>, Fault> {
    let mut all = Vec::with_capacity(sentences.len());
    for sentence in sentences {
        let (tree, words) = Tree::read(&sentence.tree)?;
        all.push(Example {
            tree: tree.plain(),
            words,
            heads: sentence.heads.clone(),
            relations: sentence.relations.clone(),
        });
    }
    Ok(all)
}

fn main() -> Result<(), Fault> {
    let folder: PathBuf = std::env::args_os().nth(1).ok_or("name the data's folder")?.into();
    let train = sentences(&folder.join("train.jsonl.gz"))?;
    let all = examples(&train)?;
    let mut lemma_examples = BTreeSet::new();
    for (example, sentence) in all.iter().zip(&train) {
        let tags = example.tree.tags().iter();
        for ((word, &tag), lemma) in example.words.iter().zip(tags).zip(&sentence.lemmas) {
            let tag = example.tree.constituents()[tag].label;
            lemma_examples.insert((word.to_string(), tag.to_owned(), lemma.clone()));
        }
    }
    let lemmas = Lemmas::learn(lemma_examples.into_iter());
    let dependencies = Dependencies::learn(&all);
    println!("{} sentences; entries: {:?}", all.len(), dependencies.sizes());

    let held_out = sentences(&folder.join("validation.jsonl.gz"))?;
    let (mut words, mut attached, mut labelled, mut base, mut whole) = (0, 0, 0, 0, 0);
    for (example, sentence) in examples(&held_out)?.iter().zip(&held_out) {
        let graph = dependencies.graph(&example.tree, &example.words, &lemmas);
        let before = (words, labelled);
        for (place, word) in graph.words.iter().enumerate() {
            let edge = graph.edges.iter().find(|edge| edge.dependent == place);
            let head = edge.map_or(place, |edge| edge.head);
            let relation = edge.map_or("root", |edge| edge.relation.as_str());
            words += 1;
            attached += usize::from(head == sentence.heads[place]);
            let same = head == sentence.heads[place] && relation == sentence.relations[place];
            labelled += usize::from(same);
            base += usize::from(word.lemma == sentence.lemmas[place]);
        }
        whole += usize::from(words - before.0 == labelled - before.1);
    }
    let share = |part: usize, all: usize| 100.0 * part as f64 / all as f64;
    println!(
        "{} held-out captions from official trees: {:.2} % of words attached, {:.2} % with \
         their relation, {:.2} % of captions whole; lemmas {:.3} %",
        held_out.len(),
        share(attached, words),
        share(labelled, words),
        share(whole, held_out.len()),
        share(base, words),
    );
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("data/spice");
    for (name, bytes) in
        [("lemmas.bin", lemmas.write()), ("dependencies.bin", dependencies.write())]
    {
        println!("{name}: {} bytes", bytes.len());
        atomic::write_bytes(&data.join(name), &bytes)?;
    }
    Ok(())
}
