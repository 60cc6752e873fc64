//! The score of an alignment (Denkowski and Lavie, 2014, "Meteor Universal",
//! section 2): weighted harmonic mean of precision and recall, function words
//! counting less, times a penalty for matches that are scattered.

/// Weight of the matches that each matcher found: exact, stem, synonym, paraphrase.
const WEIGHTS: [f64; 4] = [1.0, 0.6, 0.8, 0.6];
/// Weight of recall against precision.
const ALPHA: f64 = 0.85;
/// Form of the penalty.
const BETA: f64 = 0.2;
/// Largest penalty.
const GAMMA: f64 = 0.6;
/// Weight of content words against function words.
const DELTA: f64 = 0.75;

/// What METEOR counts on one side, of one item or summed over items.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Side {
    /// Words.
    pub(super) length: u64,
    /// Function words among them.
    pub(super) function: u64,
    /// Matched content words, by matcher.
    pub(super) content_matches: [u64; 4],
    /// Matched function words, by matcher.
    pub(super) function_matches: [u64; 4],
}

impl Side {
    fn matches(&self) -> u64 {
        self.content_matches.iter().chain(&self.function_matches).sum()
    }

    /// Weighted matches over weighted length.
    fn share(&self) -> f64 {
        let length =
            DELTA * (self.length - self.function) as f64 + (1.0 - DELTA) * self.function as f64;
        // Summed in the order of the jar, so that the last digit is the same.
        let mut matches = 0.0;
        for (counts, weight) in
            [(self.content_matches, DELTA), (self.function_matches, 1.0 - DELTA)]
        {
            for (count, matcher) in counts.into_iter().zip(WEIGHTS) {
                matches += count as f64 * matcher * weight;
            }
        }
        matches / length
    }

    fn add(&mut self, other: &Self) {
        self.length += other.length;
        self.function += other.function;
        for matcher in 0..4 {
            self.content_matches[matcher] += other.content_matches[matcher];
            self.function_matches[matcher] += other.function_matches[matcher];
        }
    }
}

/// What METEOR counts of an aligned pair, or summed over items.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Counts {
    pub(super) candidate: Side,
    pub(super) reference: Side,
    /// Runs of matches that are contiguous and in the same order on both sides.
    pub(super) chunks: u64,
}

impl Counts {
    /// Whether every word of both sides is matched in one run.
    fn is_whole(&self) -> bool {
        self.candidate.matches() == self.candidate.length
            && self.reference.matches() == self.reference.length
            && self.chunks == 1
    }

    /// The score, from 0 to 1. Without a match, or with an empty side, it is 0.
    pub(super) fn score(&self) -> f64 {
        let (precision, recall) = (self.candidate.share(), self.reference.share());
        let mean = 1.0 / ((1.0 - ALPHA) / precision + ALPHA / recall);
        let matches = (self.candidate.matches() + self.reference.matches()) as f64 / 2.0;
        let scattered = if self.is_whole() { 0.0 } else { self.chunks as f64 / matches };
        let score = mean * (1.0 - GAMMA * scattered.powf(BETA));
        if score.is_nan() { 0.0 } else { score.max(0.0) }
    }

    /// Adds an item to a sum. The chunk of an item that is matched whole is no
    /// scatter and is left out, as the jar does.
    pub(super) fn add(mut self, other: &Self) -> Self {
        self.candidate.add(&other.candidate);
        self.reference.add(&other.reference);
        if !other.is_whole() {
            self.chunks += other.chunks;
        }
        self
    }
}
