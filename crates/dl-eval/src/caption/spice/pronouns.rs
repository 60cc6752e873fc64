//! A pronoun gives its place in the graph to the noun that it most likely stands for. The
//! second change that SPICE 1.0 makes to a graph before its rules.

use std::collections::VecDeque;

use super::graph::Graph;

/// Pronouns that stand for one thing, as the official tool's dictionary has them.
const SINGULAR: [&str; 20] = [
    "i", "me", "myself", "my", "mine", "yourself", "he", "him", "his", "himself", "she", "her",
    "hers", "herself", "it", "its", "itself", "one", "oneself", "one's",
];

/// Lets nouns stand where pronouns stood.
pub fn resolve(graph: &mut Graph) {
    for pronoun in 1..graph.words.len() {
        if !graph.words[pronoun].tag.starts_with("PRP") {
            continue;
        }
        let Some(noun) = antecedent(graph, pronoun) else { continue };
        if noun < pronoun {
            for edge in &mut graph.edges {
                for end in [&mut edge.head, &mut edge.dependent] {
                    if *end == pronoun {
                        *end = noun;
                    }
                }
            }
        }
    }
    graph.sort();
}

/// The noun nearest to the root.
fn antecedent(graph: &Graph, pronoun: usize) -> Option<usize> {
    let singular = SINGULAR.contains(&graph.words[pronoun].text.as_str());
    let fits = |word: usize| {
        let tag = graph.words[word].tag.as_str();
        tag == "NN" || tag == "NNP" || !singular && graph.words[word].is_plural()
    };
    let mut start = *graph.roots.first()?;
    let mut seen = vec![false; graph.words.len()];
    loop {
        let mut queue = VecDeque::from([start]);
        seen[start] = true;
        while let Some(word) = queue.pop_front() {
            if fits(word) {
                return Some(word);
            }
            for edge in graph.children(word) {
                if !std::mem::replace(&mut seen[edge.dependent], true) {
                    queue.push_back(edge.dependent);
                }
            }
        }
        start = graph.parents(start).map(|edge| edge.head).find(|&head| !seen[head])?;
    }
}
