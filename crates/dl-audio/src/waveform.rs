//! The mono waveform that passes between the crates.

/// Mono samples, nominally in [-1, 1].
#[derive(Clone, Debug, PartialEq)]
pub struct Waveform {
    /// Samples.
    pub samples: Vec<f32>,
    /// Samples per second, in Hz.
    pub sample_rate: u32,
}

impl Waveform {
    /// Length in seconds.
    pub fn seconds(&self) -> f64 {
        self.samples.len() as f64 / f64::from(self.sample_rate)
    }
}
