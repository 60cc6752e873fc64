//! Where a training stands, in one file: parameters, best parameters, moments,
//! and the position with its history. Written whole or not at all.

use std::{collections::HashMap, path::Path};

use dl_core::Fingerprint;
use serde::{Deserialize, Serialize};

use crate::{Params, TorchError, TrainReport, optim::AdamW, tensor_file, tensor_file::Tensors};

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

impl Position {
    pub(crate) fn report(self) -> TrainReport {
        TrainReport {
            steps: self.step,
            best_step: self.best_step,
            best_validation: self.best_validation,
            history: self.history,
        }
    }
}

/// A checkpoint file and the training that it belongs to.
pub(crate) struct Checkpoint<'a> {
    path: &'a Path,
    key: &'a Fingerprint,
}

impl<'a> Checkpoint<'a> {
    pub(crate) fn new(path: &'a Path, key: &'a Fingerprint) -> Self {
        Self { path, key }
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
        let position = serde_json::to_string(position)
            .map_err(|error| TorchError::file(self.path, error.to_string()))?;
        let metadata = HashMap::from([
            ("key".to_owned(), self.key.to_string()),
            ("position".to_owned(), position),
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
        if metadata.get("key").map(String::as_str) != Some(self.key.as_str()) {
            return Err(unusable("it belongs to another configuration or other data".into()));
        }
        let position: Position = metadata
            .get("position")
            .ok_or_else(|| unusable("it has no position".into()))
            .and_then(|text| {
                serde_json::from_str(text).map_err(|error| unusable(error.to_string()))
            })?;
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
