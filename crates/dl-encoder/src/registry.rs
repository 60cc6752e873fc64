//! Encoders of an open set of kinds: the configuration of any registered one, read by its
//! `kind`, checked, keyed and loaded without knowing which it is. A crate outside of this
//! workspace adds its own with [`register_encoder!`](crate::register_encoder).

use std::path::PathBuf;

use dl_core::{ConfigError, FileError, Fingerprint, fingerprint::contents, tagged, tagged_config};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;
use tch::Device;

use crate::{Encoder, EncoderError};

/// The configuration of one kind of encoder.
pub trait EncoderMethod: Clone + Serialize + DeserializeOwned + Send + Sync + 'static {
    /// What `kind` says in a configuration.
    const KIND: &'static str;
    /// Changes whenever the same configuration and files give other embeddings.
    const VERSION: u32;

    /// Checks every range.
    ///
    /// # Errors
    /// [`ConfigError`] for the first value out of range, with its dotted key.
    fn validate(&self) -> Result<(), ConfigError> {
        Ok(())
    }

    /// The entries that are paths of files or folders that it reads. The program makes them
    /// relative to its repository.
    fn paths_mut(&mut self) -> Vec<&mut PathBuf> {
        Vec::new()
    }

    /// Digest of all that embeddings depend on, from the files alone: it is asked for long
    /// before, and often without, loading. [`AudioEncoder::fingerprint`] of the loaded
    /// encoder is the same. By default it is of kind, version, every entry and the content of
    /// every file of [`Self::paths_mut`], wherever they lie.
    ///
    /// # Errors
    /// [`EncoderError`] for a file that is missing.
    ///
    /// [`AudioEncoder::fingerprint`]: crate::AudioEncoder::fingerprint
    fn fingerprint(&self) -> Result<Fingerprint, EncoderError> {
        let (mut plain, mut files) = (self.clone(), Vec::new());
        for path in plain.paths_mut() {
            files.extend(contents(path).map_err(|source| FileError::io(path, source))?);
            *path = PathBuf::new();
        }
        Ok(Fingerprint::of(&(Self::KIND, Self::VERSION, tagged::value(&plain), files)))
    }

    /// Loads the encoder.
    ///
    /// # Errors
    /// [`EncoderError`] for a file that is missing, cut short or of another model.
    fn load(&self, device: Device) -> Result<Box<dyn Encoder>, EncoderError>;
}

/// The configuration of an encoder of any registered kind.
pub struct EncoderConfig(Box<dyn Any>);

tagged_config!(EncoderConfig, EncoderKind);

impl<M: EncoderMethod> From<M> for EncoderConfig {
    fn from(method: M) -> Self {
        Self(Box::new(method))
    }
}

impl EncoderConfig {
    /// All registered kinds, by name.
    pub fn kinds() -> Vec<&'static str> {
        let mut kinds: Vec<_> =
            inventory::iter::<EncoderKind>.into_iter().map(|entry| entry.kind).collect();
        kinds.sort_unstable();
        kinds.dedup();
        kinds
    }

    /// The configuration of `kind` with the entries beside it; `None` where nobody has
    /// registered such a kind.
    ///
    /// # Errors
    /// A message that begins with the key at fault.
    pub fn of(kind: &str, fields: Value) -> Option<Result<Self, String>> {
        EncoderKind::find(kind).map(|entry| (entry.read)(fields))
    }

    /// What `kind` says.
    pub fn kind(&self) -> &'static str {
        self.0.kind()
    }

    /// See [`EncoderMethod::validate`].
    ///
    /// # Errors
    /// As there.
    pub fn validate(&self) -> Result<(), ConfigError> {
        self.0.validate()
    }

    /// See [`EncoderMethod::paths_mut`].
    pub fn paths_mut(&mut self) -> Vec<&mut PathBuf> {
        self.0.paths_mut()
    }

    /// See [`EncoderMethod::fingerprint`].
    ///
    /// # Errors
    /// As there.
    pub fn fingerprint(&self) -> Result<Fingerprint, EncoderError> {
        self.0.fingerprint()
    }

    /// See [`EncoderMethod::load`].
    ///
    /// # Errors
    /// As there.
    pub fn load(&self, device: Device) -> Result<Box<dyn Encoder>, EncoderError> {
        self.0.load(device)
    }
}

/// A registered kind. [`register_encoder!`](crate::register_encoder) makes it.
pub struct EncoderKind {
    kind: &'static str,
    read: fn(Value) -> Result<EncoderConfig, String>,
}

inventory::collect!(EncoderKind);

impl EncoderKind {
    /// The entry of `M`.
    pub const fn of<M: EncoderMethod>() -> Self {
        Self { kind: M::KIND, read: |fields| tagged::fields::<M>(fields).map(EncoderConfig::from) }
    }

    fn find(kind: &str) -> Option<&'static Self> {
        inventory::iter::<Self>.into_iter().find(|entry| entry.kind == kind)
    }
}

