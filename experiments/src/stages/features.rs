//! What a frozen model makes of a whole corpus: the expensive stage. It is cut into
//! [`pieces`] that are embedded side by side.
//!
//! A clip that cannot be read is left out with a warning, and the next run tries it again:
//! the stage is done only when all clips are there.

use std::{
    collections::HashMap,
    fs,
    ops::Range,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use anyhow::{Context, Result, bail};
use dl_core::{EmbeddingSet, FileError, Progress, Provenance, Stage};
use dl_data::Split;
use dl_encoder::{Heads, Pairs};
use dl_torch::{convert, tensor_file};
use ndarray::{Array2, Axis, concatenate};
use serde::{Deserialize, Serialize};
use tch::Device;

mod measure;
mod pieces;

pub use pieces::Slice;

use super::{Bench, Cost, Desk, Lab, Made, Source, Splits, Work, side_by_side};

/// Changes whenever the same clips get other features.
const VERSION: u32 = 1;
const LEFT_OUT: &str = "left_out.json";

/// A clip that could not be embedded.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeftOut {
    /// Its split.
    pub split: String,
    /// Its name.
    pub id: String,
    /// Cause and remedy.
    pub problem: String,
}

/// Features of all clips and captions of a corpus.
pub struct Features {
    stage: Stage,
    source: Arc<Source>,
}

/// The features of a split's clips, and of the captions of all of its clips.
#[derive(Clone, Debug)]
pub struct SplitFeatures {
    /// Clip names: `[N]`.
    pub ids: Vec<String>,
    /// `[N, audio width]`, from a tower or in the space of an encoder.
    pub audio: Array2<f32>,
    /// `[M]`.
    pub captions: Vec<String>,
    /// Index into `ids` for each caption: `[M]`.
    pub owners: Vec<usize>,
    /// `[M, text width]`.
    pub text: Array2<f32>,
}

impl SplitFeatures {
    /// What heads are trained on.
    pub fn pairs(&self) -> Pairs<'_> {
        Pairs { audio: self.audio.view(), text: self.text.view(), owners: &self.owners }
    }

    /// As they are: features of an encoder.
    pub fn into_set(self, provenance: Provenance) -> EmbeddingSet {
        let Self { ids, audio, captions, owners, text } = self;
        EmbeddingSet { ids, audio, captions, owners, text, provenance }
    }

    /// Through the frozen heads.
    ///
    /// # Errors
    /// When the heads are for other features.
    pub fn embed(self, heads: &Heads, provenance: Provenance) -> Result<EmbeddingSet> {
        let (audio, text) = (heads.embed_audio(&self.audio)?, heads.embed_text(&self.text)?);
        let Self { ids, captions, owners, .. } = self;
        Ok(EmbeddingSet { ids, audio, captions, owners, text, provenance })
    }
}

impl Features {
    /// The features of a source.
    pub fn new(lab: &Lab<'_>, source: &Arc<Source>) -> Arc<Self> {
        let stage = lab
            .stage("features", VERSION)
            .source("corpus", &source.corpus.fingerprint())
            .source("encoder", &source.encoder_files)
            .config("encoder", &source.encoder.frozen_settings())
            .open();
        Arc::new(Self { stage, source: Arc::clone(source) })
    }

    /// What they are of.
    pub fn source(&self) -> &Arc<Source> {
        &self.source
    }

    /// The clips that the last run had to leave out; none where there was no run.
    ///
    /// # Errors
    /// When the list cannot be read.
    pub fn left_out(&self) -> Result<Vec<LeftOut>> {
        let path = self.stage.file(LEFT_OUT);
        if self.stage.is_done()? || !path.is_file() {
            return Ok(Vec::new());
        }
        let bytes = fs::read(&path).map_err(|error| FileError::io(&path, error))?;
        Ok(serde_json::from_slice(&bytes).map_err(|error| {
            FileError::invalid(&path, format!("cannot be read ({error}); delete it"))
        })?)
    }

