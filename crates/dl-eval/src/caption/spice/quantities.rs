//! "A lot of people" are people: the noun behind a word of quantity takes its place in the
//! graph, and the words of quantity hang on it as one expression (`det:qmod`). The first
//! change that SPICE 1.0 makes to a graph before its rules.

use super::graph::{Edge, Graph};

/// Between "a" or "an" and "of".
const AFTER_ARTICLE: [&str; 33] = [
    "lot",
    "assortment",
    "number",
    "couple",
    "bunch",
    "handful",
    "litany",
    "sheaf",
    "slew",
    "dozen",
    "series",
    "variety",
    "multitude",
    "wad",
    "clutch",
    "wave",
    "mountain",
    "array",
    "spate",
    "string",
    "ton",
    "range",
    "plethora",
    "heap",
    "sort",
    "form",
    "kind",
    "type",
    "version",
    "bit",
    "pair",
    "triple",
    "total",
];

/// Before "of" and any noun or pronoun; digits with an s besides.
const BEFORE_ANY: [&str; 16] = [
    "lots",
    "many",
    "several",
    "plenty",
    "tons",
    "dozens",
    "multitudes",
    "mountains",
    "loads",
    "pairs",
    "tens",
    "hundreds",
    "thousands",
    "millions",
    "billions",
    "trillions",
];

/// Before "of" and a noun with a determiner, or a pronoun; digits besides.
const BEFORE_DETERMINED: [&str; 21] = [
    "some", "all", "both", "neither", "everyone", "nobody", "one", "two", "three", "four", "five",
    "six", "seven", "eight", "nine", "ten", "hundred", "thousand", "million", "billion",
    "trillion",
];

/// Puts what is counted in the place of what counts it.
pub fn promote(graph: &mut Graph) {
    for noun in 0..graph.words.len() {
        if let Some((modifier, words)) = quantity(graph, noun) {
            replace(graph, noun, modifier, &words);
        }
    }
    graph.sort();
}

/// What a word of quantity counts, and the words of the whole expression.
fn quantity(graph: &Graph, noun: usize) -> Option<(usize, Vec<usize>)> {
    let text = |word: usize| graph.words[word].text.to_lowercase();
    let of = noun + 1;
    if of >= graph.words.len() || text(of) != "of" {
        return None;
    }
    let word = text(noun);
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let before = |relations: &[&str]| -> Vec<usize> {
        let children = graph.children(noun).filter(|edge| edge.dependent < noun);
        let chosen = children
            .filter(|edge| relations.is_empty() || relations.contains(&edge.relation.as_str()));
        chosen.map(|edge| edge.dependent).collect()
    };
    let article = graph.children(noun).find(|edge| {
        edge.relation == "det" && ["a", "an"].contains(&text(edge.dependent).as_str())
    });
    let known = |words: &[&str]| words.contains(&word.as_str());
    let modifiers = || {
        let of_it = graph.children(noun).filter(|edge| {
            edge.relation.starts_with("nmod")
                && graph.children(edge.dependent).any(|edge| edge.dependent == of)
        });
        of_it.map(|edge| edge.dependent)
    };
    let is_pronoun = |word: usize| graph.words[word].tag.starts_with("PRP");
    let nominal = |word: usize| graph.words[word].is_noun() || is_pronoun(word);
    let determined =
        |word: usize| is_pronoun(word) || graph.words[word].is_noun() && graph.has(word, "det");
    let (modifier, mut words) = if article.is_some() && known(&AFTER_ARTICLE) {
        (modifiers().find(|&word| nominal(word))?, before(&["det", "amod"]))
    } else if known(&BEFORE_ANY) || word.strip_suffix('s').is_some_and(is_number) {
        (modifiers().find(|&word| nominal(word))?, before(&[]))
    } else if known(&BEFORE_DETERMINED) || is_number(&word) {
        (modifiers().find(|&word| determined(word))?, before(&[]))
    } else {
        return None;
    };
    words.extend([noun, of]);
    Some((modifier, words))
}

fn replace(graph: &mut Graph, noun: usize, modifier: usize, words: &[usize]) {
    graph.edges.retain(|edge| !(edge.head == noun && edge.dependent == modifier));
    let incoming = graph.parents(noun).min_by_key(|edge| edge.head).cloned();
    if let Some(root) = graph.roots.iter_mut().find(|root| **root == noun) {
        *root = modifier;
    } else if let Some(edge) = incoming {
        graph.edges.push(Edge { dependent: modifier, ..edge });
    }
    graph.edges.retain(|edge| !words.contains(&edge.dependent));
    let first = words[0];
    let expression = words[1..].iter().map(|&word| Edge {
        head: first,
        dependent: word,
        relation: "mwe".into(),
    });
    graph.edges.extend(expression);
    graph.edges.push(Edge { head: modifier, dependent: first, relation: "det:qmod".into() });
}