/// Registers an [`EncoderMethod`]: from then on its `kind` is read wherever an
/// [`EncoderConfig`] is, in every program that links the crate it stands in.
///
/// ```
/// use dl_audio::{AudioFeatures, Waveform};
/// use dl_core::{ConfigError, Fingerprint};
/// use dl_encoder::{
///     AudioEncoder, Encoder, EncoderConfig, EncoderError, FrontEnd, registry::EncoderMethod,
/// };
/// use ndarray::{Array2, array};
/// use serde::{Deserialize, Serialize};
///
/// /// Hears how loud a clip is, and reads how long a text is.
/// #[derive(Clone, Serialize, Deserialize)]
/// #[serde(deny_unknown_fields)]
/// struct Loudness {
///     scale: f32,
/// }
///
/// dl_encoder::register_encoder!(Loudness);
///
/// impl EncoderMethod for Loudness {
///     const KIND: &'static str = "loudness";
///     const VERSION: u32 = 1;
///
///     fn validate(&self) -> Result<(), ConfigError> {
///         dl_core::fault::check(self.scale > 0.0, "scale", self.scale, "above 0")
///     }
///
///     fn load(&self, _: tch::Device) -> Result<Box<dyn Encoder>, EncoderError> {
///         Ok(Box::new(Loaded(self.clone())))
///     }
/// }
///
/// struct Loaded(Loudness);
///
/// impl FrontEnd for Loaded {
///     fn features(&self, waveform: &Waveform) -> Result<AudioFeatures, EncoderError> {
///         let power: f32 = waveform.samples.iter().map(|x| x * x).sum();
///         Ok(AudioFeatures { values: array![[[power]]], is_longer: false })
///     }
/// }
///
/// impl AudioEncoder for Loaded {
///     fn dim(&self) -> usize {
///         2
///     }
///
///     fn fingerprint(&self) -> Fingerprint {
///         EncoderMethod::fingerprint(&self.0).unwrap()
///     }
///
///     fn front_end(&self) -> &dyn FrontEnd {
///         self
///     }
///
///     fn embed_features(&self, clips: &[AudioFeatures]) -> Result<Array2<f32>, EncoderError> {
///         let turn = |clip: usize| (self.0.scale * clips[clip].values[[0, 0, 0]]).sin_cos();
///         let value = |(clip, side)| if side == 0 { turn(clip).0 } else { turn(clip).1 };
///         Ok(Array2::from_shape_fn((clips.len(), 2), value))
///     }
/// }
///
/// impl Encoder for Loaded {
///     fn embed_text(&self, texts: &[String]) -> Result<Array2<f32>, EncoderError> {
///         let turn = |text: usize| (self.0.scale * texts[text].len() as f32).sin_cos();
///         let value = |(text, side)| if side == 0 { turn(text).0 } else { turn(text).1 };
///         Ok(Array2::from_shape_fn((texts.len(), 2), value))
///     }
/// }
///
/// let json = r#"{"kind": "loudness", "scale": 0.5}"#;
/// let config: EncoderConfig = serde_json::from_str(json).unwrap();
/// let encoder = config.load(tch::Device::Cpu).unwrap();
/// assert_eq!(encoder.fingerprint(), config.fingerprint().unwrap());
/// assert_eq!(encoder.embed_text(&["rain".into()]).unwrap()[[0, 0]], 2.0_f32.sin());
/// ```
#[macro_export]
macro_rules! register_encoder {
    ($method:ty) => {
        $crate::inventory::submit! { $crate::registry::EncoderKind::of::<$method>() }
    };
}

/// [`EncoderMethod`] as an object.
trait Any: Send + Sync {
    fn kind(&self) -> &'static str;
    fn fields(&self) -> Value;
    fn boxed(&self) -> Box<dyn Any>;
    fn validate(&self) -> Result<(), ConfigError>;
    fn paths_mut(&mut self) -> Vec<&mut PathBuf>;
    fn fingerprint(&self) -> Result<Fingerprint, EncoderError>;
    fn load(&self, device: Device) -> Result<Box<dyn Encoder>, EncoderError>;
}

impl<M: EncoderMethod> Any for M {
    fn kind(&self) -> &'static str {
        M::KIND
    }

    fn fields(&self) -> Value {
        tagged::value(self)
    }

    fn boxed(&self) -> Box<dyn Any> {
        Box::new(self.clone())
    }

    fn validate(&self) -> Result<(), ConfigError> {
        M::validate(self)
    }

    fn paths_mut(&mut self) -> Vec<&mut PathBuf> {
        M::paths_mut(self)
    }

    fn fingerprint(&self) -> Result<Fingerprint, EncoderError> {
        M::fingerprint(self)
    }

    fn load(&self, device: Device) -> Result<Box<dyn Encoder>, EncoderError> {
        M::load(self, device)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{ClapConfig, TorchScriptConfig};

    #[test]
    fn a_configuration_goes_to_text_and_back() {
        for config in [
            EncoderConfig::from(ClapConfig { batch: 3, ..ClapConfig::at("some/clap") }),
            EncoderConfig::from(TorchScriptConfig { path: "some/bundle".into() }),
        ] {
            let text = serde_json::to_string(&config).unwrap();
            assert_eq!(serde_json::from_str::<EncoderConfig>(&text).unwrap(), config, "{text}");
        }
        assert_eq!(EncoderConfig::kinds(), ["clap", "torchscript"]);
    }

    #[test]
    fn faults_name_the_key() {
        let fault = |text| serde_json::from_str::<EncoderConfig>(text).unwrap_err().to_string();
        let text = fault(r#"{"kind": "clap", "path": "x", "max_tokens": "many"}"#);
        assert!(text.starts_with("max_tokens: invalid type"), "{text}");
        assert!(fault(r#"{"path": "x"}"#).contains("missing field `kind`"));
        let text = fault(r#"{"kind": "clop"}"#);
        assert!(text.starts_with("kind: unknown variant `clop`, expected one of `clap`"), "{text}");
        let config = EncoderConfig::from(ClapConfig { batch: 0, ..ClapConfig::at("x") });
        assert_eq!(config.validate().unwrap_err().to_string(), "batch = 0: must be at least 1");
    }
}