    /// The features of a split, from disk.
    ///
    /// # Errors
    /// When the files are spoilt.
    pub fn read(&self, split: Split) -> Result<SplitFeatures> {
        let clips = self.source.corpus.clips(split);
        let (audio, kept) = self.read_audio(split)?;
        let rows = self.read_rows(&self.text_file(split), TEXT)?;
        let (mut captions, mut owners, mut chosen) = (Vec::new(), Vec::new(), Vec::new());
        let starts: Vec<usize> = clips
            .iter()
            .scan(0, |next, clip| {
                *next += clip.captions.len();
                Some(*next - clip.captions.len())
            })
            .collect();
        for (owner, &clip) in kept.iter().enumerate() {
            let own = &clips[clip].captions;
            captions.extend(own.iter().cloned());
            owners.extend(own.iter().map(|_| owner));
            chosen.extend(starts[clip]..starts[clip] + own.len());
        }
        let text = if chosen.len() == rows.nrows() { rows } else { rows.select(Axis(0), &chosen) };
        let ids = kept.iter().map(|&clip| clips[clip].id.clone()).collect();
        Ok(SplitFeatures { ids, audio, captions, owners, text })
    }

    fn read_audio(&self, split: Split) -> Result<(Array2<f32>, Vec<usize>)> {
        let path = self.audio_file(split);
        let (tensors, _) = tensor_file::read(&path, Device::Cpu)?;
        let of = |name| tensors.get(name).with_context(|| format!("{}: {name}", path.display()));
        let kept = Vec::<i64>::try_from(of(KEPT)?)?;
        let kept: Vec<usize> = kept.into_iter().map(|clip| clip as usize).collect();
        Ok((convert::array2(of(AUDIO)?)?, kept))
    }

    fn read_rows(&self, path: &Path, name: &str) -> Result<Array2<f32>> {
        let (tensors, _) = tensor_file::read(path, Device::Cpu)?;
        let rows = tensors.get(name).with_context(|| format!("{}: {name}", path.display()))?;
        Ok(convert::array2(rows)?)
    }

    fn audio_file(&self, split: Split) -> PathBuf {
        self.stage.file(&format!("{}-audio.safetensors", split.name()))
    }

    fn text_file(&self, split: Split) -> PathBuf {
        self.stage.file(&format!("{}-text.safetensors", split.name()))
    }
}

const AUDIO: &str = "audio";
const KEPT: &str = "kept";
const TEXT: &str = "text";

/// What one job does.
enum Part {
    Sounds(Split, Range<usize>),
    Captions(Split),
}

impl Work for Features {
    fn stage(&self) -> &Stage {
        &self.stage
    }

    fn title(&self) -> String {
        format!("features of {}", self.source.corpus.name())
    }

    fn needs(&self) -> Vec<Arc<dyn Work>> {
        Vec::new()
    }

    fn measure(&self, bench: &Bench<'_>) -> Result<Option<Cost>> {
        measure::measure(self, bench)
    }

