//! Layers that more than one crate uses. Initial values follow PyTorch's
//! defaults (`torch.nn.Linear`, `Conv1d`, `LayerNorm`, `Embedding`) unless said
//! otherwise.

use std::cell::OnceCell;

use serde::{Deserialize, Serialize};
use tch::{Kind, Tensor};

use crate::{Path, weights::Source};

/// How a linear layer's weights begin.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum Init {
    /// Uniform within 1/sqrt(inputs), weights and bias, as `torch.nn.Linear`.
    #[default]
    Uniform,
    /// Normal with this standard deviation, bias zero.
    Normal(f64),
    /// All zeros.
    Zeros,
}

/// What a layer multiplies in. Weights, their gradients and what passes between layers
/// are f32 in either case.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Precision {
    /// 32 bits.
    #[default]
    F32,
    /// Inputs, weights and results rounded to bfloat16 (8 bits of mantissa), sums in f32.
    /// Many rows are faster where the processor multiplies bfloat16 itself, else slower;
    /// few rows, where reading the weights is what takes time, are faster anywhere.
    Bf16,
}

/// `y = x W^T + b`; weights `[out, in]`.
#[derive(Debug)]
pub struct Linear {
    weight: Tensor,
    bias: Option<Tensor>,
    precision: Precision,
    /// Weights and bias in bfloat16; not set while they may change.
    rounded: OnceCell<(Tensor, Option<Tensor>)>,
}

impl Linear {
    fn of(weight: Tensor, bias: Option<Tensor>) -> Self {
        Self { weight, bias, precision: Precision::F32, rounded: OnceCell::new() }
    }

    /// The layer, multiplying in `precision`.
    pub fn in_precision(self, precision: Precision) -> Self {
        Self { precision, ..self }
    }

    /// From now on weights and bias stay as they are, so that they are rounded once.
    pub fn freeze(&self) {
        if self.precision == Precision::Bf16 {
            let _ = self.rounded.set(self.round());
        }
    }

    fn round(&self) -> (Tensor, Option<Tensor>) {
        let round = |tensor: &Tensor| tensor.to_kind(Kind::BFloat16);
        (round(&self.weight), self.bias.as_ref().map(round))
    }

    /// With a bias.
    pub fn new(path: &Path<'_>, inputs: i64, outputs: i64, init: Init) -> Self {
        let weight = Self::begin(path, inputs, outputs, init);
        let bias = match init {
            Init::Uniform => path.uniform("bias", &[outputs], 1.0 / (inputs as f64).sqrt()),
            Init::Normal(_) | Init::Zeros => path.zeros("bias", &[outputs]),
        };
        Self::of(weight, Some(bias))
    }

    /// Without a bias.
    pub fn without_bias(path: &Path<'_>, inputs: i64, outputs: i64, init: Init) -> Self {
        Self::of(Self::begin(path, inputs, outputs, init), None)
    }

    /// `<name>.weight` and `<name>.bias` of a source.
    pub fn take(source: &mut dyn Source, name: &str, inputs: i64, outputs: i64) -> Self {
        let weight = source.take(&format!("{name}.weight"), &[outputs, inputs]);
        let bias = source.take(&format!("{name}.bias"), &[outputs]);
        Self::of(weight, Some(bias))
    }

    /// `<name>.weight` of a source.
    pub fn take_without_bias(
        source: &mut dyn Source,
        name: &str,
        inputs: i64,
        outputs: i64,
    ) -> Self {
        Self::of(source.take(&format!("{name}.weight"), &[outputs, inputs]), None)
    }

    fn begin(path: &Path<'_>, inputs: i64, outputs: i64, init: Init) -> Tensor {
        let shape = [outputs, inputs];
        match init {
            Init::Uniform => path.uniform("weight", &shape, 1.0 / (inputs as f64).sqrt()),
            Init::Normal(std) => path.normal("weight", &shape, std),
            Init::Zeros => path.zeros("weight", &shape),
        }
    }

    /// The weights, `[out, in]`.
    pub fn weight(&self) -> &Tensor {
        &self.weight
    }

    /// The same layer with `delta`, `[out, in]`, added to a copy of its weights: added in f32
    /// and rounded once to the kind of the weights.
    pub fn plus(&self, delta: &Tensor) -> Self {
        let sum = self.weight.to_kind(Kind::Float) + delta.to_kind(Kind::Float);
        let bias = self.bias.as_ref().map(Tensor::shallow_clone);
        Self::of(sum.to_kind(self.weight.kind()), bias).in_precision(self.precision)
    }

    /// `[.., in]` to `[.., out]`.
    pub fn forward(&self, x: &Tensor) -> Tensor {
        let rounded = |(weight, bias): &(Tensor, Option<Tensor>)| {
            x.to_kind(Kind::BFloat16).linear(weight, bias.as_ref()).to_kind(Kind::Float)
        };
        match (self.precision, self.rounded.get()) {
            (Precision::F32, _) => x.linear(&self.weight, self.bias.as_ref()),
            (Precision::Bf16, Some(kept)) => rounded(kept),
            (Precision::Bf16, None) => rounded(&self.round()),
        }
    }
}

