//! The `preprocessor_config.json` of a Hugging Face directory, as
//! `ClapFeatureExtractor` of transformers reads it: its keys, and its defaults
//! for those that are absent.

use serde::Deserialize;
use serde_json::Value;

use super::ClapFrontEndConfig;
use crate::{AudioError, ClipConfig, ClipLength, Fill, LogMelConfig, error::config};

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
    /// [`AudioError::Config`], naming the key: the text is not JSON, a value has
    /// the wrong type or range, or it asks for features that are not made here.
    pub fn from_preprocessor_json(json: impl AsRef<[u8]>) -> Result<Self, AudioError> {
        let read: Preprocessor = serde_json::from_slice(json.as_ref())
            .map_err(|error| config("preprocessor_config.json", format!("{error}; correct it")))?;
        read.check()?;
        let (base, fusion) = match read.truncation.as_str() {
            "rand_trunc" => (Self::unfused(), false),
            "fusion" => (Self::fused(), true),
            other => {
                let problem = format!("`{other}` is not known; give `rand_trunc` or `fusion`");
                return Err(config("truncation", problem));
            }
        };
        let fill = match read.padding.as_str() {
            "repeatpad" => Fill::RepeatPad,
            "repeat" => Fill::Repeat,
            "pad" => Fill::ZeroPad,
            other => {
                let problem =
                    format!("`{other}` is not known; give `repeatpad`, `repeat` or `pad`");
                return Err(config("padding", problem));
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
        front_end.validate()?;
        Ok(front_end)
    }
}

impl Preprocessor {
    /// What cannot be expressed in a [`ClapFrontEndConfig`], or contradicts itself.
    fn check(&self) -> Result<(), AudioError> {
        if self.feature_extractor_type != EXTRACTOR {
            let problem = format!("`{}` is not `{EXTRACTOR}`", self.feature_extractor_type);
            return Err(config("feature_extractor_type", problem));
        }
        if !self.top_db.is_null() {
            let problem = format!("{} is not supported; give null", self.top_db);
            return Err(config("top_db", problem));
        }
        if self.padding_value != 0.0 {
            let problem = format!("{} is not supported; give 0", self.padding_value);
            return Err(config("padding_value", problem));
        }
        let samples = self.max_length_s * f64::from(self.sampling_rate);
        if let Some(stated) = self.nb_max_samples
            && stated != samples
        {
            let problem = format!(
                "{stated} is not max_length_s times sampling_rate, {samples}; correct one of them"
            );
            return Err(config("nb_max_samples", problem));
        }
        let bins = self.fft_window_size / 2 + 1;
        if let Some(stated) = self.nb_frequency_bins
            && stated != bins
        {
            let problem =
                format!("{stated} is not half of fft_window_size plus 1, {bins}; correct one");
            return Err(config("nb_frequency_bins", problem));
        }
        Ok(())
    }
}
