//! Every stage of SPICE alone against what the official tool made.

#![allow(clippy::print_stdout, clippy::unwrap_used)] // tests may, in their helpers too

use std::{
    fs::File,
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
};

use dl_eval::caption::spice::{
    collapse::collapse,
    graph::{Edge, Graph, Word},
    pronouns, quantities,
    rules::{Tuple, tuples},
    scene_graph::SceneGraph,
    score::{Kind, Score},
    synonyms::Synonyms,
    tree::Tree,
};
use flate2::read::MultiGzDecoder;
use serde_json::Value;

fn folder() -> Option<PathBuf> {
    std::env::var_os("DL_EVAL_SPICE").map(PathBuf::from)
}

/// The lines of a file of the data.
fn lines(path: &Path) -> impl Iterator<Item = Value> {
    let file = BufReader::new(MultiGzDecoder::new(File::open(path).unwrap()));
    file.lines().map(|line| serde_json::from_str(&line.unwrap()).unwrap())
}

fn texts(value: &Value) -> Vec<String> {
    value.as_array().unwrap().iter().map(|text| text.as_str().unwrap().to_owned()).collect()
}

/// The graph of a sentence; `edges` as the data holds them.
fn graph(sentence: &Value, edges: &Value) -> Graph {
    let [words, tags, lemmas] = ["words", "tags", "lemmas"].map(|key| texts(&sentence[key]));
    let word = |index: usize| Word {
        text: words[index].clone(),
        tag: tags[index].clone(),
        lemma: lemmas[index].clone(),
        number: index + 1,
    };
    let mut graph =
        Graph { words: (0..words.len()).map(word).collect(), ..Graph::default() };
    let mut copies: Vec<(usize, usize, usize)> = Vec::new();
    for edge in edges.as_array().unwrap() {
        let number = |place: usize| edge[place].as_u64().unwrap_or(0) as usize;
        let mut place = |number: usize, copy: usize| {
            if copy == 0 {
                return number - 1;
            }
            if let Some(known) = copies.iter().find(|known| (known.0, known.1) == (number, copy)) {
                return known.2;
            }
            graph.words.push(word(number - 1));
            copies.push((number, copy, graph.words.len() - 1));
            graph.words.len() - 1
        };
        let dependent = place(number(1), number(4));
        if number(0) == 0 {
            graph.roots.push(dependent);
        } else {
            let head = place(number(0), number(3));
            let relation = edge[2].as_str().unwrap().to_owned();
            graph.edges.push(Edge { head, dependent, relation });
        }
    }
    graph.sort();
    graph
}

fn show(graph: &Graph) -> String {
    let roots = graph.roots.iter().map(|root| format!("0>{}", root + 1));
    let edges = graph
        .edges
        .iter()
        .map(|edge| format!("{}>{}:{}", edge.head + 1, edge.dependent + 1, edge.relation));
    roots.chain(edges).collect::<Vec<_>>().join(" ")
}

fn official_tuples(line: &Value) -> Vec<Vec<String>> {
    line["tuples"].as_array().unwrap().iter().map(texts).collect()
}

fn of_graphs(graphs: Vec<Graph>) -> Vec<Vec<String>> {
    let mut found = Vec::new();
    for (number, mut graph) in graphs.into_iter().enumerate() {
        quantities::promote(&mut graph);
        pronouns::resolve(&mut graph);
        found.extend(tuples(&graph, number));
    }
    let parts = |tuple: &Tuple| tuple.parts().into_iter().map(str::to_owned).collect();
    found.iter().map(parts).collect()
}

#[test]
fn rules_from_official_graphs() {
    let Some(folder) = folder() else { return };
    let (mut all, mut same, mut in_order, mut graphs_same, mut sentences) = (0, 0, 0, 0, 0);
    for name in ["validation.jsonl.gz", "test.jsonl.gz"] {
        for line in lines(&folder.join(name)) {
            all += 1;
            let parsed = line["sentences"].as_array().unwrap();
            let graphs: Vec<Graph> =
                parsed.iter().map(|sentence| graph(sentence, &sentence["collapsed"])).collect();
            for (sentence, official) in parsed.iter().zip(&graphs) {
                let mut own = graph(sentence, &sentence["basic"]);
                collapse(&mut own);
                sentences += 1;
                if own == *official {
                    graphs_same += 1;
                } else {
                    println!("G {}\n  own {}\n  off {}", line["caption"], show(&own), show(official));
                }
            }
            let shown: Vec<String> = graphs.iter().map(show).collect();
            let own = of_graphs(graphs);
            let official = official_tuples(&line);
            in_order += usize::from(own == official);
            let sorted = |tuples: &[Vec<String>]| {
                let mut tuples = tuples.to_vec();
                tuples.sort();
                tuples
            };
            if sorted(&own) == sorted(&official) {
                same += 1;
                if own != official {
                    println!("O {} {shown:?}\n  own {own:?}\n  off {official:?}", line["caption"]);
                }
            } else {
                println!("T {} {shown:?}\n  own {own:?}\n  off {official:?}", line["caption"]);
            }
        }
    }
    println!("captions {all}, tuples {same}, in order {in_order}; sentences {sentences}, graphs {graphs_same}");
}

