//! What a bridge method is: a configuration that fits and loads ([`BridgeMethod`]), and
//! what comes of it, which moves rows ([`FittedMethod`]). Any crate can add one, see
//! [`crate::register_bridge`].

use std::{fmt::Debug, path::Path};

use dl_core::{ConfigError, FileError};
use dl_torch::{TrainContext, TrainReport, tensor_file::Tensors};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::Value;
use tch::{Device, Tensor};

use crate::{data::Pairs, error::BridgeError, noise::RowNoise, scores::Scores};

/// Where a method stands in lists and tables.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Family {
    /// The baseline without a bridge.
    None,
    /// Means and scales of each side.
    Moments,
    /// Training captions that stand for the audio embedding.
    Decoding,
    /// Linear maps fitted to the pairs.
    Linear,
    /// A network that regresses.
    Regression,
    /// A diffusion model.
    Diffusion,
    /// What stands on another bridge.
    Refinement,
    /// Any other.
    Other,
}

/// A method's configuration: plain data with defaults, as a configuration file has it.
pub trait BridgeMethod:
    Clone + Debug + Default + Serialize + DeserializeOwned + Send + Sync + 'static
{
    /// What `kind` says in a configuration.
    const KIND: &'static str;
    /// Changes whenever the same configuration, data and seed give another bridge.
    const VERSION: u32;
    /// Its place in lists.
    const FAMILY: Family = Family::Other;

    /// Checks every range.
    ///
    /// # Errors
    /// [`ConfigError`] with the dotted key, seen from this configuration.
    fn validate(&self) -> Result<(), ConfigError> {
        Ok(())
    }

    /// Fits on the training pairs and chooses by the validation pairs. Training goes
    /// through [`dl_torch::train::fit`], so that it can be interrupted.
    ///
    /// # Errors
    /// [`BridgeError`] for pairs that cannot be fitted to, or a training that cannot go on.
    fn fit(
        &self,
        pairs: &Pairs,
        context: &TrainContext<'_>,
    ) -> Result<Box<dyn FittedMethod>, BridgeError>;

    /// The method from what [`FittedMethod::tensors`] and [`FittedMethod::report`] gave.
    ///
    /// # Errors
    /// [`BridgeError::File`] for a tensor that is missing or does not fit.
    fn load(&self, stored: Stored<'_>) -> Result<Box<dyn FittedMethod>, BridgeError>;

    /// Kind and version, and those of the bridge that this one stands on.
    fn version(&self) -> String {
        format!("{} {}", Self::KIND, Self::VERSION)
    }

    /// Whether [`FittedMethod::text`] changes anything.
    fn moves_text(&self) -> bool {
        false
    }

    /// Whether [`FittedMethod::text_through`] is there.
    fn bridges_text(&self) -> bool {
        false
    }

    /// Standard deviation, per dimension of the unit vector, of the noise that the method's
    /// source puts on its decoder's training inputs; `None` where it says nothing of them.
    fn decoder_noise(&self) -> Option<f64> {
        None
    }
}

/// A fitted method. Rows in are unit vectors; rows out need not be.
pub trait FittedMethod: Send {
    /// Audio embeddings `[rows, dim]` to `[rows, dim]`. A row's result depends on the row
    /// and on the noise of its item alone, whatever rows are beside it.
    ///
    /// # Errors
    /// [`BridgeError`] when libtorch refuses.
    fn apply(&self, audio: &Tensor, noise: RowNoise<'_>) -> Result<Tensor, BridgeError>;

    /// Captions `[captions, dim]` in the space of the output.
    fn text(&self, text: &Tensor) -> Tensor {
        text.shallow_clone()
    }

    /// What the method's source trains a decoder on that meets audio only in use.
    ///
    /// # Errors
    /// As [`Self::apply`].
    fn decoder_text(&self, text: &Tensor, _: RowNoise<'_>) -> Result<Tensor, BridgeError> {
        Ok(self.text(text))
    }

    /// Captions through the bridge itself, as audio goes: `None` for methods that know
    /// audio alone.
    ///
    /// # Errors
    /// As [`Self::apply`].
    fn text_through(&self, _: &Tensor, _: RowNoise<'_>) -> Option<Result<Tensor, BridgeError>> {
        None
    }

    /// Everything that was fitted, by name, in f32.
    fn tensors(&self) -> Tensors;

    /// What validation chose, and how training went.
    fn report(&self) -> MethodReport;
}

/// What a method says of its fit.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct MethodReport {
    /// The training, of methods that have one.
    pub training: Option<TrainReport>,
    /// The candidate that validation chose; null where there was nothing to choose.
    pub chosen: Value,
    /// Every candidate with its validation scores.
    pub tried: Vec<Tried>,
    /// The report of the bridge that this one stands on.
    pub of: Option<Box<MethodReport>>,
}

/// A candidate and how it did.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Tried {
    /// As the configuration has it: a number, or a table.
    pub candidate: Value,
    /// On the validation pairs.
    pub scores: Scores,
}

