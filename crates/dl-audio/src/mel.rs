//! Mel scales and triangular filter banks.
//!
//! HTK scale: Young et al., "The HTK Book", eq. 5.13. Slaney scale and area
//! norm: Slaney, "Auditory Toolbox", Interval Technical Report 1998-010. Both in
//! the conventions of librosa, whose numbers the tests hold this to.

use std::ops::Range;

use dl_core::ConfigError;
use serde::{Deserialize, Serialize};

/// How mel relates to Hz.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MelScale {
    /// `2595 log10(1 + f / 700)`.
    Htk,
    /// Linear to 1 kHz (15 mel), logarithmic above (27 mel per factor of 6.4).
    Slaney,
}

impl MelScale {
    /// Mel of a frequency in Hz.
    pub fn from_hz(self, hz: f64) -> f64 {
        match self {
            Self::Htk => 2595.0 * (1.0 + hz / 700.0).log10(),
            Self::Slaney if hz < 1000.0 => hz * 3.0 / 200.0,
            Self::Slaney => 15.0 + (hz / 1000.0).ln() * 27.0 / 6.4_f64.ln(),
        }
    }

    /// Frequency in Hz of a mel.
    pub fn to_hz(self, mel: f64) -> f64 {
        match self {
            Self::Htk => 700.0 * (10.0_f64.powf(mel / 2595.0) - 1.0),
            Self::Slaney if mel < 15.0 => mel * 200.0 / 3.0,
            Self::Slaney => 1000.0 * ((mel - 15.0) * 6.4_f64.ln() / 27.0).exp(),
        }
    }
}

/// How the triangles are scaled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MelNorm {
    /// Every peak is 1.
    None,
    /// Every triangle has area 1 over Hz (librosa `norm="slaney"`).
    Slaney,
    /// The weights of every filter sum to 1 (librosa `norm=1.0`).
    UnitSum,
}

/// Triangular filters over the bins of a spectrum, stored without their zeros.
#[derive(Clone, Debug)]
pub struct MelBank {
    filters: Vec<Filter>,
}

#[derive(Clone, Debug)]
struct Filter {
    first_bin: usize,
    weights: Vec<f64>,
}

impl MelBank {
    /// `n_mels` filters, evenly spaced on `scale` from `f_min` to `f_max` (Hz),
    /// over the `n_fft / 2 + 1` bins of a spectrum at `sample_rate` (Hz).
    ///
    /// # Errors
    /// [`ConfigError`] when a filter lies between two bins: its output would be 0 for
    /// every sound.
    pub fn new(
        sample_rate: u32,
        n_fft: usize,
        n_mels: usize,
        (f_min, f_max): (f64, f64),
        scale: MelScale,
        norm: MelNorm,
    ) -> Result<Self, ConfigError> {
        let (low, high) = (scale.from_hz(f_min), scale.from_hz(f_max));
        let edge = |i: usize| scale.to_hz(low + (high - low) * i as f64 / (n_mels + 1) as f64);
        let bin_width = f64::from(sample_rate) / n_fft as f64;
        let mut filters = Vec::with_capacity(n_mels);
        for mel in 0..n_mels {
            let (left, centre, right) = (edge(mel), edge(mel + 1), edge(mel + 2));
            let weight = |bin: usize| {
                let hz = bin as f64 * bin_width;
                let rising = (hz - left) / (centre - left);
                let falling = (right - hz) / (right - centre);
                rising.min(falling).max(0.0)
            };
            let bins = n_fft / 2 + 1;
            let Some(first_bin) = (0..bins).find(|&bin| weight(bin) > 0.0) else {
                return Err(ConfigError::new(
                    "n_mels",
                    n_mels,
                    format!(
                        "smaller, or n_fft larger: filter {mel} ({left:.1} to {right:.1} Hz) \
                         covers no bin of {bin_width:.1} Hz"
                    ),
                ));
            };
            let mut weights: Vec<f64> =
                (first_bin..bins).map(weight).take_while(|&weight| weight > 0.0).collect();
            let factor = match norm {
                MelNorm::None => 1.0,
                MelNorm::Slaney => 2.0 / (right - left),
                MelNorm::UnitSum => 1.0 / weights.iter().sum::<f64>(),
            };
            for weight in &mut weights {
                *weight *= factor;
            }
            filters.push(Filter { first_bin, weights });
        }
        Ok(Self { filters })
    }

