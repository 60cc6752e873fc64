//! From a folded spectrogram to tokens, and the fusion of a long clip's four
//! channels into one (Dai et al., "Attentional Feature Fusion", WACV 2021, as
//! CLAP uses it: Wu et al., ICASSP 2023, section 3.3).

use dl_torch::{layers::LayerNorm, weights::Source};
use tch::{Kind, Tensor};

use super::config::{AudioConfig, LAYER_NORM_EPSILON};

/// `torch.nn.BatchNorm2d`'s default.
const BATCH_NORM_EPSILON: f64 = 1e-5;

/// Batch normalisation with fixed statistics: a factor and an offset per channel.
/// Factor and offset can be trained, the statistics cannot.
pub(crate) struct BatchNorm {
    weight: Tensor,
    bias: Tensor,
    mean: Tensor,
    variance: Tensor,
}

impl BatchNorm {
    pub(crate) fn take(source: &mut dyn Source, name: &str, channels: i64) -> Self {
        let mut vector = |part: &str| source.take(&format!("{name}.{part}"), &[channels]);
        Self {
            weight: vector("weight"),
            bias: vector("bias"),
            mean: vector("running_mean"),
            variance: vector("running_var"),
        }
    }

    /// Channels are the dimension that `shape` has its -1 at.
    pub(crate) fn forward(&self, x: &Tensor, shape: &[i64]) -> Tensor {
        let factor = &self.weight / (self.variance.detach() + BATCH_NORM_EPSILON).sqrt();
        let offset = &self.bias - self.mean.detach() * &factor;
        x * factor.view(shape) + offset.view(shape)
    }
}

/// A convolution with bias.
struct Conv {
    weight: Tensor,
    bias: Tensor,
    stride: [i64; 2],
    padding: [i64; 2],
}

impl Conv {
    fn take(source: &mut dyn Source, name: &str, shape: [i64; 4]) -> Self {
        Self {
            weight: source.take(&format!("{name}.weight"), &shape),
            bias: source.take(&format!("{name}.bias"), &[shape[0]]),
            stride: [1, 1],
            padding: [0, 0],
        }
    }

    fn forward(&self, x: &Tensor) -> Tensor {
        x.conv2d(&self.weight, Some(&self.bias), self.stride, self.padding, [1, 1], 1)
    }
}

/// Two pointwise convolutions with normalisation: one side of the fusion.
struct Squeeze {
    reduce: Conv,
    reduce_norm: BatchNorm,
    expand: Conv,
    expand_norm: BatchNorm,
}

impl Squeeze {
    /// `first` is the number of the first layer in the published names.
    fn take(source: &mut dyn Source, name: &str, first: usize, dim: i64, inner: i64) -> Self {
        let layer = |index: usize| format!("{name}.{}", first + index);
        Self {
            reduce: Conv::take(source, &layer(0), [inner, dim, 1, 1]),
            reduce_norm: BatchNorm::take(source, &layer(1), inner),
            expand: Conv::take(source, &layer(3), [dim, inner, 1, 1]),
            expand_norm: BatchNorm::take(source, &layer(4), dim),
        }
    }

    fn forward(&self, x: &Tensor) -> Tensor {
        let channel = [1, -1, 1, 1];
        let inner = self.reduce_norm.forward(&self.reduce.forward(x), &channel).relu();
        self.expand_norm.forward(&self.expand.forward(&inner), &channel)
    }
}

/// What fused models have beside the patches of one channel.
struct Fusion {
    chunks: Conv,
    local: Squeeze,
    global: Squeeze,
}

impl Fusion {
    fn take(source: &mut dyn Source, prefix: &str, config: &AudioConfig) -> Self {
        let dim = config.patch_embeds_hidden_size;
        let inner = dim / config.aff_block_r;
        let side = config.patch_size;
        let shape = [dim, config.patch_embed_input_channels, side, 3 * side];
        let mut chunks = Conv::take(source, &format!("{prefix}.mel_conv2d"), shape);
        (chunks.stride, chunks.padding) =
            ([config.patch_stride, 3 * config.patch_stride], padding(config));
        let name = |side: &str| format!("{prefix}.fusion_model.{side}_att");
        Self {
            chunks,
            local: Squeeze::take(source, &name("local"), 0, dim, inner),
            // The pooling of the global side is its layer 0.
            global: Squeeze::take(source, &name("global"), 1, dim, inner),
        }
    }

    /// Patches of the whole `[n, dim, h, w]` and the chunks `[n, 3, H, W]` of the
    /// same clips to fused patches.
    fn forward(&self, whole: &Tensor, chunks: &Tensor) -> Tensor {
        let (n, count) = (chunks.size()[0], chunks.size()[1]);
        let local = self.chunks.forward(&chunks.flatten(0, 1).unsqueeze(1));
        let [_, dim, height, width] = local.size()[..] else { return local };
        // Side by side in time, then zeros up to the width of the whole.
        let local = local.view([n, count, dim, height, width]).permute([0, 2, 3, 1, 4]).reshape([
            n,
            dim,
            height,
            count * width,
        ]);
        let local = local.constant_pad_nd([0, whole.size()[3] - count * width]);
        let both = whole + &local;
        let pooled = both.mean_dim([2, 3].as_slice(), true, Kind::Float);
        let share = (self.local.forward(&both) + self.global.forward(&pooled)).sigmoid();
        whole * &share * 2.0 + local * (1.0 - share) * 2.0
    }
}

fn padding(config: &AudioConfig) -> [i64; 2] {
    [(config.patch_size - config.patch_stride) / 2; 2]
}

/// Patches with their normalisation and, in fused models, the fusion.
pub(crate) struct PatchEmbed {
    proj: Conv,
    norm: LayerNorm,
    fusion: Option<Fusion>,
}

impl PatchEmbed {
    pub(crate) fn take(source: &mut dyn Source, prefix: &str, config: &AudioConfig) -> Self {
        let (dim, side) = (config.patch_embeds_hidden_size, config.patch_size);
        let shape = [dim, config.patch_embed_input_channels, side, side];
        let mut proj = Conv::take(source, &format!("{prefix}.proj"), shape);
        (proj.stride, proj.padding) = ([config.patch_stride; 2], padding(config));
        let norm = LayerNorm::take(source, &format!("{prefix}.norm"), dim, LAYER_NORM_EPSILON);
        let fusion = config.enable_fusion.then(|| Fusion::take(source, prefix, config));
        Self { proj, norm, fusion }
    }

    /// Images `[batch, channels, side, side]` to tokens `[batch, tokens, dim]`;
    /// `longer` lists the rows that have chunks to fuse.
    pub(crate) fn forward(&self, images: &Tensor, longer: &[i64]) -> Tensor {
        let mut patches = self.proj.forward(&images.narrow(1, 0, 1));
        if let (Some(fusion), false) = (&self.fusion, longer.is_empty()) {
            let rows = Tensor::from_slice(longer).to_device(images.device());
            let chunks = images.index_select(0, &rows).narrow(1, 1, 3);
            let fused = fusion.forward(&patches.index_select(0, &rows), &chunks);
            patches = patches.index_copy(0, &rows, &fused);
        }
        self.norm.forward(&patches.flatten(2, 3).transpose(1, 2))
    }
}
