//! Tokens drawn by their probability, from counter-based noise: what is drawn for an item
//! depends on the seed, the item and the place in its caption, and on nothing else.

use dl_core::{
    fault::{ConfigError, check},
    noise::Noise,
};
use serde::{Deserialize, Serialize};

/// How tokens are drawn.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SampleConfig {
    /// Log-probabilities are divided by this; above 0. Below 1 the likely become likelier.
    pub temperature: f64,
    /// Only the so many likeliest tokens are drawn from; 0 for all.
    pub top_k: usize,
    /// Only the likeliest tokens whose probabilities add up to this are drawn from; in (0, 1].
    pub top_p: f64,
    /// Seed of what is drawn.
    pub seed: u64,
    /// Number of the sample, where several are drawn for one item.
    pub number: u64,
}

impl Default for SampleConfig {
    fn default() -> Self {
        Self { temperature: 1.0, top_k: 0, top_p: 1.0, seed: 0, number: 0 }
    }
}

impl SampleConfig {
    /// Checks every range.
    ///
    /// # Errors
    /// [`ConfigError`] for the first field out of range.
    pub fn validate(&self) -> Result<(), ConfigError> {
        let warm = self.temperature > 0.0 && self.temperature.is_finite();
        check(warm, "temperature", self.temperature, "above 0")?;
        check(self.top_p > 0.0 && self.top_p <= 1.0, "top_p", self.top_p, "in (0, 1]")
    }

    /// The token drawn for `item` at place `length` from tokens and their log-probabilities,
    /// likeliest first; `None` where there are none.
    pub(crate) fn pick(&self, allowed: &[(u32, f32)], item: usize, length: usize) -> Option<u32> {
        let count = if self.top_k == 0 { allowed.len() } else { self.top_k.min(allowed.len()) };
        let allowed = &allowed[..count];
        let largest = f64::from(allowed.first()?.1);
        let weight = |score: f32| ((f64::from(score) - largest) / self.temperature).exp();
        let weights: Vec<f64> = allowed.iter().map(|&(_, score)| weight(score)).collect();
        let whole: f64 = weights.iter().sum();
        // The token that reaches the share belongs to it.
        let mut kept = 0;
        let mut mass = 0.0;
        while kept < weights.len() && (kept == 0 || mass < self.top_p * whole) {
            mass += weights[kept];
            kept += 1;
        }
        let mut draw = [0.0];
        let step = (self.number << 32) + length as u64;
        Noise::new(self.seed, "caption/sample").fill_uniform(item as u64, step, &mut draw);
        let mut left = f64::from(draw[0]) * mass;
        for (&(token, _), weight) in allowed[..kept].iter().zip(&weights) {
            left -= weight;
            if left < 0.0 {
                return Some(token);
            }
        }
        allowed[..kept].last().map(|&(token, _)| token)
    }
}

/// Of several captions of one item the one that is most like the others by `alike`: the choice
/// of least expected loss under the samples (minimum Bayes risk; Kumar and Byrne, 2004). Of
/// equals the first; `None` where there are none.
pub fn least_risk<T>(candidates: &[T], mut alike: impl FnMut(&T, &T) -> f64) -> Option<usize> {
    let mut best: Option<(f64, usize)> = None;
    for (index, candidate) in candidates.iter().enumerate() {
        let others = candidates.iter().enumerate().filter(|(other, _)| *other != index);
        let gain: f64 = others.map(|(_, other)| alike(candidate, other)).sum();
        if best.is_none_or(|(most, _)| gain > most) {
            best = Some((gain, index));
        }
    }
    best.map(|(_, index)| index)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scores(probabilities: &[f32]) -> Vec<(u32, f32)> {
        probabilities.iter().zip(10..).map(|(p, token)| (token, p.ln())).collect()
    }

    /// How often each token is drawn in 4,000 places.
    fn counts(config: &SampleConfig, probabilities: &[f32]) -> Vec<usize> {
        let scores = scores(probabilities);
        let mut counts = vec![0; scores.len()];
        for item in 0..4000 {
            counts[config.pick(&scores, item, 3).unwrap() as usize - 10] += 1;
        }
        counts
    }

    #[test]
    fn tokens_come_as_often_as_they_are_likely() {
        let near = |found: usize, share: f64| (found as f64 / 4000.0 - share).abs() < 0.04;
        let plain = SampleConfig::default();
        let found = counts(&plain, &[0.5, 0.3, 0.2]);
        assert!(near(found[0], 0.5) && near(found[1], 0.3) && near(found[2], 0.2), "{found:?}");
        // Half the temperature squares the odds.
        let found = counts(&SampleConfig { temperature: 0.5, ..plain.clone() }, &[0.75, 0.25]);
        assert!(near(found[0], 0.9), "{found:?}");
        let found = counts(&SampleConfig { top_k: 2, ..plain.clone() }, &[0.5, 0.3, 0.2]);
        assert!(found[2] == 0 && near(found[0], 0.625), "{found:?}");
        let found = counts(&SampleConfig { top_p: 0.6, ..plain.clone() }, &[0.5, 0.3, 0.2]);
        assert!(found[2] == 0 && found[1] > 0, "{found:?}");
        let found = counts(&SampleConfig { top_p: 0.4, ..plain }, &[0.5, 0.3, 0.2]);
        assert_eq!(found[0], 4000);
    }

    #[test]
    fn item_place_seed_and_number_decide() {
        let scores = scores(&[0.25; 4]);
        let run = |config: &SampleConfig, item: usize| -> Vec<Option<u32>> {
            (0..20).map(|length| config.pick(&scores, item, length)).collect()
        };
        let base = SampleConfig::default();
        assert_eq!(run(&base, 1), run(&base, 1));
        assert_ne!(run(&base, 1), run(&base, 2));
        assert_ne!(run(&base, 1), run(&SampleConfig { seed: 1, ..base.clone() }, 1));
        assert_ne!(run(&base, 1), run(&SampleConfig { number: 1, ..base.clone() }, 1));
        assert_eq!(base.pick(&[], 0, 0), None);
    }

    #[test]
    fn the_caption_that_is_most_like_the_others() {
        let candidates = [0.0, 5.0, 4.0, 20.0];
        let alike = |a: &f64, b: &f64| -(a - b).abs();
        // Sums of distances: 29, 21, 21, 51; of the two the first.
        assert_eq!(least_risk(&candidates, alike), Some(1));
        assert_eq!(least_risk(&[] as &[f64], alike), None);
    }
}
