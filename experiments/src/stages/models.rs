//! Frozen models. Threads cannot share one, so each thread that needs a model loads a copy
//! and keeps it.

use std::{any::Any, cell::RefCell, collections::HashMap, rc::Rc};

use anyhow::Result;
use dl_encoder::{
    AudioEncoder, Clap, Encoder, HeadedEncoder, Heads, TorchScriptEncoder, TowerPair,
};
use ndarray::Array2;
use tch::Device;

use crate::config::EncoderConfig;

/// A frozen model that is loaded: an encoder, or towers that need heads to be one.
pub enum Frozen {
    /// Sound and text in one space.
    Encoder(Box<dyn Encoder>),
    /// Each in its own.
    Towers(Box<TowerPair>),
}

impl Frozen {
    /// Loads the model of a configuration whose paths are resolved.
    ///
    /// # Errors
    /// When a file is missing, cut short or of another model.
    pub fn load(config: &EncoderConfig, device: Device) -> Result<Self> {
        Ok(match config {
            EncoderConfig::Clap(clap) => Self::Encoder(Box::new(Clap::load(clap, device)?)),
            EncoderConfig::Torchscript(bundle) => {
                Self::Encoder(Box::new(TorchScriptEncoder::load(&bundle.path, device)?))
            }
            EncoderConfig::Towers(parts) => {
                Self::Towers(Box::new(TowerPair::load(&parts.towers, device)?))
            }
            EncoderConfig::Registered(other) => Self::Encoder(other.load(device)?),
        })
    }

    /// The part that hears.
    pub fn audio(&self) -> &dyn AudioEncoder {
        match self {
            Self::Encoder(encoder) => encoder.as_ref(),
            Self::Towers(towers) => towers.audio(),
        }
    }

    /// Captions `[captions, width]`; equal ones have equal rows.
    ///
    /// # Errors
    /// For a text that cannot be embedded.
    pub fn embed_text(&self, captions: &[String]) -> Result<Array2<f32>> {
        Ok(match self {
            Self::Encoder(encoder) => encoder.embed_text(captions)?,
            Self::Towers(towers) => towers.text_features(captions)?,
        })
    }

    /// The whole encoder; `heads` are those that towers need.
    ///
    /// # Errors
    /// When the heads do not fit the towers.
    pub fn with_heads(self, heads: impl FnOnce() -> Result<Heads>) -> Result<Box<dyn Encoder>> {
        Ok(match self {
            Self::Encoder(encoder) => encoder,
            Self::Towers(towers) => Box::new(HeadedEncoder::new(*towers, heads()?)?),
        })
    }
}

/// The models of a thread: of each kind one, with its key.
type Kept = HashMap<&'static str, (String, Rc<dyn Any>)>;

thread_local! {
    static KEPT: RefCell<Kept> = RefCell::default();
}

/// This thread's copy of a model: of each `kind` the last is kept, and loaded again where
/// the `key` is another.
///
/// # Errors
/// Those of `load`.
pub fn kept<T: 'static>(
    kind: &'static str,
    key: &str,
    load: impl FnOnce() -> Result<T>,
) -> Result<Rc<T>> {
    let found = KEPT.with_borrow(|kept| {
        let (_, model) = kept.get(kind).filter(|(own, _)| own == key)?;
        Rc::clone(model).downcast().ok()
    });
    if let Some(model) = found {
        return Ok(model);
    }
    // The old one goes before the new one comes: there may be room for one only.
    KEPT.with_borrow_mut(|kept| kept.remove(kind));
    let model = Rc::new(load()?);
    KEPT.with_borrow_mut(|kept| kept.insert(kind, (key.to_owned(), model.clone())));
    Ok(model)
}
