//! A bridge's configuration, of any registered method, and the registration.

use dl_core::{ConfigError, tagged, tagged_config};
use dl_torch::TrainContext;
use serde_json::Value;

use crate::{
    data::Pairs,
    error::BridgeError,
    method::{BridgeMethod, FILE_VERSION, Family, FittedMethod, Stored},
};

/// The configuration of a bridge of any kind: what stands under `[bridges.NAME]` in a
/// suite. Its `kind` names the method.
///
/// ```
/// use dl_diffusion::{BridgeConfig, bridges::RidgeConfig};
///
/// let ridge = BridgeConfig::of_kind("ridge")?;
/// assert_eq!(ridge, BridgeConfig::from(RidgeConfig::default()));
/// # Ok::<(), dl_diffusion::BridgeError>(())
/// ```
pub struct BridgeConfig(Box<dyn AnyMethod>);

tagged_config!(BridgeConfig, BridgeKind);

impl<M: BridgeMethod> From<M> for BridgeConfig {
    fn from(method: M) -> Self {
        Self(Box::new(method))
    }
}

impl Default for BridgeConfig {
    fn default() -> Self {
        Self::of_kind("diffusion_link").expect("this crate registers it")
    }
}

impl BridgeConfig {
    /// The kinds of all registered methods, by family, then by name.
    pub fn kinds() -> Vec<&'static str> {
        let mut entries: Vec<&BridgeKind> = inventory::iter::<BridgeKind>.into_iter().collect();
        entries.sort_by_key(|entry| (entry.family, entry.kind));
        entries.dedup_by_key(|entry| entry.kind);
        entries.into_iter().map(|entry| entry.kind).collect()
    }

    /// A method by its kind, with its defaults.
    ///
    /// # Errors
    /// [`BridgeError::Config`] with all kinds for one that is not there.
    pub fn of_kind(kind: &str) -> Result<Self, BridgeError> {
        match BridgeKind::find(kind) {
            Some(entry) => Ok((entry.default)()),
            None => {
                let range = format!("one of {}", Self::kinds().join(", "));
                Err(ConfigError::new("kind", kind, range).into())
            }
        }
    }

    /// The method, as the configuration spells it.
    pub fn name(&self) -> &'static str {
        self.0.kind()
    }

    /// Versions of everything between this configuration and a fitted bridge: the method's
    /// and those of the methods it stands on, the training loop's, the scores' that
    /// validation chooses by, and the file's. The key of a stored bridge includes it; beside
    /// configuration, data, seed and kind of device, nothing else decides the result.
    pub fn version(&self) -> String {
        let (training, scores) = (dl_torch::train::VERSION, crate::scores::VERSION);
        let (method, gap) = (self.0.version(), dl_eval::gap::VERSION);
        format!("{method}, training {training}, scores {scores}, gap {gap}, file {FILE_VERSION}")
    }

    /// Method and its version, without what all methods share.
    pub(crate) fn method_version(&self) -> String {
        self.0.version()
    }

    /// Whether [`Bridge::text`](crate::Bridge::text) and
    /// [`Bridge::decoder_text`](crate::Bridge::decoder_text) are anything but the captions'
    /// embeddings: such a bridge needs a decoder of its own.
    pub fn moves_text(&self) -> bool {
        self.0.moves_text()
    }

    /// Whether captions can go through the bridge as audio does, see
    /// [`Bridge::text_through`](crate::Bridge::text_through).
    pub fn bridges_text(&self) -> bool {
        self.0.bridges_text()
    }

    /// Standard deviation, per dimension of the unit vector, of the noise that the
    /// method's source puts on its decoder's training inputs; `None` where it says nothing
    /// of them.
    pub fn decoder_noise(&self) -> Option<f64> {
        self.0.decoder_noise()
    }

    /// Checks every range.
    ///
    /// # Errors
    /// [`ConfigError`] for the first value out of range, with its dotted key.
    pub fn validate(&self) -> Result<(), ConfigError> {
        self.0.validate()
    }

    /// Fits the method without the checks and the scores of [`BridgeConfig::fit`]: for a
    /// method that stands on another.
    ///
    /// # Errors
    /// As [`BridgeMethod::fit`].
    pub fn fit_method(
        &self,
        pairs: &Pairs,
        context: &TrainContext<'_>,
    ) -> Result<Box<dyn FittedMethod>, BridgeError> {
        self.0.fit(pairs, context)
    }

    /// Loads the method: for a method that stands on another.
    ///
    /// # Errors
    /// As [`BridgeMethod::load`].
    pub fn load_method(&self, stored: Stored<'_>) -> Result<Box<dyn FittedMethod>, BridgeError> {
        self.0.load(stored)
    }
}

