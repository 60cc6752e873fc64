//! The configuration of a suite: one TOML file, strict, with `--set key=value`
//! on top. Every fault names the key and what to do.

mod ablation;
mod encoder;
mod file;
mod language_model;
pub mod paths;
pub mod training;

use std::{collections::BTreeMap, path::PathBuf};

use anyhow::{Context, Result, anyhow, bail};
use dl_core::{Under, fault::check};
use dl_data::{Corpus, CorpusConfig};
use dl_diffusion::BridgeConfig;
use dl_llm::{DecodeConfig, PrefixConfig};
use dl_torch::DeviceChoice;
use serde::{Deserialize, Serialize};

pub use ablation::{
    AblationConfig, Change, Measure, SweepConfig, Variant, VariantConfig, Vary, variants,
};
pub use encoder::{EncoderConfig, TowersConfig};
pub use file::{nearest, read_over_base, read_toml, variant_of};
pub use language_model::LanguageModelConfig;

/// Everything that a suite of experiments depends on.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SuiteConfig {
    /// Name of the suite; run directories carry it.
    pub name: String,
    /// Where to compute: `cpu`, `cuda`, `cuda:N` or `auto`.
    pub device: DeviceChoice,
    /// Seed of the scenes, the projection heads and the language model.
    pub seed: u64,
    /// Seeds of bridges and captioners; tables average over them.
    pub seeds: Vec<u64>,
    /// Where runs and caches go; relative to the repository.
    pub runs: PathBuf,
    /// The experiments that the suite consists of.
    pub experiments: Vec<String>,
    /// Sounds and captions.
    pub data: CorpusConfig,
    /// The frozen encoder.
    pub encoder: EncoderConfig,
    /// Others that the experiment `encoders` compares it with, by name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub encoders: BTreeMap<String, EncoderConfig>,
    /// All bridges, by the name that rows use.
    pub bridges: BTreeMap<String, BridgeConfig>,
    /// Variants of bridges for the experiment `ablations`, by name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub ablations: BTreeMap<String, AblationConfig>,
    /// The experiment `transfer`, where there are other corpora to apply bridges to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub transfer: Option<TransferConfig>,
    /// The decoder, before any prefix.
    pub language_model: LanguageModelConfig,
    /// The prefix mapper and how captions are decoded.
    pub captioner: CaptionerConfig,
    /// Rows of the tables.
    pub rows: RowsConfig,
    /// Intervals.
    pub evaluation: EvaluationConfig,
    /// The `caption` command.
    pub caption: CaptionConfig,
}

/// Bridges fitted on the suite's corpus and applied to others.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TransferConfig {
    /// Bridges, in order; `rows.compare` is among them.
    pub rows: Vec<String>,
    /// The other corpora, by name.
    #[serde(default)]
    pub to: BTreeMap<String, CorpusConfig>,
}

/// The prefix mapper and decoding.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CaptionerConfig {
    /// The mapper from an embedding to prefix vectors, and its training.
    pub prefix: PrefixConfig,
    /// Greedy or beam search.
    pub decode: DecodeConfig,
    /// What a zero-shot decoder learns from where the bridge knows what to do with text.
    #[serde(default)]
    pub text: DecoderText,
    /// Standard deviation, per dimension of the unit vector, of the noise in the training of
    /// a second decoder for each row, the same for all of them: T2 has its tables once
    /// more. 0: it does not.
    #[serde(default)]
    pub hardened: f64,
    /// Train supervised decoders on embeddings from bridges that did not hear the clip: the
    /// training recordings are cut into so many parts, and the clips of each go through a
    /// bridge that is fitted to clips without any recording of that part. 0: all clips go
    /// through the one bridge that was fitted to them.
    #[serde(default)]
    pub out_of_fold: usize,
    /// Where the training of a supervised decoder begins.
    #[serde(default)]
    pub supervised_from: SupervisedFrom,
    /// What the best step of a decoder's training is chosen by, on validation.
    #[serde(default)]
    pub choose_by: ChooseBy,
}

/// What the best step of a decoder's training is chosen by, on validation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ChooseBy {
    /// The loss of the captions.
    #[default]
    Loss,
    /// CIDEr-D of what it says, decoded as `captioner.decode` says: of audio behind the bridge
    /// where it is supervised, else of each clip's first caption.
    CiderD,
}

/// Where the training of a supervised decoder begins.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SupervisedFrom {
    /// At random values: it learns from (bridged) audio alone.
    #[default]
    Scratch,
    /// At the zero-shot decoder of the same row: it has learned from text, and goes on with
    /// (bridged) audio.
    ZeroShot,
}

