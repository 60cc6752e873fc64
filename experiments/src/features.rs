//! What a frozen model makes of a whole split: the expensive stage, kept on disk
//! in pieces so that an interruption loses one piece at most.

use anyhow::{Context, Result, bail};
use dl_core::{EmbeddingSet, Provenance, Stage};
use dl_data::Split;
use dl_encoder::{AudioEncoder, Extraction, Heads, Pairs};
use dl_torch::{convert, tensor_file};
use ndarray::Array2;

use crate::pipeline::Pipeline;

/// Clips in one piece.
const CHUNK: usize = 128;
/// The captions' features of a split, in the stage's directory.
const TEXT: &str = "text";

/// How captions are embedded.
pub type EmbedText<'a> = &'a dyn Fn(&[String]) -> Result<Array2<f32>>;

/// Features of the clips that could be embedded, and of their captions.
#[derive(Clone, Debug)]
pub struct Features {
    /// Clip names: `[N]`.
    ids: Vec<String>,
    /// `[N, audio width]`, from a tower or in the space of an encoder.
    audio: Array2<f32>,
    /// `[M]`.
    captions: Vec<String>,
    /// Index into `ids` for each caption: `[M]`.
    owners: Vec<usize>,
    /// `[M, text width]`.
    text: Array2<f32>,
}

impl Features {
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
    pub fn embed(&self, heads: &Heads, provenance: Provenance) -> Result<EmbeddingSet> {
        Ok(EmbeddingSet {
            ids: self.ids.clone(),
            audio: heads.embed_audio(&self.audio)?,
            captions: self.captions.clone(),
            owners: self.owners.clone(),
            text: heads.embed_text(&self.text)?,
            provenance,
        })
    }
}

/// Computes the features of a split, or reads them back.
pub fn compute(
    pipeline: &Pipeline<'_>,
    stage: &Stage,
    split: Split,
    audio: &dyn AudioEncoder,
    embed_text: EmbedText<'_>,
) -> Result<Features> {
    let corpus = pipeline.corpus()?;
    let clips = corpus.clips(split);
    let directory = stage.dir().join(split.name());
    let task = format!("embedding {}", split.name());
    let plan = Extraction {
        directory: &directory,
        key: &|_| String::new(),
        chunk: CHUNK,
        task: &task,
        progress: pipeline.reporter,
    };
    let render = |index| corpus.render(split, index);
    let extracted = dl_encoder::extract(audio, clips.len(), render, &plan)?;
    for fault in &extracted.faults {
        let id = &clips[fault.index].id;
        pipeline.reporter.say(&format!("warning: {id} is left out: {}", fault.problem));
    }
    if extracted.kept.is_empty() {
        bail!("none of the {} clips of {} can be embedded", clips.len(), split.name());
    }
    let kept: Vec<_> = extracted.kept.iter().map(|&index| &clips[index]).collect();
    let captions: Vec<String> = kept.iter().flat_map(|clip| clip.captions.clone()).collect();
    let owners = kept
        .iter()
        .enumerate()
        .flat_map(|(owner, clip)| std::iter::repeat_n(owner, clip.captions.len()))
        .collect();
    let text = text_features(stage, split, &captions, embed_text)?;
    Ok(Features {
        ids: kept.iter().map(|clip| clip.id.clone()).collect(),
        audio: extracted.features,
        captions,
        owners,
        text,
    })
}

fn text_features(
    stage: &Stage,
    split: Split,
    captions: &[String],
    embed_text: EmbedText<'_>,
) -> Result<Array2<f32>> {
    let file = stage.dir().join(split.name()).join(format!("{TEXT}.safetensors"));
    if file.is_file() {
        let (tensors, _) = tensor_file::read(&file, tch::Device::Cpu)?;
        let rows = convert::array2(tensors.get(TEXT).context("a file without its tensor")?)?;
        if rows.nrows() == captions.len() {
            return Ok(rows);
        }
    }
    let rows = embed_text(captions)?;
    let tensors = [(TEXT.to_owned(), convert::tensor2(rows.view(), tch::Device::Cpu))];
    tensor_file::write(&file, &tensors.into(), std::collections::HashMap::new())?;
    Ok(rows)
}