/// Convolution over the last dimension, zeros beyond both ends; weights
/// `[out, in, kernel]`. Begins uniform within 1/sqrt(in kernel), weights and bias.
#[derive(Debug)]
pub struct Conv1d {
    weight: Tensor,
    bias: Option<Tensor>,
    stride: i64,
    padding: i64,
}

impl Conv1d {
    /// With a bias and stride 1. `kernel` is odd; the length stays.
    pub fn new(path: &Path<'_>, inputs: i64, outputs: i64, kernel: i64) -> Self {
        let layer = Self::without_bias(path, inputs, outputs, kernel);
        let bound = 1.0 / ((inputs * kernel) as f64).sqrt();
        Self { bias: Some(path.uniform("bias", &[outputs], bound)), ..layer }
    }

    /// With a bias, stride 2 and a kernel of 4: halves an even length.
    pub fn halving(path: &Path<'_>, inputs: i64, outputs: i64) -> Self {
        Self { stride: 2, padding: 1, ..Self::new(path, inputs, outputs, 4) }
    }

    /// As [`Conv1d::new`], without a bias.
    pub fn without_bias(path: &Path<'_>, inputs: i64, outputs: i64, kernel: i64) -> Self {
        let bound = 1.0 / ((inputs * kernel) as f64).sqrt();
        let weight = path.uniform("weight", &[outputs, inputs, kernel], bound);
        Self { weight, bias: None, stride: 1, padding: kernel / 2 }
    }

    /// `[rows, in, length]` to `[rows, out, length]`, or half the length.
    pub fn forward(&self, x: &Tensor) -> Tensor {
        x.conv1d(&self.weight, self.bias.as_ref(), self.stride, self.padding, 1, 1)
    }
}

/// Layer normalisation over the last dimension, with gain and bias.
#[derive(Debug)]
pub struct LayerNorm {
    weight: Tensor,
    bias: Tensor,
    epsilon: f64,
}

impl LayerNorm {
    /// Over `dim` values.
    pub fn new(path: &Path<'_>, dim: i64, epsilon: f64) -> Self {
        Self { weight: path.ones("weight", &[dim]), bias: path.zeros("bias", &[dim]), epsilon }
    }

    /// `<name>.weight` and `<name>.bias` of a source, over `dim` values.
    pub fn take(source: &mut dyn Source, name: &str, dim: i64, epsilon: f64) -> Self {
        let weight = source.take(&format!("{name}.weight"), &[dim]);
        let bias = source.take(&format!("{name}.bias"), &[dim]);
        Self { weight, bias, epsilon }
    }

    /// `[.., dim]` to the same shape.
    pub fn forward(&self, x: &Tensor) -> Tensor {
        let shape = self.weight.size();
        x.layer_norm(shape, Some(&self.weight), Some(&self.bias), self.epsilon, false)
    }
}

/// Root-mean-square normalisation (Zhang and Sennrich, 2019, equation 4), as in Llama.
#[derive(Debug)]
pub struct RmsNorm {
    weight: Tensor,
    epsilon: f64,
}

impl RmsNorm {
    /// Over `dim` values.
    pub fn new(path: &Path<'_>, dim: i64, epsilon: f64) -> Self {
        Self { weight: path.ones("weight", &[dim]), epsilon }
    }

    /// `<name>.weight` of a source, over `dim` values.
    pub fn take(source: &mut dyn Source, name: &str, dim: i64, epsilon: f64) -> Self {
        Self { weight: source.take(&format!("{name}.weight"), &[dim]), epsilon }
    }

    /// `[.., dim]` to the same shape and kind; all is f32 until the end, whatever the kind.
    /// libtorch has one kernel for it on a GPU.
    pub fn forward(&self, x: &Tensor) -> Tensor {
        x.rms_norm(self.weight.size(), Some(&self.weight), self.epsilon)
    }
}

/// A table of vectors: `[entries, dim]`.
#[derive(Debug)]
pub struct Embedding {
    weight: Tensor,
}

impl Embedding {
    /// Normal entries with standard deviation `std`.
    pub fn new(path: &Path<'_>, entries: i64, dim: i64, std: f64) -> Self {
        Self { weight: path.normal("weight", &[entries, dim], std) }
    }

    /// `<name>.weight` of a source.
    pub fn take(source: &mut dyn Source, name: &str, entries: i64, dim: i64) -> Self {
        Self { weight: source.take(&format!("{name}.weight"), &[entries, dim]) }
    }

    /// i64 indices `[..]` to `[.., dim]`.
    pub fn forward(&self, indices: &Tensor) -> Tensor {
        Tensor::embedding(&self.weight, indices, -1, false, false)
    }

    /// The table itself, for a tied output layer.
    pub fn weight(&self) -> &Tensor {
        &self.weight
    }
}

/// Rows scaled to unit Euclidean norm: `[.., dim]`. A row of zeros stays so.
pub fn l2_normalise(x: &Tensor) -> Tensor {
    let norm = x.square().sum_dim_intlist(-1, true, None::<Kind>).sqrt();
    x / norm.clamp_min(1e-12)
}
