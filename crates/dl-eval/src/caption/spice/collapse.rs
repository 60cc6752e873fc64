//! From basic dependencies, one head a word, to the graph that the rules read
//! ("collapsed, conjunctions propagated", Universal Dependencies version 1): prepositions
//! of several words, prepositions and conjunctions in the names of relations, and what a
//! conjunct shares with the first of its kind.

use super::graph::{Edge, Graph};

/// Prepositions of three words that stand together.
const THREE_WORDS: [[&str; 3]; 13] = [
    ["by", "means", "of"],
    ["in", "accordance", "with"],
    ["in", "addition", "to"],
    ["in", "case", "of"],
    ["in", "front", "of"],
    ["in", "lieu", "of"],
    ["in", "place", "of"],
    ["in", "spite", "of"],
    ["on", "account", "of"],
    ["on", "behalf", "of"],
    ["on", "top", "of"],
    ["with", "regard", "to"],
    ["with", "respect", "to"],
];

/// Prepositions of two words that stand together.
const TWO_WORDS: [[&str; 2]; 44] = [
    ["according", "to"],
    ["as", "per"],
    ["compared", "to"],
    ["instead", "of"],
    ["preparatory", "to"],
    ["across", "from"],
    ["as", "to"],
    ["compared", "with"],
    ["irrespective", "of"],
    ["prior", "to"],
    ["ahead", "of"],
    ["aside", "from"],
    ["due", "to"],
    ["next", "to"],
    ["pursuant", "to"],
    ["along", "with"],
    ["away", "from"],
    ["followed", "by"],
    ["near", "to"],
    ["regardless", "of"],
    ["alongside", "of"],
    ["based", "on"],
    ["inside", "of"],
    ["off", "of"],
    ["subsequent", "to"],
    ["apart", "from"],
    ["because", "of"],
    ["in", "front"],
    ["out", "of"],
    ["as", "for"],
    ["close", "by"],
    ["except", "for"],
    ["outside", "of"],
    ["such", "as"],
    ["as", "from"],
    ["close", "to"],
    ["exclusive", "of"],
    ["owing", "to"],
    ["thanks", "to"],
    ["as", "of"],
    ["contrary", "to"],
    ["from", "among"],
    ["past", "of"],
    ["together", "with"],
];

/// Those of two words that are joined where the first is a word of its own with the second
/// under it, too ("flows out | of a tap"). Found in the official graphs; "along with",
/// "followed by", "inside of" and "prior to" are left as they are there.
const APART: [[&str; 2]; 7] = [
    ["away", "from"],
    ["close", "by"],
    ["close", "to"],
    ["next", "to"],
    ["out", "of"],
    ["outside", "of"],
    ["together", "with"],
];

/// Turns basic dependencies into collapsed ones.
pub fn collapse(graph: &mut Graph) {
    three_words(graph);
    two_words(graph);
    copy(graph);
    label(graph);
    share(graph);
    graph.sort();
}

/// The place in [`Graph::edges`] of the edge above a word; basic dependencies have one at
/// most.
fn above(graph: &Graph, word: usize) -> Option<usize> {
    graph.edges.iter().position(|edge| edge.dependent == word)
}

/// Whether these words stand from a place on.
fn stands(graph: &Graph, from: usize, words: &[&str]) -> bool {
    graph.words.get(from..from + words.len()).is_some_and(|found| {
        found.iter().zip(words).all(|(found, word)| found.text.eq_ignore_ascii_case(word))
    })
}

