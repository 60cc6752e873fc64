//! The alignment that METEOR scores: of all sets of matches that use no word
//! twice the one with most weight, then the fewest chunks, then the least
//! distance, as the jar's beam search finds it. The search goes through the
//! reference from left to right. Its peculiarities are kept, since scores depend
//! on them: matches other than exact weigh half a word here and are rounded down,
//! and the distance of a match is charged to the paths without it.

use std::cmp::Reverse;

use super::{
    matcher::{Match, Matcher, Sentence, Span, Stage},
    score::{Counts, Side},
};

/// Paths that go on at each word of the reference.
const BEAM: usize = 40;

/// One bit a word: those of the reference, then those of the candidate.
#[derive(Clone)]
struct Used {
    bits: Vec<u64>,
    reference: usize,
}

impl Used {
    fn new(reference: usize, candidate: usize) -> Self {
        Self { bits: vec![0; (reference + candidate).div_ceil(64)], reference }
    }

    fn places(&self, found: &Match) -> impl Iterator<Item = usize> + use<> {
        let offset = self.reference;
        found.reference.range().chain(found.candidate.range().map(move |place| place + offset))
    }

    fn holds(&self, place: usize) -> bool {
        self.bits[place / 64] >> (place % 64) & 1 == 1
    }

    fn overlaps(&self, found: &Match) -> bool {
        self.places(found).any(|place| self.holds(place))
    }

    fn add(&mut self, found: &Match) {
        for place in self.places(found) {
            self.bits[place / 64] |= 1 << (place % 64);
        }
    }
}

/// A way through the reference so far.
#[derive(Clone)]
struct Path {
    weight: usize,
    chunks: usize,
    distance: usize,
    /// First word of the reference that the path has not seen.
    next: usize,
    /// The candidate's word after the last match, while a chunk is open.
    open: Option<usize>,
    used: Used,
    /// The last link of its chain of matches.
    last: Option<usize>,
}

/// Matches of all paths: each with the link before it.
type Links = Vec<(Match, Option<usize>)>;

impl Path {
    fn take(&mut self, found: Match, links: &mut Links) {
        let half = if found.matcher == Matcher::Exact { 1 } else { 2 };
        self.weight += found.candidate.length / half + found.reference.length / half;
        if self.open.is_some_and(|open| open != found.candidate.start) {
            self.chunks += 1;
        }
        self.next = found.reference.end();
        self.open = Some(found.candidate.end());
        links.push((found, self.last));
        self.last = Some(links.len() - 1);
    }

    fn close_chunk(&mut self) {
        self.chunks += usize::from(self.open.take().is_some());
    }
}

fn distance(found: &Match) -> usize {
    found.reference.start.abs_diff(found.candidate.start)
}

fn best_first(paths: &mut [Path]) {
    paths.sort_by_key(|path| (Reverse(path.weight), path.chunks, path.distance));
}

/// Matches that no other overlaps are taken before the search: by first word.
fn settled(stage: &Stage, candidate: usize) -> Vec<Option<Match>> {
    let mut cover = [vec![0; stage.matches.len()], vec![0; candidate]];
    for found in stage.matches.iter().flatten() {
        found.reference.range().for_each(|place| cover[0][place] += 1);
        found.candidate.range().for_each(|place| cover[1][place] += 1);
    }
    let alone = |found: &&Match| {
        let once = |side: usize, span: Span| cover[side][span.range()].iter().all(|&n| n == 1);
        once(0, found.reference) && once(1, found.candidate)
    };
    stage.matches.iter().map(|found| found.first().filter(alone).copied()).collect()
}

/// The chosen matches, from left to right in the reference.
fn search(stage: &Stage, candidate: usize) -> Vec<Match> {
    let settled = settled(stage, candidate);
    let mut used = Used::new(settled.len(), candidate);
    settled.iter().flatten().for_each(|found| used.add(found));
    let start = Path { weight: 0, chunks: 0, distance: 0, next: 0, open: None, used, last: None };
    let mut links = Links::new();
    let mut paths = vec![start];
    for (current, matches) in stage.matches.iter().enumerate() {
        best_first(&mut paths);
        paths.truncate(BEAM);
        let mut longer = Vec::with_capacity(paths.len() + matches.len());
        for mut path in paths {
            if path.next > current {
                longer.push(path);
                continue;
            }
            if let Some(found) = settled[current] {
                path.take(found, &mut links);
                path.distance += distance(&found);
                longer.push(path);
                continue;
            }
            for &found in matches {
                if !path.used.overlaps(&found) {
                    let mut with = path.clone();
                    with.used.add(&found);
                    with.take(found, &mut links);
                    longer.push(with);
                    path.distance += distance(&found);
                }
            }
            path.close_chunk();
            path.next += 1;
            longer.push(path);
        }
        paths = longer;
    }
    best_first(&mut paths);
    paths.truncate(BEAM);
    paths.iter_mut().for_each(Path::close_chunk);
    best_first(&mut paths);
    let mut link = paths.first().and_then(|path| path.last);
    let mut chosen = Vec::new();
    while let Some((found, before)) = link.map(|link| links[link]) {
        chosen.push(found);
        link = before;
    }
    chosen.reverse();
    chosen
}

/// Aligns a candidate with a reference and counts.
pub(super) fn align(candidate: &Sentence, reference: &Sentence) -> Counts {
    let chosen = search(&Stage::new(candidate, reference), candidate.words.len());
    let side = |sentence: &Sentence, span: fn(&Match) -> Span| {
        let mut side = Side { length: sentence.words.len() as u64, ..Side::default() };
        side.function = sentence.words.iter().filter(|word| word.function).count() as u64;
        for found in &chosen {
            for word in &sentence.words[span(found).range()] {
                let matches = if word.function {
                    &mut side.function_matches
                } else {
                    &mut side.content_matches
                };
                matches[found.matcher as usize] += 1;
            }
        }
        side
    };
    let mut chunks = 0;
    let mut end = None;
    for found in &chosen {
        if end != Some((found.reference.start, found.candidate.start)) {
            chunks += 1;
        }
        end = Some((found.reference.end(), found.candidate.end()));
    }
    Counts {
        candidate: side(candidate, |found| found.candidate),
        reference: side(reference, |found| found.reference),
        chunks,
    }
}
