//! The program with a bridge, an encoder and a metric of one's own.

use experiments::extend::*;
use serde::{Deserialize, Serialize};
use tch::{Device, Kind, Tensor};

register_bridge!(Shrink);
register_encoder!(Envelope);
register_metric!("length_ratio", 1, "length ratio", 2, length_ratio);

/// A bridge: draws embeddings towards the mean of audio, and moves that to the mean of text.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Shrink {
    scale: f64,
}
impl BridgeMethod for Shrink {
    const KIND: &'static str = "shrink";
    const VERSION: u32 = 1;
    fn fit(&self, pairs: &Pairs, _: &TrainContext<'_>) -> Fitted {
        let scale = Tensor::eye(pairs.dim as i64, (Kind::Double, Device::Cpu)) * self.scale;
        let CentredPairs { x_mean, y_mean, .. } = CentredPairs::of(&pairs.train);
        Ok(AffineMap::around(&scale, &x_mean, &y_mean, pairs.device).fitted(Default::default()))
    }
    fn load(&self, stored: Stored<'_>) -> Fitted {
        affine::load(stored)
    }
}

/// An encoder: of a clip its loudness over `DIM` parts, of a text its words in `DIM` bins.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Envelope {}
const DIM: usize = 16;
impl EncoderMethod for Envelope {
    const KIND: &'static str = "envelope";
    const VERSION: u32 = 1;
    fn load(&self, _: Device) -> Result<Box<dyn Encoder>, EncoderError> {
        let audio = |clip: &Waveform| {
            let loudness = |part: &[f32]| part.iter().map(|x| x.abs()).sum::<f32>() + 1e-3;
            let parts = clip.samples.chunks(clip.samples.len() / DIM + 1).map(loudness);
            parts.chain([0.0; DIM]).take(DIM).collect()
        };
        let bin = |word: &str| word.bytes().map(usize::from).sum::<usize>() % DIM;
        let count = move |text: &str, n: usize| text.split(' ').filter(|w| bin(w) == n).count();
        let text = move |text: &str| (0..DIM).map(|n| count(text, n) as f32).collect();
        Ok(Box::new(FunctionEncoder::new(DIM, self.fingerprint()?, audio, text)))
    }
}

/// A metric: how long a caption is for the first of its references.
fn length_ratio(items: &[Item]) -> Result<Scores, EvalError> {
    let words = |words: &[String]| words.len() as f64;
    let ratio = |item: &Item| words(&item.candidate) / words(&item.references[0]).max(1.0);
    Ok(Scores::mean_of(items.iter().map(ratio).collect()))
}
fn main() -> std::process::ExitCode {
    experiments::main()
}
