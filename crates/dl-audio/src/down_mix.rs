//! Many channels become one: the mean of each frame, which all decoders share.

use std::path::Path;

use crate::{
    AudioError, Waveform,
    error::{MAX_SAMPLE_RATE, MIN_SAMPLE_RATE},
};

/// Collects interleaved samples as their mean over channels, and refuses what
/// no later stage could use.
pub(crate) struct DownMix<'a> {
    path: &'a Path,
    samples: Vec<f32>,
    sample_rate: u32,
    channels: usize,
    /// Sum of the channels of the frame at hand, and how many it holds so far.
    sum: f64,
    filled: usize,
}

impl<'a> DownMix<'a> {
    pub(crate) fn new(path: &'a Path, rate: u32, channels: usize) -> Result<Self, AudioError> {
        if !(MIN_SAMPLE_RATE..=MAX_SAMPLE_RATE).contains(&rate) {
            return Err(AudioError::FileRate { path: path.into(), rate });
        }
        if channels == 0 {
            let problem = "its header states 0 channels".into();
            return Err(AudioError::Damaged { path: path.into(), problem });
        }
        Ok(Self { path, samples: Vec::new(), sample_rate: rate, channels, sum: 0.0, filled: 0 })
    }

    pub(crate) fn push(&mut self, sample: f32) -> Result<(), AudioError> {
        if !sample.is_finite() {
            let (index, channel) = (self.samples.len(), self.filled);
            return Err(AudioError::NotFinite {
                path: self.path.into(),
                index,
                channel,
                value: sample,
            });
        }
        self.sum += f64::from(sample);
        self.filled += 1;
        if self.filled == self.channels {
            self.samples.push((self.sum / self.channels as f64) as f32);
            (self.sum, self.filled) = (0.0, 0);
        }
        Ok(())
    }

    pub(crate) fn is(&self, rate: u32, channels: usize) -> bool {
        (self.sample_rate, self.channels) == (rate, channels)
    }

    /// Whole frames so far.
    pub(crate) fn frames(&self) -> usize {
        self.samples.len()
    }

    /// Keeps at most the first `frames` frames.
    pub(crate) fn truncate(&mut self, frames: u64) {
        self.samples.truncate(usize::try_from(frames).unwrap_or(usize::MAX));
    }

    pub(crate) fn finish(self) -> Waveform {
        Waveform { samples: self.samples, sample_rate: self.sample_rate }
    }
}
