//! Bridges fitted to the training pairs, and sets of embeddings after them.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::{Result, bail};
use dl_core::{EmbeddingSet, Stage};
use dl_data::Split;
use dl_diffusion::{Bridge, BridgeConfig, BridgeData};
use serde::Serialize;

use super::{
    Bench, Cost, Desk, Embeddings, Lab, Made, Work,
    cost::{by_steps, saved, set_bytes, shortened},
    recordings::{parts, unheard},
    speed,
};

/// Changes whenever the same pairs get another bridge.
const FIT_VERSION: u32 = 1;
/// Changes whenever the same bridge moves the same set otherwise.
const APPLY_VERSION: u32 = 1;
/// The same for the training split in parts.
const OUT_OF_FOLD_VERSION: u32 = 3;

const BRIDGE: &str = "bridge.safetensors";
const SET: &str = "set.safetensors";

/// Which of the training clips a bridge is fitted to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Part {
    /// All.
    Whole,
    /// The first so many.
    First(usize),
    /// Those in which nothing of a part sounds: see [`parts`].
    Unheard {
        /// The part that is left out, counted from 0.
        part: usize,
        /// How many parts there are.
        of: usize,
    },
}

/// A bridge fitted to the pairs of an encoder.
pub struct Fit {
    stage: Stage,
    name: String,
    config: BridgeConfig,
    seed: u64,
    part: Part,
    pairs: Arc<Embeddings>,
}

impl Fit {
    /// The bridge of `config`, which tables call `name`, under `seed`.
    pub fn new(
        lab: &Lab<'_>,
        name: &str,
        config: &BridgeConfig,
        seed: u64,
        pairs: &Arc<Embeddings>,
        part: Part,
    ) -> Arc<Self> {
        let mut draft = lab
            .stage("bridge", FIT_VERSION)
            .input("pairs", pairs.stage().key())
            .config("bridge", config)
            .config("version", &config.version())
            .config("seed", &seed);
        if part != Part::Whole {
            draft = draft.config("part", &part);
        }
        let (name, config, pairs) = (name.to_owned(), config.clone(), Arc::clone(pairs));
        Arc::new(Self { stage: draft.open(), name, config, seed, part, pairs })
    }

    /// Its configuration.
    pub fn config(&self) -> &BridgeConfig {
        &self.config
    }

    /// What tables call it.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The seed of its fit, and of the noise that it draws.
    pub fn seed(&self) -> u64 {
        self.seed
    }

    /// The pairs that it is fitted to.
    pub fn pairs(&self) -> &Arc<Embeddings> {
        &self.pairs
    }

    /// The fitted bridge, from its file.
    ///
    /// # Errors
    /// When the file is spoilt.
    pub fn load(&self, lab: &Lab<'_>) -> Result<Bridge> {
        Ok(Bridge::load(&self.stage.file(BRIDGE), lab.device)?)
    }

    /// A set after the bridge.
    fn across(&self, bridge: &Bridge, set: &EmbeddingSet) -> Result<EmbeddingSet> {
        let rows = bridge.apply(&set.audio, &set.ids, self.seed)?;
        let mut bridged = set.with_audio(rows, &self.name);
        if self.config.moves_text() {
            bridged.text = bridge.text(&set.text)?;
        }
        Ok(bridged)
    }
}

impl Work for Fit {
    fn stage(&self) -> &Stage {
        &self.stage
    }

    fn title(&self) -> String {
        let part = match self.part {
            Part::Whole => String::new(),
            Part::First(clips) => format!(", {clips} clips"),
            Part::Unheard { part, of } => format!(", without part {} of {of}", part + 1),
        };
        format!("bridge {}, seed {}{part}", self.name, self.seed)
    }

    fn needs(&self) -> Vec<Arc<dyn Work>> {
        vec![Arc::clone(&self.pairs) as Arc<dyn Work>]
    }

    fn alike(&self) -> String {
        format!("bridge {}", self.config.name())
    }

