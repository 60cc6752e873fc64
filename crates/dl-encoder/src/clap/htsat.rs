//! HTSAT, the audio tower of CLAP (Chen et al., "HTS-AT", ICASSP 2022; numbers and
//! names as in Hugging Face's `ClapAudioModel`): a log-mel spectrogram folded into
//! a square image, patches, and stages of windowed attention with a merging of
//! four tokens into one between them.

use dl_torch::{
    layers::{LayerNorm, Linear},
    weights::Source,
};
use tch::{Device, Kind, Tensor};

use super::{
    config::{Activation, AudioConfig, LAYER_NORM_EPSILON},
    patches::{BatchNorm, PatchEmbed},
    window::{WindowAttention, Windows},
};

/// One transformer block.
struct Block {
    before: LayerNorm,
    attention: WindowAttention,
    after: LayerNorm,
    feed_in: Linear,
    activation: Activation,
    feed_out: Linear,
}

impl Block {
    fn take(
        source: &mut dyn Source,
        prefix: &str,
        config: &AudioConfig,
        stage: usize,
        windows: Windows,
    ) -> Self {
        let dim = config.patch_embeds_hidden_size << stage;
        let inner = (config.mlp_ratio * dim as f64) as i64;
        let name = |part: &str| format!("{prefix}.{part}");
        let epsilon = config.layer_norm_eps;
        Self {
            before: LayerNorm::take(source, &name("layernorm_before"), dim, epsilon),
            attention: WindowAttention::take(
                source,
                &name("attention"),
                (dim, config.num_attention_heads[stage]),
                config,
                windows,
            ),
            after: LayerNorm::take(source, &name("layernorm_after"), dim, epsilon),
            feed_in: Linear::take(source, &name("intermediate.dense"), dim, inner),
            activation: config.hidden_act,
            feed_out: Linear::take(source, &name("output.dense"), inner, dim),
        }
    }

    fn forward(&self, x: &Tensor) -> Tensor {
        let x = x + self.attention.forward(&self.before.forward(x));
        let inner = self.activation.apply(&self.feed_in.forward(&self.after.forward(&x)));
        x + self.feed_out.forward(&inner)
    }
}

/// Four neighbouring tokens to one of twice the width.
struct Merging {
    norm: LayerNorm,
    reduction: Linear,
}

impl Merging {
    fn take(source: &mut dyn Source, prefix: &str, dim: i64) -> Self {
        let (norm, reduction) = (format!("{prefix}.norm"), format!("{prefix}.reduction"));
        Self {
            norm: LayerNorm::take(source, &norm, 4 * dim, LAYER_NORM_EPSILON),
            reduction: Linear::take_without_bias(source, &reduction, 4 * dim, 2 * dim),
        }
    }

    /// `[batch, grid^2, dim]` to `[batch, (grid / 2)^2, 2 dim]`.
    fn forward(&self, x: &Tensor, grid: i64) -> Tensor {
        let (batch, dim) = (x.size()[0], x.size()[2]);
        // The two rows vary fastest, then the two columns.
        let x = x
            .view([batch, grid / 2, 2, grid / 2, 2, dim])
            .permute([0, 1, 3, 4, 2, 5])
            .reshape([batch, -1, 4 * dim]);
        self.reduction.forward(&self.norm.forward(&x))
    }
}

struct Stage {
    grid: i64,
    blocks: Vec<Block>,
    merging: Option<Merging>,
}

/// The tower, from log-mel spectrograms to one vector per clip.
pub(crate) struct Htsat {
    config: AudioConfig,
    batch_norm: BatchNorm,
    patches: PatchEmbed,
    stages: Vec<Stage>,
    norm: LayerNorm,
}

impl Htsat {
    /// Takes its tensors, whose names begin with `prefix`, out of `source`.
    pub(crate) fn take(
        source: &mut dyn Source,
        prefix: &str,
        config: &AudioConfig,
        device: Device,
    ) -> Self {
        let batch_norm =
            BatchNorm::take(source, &format!("{prefix}.batch_norm"), config.num_mel_bins);
        let patches = PatchEmbed::take(source, &format!("{prefix}.patch_embed"), config);
        let last = config.depths.len() - 1;
        let mut stages = Vec::new();
        for (stage, &depth) in config.depths.iter().enumerate() {
            let grid = (config.spec_size / config.patch_stride) >> stage;
            let prefix = format!("{prefix}.layers.{stage}");
            let mut blocks = Vec::new();
            for index in 0..depth {
                let windows = Windows::new(grid, config.window_size, index % 2 == 1, device);
                let prefix = format!("{prefix}.blocks.{index}");
                blocks.push(Block::take(source, &prefix, config, stage, windows));
            }
            let dim = config.patch_embeds_hidden_size << stage;
            let merging =
                (stage < last).then(|| Merging::take(source, &format!("{prefix}.downsample"), dim));
            stages.push(Stage { grid, blocks, merging });
        }
        let norm = LayerNorm::take(
            source,
            &format!("{prefix}.norm"),
            config.hidden_size,
            LAYER_NORM_EPSILON,
        );
        Self { config: config.clone(), batch_norm, patches, stages, norm }
    }

    /// Log-mel spectrograms `[batch, channels, frames, mels]` to `[batch, hidden]`.
    /// `longer` lists the rows whose further channels are to be fused.
    pub(crate) fn forward(&self, log_mels: &Tensor, longer: &[i64]) -> Tensor {
        let normal = self.batch_norm.forward(log_mels, &[1, 1, 1, -1]);
        let mut x = self.patches.forward(&self.fold(&normal), longer);
        for stage in &self.stages {
            x = stage.blocks.iter().fold(x, |x, block| block.forward(&x));
            if let Some(merging) = &stage.merging {
                x = merging.forward(&x, stage.grid);
            }
        }
        // The reference averages over frequency and time, whatever their order.
        self.norm.forward(&x).mean_dim([1].as_slice(), false, Kind::Float)
    }

    /// `[batch, channels, frames, mels]` to images `[batch, channels, side, side]`:
    /// time stretched to fill them, then cut in pieces that lie one above the other.
    fn fold(&self, log_mels: &Tensor) -> Tensor {
        let [batch, channels, frames, mels] = log_mels.size()[..] else {
            return log_mels.shallow_clone();
        };
        let (folds, full) = (self.config.folds(), self.config.frames());
        let stretched = if frames < full {
            log_mels.upsample_bicubic2d([full, mels], true, None, None)
        } else {
            log_mels.shallow_clone()
        };
        stretched
            .reshape([batch, channels * folds, full / folds, mels])
            .permute([0, 1, 3, 2])
            .reshape([batch, channels, folds * mels, full / folds])
    }
}
