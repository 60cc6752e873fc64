//! Which files of a model directory hold its weights, as Hugging Face's libraries lay it
//! out: one file, or several with an index that says which tensor lies where.

use std::path::{Component, Path, PathBuf};

use dl_core::{FileError, text};
use serde_json::Value;

use super::read_weights;
use crate::{TorchError, tensor_file::Tensors};

/// What those libraries look for, in their order.
const NAMES: [&str; 4] = [
    "model.safetensors",
    "model.safetensors.index.json",
    "pytorch_model.bin",
    "pytorch_model.bin.index.json",
];

/// The files that hold a model's weights.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WeightFiles {
    /// The one file, or the index.
    head: PathBuf,
    /// What the index lists; empty where there is none.
    shards: Vec<Shard>,
}

/// A file that an index lists, and the tensors that it shall have.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Shard {
    path: PathBuf,
    names: Vec<String>,
}

impl WeightFiles {
    /// Looks into `directory` and reads the index, if there is one, but no weights.
    ///
    /// # Errors
    /// [`TorchError`] when there are no weights, an index cannot be read, or a file that it
    /// lists is missing.
    pub fn find(directory: &Path) -> Result<Self, TorchError> {
        let all = NAMES.map(|name| directory.join(name));
        let Some(head) = all.into_iter().find(|path| path.exists()) else {
            let problem = "has no model.safetensors and no pytorch_model.bin, whole or with an \
                           index (.index.json); copy the weights from where the model is published";
            return Err(TorchError::file(directory, problem));
        };
        let shards = match head.extension() {
            Some(ending) if ending == "json" => shards(&head)?,
            _ => Vec::new(),
        };
        Ok(Self { head, shards })
    }

    /// What an error about the weights as a whole names: the file, or the index.
    pub fn head(&self) -> &Path {
        &self.head
    }

    /// Every file, in a stable order, for digests.
    pub fn all(&self) -> Vec<&Path> {
        let shards = self.shards.iter().map(|shard| shard.path.as_path());
        std::iter::once(self.head.as_path()).chain(shards).collect()
    }

    /// All tensors, as [`read_weights`] gives them.
    ///
    /// # Errors
    /// Those of [`read_weights`], and a tensor that does not lie where the index says.
    pub fn read(&self) -> Result<Tensors, TorchError> {
        if self.shards.is_empty() {
            return read_weights(&self.head);
        }
        let mut tensors = Tensors::new();
        for Shard { path, names } in &self.shards {
            let part = read_weights(path)?;
            if let Some(name) = names.iter().find(|name| !part.contains_key(*name)) {
                let index = self.head.display();
                let problem = format!("has no `{name}`, which {index} says; download both again");
                return Err(TorchError::file(path, problem));
            }
            tensors.extend(part);
        }
        Ok(tensors)
    }
}

/// The files of an index, sorted by name.
fn shards(index: &Path) -> Result<Vec<Shard>, TorchError> {
    let file: Value = serde_json::from_str(&text::read(index)?)
        .map_err(|error| TorchError::file(index, format!("not JSON ({error}); copy it again")))?;
    let Some(map) = file["weight_map"].as_object().filter(|map| !map.is_empty()) else {
        return Err(TorchError::file(index, "lists no tensors as `weight_map`; copy it again"));
    };
    let mut shards: Vec<Shard> = Vec::new();
    for (tensor, file) in map {
        let file = file.as_str().unwrap_or_default();
        // Whoever made the index does not choose what else is read on this machine.
        let mut parts = Path::new(file).components();
        if !matches!((parts.next(), parts.next()), (Some(Component::Normal(_)), None)) {
            let problem = format!("`{tensor}` lies in {file:?}, which is no file beside the index");
            return Err(TorchError::file(index, problem));
        }
        let path = index.with_file_name(file);
        match shards.iter_mut().find(|shard| shard.path == path) {
            Some(shard) => shard.names.push(tensor.clone()),
            None => shards.push(Shard { path, names: vec![tensor.clone()] }),
        }
    }
    shards.sort_by(|a, b| a.path.cmp(&b.path));
    for shard in &shards {
        dl_core::regular::check(&shard.path).map_err(|error| match error {
            FileError::Io { path, source } if source.kind() == std::io::ErrorKind::NotFound => {
                let index = index.display();
                TorchError::file(&path, format!("is missing, but {index} lists it; copy it too"))
            }
            other => other.into(),
        })?;
    }
    Ok(shards)
}
