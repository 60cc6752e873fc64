//! Projection heads: from the spaces of two frozen towers into one. Per side a
//! two-layer perceptron on standardised features, trained with InfoNCE and a
//! learned scale, then frozen.

use std::{collections::HashMap, path::Path};

use dl_core::{
    Fingerprint, Under,
    fault::{WIDEST, check_size},
    noise::Noise,
};
use dl_torch::{
    Params, Subject, TorchError, TrainConfig, TrainContext, TrainReport, convert,
    layers::{Init, Linear, l2_normalise},
    tensor_file::{self, Tensors},
    train,
};
use ndarray::Array2;
use serde::{Deserialize, Serialize};
use tch::{Device, Kind, Tensor};

use crate::{
    EncoderError, Pairs,
    contrastive::{Likeness, MAX_SCALE, info_nce},
    error::{bad, check, check_columns},
    pairs::moments,
};

const FORMAT: &str = "diffusion-link/heads";

/// The heads and their training.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct HeadsConfig {
    /// Values per embedding, in 2..=65536.
    pub dim: usize,
    /// Values inside of each head, in 1..=65536.
    pub hidden: usize,
    /// Add a linear map of the features to each head's output.
    pub skip: bool,
    /// Standard deviation of the noise on standardised audio features in training.
    pub audio_noise: f64,
    /// The same for text features.
    pub text_noise: f64,
    /// Temperature before training, above 0; learned from there.
    pub temperature: f64,
    /// Take captions of the same clip, and equal captions, out of the negatives.
    pub mask_false_negatives: bool,
    /// The training; its items are the captions.
    pub train: TrainConfig,
}

impl Default for HeadsConfig {
    fn default() -> Self {
        Self {
            dim: 128,
            hidden: 512,
            skip: false,
            audio_noise: 0.3,
            text_noise: 0.0,
            temperature: 0.07,
            mask_false_negatives: true,
            train: TrainConfig {
                steps: 480,
                batch: 128,
                warmup_steps: 30,
                validate_every: 40,
                ..TrainConfig::default()
            },
        }
    }
}

impl HeadsConfig {
    /// Checks every range.
    ///
    /// # Errors
    /// [`EncoderError`] for the first field out of range.
    pub fn validate(&self) -> Result<(), EncoderError> {
        let noise = |value: f64, field| {
            check(value >= 0.0 && value.is_finite(), field, value, "0 (off) or above")
        };
        check_size("dim", self.dim, WIDEST)?;
        check(self.dim >= 2, "dim", self.dim, "at least 2")?;
        check_size("hidden", self.hidden, WIDEST)?;
        noise(self.audio_noise, "audio_noise")?;
        noise(self.text_noise, "text_noise")?;
        let warm = self.temperature;
        check((0.01..=10.0).contains(&warm), "temperature", warm, "0.01 to 10")?;
        check(self.train.batch >= 2, "train.batch", self.train.batch, "at least 2")?;
        Ok(self.train.validate().under("train")?)
    }
}

/// One side: standardisation and the perceptron.
struct Head {
    mean: Tensor,
    deviation: Tensor,
    first: Linear,
    second: Linear,
    skip: Option<Linear>,
}

impl Head {
    fn new(params: &Params, config: &HeadsConfig, side: &str, stats: (Tensor, Tensor)) -> Self {
        let (mean, deviation) = stats;
        let path = &params.root() / side;
        let inputs = mean.size()[0];
        let (hidden, dim) = (config.hidden as i64, config.dim as i64);
        Self {
            first: Linear::new(&(&path / "first"), inputs, hidden, Init::Uniform),
            second: Linear::new(&(&path / "second"), hidden, dim, Init::Uniform),
            skip: config
                .skip
                .then(|| Linear::without_bias(&(&path / "skip"), inputs, dim, Init::Uniform)),
            mean,
            deviation,
        }
    }

    /// Raw features `[n, inputs]`, standardised.
    fn standardise(&self, features: &Tensor) -> Tensor {
        (features - &self.mean) / &self.deviation
    }

    /// Standardised features `[n, inputs]` to unit rows `[n, dim]`.
    fn project(&self, standard: &Tensor) -> Tensor {
        let mut output = self.second.forward(&self.first.forward(standard).gelu("none"));
        if let Some(skip) = &self.skip {
            output += skip.forward(standard);
        }
        l2_normalise(&output)
    }
}

/// Both heads, frozen.
pub struct Heads {
    config: HeadsConfig,
    params: Params,
    audio: Head,
    text: Head,
    log_scale: Tensor,
}

impl Heads {
    /// Fresh heads over features of the given means and deviations.
    fn new(config: &HeadsConfig, params: Params, stats: [(Tensor, Tensor); 2]) -> Self {
        let [audio, text] = stats;
        let audio = Head::new(&params, config, "audio", audio);
        let text = Head::new(&params, config, "text", text);
        let start = (1.0 / config.temperature).ln();
        let log_scale = params.root().constant("log_scale", &[1], start);
        Self { config: config.clone(), params, audio, text, log_scale }
    }

