//! Training and validation embeddings as resident tensors.

use std::path::Path;

use dl_core::{EmbeddingSet, noise::item_of};
use dl_torch::{
    convert::{indices, tensor2},
    layers::l2_normalise,
};
use tch::{Device, Kind, Tensor};

use crate::{bridge::BridgeData, error::BridgeError};

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
            audio: l2_normalise(&tensor2(set.audio.view(), device)),
            text: l2_normalise(&tensor2(set.text.view(), device)),
            owners: indices(&set.owners, device),
            items: set.ids.iter().map(|id| item_of(id)).collect(),
        }
    }

    /// The same clips beside other text rows, `[captions, dim]`.
    pub(crate) fn with_text(&self, text: Tensor) -> Self {
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

    pub(crate) fn new(data: &BridgeData<'_>, device: Device) -> Result<Self, BridgeError> {
        for (set, name) in [(data.train, "training set"), (data.validation, "validation set")] {
            set.validate(Path::new(name))?;
            if set.captions.is_empty() {
                return Err(BridgeError::Input(format!(
                    "the {name} holds no captions; a bridge needs pairs of audio and text"
                )));
            }
        }
        let dim = data.train.dim();
        if data.validation.dim() != dim {
            return Err(BridgeError::Dimension { expected: dim, got: data.validation.dim() });
        }
        Ok(Self {
            train: Split::new(data.train, device),
            validation: Split::new(data.validation, device),
            dim,
            device,
        })
    }
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
    }
}