impl MethodReport {
    /// Of a choice among `candidates`, whose `scores` are in the same order.
    pub fn choice<T: Serialize>(candidates: &[T], scores: Vec<Scores>, best: usize) -> Self {
        let value = |candidate: &T| serde_json::to_value(candidate).unwrap_or_default();
        let tried = candidates.iter().zip(scores);
        Self {
            chosen: candidates.get(best).map(value).unwrap_or_default(),
            tried: tried
                .map(|(candidate, scores)| Tried { candidate: value(candidate), scores })
                .collect(),
            ..Self::default()
        }
    }

    /// The same after a training.
    #[must_use]
    pub fn after(self, training: TrainReport) -> Self {
        Self { training: Some(training), ..self }
    }
}

/// Version of a bridge file: its layout and the words of the configuration in it.
/// [`BridgeConfig::version`](crate::BridgeConfig::version) names it, so that no key leads
/// to a file that this program refuses.
pub(crate) const FILE_VERSION: &str = "3";

/// The content of a bridge file, for a method to take its own from.
pub struct Stored<'a> {
    /// The file, for errors.
    pub path: &'a Path,
    /// Embedding size.
    pub dim: usize,
    /// Where the tensors are.
    pub device: Device,
    /// What [`FittedMethod::tensors`] gave.
    pub tensors: Tensors,
    /// What [`FittedMethod::report`] gave.
    pub report: MethodReport,
}

impl<'a> Stored<'a> {
    /// A tensor of a given shape; -1 leaves a size open.
    ///
    /// # Errors
    /// [`BridgeError::File`] when it is missing or of another shape.
    pub fn take(&mut self, name: &str, shape: &[i64]) -> Result<Tensor, BridgeError> {
        let tensor = self.tensors.remove(name).ok_or_else(|| {
            self.fault(format!("tensor `{name}` is missing; fit the bridge anew"))
        })?;
        let size = tensor.size();
        let fits = size.len() == shape.len()
            && size.iter().zip(shape).all(|(&got, &want)| want == -1 || got == want);
        if fits {
            Ok(tensor)
        } else {
            Err(self.fault(format!("tensor `{name}` is {size:?}, expected {shape:?} (-1 is any)")))
        }
    }

    /// What validation chose, in its own type. `known` says whether it is among the
    /// candidates, which stand under `key` in the configuration: their ranges are checked,
    /// its own are not.
    ///
    /// # Errors
    /// [`BridgeError::File`] when it does not fit or is none of the candidates.
    pub fn chosen<T: DeserializeOwned>(
        &self,
        key: &str,
        known: impl FnOnce(&T) -> bool,
    ) -> Result<T, BridgeError> {
        let chosen = &self.report.chosen;
        let value = serde_json::from_value(chosen.clone())
            .map_err(|error| self.fault(format!("its header does not fit its method: {error}")))?;
        if known(&value) {
            return Ok(value);
        }
        let problem =
            format!("its header chose {chosen}, which is not in its {key}; fit the bridge anew");
        Err(self.fault(problem))
    }

    /// An error about the file.
    pub fn fault(&self, problem: impl Into<String>) -> BridgeError {
        FileError::invalid(self.path, problem).into()
    }

    /// What belongs to the bridge that this one stands on.
    pub(crate) fn inner(self) -> Stored<'a> {
        let tensors = self.tensors.into_iter();
        let tensors = tensors
            .filter_map(|(name, x)| Some((name.strip_prefix(INNER)?.to_owned(), x)))
            .collect();
        let report = self.report.of.map(|report| *report).unwrap_or_default();
        Stored { tensors, report, ..self }
    }
}

const INNER: &str = "of.";

/// The tensors of the bridge that another stands on, as that one keeps them.
pub(crate) fn inner_tensors(method: &dyn FittedMethod) -> Tensors {
    let tensors = method.tensors();
    tensors.into_iter().map(|(name, x)| (format!("{INNER}{name}"), x)).collect()
}
