//! The files of a pretrained model: a directory as it is published (`config.json` and
//! weights, in safetensors or PyTorch form, whole or in shards) or one GGUF file. Weights go
//! from the file straight to their place in the model, tensor by tensor.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    thread::{self, JoinHandle},
};

use dl_core::Fingerprint;
use dl_torch::weights::{Gguf, GgufMetadata, Source, read_weights};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tch::{Device, Kind, Tensor};

use crate::{CaptionTokenizer, LlamaConfig, LlmError};

mod digest;
mod gguf_names;
mod memory;
mod shards;

pub(crate) use digest::of_tensors;
use shards::Shard;

pub(crate) const CONFIG: &str = "config.json";
pub(crate) const WEIGHTS: &str = "model.safetensors";
const SHARDS: &str = "model.safetensors.index.json";
const PICKLE: &str = "pytorch_model.bin";
const PICKLES: &str = "pytorch_model.bin.index.json";

/// What a loaded model's weights are kept and multiplied in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WeightKind {
    /// As the file has them. Quantised ones become f32, and so does f16 on a processor,
    /// which does not multiply it.
    #[default]
    File,
    /// 32 bits.
    F32,
    /// bfloat16.
    Bf16,
    /// 16 bits; on a GPU only.
    F16,
}

/// A digest of files while it is being made.
pub(crate) type Digest = JoinHandle<std::io::Result<Fingerprint>>;

/// The fingerprint of a whole language model.
pub(crate) fn of_parts(
    config: &LlamaConfig,
    weights: &Fingerprint,
    tokenizer: &CaptionTokenizer,
) -> Result<Fingerprint, LlmError> {
    let shape = Fingerprint::of(&config.to_published());
    Ok(Fingerprint::combine([&shape, weights, &tokenizer.fingerprint()?]))
}

enum Weights {
    Safetensors(Vec<Shard>),
    Pickles(Vec<PathBuf>),
    Gguf(Gguf),
}

/// The files of one model, found and looked at, not yet read.
pub struct ModelFiles {
    /// The directory, or the GGUF file.
    path: PathBuf,
    config: LlamaConfig,
    /// `config.json`; null for a GGUF file.
    pub(crate) about: Value,
    /// The metadata of a GGUF file.
    pub(crate) gguf: Option<GgufMetadata>,
    weights: Weights,
}

impl std::fmt::Debug for ModelFiles {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "ModelFiles({}, {:?})", self.path.display(), self.config)
    }
}

impl ModelFiles {
    /// Looks at a model: a directory as it is published, one that holds a single GGUF file,
    /// or such a file itself. Every shard is opened and its length checked.
    ///
    /// # Errors
    /// [`LlmError`] naming the file that is missing, cut short, or of another architecture.
    pub fn open(path: &Path) -> Result<Self, LlmError> {
        if path.is_file() {
            return Self::open_gguf(path, path);
        }
        if !path.is_dir() {
            let problem = "there is no such model directory or GGUF file; correct the path";
            return Err(LlmError::file(path, problem));
        }
        let config_path = path.join(CONFIG);
        if !config_path.exists()
            && let Some(file) = only_gguf(path)?
        {
            return Self::open_gguf(path, &file);
        }
        let text = std::fs::read_to_string(&config_path)
            .map_err(|error| LlmError::io(&config_path, error))?;
        let config = LlamaConfig::from_published(&text, &config_path)?;
        let about = serde_json::from_str(&text)
            .map_err(|error| LlmError::file(&config_path, format!("not JSON ({error})")))?;
        let weights = weights_of(path)?;
        Ok(Self { path: path.into(), config, about, gguf: None, weights })
    }

