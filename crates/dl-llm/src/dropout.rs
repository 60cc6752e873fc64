//! Dropout that is a pure function of (seed, stream, item, step) and of the place in the
//! network: the same values fall out whatever the batch, the device or the number of cores.
//! Every item draws a key from the counter-based noise; the mask of a place follows from the
//! key and the place by a mixing function on 32-bit integers, which any device computes.

use dl_core::noise::Noise;
use tch::{Kind, Tensor};

const WORD: i64 = 0xffff_ffff;

/// What falls out in one training step.
#[derive(Clone, Debug)]
pub(crate) struct Dropout {
    share: f64,
    /// One per item of the batch.
    keys: Vec<u32>,
}

impl Dropout {
    /// For the items of one batch at `step`; `None` where nothing falls out.
    pub(crate) fn of(share: f64, items: &[usize], step: u64, noise: Noise<'_>) -> Option<Self> {
        let key = |&item: &usize| noise.below(item as u64, step, 1 << 32) as u32;
        (share > 0.0).then(|| Self { share, keys: items.iter().map(key).collect() })
    }

    /// `x`, `[batch, len, dim]`, without the values that fall out at `place`, the others
    /// scaled up so that the mean stays.
    pub(crate) fn apply(&self, place: u32, x: &Tensor) -> Tensor {
        let size = x.size();
        let keys = self.keys.iter().map(|key| i64::from(mixed(key ^ mixed(place + 1))));
        let keys = Tensor::from_slice(&keys.collect::<Vec<i64>>()).to_device(x.device());
        let counters = Tensor::arange(size[1..].iter().product::<i64>(), (Kind::Int64, x.device()));
        let words = mix(&(keys.unsqueeze(1) + counters).bitwise_and(WORD));
        let limit = (self.share * (WORD + 1) as f64).round() as i64;
        let kept = words.ge(limit).to_kind(x.kind()).view(size.as_slice());
        x * kept * (1.0 / (1.0 - self.share))
    }
}

/// A permutation of the 32-bit integers in which every input bit changes half of the output
/// bits (two rounds of multiplication and shift).
fn mixed(word: u32) -> u32 {
    let word = (word ^ (word >> 16)).wrapping_mul(0x7feb_352d);
    let word = (word ^ (word >> 15)).wrapping_mul(0x846c_a68b);
    word ^ (word >> 16)
}

/// [`mixed`] of every element; 64-bit integers that hold 32-bit words.
fn mix(words: &Tensor) -> Tensor {
    let shifted = |words: &Tensor, bits: i64| {
        words.bitwise_xor_tensor(&words.bitwise_right_shift_tensor_scalar(bits))
    };
    let times = |words: Tensor, factor: i64| (words * factor).bitwise_and(WORD);
    let words = times(shifted(words, 16), 0x7feb_352d);
    let words = times(shifted(&words, 15), 0x846c_a68b);
    shifted(&words, 16)
}

#[cfg(test)]
mod tests {
    use super::*;
    use tch::Device;

    fn ones(batch: i64) -> Tensor {
        Tensor::ones([batch, 50, 40], (Kind::Float, Device::Cpu))
    }

    #[test]
    fn tensors_and_integers_mix_alike() {
        let words = [0_u32, 1, 2, 0x8000_0000, 0xffff_ffff, 123_456_789];
        let tensor = Tensor::from_slice(&words.map(i64::from));
        assert_eq!(mix(&tensor), Tensor::from_slice(&words.map(|word| i64::from(mixed(word)))));
    }

    #[test]
    fn the_share_falls_out_and_the_mean_stays() {
        let noise = Noise::new(1, "dropout");
        let drop = Dropout::of(0.25, &[3, 4], 7, noise).unwrap();
        let dropped = drop.apply(5, &ones(2));
        let zeros = dropped.eq(0.0).to_kind(Kind::Float).mean(Kind::Float).double_value(&[]);
        // 4,000 values: five standard errors.
        assert!((zeros - 0.25).abs() < 0.035, "{zeros}");
        assert!((dropped.max().double_value(&[]) - 4.0 / 3.0).abs() < 1e-6);
        assert!(Dropout::of(0.0, &[1], 0, noise).is_none());
    }

    #[test]
    fn an_item_loses_the_same_in_any_batch_and_other_places_lose_others() {
        let noise = Noise::new(1, "dropout");
        let drop = |items: &[usize], step| Dropout::of(0.5, items, step, noise).unwrap();
        let together = drop(&[3, 4], 7).apply(5, &ones(2));
        let alone = drop(&[4], 7).apply(5, &ones(1));
        assert_eq!(together.narrow(0, 1, 1), alone);
        for other in [drop(&[4], 8).apply(5, &ones(1)), drop(&[4], 7).apply(6, &ones(1))] {
            let same = other.eq_tensor(&alone).to_kind(Kind::Float).mean(Kind::Float);
            // Two independent halves agree in half of 2,000 places.
            assert!((same.double_value(&[]) - 0.5).abs() < 0.06);
        }
    }
}
