//! The `preprocessor_config.json` of a Hugging Face directory, as
//! `ClapFeatureExtractor` of transformers reads it: its keys, and its defaults
//! for those that are absent.

use dl_core::{ConfigError, fault::check};
use serde::Deserialize;
use serde_json::Value;

use super::ClapFrontEndConfig;
use crate::{AudioError, ClipConfig, ClipLength, Fill, LogMelConfig};

/// The keys that change features. Those that cannot (`processor_class`,
/// `padding_side`, `return_attention_mask`, `chunk_length_s`, ...) are not read.
#[derive(Deserialize)]
#[serde(default)]
struct Preprocessor {
    feature_extractor_type: String,
    feature_size: usize,
    sampling_rate: u32,
    hop_length: usize,
    max_length_s: f64,
    fft_window_size: usize,
    frequency_min: f64,
    frequency_max: f64,
    padding_value: f64,
    top_db: Value,
    truncation: String,
    padding: String,
    /// Follow from the others; read only to be compared.
    nb_max_samples: Option<f64>,
    nb_frequency_bins: Option<usize>,
}

impl Default for Preprocessor {
    fn default() -> Self {
        Self {
            feature_extractor_type: EXTRACTOR.into(),
            feature_size: 64,
            sampling_rate: 48_000,
            hop_length: 480,
            max_length_s: 10.0,
            fft_window_size: 1024,
            frequency_min: 0.0,
            frequency_max: 14_000.0,
            padding_value: 0.0,
            top_db: Value::Null,
            truncation: "fusion".into(),
            padding: "repeatpad".into(),
            nb_max_samples: None,
            nb_frequency_bins: None,
        }
    }
}

const EXTRACTOR: &str = "ClapFeatureExtractor";

impl ClapFrontEndConfig {
    /// Reads the `preprocessor_config.json` of a Hugging Face directory. What it
    /// leaves open (int16 rounding, where long clips are cropped or chunks taken)
    /// is as in [`ClapFrontEndConfig::unfused`] and [`ClapFrontEndConfig::fused`].
    ///
    /// # Errors
    /// [`AudioError::Preprocessor`] when the text is not JSON or a value has the wrong
    /// type, [`AudioError::Config`], naming the key, when a value has the wrong range or
    /// asks for features that are not made here.
    pub fn from_preprocessor_json(json: impl AsRef<[u8]>) -> Result<Self, AudioError> {
        let read: Preprocessor = serde_json::from_slice(json.as_ref())
            .map_err(|error| AudioError::Preprocessor(error.to_string()))?;
        read.check()?;
        let (base, fusion) = match read.truncation.as_str() {
            "rand_trunc" => (Self::unfused(), false),
            "fusion" => (Self::fused(), true),
            other => {
                return Err(ConfigError::new("truncation", other, "rand_trunc or fusion").into());
            }
        };
        let fill = match read.padding.as_str() {
            "repeatpad" => Fill::RepeatPad,
            "repeat" => Fill::Repeat,
            "pad" => Fill::ZeroPad,
            other => {
                return Err(ConfigError::new("padding", other, "repeatpad, repeat or pad").into());
            }
        };
        let log_mel = LogMelConfig {
            sample_rate: read.sampling_rate,
            n_fft: read.fft_window_size,
            win_length: read.fft_window_size,
            hop_length: read.hop_length,
            n_mels: read.feature_size,
            f_min: read.frequency_min,
            f_max: read.frequency_max,
            ..base.log_mel
        };
        let clip = ClipConfig { length: ClipLength::Seconds(read.max_length_s), fill, ..base.clip };
        let front_end = Self { log_mel, clip, fusion, ..base };
        // By the keys of this file, which lie side by side.
        front_end.log_mel.validate()?;
        front_end.clip.validate()?;
        Ok(front_end)
    }
}

impl Preprocessor {
    /// What cannot be expressed in a [`ClapFrontEndConfig`], or contradicts itself.
    fn check(&self) -> Result<(), ConfigError> {
        let extractor = &self.feature_extractor_type;
        check(extractor == EXTRACTOR, "feature_extractor_type", extractor, EXTRACTOR)?;
        check(self.top_db.is_null(), "top_db", &self.top_db, "null, the rest is not supported")?;
        let padding = self.padding_value;
        check(padding == 0.0, "padding_value", padding, "0, the rest is not supported")?;
        let samples = self.max_length_s * f64::from(self.sampling_rate);
        if let Some(stated) = self.nb_max_samples {
            let product = format!("max_length_s times sampling_rate, {samples}");
            check(stated == samples, "nb_max_samples", stated, product)?;
        }
        let bins = self.fft_window_size / 2 + 1;
        if let Some(stated) = self.nb_frequency_bins {
            let half = format!("half of fft_window_size plus 1, {bins}");
            check(stated == bins, "nb_frequency_bins", stated, half)?;
        }
        Ok(())
    }
}
