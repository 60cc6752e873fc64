//! What the rest of the program knows of an encoder. Its work on sound is cut in
//! two: a front end that threads may share, and a network behind it.

use dl_audio::{AudioFeatures, Waveform};
use dl_core::Fingerprint;
use ndarray::Array2;
use rayon::prelude::*;

use crate::{EncoderError, Heads, TowerPair, error::check_columns};

/// From a waveform to what a network takes; several threads may share it.
pub trait FrontEnd: Send + Sync {
    /// The features of a waveform of any rate and length.
    ///
    /// # Errors
    /// [`EncoderError`] for a waveform that has none.
    fn features(&self, waveform: &Waveform) -> Result<AudioFeatures, EncoderError>;
}

/// A frozen model that hears.
pub trait AudioEncoder {
    /// Values per embedding.
    fn dim(&self) -> usize;

    /// Digest of all that the embeddings depend on.
    fn fingerprint(&self) -> Fingerprint;

    /// The part that makes features.
    fn front_end(&self) -> &dyn FrontEnd;

    /// Embeddings `[clips, dim]` of features, in order.
    ///
    /// # Errors
    /// [`EncoderError::Torch`] when the device gives out.
    fn embed_features(&self, features: &[AudioFeatures]) -> Result<Array2<f32>, EncoderError>;

    /// Embeddings `[clips, dim]` of waveforms of any rate, in order.
    ///
    /// # Errors
    /// As [`FrontEnd::features`] and [`AudioEncoder::embed_features`].
    fn embed_audio(&self, waveforms: &[Waveform]) -> Result<Array2<f32>, EncoderError> {
        let front_end = self.front_end();
        let features: Result<Vec<_>, _> =
            waveforms.par_iter().map(|waveform| front_end.features(waveform)).collect();
        self.embed_features(&features?)
    }
}

/// A frozen model that puts sounds and texts into one space, rows of unit norm.
pub trait Encoder: AudioEncoder {
    /// Embeddings `[texts, dim]`; equal texts have equal rows.
    ///
    /// # Errors
    /// [`EncoderError`] for a text that cannot be embedded.
    fn embed_text(&self, texts: &[String]) -> Result<Array2<f32>, EncoderError>;

    /// Indices of the texts that are longer than the model takes: their ends are not
    /// embedded. None where a model takes any length.
    ///
    /// # Errors
    /// [`EncoderError::Item`] for a text that cannot be read.
    fn cut_texts(&self, texts: &[String]) -> Result<Vec<usize>, EncoderError> {
        let _ = texts;
        Ok(Vec::new())
    }
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
}

impl AudioEncoder for HeadedEncoder {
    fn dim(&self) -> usize {
        self.heads.dim()
    }

    fn fingerprint(&self) -> Fingerprint {
        self.fingerprint.clone()
    }

    fn front_end(&self) -> &dyn FrontEnd {
        self.towers.audio().front_end()
    }

    fn embed_features(&self, features: &[AudioFeatures]) -> Result<Array2<f32>, EncoderError> {
        self.heads.embed_audio(&self.towers.audio().embed_features(features)?)
    }
}

impl Encoder for HeadedEncoder {
    fn embed_text(&self, texts: &[String]) -> Result<Array2<f32>, EncoderError> {
        self.heads.embed_text(&self.towers.text_features(texts)?)
    }

    fn cut_texts(&self, texts: &[String]) -> Result<Vec<usize>, EncoderError> {
        self.towers.text().cut_texts(texts)
    }
}
