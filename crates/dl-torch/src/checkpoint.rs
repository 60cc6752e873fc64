//! Where a training stands, in one file: parameters, best parameters, moments,
//! and the position with its history. Written whole or not at all.

use std::{collections::HashMap, path::Path};

use dl_core::Fingerprint;
use serde::{Deserialize, Serialize};

use crate::{Params, TorchError, optim::AdamW, tensor_file, tensor_file::Tensors};

/// Everything of a training that is not a tensor.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Position {
    pub(crate) step: u64,
    pub(crate) best_step: u64,
    pub(crate) best_validation: f64,
    pub(crate) stale: u64,
    pub(crate) finished: bool,
    pub(crate) loss_sum: f64,
    pub(crate) loss_count: u64,
    pub(crate) history: Vec<(u64, f64, f64)>,
}

/// Everything that makes a training what it is. Two trainings of one origin have the same
/// bits at every step.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Origin {
    pub(crate) version: u32,
    pub(crate) training: String,
    pub(crate) seed: u64,
    pub(crate) device: String,
    pub(crate) configuration: Fingerprint,
    pub(crate) data: Fingerprint,
}

impl Origin {
    /// What of `other` is not as here, in words.
    fn difference(&self, other: &Self) -> Option<&'static str> {
        let parts = [
            (self.training == other.training, "of another kind"),
            (self.version == other.version, "of another version of this program"),
            (self.data == other.data, "on other data"),
            // Before the configuration, which initial values are a part of.
            (self.seed == other.seed, "with another seed"),
            (self.device == other.device, "on another kind of device"),
            (self.configuration == other.configuration, "with another configuration"),
        ];
        parts.into_iter().find_map(|(same, words)| (!same).then_some(words))
    }
}

/// A checkpoint file and the training that it belongs to.
pub(crate) struct Checkpoint<'a> {
    path: &'a Path,
    origin: Origin,
}

impl<'a> Checkpoint<'a> {
    pub(crate) fn new(path: &'a Path, origin: Origin) -> Self {
        Self { path, origin }
    }

    pub(crate) fn save(
        &self,
        current: &Tensors,
        best: &Tensors,
        optimizer: &AdamW,
        position: &Position,
    ) -> Result<(), TorchError> {
        let mut tensors = Tensors::new();
        let groups = [("current", current), ("best", best), ("adamw", &optimizer.state())];
        for (group, members) in groups {
            for (name, tensor) in members {
                tensors.insert(format!("{group}/{name}"), tensor.shallow_clone());
            }
        }
        let unstorable = |error: serde_json::Error| TorchError::file(self.path, error.to_string());
        let metadata = HashMap::from([
            ("origin".to_owned(), serde_json::to_string(&self.origin).map_err(unstorable)?),
            ("position".to_owned(), serde_json::to_string(position).map_err(unstorable)?),
        ]);
        tensor_file::write(self.path, &tensors, metadata)
    }

    /// Puts parameters and moments where they were and returns the best
    /// parameters and the position; `None` where there is no file yet.
    pub(crate) fn load(
        &self,
        params: &Params,
        optimizer: &mut AdamW,
    ) -> Result<Option<(Tensors, Position)>, TorchError> {
        if !self.path.exists() {
            return Ok(None);
        }
        let unusable = |problem: String| {
            TorchError::file(
                self.path,
                format!("the checkpoint cannot be used ({problem}); delete it to begin again"),
            )
        };
        let (tensors, metadata) = tensor_file::read(self.path, params.device())
            .map_err(|error| unusable(error.to_string()))?;
        let entry = |name: &str| {
            metadata.get(name).ok_or_else(|| unusable(format!("it has no entry `{name}`")))
        };
        let origin: Origin =
            serde_json::from_str(entry("origin")?).map_err(|error| unusable(error.to_string()))?;
        if let Some(difference) = self.origin.difference(&origin) {
            return Err(TorchError::file(
                self.path,
                format!(
                    "it is the checkpoint of a training {difference}; delete it to begin again, \
                     or name another file for this training's checkpoint"
                ),
            ));
        }
        let position: Position = serde_json::from_str(entry("position")?)
            .map_err(|error| unusable(error.to_string()))?;
        let group = |prefix: &str| -> Tensors {
            tensors
                .iter()
                .filter_map(|(name, tensor)| {
                    let name = name.strip_prefix(prefix)?.strip_prefix('/')?;
                    Some((name.to_owned(), tensor.shallow_clone()))
                })
                .collect()
        };
        params.restore(&group("current"), self.path)?;
        optimizer
            .restore(&group("adamw"), position.step)
            .map_err(|error| unusable(error.to_string()))?;
        Ok(Some((group("best"), position)))
    }
}
