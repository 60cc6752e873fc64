//! The configuration of a suite: one TOML file, strict, with `--set key=value`
//! on top. Every fault names the key and what to do.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, anyhow, bail};
use dl_core::{Under, fault};
use dl_data::{Corpus, CorpusConfig};
use dl_diffusion::BridgeConfig;
use dl_encoder::{AudioTowerConfig, ClapConfig, HeadsConfig, TextTowerConfig, TowerPairConfig};
use dl_llm::{DecodeConfig, LmTrainConfig, PrefixConfig};
use dl_torch::DeviceChoice;
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use crate::paths;

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
    pub language_model: LmTrainConfig,
    /// The prefix mapper and how captions are decoded.
    pub captioner: CaptionerConfig,
    /// Rows of the tables.
    pub rows: RowsConfig,
    /// Intervals.
    pub evaluation: EvaluationConfig,
    /// The `caption` command.
    pub caption: CaptionConfig,
}

/// The frozen encoder.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum EncoderConfig {
    /// A CLAP model directory or file.
    Clap(ClapConfig),
    /// A bundle of TorchScript modules.
    Torchscript(TorchScriptConfig),
    /// Pretrained towers and the heads trained over them.
    Towers(TowersConfig),
}

/// Where a TorchScript bundle lies.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TorchScriptConfig {
    /// Its directory.
    pub path: PathBuf,
}

/// Pretrained towers and the heads trained over them.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TowersConfig {
    /// Pretrained towers.
    pub towers: TowerPairConfig,
    /// Projection heads.
    pub heads: HeadsConfig,
}

impl EncoderConfig {
    /// Checks every range; faults begin with `key`, this encoder's place in the file.
    fn validate(&self, key: &str) -> Result<()> {
        match self {
            Self::Clap(clap) => clap.validate().with_context(|| key.to_owned())?,
            Self::Torchscript(_) => {}
            Self::Towers(parts) => {
                parts.towers.validate().with_context(|| format!("{key}.towers"))?;
                parts.heads.validate().with_context(|| format!("{key}.heads"))?;
            }
        }
        Ok(())
    }

    /// What tables call it.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Clap(_) => "clap",
            Self::Torchscript(_) => "torchscript",
            Self::Towers(_) => "towers",
        }
    }

    /// The same with its files relative to the repository.
    pub fn in_repository(&self) -> Result<Self> {
        let mut config = self.clone();
        let paths = match &mut config {
            Self::Clap(clap) => vec![&mut clap.path],
            Self::Torchscript(bundle) => vec![&mut bundle.path],
            Self::Towers(TowersConfig { towers, .. }) => {
                let AudioTowerConfig::Aisfx(audio) = &mut towers.audio;
                let TextTowerConfig::Minilm(text) = &mut towers.text;
                vec![&mut audio.path, &mut text.path]
            }
        };
        for path in paths {
            *path = paths::in_repository(path)?;
        }
        Ok(config)
    }
}

/// Variants: the values of a sweep, then those that are named. Every row is compared
/// with the first.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AblationConfig {
    /// What varies, in a few words: the title of the table.
    pub about: String,
    /// The bridge of the suite that is varied, or that the varied decoder is used with.
    pub of: String,
    /// What the keys belong to.
    #[serde(default, skip_serializing_if = "Vary::is_bridge")]
    pub vary: Vary,
    /// One key over several values.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sweep: Option<SweepConfig>,
    /// Variants with a name.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub variants: Vec<VariantConfig>,
}

/// What an ablation changes, and so what it measures.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Vary {
    /// The bridge; the gap is measured.
    #[default]
    Bridge,
    /// The number of training clips that the bridge is given (key `clips`); the gap is
    /// measured.
    Pairs,
    /// The captioner, trained on text and used through the bridge; captions are scored.
    Captioner,
}

impl Vary {
    fn is_bridge(&self) -> bool {
        *self == Self::Bridge
    }
}

/// One key over several values.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SweepConfig {
    /// With dots, as `--set` takes it, from the bridge (the captioner) down.
    pub key: String,
    /// In the order of the rows.
    pub values: Vec<toml::Value>,
}

/// A variant with a name.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VariantConfig {
    /// The row.
    pub name: String,
    /// `key=value`, as `--set` takes it, from the bridge (the captioner) down; none is
    /// the bridge (the captioner) itself.
    #[serde(default)]
    pub set: Vec<String>,
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
    /// Train supervised decoders on embeddings from bridges that did not see the clip
    /// (two bridges, each fitted on half of the training clips).
    #[serde(default)]
    pub out_of_fold: bool,
}

