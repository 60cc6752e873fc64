//! Trees of a caption: the binary tree over which the parser searches, and the
//! plain tree that its readers know. A symbol of the binary tree is a label with
//! annotation behind it (`NP^S-B` is an NP under an S); symbols that begin with
//! `@` are steps inside a constituent and are dissolved in the plain tree.
//! Source: the trees of SPICE 1.0's parser as printed by it.

use std::ops::Range;

/// What stands for the end of a sentence in printed trees, as a tag.
pub(super) const END_TAG: &str = ".$$.";
/// The label of every tree's top.
pub(super) const ROOT: &str = "ROOT";

/// A printed tree that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("tree is broken at byte {at}: {fault}")]
pub struct TreeError {
    /// Where reading stopped, in bytes from the start.
    pub at: usize,
    /// What is wrong there.
    pub fault: &'static str,
}

/// What stands under a node of a binary tree. Nodes are numbers into [`Tree::nodes`],
/// words are numbers from 0 in the caption.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Below {
    /// A tag and its word.
    Word(usize),
    /// One child.
    One(usize),
    /// Two children, left and right.
    Two(usize, usize),
}

/// A node of a binary tree.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Node<'a> {
    /// The annotated symbol.
    pub label: &'a str,
    /// Its children.
    pub below: Below,
}

/// A binary tree of annotated symbols. The top is `ROOT` with one child; the mark
/// of the sentence's end, which the printed form carries, is not a part of it. The
/// tree of no words has no nodes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tree<'a> {
    nodes: Vec<Node<'a>>,
    pieces: usize,
}

impl<'a> Tree<'a> {
    /// A tree of nodes in preorder: a parent comes before its children, left before
    /// right, and words ascend from 0.
    pub(super) fn new(nodes: Vec<Node<'a>>) -> Self {
        Self { nodes, pieces: 1 }
    }

    /// The same, parsed in so many pieces.
    pub(super) fn in_pieces(self, pieces: usize) -> Self {
        Self { pieces, ..self }
    }

    /// In how many pieces the words were parsed: more than one where the caption is
    /// too long or has no tree of its own. The pieces stand side by side under `FRAG`.
    pub fn pieces(&self) -> usize {
        self.pieces
    }

    /// Reads a printed tree, `(ROOT (NP^ROOT-B (NN^NP rain)) (.$$. .$.))`, and gives
    /// its words too. A label may hold spaces: it ends before " (", in a leaf before
    /// the last space.
    ///
    /// # Errors
    /// [`TreeError`] for unbalanced brackets, a node without label, a leaf without
    /// word, or more than two children.
    pub fn read(text: &'a str) -> Result<(Self, Vec<&'a str>), TreeError> {
        Reader { text, at: 0, nodes: Vec::new(), words: Vec::new() }.tree()
    }

    /// The nodes in preorder; the top is the first.
    pub fn nodes(&self) -> &[Node<'a>] {
        &self.nodes
    }

    /// How many words the tree spans.
    pub fn words(&self) -> usize {
        self.nodes.iter().filter(|node| matches!(node.below, Below::Word(_))).count()
    }

    /// The plain tree: steps dissolved, annotation cut.
    pub fn plain(&self) -> PlainTree<'a> {
        PlainTree::of(self)
    }

    /// The printed form with these words, as [`Self::read`] takes it; `words[i]` is
    /// the caption's word `i`.
    pub fn print(&self, words: &[&str]) -> String {
        let mut text = String::new();
        // A node, or brackets that close after it.
        enum Step {
            Open(usize),
            Close,
        }
        let mut stack = Vec::new();
        if !self.nodes.is_empty() {
            stack.push(Step::Open(0));
        }
        while let Some(step) = stack.pop() {
            let index = match step {
                Step::Close => {
                    if stack.is_empty() {
                        text.push_str(" (.$$. .$.)");
                    }
                    text.push(')');
                    continue;
                }
                Step::Open(index) => index,
            };
            if !text.is_empty() {
                text.push(' ');
            }
            text.push('(');
            text.push_str(self.nodes[index].label);
            stack.push(Step::Close);
            match self.nodes[index].below {
                Below::Word(word) => {
                    text.push(' ');
                    text.push_str(words.get(word).copied().unwrap_or("?"));
                }
                Below::One(child) => stack.push(Step::Open(child)),
                Below::Two(left, right) => {
                    stack.push(Step::Open(right));
                    stack.push(Step::Open(left));
                }
            }
        }
        text
    }
}

/// The plain label of an annotated symbol: what stands before the first `^` or `-`
/// (the first character aside). `NP-TMP` is a label of its own.
pub fn plain_label(symbol: &str) -> &str {
    if let Some(rest) = symbol.strip_prefix("NP-TMP")
        && (rest.is_empty() || rest.starts_with(['^', '-']))
    {
        return "NP-TMP";
    }
    let first = symbol.chars().next().map_or(0, char::len_utf8);
    let cut = symbol[first..].find(['^', '-']).map_or(symbol.len(), |at| at + first);
    &symbol[..cut]
}

