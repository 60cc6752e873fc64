//! A grammar small enough to be added up by hand.

use std::collections::BTreeMap;

use super::{
    super::{
        grammar::{Grammar, Rules},
        lexicon::{Lexicon, LexiconConfig, Views},
        symbols::{Binary, Unary},
    },
    Beam, Chart, Held,
};

const SYMBOLS: [&str; 9] = ["D", "N", "V", "@NP|", "@VP|", "@1", "@2", "NP", "VP"];

/// "a bark" is an NP or a VP.
///
/// | rule | weight | | rule | weight |
/// |---|---|---|---|---|
/// | @NP\| -> N | -0.5 | | @VP\| -> V | -0.25 |
/// | @1 -> D @NP\| | -1 | | @2 -> D @VP\| | -0.5 |
/// | NP -> @1 | -0.25 | | VP -> @2 | 0 |
/// | top NP | 0 | | top VP | `top` |
///
/// a: D -1; bark: N -0.5, V -2. So NP has -1 - 0.5 - 0.5 - 1 - 0.25 = -3.25 and VP
/// -1 - 2 - 0.25 - 0.5 = -3.75, with `top` added.
fn toy(top: f32) -> Grammar {
    let rules = Rules::new(
        SYMBOLS.map(str::to_owned).to_vec(),
        vec![Binary { left: 0, right: 4, parent: 6 }, Binary { left: 0, right: 3, parent: 5 }],
        vec![
            Unary { child: 1, parent: 3 },
            Unary { child: 2, parent: 4 },
            Unary { child: 5, parent: 7 },
            Unary { child: 6, parent: 8 },
        ],
    )
    .unwrap();
    let mut weights = vec![0.0; rules.weights()];
    for (number, rule) in rules.binary().iter().enumerate() {
        weights[rules.binary_weight(number)] = if rule.parent == 5 { -1.0 } else { -0.5 };
    }
    for (number, rule) in rules.unary().iter().enumerate() {
        let weight = match rule.child {
            1 => -0.5,
            2 | 5 => -0.25,
            _ => 0.0,
        };
        weights[rules.unary_weight(number)] = weight;
    }
    for symbol in 0..9 {
        weights[rules.top_weight(symbol)] = -1000.0;
    }
    weights[rules.top_weight(7)] = 0.0;
    weights[rules.top_weight(8)] = top;
    let counts = BTreeMap::from([
        ("a".to_owned(), BTreeMap::from([(0, 50)])),
        ("bark".to_owned(), BTreeMap::from([(1, 50), (2, 50)])),
    ]);
    let mut lexicon = Lexicon::of(rules.symbols(), &counts, &LexiconConfig::default());
    lexicon.weights.fill(0.0);
    for (word, tag, weight) in [("a", 0, -1.0), ("bark", 1, -0.5), ("bark", 2, -2.0)] {
        // The first place is that of the word's own row.
        let mut places = Vec::new();
        lexicon.places(&lexicon.views(word), tag, |place| places.push(place));
        lexicon.weights[places[0]] = weight;
    }
    Grammar { rules, weights, lexicon }
}

fn open(grammar: &Grammar, width: f32) -> Beam {
    let (symbols, classes) = (grammar.rules.symbols().len(), grammar.lexicon.classes() + 1);
    Beam {
        outside: vec![0.0; symbols],
        before: vec![0.0; symbols * classes],
        behind: vec![0.0; symbols * classes],
        classes,
        width,
    }
}

fn search(
    top: f32,
    width: f32,
    held: Option<Held<'_>>,
) -> (Option<f32>, Vec<(u16, u16, &'static str)>) {
    let grammar = toy(top);
    let words: Vec<Views> = ["a", "bark"].iter().map(|word| grammar.lexicon.views(word)).collect();
    let mut chart = Chart::default();
    let weight = chart.fill(&grammar, &open(&grammar, width), &words, held);
    let nodes = chart.best(&grammar, held);
    let nodes = nodes.iter().map(|node| (node.start, node.end, SYMBOLS[node.symbol as usize]));
    (weight, nodes.collect())
}

const NP: [(u16, u16, &str); 5] =
    [(0, 2, "NP"), (0, 2, "@1"), (0, 1, "D"), (1, 2, "@NP|"), (1, 2, "N")];
const VP: [(u16, u16, &str); 5] =
    [(0, 2, "VP"), (0, 2, "@2"), (0, 1, "D"), (1, 2, "@VP|"), (1, 2, "V")];

#[test]
fn the_greatest_sum_wins() {
    assert_eq!(search(0.25, f32::INFINITY, None), (Some(-3.25), NP.to_vec()));
    assert_eq!(search(0.75, f32::INFINITY, None), (Some(-3.0), VP.to_vec()));
}

#[test]
fn a_tree_that_is_held_off_pays_for_its_nodes() {
    // All five nodes of the NP: -3.25 - 5 × 0.125 = -3.875; D is common to both, so
    // that the VP has -3.75 + 0.25 - 0.125 = -3.625.
    let mut nodes = [(0, 2, 7), (0, 2, 5), (0, 1, 0), (1, 2, 3), (1, 2, 1)];
    nodes.sort_unstable();
    let held = Some(Held { nodes: &nodes, cost: 0.125 });
    assert_eq!(search(0.25, f32::INFINITY, held), (Some(-3.625), VP.to_vec()));
}

#[test]
fn a_narrow_beam_loses_the_better_tree() {
    // Over "bark" N has -0.5, V -2: a beam of 1 drops V and with it the VP.
    assert_eq!(search(0.75, 1.0, None), (Some(-3.25), NP.to_vec()));
    assert_eq!(search(0.75, 2.0, None), (Some(-3.0), VP.to_vec()));
}

#[test]
fn what_no_tree_spans_is_covered() {
    let grammar = toy(0.0);
    let words: Vec<Views> =
        ["bark", "a", "bark"].iter().map(|word| grammar.lexicon.views(word)).collect();
    let mut chart = Chart::default();
    assert_eq!(chart.fill(&grammar, &open(&grammar, f32::INFINITY), &words, None), None);
    assert_eq!(chart.top(), None);
    assert_eq!(chart.cover(&grammar, 20.0), [(0, 1, 1), (1, 3, 7)]);
    let nodes = chart.tree(&grammar, (1, 3, 7), None);
    let nodes: Vec<_> = nodes.iter().map(|node| (node.start, node.end, node.symbol)).collect();
    assert_eq!(nodes, [(1, 3, 7), (1, 3, 5), (1, 2, 0), (2, 3, 3), (2, 3, 1)]);
}

#[test]
fn no_words_have_no_tree() {
    let grammar = toy(0.0);
    let mut chart = Chart::default();
    assert_eq!(chart.fill(&grammar, &open(&grammar, 9.0), &[], None), None);
    assert!(chart.best(&grammar, None).is_empty());
    assert!(chart.cover(&grammar, 20.0).is_empty());
}
