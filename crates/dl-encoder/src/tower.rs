//! A sound tower and a text tower side by side, by name.

use dl_core::{ConfigError, Fingerprint, Under};
use ndarray::Array2;
use serde::{Deserialize, Serialize};
use tch::Device;

use crate::{Aisfx, AisfxConfig, AudioEncoder, EncoderError, MiniLm, MiniLmConfig};

/// The tower that hears.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum AudioTowerConfig {
    /// aiSFX, 512 values.
    Aisfx(AisfxConfig),
}

impl Default for AudioTowerConfig {
    fn default() -> Self {
        Self::Aisfx(AisfxConfig::default())
    }
}

/// The tower that reads.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum TextTowerConfig {
    /// all-MiniLM-L6-v2, 384 values.
    Minilm(MiniLmConfig),
}

impl Default for TextTowerConfig {
    fn default() -> Self {
        Self::Minilm(MiniLmConfig::default())
    }
}

/// Both towers.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TowerPairConfig {
    /// Sound.
    pub audio: AudioTowerConfig,
    /// Text.
    pub text: TextTowerConfig,
}

impl TowerPairConfig {
    /// Checks every range of both towers.
    ///
    /// # Errors
    /// [`ConfigError`] for the first field out of range.
    pub fn validate(&self) -> Result<(), ConfigError> {
        let (AudioTowerConfig::Aisfx(audio), TextTowerConfig::Minilm(text)) =
            (&self.audio, &self.text);
        audio.validate().under("audio")?;
        text.validate().under("text")
    }
}

/// A frozen model that reads, in a space of its own. Its counterpart that hears is any
/// [`AudioEncoder`].
pub trait TextTower {
    /// Values per text.
    fn dim(&self) -> usize;

    /// Digest of all that the features depend on.
    fn fingerprint(&self) -> Fingerprint;

    /// Features `[texts, dim]`, in order; equal texts have equal rows.
    ///
    /// # Errors
    /// [`EncoderError`] for a text that cannot be read.
    fn features(&self, texts: &[String]) -> Result<Array2<f32>, EncoderError>;

    /// See [`Encoder::cut_texts`](crate::Encoder::cut_texts).
    ///
    /// # Errors
    /// As there.
    fn cut_texts(&self, texts: &[String]) -> Result<Vec<usize>, EncoderError> {
        let _ = texts;
        Ok(Vec::new())
    }
}

impl TextTower for MiniLm {
    fn dim(&self) -> usize {
        Self::dim(self)
    }

    fn fingerprint(&self) -> Fingerprint {
        Self::fingerprint(self).clone()
    }

    fn features(&self, texts: &[String]) -> Result<Array2<f32>, EncoderError> {
        self.embed(texts)
    }

    fn cut_texts(&self, texts: &[String]) -> Result<Vec<usize>, EncoderError> {
        Self::cut_texts(self, texts)
    }
}

/// Two frozen pretrained towers, each with a space of its own.
pub struct TowerPair {
    audio: Box<dyn AudioEncoder>,
    text: Box<dyn TextTower>,
}

impl TowerPair {
    /// Any two towers, for heads over both.
    pub fn new(audio: Box<dyn AudioEncoder>, text: Box<dyn TextTower>) -> Self {
        Self { audio, text }
    }

    /// Reads the weights of both.
    ///
    /// # Errors
    /// As [`Aisfx::load`] and [`MiniLm::load`].
    pub fn load(config: &TowerPairConfig, device: Device) -> Result<Self, EncoderError> {
        let (AudioTowerConfig::Aisfx(audio), TextTowerConfig::Minilm(text)) =
            (&config.audio, &config.text);
        let audio = Aisfx::load(audio, device)?;
        Ok(Self::new(Box::new(audio), Box::new(MiniLm::load(text, device)?)))
    }

    /// The fingerprint that both will have once they are loaded, from their files alone.
    ///
    /// # Errors
    /// As [`Aisfx::fingerprint_of`] and [`MiniLm::fingerprint_of`].
    pub fn fingerprint_of(config: &TowerPairConfig) -> Result<Fingerprint, EncoderError> {
        let (AudioTowerConfig::Aisfx(audio), TextTowerConfig::Minilm(text)) =
            (&config.audio, &config.text);
        let parts = [Aisfx::fingerprint_of(audio)?, MiniLm::fingerprint_of(text)?];
        Ok(Fingerprint::combine(&parts))
    }

    /// The tower that hears.
    pub fn audio(&self) -> &dyn AudioEncoder {
        self.audio.as_ref()
    }

    /// The tower that reads.
    pub fn text(&self) -> &dyn TextTower {
        self.text.as_ref()
    }

    /// Values per sound.
    pub fn audio_dim(&self) -> usize {
        self.audio.dim()
    }

    /// Values per text.
    pub fn text_dim(&self) -> usize {
        self.text.dim()
    }

    /// Digest of both towers.
    pub fn fingerprint(&self) -> Fingerprint {
        Fingerprint::combine([&self.audio.fingerprint(), &self.text.fingerprint()])
    }

    /// Features `[texts, text_dim]`, in order.
    ///
    /// # Errors
    /// As [`TextTower::features`].
    pub fn text_features(&self, texts: &[String]) -> Result<Array2<f32>, EncoderError> {
        self.text.features(texts)
    }
}
