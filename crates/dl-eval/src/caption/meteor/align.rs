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

/// A way through the reference so far.
#[derive(Clone, Copy)]
struct Path {
    weight: usize,
    chunks: usize,
    distance: usize,
    /// First word of the reference that the path has not seen.
    next: usize,
    /// The candidate's word after the last match, while a chunk is open.
    open: Option<usize>,
    /// The last link of its chain of matches.
    last: Option<usize>,
}

impl Path {
    fn take(&mut self, found: &Match) {
        let half = if found.matcher == Matcher::Exact { 1 } else { 2 };
        self.weight += found.candidate.length / half + found.reference.length / half;
        if self.open.is_some_and(|open| open != found.candidate.start) {
            self.chunks += 1;
        }
        self.next = found.reference.end();
        self.open = Some(found.candidate.end());
    }

    fn close_chunk(&mut self) {
        self.chunks += usize::from(self.open.take().is_some());
    }

    /// Ascends from good to bad. Sorting keeps the order of equal paths.
    fn rank(&self) -> (Reverse<usize>, usize, usize) {
        (Reverse(self.weight), self.chunks, self.distance)
    }
}

/// The paths that go on, and which words of the candidate each has used: a bit a
/// word. Those of the reference need no bits, since paths go from left to right.
struct Beam {
    paths: Vec<Path>,
    used: Vec<u64>,
    /// Numbers in `used` of each path.
    stride: usize,
    /// Matches of all paths: each with the link before it.
    links: Vec<(Match, Option<usize>)>,
}

/// A path one word longer: from which it comes and with which match, if any.
type Grown = (Path, usize, Option<Match>);

impl Beam {
    fn overlaps(&self, path: usize, span: Span) -> bool {
        let used = &self.used[path * self.stride..];
        span.range().any(|word| used[word / 64] >> (word % 64) & 1 == 1)
    }

    /// Keeps the best.
    fn replace(&mut self, grown: &mut Vec<Grown>) {
        grown.sort_by_key(|(path, ..)| path.rank());
        grown.truncate(BEAM);
        let before = std::mem::take(&mut self.used);
        self.paths.clear();
        for (mut path, from, found) in grown.drain(..) {
            let row = self.used.len();
            self.used.extend(&before[from * self.stride..][..self.stride]);
            if let Some(found) = found {
                found.candidate.range().for_each(|w| self.used[row + w / 64] |= 1 << (w % 64));
                self.links.push((found, path.last));
                path.last = Some(self.links.len() - 1);
            }
            self.paths.push(path);
        }
    }
}

fn distance(found: &Match) -> usize {
    found.reference.start.abs_diff(found.candidate.start)
}

/// Matches that no other overlaps are taken before the search: by first word.
fn settled(stage: &Stage, candidate: usize) -> Vec<Option<Match>> {
    let mut cover = [vec![0; stage.by_word().len()], vec![0; candidate]];
    for found in stage.all() {
        cover[0][found.reference.range()].iter_mut().for_each(|count| *count += 1);
        cover[1][found.candidate.range()].iter_mut().for_each(|count| *count += 1);
    }
    let alone = |found: &&Match| {
        let once = |side: usize, span: Span| cover[side][span.range()].iter().all(|&n| n == 1);
        once(0, found.reference) && once(1, found.candidate)
    };
    stage.by_word().map(|found| found.first().filter(alone).copied()).collect()
}

/// The chosen matches, from left to right in the reference.
fn search(stage: &Stage, candidate: usize) -> Vec<Match> {
    let settled = settled(stage, candidate);
    let start = Path { weight: 0, chunks: 0, distance: 0, next: 0, open: None, last: None };
    let stride = candidate.div_ceil(64);
    let mut beam = Beam { paths: vec![start], used: vec![0; stride], stride, links: Vec::new() };
    let mut grown: Vec<Grown> = Vec::new();
    for (current, matches) in stage.by_word().enumerate() {
        for (index, &path) in beam.paths.iter().enumerate() {
            let mut path = path;
            if path.next > current {
                grown.push((path, index, None));
                continue;
            }
            if let Some(found) = settled[current] {
                path.take(&found);
                path.distance += distance(&found);
                grown.push((path, index, Some(found)));
                continue;
            }
            for &found in matches {
                if !beam.overlaps(index, found.candidate) {
                    let mut with = path;
                    with.take(&found);
                    grown.push((with, index, Some(found)));
                    path.distance += distance(&found);
                }
            }
            path.close_chunk();
            path.next += 1;
            grown.push((path, index, None));
        }
        beam.replace(&mut grown);
    }
    beam.paths.iter_mut().for_each(Path::close_chunk);
    let mut link = beam.paths.iter().min_by_key(|path| path.rank()).and_then(|path| path.last);
    let mut chosen = Vec::new();
    while let Some((found, before)) = link.map(|link| beam.links[link]) {
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
