//! Log-mel spectrograms, every number in a configuration. The presets are the
//! front ends of the encoders of this project; the tests hold them to librosa
//! and to the feature extractor that ships with CLAP.

use std::f64::consts::LN_10;

use dl_core::{ConfigError, Under, fault::check};
use ndarray::{Array2, s};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::{
    AudioError, MelBank, MelNorm, MelScale, Waveform,
    error::{MAX_SAMPLE_RATE, MIN_SAMPLE_RATE},
    stft::{Padding, Spectrum, Stft},
};

/// How mel energies are compressed.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Compression {
    /// `10 log10(max(x, amin) / max(reference, amin))`, in dB, then raised to at
    /// least the clip's loudest value minus `top_db` (librosa `power_to_db`).
    Decibel {
        /// Floor of the energies.
        #[serde(default = "default_amin")]
        amin: f64,
        /// Energy of 0 dB.
        #[serde(default = "default_reference")]
        reference: f64,
        /// Range kept below the loudest value, in dB; none keeps all.
        #[serde(default)]
        top_db: Option<f64>,
    },
    /// `log10(1 + gain x) / divisor` (aiSFX).
    LogGain {
        /// Factor of the energies.
        gain: f64,
        /// What the logarithm is divided by.
        divisor: f64,
    },
    /// `ln(max(x, floor))`.
    NaturalLog {
        /// Floor of the energies.
        floor: f64,
    },
}

fn default_amin() -> f64 {
    1e-10
}

fn default_reference() -> f64 {
    1.0
}

/// A log-mel front end.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LogMelConfig {
    /// Rate of the waveforms taken, in Hz.
    pub sample_rate: u32,
    /// Divide every clip by its largest absolute sample first (silence stays).
    pub peak_normalise: bool,
    /// Samples in one Fourier transform.
    pub n_fft: usize,
    /// Samples under the window, centred in the transform.
    pub win_length: usize,
    /// Samples from one frame to the next.
    pub hop_length: usize,
    /// What lies beyond the ends of a clip.
    pub padding: Padding,
    /// Magnitude or power.
    pub spectrum: Spectrum,
    /// Number of mel filters.
    pub n_mels: usize,
    /// Lower edge of the first filter, in Hz.
    pub f_min: f64,
    /// Upper edge of the last filter, in Hz.
    pub f_max: f64,
    /// The mel scale.
    pub mel_scale: MelScale,
    /// The scaling of the filters.
    pub mel_norm: MelNorm,
    /// The compression.
    pub compression: Compression,
}

impl Default for LogMelConfig {
    /// [`LogMelConfig::aisfx`].
    fn default() -> Self {
        Self::aisfx()
    }
}

impl LogMelConfig {
    /// The front end of aiSFX (PyPI `aisfx` 0.1.2, its librosa path): 44.1 kHz,
    /// peak-normalised, 96 HTK mels of unit sum, hop 1024.
    pub fn aisfx() -> Self {
        Self {
            sample_rate: 44_100,
            peak_normalise: true,
            n_fft: 2048,
            win_length: 2048,
            hop_length: 1024,
            padding: Padding::Zero,
            spectrum: Spectrum::Power,
            n_mels: 96,
            f_min: 0.0,
            f_max: 22_050.0,
            mel_scale: MelScale::Htk,
            mel_norm: MelNorm::UnitSum,
            // The divisor is the largest value of the authors' training data.
            compression: Compression::LogGain { gain: 1e4, divisor: 9.457_798_957_824_707 },
        }
    }

    /// The front end of LAION-CLAP without fusion: 48 kHz, 64 Slaney mels of
    /// Slaney norm from 50 Hz to 14 kHz, hop 480, in dB.
    pub fn clap_unfused() -> Self {
        Self {
            sample_rate: 48_000,
            peak_normalise: false,
            n_fft: 1024,
            win_length: 1024,
            hop_length: 480,
            padding: Padding::Reflect,
            spectrum: Spectrum::Power,
            n_mels: 64,
            f_min: 50.0,
            f_max: 14_000.0,
            mel_scale: MelScale::Slaney,
            mel_norm: MelNorm::Slaney,
            compression: Compression::Decibel { amin: 1e-10, reference: 1.0, top_db: None },
        }
    }

    /// The front end of LAION-CLAP with fusion: as [`LogMelConfig::clap_unfused`],
    /// but with the HTK scale and no norm.
    pub fn clap_fused() -> Self {
        Self { mel_scale: MelScale::Htk, mel_norm: MelNorm::None, ..Self::clap_unfused() }
    }

    /// Checks every value.
    ///
    /// # Errors
    /// [`ConfigError`] for the first one out of its range.
    pub fn validate(&self) -> Result<(), ConfigError> {
        let nyquist = f64::from(self.sample_rate) / 2.0;
        let &Self { sample_rate, n_fft, win_length, hop_length, n_mels, f_min, f_max, .. } = self;
        let rates = format!("{MIN_SAMPLE_RATE} to {MAX_SAMPLE_RATE} Hz");
        let good = (MIN_SAMPLE_RATE..=MAX_SAMPLE_RATE).contains(&sample_rate);
        check(good, "sample_rate", sample_rate, rates)?;
        check((2..=1 << 20).contains(&n_fft), "n_fft", n_fft, "2 to 1048576 samples")?;
        let good = (1..=n_fft).contains(&win_length);
        check(good, "win_length", win_length, "1 to n_fft samples")?;
        check(hop_length >= 1, "hop_length", hop_length, "at least 1 sample")?;
        check((1..=n_fft).contains(&n_mels), "n_mels", n_mels, "1 to n_fft")?;
        let good = f_min >= 0.0 && f_min < nyquist;
        check(good, "f_min", f_min, "0 Hz to below half the sample rate")?;
        let good = f_max > f_min && f_max <= nyquist;
        check(good, "f_max", f_max, "above f_min, up to half the sample rate")?;
        self.compression.validate().under("compression")
    }
}