/// A constituent of a plain tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Constituent<'a> {
    /// The plain label: a Penn tag over a word, else a phrase.
    pub label: &'a str,
    /// The words that it spans.
    pub span: Range<usize>,
    /// Its parent; the top is its own parent.
    pub parent: usize,
    children: Range<usize>,
}

/// An n-ary tree of Penn labels.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlainTree<'a> {
    constituents: Vec<Constituent<'a>>,
    children: Vec<usize>,
    tags: Vec<usize>,
}

impl<'a> PlainTree<'a> {
    fn of(tree: &Tree<'a>) -> Self {
        let mut plain = Self {
            constituents: Vec::with_capacity(tree.nodes.len()),
            children: Vec::with_capacity(tree.nodes.len()),
            tags: Vec::new(),
        };
        // Preorder, so that a parent has its number before its children.
        let mut stack = Vec::new();
        if !tree.nodes.is_empty() {
            stack.push((0, 0));
        }
        while let Some((index, parent)) = stack.pop() {
            let node = tree.nodes[index];
            let number = if node.label.starts_with('@') {
                parent
            } else {
                plain.constituents.push(Constituent {
                    label: plain_label(node.label),
                    span: 0..0,
                    parent,
                    children: 0..0,
                });
                plain.constituents.len() - 1
            };
            match node.below {
                Below::Word(word) => {
                    plain.constituents[number].span = word..word + 1;
                    plain.tags.push(number);
                }
                Below::One(child) => stack.push((child, number)),
                Below::Two(left, right) => {
                    stack.push((right, number));
                    stack.push((left, number));
                }
            }
        }
        plain.join();
        plain
    }

    /// Fills in children and spans, which follow from the parents.
    fn join(&mut self) {
        let mut at = vec![0; self.constituents.len() + 1];
        for constituent in self.constituents.iter().skip(1) {
            at[constituent.parent + 1] += 1;
        }
        for index in 1..at.len() {
            at[index] += at[index - 1];
        }
        for (index, constituent) in self.constituents.iter_mut().enumerate() {
            constituent.children = at[index]..at[index + 1];
        }
        self.children = vec![0; self.constituents.len().saturating_sub(1)];
        for index in 1..self.constituents.len() {
            let slot = &mut at[self.constituents[index].parent];
            self.children[*slot] = index;
            *slot += 1;
        }
        for index in (1..self.constituents.len()).rev() {
            let span = self.constituents[index].span.clone();
            let above = self.constituents[index].parent;
            let above = &mut self.constituents[above].span;
            *above = if above.start == above.end {
                span
            } else {
                above.start.min(span.start)..above.end.max(span.end)
            };
        }
    }

    /// The constituents in preorder; the first is `ROOT`.
    pub fn constituents(&self) -> &[Constituent<'a>] {
        &self.constituents
    }

    /// The children of a constituent, left to right: numbers into
    /// [`Self::constituents`]. None where it is a tag.
    pub fn children(&self, index: usize) -> &[usize] {
        &self.children[self.constituents[index].children.clone()]
    }

    /// The tag of each word, left to right: numbers into [`Self::constituents`].
    pub fn tags(&self) -> &[usize] {
        &self.tags
    }
}

/// A printed tree while it is read.
struct Reader<'a> {
    text: &'a str,
    at: usize,
    nodes: Vec<Node<'a>>,
    words: Vec<&'a str>,
}

impl<'a> Reader<'a> {
    fn fault<T>(&self, fault: &'static str) -> Result<T, TreeError> {
        Err(TreeError { at: self.at, fault })
    }

    fn tree(mut self) -> Result<(Tree<'a>, Vec<&'a str>), TreeError> {
        // The open nodes, each with its children so far.
        let mut open: Vec<(usize, Vec<usize>)> = Vec::new();
        loop {
            while self.text[self.at..].starts_with(' ') {
                self.at += 1;
            }
            let done = match self.text[self.at..].chars().next() {
                Some('(') => match self.open()? {
                    Opened::Node(index) => {
                        open.push((index, Vec::new()));
                        continue;
                    }
                    Opened::Leaf(index) => Some(index),
                    Opened::End => None,
                },
                Some(')') => {
                    let Some((index, children)) = open.pop() else {
                        return self.fault("a bracket closes that was not opened");
                    };
                    self.at += 1;
                    self.nodes[index].below = match children[..] {
                        [one] => Below::One(one),
                        [left, right] => Below::Two(left, right),
                        [] => return self.fault("a node has no child"),
                        _ => return self.fault("a node has more than two children"),
                    };
                    Some(index)
                }
                Some(_) => return self.fault("a bracket should stand here"),
                None => return self.fault("the text ends before the tree does"),
            };
            match (open.last_mut(), done) {
                (Some((_, children)), Some(index)) => children.push(index),
                (Some(_), None) => {}
                (None, _) => break,
            }
        }
        if !self.text[self.at..].trim().is_empty() {
            return self.fault("text follows the tree");
        }
        if self.nodes.first().map(|node| node.label) != Some(ROOT) {
            return self.fault("the top is not ROOT");
        }
        if self.words.is_empty() {
            return self.fault("the tree has no word");
        }
        Ok((Tree::new(self.nodes), self.words))
    }