/// A registered method. [`crate::register_bridge`] makes it.
pub struct BridgeKind {
    kind: &'static str,
    family: Family,
    default: fn() -> BridgeConfig,
    read: fn(Value) -> Result<BridgeConfig, String>,
}

inventory::collect!(BridgeKind);

impl BridgeKind {
    /// The entry of method `M`.
    pub const fn of<M: BridgeMethod>() -> Self {
        Self {
            kind: M::KIND,
            family: M::FAMILY,
            default: || M::default().into(),
            read: |fields| tagged::fields::<M>(fields).map(BridgeConfig::from),
        }
    }

    fn find(kind: &str) -> Option<&'static Self> {
        inventory::iter::<Self>.into_iter().find(|entry| entry.kind == kind)
    }
}

/// Registers a [`BridgeMethod`]: from then on its `kind` is read, listed, fitted, saved and
/// loaded wherever bridges are, in the program too that links the crate it stands in.
///
/// ```
/// use dl_diffusion::{
///     BridgeConfig, BridgeError, RowNoise,
///     method::{BridgeMethod, FittedMethod, MethodReport, Stored},
/// };
/// use dl_torch::{TrainContext, tensor_file::Tensors};
/// use serde::{Deserialize, Serialize};
/// use tch::Tensor;
///
/// /// The mirror image of the audio embedding.
/// #[derive(Clone, Debug, Default, Serialize, Deserialize)]
/// #[serde(deny_unknown_fields)]
/// struct Mirror {}
///
/// struct Fitted;
///
/// dl_diffusion::register_bridge!(Mirror);
///
/// impl BridgeMethod for Mirror {
///     const KIND: &'static str = "mirror";
///     const VERSION: u32 = 1;
///
///     fn fit(
///         &self,
///         _: &dl_diffusion::data::Pairs,
///         _: &TrainContext<'_>,
///     ) -> Result<Box<dyn FittedMethod>, BridgeError> {
///         Ok(Box::new(Fitted))
///     }
///
///     fn load(&self, _: Stored<'_>) -> Result<Box<dyn FittedMethod>, BridgeError> {
///         Ok(Box::new(Fitted))
///     }
/// }
///
/// impl FittedMethod for Fitted {
///     fn apply(&self, audio: &Tensor, _: RowNoise<'_>) -> Result<Tensor, BridgeError> {
///         Ok(-audio)
///     }
///
///     fn tensors(&self) -> Tensors {
///         Tensors::new()
///     }
///
///     fn report(&self) -> MethodReport {
///         MethodReport::default()
///     }
/// }
///
/// let config: BridgeConfig = toml::from_str("kind = \"mirror\"").unwrap();
/// assert_eq!(config.name(), "mirror");
/// ```
#[macro_export]
macro_rules! register_bridge {
    ($method:ty) => {
        $crate::inventory::submit! { $crate::config::BridgeKind::of::<$method>() }
    };
}

/// [`BridgeMethod`] as an object.
trait AnyMethod: Send + Sync {
    fn kind(&self) -> &'static str;
    fn fields(&self) -> Value;
    fn boxed(&self) -> Box<dyn AnyMethod>;
    fn version(&self) -> String;
    fn moves_text(&self) -> bool;
    fn bridges_text(&self) -> bool;
    fn decoder_noise(&self) -> Option<f64>;
    fn validate(&self) -> Result<(), ConfigError>;
    fn fit(
        &self,
        pairs: &Pairs,
        context: &TrainContext<'_>,
    ) -> Result<Box<dyn FittedMethod>, BridgeError>;
    fn load(&self, stored: Stored<'_>) -> Result<Box<dyn FittedMethod>, BridgeError>;
}

impl<M: BridgeMethod> AnyMethod for M {
    fn kind(&self) -> &'static str {
        M::KIND
    }

    fn fields(&self) -> Value {
        tagged::value(self)
    }

    fn boxed(&self) -> Box<dyn AnyMethod> {
        Box::new(self.clone())
    }

    fn version(&self) -> String {
        M::version(self)
    }

    fn moves_text(&self) -> bool {
        M::moves_text(self)
    }

    fn bridges_text(&self) -> bool {
        M::bridges_text(self)
    }

    fn decoder_noise(&self) -> Option<f64> {
        M::decoder_noise(self)
    }

    fn validate(&self) -> Result<(), ConfigError> {
        M::validate(self)
    }

    fn fit(
        &self,
        pairs: &Pairs,
        context: &TrainContext<'_>,
    ) -> Result<Box<dyn FittedMethod>, BridgeError> {
        M::fit(self, pairs, context)
    }

    fn load(&self, stored: Stored<'_>) -> Result<Box<dyn FittedMethod>, BridgeError> {
        M::load(self, stored)
    }
}
