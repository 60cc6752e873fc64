//! What a word says about its tag. The weight of a (tag, word) pair is a sum over
//! views of the word: the word itself, its last four, three and two letters, and its
//! shape. Each view has a row of weights, for annotated tags and for plain ones.
//! A word that training never saw has its endings and its shape.

use std::collections::{BTreeMap, HashMap};

use super::{symbols::Symbol, tree::plain_label};

/// Endings that are views, in letters.
const ENDINGS: [usize; 3] = [4, 3, 2];

/// How a lexicon is read off tagged words.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize)]
pub struct LexiconConfig {
    /// A word seen less often may have any open tag (default 30).
    pub rare: u32,
    /// A word seen at most this often speaks for words never seen (default 4).
    pub unseen: u32,
    /// How much a word's shape counts, in occurrences of the word (default 1).
    pub smoothing: f64,
    /// An ending needs this many different words (default 3).
    pub ending_words: usize,
}

impl Default for LexiconConfig {
    fn default() -> Self {
        Self { rare: 30, unseen: 4, smoothing: 1.0, ending_words: 3 }
    }
}

/// Weights of (tag, word) pairs.
#[derive(Debug, Clone, PartialEq)]
pub struct Lexicon {
    /// The annotated tags. Elsewhere in this file a tag is a number into this list.
    pub(super) tags: Vec<Symbol>,
    /// The number of each tag's plain tag.
    pub(super) plain: Vec<u8>,
    /// Rows of words come first.
    pub(super) words: HashMap<String, u32, foldhash::fast::FixedState>,
    /// Rows of endings.
    pub(super) endings: HashMap<String, u32, foldhash::fast::FixedState>,
    /// Whether a word may have any open tag, by row.
    pub(super) rare: Vec<bool>,
    /// The weight of a word's tags that have none in its row, by row.
    pub(super) floors: Vec<f32>,
    /// The plain tag that a word mostly has, by row; then that of each shape.
    pub(super) classes: Vec<u8>,
    /// Tags of words never seen.
    pub(super) open: Vec<u16>,
    /// The row of the first shape.
    pub(super) shapes: u32,
    /// Where each row begins in `columns` and `weights`.
    pub(super) row_at: Vec<u32>,
    /// Ascending in each row: tags, then plain tags with the number of tags added.
    pub(super) columns: Vec<u16>,
    pub(super) weights: Vec<f32>,
}

/// The rows of one word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Views {
    /// The first is the word's own, where it is known.
    rows: [u32; 2 + ENDINGS.len()],
    count: usize,
    known: bool,
    /// The plain tag that the word mostly has.
    pub(super) class: u8,
}

impl Views {
    fn rows(&self) -> &[u32] {
        &self.rows[..self.count]
    }
}

/// Tags that a word may have, with their weights, and room to add them up.
#[derive(Debug, Clone, Default)]
pub struct TagScores {
    /// Ascending: tag and weight.
    pub(super) scores: Vec<(u16, f32)>,
    sums: Vec<f32>,
    may: Vec<bool>,
}

/// Endings that tell much about an English word's tag; the shape holds the first that
/// fits.
const TELLING: [&str; 10] = ["ed", "ing", "ion", "er", "est", "ly", "ity", "y", "al", "s"];
/// Shapes: ending or none, times digits (none, some, all), times hyphen.
pub(super) const SHAPES: u32 = (TELLING.len() as u32 + 1) * 3 * 2;

fn shape(word: &str) -> u32 {
    let letters = word.chars().count();
    let ending = TELLING
        .iter()
        .position(|ending| {
            word.ends_with(ending)
                && match *ending {
                    "s" => letters > 2 && !word.ends_with("ss"),
                    _ => letters > 4,
                }
        })
        .map_or(0, |index| index + 1) as u32;
    let digits = word.chars().filter(char::is_ascii_digit).count();
    let digits = match digits {
        0 => 0,
        _ if digits == letters => 2,
        _ => 1,
    };
    (ending * 3 + digits) * 2 + u32::from(word.contains('-'))
}

/// The last `count` letters of a word that has more.
fn ending(word: &str, count: usize) -> Option<&str> {
    let (at, _) = word.char_indices().rev().nth(count - 1)?;
    (at > 0).then(|| &word[at..])
}

fn greatest(counts: &[f64; 256]) -> u8 {
    let mut best = 0;
    for (class, &count) in counts.iter().enumerate() {
        if count > counts[best] {
            best = class;
        }
    }
    best as u8
}

/// How often each word had each tag.
pub type TagCounts = BTreeMap<String, BTreeMap<Symbol, u32>>;

