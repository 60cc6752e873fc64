//! Both towers of CLAP with their projection heads, under the names of Hugging
//! Face's `ClapModel`.

use dl_torch::{
    layers::{Linear, l2_normalise},
    weights::Source,
};
use tch::{Device, Tensor};

use super::{
    config::{Activation, ModelConfig},
    htsat::Htsat,
};
use crate::{EncoderError, text::TokenBatch, transformer::Transformer};

/// A projection head: two layers.
struct Projection {
    first: Linear,
    activation: Activation,
    second: Linear,
}

impl Projection {
    fn take(source: &mut dyn Source, name: &str, inputs: i64, config: &ModelConfig) -> Self {
        let dim = config.projection_dim;
        Self {
            first: Linear::take(source, &format!("{name}.linear1"), inputs, dim),
            activation: config.projection_hidden_act,
            second: Linear::take(source, &format!("{name}.linear2"), dim, dim),
        }
    }

    /// To rows of unit norm.
    fn forward(&self, x: &Tensor) -> Tensor {
        let inner = self.activation.apply(&self.first.forward(x));
        l2_normalise(&self.second.forward(&inner))
    }
}

/// The model: frozen over a file's tensors, or in training over fresh ones.
pub struct Network {
    audio: Htsat,
    audio_projection: Projection,
    text: Transformer,
    pooler: Linear,
    text_projection: Projection,
    /// Logarithms of what cosines are multiplied with, from audio and from text.
    pub log_scales: [Tensor; 2],
}

impl Network {
    /// Takes all tensors out of `source`.
    ///
    /// # Errors
    /// [`EncoderError::Config`] when `config` is out of range.
    pub fn take(
        source: &mut dyn Source,
        config: &ModelConfig,
        device: Device,
    ) -> Result<Self, EncoderError> {
        let audio_prefix = "audio_model.audio_encoder";
        let width = config.text_config.transformer.hidden_size;
        Ok(Self {
            audio: Htsat::take(source, audio_prefix, &config.audio_config, device),
            audio_projection: Projection::take(
                source,
                "audio_projection",
                config.audio_config.hidden_size,
                config,
            ),
            text: Transformer::new(source, "text_model.", &config.text_config.transformer, device)?,
            pooler: Linear::take(source, "text_model.pooler.dense", width, width),
            text_projection: Projection::take(source, "text_projection", width, config),
            log_scales: ["logit_scale_a", "logit_scale_t"].map(|name| source.take(name, &[])),
        })
    }

    /// Log-mel spectrograms `[batch, channels, frames, mels]` to `[batch, dim]` of
    /// unit norm; `longer` lists the rows that have channels to fuse.
    pub fn embed_audio(&self, log_mels: &Tensor, longer: &[i64]) -> Tensor {
        self.audio_projection.forward(&self.audio.forward(log_mels, longer))
    }

    /// Texts to `[batch, dim]` of unit norm.
    pub fn embed_text(&self, texts: &TokenBatch) -> Tensor {
        // The first token stands for the text.
        let first = self.text.forward(&texts.ids, &texts.mask).select(1, 0);
        self.text_projection.forward(&self.pooler.forward(&first).tanh())
    }

    /// Logits `[batch, tokens, vocabulary]` of what stands at each place of `texts`, with
    /// the table of words as output weights.
    pub fn fill_in(&self, texts: &TokenBatch) -> Tensor {
        self.text.forward(&texts.ids, &texts.mask).matmul(&self.text.words().tr())
    }
}