    /// Trains heads on `training` and keeps those with the lowest loss on
    /// `validation`. Their initial values, the order and the noise are pure
    /// functions of the seed.
    ///
    /// # Errors
    /// [`EncoderError`] for a bad configuration, features that do not fit
    /// together, or a training that cannot go on.
    pub fn train(
        training: &Pairs<'_>,
        validation: &Pairs<'_>,
        config: &HeadsConfig,
        context: &TrainContext<'_>,
    ) -> Result<(Self, TrainReport), EncoderError> {
        config.validate()?;
        training.validate()?;
        validation.validate()?;
        check_columns("validation audio", training.audio.ncols(), validation.audio.ncols())?;
        check_columns("validation text", training.text.ncols(), validation.text.ncols())?;
        let stats = [training.audio, training.text].map(|features| {
            let (mean, deviation) = moments(features);
            (mean.to_device(context.device), deviation.to_device(context.device))
        });
        let heads = Self::new(config, Params::new(context.seed, context.device), stats);
        let data = Standard::new(&heads, training, context.device);
        let held_out = Standard::new(&heads, validation, context.device);
        let inputs = || {
            let rows = [
                ("training audio", &data.audio),
                ("training text", &data.text),
                ("validation audio", &held_out.audio),
                ("validation text", &held_out.text),
            ];
            let owners = Fingerprint::of(&(training.owners, validation.owners));
            Ok(Fingerprint::combine([&owners, &tensor_file::fingerprint(rows)]))
        };
        let report = train::fit(
            &heads.params,
            &config.train,
            context,
            &Subject {
                stream: "heads",
                items: training.owners.len(),
                configuration: &|| Fingerprint::of(config),
                data: &inputs,
            },
            |step, batch| {
                Ok::<_, EncoderError>(heads.loss(&data, batch, Some((step, context.seed))))
            },
            || Ok(heads.validate(&held_out, config.train.batch)),
        )?;
        heads.params.freeze();
        Ok((heads, report))
    }

    /// InfoNCE of one batch of captions; with a step and a seed, under noise.
    fn loss(&self, data: &Standard, batch: &[usize], noise: Option<(u64, u64)>) -> Tensor {
        // CLIP clips the scale itself, not the gradient.
        let _ = tch::no_grad(|| self.log_scale.shallow_clone().clamp_max_(MAX_SCALE.ln()));
        let device = self.params.device();
        let clips: Vec<usize> = batch.iter().map(|&caption| data.owners[caption]).collect();
        let mut audio = data.audio.index_select(0, &convert::indices(&clips, device));
        let mut text = data.text.index_select(0, &convert::indices(batch, device));
        if let Some((step, seed)) = noise {
            let draw = |stream, deviation: f64, like: &Tensor| {
                let items: Vec<u64> = batch.iter().map(|&item| item as u64).collect();
                let dim = like.size()[1] as usize;
                let values = Noise::new(seed, stream).normal_rows(&items, step, dim);
                Tensor::from_slice(&values).view_as(like).to_device(device) * deviation
            };
            if self.config.audio_noise > 0.0 {
                audio += draw("heads/audio", self.config.audio_noise, &audio);
            }
            if self.config.text_noise > 0.0 {
                text += draw("heads/text", self.config.text_noise, &text);
            }
        }
        let same =
            self.config.mask_false_negatives.then(|| data.likeness.mask(batch, device)).flatten();
        info_nce(
            &self.audio.project(&audio),
            &self.text.project(&text),
            &self.log_scale.exp(),
            same.as_ref(),
        )
    }

    /// Mean InfoNCE over fixed batches of about the training's size, so that
    /// its value compares to the training loss.
    fn validate(&self, data: &Standard, batch: usize) -> f64 {
        let captions = data.owners.len();
        let order = Noise::new(0, "heads/validation").permutation(0, captions);
        let batches = captions.div_ceil(batch);
        let mut sum = 0.0;
        for part in order.chunks(captions.div_ceil(batches)) {
            sum += self.loss(data, part, None).double_value(&[]) * part.len() as f64;
        }
        sum / captions as f64
    }

    /// Values per embedding.
    pub fn dim(&self) -> usize {
        self.config.dim
    }

    /// Values per audio feature that they take.
    pub fn audio_dim(&self) -> usize {
        self.audio.mean.numel()
    }

    /// Values per text feature that they take.
    pub fn text_dim(&self) -> usize {
        self.text.mean.numel()
    }

    /// The configuration they were trained with.
    pub fn config(&self) -> &HeadsConfig {
        &self.config
    }

    /// What cosines are multiplied with: one over the learned temperature.
    pub fn logit_scale(&self) -> f64 {
        self.log_scale.double_value(&[0]).exp().min(MAX_SCALE)
    }

