//! What a bridge is fitted on: training and validation sets, their checks, and the same as
//! tensors that stay on the device.

use std::{collections::HashSet, path::Path};

use dl_core::{EmbeddingSet, Fingerprint, noise::item_of};
use dl_torch::{
    convert::{indices, tensor2},
    layers::l2_normalise,
    tensor_file,
};
use ndarray::ArrayView2;
use tch::{Device, Kind, Tensor};

use crate::error::BridgeError;

/// Rows that are normalised at once.
const CHUNK: i64 = 4096;

/// Whether sets that do not belong together are taken all the same.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mismatch {
    /// Embeddings of two encoders, and clips both in training and in validation, are
    /// errors. A set that does not name its encoder may go with any.
    #[default]
    Refuse,
    /// They are taken. Dimensions must fit still.
    Allow,
}

/// What a bridge is fitted on. There is no place for a test set.
#[derive(Clone, Copy, Debug)]
pub struct BridgeData<'a> {
    /// Pairs to learn from; a clip may have several captions.
    pub train: &'a EmbeddingSet,
    /// Pairs to choose by.
    pub validation: &'a EmbeddingSet,
    /// Whether sets that do not belong together are taken.
    pub mismatch: Mismatch,
}

impl<'a> BridgeData<'a> {
    /// Both sets, which must be of one encoder and have no clip in common.
    pub fn new(train: &'a EmbeddingSet, validation: &'a EmbeddingSet) -> Self {
        Self { train, validation, mismatch: Mismatch::Refuse }
    }

    /// Takes both sets whatever their encoders and clips.
    #[must_use]
    pub fn insist(self) -> Self {
        Self { mismatch: Mismatch::Allow, ..self }
    }

    fn check(&self) -> Result<(), BridgeError> {
        for (set, name) in [(self.train, "training set"), (self.validation, "validation set")] {
            set.validate(Path::new(name))?;
            if set.captions.is_empty() {
                return Err(BridgeError::Input(format!(
                    "the {name} holds no captions; a bridge needs pairs of audio and text"
                )));
            }
        }
        let (expected, got) = (self.train.dim(), self.validation.dim());
        if got != expected {
            return Err(BridgeError::Dimension { expected, got });
        }
        if self.mismatch == Mismatch::Allow {
            return Ok(());
        }
        let (train, validation) = (&self.train.provenance, &self.validation.provenance);
        check_encoders("the training set", &train.encoder, "the validation set", validation)?;
        if differ(&train.corpus, &validation.corpus) {
            // Equal ids in two corpora are two clips.
            return Ok(());
        }
        let known: HashSet<&str> = self.train.ids.iter().map(String::as_str).collect();
        let both: Vec<&String> =
            self.validation.ids.iter().filter(|id| known.contains(id.as_str())).collect();
        match both.first() {
            None => Ok(()),
            Some(first) => Err(BridgeError::Provenance(format!(
                "{} of {} validation clips are training clips too, for example '{first}'; a \
                 choice by clips that were learned from says nothing: take them out of one set",
                both.len(),
                self.validation.len()
            ))),
        }
    }
}

/// Refuses the set of `provenance` (called `name`) where its encoder is known to be another
/// than `encoder`, that of `owner`.
pub(crate) fn check_encoders(
    owner: &str,
    encoder: &str,
    name: &str,
    provenance: &dl_core::Provenance,
) -> Result<(), BridgeError> {
    if !differ(encoder, &provenance.encoder) {
        return Ok(());
    }
    let short = |name: &str| name.chars().take(24).collect::<String>();
    Err(BridgeError::Provenance(format!(
        "{owner} is of encoder '{}', but {name} of encoder '{}'; embeddings of two encoders share \
         no space: embed both with one",
        short(encoder),
        short(&provenance.encoder)
    )))
}

fn differ(a: &str, b: &str) -> bool {
    !a.is_empty() && !b.is_empty() && a != b
}

/// One split: unit vectors on the device.
pub struct Split {
    /// `[clips, dim]`.
    pub audio: Tensor,
    /// `[captions, dim]`.
    pub text: Tensor,
    /// The clip of each caption, i64 `[captions]`.
    pub owners: Tensor,
    /// The clips' numbers for noise.
    pub items: Vec<u64>,
}

/// What a bridge is fitted on (training) and chosen by (validation).
pub struct Pairs {
    /// The pairs to learn from.
    pub train: Split,
    /// The pairs to choose by.
    pub validation: Split,
    /// Embedding size.
    pub dim: usize,
    /// Where the tensors are.
    pub device: Device,
}

impl Split {
    fn new(set: &EmbeddingSet, device: Device) -> Self {
        Self {
            audio: unit_rows(set.audio.view(), device),
            text: unit_rows(set.text.view(), device),
            owners: indices(&set.owners, device),
            items: set.ids.iter().map(|id| item_of(id)).collect(),
        }
    }

