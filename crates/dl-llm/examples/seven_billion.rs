//! What a captioner on a model of the shape of Vicuna-7B costs: seconds a step and memory of
//! tuning at batch 16 (projector of one vector, low-rank matrices on queries and values), then
//! seconds of greedy captions of 30 tokens at batch 1 and 64, with the matrices kept apart and
//! merged.
//! Prints one JSON object a line; `benches/side_by_side/seven_billion.py` runs it beside
//! transformers.
//!
//! Run: `seven_billion [LAYERS or DIRECTORY] [DEVICE]` (32 and cuda if not given). With a number
//! the weights are random bf16 made on the device: time and memory do not depend on them; on a
//! processor the model is a sixteenth as wide. A directory is a published model's; then the
//! tuned part is also saved, loaded again and compared. The processor's half of libtorch is
//! linked; the other is loaded from where `LD_LIBRARY_PATH` points.

#![allow(clippy::print_stdout, reason = "a measurement to be read")]

mod measure;

use std::{path::Path, rc::Rc, time::Instant};

use dl_llm::{
    CaptionPairs, Captioner, DecodeConfig, LanguageModel, LoraConfig, PrefixConfig, PrefixKind,
    PromptConfig, PromptForm, WeightKind,
};
use dl_torch::{DeviceChoice, TrainConfig, TrainContext};
use measure::{Clock, INSTRUCTION, Outcome, device_mib, embeddings, resident_mib, seven_billion};
use serde_json::json;
use tch::{Kind, Tensor};

const TOKENS: usize = 30;
const STEPS: u64 = 20;
const CALLS: usize = 3;
const CAPTION: &str = "a dog barks while rain falls on a roof and a man speaks in the distance";

fn tune(lm: &Rc<LanguageModel>) -> Outcome<(Captioner, Vec<f64>)> {
    let captions = vec![CAPTION.to_owned(); 16];
    let embeddings = embeddings(16);
    let pairs = |rows| CaptionPairs {
        embeddings: embeddings.slice(ndarray::s![..rows, ..]),
        captions: &captions[..rows],
    };
    let train =
        TrainConfig { steps: STEPS, batch: 16, validate_every: STEPS, ..TrainConfig::default() };
    let config = PrefixConfig {
        kind: PrefixKind::Input,
        length: 1,
        prompt: PromptConfig { form: PromptForm::UserAssistant, ..PromptConfig::default() },
        max_tokens: 96,
        lora: Some(LoraConfig { dropout: 0.05, ..LoraConfig::default() }),
        train,
        ..PrefixConfig::default()
    };
    let clock = Clock::default();
    let context = TrainContext::new(0).device(lm.device()).progress(&clock);
    let (captioner, _) = Captioner::train_prefix(lm, pairs(16), pairs(1), &config, &context)?;
    Ok((captioner, clock.seconds()))
}

fn decoding(batch: usize) -> DecodeConfig {
    DecodeConfig {
        max_tokens: TOKENS,
        min_tokens: TOKENS - 1,
        no_repeat_ngram: 0,
        batch,
        ..DecodeConfig::default()
    }
}

/// Seconds of each of several calls.
fn captions(captioner: &Captioner, batch: usize) -> Outcome<Vec<f64>> {
    let (embeddings, config) = (embeddings(batch), decoding(batch));
    let mut seconds = Vec::new();
    for call in 0..=CALLS {
        let begin = Instant::now();
        captioner.caption(&embeddings, &config)?;
        if call > 0 {
            seconds.push(begin.elapsed().as_secs_f64());
        }
    }
    Ok(seconds)
}

/// Saves the tuned part of `captioner`, loads it and captions with both.
fn saved_and_loaded(lm: &Rc<LanguageModel>, captioner: &Captioner) -> Outcome<()> {
    let directory = tempfile::tempdir()?;
    let path = directory.path().join("prefix.safetensors");
    let begin = Instant::now();
    captioner.save_prefix(&path)?;
    let save_seconds = begin.elapsed().as_secs_f64();
    let again = Captioner::load_prefix(lm, &path)?;
    let embeddings = embeddings(4);
    let before = captioner.caption(&embeddings, &decoding(4))?;
    let same = again.caption(&embeddings, &decoding(4))? == before;
    // The digest of all weights is made here at the latest.
    println!("{}", json!({"save_seconds": save_seconds, "loaded_captions_equal": same}));
    println!("{}", json!({"captions": before}));
    Ok(())
}

fn main() -> Outcome<()> {
    let mut arguments = std::env::args().skip(1);
    let model = arguments.next().unwrap_or_else(|| "32".into());
    let device = arguments.next().unwrap_or_else(|| "cuda".into());
    let device = DeviceChoice::try_from(device)?.resolve()?;
    let begin = Instant::now();
    // The GPU's own start is no part of the loading.
    let _ = Tensor::zeros([1], (Kind::Float, device)).double_value(&[0]);
    let start_seconds = begin.elapsed().as_secs_f64();
    let start_mib = resident_mib();
    let begin = Instant::now();
    let directory = Path::new(&model).is_dir();
    let lm = Rc::new(match model.parse() {
        Ok(layers) if !directory => measure::random(
            &seven_billion(layers, device),
            Kind::BFloat16,
            device,
            &[CAPTION.to_owned()],
        )?,
        _ => LanguageModel::load_as(Path::new(&model), WeightKind::File, device)?,
    });
    let tokenizer = lm.tokenizer();
    println!(
        "{}",
        json!({
            "parameters": lm.parameters(),
            "device": format!("{device:?}"),
            "kind": format!("{:?}", lm.llama().kind()),
            "start_seconds": start_seconds,
            "load_seconds": begin.elapsed().as_secs_f64(),
            "start_resident_mib": start_mib,
            "resident_mib": resident_mib(),
            "device_mib": device_mib(),
            // With the mark that begins a text, and the one that ends it.
            "instruction_tokens": 1 + tokenizer.encode_with_marks(INSTRUCTION)?.len(),
            "caption_tokens": 1 + tokenizer.encode(CAPTION)?.len(),
        })
    );
    let (mut captioner, seconds) = tune(&lm)?;
    println!("{}", json!({"case": "tuning_16", "seconds": seconds, "device_mib": device_mib()}));
    for name in ["apart", "merged"] {
        if name == "merged" {
            let begin = Instant::now();
            captioner.merge()?;
            println!("{}", json!({"merge_seconds": begin.elapsed().as_secs_f64()}));
        }
        for batch in [1, 64] {
            let seconds = captions(&captioner, batch)?;
            println!("{}", json!({"case": format!("{name}_{batch}"), "seconds": seconds}));
        }
    }
    println!("{}", json!({"resident_mib": resident_mib(), "device_mib": device_mib()}));
    captioner.unmerge();
    if directory { saved_and_loaded(&lm, &captioner) } else { Ok(()) }
}
