//! Symbols of the grammar, and the rules that join them.

/// A symbol's number. Numbers ascend along unary rules: a child's is less than its
/// parent's, so that one pass over ascending numbers applies all chains of them.
pub type Symbol = u16;

/// One child makes its parent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Unary {
    /// The child.
    pub child: Symbol,
    /// What it makes.
    pub parent: Symbol,
}

/// Two children make their parent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Binary {
    /// The left child.
    pub left: Symbol,
    /// The right child.
    pub right: Symbol,
    /// What they make.
    pub parent: Symbol,
}
