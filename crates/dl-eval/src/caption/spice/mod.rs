//! SPICE (Anderson et al., ECCV 2016) in process.

pub mod chart;
pub mod grammar;
pub mod lexicon;
pub mod parser;
pub mod train;
pub mod tree;
pub mod treebank;
pub mod weights;
