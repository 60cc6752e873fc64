//! SPICE (Anderson et al., ECCV 2016) in process.

pub mod tree;