    /// The same clips beside other text rows, `[captions, dim]`.
    #[must_use]
    pub fn with_text(&self, text: Tensor) -> Self {
        Self {
            audio: self.audio.shallow_clone(),
            text,
            owners: self.owners.shallow_clone(),
            items: self.items.clone(),
        }
    }

    /// The clips in even (0) or odd (1) places, with their captions.
    fn half(&self, parity: i64) -> Self {
        let clips = Tensor::arange(self.audio.size()[0], (Kind::Int64, self.audio.device()));
        let of = |place: &Tensor| place.remainder(2).eq(parity).nonzero().squeeze_dim(1);
        let (kept, captions) = (of(&clips), of(&self.owners));
        Self {
            audio: self.audio.index_select(0, &kept),
            text: self.text.index_select(0, &captions),
            // Every second clip is kept, so places halve.
            owners: self.owners.index_select(0, &captions).floor_divide_scalar(2),
            items: self.items.iter().skip(parity as usize).step_by(2).copied().collect(),
        }
    }

    /// Each caption's audio embedding: `[captions, dim]`.
    pub fn paired_audio(&self) -> Tensor {
        self.audio.index_select(0, &self.owners)
    }

    /// Number of captions, which is the number of pairs.
    pub fn pairs(&self) -> usize {
        self.text.size()[0] as usize
    }
}

impl Pairs {
    /// The sets of `data` on `device`, checked.
    pub(crate) fn new(data: &BridgeData<'_>, device: Device) -> Result<Self, BridgeError> {
        data.check()?;
        Ok(Self {
            train: Split::new(data.train, device),
            validation: Split::new(data.validation, device),
            dim: data.train.dim(),
            device,
        })
    }

    /// The training clips in even or odd places and all validation clips, and the
    /// training clips that are left out.
    pub(crate) fn half(&self, parity: i64) -> (Self, Split) {
        let half = Self {
            train: self.train.half(parity),
            validation: self.validation.with_text(self.validation.text.shallow_clone()),
            dim: self.dim,
            device: self.device,
        };
        (half, self.train.half(1 - parity))
    }

    /// Digest of rows, owners and items of both splits.
    pub fn fingerprint(&self) -> Fingerprint {
        let of = |split: &Split| {
            let rows = [("audio", &split.audio), ("text", &split.text), ("owners", &split.owners)];
            let items = Fingerprint::of(&split.items);
            Fingerprint::combine([&tensor_file::fingerprint(rows), &items])
        };
        Fingerprint::combine([&of(&self.train), &of(&self.validation)])
    }
}

/// Rows on the device, scaled to unit norm in place: a large corpus has no room for copies.
fn unit_rows(rows: ArrayView2<'_, f32>, device: Device) -> Tensor {
    let rows = tensor2(rows, device);
    let count = rows.size()[0];
    for start in (0..count).step_by(CHUNK as usize) {
        let mut chunk = rows.narrow(0, start, CHUNK.min(count - start));
        let unit = l2_normalise(&chunk);
        chunk.copy_(&unit);
    }
    rows
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn halves_keep_clips_and_captions_together() {
        let column = |values: &[f32]| Tensor::from_slice(values).view([-1, 1]);
        let split = Split {
            audio: column(&[0.0, 1.0, 2.0]),
            text: column(&[0.0, 20.0, 10.0, 21.0, 11.0]),
            owners: Tensor::from_slice(&[0_i64, 2, 1, 2, 1]),
            items: vec![7, 8, 9],
        };
        let (even, odd) = (split.half(0), split.half(1));
        assert_eq!(Vec::<f32>::try_from(even.audio.squeeze()).unwrap(), [0.0, 2.0]);
        assert_eq!(Vec::<f32>::try_from(even.text.squeeze()).unwrap(), [0.0, 20.0, 21.0]);
        assert_eq!(Vec::<i64>::try_from(&even.owners).unwrap(), [0, 1, 1]);
        assert_eq!(even.items, [7, 9]);
        assert_eq!(Vec::<f32>::try_from(odd.text.squeeze()).unwrap(), [10.0, 11.0]);
        assert_eq!(Vec::<i64>::try_from(&odd.owners).unwrap(), [0, 0]);
        assert_eq!(odd.items, [8]);
        // A caption goes with the audio of its clip.
        let paired = Vec::<f32>::try_from(split.paired_audio().squeeze()).unwrap();
        assert_eq!(paired, [0.0, 2.0, 1.0, 2.0, 1.0]);
    }

    #[test]
    fn rows_become_unit_rows_chunk_by_chunk() {
        let rows = CHUNK as usize + 1;
        let array = ndarray::Array2::from_shape_fn((rows, 2), |(row, column)| {
            if column == 0 { 3.0 * (row + 1) as f32 } else { 4.0 * (row + 1) as f32 }
        });
        let unit = unit_rows(array.view(), Device::Cpu);
        let expected = Tensor::from_slice(&[0.6_f32, 0.8]);
        assert!((unit - expected).abs().max().double_value(&[]) < 1e-6);
    }
}
