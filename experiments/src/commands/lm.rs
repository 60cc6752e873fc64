//! `lm`: texts continued by any language model that loads, to try one before tuning it.

use std::path::PathBuf;

use anyhow::{Result, bail};
use clap::{Args, ValueEnum};
use dl_llm::{DecodeConfig, PretrainedConfig, SampleConfig, WeightKind};
use dl_torch::DeviceChoice;
use serde::Serialize;

use crate::{console::Output, process};

/// What `lm` is told.
#[derive(Clone, Debug, Args)]
pub struct LmOptions {
    /// A published model's directory (config.json, weights, tokenizer), or a GGUF file.
    #[arg(long, value_name = "PATH")]
    model: PathBuf,
    /// The text to continue; repeatable.
    #[arg(long = "prompt", value_name = "TEXT", required = true)]
    prompts: Vec<String>,
    /// Most tokens to add.
    #[arg(long, value_name = "N", default_value_t = 40, value_parser = clap::value_parser!(u16).range(1..))]
    tokens: u16,
    /// Hypotheses of beam search; 1 is greedy search.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..))]
    beams: u16,
    /// Draw tokens at this temperature in place of the best ones.
    #[arg(long, value_name = "T", conflicts_with = "beams")]
    temperature: Option<f64>,
    /// Seed of the tokens that are drawn.
    #[arg(long, value_name = "N", default_value_t = 0, requires = "temperature")]
    seed: u64,
    /// What weights are kept and multiplied in.
    #[arg(long, value_enum, default_value = "file")]
    precision: Precision,
    /// cpu, cuda, cuda:N or auto.
    #[arg(long, default_value = "cpu", value_parser = device)]
    device: DeviceChoice,
    /// Print one JSON object a prompt.
    #[arg(long)]
    json: bool,
}

/// `--precision`.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Precision {
    /// As the file has them.
    File,
    /// 32 bits.
    F32,
    /// bfloat16.
    Bf16,
    /// 16 bits; on a GPU only.
    F16,
}

impl From<Precision> for WeightKind {
    fn from(precision: Precision) -> Self {
        match precision {
            Precision::File => Self::File,
            Precision::F32 => Self::F32,
            Precision::Bf16 => Self::Bf16,
            Precision::F16 => Self::F16,
        }
    }
}

fn device(text: &str) -> Result<DeviceChoice, String> {
    DeviceChoice::try_from(text.to_owned())
}

/// One line of `--json`.
#[derive(Serialize)]
struct Continued<'a> {
    prompt: &'a str,
    continuation: &'a str,
}

/// Prints each prompt with its continuation, token by token where one prompt is searched
/// greedily or drawn.
pub fn run(options: &LmOptions, jobs: Option<usize>, out: &mut Output) -> Result<()> {
    if let Some(place) = options.prompts.iter().position(String::is_empty) {
        bail!("--prompt: number {} is empty; give a text to continue", place + 1);
    }
    let decode = DecodeConfig {
        beams: options.beams.into(),
        max_tokens: options.tokens.into(),
        min_tokens: 0,
        no_repeat_ngram: 0,
        sample: options.temperature.map(|temperature| SampleConfig {
            temperature,
            seed: options.seed,
            ..SampleConfig::default()
        }),
        ..DecodeConfig::default()
    };
    decode.validate()?;
    let device = options.device.resolve()?;
    // One model, one job: it may have all cores.
    tch::set_num_threads(jobs.unwrap_or_else(process::cores) as i32);
    let config =
        PretrainedConfig { path: options.model.clone(), precision: options.precision.into() };
    let model = config.load(device)?;
    let stream = options.beams == 1 && options.prompts.len() == 1 && !options.json;
    let mut printed = Ok(());
    if stream {
        out.write(&options.prompts[0])?;
    }
    let texts = model.complete(&options.prompts, &decode, &mut |_, part| {
        if stream && printed.is_ok() {
            printed = out.write(part);
        }
    })?;
    printed?;
    if stream {
        return out.line("");
    }
    for (prompt, continuation) in options.prompts.iter().zip(&texts) {
        if options.json {
            out.line(serde_json::to_string(&Continued { prompt, continuation })?)?;
        } else {
            out.line(format_args!("{prompt}{continuation}"))?;
        }
    }
    Ok(())
}
