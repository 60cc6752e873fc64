//! What the rest of the program knows of an encoder.

use dl_audio::Waveform;
use dl_core::Fingerprint;
use ndarray::Array2;

use crate::{EncoderError, Heads, TowerPair, error::check_columns};

/// A frozen model that puts sounds and texts into one space.
pub trait Encoder {
    /// Values per embedding.
    fn dim(&self) -> usize;

    /// Digest of all that the embeddings depend on.
    fn fingerprint(&self) -> Fingerprint;

    /// Embeddings `[clips, dim]` of waveforms of any rate, rows of unit norm.
    ///
    /// # Errors
    /// [`EncoderError`] for a waveform that cannot be embedded.
    fn embed_audio(&self, waveforms: &[Waveform]) -> Result<Array2<f32>, EncoderError>;

    /// Embeddings `[texts, dim]`, rows of unit norm.
    ///
    /// # Errors
    /// [`EncoderError`] for a text that cannot be embedded.
    fn embed_text(&self, texts: &[String]) -> Result<Array2<f32>, EncoderError>;
}

/// Pretrained towers under trained heads.
pub struct HeadedEncoder {
    towers: TowerPair,
    heads: Heads,
    fingerprint: Fingerprint,
}

impl HeadedEncoder {
    /// Puts the two together.
    ///
    /// # Errors
    /// [`EncoderError::Shape`] when the heads were trained on other features.
    pub fn new(towers: TowerPair, heads: Heads) -> Result<Self, EncoderError> {
        check_columns("audio features under these heads", heads.audio_dim(), towers.audio_dim())?;
        check_columns("text features under these heads", heads.text_dim(), towers.text_dim())?;
        let fingerprint = Fingerprint::combine([&towers.fingerprint(), &heads.fingerprint()?]);
        Ok(Self { towers, heads, fingerprint })
    }

    /// The towers.
    pub fn towers(&self) -> &TowerPair {
        &self.towers
    }

    /// The heads.
    pub fn heads(&self) -> &Heads {
        &self.heads
    }
}

impl Encoder for HeadedEncoder {
    fn dim(&self) -> usize {
        self.heads.dim()
    }

    fn fingerprint(&self) -> Fingerprint {
        self.fingerprint.clone()
    }

    fn embed_audio(&self, waveforms: &[Waveform]) -> Result<Array2<f32>, EncoderError> {
        self.heads.embed_audio(&self.towers.audio_features(waveforms)?)
    }

    fn embed_text(&self, texts: &[String]) -> Result<Array2<f32>, EncoderError> {
        self.heads.embed_text(&self.towers.text_features(texts)?)
    }
}
