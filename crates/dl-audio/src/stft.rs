//! Short-time spectra on realfft, in double precision: bands 100 dB below the
//! loudest one keep five good digits, which single precision does not give.

use std::{f64::consts::TAU, sync::Arc};

use realfft::{RealFftPlanner, RealToComplex, num_complex::Complex};
use serde::{Deserialize, Serialize};

/// What lies beyond the ends of a clip.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Padding {
    /// Nothing: the first frame begins at the first sample, and a frame that
    /// would reach past the end is dropped (librosa `center=False`).
    None,
    /// Frames are centred; zeros beyond the ends (librosa's default since 0.10).
    Zero,
    /// Frames are centred; the sound is mirrored at its first and last sample
    /// (librosa's default before 0.10, torchlibrosa, CLAP).
    Reflect,
}

/// What a spectrum measures.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Spectrum {
    /// `|X|`.
    Magnitude,
    /// `|X|^2`.
    Power,
}

/// A planned short-time Fourier transform with a periodic Hann window.
#[derive(Clone)]
pub struct Stft {
    plan: Arc<dyn RealToComplex<f64>>,
    /// The window in the middle of `n_fft` samples: `[n_fft]`.
    window: Vec<f64>,
    hop: usize,
    padding: Padding,
    spectrum: Spectrum,
}

impl Stft {
    /// A transform of `n_fft` samples every `hop` samples, under a Hann window of
    /// `win_length <= n_fft` samples. All three are at least 1.
    pub fn new(
        n_fft: usize,
        win_length: usize,
        hop: usize,
        padding: Padding,
        spectrum: Spectrum,
    ) -> Self {
        let mut window = vec![0.0; n_fft];
        let start = (n_fft - win_length) / 2;
        for (i, weight) in window[start..start + win_length].iter_mut().enumerate() {
            *weight = 0.5 - 0.5 * (TAU * i as f64 / win_length as f64).cos();
        }
        let plan = RealFftPlanner::new().plan_fft_forward(n_fft);
        Self { plan, window, hop, padding, spectrum }
    }

    /// Number of frames for a clip of `len` samples. At least one: a clip shorter
    /// than an uncentred frame is followed by zeros.
    pub fn frames(&self, len: usize) -> usize {
        let n_fft = self.window.len();
        let padded = match self.padding {
            Padding::None => len,
            Padding::Zero | Padding::Reflect => len + n_fft / 2 * 2,
        };
        1 + padded.saturating_sub(n_fft) / self.hop
    }

    /// Calls `each` with the number and the spectrum `[n_fft / 2 + 1]` of every
    /// frame, in order. Every sample is divided by `divisor` first.
    pub fn for_each(&self, samples: &[f32], divisor: f64, mut each: impl FnMut(usize, &[f64])) {
        let n_fft = self.window.len();
        let mut input = self.plan.make_input_vec();
        let mut output = self.plan.make_output_vec();
        let mut scratch = self.plan.make_scratch_vec();
        let mut spectrum = vec![0.0; output.len()];
        let before = if self.padding == Padding::None { 0 } else { n_fft / 2 };
        for frame in 0..self.frames(samples.len()) {
            let start = (frame * self.hop) as isize - before as isize;
            self.fill(samples, start, divisor, &mut input);
            // Fails only for buffers of another length than the plan's own.
            let transformed = self.plan.process_with_scratch(&mut input, &mut output, &mut scratch);
            debug_assert!(transformed.is_ok());
            for (value, bin) in spectrum.iter_mut().zip(&output) {
                *value = match self.spectrum {
                    Spectrum::Magnitude => Complex::norm(*bin),
                    Spectrum::Power => bin.norm_sqr(),
                };
            }
            each(frame, &spectrum);
        }
    }

    /// The windowed samples from `start` on, which may lie outside of the clip.
    fn fill(&self, samples: &[f32], start: isize, divisor: f64, frame: &mut [f64]) {
        let inside = usize::try_from(start).ok().and_then(|s| samples.get(s..s + frame.len()));
        if let Some(inside) = inside {
            for ((value, sample), weight) in frame.iter_mut().zip(inside).zip(&self.window) {
                *value = f64::from(*sample) / divisor * weight;
            }
            return;
        }
        for (i, (value, weight)) in frame.iter_mut().zip(&self.window).enumerate() {
            let position = start + i as isize;
            let position = if self.padding == Padding::Reflect {
                mirrored(position, samples.len())
            } else {
                usize::try_from(position).ok()
            };
            let sample = position.and_then(|position| samples.get(position));
            *value = sample.map_or(0.0, |&sample| f64::from(sample) / divisor * weight);
        }
    }
}

/// The sample that stands at `position` when a clip of `len` samples is mirrored
/// at both ends again and again, without repeating the end samples themselves.
fn mirrored(position: isize, len: usize) -> Option<usize> {
    match len {
        0 => None,
        1 => Some(0),
        _ => {
            let period = 2 * (len - 1);
            let phase = position.rem_euclid(period as isize) as usize;
            Some(phase.min(period - phase))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mirroring_at_toy_size() {
        let around = |len| -> Vec<usize> { (-5..8).filter_map(|p| mirrored(p, len)).collect() };
        assert_eq!(around(4), [1, 2, 3, 2, 1, 0, 1, 2, 3, 2, 1, 0, 1]);
        assert_eq!(around(2), [1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1]);
        assert_eq!(around(1), [0; 13]);
        assert!(around(0).is_empty());
    }

    #[test]
    fn spectra_by_hand() {
        // Window of 4 in frames of 4: 0, 1/2, 1, 1/2. One frame of ones sums to 2;
        // its first harmonic is 1/2 (-i) - 1 + 1/2 (i) = -1; its second 0 - 1/2 + 1 - 1/2 = 0.
        let stft = Stft::new(4, 4, 4, Padding::None, Spectrum::Power);
        let mut spectra = Vec::new();
        stft.for_each(&[2.0; 5], 2.0, |frame, spectrum| spectra.push((frame, spectrum.to_vec())));
        let [(0, spectrum)] = spectra.as_slice() else { panic!("{spectra:?}") };
        for (found, expected) in spectrum.iter().zip([4.0, 1.0, 0.0]) {
            assert!((found - expected).abs() < 1e-12, "{spectrum:?}");
        }
    }

    #[test]
    fn frame_counts() {
        let frames = |padding, len| Stft::new(8, 8, 4, padding, Spectrum::Power).frames(len);
        // Uncentred: starts 0, 4, 8 fit into 16 samples; too short gives one frame.
        assert_eq!(frames(Padding::None, 16), 3);
        assert_eq!(frames(Padding::None, 15), 2);
        assert_eq!(frames(Padding::None, 3), 1);
        // Centred: one frame per hop begun, and one more.
        assert_eq!(frames(Padding::Zero, 16), 5);
        assert_eq!(frames(Padding::Reflect, 15), 4);
        assert_eq!(frames(Padding::Zero, 0), 1);
    }
}