impl Lexicon {
    /// A lexicon of all words, with weights at the logarithm of tag given word over
    /// tag. Tags are those of `counts`.
    pub fn of(symbols: &[String], counts: &TagCounts, config: &LexiconConfig) -> Self {
        let mut tags: Vec<Symbol> = counts.values().flat_map(|tags| tags.keys().copied()).collect();
        tags.sort_unstable();
        tags.dedup();
        let mut plain_names: Vec<&str> =
            tags.iter().map(|&tag| plain_label(&symbols[tag as usize])).collect();
        plain_names.sort_unstable();
        plain_names.dedup();
        let plain: Vec<u8> = tags
            .iter()
            .map(|&tag| {
                let name = plain_label(&symbols[tag as usize]);
                plain_names.binary_search(&name).unwrap_or_default() as u8
            })
            .collect();
        let mut lexicon = Self {
            plain,
            words: HashMap::default(),
            endings: HashMap::default(),
            rare: Vec::with_capacity(counts.len()),
            floors: Vec::with_capacity(counts.len()),
            classes: Vec::with_capacity(counts.len()),
            open: Vec::new(),
            shapes: 0,
            row_at: vec![0],
            columns: Vec::new(),
            weights: Vec::new(),
            tags,
        };
        lexicon.fill(counts, config);
        lexicon
    }

    fn fill(&mut self, counts: &TagCounts, config: &LexiconConfig) {
        let width = self.tags.len();
        let number: HashMap<Symbol, usize> =
            self.tags.iter().enumerate().map(|(index, &tag)| (tag, index)).collect();
        let mut tag_share = vec![0.0; width];
        let mut shape_share = vec![vec![0.0; width]; SHAPES as usize];
        let mut ending_words: BTreeMap<&str, usize> = BTreeMap::new();
        for (word, tags) in counts {
            let total: u32 = tags.values().sum();
            for (tag, &count) in tags {
                tag_share[number[tag]] += f64::from(count);
                if total <= config.unseen {
                    shape_share[shape(word) as usize][number[tag]] += f64::from(count);
                }
            }
            for length in ENDINGS {
                if let Some(ending) = ending(word, length) {
                    *ending_words.entry(ending).or_default() += 1;
                }
            }
        }
        let total: f64 = tag_share.iter().sum();
        tag_share.iter_mut().for_each(|share| *share /= total);
        let mut over_shapes = vec![0.0; width];
        for share in &shape_share {
            for (sum, share) in over_shapes.iter_mut().zip(share) {
                *sum += share;
            }
        }
        self.open =
            (0..width).filter(|&tag| over_shapes[tag] >= 3.0).map(|tag| tag as u16).collect();
        let rare_total: f64 = over_shapes.iter().sum::<f64>().max(1.0);
        for share in &mut shape_share {
            let sum: f64 = share.iter().sum();
            for ((share, over), tag) in share.iter_mut().zip(&over_shapes).zip(&tag_share) {
                // Seen with this shape, else with any, else at all.
                let prior = (over + 0.01 * tag) / (rare_total + 0.01);
                *share = (*share + 2.0 * prior) / (sum + 2.0);
            }
        }

        for (word, tags) in counts {
            let total: u32 = tags.values().sum();
            let row = self.rare.len() as u32;
            let mut by_class = [0.0_f64; 256];
            for (tag, &count) in tags {
                by_class[self.plain[number[tag]] as usize] += f64::from(count);
            }
            self.classes.push(greatest(&by_class));
            self.rare.push(total < config.rare);
            self.words.insert(word.clone(), row);
            // Annotated tags of the plain tags that the word was seen with.
            let mut plain: Vec<u8> = tags.keys().map(|tag| self.plain[number[tag]]).collect();
            plain.sort_unstable();
            plain.dedup();
            let mut own: Vec<usize> =
                (0..width).filter(|&tag| plain.contains(&self.plain[tag])).collect();
            if total < config.rare {
                own.extend(self.open.iter().map(|&tag| tag as usize));
                own.sort_unstable();
                own.dedup();
            }
            let shape = &shape_share[shape(word) as usize];
            let sum = f64::from(total) + config.smoothing;
            let floor = (config.smoothing / sum).ln();
            self.floors.push(floor as f32);
            for &tag in &own {
                match tags.get(&self.tags[tag]) {
                    None => self.push(tag, floor),
                    Some(&count) => {
                        let seen = (f64::from(count) + config.smoothing * shape[tag]) / sum;
                        self.push(tag, (seen / shape[tag]).ln());
                    }
                }
            }
            let mut plain: Vec<usize> =
                own.iter().map(|&tag| width + self.plain[tag] as usize).collect();
            plain.sort_unstable();
            plain.dedup();
            for column in plain {
                self.push(column, 0.0);
            }
            self.row_at.push(self.columns.len() as u32);
        }
        let plain_count = self.classes();
        for (ending, words) in ending_words {
            if words >= config.ending_words {
                self.endings.insert(ending.to_owned(), self.row_at.len() as u32 - 1);
                for column in 0..plain_count {
                    self.push(width + column, 0.0);
                }
                self.row_at.push(self.columns.len() as u32);
            }
        }
        self.shapes = self.row_at.len() as u32 - 1;
        for shape in shape_share {
            let mut by_class = [0.0_f64; 256];
            for (tag, &share) in shape.iter().enumerate() {
                by_class[self.plain[tag] as usize] += share;
            }
            self.classes.push(greatest(&by_class));
            for (tag, share) in shape.iter().enumerate() {
                self.push(tag, (share / tag_share[tag]).ln());
            }
            for column in 0..plain_count {
                self.push(width + column, 0.0);
            }
            self.row_at.push(self.columns.len() as u32);
        }
    }

