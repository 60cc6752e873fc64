//! Mixed scenes over a bank of single sounds: the corpus that both built-in kinds are.

use dl_audio::Waveform;
use dl_core::{ConfigError, Fingerprint, Under, fault::check};
use rayon::prelude::*;

use crate::{
    bank::{SourceBank, SourceKey},
    corpus::{Clip, Corpus, EventRecord, SceneCorpus, Single},
    dice::Dice,
    error::DataError,
    grammar::{GRAMMAR_VERSION, Grammar},
    mix_config::MixConfig,
    mixer, plan,
    scene::Scene,
    split::{PerSplit, Split},
};

/// Changes whenever the same plan is mixed differently.
const MIXER_VERSION: u32 = 1;
/// Captions of a validation or test scene, as AudioCaps has.
const EVALUATION_CAPTIONS: usize = 5;

/// The steps of a scene's dice.
const PLAN: u64 = 0;
const WORDS: u64 = 1;
const MIX: u64 = 2;

/// One split, planned.
struct Part {
    scenes: Vec<Scene>,
    clips: Vec<Clip>,
    singles: Vec<Single>,
    single_keys: Vec<SourceKey>,
}

/// Scenes mixed from a bank, with captions from the grammar.
pub struct MixedScenes {
    name: String,
    bank: Box<dyn SourceBank>,
    grammar: Grammar,
    mix: MixConfig,
    seed: u64,
    parts: [Part; 3],
    fingerprint: Fingerprint,
    warnings: Vec<String>,
}

impl MixedScenes {
    /// Plans all scenes and words their captions; no sound is made yet.
    ///
    /// # Errors
    /// [`DataError::TooFew`] when a split that shall have scenes has fewer than two labels.
    pub fn new(
        name: &str,
        bank: Box<dyn SourceBank>,
        mix: &MixConfig,
        sizes: &PerSplit,
        seed: u64,
        warnings: Vec<String>,
    ) -> Result<Self, DataError> {
        for split in Split::ALL {
            let served =
                (0..bank.labels().len()).filter(|&label| bank.instances(split, label) > 0).count();
            if served < 2 && sizes.of(split) > 0 {
                return Err(DataError::TooFew(format!(
                    "the {} split has sounds of {served} labels, but scenes need at least 2: add \
                     recordings of other sources, change the folds or shares, or set `scenes.{}` \
                     to 0",
                    split.name(),
                    split.name()
                )));
            }
        }
        let grammar = Grammar::new(bank.labels()).freer(mix.left_out, mix.vague);
        let fingerprint = Fingerprint::combine([
            &Fingerprint::of(&(name, mix, sizes, seed, GRAMMAR_VERSION, MIXER_VERSION)),
            &bank.fingerprint(),
        ]);
        let part = |split: Split| plan_part(name, bank.as_ref(), &grammar, mix, sizes, seed, split);
        let parts = Split::ALL.map(part);
        let (name, mix) = (name.into(), mix.clone());
        Ok(Self { name, bank, grammar, mix, seed, parts, fingerprint, warnings })
    }

    /// The plan of a scene.
    pub fn scene(&self, split: Split, index: usize) -> Option<&Scene> {
        self.parts[split as usize].scenes.get(index)
    }

    fn missing(&self, what: &'static str, split: Split, index: usize, count: usize) -> DataError {
        DataError::OutOfRange { corpus: self.name.clone(), what, index, split: split.name(), count }
    }
}

fn plan_part(
    name: &str,
    bank: &dyn SourceBank,
    grammar: &Grammar,
    mix: &MixConfig,
    sizes: &PerSplit,
    seed: u64,
    split: Split,
) -> Part {
    let captions = if split == Split::Train { 1 } else { EVALUATION_CAPTIONS };
    let stream = scene_stream(split);
    let (scenes, clips) = (0..sizes.of(split))
        .into_par_iter()
        .map(|index| {
            let dice = |step| Dice::new(seed, &stream, index as u64, step);
            let scene = plan::plan(mix, bank, grammar, split, &dice(PLAN));
            let keys = scene.events.iter().map(|event| SourceKey {
                split,
                label: event.label,
                instance: event.instance,
            });
            let clip = Clip {
                id: format!("{name}-{}-{index:05}", split.name()),
                captions: grammar.captions(&scene, captions, &dice(WORDS)),
                labels: keys.clone().map(|key| bank.labels()[key.label].clone()).collect(),
                sources: keys.map(|key| bank.source(key)).collect(),
            };
            (scene, clip)
        })
        .unzip();
    let single_keys: Vec<SourceKey> = (0..bank.labels().len())
        .flat_map(|label| {
            let instances = 0..bank.instances(split, label);
            instances.map(move |instance| SourceKey { split, label, instance })
        })
        .collect();
    let single = |&key: &SourceKey| Single {
        label: bank.labels()[key.label].clone(),
        source: bank.source(key),
    };
    let singles = single_keys.iter().map(single).collect();
    Part { scenes, clips, singles, single_keys }
}