impl Compression {
    fn validate(self) -> Result<(), ConfigError> {
        let positive = |field: &str, value: f64| {
            check(value > 0.0 && value.is_finite(), field, value, "a number above 0")
        };
        match self {
            Self::Decibel { amin, reference, top_db } => {
                positive("amin", amin)?;
                positive("reference", reference)?;
                top_db.map_or(Ok(()), |range| positive("top_db", range))
            }
            Self::LogGain { gain, divisor } => {
                positive("gain", gain)?;
                positive("divisor", divisor)
            }
            Self::NaturalLog { floor } => positive("floor", floor),
        }
    }

    /// The curve, with its constants worked out.
    fn curve(self) -> Curve {
        match self {
            Self::Decibel { amin, reference, .. } => Curve {
                gain: 1.0,
                shift: 0.0,
                floor: amin,
                factor: 10.0 / LN_10,
                offset: -10.0 * reference.max(amin).log10(),
            },
            Self::LogGain { gain, divisor } => {
                Curve { gain, shift: 1.0, floor: 1.0, factor: 1.0 / LN_10 / divisor, offset: 0.0 }
            }
            Self::NaturalLog { floor } => {
                Curve { gain: 1.0, shift: 0.0, floor, factor: 1.0, offset: 0.0 }
            }
        }
    }
}

/// `factor ln(max(gain x + shift, floor)) + offset`, which every compression is.
/// The natural logarithm takes half the time of the decimal one (measured).
#[derive(Clone, Copy, Debug)]
struct Curve {
    gain: f64,
    shift: f64,
    floor: f64,
    factor: f64,
    offset: f64,
}

impl Curve {
    #[inline]
    fn of(self, x: f64) -> f64 {
        let x = self.gain * x + self.shift;
        // Unlike `max`, this lets NaN through: a fault should show.
        let x = if x < self.floor { self.floor } else { x };
        self.factor * x.ln() + self.offset
    }
}

/// A planned log-mel front end; computing does not change it.
#[derive(Clone)]
pub struct LogMel {
    config: LogMelConfig,
    stft: Stft,
    bank: MelBank,
}

impl LogMel {
    /// Plans the transform and builds the filters.
    ///
    /// # Errors
    /// As [`LogMelConfig::validate`] and [`MelBank::new`].
    pub fn new(config: &LogMelConfig) -> Result<Self, AudioError> {
        config.validate()?;
        let LogMelConfig { n_fft, win_length, hop_length, padding, spectrum, .. } = *config;
        let bank = MelBank::new(
            config.sample_rate,
            n_fft,
            config.n_mels,
            (config.f_min, config.f_max),
            config.mel_scale,
            config.mel_norm,
        )?;
        let stft = Stft::new(n_fft, win_length, hop_length, padding, spectrum);
        Ok(Self { config: config.clone(), stft, bank })
    }

    /// The configuration that it was built from.
    pub fn config(&self) -> &LogMelConfig {
        &self.config
    }

    /// Number of frames for a clip of `len` samples.
    pub fn frames(&self, len: usize) -> usize {
        self.stft.frames(len)
    }

    /// The log-mel spectrogram `[frames, mels]` of samples at the configured rate.
    pub fn compute(&self, samples: &[f32]) -> Array2<f32> {
        let peak = samples.iter().fold(0.0_f32, |peak, sample| peak.max(sample.abs()));
        let divisor = if self.config.peak_normalise && peak > 0.0 { f64::from(peak) } else { 1.0 };
        let mut log_mel = Array2::zeros((self.frames(samples.len()), self.bank.len()));
        let curve = self.config.compression.curve();
        self.stft.for_each(samples, divisor, self.bank.bins(), |first, spectra| {
            let mut block = log_mel.slice_mut(s![first.., ..]);
            for (mut cells, mut levels) in
                block.columns_mut().into_iter().zip(self.bank.apply(spectra))
            {
                levels.iter_mut().for_each(|level| *level = curve.of(*level));
                for (cell, level) in cells.iter_mut().zip(levels) {
                    *cell = level as f32;
                }
            }
        });
        if let Compression::Decibel { top_db: Some(range), .. } = self.config.compression {
            let loudest = log_mel.iter().copied().fold(f32::NEG_INFINITY, f32::max);
            log_mel.mapv_inplace(|value| value.max(loudest - range as f32));
        }
        log_mel
    }

    /// As [`LogMel::compute`], but refuses a waveform of another rate.
    ///
    /// # Errors
    /// [`AudioError::WrongRate`].
    pub fn compute_waveform(&self, waveform: &Waveform) -> Result<Array2<f32>, AudioError> {
        let (expected, found) = (self.config.sample_rate, waveform.sample_rate);
        if expected != found {
            return Err(AudioError::WrongRate { expected, found });
        }
        Ok(self.compute(&waveform.samples))
    }

    /// [`LogMel::compute`] of every clip, in order, in parallel over clips on
    /// rayon's current pool. The numbers do not depend on the number of threads.
    pub fn compute_batch<S: AsRef<[f32]> + Sync>(&self, clips: &[S]) -> Vec<Array2<f32>> {
        clips.par_iter().map(|clip| self.compute(clip.as_ref())).collect()
    }
}