    /// Reads "(label" or "(label word)".
    fn open(&mut self) -> Result<Opened, TreeError> {
        let rest = &self.text[self.at + 1..];
        let Some(stop) = rest.find(['(', ')']) else {
            return self.fault("a bracket is not closed");
        };
        let inner = &rest[..stop];
        if rest[stop..].starts_with('(') {
            let Some(label) = inner.strip_suffix(' ').filter(|label| !label.is_empty()) else {
                return self.fault("a node has no label");
            };
            self.at += 1 + stop;
            self.nodes.push(Node { label, below: Below::Word(0) });
            return Ok(Opened::Node(self.nodes.len() - 1));
        }
        let Some((label, word)) =
            inner.rsplit_once(' ').filter(|(label, word)| !label.is_empty() && !word.is_empty())
        else {
            return self.fault("a leaf needs a tag and a word");
        };
        self.at += 1 + stop + 1;
        if label == END_TAG {
            return Ok(Opened::End);
        }
        self.nodes.push(Node { label, below: Below::Word(self.words.len()) });
        self.words.push(word);
        Ok(Opened::Leaf(self.nodes.len() - 1))
    }
}

/// What a bracket opened.
enum Opened {
    /// A node whose children follow.
    Node(usize),
    /// A tag with its word.
    Leaf(usize),
    /// The mark of the sentence's end.
    End,
}

#[cfg(test)]
mod tests {
    use super::*;

    const DUCKS: &str = "(ROOT (NP^ROOT-B (@NodeSet-5 (JJ^NP multiple) (@NP^ROOT-B| NNS^NP_ \
                         ... NN^NP< (NN^NP clanging) (@NP^ROOT-B| NNS^NP_ (NNS^NP sounds))))) \
                         (.$$. .$.))";

    #[test]
    fn labels_may_hold_spaces() {
        let (tree, words) = Tree::read(DUCKS).unwrap();
        assert_eq!(words, ["multiple", "clanging", "sounds"]);
        assert_eq!(tree.words(), 3);
        assert_eq!(tree.nodes()[0], Node { label: "ROOT", below: Below::One(1) });
        assert_eq!(tree.nodes()[2], Node { label: "@NodeSet-5", below: Below::Two(3, 4) });
        assert_eq!(tree.nodes()[4].label, "@NP^ROOT-B| NNS^NP_ ... NN^NP<");
        assert_eq!(tree.nodes()[6].below, Below::One(7));
        assert_eq!(tree.print(&words), DUCKS);
    }

    #[test]
    fn steps_dissolve_and_annotation_is_cut() {
        let (tree, _) = Tree::read(DUCKS).unwrap();
        let plain = tree.plain();
        let labels: Vec<_> = plain.constituents().iter().map(|node| node.label).collect();
        assert_eq!(labels, ["ROOT", "NP", "JJ", "NN", "NNS"]);
        assert_eq!(plain.children(0), [1]);
        assert_eq!(plain.children(1), [2, 3, 4]);
        assert_eq!(plain.children(2), [0; 0]);
        assert_eq!(plain.tags(), [2, 3, 4]);
        assert_eq!(plain.constituents()[1].span, 0..3);
        assert_eq!(plain.constituents()[4].span, 2..3);
        assert_eq!(plain.constituents()[4].parent, 1);
    }

    #[test]
    fn plain_labels() {
        for (symbol, plain) in [
            ("NP^S-B", "NP"),
            ("FRAG-v", "FRAG"),
            ("NP-TMP^VP-B", "NP-TMP"),
            ("NP-TMPX", "NP"),
            ("PRP$^NP", "PRP$"),
            ("-LRB-", "-LRB"),
            ("", ""),
            ("é^x", "é"),
        ] {
            assert_eq!(plain_label(symbol), plain, "{symbol}");
        }
    }

    #[test]
    fn broken_trees_are_refused() {
        for (text, fault) in [
            ("", "the text ends before the tree does"),
            ("(ROOT (NN a)", "the text ends before the tree does"),
            ("(ROOT", "a bracket is not closed"),
            ("(ROOT (NN a)))", "text follows the tree"),
            ("(ROOT (NN))", "a leaf needs a tag and a word"),
            ("((NN a))", "a node has no label"),
            ("(NP (NN a))", "the top is not ROOT"),
            ("(NN a)", "the top is not ROOT"),
            ("(ROOT (.$$. .$.))", "a node has no child"),
            ("(ROOT (NN a) (NN b) (NN c))", "a node has more than two children"),
            (")", "a bracket closes that was not opened"),
            ("é", "a bracket should stand here"),
        ] {
            assert_eq!(Tree::read(text).unwrap_err().fault, fault, "{text}");
        }
    }
}
