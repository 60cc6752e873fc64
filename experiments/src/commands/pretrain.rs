//! `pretrain-clap`: a small CLAP from a recipe, on scenes of the training split;
//! it writes a model directory with a card that says how the model was made.

use std::{
    path::{Path, PathBuf},
    time::Instant,
};

use anyhow::{Context, Result, bail};
use dl_core::{Draft, Fingerprint, Stage, Store, Under, atomic};
use dl_data::{Corpus, CorpusConfig, Split};
use dl_encoder::{
    AudioEncoder, Clap, ClapConfig, Encoder, Extraction, Sanity,
    clap::{PretrainConfig, Pretrained, Spectrograms, pretrain::Scenes},
    sanity,
};
use dl_eval::{gap, stats};
use dl_torch::{DeviceChoice, TrainContext, TrainReport};
use ndarray::{Array2, Axis};
use serde::{Deserialize, Serialize};
use tch::Device;

use super::output::check_folder;
use crate::{
    config::{self, paths},
    console::Output,
    stages::Services,
};

/// Changes whenever the same recipe gives another model.
const VERSION: u32 = 2;
/// Clips in one piece of the cache.
const CHUNK: usize = 128;

/// A recipe file.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Recipe {
    /// Where to compute.
    device: DeviceChoice,
    /// Seed of scenes and weights.
    seed: u64,
    /// Where spectrograms and checkpoints go; relative to the repository.
    runs: PathBuf,
    /// Sounds and captions. Only the training and validation splits are used.
    data: CorpusConfig,
    /// The model and its training.
    clap: PretrainConfig,
}

/// What a model directory says of its making: `card.json`.
#[derive(Serialize)]
struct Card {
    /// Fingerprint of the recipe and of this program's generators.
    recipe: Fingerprint,
    /// SHA-256 of `model.safetensors`.
    weights: Fingerprint,
    parameters: usize,
    device: DeviceChoice,
    training: TrainReport,
    /// Figures on the validation split.
    validation: Sanity,
    /// The gap on the validation split.
    gap: Gap,
}

/// What tells a space of published CLAPs from another: compare the ranges in
/// `experiments/guide/sounds.md`.
#[derive(Serialize)]
struct Gap {
    /// Mean cosine of two captions of one clip.
    captions_of_one_clip: f64,
    /// Distance of the two means.
    centroid_distance: f64,
    /// Accuracy of a linear probe.
    separability: f64,
    /// Participation ratio of each side over the dimensions.
    audio_dimensions: f64,
    text_dimensions: f64,
    /// Share of captions whose clip is among the nearest ten.
    text_to_audio_recall_at_10: f64,
}

/// One split, ready for training.
struct Part {
    spectrograms: Array2<f32>,
    captions: Vec<String>,
    owners: Vec<usize>,
}

/// The recipe of the encoder of the suite `embedded`.
const DEFAULT: &str = "configs/embedded/clap.toml";