    fn measure(&self, bench: &Bench<'_>) -> Result<Option<Cost>> {
        // Of a part of the clips as of all.
        let (_, steps) = shortened(&self.config, 1)?;
        let fit = |steps| -> Result<_> {
            bench.fit(&self.alike(), &shortened(&self.config, steps)?.0, &self.pairs)
        };
        let (time, basis) = if steps == 0 {
            let begun = Instant::now();
            fit(0)?;
            (begun.elapsed(), "measured: all of it".into())
        } else {
            by_steps(steps, |steps| fit(steps).map(|_| ()))?
        };
        let bridge = bench.bridge(&self.alike(), &self.config, &self.pairs)?;
        let bytes = saved(|folder| Ok(bridge.save(&folder.join(BRIDGE))?))?;
        Ok(Some(Cost::measured(time, Some(bytes), basis)))
    }

    fn make(&self, desk: &Desk<'_>) -> Result<Made> {
        // The test split is not within reach of fitting and selection.
        let sets = self.pairs.sets()?;
        let chosen = match self.part {
            Part::Whole => None,
            Part::First(clips) if clips > sets.train.len() => {
                bail!("clips = {clips}: there are {} training clips", sets.train.len());
            }
            Part::First(clips) => Some((0..clips).collect()),
            Part::Unheard { part, of } => {
                let corpus = self.pairs.source().corpus.as_ref();
                Some(unheard(corpus, &sets.train.ids, part, of)?)
            }
        };
        let part = chosen.map(|clips: Vec<usize>| sets.train.select(&clips));
        let data = BridgeData::new(part.as_ref().unwrap_or(&sets.train), &sets.validation);
        let bridge = self.config.fit(&data, &desk.training(self.seed))?;
        bridge.save(&self.stage.file(BRIDGE))?;
        Made::whole(bridge.report())
    }
}

/// One split of a corpus after a bridge.
pub struct Bridged {
    stage: Stage,
    bridge: Arc<Fit>,
    sets: Arc<Embeddings>,
    split: Split,
}

impl Bridged {
    /// A split of `sets`, which need not be those that the bridge is fitted to.
    pub fn new(
        lab: &Lab<'_>,
        bridge: &Arc<Fit>,
        sets: &Arc<Embeddings>,
        split: Split,
    ) -> Arc<Self> {
        let stage = lab
            .stage("bridged", APPLY_VERSION)
            .input("bridge", bridge.stage.key())
            .input("set", sets.stage().key())
            .config("split", &split.name())
            // The set carries it.
            .config("name", &bridge.name)
            .open();
        let (bridge, sets) = (Arc::clone(bridge), Arc::clone(sets));
        Arc::new(Self { stage, bridge, sets, split })
    }

    /// Milliseconds that the bridge took for a clip, where that is known.
    pub(super) fn milliseconds(&self) -> Option<f64> {
        speed::of(&self.stage)
    }

    /// The split.
    pub(super) fn split(&self) -> Split {
        self.split
    }

    /// The sets of which it is one split.
    pub(super) fn sets(&self) -> &Arc<Embeddings> {
        &self.sets
    }

    /// The set, from disk.
    ///
    /// # Errors
    /// When the file is spoilt.
    pub fn read(&self) -> Result<EmbeddingSet> {
        Ok(EmbeddingSet::read(&self.stage.file(SET))?)
    }
}

impl Work for Bridged {
    fn stage(&self) -> &Stage {
        &self.stage
    }

    fn title(&self) -> String {
        let Fit { name, seed, .. } = self.bridge.as_ref();
        format!("{} through {name}, seed {seed}", self.split.name())
    }

    fn needs(&self) -> Vec<Arc<dyn Work>> {
        vec![Arc::clone(&self.bridge) as Arc<dyn Work>, Arc::clone(&self.sets) as Arc<dyn Work>]
    }

    fn alike(&self) -> String {
        format!("{} through {}", self.split.name(), self.bridge.config.name())
    }

