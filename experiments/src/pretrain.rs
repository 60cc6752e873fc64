//! `pretrain-clap`: a small CLAP from a recipe, on scenes of the training split;
//! what it writes is a model directory with a card that says how it came about.

use std::{
    path::{Path, PathBuf},
    time::Instant,
};

use anyhow::{Context, Result, bail};
use dl_core::{Fingerprint, Store, atomic};
use dl_data::{Corpus, CorpusConfig, Split};
use dl_encoder::{
    AudioEncoder, Clap, ClapConfig, Encoder, Extraction, Sanity,
    clap::{PretrainConfig, Pretrained, Spectrograms, pretrain::Scenes},
    sanity,
};
use dl_torch::{DeviceChoice, TrainContext, TrainReport};
use ndarray::{Array2, Axis};
use serde::{Deserialize, Serialize};

use crate::{config, paths, ui::Reporter};

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
    reporter: &Reporter,
) -> Result<()> {
    let default = paths::in_repository(Path::new(DEFAULT))?;
    let recipe = recipe.unwrap_or(&default);
    let parts: Recipe = config::read_toml(recipe, sets)?;
    let Recipe { device, seed, runs, data, clap } = &parts;
    let place = || format!("in {}", recipe.display());
    data.validate().context("data").with_context(place)?;
    clap.validate().context("clap").with_context(place)?;
    let (device_name, device) = (*device, device.resolve()?);
    let corpus = data.open(*seed)?;
    let key = Fingerprint::combine([&corpus.fingerprint(), &Fingerprint::of(&(clap, seed))]);
    let store = Store::new(paths::in_repository(runs)?.join("stages"));
    let spectrograms = Spectrograms::new(clap.front_end()?);
    let part = |split| part(corpus.as_ref(), split, &spectrograms, &store, reporter);
    let (training, validation) = (part(Split::Train)?, part(Split::Validation)?);
    let stage = store.stage("clap", &key);
    let context = TrainContext::new(*seed)
        .named("CLAP")
        .device(device)
        .progress(reporter)
        .checkpoint(stage.file("checkpoint.safetensors"));
    let start = Instant::now();
    let (model, report) =
        Pretrained::train(&training.scenes(), &validation.scenes(), clap, &context)?;
    let minutes = start.elapsed().as_secs_f64() / 60.0;
    model.save(output)?;
    // Judged as it will be used: from the files.
    let frozen = Clap::load(&ClapConfig::at(output), device)?;
    let figures = judge(&frozen, &validation)?;
    println!(
        "{}: {} parameters, {minutes:.1} min, validation loss {:.4}, paired cosine {:.3}, \
         unpaired {:.3}, audio to text R@1 {:.3}",
        output.display(),
        model.count(),
        report.best_validation,
        figures.paired_cosine,
        figures.unpaired_cosine,
        figures.recall_at_1
    );
    let card = Card {
        recipe: key,
        weights: Fingerprint::of_file(&output.join("model.safetensors"))?,
        parameters: model.count(),
        device: device_name,
        training: report,
        validation: figures,
    };
    let json = serde_json::to_string_pretty(&card)? + "\n";
    atomic::write_bytes(&output.join("card.json"), json.as_bytes())?;
    Ok(())
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
    reporter: &Reporter,
) -> Result<Part> {
    let clips = corpus.clips(split);
    let key = Fingerprint::combine([&corpus.fingerprint(), &spectrograms.fingerprint()]);
    let directory = store.stage("spectrograms", &key).dir().join(split.name());
    let task = format!("spectrograms of {}", split.name());
    let plan = Extraction {
        directory: &directory,
        key: &|_| String::new(),
        chunk: CHUNK,
        task: &task,
        progress: reporter,
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

fn judge(clap: &Clap, part: &Part) -> Result<Sanity> {
    let [channels, frames, mels] = clap.front_end_shape();
    let mut audio = Array2::zeros((0, clap.dim()));
    for rows in part.spectrograms.axis_chunks_iter(Axis(0), 16) {
        let log_mels =
            dl_torch::convert::tensor2(rows, tch::Device::Cpu).view([-1, channels, frames, mels]);
        let embedded = dl_torch::convert::array2(&clap.embed_log_mels(&log_mels, &[])?)?;
        audio.append(Axis(0), embedded.view())?;
    }
    let text = clap.embed_text(&part.captions)?;
    Ok(sanity(audio.view(), text.view(), &part.owners)?)
}