    fn open_gguf(path: &Path, file: &Path) -> Result<Self, LlmError> {
        let gguf = Gguf::open(file)?;
        let (metadata, shapes) = (gguf.metadata(), gguf.shapes());
        if shapes.contains_key("rope_freqs.weight") {
            let problem = "keeps its rotary scaling as a tensor, which is not read here; use the \
                           model's directory with config.json and safetensors";
            return Err(LlmError::file(file, problem));
        }
        let table = shapes.get("token_embd.weight").and_then(|shape| shape.first());
        let vocab = *table.ok_or_else(|| LlmError::file(file, "no token table in this file"))?;
        let tied = !shapes.contains_key("output.weight");
        let config = LlamaConfig::from_gguf(&metadata, vocab, tied, file)?;
        let (about, weights) = (Value::Null, Weights::Gguf(gguf));
        Ok(Self { path: path.into(), config, about, gguf: Some(metadata), weights })
    }

    /// The directory, or the GGUF file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The model's shape.
    pub fn config(&self) -> &LlamaConfig {
        &self.config
    }

    /// The kind that the weights will have on `device`.
    ///
    /// # Errors
    /// [`LlmError::Input`] for f16 on a processor.
    pub fn kind(&self, wish: WeightKind, device: Device) -> Result<Kind, LlmError> {
        match wish {
            WeightKind::F32 => Ok(Kind::Float),
            WeightKind::Bf16 => Ok(Kind::BFloat16),
            WeightKind::F16 if device == Device::Cpu => Err(LlmError::Input(
                "precision = f16 works on a GPU only; use bf16 or f32 on a processor".into(),
            )),
            WeightKind::F16 => Ok(Kind::Half),
            WeightKind::File => Ok(match (&self.weights, self.published_kind()) {
                (Weights::Gguf(_), _) => Kind::Float,
                (_, Kind::Half) if device == Device::Cpu => Kind::Float,
                (_, kind) => kind,
            }),
        }
    }

    /// What the file's own matrices are.
    fn published_kind(&self) -> Kind {
        if let Weights::Safetensors(shards) = &self.weights {
            let table = shards.iter().find_map(|shard| shard.kind_of("model.embed_tokens.weight"));
            return table.unwrap_or(Kind::Float);
        }
        let named = ["torch_dtype", "dtype"].iter().find_map(|key| self.about[*key].as_str());
        match named {
            Some("bfloat16") => Kind::BFloat16,
            Some("float16") => Kind::Half,
            _ => Kind::Float,
        }
    }

    /// A source of all weights in `kind` on `device`. Whoever has taken all it wants calls
    /// [`Loader::finish`].
    ///
    /// # Errors
    /// [`LlmError`] when the processor has not enough memory for them.
    pub(crate) fn loader(&self, kind: Kind, device: Device) -> Result<Loader<'_>, LlmError> {
        if device == Device::Cpu {
            let needed = self.config.parameters() as u64 * kind.elt_size_in_bytes() as u64;
            memory::check(&self.path, needed, kind)?;
        }
        Ok(Loader {
            files: self,
            kind,
            device,
            pickled: BTreeMap::new(),
            next_pickle: 0,
            taken: BTreeMap::new(),
            faults: Vec::new(),
        })
    }

    /// The fingerprint of shape, weights (whose digest `weights` makes) and tokenizer.
    pub(crate) fn fingerprint(
        &self,
        weights: Digest,
        tokenizer: &CaptionTokenizer,
    ) -> Result<Fingerprint, LlmError> {
        let weights = weights
            .join()
            .map_err(|_| LlmError::file(&self.path, "could not be digested; try again"))?
            .map_err(|error| LlmError::io(&self.path, error))?;
        of_parts(&self.config, &weights, tokenizer)
    }

    /// Begins to digest the weights, beside whatever else is done.
    pub(crate) fn digest(&self) -> Digest {
        match &self.weights {
            Weights::Safetensors(shards) => {
                let tied = self.config.tied_embeddings;
                let shards = shards.clone();
                thread::spawn(move || digest::of_shards(&shards, |name| !superfluous(name, tied)))
            }
            Weights::Pickles(paths) => {
                let paths = paths.clone();
                thread::spawn(move || digest::of_files(&paths))
            }
            Weights::Gguf(gguf) => {
                let paths = vec![gguf.path().to_owned()];
                thread::spawn(move || digest::of_files(&paths))
            }
        }
    }
}

