//! The caption decoder: a Llama-architecture language model trained from scratch
//! on captions or loaded from published files, the tokenizer, the prefix that steers
//! the frozen model by one embedding within an instruction, low-rank matrices, and
//! greedy search, beam search and sampling.

mod attention;
mod cache;
mod captioner;
mod captions;
mod complete;
mod config;
mod decode;
mod dropout;
mod error;
mod files;
mod language_model;
mod llama;
mod lora;
mod prefix;
mod pretrained;
mod prompt;
mod recompute;
mod rope;
mod sample;
mod steps;
mod tokenizer;
mod warning;

pub use cache::KvCache;
pub use captioner::{CaptionPairs, CaptionScore, Captioner, CaptionerTraining, PrefixSensitivity};
pub use config::LlamaConfig;
pub use decode::{BeamRule, DecodeConfig, Forbidden, StepModel, Vocabulary, search};
pub use error::LlmError;
pub use files::{ModelFiles, WeightKind};
pub use language_model::{LanguageModel, LmReport, LmTrainConfig};
pub use llama::{Llama, positions};
pub use lora::{Lora, LoraConfig, LoraTarget};
pub use prefix::{PrefixConfig, PrefixKind, Projector};
pub use pretrained::PretrainedConfig;
pub use prompt::{ChatTemplate, PromptConfig, PromptForm};
pub use rope::RopeScaling;
pub use sample::{SampleConfig, least_risk};
pub use tokenizer::{CaptionTokenizer, Marks, TokenizerConfig};
