//! Captions to trees.

use std::cell::RefCell;

use super::{
    chart::{Beam, Chart, Rule},
    grammar::Grammar,
    lexicon::Views,
    symbols::Symbol,
    tree::{Below, Node, ROOT, Tree},
    weights::{self, WeightsError},
};

/// Captions of more words are parsed in pieces. Time and memory of a search grow with
/// the cube and the square of the words; of 340,000 captions none is as long.
pub const LONGEST: usize = 60;
/// How long the pieces are, in words.
pub const PIECE: usize = 30;

/// Over pieces.
const FRAGMENTS: &str = "FRAG";
/// Over pieces but the first.
const MORE_FRAGMENTS: &str = "@FRAG";
/// What each further piece costs where no tree spans all words.
const PIECE_COST: f32 = 20.0;

/// Finds the tree of greatest weight.
#[derive(Debug, Clone)]
pub struct Parser {
    grammar: Grammar,
    beam: Beam,
}

thread_local! {
    static CHART: RefCell<Chart> = RefCell::new(Chart::default());
}

impl Parser {
    /// A parser with this grammar.
    pub fn new(grammar: Grammar, beam: Beam) -> Self {
        Self { grammar, beam }
    }

    /// The parser of captions that the program carries.
    ///
    /// # Errors
    /// [`WeightsError`], should the weights carried be broken.
    pub fn embedded() -> Result<Self, WeightsError> {
        Self::read(include_bytes!("captions.weights"))
    }

    /// A parser from weights as [`Self::write`] gives them.
    ///
    /// # Errors
    /// [`WeightsError`] where the bytes are not such weights.
    pub fn read(bytes: &[u8]) -> Result<Self, WeightsError> {
        let (grammar, beam) = weights::read(bytes)?;
        Ok(Self { grammar, beam })
    }

    /// The weights as bytes, rounded.
    ///
    /// # Errors
    /// [`WeightsError`] where they cannot be packed.
    pub fn write(&self) -> Result<Vec<u8>, WeightsError> {
        weights::write(&self.grammar, &self.beam)
    }

    /// The same parser with another width of its beam; an infinite one searches all.
    pub fn with_width(mut self, width: f32) -> Self {
        self.beam.width = width;
        self
    }

    /// The grammar.
    pub fn grammar(&self) -> &Grammar {
        &self.grammar
    }

    /// The beam.
    pub fn beam(&self) -> &Beam {
        &self.beam
    }

    /// The tree of a caption's words: lower-cased tokens of the PTB tokeniser. Any words
    /// have one: more than [`LONGEST`], and such as no tree of the grammar spans, are
    /// parsed in pieces ([`Tree::pieces`]). No words give the tree without nodes.
    pub fn parse(&self, words: &[&str]) -> Tree<'_> {
        let size = if words.len() > LONGEST { PIECE } else { LONGEST };
        let mut pieces = Vec::new();
        CHART.with_borrow_mut(|chart| {
            for (number, piece) in words.chunks(size).enumerate() {
                self.search(chart, piece, number * size, &mut pieces);
            }
        });
        self.build(&pieces)
    }

    /// The nodes of some words, in one piece or several.
    fn search<'a>(
        &'a self,
        chart: &mut Chart,
        words: &[&str],
        offset: usize,
        pieces: &mut Vec<Vec<Step<'a>>>,
    ) {
        let views: Vec<Views> = words.iter().map(|word| self.grammar.lexicon.views(word)).collect();
        let mut weight = chart.fill(&self.grammar, &self.beam, &views, None);
        if weight.is_none() && self.beam.width.is_finite() {
            let beam = Beam { width: 2.0 * self.beam.width, ..self.beam.clone() };
            weight = chart.fill(&self.grammar, &beam, &views, None);
        }
        match (weight, chart.top()) {
            (Some(_), Some(top)) => {
                pieces.push(self.piece(chart, (0, words.len(), top), offset));
            }
            _ => {
                for span in chart.cover(&self.grammar, PIECE_COST) {
                    pieces.push(self.piece(chart, span, offset));
                }
            }
        }
    }

    fn piece(&self, chart: &Chart, span: (usize, usize, Symbol), offset: usize) -> Vec<Step<'_>> {
        chart
            .tree(&self.grammar, span, None)
            .iter()
            .map(|node| Step {
                label: &self.grammar.rules.symbols()[node.symbol as usize],
                below: match node.rule {
                    Rule::Word(_) => Kind::Word(offset + node.start as usize),
                    Rule::One(_) => Kind::One,
                    Rule::Two(..) => Kind::Two,
                },
            })
            .collect()
    }

    /// One tree of all pieces.
    fn build<'a>(&self, pieces: &[Vec<Step<'a>>]) -> Tree<'a> {
        let mut steps = Vec::new();
        for (number, piece) in pieces.iter().enumerate() {
            let last = number + 1 == pieces.len();
            if number == 0 {
                steps.push(Step { label: ROOT, below: Kind::One });
            }
            if !last {
                let label = if number == 0 { FRAGMENTS } else { MORE_FRAGMENTS };
                steps.push(Step { label, below: Kind::Two });
            }
            steps.extend_from_slice(piece);
        }
        Tree::new(link(&steps)).in_pieces(pieces.len())
    }
}

/// A node in preorder that does not know its children's numbers yet.
#[derive(Debug, Clone, Copy)]
struct Step<'a> {
    label: &'a str,
    below: Kind,
}

#[derive(Debug, Clone, Copy)]
enum Kind {
    Word(usize),
    One,
    Two,
}

fn link<'a>(steps: &[Step<'a>]) -> Vec<Node<'a>> {
    let mut nodes: Vec<Node<'a>> =
        steps.iter().map(|step| Node { label: step.label, below: Below::Word(0) }).collect();
    // From the last on, so that children are complete when their parent comes.
    let mut open = Vec::new();
    for (index, step) in steps.iter().enumerate().rev() {
        nodes[index].below = match step.below {
            Kind::Word(word) => Below::Word(word),
            Kind::One => Below::One(open.pop().unwrap_or(index)),
            Kind::Two => {
                let left = open.pop().unwrap_or(index);
                Below::Two(left, open.pop().unwrap_or(index))
            }
        };
        open.push(index);
    }
    nodes
}
