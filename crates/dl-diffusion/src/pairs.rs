//! Training and validation embeddings as resident tensors.

use std::path::Path;

use dl_core::{EmbeddingSet, noise::item_of};
use dl_torch::{
    convert::{indices, tensor2},
    layers::l2_normalise,
};
use tch::{Device, Tensor};

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
