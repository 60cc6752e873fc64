//! Counter-based randomness: every number is a pure function of
//! (seed, stream, item, step). There is no generator state to save, and an item
//! gets the same numbers whatever the batch size, the order or the thread.
//!
//! The key of each draw is SHA-256 of the four coordinates; the numbers are
//! the ChaCha8 stream of that key.

use rand_chacha::{
    ChaCha8Rng,
    rand_core::{Rng, SeedableRng},
};
use rand_distr::{Distribution, StandardNormal};
use sha2::{Digest, Sha256};

/// Where in the program a draw belongs: a seed and a named stream, for example
/// `"bridge/train/noise"`. Two streams never share numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Noise<'a> {
    seed: u64,
    stream: &'a str,
}

impl<'a> Noise<'a> {
    /// The stream `stream` under `seed`.
    pub fn new(seed: u64, stream: &'a str) -> Self {
        Self { seed, stream }
    }

    /// A generator for one (item, step), for draws of mixed kinds.
    pub fn rng(&self, item: u64, step: u64) -> ChaCha8Rng {
        let mut digest = Sha256::new();
        digest.update(self.seed.to_le_bytes());
        digest.update(item.to_le_bytes());
        digest.update(step.to_le_bytes());
        digest.update(self.stream.as_bytes());
        ChaCha8Rng::from_seed(digest.finalize().into())
    }

    /// Fills `out` with standard normal numbers.
    pub fn fill_normal(&self, item: u64, step: u64, out: &mut [f32]) {
        let mut rng = self.rng(item, step);
        out.fill_with(|| StandardNormal.sample(&mut rng));
    }

    /// Fills `out` with uniform numbers in [0, 1), multiples of 2^-24.
    pub fn fill_uniform(&self, item: u64, step: u64, out: &mut [f32]) {
        let mut rng = self.rng(item, step);
        out.fill_with(|| (rng.next_u32() >> 8) as f32 / (1 << 24) as f32);
    }

    /// Standard normal numbers for several items, one row of `dim` each:
    /// `[items, dim]` in row-major order.
    pub fn normal_rows(&self, items: &[u64], step: u64, dim: usize) -> Vec<f32> {
        let mut rows = vec![0.0; items.len() * dim];
        if dim > 0 {
            for (row, &item) in rows.chunks_exact_mut(dim).zip(items) {
                self.fill_normal(item, step, row);
            }
        }
        rows
    }

    /// An integer in `0..bound` (0 when `bound` is 0).
    pub fn below(&self, item: u64, step: u64, bound: u64) -> u64 {
        below(&mut self.rng(item, step), bound)
    }

    /// A permutation of `0..n`, for example the order of epoch `epoch`.
    pub fn permutation(&self, epoch: u64, n: usize) -> Vec<usize> {
        let mut rng = self.rng(epoch, n as u64);
        let mut order: Vec<usize> = (0..n).collect();
        for last in (1..n).rev() {
            order.swap(last, below(&mut rng, last as u64 + 1) as usize);
        }
        order
    }
}

/// The item number of a string id, for corpora whose items have names.
pub fn item_of(id: &str) -> u64 {
    let digest: [u8; 32] = Sha256::digest(id.as_bytes()).into();
    let [a, b, c, d, e, f, g, h, ..] = digest;
    u64::from_le_bytes([a, b, c, d, e, f, g, h])
}

/// Lemire's multiply-shift on 64 bits; its bias is below `bound / 2^64`.
fn below(rng: &mut impl Rng, bound: u64) -> u64 {
    ((u128::from(rng.next_u64()) * u128::from(bound)) >> 64) as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn batches_threads_and_order_change_nothing() {
        let noise = Noise::new(7, "test");
        let together = noise.normal_rows(&[3, 1, 2], 5, 16);
        let (tx, rx) = std::sync::mpsc::channel();
        std::thread::scope(|scope| {
            for (row, item) in [3_u64, 1, 2].into_iter().enumerate() {
                let tx = tx.clone();
                scope.spawn(move || tx.send((row, noise.normal_rows(&[item], 5, 16))).unwrap());
            }
        });
        drop(tx);
        for (row, alone) in rx {
            assert_eq!(&together[row * 16..(row + 1) * 16], alone.as_slice());
        }
    }

    #[test]
    fn every_coordinate_matters() {
        let one = |seed, stream, item, step| Noise::new(seed, stream).normal_rows(&[item], step, 4);
        let base = one(1, "a", 2, 3);
        for other in [one(2, "a", 2, 3), one(1, "b", 2, 3), one(1, "a", 3, 3), one(1, "a", 2, 4)] {
            assert_ne!(base, other);
        }
    }

    #[test]
    fn moments_of_a_normal_distribution() {
        let draws = Noise::new(0, "moments").normal_rows(&(0..1000).collect::<Vec<_>>(), 0, 100);
        let n = draws.len() as f64;
        let mean = draws.iter().map(|&x| f64::from(x)).sum::<f64>() / n;
        let moment = |p: i32| draws.iter().map(|&x| f64::from(x).powi(p)).sum::<f64>() / n;
        // Five standard errors of each moment at n = 100,000.
        assert!(mean.abs() < 0.016, "{mean}");
        assert!((moment(2) - 1.0).abs() < 0.023, "{}", moment(2));
        assert!((moment(4) - 3.0).abs() < 0.16, "{}", moment(4));
    }

    #[test]
    fn a_permutation_holds_every_index_once_and_differs_by_epoch() {
        let noise = Noise::new(3, "order");
        let mut first = noise.permutation(0, 100);
        assert_ne!(first, noise.permutation(1, 100));
        first.sort_unstable();
        assert_eq!(first, (0..100).collect::<Vec<_>>());
        assert!(noise.permutation(0, 0).is_empty());
    }
}