fn three_words(graph: &mut Graph) {
    for first in 0..graph.words.len() {
        if !THREE_WORDS.iter().any(|words| stands(graph, first, words)) {
            continue;
        }
        let (second, third) = (first + 1, first + 2);
        let edges = &graph.edges;
        let (Some(case), Some(noun), Some(last)) =
            (above(graph, first), above(graph, second), above(graph, third))
        else {
            continue;
        };
        let object = edges[last].dependent_of("case");
        let Some(up) = object.and_then(|object| above(graph, object)) else { continue };
        let fits = edges[case].dependent_of("case") == Some(second)
            && ["nmod", "acl", "advcl"].contains(&edges[noun].relation.as_str())
            && edges[up].dependent_of("nmod") == Some(second);
        if !fits {
            continue;
        }
        let (target, object) = (edges[noun].head, edges[up].dependent);
        for edge in graph.edges.iter_mut().filter(|edge| edge.head == second) {
            edge.head = object;
        }
        for (at, head, relation) in [
            (up, target, "nmod"),
            (case, object, "case"),
            (noun, first, "mwe"),
            (last, first, "mwe"),
        ] {
            graph.edges[at].head = head;
            graph.edges[at].relation = relation.into();
        }
    }
}

impl Edge {
    /// The head, where the relation is this one.
    fn dependent_of(&self, relation: &str) -> Option<usize> {
        (self.relation == relation).then_some(self.head)
    }
}

fn two_words(graph: &mut Graph) {
    for first in 0..graph.words.len() {
        if !TWO_WORDS.iter().any(|words| stands(graph, first, words)) {
            continue;
        }
        let second = first + 1;
        let (Some(own), Some(next)) = (above(graph, first), above(graph, second)) else {
            continue;
        };
        if graph.edges[next].relation != "case" {
            continue;
        }
        let object = graph.edges[next].head;
        let relation = graph.edges[own].relation.as_str();
        if graph.edges[own].head == object {
            if !["case", "advmod", "mark", "amod", "dep"].contains(&relation) {
                continue;
            }
        } else {
            let Some(up) = above(graph, object) else { continue };
            if graph.edges[up].dependent_of("nmod") != Some(first)
                || !APART.iter().any(|words| stands(graph, first, words))
            {
                continue;
            }
            let target = graph.edges[own].head;
            for edge in graph.edges.iter_mut().filter(|edge| edge.head == first) {
                edge.head = object;
            }
            graph.edges[up].head = target;
            graph.edges[own].head = object;
        }
        graph.edges[own].relation = "case".into();
        graph.edges[next].head = first;
        graph.edges[next].relation = "mwe".into();
    }
}

/// Two prepositions under one word: "runs into a sink and down a drain", "talks before
/// and after a beep". The word is copied, and the copy takes the second.
fn copy(graph: &mut Graph) {
    let conjuncts: Vec<Edge> =
        graph.edges.iter().filter(|edge| edge.relation == "conj").cloned().collect();
    for Edge { head: first, dependent: second, .. } in conjuncts {
        let Some(up) = above(graph, first) else { continue };
        let (above_first, relation) = (graph.edges[up].head, graph.edges[up].relation.clone());
        let conj = format!("conj:{}", conjunction(graph, first, second));
        if relation == "nmod" && graph.has(first, "case") && graph.has(second, "case") {
            let copied = add_copy(graph, above_first, &conj);
            for edge in &mut graph.edges {
                if edge.dependent == second && edge.relation == "conj" {
                    edge.head = copied;
                    edge.relation = "nmod".into();
                } else if edge.head == first && edge.relation == "cc" && edge.dependent < second {
                    edge.head = above_first;
                }
            }
        } else if relation == "case"
            && let Some(verb) = above(graph, above_first)
            && graph.edges[verb].relation == "nmod"
        {
            let copied = add_copy(graph, graph.edges[verb].head, &conj);
            graph.edges.push(Edge {
                head: copied,
                dependent: above_first,
                relation: format!("nmod:{}", phrase(graph, second)),
            });
        }
    }
}

/// A copy of a word that hangs on it by `relation`.
fn add_copy(graph: &mut Graph, word: usize, relation: &str) -> usize {
    let dependent = graph.words.len();
    graph.words.push(graph.words[word].clone());
    graph.edges.push(Edge { head: word, dependent, relation: relation.into() });
    dependent
}