    /// How many plain tags there are.
    pub(super) fn classes(&self) -> usize {
        self.plain.iter().max().map_or(0, |&most| most as usize + 1)
    }

    fn push(&mut self, column: usize, weight: f64) {
        self.columns.push(column as u16);
        self.weights.push(weight as f32);
    }

    /// The symbols over words.
    pub fn tags(&self) -> &[Symbol] {
        &self.tags
    }

    /// The rows of a word.
    pub fn views(&self, word: &str) -> Views {
        let mut views = Views { rows: [0; 2 + ENDINGS.len()], count: 0, known: false, class: 0 };
        let mut add = |row| {
            views.rows[views.count] = row;
            views.count += 1;
        };
        let own = self.words.get(word);
        if let Some(&row) = own {
            add(row);
        }
        for length in ENDINGS {
            if let Some(&row) = ending(word, length).and_then(|ending| self.endings.get(ending)) {
                add(row);
            }
        }
        let shape = shape(word);
        add(self.shapes + shape);
        views.known = own.is_some();
        let class = own.map_or(self.rare.len() + shape as usize, |&row| row as usize);
        views.class = self.classes[class];
        views
    }

    fn row(&self, row: u32) -> std::ops::Range<usize> {
        self.row_at[row as usize] as usize..self.row_at[row as usize + 1] as usize
    }

    /// The tags that a word may have, and their weights.
    pub fn scores(&self, views: &Views, found: &mut TagScores) {
        let width = self.tags.len();
        let TagScores { scores, sums, may } = found;
        sums.clear();
        sums.resize(width + self.classes(), 0.0);
        may.clear();
        may.resize(width, false);
        let mut rows = views.rows();
        if views.known
            && let Some((&own, others)) = rows.split_first()
        {
            rows = others;
            let range = self.row(own);
            sums[..width].fill(self.floors[own as usize]);
            let mut plain = [false; 256];
            for (&column, &weight) in self.columns[range.clone()].iter().zip(&self.weights[range]) {
                sums[column as usize] = weight;
                if let Some(may) = may.get_mut(column as usize) {
                    *may = true;
                    plain[self.plain[column as usize] as usize] = true;
                }
            }
            for (may, plain_tag) in may.iter_mut().zip(&self.plain) {
                *may |= plain[*plain_tag as usize];
            }
        }
        if !views.known || self.rare[views.rows[0] as usize] {
            self.open.iter().for_each(|&tag| may[tag as usize] = true);
        }
        for &row in rows {
            let range = self.row(row);
            for (&column, &weight) in self.columns[range.clone()].iter().zip(&self.weights[range]) {
                sums[column as usize] += weight;
            }
        }
        scores.clear();
        for tag in (0..width).filter(|&tag| may[tag]) {
            scores.push((tag as u16, sums[tag] + sums[width + self.plain[tag] as usize]));
        }
    }

    /// The places of the weights that the sum for this tag holds.
    pub(super) fn places(&self, views: &Views, tag: usize, mut found: impl FnMut(usize)) {
        let plain = self.tags.len() + self.plain[tag] as usize;
        for &row in views.rows() {
            let range = self.row(row);
            for column in [tag, plain] {
                if let Ok(at) = self.columns[range.clone()].binary_search(&(column as u16)) {
                    found(range.start + at);
                }
            }
        }
    }
}
