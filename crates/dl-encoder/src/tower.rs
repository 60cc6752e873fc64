//! A sound tower and a text tower side by side, by name.

use dl_core::Fingerprint;
use ndarray::Array2;
use serde::{Deserialize, Serialize};
use tch::Device;

use crate::{Aisfx, AisfxConfig, AudioEncoder, EncoderError, MiniLm, MiniLmConfig, aisfx};

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
    /// [`EncoderError::Config`] for the first field out of range.
    pub fn validate(&self) -> Result<(), EncoderError> {
        let (AudioTowerConfig::Aisfx(audio), TextTowerConfig::Minilm(text)) =
            (&self.audio, &self.text);
        audio.validate()?;
        text.validate()
    }
}

/// Two frozen pretrained towers, each with a space of its own.
pub struct TowerPair {
    audio: Aisfx,
    text: MiniLm,
}

impl TowerPair {
    /// Reads the weights of both.
    ///
    /// # Errors
    /// As [`Aisfx::load`] and [`MiniLm::load`].
    pub fn load(config: &TowerPairConfig, device: Device) -> Result<Self, EncoderError> {
        let (AudioTowerConfig::Aisfx(audio), TextTowerConfig::Minilm(text)) =
            (&config.audio, &config.text);
        Ok(Self { audio: Aisfx::load(audio, device)?, text: MiniLm::load(text, device)? })
    }

    /// The tower that hears.
    pub fn audio(&self) -> &Aisfx {
        &self.audio
    }

    /// The tower that reads.
    pub fn text(&self) -> &MiniLm {
        &self.text
    }

    /// Values per sound.
    pub fn audio_dim(&self) -> usize {
        aisfx::DIM
    }

    /// Values per text.
    pub fn text_dim(&self) -> usize {
        self.text.dim()
    }

    /// Digest of both towers.
    pub fn fingerprint(&self) -> Fingerprint {
        Fingerprint::combine([&self.audio.fingerprint(), self.text.fingerprint()])
    }

    /// Features `[texts, 384]`, in order.
    ///
    /// # Errors
    /// As [`MiniLm::embed`].
    pub fn text_features(&self, texts: &[String]) -> Result<Array2<f32>, EncoderError> {
        self.text.embed(texts)
    }
}