/// What a zero-shot decoder learns from behind a bridge that takes text as well as audio
/// (Diffusion-Link's text identity, and whatever stands on it). Behind other bridges it
/// learns from the captions' embeddings as they are, or as the method's own source says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DecoderText {
    /// The captions' embeddings through the frozen bridge, as in the overview figure of
    /// Diffusion-Link.
    #[default]
    Bridged,
    /// The captions' embeddings as they are.
    Raw,
}

/// Which decoder of a row.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Decoder {
    /// With the noise of the method's own source in its training, where that names one for
    /// a zero-shot decoder, else of `captioner.prefix`.
    Plain,
    /// With this noise in its training, whatever the row.
    Hardened(f64),
}

impl CaptionerConfig {
    /// The decoders of each row, the plain one first.
    pub fn decoders(&self) -> Vec<Decoder> {
        let hardened = (self.hardened > 0.0).then_some(Decoder::Hardened(self.hardened));
        std::iter::once(Decoder::Plain).chain(hardened).collect()
    }

    /// Checks every range.
    pub fn validate(&self) -> Result<()> {
        let noise = self.hardened;
        let good = noise >= 0.0 && noise.is_finite();
        check(good, "hardened", noise, "0 (no second decoder) or above")?;
        let parts = self.out_of_fold;
        check(parts != 1, "out_of_fold", parts, "0 (off) or at least 2 parts")?;
        self.prefix.validate().context("prefix")?;
        self.decode.validate().context("decode")
    }
}

/// Which bridges stand in which table, in order. The first row is the baseline.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RowsConfig {
    /// Modality gap.
    pub t1: Vec<String>,
    /// Captioning, decoder trained on text embeddings alone.
    pub zero_shot: Vec<String>,
    /// Captioning, decoder trained on (bridged) audio embeddings.
    pub supervised: Vec<String>,
    /// Ablations to run, by name. None: all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ablations: Option<Vec<String>>,
    /// The row of `t1` that every other row is tested against.
    #[serde(default = "default_compare")]
    pub compare: String,
}

fn default_compare() -> String {
    "diffusion_link".into()
}

/// How intervals are made.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EvaluationConfig {
    /// Bootstrap resamples over clips (and seeds), at least 100.
    pub resamples: usize,
    /// Directory of a BERT sentence encoder: T2 shows sentence similarity. None: it does not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sentence_encoder: Option<PathBuf>,
    /// Directory of FENSE's classifier of fluency errors: T2 shows FENSE, too.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fluency: Option<PathBuf>,
}

/// What the `caption` command uses.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CaptionConfig {
    /// The bridge.
    pub bridge: String,
    /// How its decoder was trained.
    pub protocol: Protocol,
    /// Length that recordings are brought to, and how.
    pub clip: dl_audio::ClipConfig,
    /// How many of the nearest training captions to print.
    pub neighbours: usize,
}

/// What a decoder is trained on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Protocol {
    /// Text embeddings alone; it meets audio only at test time.
    ZeroShot,
    /// The (bridged) audio embeddings.
    Supervised,
}

impl SuiteConfig {
    /// Reads `name` (a folder of `configs/`, or a path to a TOML file), applies
    /// `sets` (`key=value` with dots in the key) and `seeds`, and checks it all.
    pub fn load(name: &str, sets: &[String], seeds: Option<&[u64]>) -> Result<Self> {
        let path = paths::config_file(name)?;
        let mut config: Self = read_over_base(&path, sets)?;
        if let Some(seeds) = seeds {
            config.seeds = seeds.to_vec();
        }
        config.validate().with_context(|| format!("in {}", path.display()))?;
        Ok(config)
    }

