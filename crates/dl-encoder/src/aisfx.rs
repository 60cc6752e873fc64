//! aiSFX (PyPI `aisfx` 0.1.2, `models/cnn2d.py`): a CNN of eight 3x3 convolutions
//! over log-mel blocks of 100 frames (about 2.3 s), 512 values per block.
//! Weights CC BY 4.0.
//!
//! The reference gives one embedding per block; a clip here is the mean over its
//! blocks. Blocks follow `preprocessing.py`: a partial last block is dropped, but
//! a clip shorter than one block is padded with zeros.

use std::path::PathBuf;

use dl_audio::{AudioFeatures, LogMel, LogMelConfig, Waveform};
use dl_core::{ConfigError, FileError, Fingerprint, fault::check};
use dl_torch::weights::WeightMap;
use ndarray::{Array2, ArrayView2, Axis, s};
use serde::{Deserialize, Serialize};
use tch::{Device, Kind, Tensor};

use crate::{AudioEncoder, EncoderError, FrontEnd, error::check_finite};

/// Frames in one block.
pub const BLOCK: usize = 100;
/// Values in one embedding.
pub const DIM: usize = 512;
/// Convolutions of the network: block, place in it, inputs, outputs.
const LAYERS: [(usize, usize, i64, i64); 8] = [
    (1, 1, 1, 64),
    (1, 2, 64, 64),
    (2, 1, 64, 128),
    (2, 2, 128, 128),
    (3, 1, 128, 256),
    (3, 2, 256, 256),
    (4, 1, 256, 512),
    (4, 2, 512, 512),
];
/// `torch.nn.BatchNorm2d`'s default.
const BATCH_NORM_EPSILON: f64 = 1e-5;

/// Where aiSFX lies and how it is run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AisfxConfig {
    /// The package's `checkpoint.pth`.
    pub path: PathBuf,
    /// Frames from one block to the next, 1 to 100; 100 is no overlap.
    pub hop_frames: usize,
    /// Blocks in one pass through the network, at least 1. No result depends on it.
    pub batch: usize,
}

impl Default for AisfxConfig {
    fn default() -> Self {
        Self { path: ".setup/models/aisfx/checkpoint.pth".into(), hop_frames: BLOCK, batch: 4 }
    }
}

impl AisfxConfig {
    /// Checks every range.
    ///
    /// # Errors
    /// [`ConfigError`] for the first field out of range.
    pub fn validate(&self) -> Result<(), ConfigError> {
        let hop = self.hop_frames;
        check((1..=BLOCK).contains(&hop), "hop_frames", hop, "1 to 100")?;
        check(self.batch > 0, "batch", self.batch, "at least 1")
    }
}

/// From a waveform to a log-mel spectrogram, and where its blocks lie.
struct Blocks {
    log_mel: LogMel,
    hop: usize,
}

impl FrontEnd for Blocks {
    /// One channel of `[frames, 96]`.
    fn features(&self, waveform: &Waveform) -> Result<AudioFeatures, EncoderError> {
        check_finite(waveform)?;
        let rate = self.log_mel.config().sample_rate;
        let log_mel = if waveform.sample_rate == rate {
            self.log_mel.compute(&waveform.samples)
        } else {
            self.log_mel.compute(&waveform.resample(rate)?.samples)
        };
        Ok(AudioFeatures { values: log_mel.insert_axis(Axis(0)), is_longer: false })
    }
}

impl Blocks {
    fn new(hop: usize) -> Result<Self, EncoderError> {
        Ok(Self { log_mel: LogMel::new(&LogMelConfig::aisfx())?, hop })
    }

    /// Where the blocks of a spectrogram begin.
    fn starts(&self, frames: usize) -> impl Iterator<Item = usize> + use<> {
        (0..=frames.saturating_sub(BLOCK)).step_by(self.hop)
    }
}