fn label(graph: &mut Graph) {
    let names: Vec<Option<String>> = graph.edges.iter().map(|edge| name(graph, edge)).collect();
    for (edge, name) in graph.edges.iter_mut().zip(names) {
        if let Some(name) = name {
            edge.relation = name;
        }
    }
}

/// The longer name of a relation that has one.
fn name(graph: &Graph, edge: &Edge) -> Option<String> {
    match edge.relation.as_str() {
        "nmod" | "acl" | "advcl" => {
            let mut cases = children(graph, edge.dependent, "case").map(|case| phrase(graph, case));
            let first = cases.next()?;
            // "Drives by in the distance" keeps "by", but of "goes by on the street" it is "on".
            let case = match cases.last() {
                Some(last) if !(first == "by" && last == "in") => last,
                _ => first,
            };
            let by_someone =
                edge.relation == "nmod" && case == "by" && graph.has(edge.head, "auxpass");
            Some(if by_someone { "nmod:agent".into() } else { format!("{}:{case}", edge.relation) })
        }
        "conj" => Some(format!("conj:{}", conjunction(graph, edge.head, edge.dependent))),
        _ => None,
    }
}

fn children<'a>(
    graph: &'a Graph,
    head: usize,
    relation: &'static str,
) -> impl Iterator<Item = usize> + 'a {
    graph.children(head).filter(move |edge| edge.relation == relation).map(|edge| edge.dependent)
}

/// A preposition or conjunction with its further words.
fn phrase(graph: &Graph, first: usize) -> String {
    let words = std::iter::once(first).chain(children(graph, first, "mwe"));
    let texts: Vec<String> = words.map(|word| graph.words[word].text.to_lowercase()).collect();
    texts.join("_")
}

/// What joins two conjuncts.
fn conjunction(graph: &Graph, first: usize, second: usize) -> String {
    let before = children(graph, first, "cc").filter(|&word| word < second);
    match before.last().map(|word| phrase(graph, word)).as_deref() {
        None | Some("as_well_as" | "but_also") => "and".into(),
        Some(word) => word.into(),
    }
}

const SUBJECTS: [&str; 4] = ["nsubj", "nsubjpass", "csubj", "csubjpass"];

/// What the first conjunct has and the second shares.
fn share(graph: &mut Graph) {
    let mut more: Vec<Edge> = Vec::new();
    for conj in graph.edges.iter().filter(|edge| edge.relation.starts_with("conj")) {
        let (first, second) = (conj.head, conj.dependent);
        let clauses = graph.has(first, "acl:relcl") && graph.has(second, "acl:relcl");
        if !clauses {
            let given = graph.parents(first).filter(|edge| {
                // What has two prepositions has been copied.
                let copied = edge.relation == "case"
                    && graph.parents(edge.head).any(|edge| edge.relation.starts_with("nmod"));
                edge.head != second && !copied
            });
            more.extend(given.map(|edge| Edge { dependent: second, ..edge.clone() }));
        }
        let subjects =
            |word| graph.children(word).filter(|edge| SUBJECTS.contains(&edge.relation.as_str()));
        let tag = graph.words[second].tag.as_str();
        let Some(subject) = subjects(first).last() else { continue };
        if tag.starts_with(['V', 'J']) && subjects(second).next().is_none() {
            let relation = match subject.relation.as_str() {
                "nsubjpass" if ["VB", "VBZ", "VBP", "JJ"].contains(&tag) => "nsubj",
                "nsubj" if graph.has(second, "auxpass") => "nsubjpass",
                same => same,
            };
            more.push(Edge {
                head: second,
                dependent: subject.dependent,
                relation: relation.into(),
            });
        }
    }
    for edge in more {
        if !graph.edges.contains(&edge) {
            graph.edges.push(edge);
        }
    }
}
