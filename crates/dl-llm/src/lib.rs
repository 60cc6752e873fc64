//! The caption decoder: a Llama-architecture language model trained from scratch
//! on captions or loaded from a published directory, the tokenizer, the prefix
//! that steers the frozen model by one embedding, and greedy and beam search.

mod attention;
mod captioner;
mod captions;
mod config;
mod decode;
mod error;
mod language_model;
mod llama;
mod lora;
mod prefix;
mod tokenizer;

pub use attention::KvCache;
pub use captioner::{CaptionPairs, Captioner, PrefixSensitivity};
pub use config::LlamaConfig;
pub use decode::{DecodeConfig, StepModel, Vocabulary, search};
pub use error::LlmError;
pub use language_model::{LanguageModel, LmReport, LmTrainConfig};
pub use llama::{Llama, positions};
pub use lora::{Lora, LoraConfig, LoraTarget};
pub use prefix::{PrefixConfig, PrefixKind};
pub use tokenizer::{CaptionTokenizer, Marks, TokenizerConfig};
