//! Encoders exported from Python: two TorchScript modules in a directory with
//! their front end, their tokenizer and a probe. `crates/dl-encoder/export` has the
//! scripts that write such bundles.
//!
//! A trace can be wrong without a word: it keeps the branches, sizes and devices
//! of its example (LAION-AI/CLAP#175 fell to chance level that way). So a bundle
//! carries what the model made of several clips and texts before the export, and
//! is refused when it no longer does so.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use dl_audio::{AudioFeatures, ClapFrontEnd, ClapFrontEndConfig};
use dl_core::{FileError, Fingerprint, text};
use dl_torch::{TorchError, layers::l2_normalise};
use ndarray::Array2;
use serde::{Deserialize, Serialize};
use tch::{CModule, Device, Kind, Tensor};

use crate::{
    AudioEncoder, Encoder, EncoderError, EncoderMethod, FrontEnd,
    clap::in_batches,
    error::{bad, check},
    text::TextTokenizer,
};

mod probe;

const SETTINGS: &str = "bundle.json";
const AUDIO: &str = "audio.pt";
const TEXT: &str = "text.pt";
const TOKENIZER: &str = "tokenizer.json";
const PROBE: &str = "probe.safetensors";

/// The layout of bundles that is read here.
const FORMAT: u32 = 1;

/// Items in one pass; results do not depend on it beyond rounding.
const BATCH: usize = 8;

/// Where a bundle lies.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TorchScriptConfig {
    /// Its directory.
    pub path: PathBuf,
}

crate::register_encoder!(TorchScriptConfig);

impl EncoderMethod for TorchScriptConfig {
    const KIND: &'static str = "torchscript";
    const VERSION: u32 = FORMAT;

    fn paths_mut(&mut self) -> Vec<&mut PathBuf> {
        vec![&mut self.path]
    }

    fn fingerprint(&self) -> Result<Fingerprint, EncoderError> {
        TorchScriptEncoder::fingerprint_of(&self.path)
    }

    fn load(&self, device: Device) -> Result<Box<dyn Encoder>, EncoderError> {
        Ok(Box::new(TorchScriptEncoder::load(&self.path, device)?))
    }
}

/// `bundle.json`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Settings {
    name: String,
    dim: usize,
    front_end: ClapFrontEndConfig,
    text: TextSettings,
    /// Digests of all other files of the bundle.
    sha256: BTreeMap<String, String>,
    /// Libraries behind the export.
    made_with: BTreeMap<String, String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TextSettings {
    max_tokens: usize,
    pad_id: i64,
}

impl Settings {
    fn read(path: &Path) -> Result<Self, EncoderError> {
        let mut value: serde_json::Value = serde_json::from_str(&text::read(path)?)
            .map_err(|error| bad(path, format!("not JSON ({error}); export the bundle again")))?;
        // Told first: a later format may well have other keys.
        let format = value.as_object_mut().and_then(|keys| keys.remove("format"));
        if format != Some(FORMAT.into()) {
            let found = format.unwrap_or_default();
            return Err(bad(
                path,
                format!("format {found} of bundles, but this program reads {FORMAT}; export again"),
            ));
        }
        let settings: Self = serde_json::from_value(value)
            .map_err(|error| bad(path, format!("{error}; export the bundle again")))?;
        check(
            (3..=8192).contains(&settings.text.max_tokens),
            "text.max_tokens",
            settings.text.max_tokens,
            "3 to 8192",
        )
        .and_then(|()| check(settings.dim > 0, "dim", settings.dim, "at least 1"))
        .map_err(|error| bad(path, error.to_string()))?;
        Ok(settings)
    }

    /// Digest of all that the embeddings depend on.
    fn fingerprint(&self, files: &Fingerprint) -> Fingerprint {
        let TextSettings { max_tokens, pad_id } = self.text;
        let behind = (FORMAT, self.dim, &self.front_end, max_tokens, pad_id);
        Fingerprint::combine([&Fingerprint::of(&("torchscript", behind)), files])
    }