    /// Audio features `[n, audio dim]` to embeddings `[n, dim]` of unit norm.
    ///
    /// # Errors
    /// [`EncoderError::Shape`] for features of another size.
    pub fn embed_audio(&self, features: &Array2<f32>) -> Result<Array2<f32>, EncoderError> {
        check_columns("audio features", self.audio_dim(), features.ncols())?;
        self.embed(&self.audio, features)
    }

    /// Text features `[n, text dim]` to embeddings `[n, dim]` of unit norm.
    ///
    /// # Errors
    /// [`EncoderError::Shape`] for features of another size.
    pub fn embed_text(&self, features: &Array2<f32>) -> Result<Array2<f32>, EncoderError> {
        check_columns("text features", self.text_dim(), features.ncols())?;
        self.embed(&self.text, features)
    }

    fn embed(&self, head: &Head, features: &Array2<f32>) -> Result<Array2<f32>, EncoderError> {
        let features = convert::tensor2(features.view(), self.params.device());
        let output = tch::no_grad(|| head.project(&head.standardise(&features)));
        Ok(convert::array2(&output)?)
    }

    /// The standardisation as named tensors, beside the parameters in the file.
    fn statistics(&self) -> Tensors {
        [("audio", &self.audio), ("text", &self.text)]
            .into_iter()
            .flat_map(|(side, head)| {
                [
                    (format!("{side}.mean"), head.mean.shallow_clone()),
                    (format!("{side}.deviation"), head.deviation.shallow_clone()),
                ]
            })
            .collect()
    }

    /// Digest of configuration, standardisation and parameters.
    ///
    /// # Errors
    /// [`EncoderError::Torch`] when values cannot be copied to the processor.
    pub fn fingerprint(&self) -> Result<Fingerprint, EncoderError> {
        let mut parts = vec![Fingerprint::of(&self.config), self.params.fingerprint()?];
        for (name, tensor) in self.statistics() {
            let bits: Vec<u32> = convert::vec1(&tensor)?.into_iter().map(f32::to_bits).collect();
            parts.push(Fingerprint::of(&(name, bits)));
        }
        Ok(Fingerprint::combine(&parts))
    }

    /// Writes everything into one safetensors file.
    ///
    /// # Errors
    /// [`EncoderError::Torch`] when the disk refuses.
    pub fn save(&self, path: &Path) -> Result<(), EncoderError> {
        let mut tensors = self.params.named();
        tensors.extend(self.statistics());
        let config = serde_json::to_string(&self.config)
            .map_err(|error| TorchError::file(path, error.to_string()))?;
        let metadata = HashMap::from([
            ("format".to_owned(), FORMAT.to_owned()),
            ("config".to_owned(), config),
        ]);
        Ok(tensor_file::write(path, &tensors, metadata)?)
    }

    /// Reads what [`Heads::save`] wrote.
    ///
    /// # Errors
    /// [`EncoderError`] when the file is missing, cut short or of another kind.
    pub fn load(path: &Path, device: Device) -> Result<Self, EncoderError> {
        let (mut tensors, metadata) = tensor_file::read(path, device)?;
        if metadata.get("format").map(String::as_str) != Some(FORMAT) {
            return Err(bad(path, "is no file of projection heads"));
        }
        let config: HeadsConfig = metadata
            .get("config")
            .and_then(|text| serde_json::from_str(text).ok())
            .ok_or_else(|| bad(path, "its configuration cannot be read; train the heads again"))?;
        config.validate().map_err(|error| {
            bad(path, format!("its configuration: {error}; train the heads again"))
        })?;
        let mut vector = |name: String| match tensors.remove(&name) {
            Some(tensor) if tensor.dim() == 1 && tensor.kind() == Kind::Float => Ok(tensor),
            _ => Err(bad(path, format!("has no vector `{name}`; train the heads again"))),
        };
        let mut statistics = |side: &str| {
            let (mean, deviation) =
                (vector(format!("{side}.mean"))?, vector(format!("{side}.deviation"))?);
            if mean.size() == deviation.size() {
                return Ok((mean, deviation));
            }
            let problem = "are of different lengths; train the heads again";
            Err(bad(path, format!("`{side}.mean` and `{side}.deviation` {problem}")))
        };
        let stats = [statistics("audio")?, statistics("text")?];
        let heads = Self::new(&config, Params::stored(tensors, device), stats);
        heads.params.check_stored(path)?;
        Ok(heads)
    }
}

/// Standardised features of one split on the device.
struct Standard {
    audio: Tensor,
    text: Tensor,
    owners: Vec<usize>,
    likeness: Likeness,
}

impl Standard {
    fn new(heads: &Heads, pairs: &Pairs<'_>, device: Device) -> Self {
        Self {
            audio: heads.audio.standardise(&convert::tensor2(pairs.audio, device)),
            text: heads.text.standardise(&convert::tensor2(pairs.text, device)),
            owners: pairs.owners.to_vec(),
            // Texts are equal where their features are, bit for bit.
            likeness: Likeness::new(
                pairs.text.rows().into_iter().map(|row| row.mapv(f32::to_bits)),
                pairs.owners,
            ),
        }
    }
}