/// Trains what `recipe` describes and writes it into `output`.
pub fn run(
    recipe: Option<&Path>,
    sets: &[String],
    output: &Path,
    services: &Services<'_>,
    out: &mut Output,
) -> Result<()> {
    check_folder(output)?;
    let default = paths::in_repository(Path::new(DEFAULT))?;
    let recipe = recipe.unwrap_or(&default);
    let parts: Recipe = config::read_toml(recipe, sets)?;
    let Recipe { device, seed, runs, data, clap } = &parts;
    let place = || format!("in {}", recipe.display());
    data.validate().under("data").with_context(place)?;
    clap.validate().context("clap").with_context(place)?;
    let (device_name, device) = (*device, device.resolve()?);
    let corpus = config::open_corpus(data, *seed)?;
    let store = Store::new(paths::in_repository(runs)?.join("stages"));
    let spectrograms = Spectrograms::new(clap.front_end()?);
    let part = |split| part(corpus.as_ref(), split, &spectrograms, &store, services);
    let (training, validation) = (part(Split::Train)?, part(Split::Validation)?);
    let stage: Stage = of_corpus(&store, "clap", corpus.as_ref())
        .device(&format!("{device:?}"))
        .config("clap", clap)
        .config("seed", seed)
        .open();
    let progress = services.reporter.task("");
    let say = |line: &str| services.reporter.say(line);
    // A stage that is done is done over: what it makes goes into the folder of the user.
    let _lock = dl_core::Lock::acquire(&stage.file("lock"), services.if_busy, &say)?;
    let key = Fingerprint::from(stage.key());
    let context = TrainContext::new(*seed)
        .named("CLAP")
        .device(device)
        .progress(&progress)
        .checkpoint(stage.file("checkpoint.safetensors"));
    let start = Instant::now();
    let (model, report) =
        Pretrained::train(&training.scenes(), &validation.scenes(), clap, &context)?;
    let minutes = start.elapsed().as_secs_f64() / 60.0;
    model.save(output)?;
    // Judged as it will be used: from the files.
    let frozen = Clap::load(&ClapConfig::at(output), Device::Cpu)?;
    let (figures, gap) = judge(&frozen, &validation)?;
    let said = format!(
        "{}: {} parameters, {minutes:.1} min, validation loss {:.4}\n\
         cosine of pairs {:.3}, of strangers {:.3}, of two clips {:.3}, of their captions {:.3}, \
         of two captions of one clip {:.3}\n\
         centroids {:.3} apart, separability {:.3}, effective dimensions {:.1} % and {:.1} %, \
         text to audio R@10 {:.3}",
        output.display(),
        model.count(),
        report.best_validation,
        figures.paired_cosine,
        figures.unpaired_cosine,
        figures.audio_cosine,
        figures.text_cosine,
        gap.captions_of_one_clip,
        gap.centroid_distance,
        gap.separability,
        100.0 * gap.audio_dimensions,
        100.0 * gap.text_dimensions,
        gap.text_to_audio_recall_at_10,
    );
    let card = Card {
        recipe: key,
        weights: Fingerprint::of_file(&output.join("model.safetensors"))?,
        parameters: model.count(),
        device: device_name,
        training: report,
        validation: figures,
        gap,
    };
    let json = serde_json::to_string_pretty(&card)? + "\n";
    atomic::write_bytes(&output.join("card.json"), json.as_bytes())?;
    out.line(said)
}

fn of_corpus(store: &Store, name: &str, corpus: &dyn Corpus) -> Draft {
    store.stage(name, VERSION).source("corpus", &corpus.fingerprint())
}

impl Part {
    fn scenes(&self) -> Scenes<'_> {
        Scenes { spectrograms: &self.spectrograms, captions: &self.captions, owners: &self.owners }
    }
}

fn part(
    corpus: &dyn Corpus,
    split: Split,
    spectrograms: &Spectrograms,
    store: &Store,
    services: &Services<'_>,
) -> Result<Part> {
    let clips = corpus.clips(split);
    let stage = of_corpus(store, "spectrograms", corpus)
        .source("front_end", &spectrograms.fingerprint())
        .open();
    let directory = stage.dir().join(split.name());
    let progress = services.reporter.task("");
    let task = format!("spectrograms of {}", split.name());
    let plan = Extraction {
        directory: &directory,
        key: &|_| String::new(),
        chunk: CHUNK,
        task: &task,
        progress: &progress,
    };
    let render = |index| corpus.render(split, index);
    let extracted = dl_encoder::extract(spectrograms, clips.len(), render, &plan)?;
    if let Some(fault) = extracted.faults.first() {
        bail!("{}: {}", clips[fault.index].id, fault.problem);
    }
    Ok(Part {
        spectrograms: extracted.features,
        captions: clips.iter().flat_map(|clip| clip.captions.iter().cloned()).collect(),
        owners: clips
            .iter()
            .enumerate()
            .flat_map(|(owner, clip)| std::iter::repeat_n(owner, clip.captions.len()))
            .collect(),
    })
}

fn judge(clap: &Clap, part: &Part) -> Result<(Sanity, Gap)> {
    let [channels, frames, mels] = clap.front_end_shape();
    let mut audio = Array2::zeros((0, clap.dim()));
    for rows in part.spectrograms.axis_chunks_iter(Axis(0), 16) {
        let log_mels =
            dl_torch::convert::tensor2(rows, Device::Cpu).view([-1, channels, frames, mels]);
        let embedded = dl_torch::convert::array2(&clap.embed_log_mels(&log_mels, &[])?)?;
        audio.append(Axis(0), embedded.view())?;
    }
    let text = clap.embed_text(&part.captions)?;
    let report = gap::evaluate(&gap::GapInput::new(audio.view(), text.view(), &part.owners))?;
    let dim = clap.dim() as f64;
    let gap = Gap {
        captions_of_one_clip: stats::mean(&report.per_clip.text_ceiling),
        centroid_distance: report.centroid_distance,
        separability: report.separability,
        audio_dimensions: report.effective_dim_audio / dim,
        text_dimensions: report.effective_dim_text / dim,
        text_to_audio_recall_at_10: stats::mean(&report.per_clip.t2a_r10),
    };
    Ok((sanity(audio.view(), text.view(), &part.owners)?, gap))
}