impl CaptionerConfig {
    /// Checks every range.
    pub fn validate(&self) -> Result<()> {
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
        let mut config: Self = read_toml(&path, sets)?;
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
        crate::suite::known(&self.experiments).context("experiments")?;
        for (name, bridge) in &self.bridges {
            bridge.validate().under(&format!("bridges.{name}"))?;
        }
        for (name, ablation) in &self.ablations {
            crate::ablations::variants(self, ablation)
                .with_context(|| format!("ablations.{name}"))?;
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
        self.language_model.validate().context("language_model")?;
        self.captioner.validate().context("captioner")?;
        self.caption.clip.validate().context("caption.clip")
    }

    /// The configuration of a bridge by its name.
    pub fn bridge(&self, name: &str) -> Result<&BridgeConfig> {
        self.bridges.get(name).ok_or_else(|| {
            let known = self.bridges.keys().map(String::as_str).collect::<Vec<_>>().join(", ");
            anyhow!("there is no [bridges.{name}]; the bridges are {known}")
        })
    }

    /// Opens the corpus, its folders relative to the repository.
    pub fn corpus(&self) -> Result<Box<dyn Corpus>> {
        Ok(self.data.open(self.seed, &paths::repository()?)?)
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

/// A part of the configuration with `sets` (`key=value`) on top, not yet checked.
pub fn variant_of<T: Serialize + DeserializeOwned>(base: &T, sets: &[String]) -> Result<T> {
    let mut document = toml::Table::try_from(base).context("cannot write it as TOML")?;
    for set in sets {
        apply(&mut document, set)?;
    }
    serde_path_to_error::deserialize(toml::Value::Table(document))
        .map_err(|error| anyhow!("{}: {}", sets.join(", "), explained(error)))
}

/// Reads a TOML file of configuration with `sets` on top; faults name file and key.
pub fn read_toml<T: DeserializeOwned>(path: &Path, sets: &[String]) -> Result<T> {
    let text = dl_core::text::read(path)?;
    let mut document: toml::Table = toml::from_str(&text).map_err(|error| {
        let start = error.span().map_or(0, |span| span.start);
        let line = 1 + text.get(..start).unwrap_or_default().matches('\n').count();
        anyhow!("{}, line {line}: {}", path.display(), error.message())
    })?;
    for set in sets {
        apply(&mut document, set)?;
    }
    serde_path_to_error::deserialize(toml::Value::Table(document))
        .map_err(|error| anyhow!("{}: {}", path.display(), explained(error)))
}

/// The whole path of the key at fault, and what is wrong with it.
fn explained(error: serde_path_to_error::Error<toml::de::Error>) -> String {
    let path = error.path().to_string();
    let problem = error.into_inner();
    let (path, problem) = fault::at(&path, problem.message());
    format!("{path}: {}", with_suggestion(problem))
}

/// Puts one `key=value` into the document. A value that is not TOML is a string,
/// so that `--set device=cpu` works.
fn apply(document: &mut toml::Table, set: &str) -> Result<()> {
    let (key, text) = set
        .split_once('=')
        .ok_or_else(|| anyhow!("--set {set}: write it as key=value, for example seeds=[0,1]"))?;
    let value = match toml::from_str::<toml::Table>(&format!("value = {text}")) {
        Ok(mut table) => table.remove("value").context("--set: no value")?,
        Err(_) => toml::Value::String(text.trim().to_owned()),
    };
    let mut parts: Vec<&str> = key.trim().split('.').collect();
    let last = parts.pop().unwrap_or_default();
    let mut table = document;
    for (depth, part) in parts.iter().enumerate() {
        table = table
            .entry(*part)
            .or_insert_with(|| toml::Value::Table(toml::Table::new()))
            .as_table_mut()
            .ok_or_else(|| {
                anyhow!("--set {set}: {} is a value, not a section", parts[..=depth].join("."))
            })?;
    }
    table.insert(last.to_owned(), value);
    Ok(())
}

/// serde's "unknown field `x`, expected one of `a`, `b`" with the nearest name.
fn with_suggestion(problem: &str) -> String {
    let mut quoted = problem.split('`').skip(1).step_by(2);
    let unknown = problem.starts_with("unknown field") || problem.starts_with("unknown variant");
    let (Some(wrong), true) = (quoted.next(), unknown) else { return problem.to_owned() };
    match nearest(wrong, quoted) {
        Some(name) => format!("{problem}; did you mean `{name}`?"),
        None => problem.to_owned(),
    }
}

/// The name that is most like `wrong`, unless none is much like it.
pub fn nearest<'n>(wrong: &str, names: impl IntoIterator<Item = &'n str>) -> Option<&'n str> {
    names
        .into_iter()
        .map(|name| (strsim::damerau_levenshtein(wrong, name), name))
        .min()
        .filter(|(distance, name)| *distance <= 1 + name.len() / 3)
        .map(|(_, name)| name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_takes_toml_and_bare_words() {
        let mut document = toml::from_str("[data]\nroots = []\n").unwrap();
        for set in ["data.roots=['a', 'b']", "device=cpu", "data.size.train=7"] {
            apply(&mut document, set).unwrap();
        }
        let expected = "device = 'cpu'\n[data]\nroots = ['a', 'b']\n[data.size]\ntrain = 7\n";
        assert_eq!(document, toml::from_str::<toml::Table>(expected).unwrap());
        assert!(apply(&mut document, "device.kind=1").unwrap_err().to_string().contains("a value"));
        assert!(apply(&mut document, "device").unwrap_err().to_string().contains("key=value"));
    }

    #[test]
    fn the_nearest_field_is_suggested() {
        let text = with_suggestion("unknown field `hiden`, expected one of `dim`, `hidden`");
        assert!(text.ends_with("did you mean `hidden`?"), "{text}");
        let text = with_suggestion("unknown field `zzzzzz`, expected `dim`");
        assert!(!text.contains("did you mean"), "{text}");
    }
}