fn train_graph(sentence: &Value) -> Graph {
    let (tree, words) = Tree::read(sentence["tree"].as_str().unwrap()).unwrap();
    let plain = tree.plain();
    let lemmas = texts(&sentence["lemmas"]);
    let tags = plain.tags().iter().map(|&tag| plain.constituents()[tag].label);
    let word = |(index, tag): (usize, &str)| Word {
        text: words[index].to_owned(),
        tag: tag.to_owned(),
        lemma: lemmas[index].clone(),
        number: index + 1,
    };
    let mut graph = Graph { words: tags.enumerate().map(word).collect(), ..Graph::default() };
    let heads = sentence["heads"].as_array().unwrap();
    for (dependent, (head, relation)) in heads.iter().zip(texts(&sentence["relations"])).enumerate() {
        let head = head.as_u64().unwrap() as usize;
        if relation == "none" {
            println!("NONE {} {}", words.join(" "), dependent);
            continue;
        }
        if head == 0 {
            graph.roots.push(dependent);
        } else {
            graph.edges.push(Edge { head: head - 1, dependent, relation });
        }
    }
    graph.sort();
    graph
}

#[test]
#[ignore = "slow"]
fn tuples_from_basic() {
    let Some(folder) = folder() else { return };
    let limit = std::env::var("LIMIT").map_or(usize::MAX, |n| n.parse().unwrap());
    let (mut all, mut same, mut in_order) = (0, 0, 0);
    for line in lines(&folder.join("train.jsonl.gz")).take(limit) {
        all += 1;
        let mut graphs: Vec<Graph> =
            line["sentences"].as_array().unwrap().iter().map(train_graph).collect();
        let shown: Vec<String> = graphs.iter().map(show).collect();
        let text: Vec<&str> = graphs[0].words.iter().map(|word| word.text.as_str()).collect();
        let text = text.join(" ");
        println!("C");
        graphs.iter_mut().for_each(collapse);
        let after: Vec<String> = graphs.iter().map(show).collect();
        let own = of_graphs(graphs);
        let official = official_tuples(&line);
        let sorted = |tuples: &[Vec<String>]| {
            let mut tuples = tuples.to_vec();
            tuples.sort();
            tuples
        };
        if sorted(&own) == sorted(&official) {
            same += 1;
            in_order += usize::from(own == official);
        } else {
            println!("T {text} {shown:?}\n  {after:?}\n  own {own:?}\n  off {official:?}");
        }
    }
    println!("captions {all}, tuples {same}, in order {in_order}");
}

fn read_tuples(line: &Value) -> Vec<Tuple> {
    let tuple = |parts: Vec<String>| match <[String; 3]>::try_from(parts) {
        Ok([subject, object, relation]) => Tuple::Relation(subject, object, relation),
        Err(parts) => match <[String; 2]>::try_from(parts) {
            Ok([object, attribute]) => Tuple::Attribute(object, attribute),
            Err(mut parts) => Tuple::Object(parts.remove(0)),
        },
    };
    official_tuples(line).into_iter().map(tuple).collect()
}

#[test]
fn scores_from_official_tuples() {
    let Some(folder) = folder() else { return };
    let synonyms = Synonyms::built_in();
    let mut known = std::collections::HashMap::new();
    for line in lines(&folder.join("test.jsonl.gz")) {
        known.insert(line["caption"].as_str().unwrap().to_owned(), read_tuples(&line));
    }
    let mut items = 0;
    for item in lines(&folder.join("items.jsonl.gz")) {
        let candidate = &known[item["candidate"].as_str().unwrap()];
        let references = texts(&item["references"]);
        let references = references.iter().flat_map(|caption| &known[caption]);
        let score =
            Score::new(&SceneGraph::new(candidate, synonyms), &SceneGraph::new(references, synonyms));
        let counts = score.counts(Kind::All);
        let close = |key: &str, got: Option<f64>| {
            let same = match (item[key].as_f64(), got) {
                (Some(a), Some(b)) => (a - b).abs() < 1e-9,
                (None, None) => true,
                _ => false,
            };
            assert!(same || key == "cardinality", "{} {key}: {got:?}, official {}", item["id"], item[key]);
        };
        close("f", Some(score.f()));
        close("pr", Some(counts.precision()));
        close("re", Some(counts.recall()));
        for (key, kind) in [
            ("object", Kind::Object),
            ("attribute", Kind::Attribute),
            ("relation", Kind::Relation),
            ("color", Kind::Color),
            ("cardinality", Kind::Count),
            ("size", Kind::Size),
        ] {
            close(key, score.of(kind));
        }
        items += 1;
    }
    println!("items {items}");
}
