//! The symmetric InfoNCE loss of CLIP (Radford et al., 2021, figure 3) and its
//! false negatives.

use std::{collections::HashMap, hash::Hash};

use tch::{Kind, Tensor};

/// CLIP's bound on the scale of the cosines (Radford et al., 2021, section 2.5).
pub(crate) const MAX_SCALE: f64 = 100.0;

/// Mean cross-entropy of finding each row's partner, over both directions.
/// `audio` and `text` are `[batch, dim]` of unit norm and row i of the one
/// belongs to row i of the other; `scale` is one over the temperature; pairs
/// that `same` (bool `[batch, batch]`) marks are no negatives.
pub(crate) fn info_nce(
    audio: &Tensor,
    text: &Tensor,
    scale: &Tensor,
    same: Option<&Tensor>,
) -> Tensor {
    let mut logits = audio.matmul(&text.tr()) * scale;
    if let Some(same) = same {
        logits = logits.masked_fill(same, f64::NEG_INFINITY);
    }
    let partner = Tensor::arange(audio.size()[0], (Kind::Int64, audio.device()));
    let forth = logits.cross_entropy_for_logits(&partner);
    let back = logits.tr().cross_entropy_for_logits(&partner);
    (forth + back) * 0.5
}

/// Which pairs of two captions would be false negatives of each other: those of
/// one clip, and those with equal text.
pub(crate) struct Likeness {
    owners: Vec<usize>,
    texts: Vec<usize>,
}

impl Likeness {
    /// Captions are equal where their `keys` (their texts, or what stands for
    /// them) are.
    pub(crate) fn new<K: Eq + Hash>(keys: impl IntoIterator<Item = K>, owners: &[usize]) -> Self {
        let mut first = HashMap::new();
        let texts = keys
            .into_iter()
            .enumerate()
            .map(|(index, key)| *first.entry(key).or_insert(index))
            .collect();
        Self { owners: owners.to_vec(), texts }
    }

    /// The mask for one batch of captions: bool `[batch, batch]`, false on the
    /// diagonal; `None` when nothing is alike.
    pub(crate) fn mask(&self, batch: &[usize], device: tch::Device) -> Option<Tensor> {
        let alike = |a: usize, b: usize| {
            a != b && (self.owners[a] == self.owners[b] || self.texts[a] == self.texts[b])
        };
        let mask: Vec<bool> =
            batch.iter().flat_map(|&a| batch.iter().map(move |&b| alike(a, b))).collect();
        if !mask.contains(&true) {
            return None;
        }
        let side = batch.len() as i64;
        Some(Tensor::from_slice(&mask).view([side, side]).to_device(device))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tch::Device;

    fn loss(text: &[[f32; 2]; 2], same: Option<&Tensor>) -> f64 {
        let audio = Tensor::from_slice2(&[[1.0_f32, 0.0], [0.0, 1.0]]);
        let scale = Tensor::from_slice(&[2.0_f32]);
        info_nce(&audio, &Tensor::from_slice2(text), &scale, same).double_value(&[])
    }

    #[test]
    fn toy_values() {
        // Logits 2 I: both directions give ln(1 + e^-2).
        let matched = loss(&[[1.0, 0.0], [0.0, 1.0]], None);
        assert!((matched - (1.0 + (-2.0_f64).exp()).ln()).abs() < 1e-6, "{matched}");
        // Texts swapped: ln(1 + e^2).
        let swapped = loss(&[[0.0, 1.0], [1.0, 0.0]], None);
        assert!((swapped - (1.0 + 2.0_f64.exp()).ln()).abs() < 1e-6, "{swapped}");
        // With the only negative masked, nothing is left to confuse.
        let same = Tensor::from_slice(&[false, true, true, false]).view([2, 2]);
        assert!(loss(&[[0.0, 1.0], [1.0, 0.0]], Some(&same)).abs() < 1e-6);
    }

    #[test]
    fn asymmetric_texts_average_both_directions() {
        // Both texts are (1, 0): logits [[2, 2], [0, 0]]. Audio to text: ln 2
        // twice. Text to audio: ln(1 + e^-2) and ln(1 + e^2), whose mean is
        // ln(1 + e^-2) + 1.
        let expected = 0.5 * (2.0_f64.ln() + (1.0 + (-2.0_f64).exp()).ln() + 1.0);
        let found = loss(&[[1.0, 0.0], [1.0, 0.0]], None);
        assert!((found - expected).abs() < 1e-6, "{found} {expected}");
    }

    #[test]
    fn clips_and_texts_are_alike() {
        let likeness = Likeness::new(["rain", "wind", "rain", "dog"], &[0, 1, 2, 1]);
        let mask = likeness.mask(&[0, 1, 2, 3], Device::Cpu).unwrap();
        let values: Vec<bool> = Vec::try_from(mask.flatten(0, -1)).unwrap();
        let marked: Vec<usize> =
            values.iter().enumerate().filter(|(_, marked)| **marked).map(|(i, _)| i).collect();
        // 0 and 2 share a text, 1 and 3 a clip.
        assert_eq!(marked, [2, 7, 8, 13]);
        assert!(likeness.mask(&[0, 1], Device::Cpu).is_none());
    }
}