    fn measure(&self, bench: &Bench<'_>) -> Result<Option<Cost>> {
        let Fit { config, pairs, .. } = self.bridge.as_ref();
        let bridge = bench.bridge(&self.bridge.alike(), config, pairs)?;
        let sets = bench.sets(&self.sets)?;
        let set = sets.of(self.split);
        speed::measured(&bridge, set, self.bridge.seed)?;
        let (milliseconds, sample) = speed::measured(&bridge, set, self.bridge.seed)?;
        let time = Duration::from_secs_f64(milliseconds * 1e-3 * set.len() as f64);
        let basis = format!("measured: {sample} of {} clips", set.len());
        Ok(Some(Cost::measured(time, Some(set_bytes(set)), basis)))
    }

    fn make(&self, desk: &Desk<'_>) -> Result<Made> {
        let bridge = self.bridge.load(desk.lab)?;
        let set = self.sets.sets()?.of(self.split);
        self.bridge.across(&bridge, set)?.write(&self.stage.file(SET))?;
        let (milliseconds, _) = speed::measured(&bridge, set, self.bridge.seed)?;
        speed::keep(&self.stage, milliseconds);
        Made::whole(&format!("{} clips", set.len()))
    }
}

/// The training split after bridges that never heard it: its recordings are cut into [`parts`],
/// and the clips of each go through a bridge that was fitted to clips without any of them. A
/// bridge moves what it has heard further than what is new, so a decoder that is trained on
/// that would not know what it meets at test time. (A clip's second recording may be of
/// another part, and heard.)
pub struct OutOfFold {
    stage: Stage,
    parts: Vec<Arc<Fit>>,
}

impl OutOfFold {
    /// By the bridge of `config` under `seed`, in `parts` parts, at least 2.
    pub fn new(
        lab: &Lab<'_>,
        name: &str,
        config: &BridgeConfig,
        seed: u64,
        pairs: &Arc<Embeddings>,
        parts: usize,
    ) -> Arc<Self> {
        let without = |part| {
            let part = Part::Unheard { part, of: parts };
            Fit::new(lab, name, config, seed, pairs, part)
        };
        let parts: Vec<Arc<Fit>> = (0..parts).map(without).collect();
        let mut draft = lab.stage("out_of_fold", OUT_OF_FOLD_VERSION);
        for (part, fit) in parts.iter().enumerate() {
            draft = draft.input(&format!("without {part}"), fit.stage.key());
        }
        let stage = draft.config("name", &name).open();
        Arc::new(Self { stage, parts })
    }

    /// The set, from disk.
    ///
    /// # Errors
    /// When the file is spoilt.
    pub fn read(&self) -> Result<EmbeddingSet> {
        Ok(EmbeddingSet::read(&self.stage.file(SET))?)
    }
}

impl Work for OutOfFold {
    fn stage(&self) -> &Stage {
        &self.stage
    }

    fn title(&self) -> String {
        let Fit { name, seed, .. } = self.parts[0].as_ref();
        format!("train through {} parts of {name}, seed {seed}", self.parts.len())
    }

    fn needs(&self) -> Vec<Arc<dyn Work>> {
        super::work::all(&self.parts)
    }

    fn alike(&self) -> String {
        format!("train through {}", self.parts[0].config.name())
    }

    fn measure(&self, bench: &Bench<'_>) -> Result<Option<Cost>> {
        let pairs = &self.parts[0].pairs;
        Bridged::new(bench.lab, &self.parts[0], pairs, Split::Train).measure(bench)
    }

    fn make(&self, desk: &Desk<'_>) -> Result<Made> {
        let train = &self.parts[0].pairs.sets()?.train;
        let mut audio = train.audio.clone();
        let sounding =
            parts(self.parts[0].pairs.source().corpus.as_ref(), &train.ids, self.parts.len());
        for (part, fit) in self.parts.iter().enumerate() {
            let held: Vec<usize> =
                (0..train.len()).filter(|&clip| sounding[clip][0] == part).collect();
            let set = train.select(&held);
            let rows = fit.load(desk.lab)?.apply(&set.audio, &set.ids, fit.seed)?;
            for (&clip, row) in held.iter().zip(rows.outer_iter()) {
                audio.row_mut(clip).assign(&row);
            }
        }
        train.with_audio(audio, &self.parts[0].name).write(&self.stage.file(SET))?;
        Made::whole(&format!("{} clips", train.len()))
    }
}