/// The network with its front end.
pub struct Aisfx {
    config: AisfxConfig,
    device: Device,
    front_end: Blocks,
    convolutions: Vec<(Tensor, Tensor)>,
    fingerprint: Fingerprint,
}

impl Aisfx {
    /// Reads the checkpoint.
    ///
    /// # Errors
    /// [`EncoderError`] for a bad configuration or a file that is missing, cut
    /// short, or of another model.
    pub fn load(config: &AisfxConfig, device: Device) -> Result<Self, EncoderError> {
        config.validate()?;
        let path = &config.path;
        let mut weights = WeightMap::read(path, device)?;
        weights.unwrap();
        // The classifiers it was trained with, and counters of training steps.
        weights.ignore("fc.");
        weights.strip_prefix("embedding_net.");
        let convolutions = LAYERS
            .iter()
            .map(|&(block, place, inputs, outputs)| {
                let block = format!("conv_block{block}");
                let norm = format!("{block}.bn{place}");
                weights.ignore(&format!("{norm}.num_batches_tracked"));
                let mut vector = |name: &str| weights.take(&format!("{norm}.{name}"), &[outputs]);
                let (gain, bias) = (vector("weight"), vector("bias"));
                let (mean, variance) = (vector("running_mean"), vector("running_var"));
                let kernel =
                    weights.take(&format!("{block}.conv{place}.weight"), &[outputs, inputs, 3, 3]);
                // Batch normalisation with fixed statistics is a factor and an
                // offset per channel: both go into the convolution.
                let factor = gain / (variance + BATCH_NORM_EPSILON).sqrt();
                let kernel = kernel * factor.view([-1, 1, 1, 1]);
                (channels_last(&kernel), bias - mean * factor)
            })
            .collect();
        weights.finish()?;
        let fingerprint = Self::fingerprint_of(config)?;
        let front_end = Blocks::new(config.hop_frames)?;
        Ok(Self { config: config.clone(), device, front_end, convolutions, fingerprint })
    }

    /// The fingerprint that the tower will have once it is loaded, from its file alone.
    ///
    /// # Errors
    /// [`EncoderError`] for a bad configuration or a file that is missing.
    pub fn fingerprint_of(config: &AisfxConfig) -> Result<Fingerprint, EncoderError> {
        config.validate()?;
        let path = &config.path;
        let file = Fingerprint::of_file(path).map_err(|source| FileError::io(path, source))?;
        let settings = Fingerprint::of(&("aisfx", 1, LogMelConfig::aisfx(), config.hop_frames));
        Ok(Fingerprint::combine([&file, &settings]))
    }

    /// The network alone: blocks `[batch, 100, 96]` to `[batch, 512]`.
    ///
    /// # Errors
    /// [`EncoderError::Torch`] when the shape is another or the device gives out.
    pub fn embed_blocks(&self, blocks: &Tensor) -> Result<Array2<f32>, EncoderError> {
        let output = tch::no_grad(|| self.forward(blocks))?;
        Ok(dl_torch::convert::array2(&output)?)
    }

    fn forward(&self, blocks: &Tensor) -> Result<Tensor, tch::TchError> {
        let mut x = blocks.f_to_device(self.device)?.f_unsqueeze(1)?;
        for (&(block, place, ..), (kernel, bias)) in LAYERS.iter().zip(&self.convolutions) {
            x = x.f_conv2d(kernel, Some(bias), [1, 1], [1, 1], [1, 1], 1)?.f_relu_()?;
            // The reference pools the last block over 1x1, which is nothing.
            if place == 2 && block < 4 {
                x = x.f_max_pool2d([2, 2], [2, 2], [0, 0], [1, 1], false)?;
            }
        }
        // The mean over frequency, then the maximum over time.
        x.f_mean_dim([3].as_slice(), false, Kind::Float)?.f_amax([2], false)
    }
}

impl AudioEncoder for Aisfx {
    fn dim(&self) -> usize {
        DIM
    }