/// Checks what every corpus of mixed scenes has among its settings.
pub(crate) fn check_scenes(
    sample_rate: u32,
    scenes: &PerSplit,
    mix: &MixConfig,
) -> Result<(), ConfigError> {
    let rates = 8000..=192_000;
    check(rates.contains(&sample_rate), "sample_rate", sample_rate, "from 8000 to 192000")?;
    for split in Split::ALL {
        let count = scenes.of(split);
        check(count <= 1_000_000, split.name(), count, "at most 1000000").under("scenes")?;
    }
    mix.validate().under("mix")
}

fn scene_stream(split: Split) -> String {
    format!("data/scene/{}", split.name())
}

impl Corpus for MixedScenes {
    fn name(&self) -> &str {
        &self.name
    }

    fn fingerprint(&self) -> Fingerprint {
        self.fingerprint.clone()
    }

    fn clips(&self, split: Split) -> &[Clip] {
        &self.parts[split as usize].clips
    }

    fn render(&self, split: Split, index: usize) -> Result<Waveform, DataError> {
        let scenes = &self.parts[split as usize].scenes;
        let scene =
            scenes.get(index).ok_or_else(|| self.missing("scene", split, index, scenes.len()))?;
        let sample_rate = self.bank.sample_rate();
        let dice = Dice::new(self.seed, &scene_stream(split), index as u64, MIX);
        let samples = mixer::mix(&self.mix, scene, sample_rate, dice, |event| {
            self.bank.draw(SourceKey { split, label: event.label, instance: event.instance })
        });
        Ok(Waveform { samples, sample_rate })
    }

    fn warnings(&self) -> &[String] {
        &self.warnings
    }

    fn as_scenes(&self) -> Option<&dyn SceneCorpus> {
        Some(self)
    }
}

impl SceneCorpus for MixedScenes {
    fn labels(&self) -> &[String] {
        self.bank.labels()
    }

    fn events(&self, split: Split, index: usize) -> Vec<EventRecord> {
        let events = self.scene(split, index).map_or(&[][..], |scene| &scene.events);
        events
            .iter()
            .map(|event| {
                let key = SourceKey { split, label: event.label, instance: event.instance };
                EventRecord {
                    label: self.labels()[event.label].clone(),
                    source: self.bank.source(key),
                    onsets: event.onsets.clone(),
                    seconds: event.seconds,
                    gain: event.gain,
                }
            })
            .collect()
    }

    fn singles(&self, split: Split) -> &[Single] {
        &self.parts[split as usize].singles
    }

    fn render_single(&self, split: Split, index: usize) -> Result<Waveform, DataError> {
        let keys = &self.parts[split as usize].single_keys;
        let &key = keys
            .get(index)
            .ok_or_else(|| self.missing("single recording", split, index, keys.len()))?;
        let samples = self.bank.whole(key).into_owned();
        Ok(Waveform { samples, sample_rate: self.bank.sample_rate() })
    }

    fn named_labels(&self, caption: &str) -> Vec<String> {
        self.grammar.named_labels(caption)
    }

    fn text_corpus(&self, n: usize) -> Vec<String> {
        (0..n)
            .into_par_iter()
            .flat_map_iter(|index| {
                let dice = |step| Dice::new(self.seed, "data/text", index as u64, step);
                let bank = self.bank.as_ref();
                let scene = plan::plan(&self.mix, bank, &self.grammar, Split::Train, &dice(PLAN));
                self.grammar.captions(&scene, 1, &dice(WORDS))
            })
            .collect()
    }
}
