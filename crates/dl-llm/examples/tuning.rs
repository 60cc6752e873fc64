//! What a step of tuning costs: a projector of one vector, low-rank matrices on queries and
//! values, captions as long as those of AudioCaps, random weights. On a processor at the shape
//! of SmolLM2-135M in f32, on a GPU at that of Vicuna-7B in bf16. Prints one JSON object:
//! seconds of each step, and the most memory that the process, and the GPU, have had since the
//! first step began.
//!
//! Run: `target/release/examples/tuning [kept or again] [MICRO_BATCH] [BATCH] [DEVICE]`: whether
//! the activations are kept or computed again in the backward pass (`checkpoint_activations`),
//! the items that go through the model together (0, the default: all), those of a batch (16),
//! and where (cpu). Memory is that of a whole process, so that every case takes one of its own;
//! under `cargo run` the process also keeps what it no longer needs (`.cargo/config.toml`). The
//! processor's half of libtorch is linked; the other is loaded from where `LD_LIBRARY_PATH`
//! points.

#![allow(clippy::print_stdout, reason = "a measurement to be read")]

mod measure;

use std::rc::Rc;

use dl_llm::{
    CaptionPairs, Captioner, LlamaConfig, LoraConfig, PrefixConfig, PrefixKind, PromptConfig,
    PromptForm,
};
use dl_torch::{DeviceChoice, TrainConfig, TrainContext};
use measure::{Clock, Outcome, device_mib, embeddings, random, resident_mib, seven_billion};
use serde_json::json;
use tch::Kind;

const STEPS: u64 = 12;
/// Words of AudioCaps' training captions: the medians of sixteen equal shares, by length.
const WORDS: [usize; 16] = [3, 4, 5, 5, 6, 7, 7, 8, 8, 9, 10, 10, 11, 13, 14, 18];
const SENTENCE: &str = "a dog barks while rain falls on a roof and a man speaks in the distance";

/// One caption of so many words.
fn caption(words: &usize) -> String {
    SENTENCE.split(' ').cycle().take(*words).collect::<Vec<_>>().join(" ")
}

fn smollm2() -> LlamaConfig {
    LlamaConfig {
        vocab: 49_152,
        hidden: 576,
        layers: 30,
        heads: 9,
        kv_heads: 3,
        intermediate: 1536,
        max_positions: 8192,
        tied_embeddings: true,
        ..LlamaConfig::default()
    }
}

fn main() -> Outcome<()> {
    let mut arguments = std::env::args().skip(1);
    let checkpoint_activations = match arguments.next().as_deref() {
        None | Some("kept") => false,
        Some("again") => true,
        Some(other) => return Err(format!("`{other}` is neither kept nor again").into()),
    };
    let micro_batch = arguments.next().map_or(Ok(0), |size| size.parse())?;
    let batch = arguments.next().map_or(Ok(16), |size| size.parse())?;
    let device = DeviceChoice::try_from(arguments.next().unwrap_or_else(|| "cpu".into()))?;
    let device = device.resolve()?;
    let (shape, kind) = match device.is_cuda() {
        true => (seven_billion(32, device), Kind::BFloat16),
        false => (smollm2(), Kind::Float),
    };
    let captions: Vec<String> = WORDS.iter().cycle().take(batch).map(caption).collect();
    let lm = Rc::new(random(&shape, kind, device, &captions)?);
    let embeddings = embeddings(captions.len());
    let pairs = |rows| CaptionPairs {
        embeddings: embeddings.slice(ndarray::s![..rows, ..]),
        captions: &captions[..rows],
    };
    let config = PrefixConfig {
        kind: PrefixKind::Input,
        length: 1,
        prompt: PromptConfig { form: PromptForm::UserAssistant, ..PromptConfig::default() },
        lora: Some(LoraConfig { dropout: 0.05, ..LoraConfig::default() }),
        micro_batch,
        checkpoint_activations,
        train: TrainConfig { steps: STEPS, batch, validate_every: STEPS, ..TrainConfig::default() },
        ..PrefixConfig::default()
    };
    let clock = Clock::default();
    let context = TrainContext::new(0).device(device).progress(&clock);
    Captioner::train_prefix(&lm, pairs(batch), pairs(1), &config, &context)?;
    println!(
        "{}",
        json!({
            "parameters": lm.parameters(),
            "checkpoint_activations": checkpoint_activations,
            "micro_batch": micro_batch,
            "batch": batch,
            "device": format!("{device:?}"),
            "threads": tch::get_num_threads(),
            "seconds": clock.seconds(),
            "resident_mib": resident_mib(),
            "device_mib": device_mib().filter(|_| device.is_cuda()),
        })
    );
    Ok(())
}