    /// Compares the digest of every file and combines them.
    fn files(&self, directory: &Path) -> Result<Fingerprint, EncoderError> {
        let mut digests = Vec::new();
        for name in [AUDIO, TEXT, TOKENIZER, PROBE] {
            let path = directory.join(name);
            let found =
                Fingerprint::of_file(&path).map_err(|source| FileError::io(&path, source))?;
            let Some(expected) = self.sha256.get(name) else {
                let problem = format!("has no sha256 of {name}; export the bundle again");
                return Err(bad(&directory.join(SETTINGS), problem));
            };
            if found.as_str() != expected {
                return Err(bad(
                    &path,
                    format!(
                        "is not the file that was exported: its SHA-256 begins with {}, \
                         {SETTINGS} says {}; copy the bundle again",
                        found.short(),
                        expected.chars().take(found.short().len()).collect::<String>()
                    ),
                ));
            }
            digests.push(found);
        }
        Ok(Fingerprint::combine(&digests))
    }
}

/// A bundle that passed its probe.
pub struct TorchScriptEncoder {
    name: String,
    dim: usize,
    device: Device,
    front_end: ClapFrontEnd,
    tokenizer: TextTokenizer,
    audio: CModule,
    text: CModule,
    made_with: BTreeMap<String, String>,
    fingerprint: Fingerprint,
}

impl TorchScriptEncoder {
    /// Reads the bundle in `directory` and runs its probe.
    ///
    /// # Errors
    /// [`EncoderError`] naming the file that is missing, cut short or changed, or
    /// the item of the probe that comes out differently.
    pub fn load(directory: &Path, device: Device) -> Result<Self, EncoderError> {
        let settings_path = directory.join(SETTINGS);
        let settings = Settings::read(&settings_path)?;
        let files = settings.files(directory)?;
        let front_end = ClapFrontEnd::new(&settings.front_end)
            .map_err(|error| bad(&settings_path, format!("front_end: {error}")))?;
        let fingerprint = settings.fingerprint(&files);
        let TextSettings { max_tokens, pad_id } = settings.text;
        let tokenizer = TextTokenizer::read(&directory.join(TOKENIZER), max_tokens, pad_id)?;
        let encoder = Self {
            name: settings.name,
            dim: settings.dim,
            device,
            front_end,
            tokenizer,
            audio: module(&directory.join(AUDIO), device)?,
            text: module(&directory.join(TEXT), device)?,
            made_with: settings.made_with,
            fingerprint,
        };
        probe::run(&encoder, &directory.join(PROBE))?;
        Ok(encoder)
    }

    /// The fingerprint that a bundle will have once it is loaded, from its files alone.
    ///
    /// # Errors
    /// [`EncoderError`] naming the file that is missing or changed.
    pub fn fingerprint_of(directory: &Path) -> Result<Fingerprint, EncoderError> {
        let settings = Settings::read(&directory.join(SETTINGS))?;
        Ok(settings.fingerprint(&settings.files(directory)?))
    }

    /// Whether `directory` looks like a bundle.
    pub fn is_bundle(directory: &Path) -> bool {
        directory.join(SETTINGS).is_file()
    }

    /// The model's name, as its exporter was told.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The libraries behind the export, with versions.
    pub fn made_with(&self) -> &BTreeMap<String, String> {
        &self.made_with
    }

    /// Features `[batch, channels, frames, mels]` and bool `[batch, 1]` to unit
    /// rows `[batch, dim]`.
    fn hear(&self, features: &Tensor, is_longer: &Tensor) -> Result<Tensor, EncoderError> {
        let features = features.f_to_device(self.device)?.f_to_kind(Kind::Float)?;
        let is_longer = is_longer.f_to_device(self.device)?.f_to_kind(Kind::Bool)?;
        self.rows("audio", &self.audio, &[features, is_longer])
    }

