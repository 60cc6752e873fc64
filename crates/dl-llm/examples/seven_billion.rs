//! What a captioner on a model of the shape of Vicuna-7B costs on a GPU: tokens per second at
//! batch 1 and 64, and seconds and peak memory of tuning at batch 16 (projector of one vector,
//! low-rank matrices on queries and values, bf16). The weights are random and made on the
//! device: time and memory do not depend on them.
//!
//! Run: `seven_billion [layers] [device]` (32 and cuda if not given; on a processor the model
//! is narrow). The processor's half of libtorch is linked; the other is loaded from where
//! `LD_LIBRARY_PATH` points.

#![allow(clippy::print_stdout, clippy::unwrap_used, reason = "a measurement to be read")]

use std::{
    collections::BTreeMap,
    process::Command,
    rc::Rc,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use dl_core::noise::Noise;
use dl_llm::{
    CaptionPairs, CaptionTokenizer, Captioner, DecodeConfig, LanguageModel, Llama, LlamaConfig,
    LoraConfig, PrefixConfig, PrefixKind, PromptConfig, PromptForm, TokenizerConfig,
};
use dl_torch::{DeviceChoice, TrainConfig, TrainContext, weights::Source};
use ndarray::Array2;
use tch::{Device, Kind, Tensor};

const DIM: usize = 1024;
const TOKENS: usize = 30;

/// Random weights, made where they stay.
struct Random {
    device: Device,
    taken: BTreeMap<String, Tensor>,
}

impl Source for Random {
    fn take(&mut self, name: &str, shape: &[i64]) -> Tensor {
        let options = (Kind::BFloat16, self.device);
        let tensor = match name.ends_with("norm.weight") {
            true => Tensor::ones(shape, options),
            false => Tensor::randn(shape, options) * 0.02,
        };
        self.taken.insert(name.to_owned(), tensor.shallow_clone());
        tensor
    }
}

/// Watches the memory that the GPU's driver counts.
struct Watch {
    most: Arc<AtomicU64>,
    stop: Arc<AtomicBool>,
}

impl Watch {
    fn begin() -> Self {
        let (most, stop) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicBool::new(false)));
        let (theirs, end) = (Arc::clone(&most), Arc::clone(&stop));
        thread::spawn(move || {
            while !end.load(Ordering::Relaxed) {
                theirs.fetch_max(used().unwrap_or(0), Ordering::Relaxed);
                thread::sleep(Duration::from_millis(100));
            }
        });
        Self { most, stop }
    }

    /// MiB at most since it began.
    fn end(self) -> u64 {
        self.most.fetch_max(used().unwrap_or(0), Ordering::Relaxed);
        self.stop.store(true, Ordering::Relaxed);
        self.most.load(Ordering::Relaxed)
    }
}

/// MiB in use on the first GPU.
fn used() -> Option<u64> {
    let arguments = ["--query-gpu=memory.used", "--format=csv,noheader,nounits", "--id=0"];
    let output = Command::new("nvidia-smi").args(arguments).output().ok()?;
    String::from_utf8(output.stdout).ok()?.trim().parse().ok()
}

fn embeddings(items: usize) -> Array2<f32> {
    let rows = Noise::new(0, "example").normal_rows(&(0..items as u64).collect::<Vec<_>>(), 0, DIM);
    let scale = (DIM as f32).sqrt().recip();
    Array2::from_shape_fn((items, DIM), |(row, column)| rows[row * DIM + column] * scale)
}

fn tune(lm: &Rc<LanguageModel>, steps: u64) -> Captioner {
    let caption = "a dog barks while rain falls on a roof and a man speaks in the distance";
    let captions = vec![caption.to_owned(); 16];
    let embeddings = embeddings(16);
    let pairs = |rows| CaptionPairs {
        embeddings: embeddings.slice(ndarray::s![..rows, ..]),
        captions: &captions[..rows],
    };
    let train = TrainConfig { steps, batch: 16, validate_every: steps, ..TrainConfig::default() };
    let config = PrefixConfig {
        kind: PrefixKind::Input,
        length: 1,
        prompt: PromptConfig { form: PromptForm::UserAssistant, ..PromptConfig::default() },
        lora: Some(LoraConfig { dropout: 0.05, ..LoraConfig::default() }),
        train,
        ..PrefixConfig::default()
    };
    let context = TrainContext::new(0).device(lm.device());
    Captioner::train_prefix(lm, pairs(16), pairs(1), &config, &context).unwrap().0
}

fn main() {
    let mut arguments = std::env::args().skip(1);
    let layers = arguments.next().map_or(32, |layers| layers.parse().unwrap());
    let device = arguments.next().unwrap_or_else(|| "cuda".into());
    let device = DeviceChoice::try_from(device).unwrap().resolve().unwrap();
    let narrow = if device == Device::Cpu { 16 } else { 1 };
    let config = LlamaConfig {
        vocab: 32_000,
        hidden: 4096 / narrow,
        layers,
        heads: 32 / narrow,
        kv_heads: 32 / narrow,
        intermediate: 11_008 / narrow,
        max_positions: 4096,
        tied_embeddings: false,
        ..LlamaConfig::default()
    };
    let begin = Instant::now();
    let mut source = Random { device, taken: BTreeMap::new() };
    let llama = tch::no_grad(|| Llama::from_source(&mut source, &config)).unwrap();
    let words =
        ["a dog barks while rain falls on a roof and a man speaks in the distance".to_owned()];
    let tokenizer = TokenizerConfig { vocab: 400, min_frequency: 1 };
    let tokenizer = CaptionTokenizer::train(&words, &tokenizer).unwrap();
    let lm = Rc::new(LanguageModel::from_parts(llama, source.taken, tokenizer));
    println!(
        "{} million parameters on {device:?} in {:.1} s, {:?} MiB in use",
        config.parameters() / 1_000_000,
        begin.elapsed().as_secs_f64(),
        used(),
    );
    let captioner = tune(&lm, 1);
    for items in [1, 64] {
        let embeddings = embeddings(items);
        let config = DecodeConfig {
            max_tokens: TOKENS,
            min_tokens: TOKENS - 1,
            no_repeat_ngram: 0,
            batch: items,
            ..DecodeConfig::default()
        };
        let mut best = f64::INFINITY;
        for _ in 0..4 {
            let begin = Instant::now();
            let captions = captioner.caption(&embeddings, &config).unwrap();
            assert_eq!(captions.len(), items);
            best = best.min(begin.elapsed().as_secs_f64());
        }
        let tokens = (items * TOKENS) as f64;
        println!("batch {items}: {:.1} tokens/s ({best:.2} s for {tokens})", tokens / best);
    }
    let watch = Watch::begin();
    let begin = Instant::now();
    let _ = tune(&lm, 20);
    let seconds = begin.elapsed().as_secs_f64() / 20.0;
    println!("tuning, batch 16: {seconds:.3} s a step, at most {} MiB in use", watch.end());
}
