//! The rules against the tables of the original tokenizer, state by state: from the start
//! both automata read every class of characters, and wherever they can get together they
//! must agree on what has been matched.

use std::collections::{HashMap, HashSet, VecDeque};

use serde::Deserialize;

use super::{
    classes::class,
    lexer::{CACHE, LEXER},
    rules::{Action, End},
};

/// The tables, as `tests/golden/large_comparison.py` writes them.
#[derive(Deserialize)]
struct Tables {
    start: usize,
    classes: Vec<usize>,
    rows: Vec<usize>,
    next: Vec<i64>,
    attributes: Vec<u8>,
    actions: Vec<u16>,
}

/// The numbers of the original's actions that do the same.
fn numbers(end: End, action: Action) -> &'static [u16] {
    match (action, end) {
        (Action::Skip, _) => &[1, 5, 7, 23],
        (Action::Name("<"), _) => &[2],
        (Action::Name(">"), _) => &[10],
        (Action::Name("--"), _) => &[11],
        (Action::Name("..."), _) => &[13],
        (Action::Name("-RCB-"), _) => &[16],
        (Action::Name("-LRB-"), _) => &[17],
        (Action::Name("-RRB-"), _) => &[18],
        (Action::Name("-LCB-"), _) => &[20],
        (Action::Name("-RSB-"), _) => &[21],
        (Action::Name("-LSB-"), _) => &[22],
        (Action::Hyphens, _) => &[4],
        (Action::Copy, End::Whole) => &[3, 9, 19, 31, 45, 52],
        (Action::Copy, End::Less(1)) => &[25],
        (Action::Copy, End::Less(2)) => &[42, 48],
        (Action::Copy, End::Less(3)) => &[50],
        (Action::Copy, End::Less(4)) => &[53],
        (Action::Copy, End::Initials) => &[47],
        (Action::Copy, End::Stop) => &[44],
        (Action::Copy, End::Sentence) => &[33, 49],
        (Action::Copy, End::Space) => &[24, 41, 43],
        (Action::Soften, End::Whole) => &[6, 12, 29],
        (Action::Soften, End::Apostrophe) => &[30],
        (Action::Soften, End::Negation) => &[40],
        (Action::Soften, End::Less(1)) => &[32, 46],
        (Action::Quote(false), End::Whole) => &[8],
        (Action::Quote(false), End::Less(1)) => &[36],
        (Action::Quote(true), End::Less(1)) => &[26],
        (Action::Quote(true), End::After(1)) => &[35],
        (Action::Fraction, _) => &[14],
        (Action::Currency, _) => &[15],
        (Action::Phone, _) => &[54],
        (Action::Brackets, End::Whole) => &[28],
        (Action::Brackets, End::Less(1)) => &[34],
        (Action::Unbroken, _) => &[27, 38, 39],
        (Action::Ampersand, End::Whole) => &[3, 37],
        (Action::Ampersand, End::Less(1)) => &[51],
        _ => &[],
    }
}

#[test]
fn the_rules_accept_what_the_original_accepts() {
    let Some(folder) = std::env::var_os("DL_EVAL_LARGE") else { return };
    let file = std::path::Path::new(&folder).join("ptb_tables.json");
    let tables: Tables = serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap();
    // Every class of ours lies within one of theirs, four characters apart.
    let mut theirs = HashMap::new();
    for c in (0..=u16::MAX).filter_map(|code| char::from_u32(u32::from(code))) {
        if !['ſ', 'ı', 'İ', '\u{212a}'].contains(&c) {
            let found = tables.classes[c as usize];
            assert_eq!(*theirs.entry(class(c)).or_insert(found), found, "{c:?}");
        }
    }
    let seen = CACHE.with_borrow_mut(|cache| {
        let start = (LEXER.start(cache).unwrap(), Some(tables.start));
        let mut seen = HashSet::from([start]);
        let mut open = VecDeque::from([(start, Vec::new())]);
        while let Some(((ours, their), read)) = open.pop_front() {
            for (&unit, &class) in &theirs {
                let their = their.and_then(|state| {
                    usize::try_from(tables.next[tables.rows[state] + class]).ok()
                });
                let ours = LEXER.next(cache, ours, unit).unwrap();
                if their.is_none() && ours.is_dead() || !seen.insert((ours, their)) {
                    continue;
                }
                let mut read = read.clone();
                read.push(unit);
                let found = LEXER.matched(cache, ours);
                let expected = their
                    .filter(|&state| tables.attributes[state] & 1 == 1)
                    .map(|state| tables.actions[state]);
                let equal = match (found, expected) {
                    (Some((end, action)), Some(number)) => numbers(end, action).contains(&number),
                    (None, None) => true,
                    _ => false,
                };
                assert!(equal, "\"{}\": {found:?}, not {expected:?}", read.escape_ascii());
                open.push_back(((ours, their), read));
            }
        }
        seen.len()
    });
    assert!(seen > 4_000, "{seen}");
}
