//! Draws of mixed kinds from one counter-based generator: the only source of
//! chance in this crate. The generator's type stays private, so that no version
//! of `rand` shows in the public interface.

use std::cell::RefCell;

use dl_core::noise::Noise;
use rand_chacha::{ChaCha8Rng, rand_core::Rng};

/// A generator of its own for one (seed, stream, item, step). It is drawn from
/// through a shared reference, so that a draw may stand as an argument of a call
/// that draws as well.
pub(crate) struct Dice(RefCell<ChaCha8Rng>);

impl Dice {
    /// The generator of that coordinate.
    pub(crate) fn new(seed: u64, stream: &str, item: u64, step: u64) -> Self {
        Self(RefCell::new(Noise::new(seed, stream).rng(item, step)))
    }

    fn bits(&self) -> u32 {
        self.0.borrow_mut().next_u32()
    }

    /// Uniform in [0, 1), from 24 random bits.
    pub(crate) fn unit(&self) -> f32 {
        (self.bits() >> 8) as f32 / (1_u32 << 24) as f32
    }

    /// Uniform in [-1, 1): one sample of white noise.
    pub(crate) fn bipolar(&self) -> f32 {
        2.0 * self.unit() - 1.0
    }

    /// Uniform in [low, high).
    pub(crate) fn uniform(&self, low: f32, high: f32) -> f32 {
        low + (high - low) * self.unit()
    }

    /// Uniform on a logarithmic scale: what pitch and time sound like. Both ends positive.
    pub(crate) fn octave(&self, low: f32, high: f32) -> f32 {
        low * (high / low).powf(self.unit())
    }

    /// Whether an event of probability `p` happens.
    pub(crate) fn chance(&self, p: f32) -> bool {
        self.unit() < p
    }

    /// An index in `0..n`; 0 when `n` is 0.
    pub(crate) fn below(&self, n: usize) -> usize {
        ((u64::from(self.bits()) * n as u64) >> 32) as usize
    }

    /// A whole number in `low..=high`.
    pub(crate) fn count(&self, low: usize, high: usize) -> usize {
        low + self.below(high - low + 1)
    }

    /// One of `items`, which is not empty.
    pub(crate) fn pick<T: Copy>(&self, items: &[T]) -> T {
        items[self.below(items.len())]
    }

    /// Time to the next of random events that come `per_second` times a second.
    pub(crate) fn wait(&self, per_second: f32) -> f32 {
        -(1.0 - self.unit()).ln() / per_second
    }
}