    /// Ids and masks i64 `[batch, tokens]` to unit rows `[batch, dim]`.
    fn read(&self, ids: &Tensor, mask: &Tensor) -> Result<Tensor, EncoderError> {
        let inputs = [ids, mask].map(|tensor| {
            tensor.f_to_device(self.device).and_then(|tensor| tensor.f_to_kind(Kind::Int64))
        });
        let [ids, mask] = inputs;
        self.rows("text", &self.text, &[ids?, mask?])
    }

    fn rows(
        &self,
        side: &str,
        module: &CModule,
        inputs: &[Tensor],
    ) -> Result<Tensor, EncoderError> {
        let output = tch::no_grad(|| module.forward_ts(inputs)).map_err(|error| {
            let cause = cause(&error.to_string());
            let on = self.device;
            TorchError::Torch(format!(
                "the {side} module of {} cannot run on {on:?}: {cause}; a traced module keeps the \
                 device that it was exported on",
                self.name
            ))
        })?;
        let expected = [inputs[0].size()[0], self.dim as i64];
        if output.size() != expected {
            return Err(EncoderError::Shape {
                what: "output of a TorchScript module",
                expected: format!("{expected:?}"),
                found: format!("{:?} from the {side} module of {}", output.size(), self.name),
            });
        }
        Ok(l2_normalise(&output.to_kind(Kind::Float)))
    }
}

fn module(path: &Path, device: Device) -> Result<CModule, EncoderError> {
    let mut module = CModule::load_on_device(path, device).map_err(|error| {
        let cause = cause(&error.to_string());
        bad(path, format!("no TorchScript module ({cause}); export the bundle again"))
    })?;
    module.f_set_eval()?;
    Ok(module)
}

/// What libtorch says is wrong. A fault inside of a module is told below a Python
/// trace, where a line names the exception; any other on the first line.
fn cause(message: &str) -> String {
    let lines = message.lines().map(str::trim);
    let named = lines.clone().find(|line| {
        line.split_once(": ").is_some_and(|(kind, _)| {
            kind.ends_with("Error") && kind.chars().all(|c| c.is_alphanumeric() || "._".contains(c))
        })
    });
    let line =
        dl_torch::error::first_line(named.or_else(|| lines.clone().next()).unwrap_or_default());
    // What follows is advice for Python.
    line.split_once(". ").map_or(line.as_str(), |(first, _)| first).to_owned()
}

impl AudioEncoder for TorchScriptEncoder {
    fn dim(&self) -> usize {
        self.dim
    }

    fn fingerprint(&self) -> Fingerprint {
        self.fingerprint.clone()
    }

    fn front_end(&self) -> &dyn FrontEnd {
        &self.front_end
    }

    fn embed_features(&self, features: &[AudioFeatures]) -> Result<Array2<f32>, EncoderError> {
        in_batches(features, self.front_end.shape(), (BATCH, self.dim), |log_mels, longer| {
            self.hear(log_mels, &Tensor::from_slice(longer).unsqueeze(1))
        })
    }
}

impl Encoder for TorchScriptEncoder {
    fn embed_text(&self, texts: &[String]) -> Result<Array2<f32>, EncoderError> {
        self.tokenizer
            .embed(texts, BATCH, self.dim, self.device, |batch| self.read(&batch.ids, &batch.mask))
    }

    fn cut_texts(&self, texts: &[String]) -> Result<Vec<usize>, EncoderError> {
        self.tokenizer.cut_texts(texts)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cause_is_found_below_a_trace() {
        let trace = "The following operation failed in the TorchScript interpreter.\n\
                     Traceback of TorchScript, serialized code (most recent call last):\n  \
                     File \"code/x.py\", line 3, in forward\n    \
                     _0 = torch.add(a, b)\n         ~~~~~ <--- HERE\n\
                     RuntimeError: The size of tensor a (2) must match b (3)\n\
                     Exception raised from infer_size at x.cpp:35";
        assert_eq!(cause(trace), "RuntimeError: The size of tensor a (2) must match b (3)");
        assert_eq!(cause("open file failed\nframe #0: c10"), "open file failed");
        assert_eq!(cause("cut short. This can happen if"), "cut short");
        assert_eq!(cause(""), "");
    }
}
