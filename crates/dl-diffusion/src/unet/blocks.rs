//! The parts of the U-Net, on `[rows, channels, length]`: normalisation over the
//! channels, the residual block with scale and shift by time, and both attentions
//! (`RMSNorm`, `ResnetBlock`, `LinearAttention` and `Attention` of
//! denoising-diffusion-pytorch's `Unet1D`).

use dl_torch::{
    Path,
    layers::{Conv1d, Init, Linear},
};
use tch::{Kind, Tensor};

/// Smallest norm that is divided by, as in PyTorch's `normalize`.
const SMALLEST_NORM: f64 = 1e-12;

/// Channels brought to root mean square 1 at every place, then a gain for each.
#[derive(Debug)]
struct ChannelNorm {
    gain: Tensor,
    root: f64,
}

impl ChannelNorm {
    fn new(path: &Path<'_>, channels: i64) -> Self {
        Self { gain: path.ones("g", &[1, channels, 1]), root: (channels as f64).sqrt() }
    }

    fn forward(&self, x: &Tensor) -> Tensor {
        // By its square, whose gradient has no pole where all channels are zero.
        let square = x.square().sum_dim_intlist(1, true, None::<Kind>);
        let norm = square.clamp_min(SMALLEST_NORM * SMALLEST_NORM).sqrt();
        x * (norm.reciprocal() * self.root) * &self.gain
    }
}

/// Two convolutions with normalisation and SiLU; time scales and shifts the channels
/// after the first. A convolution of width 1 takes the input past them where the
/// channels change.
#[derive(Debug)]
pub(super) struct ResidualBlock {
    time: Linear,
    first: (Conv1d, ChannelNorm),
    second: (Conv1d, ChannelNorm),
    past: Option<Conv1d>,
}

impl ResidualBlock {
    /// `time` is the size of the time vector.
    pub(super) fn new(path: &Path<'_>, inputs: i64, outputs: i64, time: i64) -> Self {
        let half = |name: &str, inputs| {
            let path = path / name;
            let convolution = Conv1d::new(&(&path / "proj"), inputs, outputs, 3);
            (convolution, ChannelNorm::new(&(path / "norm"), outputs))
        };
        Self {
            time: Linear::new(&(path / "mlp.1"), time, 2 * outputs, Init::Uniform),
            first: half("block1", inputs),
            second: half("block2", outputs),
            past: (inputs != outputs)
                .then(|| Conv1d::new(&(path / "res_conv"), inputs, outputs, 1)),
        }
    }

    /// `time` is the time vector after its activation: `[rows, time]`, or `[1, time]`.
    pub(super) fn forward(&self, x: &Tensor, time: &Tensor) -> Tensor {
        let moves = self.time.forward(time).unsqueeze(2).chunk(2, 1);
        let (convolution, norm) = &self.first;
        let h = norm.forward(&convolution.forward(x));
        let h = (h * (&moves[0] + 1.0) + &moves[1]).silu();
        let (convolution, norm) = &self.second;
        let h = norm.forward(&convolution.forward(&h)).silu();
        match &self.past {
            Some(past) => h + past.forward(x),
            None => h + x,
        }
    }
}

/// How places attend to each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Attending {
    /// Softmax over all pairs of places.
    Full,
    /// Softmax of the queries over their channels and of the keys over the places, so
    /// that the cost is linear in the length; a normalisation ends it.
    Linear,
}

/// Attention with a normalisation before it, added to its input.
#[derive(Debug)]
pub(super) struct Attention {
    heads: i64,
    head_dim: i64,
    norm: ChannelNorm,
    to_all: Conv1d,
    to_output: Conv1d,
    /// Only linear attention has it.
    output_norm: Option<ChannelNorm>,
}

impl Attention {
    pub(super) fn new(
        path: &Path<'_>,
        channels: i64,
        heads: i64,
        head_dim: i64,
        attending: Attending,
    ) -> Self {
        let (path, inner) = (path / "fn", heads * head_dim);
        let attention = &path / "fn";
        let output = &attention / "to_out";
        let (output, output_norm) = match attending {
            Attending::Full => (output, None),
            Attending::Linear => {
                let norm = ChannelNorm::new(&(&output / "1"), channels);
                (output / "0", Some(norm))
            }
        };
        Self {
            heads,
            head_dim,
            norm: ChannelNorm::new(&(path / "norm"), channels),
            to_all: Conv1d::without_bias(&(attention / "to_qkv"), channels, 3 * inner, 1),
            to_output: Conv1d::new(&output, inner, channels, 1),
            output_norm,
        }
    }

    pub(super) fn forward(&self, x: &Tensor) -> Tensor {
        let (rows, length) = (x.size()[0], x.size()[2]);
        let all = self.to_all.forward(&self.norm.forward(x));
        let split = all.view([rows, 3, self.heads, self.head_dim, length]).unbind(1);
        // Each `[rows, heads, head_dim, length]`.
        let (query, key, value) = (&split[0], &split[1], &split[2]);
        let scale = 1.0 / (self.head_dim as f64).sqrt();
        let attended = match self.output_norm {
            Some(_) => {
                let query = query.softmax(2, None::<Kind>) * scale;
                let key = key.softmax(3, None::<Kind>);
                value.matmul(&key.transpose(2, 3)).matmul(&query)
            }
            None => {
                let weights = (query.transpose(2, 3) * scale).matmul(key);
                value.matmul(&weights.softmax(3, None::<Kind>).transpose(2, 3))
            }
        };
        let flat = attended.reshape([rows, self.heads * self.head_dim, length]);
        let output = self.to_output.forward(&flat);
        match &self.output_norm {
            Some(norm) => x + norm.forward(&output),
            None => x + output,
        }
    }
}
