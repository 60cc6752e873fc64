//! The mono waveform that passes between the crates.

use std::{borrow::Cow, io::Cursor, path::Path};

use dl_core::atomic;

use crate::{AudioError, resample};

/// Mono samples, nominally in [-1, 1].
#[derive(Clone, Debug, PartialEq)]
pub struct Waveform {
    /// Samples.
    pub samples: Vec<f32>,
    /// Samples per second, in Hz.
    pub sample_rate: u32,
}

impl AsRef<[f32]> for Waveform {
    fn as_ref(&self) -> &[f32] {
        &self.samples
    }
}

impl Waveform {
    /// Length in seconds.
    pub fn seconds(&self) -> f64 {
        self.samples.len() as f64 / f64::from(self.sample_rate)
    }

    /// The same sound at `sample_rate` Hz, `ceil(len * sample_rate / old rate)`
    /// samples long and not shifted in time. The sound is taken to be silent
    /// before its first and after its last sample. Frequencies up to about 98 %
    /// of the lower Nyquist frequency pass; those above it do not alias.
    ///
    /// # Errors
    /// [`AudioError::Resample`] when a rate is outside of 1 kHz to 768 kHz,
    /// [`AudioError::BadSample`] for a NaN or an infinity.
    pub fn resample(&self, sample_rate: u32) -> Result<Self, AudioError> {
        Ok(Self { samples: self.at_rate(sample_rate)?.into_owned(), sample_rate })
    }

    /// As [`Waveform::resample`], without a copy where nothing changes.
    pub(crate) fn at_rate(&self, sample_rate: u32) -> Result<Cow<'_, [f32]>, AudioError> {
        resample::resample(&self.samples, self.sample_rate, sample_rate)
    }

    /// Writes the waveform as 16-bit PCM WAV, whole or not at all. Samples
    /// outside of [-1, 1] are clamped, not scaled, so that loudness relations
    /// between files survive. 16-bit samples that were read come back unchanged.
    ///
    /// # Errors
    /// [`AudioError::NotFinite`] for a NaN or infinite sample, which has no
    /// 16-bit form; [`AudioError::Write`] when the disk refuses or the sound
    /// does not fit in a WAV file (4 GiB).
    pub fn write_wav(&self, path: &Path) -> Result<(), AudioError> {
        atomic::write_bytes(path, &self.wav(path)?).map_err(AudioError::Write)
    }

    /// The bytes of the file that [`Waveform::write_wav`] writes; `name` stands in errors.
    ///
    /// # Errors
    /// As [`Waveform::write_wav`], but for the disk.
    pub fn wav(&self, name: &Path) -> Result<Vec<u8>, AudioError> {
        if let Some(index) = self.samples.iter().position(|sample| !sample.is_finite()) {
            let value = self.samples[index];
            return Err(AudioError::NotFinite { path: name.into(), index, channel: 0, value });
        }
        self.to_wav().map_err(|error| {
            let name = name.display();
            AudioError::Write(std::io::Error::other(format!("cannot write {name}: {error}")))
        })
    }

    fn to_wav(&self) -> Result<Vec<u8>, hound::Error> {
        let spec = hound::WavSpec {
            channels: 1,
            sample_rate: self.sample_rate,
            bits_per_sample: 16,
            sample_format: hound::SampleFormat::Int,
        };
        if self.samples.len() > (u32::MAX as usize - 64) / 2 {
            return Err(hound::Error::FormatError("longer than a WAV file can be"));
        }
        let mut bytes = Vec::with_capacity(44 + 2 * self.samples.len());
        let mut writer = hound::WavWriter::new(Cursor::new(&mut bytes), spec)?;
        for &sample in &self.samples {
            // A float cast saturates, which is the clamp.
            writer.write_sample((sample * 32_768.0).round() as i16)?;
        }
        writer.finalize()?;
        Ok(bytes)
    }
}
