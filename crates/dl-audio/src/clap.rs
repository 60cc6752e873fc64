//! The front end of CLAP (Wu et al., "Large-scale Contrastive Language-Audio
//! Pretraining with Feature Fusion", ICASSP 2023, section 3.3), in the
//! conventions of transformers' `ClapFeatureExtractor`, to which the tests hold
//! it: `rand_trunc` (here: not fused) and `fusion`.
//!
//! Two habits of that extractor are not kept. It crops at random; here a named
//! policy says where, so that the same file always gives the same features. And
//! in a batch without a long clip it marks a random clip as longer, so that what
//! an encoder makes of a clip depends on what stands beside it; here a clip is
//! longer only if it is.

use dl_core::{ConfigError, Under, fault::check};
use ndarray::{Array2, Array3, Axis, Zip, s};
use serde::{Deserialize, Serialize};

use crate::{AudioError, ClipConfig, Crop, Fill, LogMel, LogMelConfig, Waveform};

mod preprocessor;

/// What a tower hears of one clip.
#[derive(Clone, Debug, PartialEq)]
pub struct AudioFeatures {
    /// `[channels, frames, mels]`: one channel, or four with fusion.
    pub values: Array3<f32>,
    /// Whether the clip was longer than the window. With fusion the four channels
    /// then differ, and the tower has something to fuse.
    pub is_longer: bool,
}

/// Where a chunk is taken in its third of all possible starts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ChunkPolicy {
    /// At the first start of the third.
    First,
    /// At the middle one; of two, the earlier.
    #[default]
    #[serde(alias = "center")]
    Centre,
}

/// A CLAP front end. All of it belongs in the key of a feature cache.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ClapFrontEndConfig {
    /// The spectrogram, default [`LogMelConfig::clap_unfused`].
    pub log_mel: LogMelConfig,
    /// The window (default 10 s), how shorter clips are filled (default
    /// `repeat_pad`) and, without fusion, how longer ones are cropped (default
    /// `first`; fusion crops nothing and has [`ChunkPolicy`] instead).
    pub clip: ClipConfig,
    /// Round samples as LAION-CLAP's own code does before it computes features: to
    /// [-1, 1], times 32767, towards zero to a whole number, and back. Default
    /// false, as in transformers; the encoders were trained with it.
    pub int16: bool,
    /// Four channels in place of one: the whole clip shrunk to the length of the
    /// window, then a chunk from its front, middle and back. Default false.
    pub fusion: bool,
    /// Where the three chunks are taken, default `centre`.
    pub chunks: ChunkPolicy,
}

impl Default for ClapFrontEndConfig {
    /// [`ClapFrontEndConfig::unfused`].
    fn default() -> Self {
        Self::unfused()
    }
}

impl ClapFrontEndConfig {
    /// The front end of `laion/clap-htsat-unfused`.
    pub fn unfused() -> Self {
        Self {
            log_mel: LogMelConfig::clap_unfused(),
            clip: ClipConfig::default(),
            int16: false,
            fusion: false,
            chunks: ChunkPolicy::default(),
        }
    }

    /// The front end of `laion/clap-htsat-fused`.
    pub fn fused() -> Self {
        let clip = ClipConfig { crop: Crop::None, ..ClipConfig::default() };
        Self { log_mel: LogMelConfig::clap_fused(), clip, fusion: true, ..Self::unfused() }
    }

    /// Checks every value.
    ///
    /// # Errors
    /// [`ConfigError`] for the first one out of its range, or for a clip policy that
    /// would leave clips at other lengths than the window.
    pub fn validate(&self) -> Result<(), ConfigError> {
        self.log_mel.validate().under("log_mel")?;
        self.clip.validate().under("clip")?;
        let fills = "`repeat_pad`, `repeat` or `zero_pad`, for short clips would stay short";
        check(self.clip.fill != Fill::None, "clip.fill", "none", fills)?;
        let crops = "`first` or `centre` without `fusion`, for long clips would stay long";
        check(self.fusion || self.clip.crop != Crop::None, "clip.crop", "none", crops)
    }
}

/// A planned CLAP front end; computing does not change it, so that threads can
/// share one.
#[derive(Clone)]
pub struct ClapFrontEnd {
    config: ClapFrontEndConfig,
    log_mel: LogMel,
    /// Samples of the window.
    window: usize,
}

impl ClapFrontEnd {
    /// Plans the transform and builds the filters.
    ///
    /// # Errors
    /// As [`ClapFrontEndConfig::validate`] and [`LogMel::new`].
    pub fn new(config: &ClapFrontEndConfig) -> Result<Self, AudioError> {
        config.validate()?;
        let log_mel = LogMel::new(&config.log_mel)?;
        let window = config.clip.samples(config.log_mel.sample_rate);
        Ok(Self { config: config.clone(), log_mel, window })
    }

    /// The configuration that it was built from.
    pub fn config(&self) -> &ClapFrontEndConfig {
        &self.config
    }

    /// The shape of all features, `[channels, frames, mels]`.
    pub fn shape(&self) -> [usize; 3] {
        let channels = if self.config.fusion { 4 } else { 1 };
        [channels, self.log_mel.frames(self.window), self.config.log_mel.n_mels]
    }

    /// The features of a clip of any length and rate; another rate than the
    /// configured one is resampled first. An empty clip counts as silence.
    ///
    /// # Errors
    /// [`AudioError::BadSample`] for a NaN or an infinity, [`AudioError::Resample`]
    /// for a rate that is not taken.
    pub fn features(&self, waveform: &Waveform) -> Result<AudioFeatures, AudioError> {
        let mut samples = waveform.at_rate(self.config.log_mel.sample_rate)?;
        if self.config.int16 {
            samples.to_mut().iter_mut().for_each(|sample| *sample = through_int16(*sample));
        }
        let is_longer = samples.len() > self.window;
        if is_longer && self.config.fusion {
            return Ok(self.fused(&samples));
        }
        let clip = self.config.clip.apply_samples(&samples, self.window);
        let log_mel = self.log_mel.compute(&clip);
        Ok(AudioFeatures { values: self.channels(log_mel), is_longer })
    }