    fn make(&self, desk: &Desk<'_>) -> Result<Made> {
        let corpus = &self.source.corpus;
        for split in Split::ALL {
            if corpus.clips(split).is_empty() {
                let (name, listed) = (corpus.name(), corpus.listed(split).unwrap_or(0));
                bail!(
                    "{name} has no clips for {} that can be embedded ({listed} are listed); every \
                     split needs some: correct [data], `experiments data check` shows what is there",
                    split.name()
                );
            }
        }
        let pieces = self.all_pieces();
        let total = pieces.iter().map(|(_, clips)| clips.len()).sum::<usize>();
        let mut parts: Vec<Part> =
            pieces.into_iter().map(|(split, clips)| Part::Sounds(split, clips)).collect();
        parts.extend(Split::ALL.map(Part::Captions));
        desk.progress.begin("", total as u64);
        let done = AtomicU64::new(0);
        let pieces = side_by_side(desk.lab.jobs, parts.len(), |part| match &parts[part] {
            Part::Sounds(split, range) => {
                let piece = self.sounds(desk.lab, *split, range.clone())?;
                let clips = range.len() as u64;
                desk.progress.update(done.fetch_add(clips, Ordering::Relaxed) + clips, "");
                Ok(Some(piece))
            }
            Part::Captions(split) => self.captions(desk.lab, *split).map(|()| None),
        })?;
        let mut left_out = Vec::new();
        for split in Split::ALL {
            let own = || pieces.iter().flatten().filter(|piece| piece.split == split);
            for fault in own().flat_map(|piece| &piece.faults) {
                let id = corpus.clips(split)[fault.index].id.clone();
                let problem = fault.problem.clone();
                left_out.push(LeftOut { split: split.name().into(), id, problem });
            }
            let rows: Vec<_> = own().map(|piece| piece.rows.view()).collect();
            let kept: Vec<i64> =
                own().flat_map(|piece| &piece.kept).map(|&clip| clip as i64).collect();
            if kept.is_empty() {
                let clips = corpus.clips(split).len();
                bail!("none of the {clips} clips of {} can be embedded", split.name());
            }
            let rows = concatenate(Axis(0), &rows)?;
            let tensors = tensor_file::Tensors::from([
                (AUDIO.to_owned(), convert::tensor2(rows.view(), Device::Cpu)),
                (KEPT.to_owned(), tch::Tensor::from_slice(&kept)),
            ]);
            tensor_file::write(&self.audio_file(split), &tensors, HashMap::new())?;
        }
        for LeftOut { id, problem, .. } in &left_out {
            desk.lab.reporter.say(&format!("warning: {id} is left out: {problem}"));
        }
        if left_out.is_empty() {
            // Pieces of a corpus of files serve when a file is added; where none is missing,
            // none will be. What cannot be removed harms nothing: the stage is done.
            if corpus.missing().is_empty() {
                let _ = fs::remove_dir_all(self.pieces(desk.lab));
            }
            let _ = fs::remove_file(self.stage.file(LEFT_OUT));
            return Made::whole(&format!("{total} clips"));
        }
        let json = serde_json::to_vec_pretty(&left_out)?;
        dl_core::atomic::write_bytes(&self.stage.file(LEFT_OUT), &json)?;
        Ok(Made::Partly)
    }
}

impl Features {
    /// All captions of a split at once: equal ones have equal rows. Those of a list are kept
    /// beside the pieces, the missing clips' too, so that a clip that is found later changes
    /// nothing.
    fn captions(&self, lab: &Lab<'_>, split: Split) -> Result<()> {
        let file = self.text_file(split);
        if file.is_file() && self.read_rows(&file, TEXT).is_ok() {
            return Ok(());
        }
        let corpus = &self.source.corpus;
        if corpus.listed(split).is_none() {
            let clips = corpus.clips(split).iter();
            let captions: Vec<String> = clips.flat_map(|clip| clip.captions.clone()).collect();
            return self.write_text(&file, &self.source.frozen(lab)?.embed_text(&captions)?);
        }
        // By place in the list, and whether the clip is there.
        let there = corpus.clips(split).iter().enumerate();
        let there = there.map(|(index, clip)| (corpus.place(split, index), true, &clip.captions));
        let gone = corpus.missing().iter().filter(|clip| clip.split == split);
        let gone = gone.map(|clip| (clip.place, false, &clip.captions));
        let mut all: Vec<_> = there.chain(gone).collect();
        all.sort_unstable_by_key(|(place, ..)| *place);
        let captions: Vec<String> = all.iter().flat_map(|(.., own)| (*own).clone()).collect();
        let kept = self.pieces(lab).join(format!("{}-text.safetensors", split.name()));
        let known = if kept.is_file() { self.read_rows(&kept, TEXT).ok() } else { None };
        let rows = match known.filter(|rows| rows.nrows() == captions.len()) {
            Some(rows) => rows,
            None => {
                let rows = self.source.frozen(lab)?.embed_text(&captions)?;
                self.write_text(&kept, &rows)?;
                rows
            }
        };
        let is_there: Vec<bool> =
            all.iter().flat_map(|(_, there, own)| own.iter().map(|_| *there)).collect();
        let chosen: Vec<usize> = (0..rows.nrows()).filter(|&row| is_there[row]).collect();
        self.write_text(&file, &rows.select(Axis(0), &chosen))
    }

    fn write_text(&self, file: &Path, rows: &Array2<f32>) -> Result<()> {
        let tensors = [(TEXT.to_owned(), convert::tensor2(rows.view(), Device::Cpu))];
        Ok(tensor_file::write(file, &tensors.into(), HashMap::new())?)
    }