/// Older files keep the rotary frequencies, which follow from the configuration; some tied
/// models keep the output layer twice.
fn superfluous(name: &str, tied: bool) -> bool {
    name.ends_with("rotary_emb.inv_freq") || tied && name == "lm_head.weight"
}

fn only_gguf(directory: &Path) -> Result<Option<PathBuf>, LlmError> {
    let entries = std::fs::read_dir(directory).map_err(|error| LlmError::io(directory, error))?;
    let mut files: Vec<PathBuf> = entries
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.extension().is_some_and(|ending| ending == "gguf"))
        .collect();
    files.sort();
    match files.len() {
        0 | 1 => Ok(files.pop()),
        many => {
            let problem = format!("{many} GGUF files; name the one you mean");
            Err(LlmError::file(directory, problem))
        }
    }
}

fn weights_of(directory: &Path) -> Result<Weights, LlmError> {
    let at = |name: &str| directory.join(name);
    let shards = |paths: Vec<PathBuf>| -> Result<Weights, LlmError> {
        let shards = paths.iter().map(|path| Shard::open(path)).collect::<Result<_, _>>()?;
        Ok(Weights::Safetensors(shards))
    };
    if at(WEIGHTS).exists() {
        return shards(vec![at(WEIGHTS)]);
    }
    if at(SHARDS).exists() {
        return shards(indexed(directory, SHARDS)?);
    }
    if at(PICKLE).exists() {
        return Ok(Weights::Pickles(vec![at(PICKLE)]));
    }
    if at(PICKLES).exists() {
        let paths = indexed(directory, PICKLES)?;
        for path in &paths {
            std::fs::metadata(path).map_err(|error| LlmError::io(path, error))?;
        }
        return Ok(Weights::Pickles(paths));
    }
    // The error that names the usual file.
    shards(vec![at(WEIGHTS)])
}

/// The shards that an index names.
fn indexed(directory: &Path, index: &str) -> Result<Vec<PathBuf>, LlmError> {
    let index = directory.join(index);
    let text = std::fs::read_to_string(&index).map_err(|error| LlmError::io(&index, error))?;
    let file: Value = serde_json::from_str(&text)
        .map_err(|error| LlmError::file(&index, format!("not JSON ({error})")))?;
    let map = file["weight_map"]
        .as_object()
        .ok_or_else(|| LlmError::file(&index, "`weight_map` is missing"))?;
    let mut names: Vec<&str> = map.values().filter_map(Value::as_str).collect();
    names.sort_unstable();
    names.dedup();
    if let Some(outside) = names.iter().find(|name| Path::new(name).components().count() != 1) {
        return Err(LlmError::file(&index, format!("`{outside}` is no file beside it")));
    }
    Ok(names.into_iter().map(|name| directory.join(name)).collect())
}

/// Hands out the weights of a model that is being built, each read when it is asked for.
pub(crate) struct Loader<'a> {
    files: &'a ModelFiles,
    kind: Kind,
    device: Device,
    /// What has been read of PyTorch files and not been taken.
    pickled: BTreeMap<String, Tensor>,
    next_pickle: usize,
    taken: BTreeMap<String, Tensor>,
    faults: Vec<Fault>,
}

enum Fault {
    Missing(String),
    Shape(String),
    Read(LlmError),
}