    /// The four channels of a clip that is longer than the window.
    fn fused(&self, samples: &[f32]) -> AudioFeatures {
        let whole = self.log_mel.compute(samples);
        let [_, frames, _] = self.shape();
        if whole.nrows() == frames {
            // Longer than the window by less than a hop: there is nothing to choose.
            return AudioFeatures { values: self.channels(whole), is_longer: false };
        }
        let starts = chunk_starts(whole.nrows() - frames + 1, self.config.chunks);
        let mut values = Array3::zeros(self.shape());
        values.index_axis_mut(Axis(0), 0).assign(&shrink(&whole, frames));
        for (mut channel, start) in values.outer_iter_mut().skip(1).zip(starts) {
            channel.assign(&whole.slice(s![start..start + frames, ..]));
        }
        AudioFeatures { values, is_longer: true }
    }

    /// A spectrogram in every channel.
    fn channels(&self, log_mel: Array2<f32>) -> Array3<f32> {
        if !self.config.fusion {
            return log_mel.insert_axis(Axis(0));
        }
        let mut values = Array3::zeros(self.shape());
        values.outer_iter_mut().for_each(|mut channel| channel.assign(&log_mel));
        values
    }
}

/// A sample after the way to 16 bits and back.
fn through_int16(sample: f32) -> f32 {
    // The cast cuts the fraction off.
    f32::from((sample.clamp(-1.0, 1.0) * 32_767.0) as i16) / 32_767.0
}

/// The starts of the front, middle and back chunk, when a chunk can start at any
/// of `0..possible`. The thirds are as equal as can be, the first ones the longer;
/// an empty one gives the beginning of the clip.
fn chunk_starts(possible: usize, policy: ChunkPolicy) -> [usize; 3] {
    let mut end = 0;
    [0, 1, 2].map(|third| {
        let (start, len) = (end, possible / 3 + usize::from(third < possible % 3));
        end += len;
        match policy {
            _ if len == 0 => 0,
            ChunkPolicy::First => start,
            ChunkPolicy::Centre => start + (len - 1) / 2,
        }
    })
}

/// The rows brought to `frames` by linear interpolation between the middles of
/// neighbours, without smoothing, as torch's bilinear `interpolate` does it with
/// `align_corners` off. In its single precision too, rounded where it rounds: far
/// into a clip of 60 s that moves a position by 2e-4 frames and a value by 0.03 dB.
fn shrink(rows: &Array2<f32>, frames: usize) -> Array2<f32> {
    let last = rows.nrows() - 1;
    let scale = rows.nrows() as f32 / frames as f32;
    let mut shrunk = Array2::zeros((frames, rows.ncols()));
    for (frame, row) in shrunk.outer_iter_mut().enumerate() {
        let position = scale.mul_add(frame as f32 + 0.5, -0.5).max(0.0);
        let before = (position as usize).min(last);
        let after = (before + 1).min(last);
        let share = (position - before as f32).clamp(0.0, 1.0);
        Zip::from(row)
            .and(rows.row(before))
            .and(rows.row(after))
            .for_each(|cell, &before, &after| *cell = (1.0 - share) * before + share * after);
    }
    shrunk
}

#[cfg(test)]
mod tests {
    use ndarray::array;

    use super::*;

    #[test]
    fn chunks_start_in_thirds() {
        let first = |possible| chunk_starts(possible, ChunkPolicy::First);
        let centre = |possible| chunk_starts(possible, ChunkPolicy::Centre);
        // Thirds of ten starts: 0 1 2 3, 4 5 6, 7 8 9.
        assert_eq!((first(10), centre(10)), ([0, 4, 7], [1, 5, 8]));
        // Of five: 0 1, 2 3, 4.
        assert_eq!((first(5), centre(5)), ([0, 2, 4], [0, 2, 4]));
        // Of two, the last third is empty.
        assert_eq!((first(2), centre(2)), ([0, 1, 0], [0, 1, 0]));
        assert_eq!(first(1), [0, 0, 0]);
    }

    #[test]
    fn shrinking_by_hand() {
        // Five rows in two: the middles lie at 5/2 (1/2) - 1/2 = 3/4 and 5/2 (3/2) - 1/2 = 13/4.
        let rows = array![[0.0, 4.0], [8.0, 4.0], [0.0, 0.0], [4.0, 1.0], [8.0, 9.0]];
        assert_eq!(shrink(&rows, 2), array![[6.0, 4.0], [5.0, 3.0]]);
        assert_eq!(shrink(&rows, 5), rows);
        // Five rows in six: the first middle lies before the first row, the last after the last.
        let six = shrink(&rows, 6);
        assert_eq!((six.row(0), six.row(5)), (rows.row(0), rows.row(4)));
    }

    #[test]
    fn rounding_to_16_bits_is_towards_zero_and_clips() {
        for (sample, expected) in [
            (0.0, 0.0),
            (1.0, 32_767.0),
            (-1.0, -32_767.0),
            (2.5, 32_767.0),
            (-7.0, -32_767.0),
            (1.9 / 32_767.0, 1.0),
            (-1.9 / 32_767.0, -1.0),
            (0.9 / 32_767.0, 0.0),
        ] {
            assert_eq!(through_int16(sample), expected / 32_767.0, "{sample}");
        }
    }
}