    /// Every split, from disk.
    pub(super) fn read_all(&self) -> Result<Splits<SplitFeatures>> {
        Splits::try_of(|split| self.read(split))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicBool;

    use dl_audio::Waveform;
    use dl_core::Fingerprint;
    use dl_data::{Clip, Corpus, DataError};
    use dl_encoder::ClapConfig;

    use super::*;
    use crate::{
        config::EncoderConfig,
        console::Reporter,
        stages::{Embeddings, Services},
    };

    /// Tones, of which one cannot be read while it is `gone`.
    struct Flaky {
        clips: Vec<Clip>,
        gone: Arc<AtomicBool>,
    }

    const GONE: usize = 2;

    impl Corpus for Flaky {
        fn name(&self) -> &str {
            "flaky"
        }

        fn fingerprint(&self) -> Fingerprint {
            Fingerprint::of(&"flaky")
        }

        fn clips(&self, _: Split) -> &[Clip] {
            &self.clips
        }

        fn render(&self, split: Split, index: usize) -> Result<Waveform, DataError> {
            if split == Split::Train && index == GONE && self.gone.load(Ordering::Relaxed) {
                let (corpus, count) = ("flaky".into(), 0);
                let split = split.name();
                return Err(DataError::OutOfRange { corpus, what: "clip", index, split, count });
            }
            let tone = |i: usize| (i as f32 * 0.05 * (index + 2) as f32).sin() * 0.3;
            Ok(Waveform { samples: (0..8000).map(tone).collect(), sample_rate: 8000 })
        }
    }

    #[test]
    fn a_clip_that_cannot_be_read_is_tried_again_and_changes_what_is_made_of_it() {
        let root = tempfile::tempdir().unwrap();
        let reporter = Reporter::new();
        let services = Services { reporter: &reporter, jobs: Some(2), if_busy: Default::default() };
        let lab = Lab::at(&services, root.path(), Device::Cpu);
        let clip = |index: usize| Clip {
            id: format!("clip {index}"),
            captions: vec![format!("a tone {index}"), format!("a hum {index}")],
            labels: Vec::new(),
            sources: Vec::new(),
        };
        let gone = Arc::new(AtomicBool::new(true));
        let corpus = Flaky { clips: (0..5).map(clip).collect(), gone: Arc::clone(&gone) };
        let golden = "crates/dl-encoder/tests/golden/clap_unfused";
        let encoder = EncoderConfig::Clap(ClapConfig::at(Path::new(golden)));
        let source = Arc::new(Source::with_corpus(Arc::new(corpus), &encoder).unwrap());
        let features = Features::new(&lab, &source);
        let made = |left_out: Vec<LeftOut>| {
            let embeddings = Embeddings::new(&lab, &features, 0, left_out);
            lab.make(&[Arc::clone(&embeddings) as Arc<dyn Work>]).unwrap();
            embeddings
        };
        lab.make(&[Arc::clone(&features) as Arc<dyn Work>]).unwrap();
        assert!(!features.stage().is_done().unwrap(), "done, though a clip is missing");
        let left_out = features.left_out().unwrap();
        assert_eq!((left_out.len(), left_out[0].id.as_str()), (1, "clip 2"));
        let partial = made(left_out);
        let train = &partial.sets().unwrap().train;
        assert_eq!(train.ids, ["clip 0", "clip 1", "clip 3", "clip 4"]);
        assert_eq!(train.captions[4..6], ["a tone 3", "a hum 3"]);

        gone.store(false, Ordering::Relaxed);
        lab.make(&[Arc::clone(&features) as Arc<dyn Work>]).unwrap();
        assert!(features.stage().is_done().unwrap() && features.left_out().unwrap().is_empty());
        assert!(!features.stage().file(pieces::PIECES).exists());
        let whole = made(Vec::new());
        assert_ne!(whole.stage().key(), partial.stage().key());
        let all = &whole.sets().unwrap().train;
        // The clips that were there have the same captions and the same embeddings of them.
        assert_eq!(all.len(), 5);
        let rest = all.select(&[0, 1, 3, 4]);
        assert_eq!((&rest.ids, &rest.captions), (&train.ids, &train.captions));
        assert_eq!(rest.text, train.text);
    }
}
