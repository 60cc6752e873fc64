//! Short-time spectra on rustfft, in double precision: bands 100 dB below the
//! loudest one keep five good digits, which single precision does not give.

use std::{f64::consts::TAU, ops::Range, sync::Arc};

use rustfft::{Fft, FftPlanner, num_complex::Complex};
use serde::{Deserialize, Serialize};

/// Frames that are worked on side by side: an even number, and enough for the
/// vector registers of a processor.
pub const LANES: usize = 8;

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
    plan: Arc<dyn Fft<f64>>,
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
        let plan = FftPlanner::new().plan_fft_forward(n_fft);
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

    /// Calls `each` for every [`LANES`] frames, in order, with the number of the first
    /// one and their spectra side by side, `[n_fft / 2 + 1]` of [`LANES`] values; lanes
    /// beyond the last frame hold anything, and bins outside of `bins` are not
    /// computed. Every sample is divided by `divisor` first.
    ///
    /// Two frames go through one complex transform, as its real and imaginary part
    /// (Press et al., "Numerical Recipes", section 12.3.1).
    pub fn for_each(
        &self,
        samples: &[f32],
        divisor: f64,
        bins: Range<usize>,
        mut each: impl FnMut(usize, &[[f64; LANES]]),
    ) {
        let n_fft = self.window.len();
        let frames = self.frames(samples.len());
        // Taking the two frames apart halves them.
        let window: Vec<f64> = self.window.iter().map(|weight| weight / divisor / 2.0).collect();
        let mut rooms = [vec![0.0; n_fft], vec![0.0; n_fft]];
        let mut pair = vec![Complex::default(); n_fft];
        let mut scratch = vec![Complex::default(); self.plan.get_inplace_scratch_len()];
        let mut spectra = vec![[0.0; LANES]; n_fft / 2 + 1];
        let bins = bins.start..bins.end.min(spectra.len());
        for first in (0..frames).step_by(LANES) {
            for lane in (0..LANES.min(frames - first)).step_by(2) {
                let [room, other_room] = &mut rooms;
                let one = self.frame(samples, first + lane, room);
                let two = self.frame(samples, first + lane + 1, other_room);
                for (((value, one), two), weight) in pair.iter_mut().zip(one).zip(two).zip(&window)
                {
                    *value = Complex::new(f64::from(*one) * weight, f64::from(*two) * weight);
                }
                self.plan.process_with_scratch(&mut pair, &mut scratch);
                self.part(&pair, bins.clone(), lane, &mut spectra);
            }
            each(first, &spectra);
        }
    }

    /// The samples under a frame. What lies outside of the clip is put together in
    /// `room`, `[n_fft]`.
    fn frame<'a>(&self, samples: &'a [f32], frame: usize, room: &'a mut [f32]) -> &'a [f32] {
        let before = if self.padding == Padding::None { 0 } else { room.len() / 2 };
        let start = (frame * self.hop) as isize - before as isize;
        let inside = usize::try_from(start).ok().and_then(|s| samples.get(s..s + room.len()));
        if let Some(inside) = inside {
            return inside;
        }
        for (i, value) in room.iter_mut().enumerate() {
            let position = start + i as isize;
            let position = if self.padding == Padding::Reflect {
                mirrored(position, samples.len())
            } else {
                usize::try_from(position).ok()
            };
            *value = position.and_then(|p| samples.get(p)).copied().unwrap_or(0.0);
        }
        room
    }

    /// The spectra of the two frames in a transform, into two neighbouring lanes.
    fn part(
        &self,
        pair: &[Complex<f64>],
        bins: Range<usize>,
        lane: usize,
        spectra: &mut [[f64; LANES]],
    ) {
        // Of the bin and its mirror image, the spectrum of a real signal has the sum
        // and that of an imaginary one the difference.
        let split = |cell: &mut [f64; LANES], bin: &Complex<f64>, mirror: &Complex<f64>| {
            let one = (bin + mirror.conj()).norm_sqr();
            let two = (bin - mirror.conj()).norm_sqr();
            let values = match self.spectrum {
                Spectrum::Magnitude => [one.sqrt(), two.sqrt()],
                Spectrum::Power => [one, two],
            };
            cell[lane..lane + 2].copy_from_slice(&values);
        };
        if bins.contains(&0) {
            split(&mut spectra[0], &pair[0], &pair[0]);
        }
        let bins = bins.start.max(1)..bins.end.max(1);
        let mirrors = pair[..=pair.len() - bins.start].iter().rev();
        for ((cell, bin), mirror) in spectra[bins.clone()].iter_mut().zip(&pair[bins]).zip(mirrors)
        {
            split(cell, bin, mirror);
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
        stft.for_each(&[2.0; 5], 2.0, 0..3, |frame, block| spectra.push((frame, block.to_vec())));
        let [(0, spectrum)] = spectra.as_slice() else { panic!("{spectra:?}") };
        for (found, expected) in spectrum.iter().zip([4.0, 1.0, 0.0]) {
            assert!((found[0] - expected).abs() < 1e-12, "{spectrum:?}");
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
