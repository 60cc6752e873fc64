//! SPICE (Anderson et al., ECCV 2016) in process.

mod backoff;
pub mod collapse;
pub mod dependencies;
pub mod graph;
pub mod lemmas;
pub mod pronouns;
pub mod quantities;
pub mod rules;
pub mod scene_graph;
pub mod score;
pub mod synonyms;
pub mod tree;
