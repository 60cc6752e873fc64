//! `doctor`: is everything there that the suite needs? One line for each part, a remedy for
//! each fault; exit code 2 when there is a fault.

use std::{fs, io, path::Path, process::ExitCode};

use anyhow::Result;

use dl_data::{CorpusKind, EmbeddingsConfig};
use dl_encoder::{AudioTowerConfig, EncoderMethod, TextTowerConfig};
use dl_llm::PretrainedConfig;

use crate::{
    config::{self, EncoderConfig, LanguageModelConfig, SuiteConfig},
    console::Output,
    process,
};

pub type Finding = (&'static str, Result<String, String>);

/// Looks at libtorch, device, models, data and the run directory.
pub fn run(config: &SuiteConfig, out: &mut Output) -> Result<ExitCode> {
    let mut findings: Vec<Finding> = vec![
        ("libtorch", Ok(libtorch())),
        ("device", device(config)),
        ("process", Ok(process::in_force())),
        ("runs", writable(&config.runs_dir()?)),
        ("data", data(config)),
    ];
    // Embeddings that were made elsewhere need none.
    if config.data.kind() != EmbeddingsConfig::KIND {
        findings.extend(encoder(&config.encoder.in_repository()?));
    }
    if let LanguageModelConfig::Pretrained(model) = &config.language_model {
        findings.push(("language", language_model(model)));
    }
    for (part, finding) in &findings {
        match finding {
            Ok(line) => out.line(format_args!("ok     {part:10} {line}"))?,
            Err(line) => out.line(format_args!("FAULT  {part:10} {line}"))?,
        }
    }
    let healthy = findings.iter().all(|(_, finding)| finding.is_ok());
    Ok(if healthy { ExitCode::SUCCESS } else { ExitCode::from(2) })
}

/// The library that this process really loaded.
fn libtorch() -> String {
    let maps = fs::read_to_string("/proc/self/maps").unwrap_or_default();
    let loaded = maps
        .lines()
        .filter_map(|line| line.split_whitespace().nth(5))
        .find(|path| path.ends_with("libtorch_cpu.so"))
        .unwrap_or("loaded");
    format!("{} at {loaded}", dl_torch::device::LIBTORCH_VERSION)
}

fn device(config: &SuiteConfig) -> Result<String, String> {
    let device = config.device.resolve().map_err(|error| error.to_string())?;
    Ok(dl_torch::device::describe(device))
}

fn writable(runs: &Path) -> Result<String, String> {
    let probe = runs.join(".probe");
    dl_core::atomic::write_bytes(&probe, b"probe").map_err(|error| {
        format!("{error}; free space or permission, or --set runs=<another folder>")
    })?;
    fs::remove_file(&probe).map_err(|error| error.to_string())?;
    Ok(runs.display().to_string())
}

pub fn data(config: &SuiteConfig) -> Result<String, String> {
    let corpus =
        config::open_corpus(&config.data, config.seed).map_err(|error| format!("{error:#}"))?;
    let sizes = [dl_data::Split::Train, dl_data::Split::Validation, dl_data::Split::Test]
        .map(|split| corpus.clips(split).len().to_string())
        .join(" + ");
    let warnings = match corpus.warnings().len() {
        0 => String::new(),
        n => format!(", {n} warnings (the first: {})", corpus.warnings()[0]),
    };
    Ok(format!("{}: {sizes} clips{warnings}", corpus.name()))
}

/// The models behind the encoder. The digest of an encoder's files is taken, so that a file
/// that is missing or spoilt is named.
pub fn encoder(config: &EncoderConfig) -> Vec<Finding> {
    match config {
        EncoderConfig::Clap(clap) => vec![("CLAP", whole(clap, &clap.path))],
        EncoderConfig::Torchscript(bundle) => vec![("encoder", whole(bundle, &bundle.path))],
        EncoderConfig::Towers(parts) => {
            let AudioTowerConfig::Aisfx(audio) = &parts.towers.audio;
            let TextTowerConfig::Minilm(text) = &parts.towers.text;
            let text = model(&text.path.join("model.safetensors"));
            vec![("aiSFX", model(&audio.path)), ("MiniLM", text)]
        }
        EncoderConfig::Registered(other) => {
            let found = other.fingerprint().map_err(|error| error.to_string());
            vec![("encoder", found.map(|print| format!("{}, {}", other.kind(), print.short())))]
        }
    }
}

/// A published language model: all its files are looked at, so that one that is missing or
/// spoilt is named.
pub fn language_model(config: &PretrainedConfig) -> Result<String, String> {
    let config = LanguageModelConfig::located(config).map_err(|error| format!("{error:#}"))?;
    config.fingerprint().map_err(|error| {
        format!("{error}; correct `language_model.path`, or {REMEDY} for SmolLM2")
    })?;
    model(&config.path)
}

fn whole(encoder: &impl EncoderMethod, path: &Path) -> Result<String, String> {
    encoder.fingerprint().map_err(|error| format!("{error}; {REMEDY}"))?;
    model(path)
}

const REMEDY: &str = "run `cargo setup --models`";

/// A file of weights, or a folder with them.
pub fn model(path: &Path) -> Result<String, String> {
    let size = size(path).map_err(|error| format!("{}: {error}; {REMEDY}", path.display()))?;
    Ok(format!("{} ({:.1} MB)", path.display(), size as f64 / 1e6))
}

/// Bytes of a file, or of the files of a folder.
fn size(path: &Path) -> io::Result<u64> {
    if !path.is_dir() {
        return Ok(fs::metadata(path)?.len());
    }
    fs::read_dir(path)?.map(|entry| size(&entry?.path())).sum()
}
