//! What the measuring examples share: random models, embeddings, memory and time.

use std::{
    collections::BTreeMap,
    error::Error,
    process::Command,
    sync::{Mutex, PoisonError},
    time::Instant,
};

use dl_core::{Progress, noise::Noise};
use dl_llm::{CaptionTokenizer, LanguageModel, Llama, LlamaConfig, TokenizerConfig};
use dl_torch::weights::Source;
use ndarray::Array2;
use tch::{Device, Kind, Tensor};

pub(crate) type Outcome<T> = Result<T, Box<dyn Error>>;

const DIM: usize = 1024;
pub(crate) const INSTRUCTION: &str = "USER: Describe the audio you hear. \n ASSISTANT:";
/// Steps and calls that are made before any is timed.
const WARM: usize = 3;

/// Random weights, made where they stay.
struct Random {
    kind: Kind,
    device: Device,
    taken: BTreeMap<String, Tensor>,
}

impl Source for Random {
    fn take(&mut self, name: &str, shape: &[i64]) -> Tensor {
        let options = (self.kind, self.device);
        let tensor = match name.ends_with("norm.weight") {
            true => Tensor::ones(shape, options),
            false => Tensor::randn(shape, options) * 0.02,
        };
        self.taken.insert(name.to_owned(), tensor.shallow_clone());
        tensor
    }
}

/// A model of random weights. It knows the words of `captions` and of the instruction, so that
/// sequences are about as long as with a real one.
pub(crate) fn random(
    config: &LlamaConfig,
    kind: Kind,
    device: Device,
    captions: &[String],
) -> Outcome<LanguageModel> {
    let mut source = Random { kind, device, taken: BTreeMap::new() };
    let llama = tch::no_grad(|| Llama::from_source(&mut source, config))?;
    let mut words = captions.to_vec();
    words.push(INSTRUCTION.to_owned());
    let tokenizer = TokenizerConfig { vocab: 400, min_frequency: 1 };
    let tokenizer = CaptionTokenizer::train(&words, &tokenizer)?;
    Ok(LanguageModel::from_parts(llama, source.taken, tokenizer))
}

/// The shape of LLaMA-2-7B and Vicuna-7B, so many layers deep; on a processor a sixteenth as wide.
pub(crate) fn seven_billion(layers: i64, device: Device) -> LlamaConfig {
    let narrow = if device == Device::Cpu { 16 } else { 1 };
    LlamaConfig {
        vocab: 32_000,
        hidden: 4096 / narrow,
        layers,
        heads: 32 / narrow,
        kv_heads: 32 / narrow,
        intermediate: 11_008 / narrow,
        max_positions: 4096,
        tied_embeddings: false,
        ..LlamaConfig::default()
    }
}

pub(crate) fn embeddings(items: usize) -> Array2<f32> {
    let rows = Noise::new(0, "example").normal_rows(&(0..items as u64).collect::<Vec<_>>(), 0, DIM);
    let scale = (DIM as f32).sqrt().recip();
    Array2::from_shape_fn((items, DIM), |(row, column)| rows[row * DIM + column] * scale)
}

/// The most MiB of the processor's memory that this process has had, since its last training
/// began if there was one.
pub(crate) fn resident_mib() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    Some(line.split_whitespace().next()?.parse::<u64>().ok()? / 1024)
}

/// MiB in use on the first GPU, as its driver counts. libtorch keeps what it has once taken:
/// after a piece of work this is the most that was in use during it.
pub(crate) fn device_mib() -> Option<u64> {
    let arguments = ["--query-gpu=memory.used", "--format=csv,noheader,nounits", "--id=0"];
    let output = Command::new("nvidia-smi").args(arguments).output().ok()?;
    String::from_utf8(output.stdout).ok()?.trim().parse().ok()
}

/// Notes when each step was done, and has memory counted anew from the first.
#[derive(Default)]
pub(crate) struct Clock(Mutex<Vec<Instant>>);

impl Progress for Clock {
    fn begin(&self, _: &str, _: u64) {
        // Where there is no such file, `resident_mib` has nothing to say either.
        std::fs::write("/proc/self/clear_refs", "5").ok();
    }

    fn update(&self, _: u64, _: &str) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(Instant::now());
    }

    fn end(&self) {}
}

impl Clock {
    /// Seconds of each step after the first ones; the last is left out, since the validation
    /// belongs to it.
    pub(crate) fn seconds(self) -> Vec<f64> {
        let times = self.0.into_inner().unwrap_or_else(PoisonError::into_inner);
        let steps = times.windows(2).map(|pair| (pair[1] - pair[0]).as_secs_f64());
        steps.skip(WARM - 1).take(times.len().saturating_sub(WARM + 1)).collect()
    }
}