    fn fingerprint(&self) -> Fingerprint {
        self.fingerprint.clone()
    }

    fn front_end(&self) -> &dyn FrontEnd {
        &self.front_end
    }

    /// The mean of the embeddings of each clip's blocks; not normalised.
    fn embed_features(&self, features: &[AudioFeatures]) -> Result<Array2<f32>, EncoderError> {
        let log_mels: Vec<_> =
            features.iter().map(|clip| clip.values.index_axis(Axis(0), 0)).collect();
        let blocks: Vec<(usize, usize)> = log_mels
            .iter()
            .enumerate()
            .flat_map(|(clip, log_mel)| {
                self.front_end.starts(log_mel.nrows()).map(move |start| (clip, start))
            })
            .collect();
        let mut features = Array2::zeros((log_mels.len(), DIM));
        let mut counts = vec![0_usize; log_mels.len()];
        for batch in blocks.chunks(self.config.batch) {
            let embeddings = self.embed_blocks(&gather(&log_mels, batch))?;
            for (&(clip, _), embedding) in batch.iter().zip(embeddings.rows()) {
                let mut sum = features.row_mut(clip);
                sum += &embedding;
                counts[clip] += 1;
            }
        }
        for (mut row, count) in features.axis_iter_mut(Axis(0)).zip(counts) {
            row /= count as f32;
        }
        Ok(features)
    }
}

/// The same values with the channels closest together in memory: the
/// convolutions follow their kernels' layout, and are a quarter faster in this one.
fn channels_last(kernel: &Tensor) -> Tensor {
    kernel.permute([0, 2, 3, 1]).contiguous().permute([0, 3, 1, 2])
}

/// The blocks as one tensor `[blocks, 100, mels]`, zeros beyond the end of a clip.
fn gather(log_mels: &[ArrayView2<'_, f32>], blocks: &[(usize, usize)]) -> Tensor {
    let mels = blocks.first().map_or(0, |&(clip, _)| log_mels[clip].ncols());
    let mut values = vec![0.0_f32; blocks.len() * BLOCK * mels];
    for (&(clip, start), out) in blocks.iter().zip(values.chunks_exact_mut(BLOCK * mels)) {
        let log_mel = &log_mels[clip];
        let end = (start + BLOCK).min(log_mel.nrows());
        let block = log_mel.slice(s![start..end, ..]);
        for (out, value) in out.iter_mut().zip(block) {
            *out = *value;
        }
    }
    Tensor::from_slice(&values).view([blocks.len() as i64, BLOCK as i64, mels as i64])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_are_those_of_the_reference() {
        // preprocessing.blocking(data, 100, hop, drop_partial_block=True) gives
        // this many blocks for these numbers of frames.
        for (frames, hop, blocks) in
            [(1, 100, 1), (99, 50, 1), (100, 100, 1), (199, 100, 1), (200, 100, 2), (216, 50, 3)]
        {
            let starts: Vec<usize> = Blocks::new(hop).unwrap().starts(frames).collect();
            assert_eq!(starts.len(), blocks, "{frames} frames, hop {hop}");
            assert!(starts.iter().enumerate().all(|(i, &start)| start == i * hop));
        }
    }

    #[test]
    fn a_short_clip_is_padded_with_zeros() {
        let clip = Array2::from_shape_fn((3, 2), |(frame, mel)| (10 * frame + mel) as f32);
        let blocks = gather(&[clip.view()], &[(0, 0)]);
        assert_eq!(blocks.size(), [1, 100, 2]);
        assert_eq!(blocks.double_value(&[0, 2, 1]), 21.0);
        assert_eq!(blocks.sum(Kind::Float).double_value(&[]), 63.0);
    }

    #[test]
    fn a_hop_out_of_range_names_field_and_range() {
        let error = AisfxConfig { hop_frames: 101, ..Default::default() }.validate().unwrap_err();
        assert_eq!(error.to_string(), "hop_frames = 101: must be 1 to 100");
    }
}