    /// Number of filters.
    pub fn len(&self) -> usize {
        self.filters.len()
    }

    /// Whether there are no filters.
    pub fn is_empty(&self) -> bool {
        self.filters.is_empty()
    }

    /// The bins that any filter weighs.
    pub fn bins(&self) -> Range<usize> {
        let ends = self.filters.iter().map(|filter| filter.first_bin + filter.weights.len());
        let starts = self.filters.iter().map(|filter| filter.first_bin);
        starts.min().unwrap_or(0)..ends.max().unwrap_or(0)
    }

    /// The outputs of all filters, in order, for several spectra side by side:
    /// `[bins]` of as many values as there are spectra. Every sum runs over the bins
    /// in order, however many spectra there are.
    pub fn apply<'a, const LANES: usize>(
        &'a self,
        spectra: &'a [[f64; LANES]],
    ) -> impl Iterator<Item = [f64; LANES]> + 'a {
        self.filters.iter().map(|filter| {
            let mut sums = [0.0; LANES];
            for (values, weight) in spectra.iter().skip(filter.first_bin).zip(&filter.weights) {
                for (sum, value) in sums.iter_mut().zip(values) {
                    *sum += value * weight;
                }
            }
            sums
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scales_meet_their_definitions() {
        // 700 Hz is 2595 log10 2; 1000 Hz is 15 and 6400 Hz is 42 by construction.
        assert!((MelScale::Htk.from_hz(700.0) - 781.172_839).abs() < 1e-6);
        assert!((MelScale::Slaney.from_hz(200.0) - 3.0).abs() < 1e-12);
        assert!((MelScale::Slaney.from_hz(1000.0) - 15.0).abs() < 1e-12);
        assert!((MelScale::Slaney.from_hz(6400.0) - 42.0).abs() < 1e-12);
        for scale in [MelScale::Htk, MelScale::Slaney] {
            for hz in [0.0, 20.0, 999.9, 1000.1, 14_000.0] {
                assert!((scale.to_hz(scale.from_hz(hz)) - hz).abs() < 1e-8, "{scale:?} {hz}");
            }
        }
    }

    #[test]
    fn triangles_at_toy_size() {
        // 1 filter from 0 to 800 Hz (12 Slaney mel) peaks at 400 Hz; bins every 100 Hz.
        let bank = |norm| MelBank::new(1600, 16, 1, (0.0, 800.0), MelScale::Slaney, norm).unwrap();
        let response = |norm| -> Vec<f64> {
            (0..9)
                .map(|bin| {
                    // Beside it a spectrum that must not matter.
                    let mut spectra = [[0.0, 7.0]; 9];
                    spectra[bin][0] = 1.0;
                    bank(norm).apply(&spectra).next().unwrap()[0]
                })
                .collect()
        };
        let close = |found: Vec<f64>, expected: [f64; 9]| {
            let gap = found.iter().zip(expected).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
            assert!(gap < 1e-12, "{found:?}");
        };
        let peak_1 = [0.0, 0.25, 0.5, 0.75, 1.0, 0.75, 0.5, 0.25, 0.0];
        close(response(MelNorm::None), peak_1);
        close(response(MelNorm::Slaney), peak_1.map(|weight| weight / 400.0));
        close(response(MelNorm::UnitSum), peak_1.map(|weight| weight / 4.0));
        assert_eq!(bank(MelNorm::None).bins(), 1..8);
    }

    #[test]
    fn a_filter_between_two_bins_is_refused() {
        let fault = MelBank::new(16_000, 64, 80, (0.0, 8000.0), MelScale::Htk, MelNorm::None);
        let text = fault.unwrap_err().to_string();
        assert!(
            text.starts_with("n_mels = 80: must be smaller, or n_fft larger: filter 0 "),
            "{text}"
        );
    }
}