impl Source for Loader<'_> {
    fn take(&mut self, name: &str, shape: &[i64]) -> Tensor {
        // After a read that failed nothing is worth reading.
        let broken = self.faults.iter().any(|fault| matches!(fault, Fault::Read(_)));
        if !broken {
            match self.read(name, shape) {
                Ok(tensor) => {
                    self.taken.insert(name.to_owned(), tensor.shallow_clone());
                    return tensor;
                }
                Err(fault) => self.faults.push(fault),
            }
        }
        // It stands in until `finish` refuses the files; no memory is touched.
        Tensor::zeros([0_i64; 0], (self.kind, self.device)).expand(shape, false)
    }
}

impl Loader<'_> {
    fn read(&mut self, name: &str, shape: &[i64]) -> Result<Tensor, Fault> {
        let missing = || Fault::Missing(format!("`{name}` is missing"));
        let differs =
            |found: &[i64]| Fault::Shape(format!("`{name}` is {found:?}, expected {shape:?}"));
        let failed = |error: LlmError| Fault::Read(error);
        match &self.files.weights {
            Weights::Safetensors(shards) => {
                let shard = shards.iter().find(|shard| shard.contains(name)).ok_or_else(missing)?;
                let found = shard.shape(name);
                if found != shape {
                    return Err(differs(&found));
                }
                shard.read(name, self.kind, self.device).map_err(failed)
            }
            Weights::Gguf(gguf) => {
                let theirs = gguf_names::theirs(name).ok_or_else(missing)?;
                let shapes = gguf.shapes();
                let found = shapes.get(&theirs).ok_or_else(missing)?;
                if found != shape {
                    return Err(differs(found));
                }
                let tensor = gguf.tensor(&theirs).map_err(|error| failed(error.into()))?;
                let tensor = gguf_names::reordered(name, tensor, &self.files.config);
                Ok(tensor.to_kind(self.kind).to_device(self.device))
            }
            Weights::Pickles(paths) => {
                while !self.pickled.contains_key(name) && self.next_pickle < paths.len() {
                    let tensors = read_weights(&paths[self.next_pickle]);
                    self.pickled.extend(tensors.map_err(|error| failed(error.into()))?);
                    self.next_pickle += 1;
                }
                let tensor = self.pickled.remove(name).ok_or_else(missing)?;
                if tensor.size() != shape {
                    return Err(differs(&tensor.size()));
                }
                Ok(tensor.to_kind(self.kind).to_device(self.device))
            }
        }
    }

    /// All that was taken, by name.
    ///
    /// # Errors
    /// [`LlmError`]: the first file that could not be read, or else a list of what was
    /// missing, of another shape, or left over.
    pub(crate) fn finish(self) -> Result<BTreeMap<String, Tensor>, LlmError> {
        let mut problems = Vec::new();
        for fault in self.faults {
            match fault {
                Fault::Read(error) => return Err(error),
                Fault::Missing(problem) | Fault::Shape(problem) => problems.push(problem),
            }
        }
        let known = |name: &String| {
            self.taken.contains_key(name) || superfluous(name, self.files.config.tied_embeddings)
        };
        let unknown = |name: String| format!("`{name}` is unknown");
        match &self.files.weights {
            Weights::Safetensors(shards) => {
                let names = shards.iter().flat_map(Shard::names).filter(|name| !known(name));
                problems.extend(names.map(unknown));
            }
            Weights::Pickles(_) => {
                let names = self.pickled.into_keys().filter(|name| !known(name));
                problems.extend(names.map(unknown));
            }
            Weights::Gguf(gguf) => {
                let ours: Vec<String> =
                    self.taken.keys().filter_map(|name| gguf_names::theirs(name)).collect();
                let names = gguf.shapes().into_keys().filter(|name| !ours.contains(name));
                problems.extend(names.map(unknown));
            }
        }
        if problems.is_empty() {
            return Ok(self.taken);
        }
        let shown = problems.iter().take(5).cloned().collect::<Vec<_>>().join(", ");
        let more = match problems.len().saturating_sub(5) {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        let problem = format!("the tensors do not fit this model: {shown}{more}");
        Err(LlmError::file(&self.files.path, problem))
    }
}
