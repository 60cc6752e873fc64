//! A text tower that reads captions before it meets sound: it learns to fill in masked
//! tokens (Devlin et al., "BERT", NAACL 2019, section 3.1, every chosen token masked; the
//! output weights are those of the input, Press and Wolf, EACL 2017).

use dl_core::{ConfigError, Fingerprint, Under, fault::check, noise::Noise};
use dl_torch::{Params, Subject, TrainConfig, TrainContext, TrainReport, train};
use serde::{Deserialize, Serialize};
use tch::Tensor;

use super::network::Network;
use crate::{EncoderError, TextTokenizer};

/// `<unk>` of a learned tokenizer, which no caption holds: it stands for the mask.
const MASK: i64 = 3;

/// How the text tower learns to fill in masked tokens of the training captions.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MaskedConfig {
    /// Share of a caption's tokens that are masked, above 0 and at most 0.9; at least one
    /// token is.
    pub share: f64,
    /// The training; its items are the captions.
    pub train: TrainConfig,
}

impl MaskedConfig {
    /// Checks every range.
    ///
    /// # Errors
    /// [`ConfigError`] for the first field out of range.
    pub fn validate(&self) -> Result<(), ConfigError> {
        let good = self.share > 0.0 && self.share <= 0.9;
        check(good, "share", self.share, "above 0 and at most 0.9")?;
        self.train.validate().under("train")
    }
}

/// Trains the text tower in `params` on the first of `tokens` and keeps the weights that
/// fill in the second best. The projection head and the audio tower do not move.
pub(super) fn train(
    params: &Params,
    network: &Network,
    tokenizer: &TextTokenizer,
    config: &MaskedConfig,
    tokens: [&[Vec<i64>]; 2],
    context: &TrainContext<'_>,
) -> Result<TrainReport, EncoderError> {
    let [training, held_out] = tokens;
    let mut context = context.clone().named("text tower");
    if let Some(path) = &mut context.checkpoint {
        path.set_file_name("text.safetensors");
    }
    let loss = |captions: &[Vec<i64>], batch: &[usize], step: u64, seed: u64| {
        let rows: Vec<Masked> = batch
            .iter()
            .map(|&item| Masked::new(&captions[item], item, step, seed, config.share))
            .collect();
        let (shown, hidden): (Vec<&[i64]>, Vec<&[i64]>) =
            rows.iter().map(|row| (row.shown.as_slice(), row.hidden.as_slice())).unzip();
        let device = params.device();
        let logits = network.fill_in(&tokenizer.batch(&shown, device));
        // What is not masked counts for nothing: the target -100 is passed over.
        let targets = crate::text::TokenBatch::new(&hidden, PASS_OVER, device).ids;
        logits.flatten(0, 1).cross_entropy_loss::<Tensor>(
            &targets.flatten(0, 1),
            None,
            tch::Reduction::Mean,
            PASS_OVER,
            0.0,
        )
    };
    let order: Vec<usize> = (0..held_out.len()).collect();
    let subject = Subject {
        stream: "clap/text",
        items: training.len(),
        configuration: &|| Fingerprint::of(config),
        data: &|| Ok(Fingerprint::of(&tokens)),
    };
    train::fit(
        params,
        &config.train,
        &context,
        &subject,
        |step, batch| Ok(loss(training, batch, step, context.seed)),
        || {
            let sum: f64 = order
                .chunks(config.train.batch)
                .map(|part| loss(held_out, part, 0, 0).double_value(&[]) * part.len() as f64)
                .sum();
            Ok(sum / order.len().max(1) as f64)
        },
    )
}

/// The target that the loss passes over.
const PASS_OVER: i64 = -100;

/// One caption with some tokens masked.
struct Masked {
    /// What the tower sees.
    shown: Vec<i64>,
    /// The masked tokens; [`PASS_OVER`] elsewhere.
    hidden: Vec<i64>,
}

impl Masked {
    /// Masks each token of `caption` but the first and the last with probability `share`,
    /// and one at random where that leaves none.
    fn new(caption: &[i64], item: usize, step: u64, seed: u64, share: f64) -> Self {
        let inner = caption.len().saturating_sub(2);
        let mut draws = vec![0.0_f32; inner + 1];
        Noise::new(seed, "clap/mask").fill_uniform(item as u64, step, &mut draws);
        let mut chosen: Vec<bool> =
            draws[1..].iter().map(|&draw| f64::from(draw) < share).collect();
        if inner > 0 && !chosen.contains(&true) {
            chosen[(draws[0] * inner as f32) as usize % inner] = true;
        }
        let (mut shown, mut hidden) = (caption.to_vec(), vec![PASS_OVER; caption.len()]);
        for (place, _) in chosen.iter().enumerate().filter(|(_, chosen)| **chosen) {
            hidden[place + 1] = std::mem::replace(&mut shown[place + 1], MASK);
        }
        Self { shown, hidden }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_share_is_masked_at_least_one_and_never_the_ends() {
        let caption: Vec<i64> = [0].into_iter().chain(10..60).chain([2]).collect();
        let mut masked = 0;
        for item in 0..200 {
            let Masked { shown, hidden } = Masked::new(&caption, item, 7, 1, 0.15);
            assert_eq!((shown[0], shown[51], hidden[0], hidden[51]), (0, 2, PASS_OVER, PASS_OVER));
            for (place, &token) in caption.iter().enumerate() {
                let pair = (shown[place], hidden[place]);
                assert!(pair == (token, PASS_OVER) || pair == (MASK, token), "{pair:?}");
            }
            masked += hidden.iter().filter(|&&token| token != PASS_OVER).count();
        }
        // 200 captions of 50 tokens: 1,500 expected, standard deviation 36.
        assert!((1350..1650).contains(&masked), "{masked}");
        let short = Masked::new(&[0, 9, 2], 0, 0, 0, 0.01);
        assert_eq!((short.shown, short.hidden), (vec![0, MASK, 2], vec![PASS_OVER, 9, PASS_OVER]));
        let empty = Masked::new(&[0, 2], 0, 0, 0, 0.5);
        assert_eq!((empty.shown, empty.hidden), (vec![0, 2], vec![PASS_OVER; 2]));
    }
}