    fn validate(&self) -> Result<()> {
        check_seeds(&self.seeds).context("seeds")?;
        check_resamples(self.evaluation.resamples).context("evaluation.resamples")?;
        if self.evaluation.fluency.is_some() && self.evaluation.sentence_encoder.is_none() {
            bail!("evaluation.fluency: needs evaluation.sentence_encoder beside it");
        }
        if self.caption.neighbours == 0 {
            bail!("caption.neighbours = 0: must be at least 1");
        }
        let lists = [
            ("rows.t1", &self.rows.t1),
            ("rows.zero_shot", &self.rows.zero_shot),
            ("rows.supervised", &self.rows.supervised),
        ];
        for (key, rows) in lists {
            if rows.is_empty() {
                bail!("{key}: give at least one row");
            }
            for row in rows {
                self.bridge(row).with_context(|| key.to_owned())?;
            }
        }
        if !self.rows.t1.contains(&self.rows.compare) {
            let (compare, known) = (&self.rows.compare, self.rows.t1.join(", "));
            bail!("rows.compare = {compare}: must be a row of rows.t1, one of {known}");
        }
        self.bridge(&self.caption.bridge).context("caption.bridge")?;
        for (name, bridge) in &self.bridges {
            bridge.validate().under(&format!("bridges.{name}"))?;
        }
        for (name, ablation) in &self.ablations {
            variants(self, ablation).with_context(|| format!("ablations.{name}"))?;
        }
        for name in self.rows.ablations.iter().flatten() {
            if !self.ablations.contains_key(name) {
                let known =
                    self.ablations.keys().map(String::as_str).collect::<Vec<_>>().join(", ");
                bail!("rows.ablations: no ablation is called {name}; there are {known}");
            }
        }
        if let Some(transfer) = &self.transfer {
            for row in &transfer.rows {
                self.bridge(row).context("transfer.rows")?;
            }
            if !transfer.rows.contains(&self.rows.compare) {
                bail!("transfer.rows: must contain rows.compare, which is {}", self.rows.compare);
            }
            for (name, corpus) in &transfer.to {
                corpus.validate().under(&format!("transfer.to.{name}"))?;
            }
        }
        self.data.validate().under("data")?;
        self.encoder.validate("encoder")?;
        for (name, encoder) in &self.encoders {
            encoder.validate(&format!("encoders.{name}"))?;
        }
        self.language_model.validate()?;
        self.captioner.validate().context("captioner")?;
        self.caption.clip.validate().context("caption.clip")
    }

    /// The same with these seeds, and with those rows of its tables that are among `rows`;
    /// with all of them where there are none.
    #[must_use]
    pub fn narrowed(&self, seeds: &[u64], rows: &[String]) -> Self {
        let mut own = self.clone();
        own.seeds = seeds.to_vec();
        if !rows.is_empty() {
            let lists = [&mut own.rows.t1, &mut own.rows.zero_shot, &mut own.rows.supervised];
            for list in lists {
                list.retain(|row| rows.contains(row));
            }
        }
        own
    }

    /// The ablations that are to be run, by name.
    pub fn ablations(&self) -> impl Iterator<Item = (&String, &AblationConfig)> {
        let wanted = self.rows.ablations.as_ref();
        self.ablations.iter().filter(move |(name, _)| wanted.is_none_or(|of| of.contains(name)))
    }

    /// Every row of T1 and T2 once, in order.
    pub fn all_rows(&self) -> Vec<&String> {
        let RowsConfig { t1, zero_shot, supervised, .. } = &self.rows;
        let mut rows: Vec<&String> = Vec::new();
        for row in t1.iter().chain(zero_shot).chain(supervised) {
            if !rows.contains(&row) {
                rows.push(row);
            }
        }
        rows
    }

    /// The configuration of a bridge by its name.
    pub fn bridge(&self, name: &str) -> Result<&BridgeConfig> {
        self.bridges.get(name).ok_or_else(|| {
            let known = self.bridges.keys().map(String::as_str).collect::<Vec<_>>().join(", ");
            anyhow!("there is no [bridges.{name}]; the bridges are {known}")
        })
    }

    /// The resolved configuration as TOML, for the run directory.
    pub fn to_toml(&self) -> Result<String> {
        toml::to_string_pretty(self).context("cannot write the configuration as TOML")
    }

    /// Where all runs and caches of this suite go.
    pub fn runs_dir(&self) -> Result<PathBuf> {
        Ok(paths::in_repository(&self.runs)?.join(&self.name))
    }
}

/// Opens a corpus, its folders relative to the repository.
///
/// # Errors
/// When a setting is out of range, a file at fault, or there are too few sounds.
pub fn open_corpus(corpus: &CorpusConfig, seed: u64) -> Result<Box<dyn Corpus>> {
    Ok(corpus.open(seed, &paths::repository()?)?)
}

/// Seeds to average over: at least one, and none twice, which would pass for two.
pub fn check_seeds(seeds: &[u64]) -> Result<()> {
    if seeds.is_empty() {
        bail!("give at least one");
    }
    match seeds.iter().enumerate().find(|&(place, seed)| seeds[..place].contains(seed)) {
        Some((_, seed)) => bail!("{seed} is there twice"),
        None => Ok(()),
    }
}

/// Fewer resamples make no interval.
pub fn check_resamples(resamples: usize) -> Result<()> {
    if resamples < 100 {
        bail!("{resamples}: must be at least 100");
    }
    Ok(())
}
