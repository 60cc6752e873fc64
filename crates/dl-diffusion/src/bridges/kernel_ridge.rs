//! Kernel ridge regression from audio to text embeddings (Saunders, Gammerman and Vovk 1998), alone
//! or beside another bridge.
//!
//! The kernel of unit rows is k(x, z) = exp((x . z - 1) / temperature), a Gaussian one of the
//! distance. Of more clips than `landmarks` a drawn part carries the kernel while all are fitted
//! to (Nyström approximation; Williams and Seeger 2001), so that memory stays that of landmarks
//! squared. Solved in f64 on the CPU.
//!
//! A network and a kernel err differently, so the mean of their rows may be nearer to the text than
//! either. Beside another bridge, validation chooses the share of both.

use dl_core::{
    ConfigError, Under,
    fault::{check, check_size},
    noise::Noise,
};
use dl_torch::{TrainContext, convert, layers::l2_normalise, tensor_file::Tensors};
use serde::{Deserialize, Serialize};
use tch::{Device, Kind, Tensor};

use super::{common::check_all, support::check_temperature};
use crate::{
    config::BridgeConfig,
    data::{Pairs, Split},
    error::BridgeError,
    method::{BridgeMethod, Family, FittedMethod, MethodReport, Stored, inner_tensors},
    moments::{self, exact},
    noise::RowNoise,
    register_bridge,
    scores::{Criterion, choose},
};

/// Most landmarks that a configuration may ask for: 2 GB a matrix of them.
const MOST_LANDMARKS: i64 = 16_384;
/// Clips whose kernel is in memory at once.
const CHUNK: i64 = 2_048;
/// What is added to the diagonal of the landmarks' own kernel, which is 1: smooth kernels are
/// singular but for rounding.
const LIFT: f64 = 1e-8;

/// Which kernels and penalties to try, and what stands beside.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct KernelRidgeConfig {
    /// Candidate temperatures of the kernel, each above 0.
    pub temperatures: Vec<f64>,
    /// Candidate penalties, each above 0.
    pub lambdas: Vec<f64>,
    /// Most training clips that carry the kernel, in 1..=16384.
    pub landmarks: usize,
    /// Another bridge, whose rows are averaged with these. It must not move the captions.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub beside: Option<BridgeConfig>,
    /// Candidate shares, in [0, 1], of these rows in the mean with those of `beside`.
    pub shares: Vec<f64>,
    /// What validation chooses by.
    pub select: Criterion,
}

impl Default for KernelRidgeConfig {
    fn default() -> Self {
        Self {
            temperatures: vec![0.125, 0.25, 0.5, 1.0, 2.0],
            lambdas: vec![0.1, 0.3, 1.0, 3.0, 10.0],
            landmarks: 2000,
            beside: None,
            shares: vec![0.0, 0.25, 0.5, 0.75, 1.0],
            select: Criterion::default(),
        }
    }
}

/// The kernel and the penalty.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
struct Kernel {
    temperature: f64,
    lambda: f64,
}

/// A choice: the kernel, and its share beside another bridge (1 without).
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
struct Choice {
    #[serde(flatten)]
    kernel: Kernel,
    share: f64,
}

/// The regression, in f32.
struct Regression {
    temperature: f64,
    /// `[landmarks, dim]`.
    landmarks: Tensor,
    /// `[landmarks, dim]`.
    weights: Tensor,
    /// The mean caption, `[dim]`.
    mean: Tensor,
}

struct KernelRidge {
    beside: Option<Box<dyn FittedMethod>>,
    regression: Regression,
    share: f64,
    report: MethodReport,
}

register_bridge!(KernelRidgeConfig);

impl BridgeMethod for KernelRidgeConfig {
    const KIND: &'static str = "kernel_ridge";
    const VERSION: u32 = 1;
    const FAMILY: Family = Family::Regression;

    fn validate(&self) -> Result<(), ConfigError> {
        check_all("temperatures", &self.temperatures, check_temperature, "above 0")?;
        check_all("lambdas", &self.lambdas, |x| x > 0.0 && x.is_finite(), "above 0")?;
        check_size("landmarks", self.landmarks, MOST_LANDMARKS)?;
        check_all("shares", &self.shares, |s| (0.0..=1.0).contains(&s), "in [0, 1]")?;
        let Some(beside) = &self.beside else { return Ok(()) };
        beside.validate().under("beside")?;
        let range = "a method that leaves captions where they are";
        check(!beside.moves_text(), "beside.kind", beside.name(), range)
    }

    fn version(&self) -> String {
        let own = format!("{} {}", Self::KIND, Self::VERSION);
        match &self.beside {
            None => own,
            Some(beside) => format!("{own} beside {}", beside.method_version()),
        }
    }

    fn bridges_text(&self) -> bool {
        self.beside.as_ref().is_some_and(BridgeConfig::bridges_text)
    }

    fn fit(
        &self,
        pairs: &Pairs,
        context: &TrainContext<'_>,
    ) -> Result<Box<dyn FittedMethod>, BridgeError> {
        let beside =
            self.beside.as_ref().map(|beside| beside.fit_method(pairs, context)).transpose()?;
        let (kernels, mut regressions) = self.regressions(pairs, context.seed)?;
        let split = &pairs.validation;
        let rows = regressions.iter().map(|regression| Ok(regression.apply(&split.audio)));
        let (best, scores) = choose(self.select, split, split, rows)?;
        let (kernel, regression) = (kernels[best], regressions.swap_remove(best));
        let alone: Vec<Choice> =
            kernels.iter().map(|&kernel| Choice { kernel, share: 1.0 }).collect();
        let Some(beside) = beside else {
            let report = MethodReport::choice(&alone, scores, best);
            return Ok(Box::new(KernelRidge { beside: None, regression, share: 1.0, report }));
        };
        let noise = RowNoise { seed: context.seed, items: &split.items };
        let own = l2_normalise(&regression.apply(&split.audio));
        let other = l2_normalise(&tch::no_grad(|| beside.apply(&split.audio, noise))?);
        let mixed = self.shares.iter().map(|&share| Ok(mean_of(share, &own, &other)));
        let (best, mixed_scores) = choose(self.select, split, split, mixed)?;
        let share = self.shares[best];
        let mixed = self.shares.iter().map(|&share| Choice { kernel, share });
        let all: Vec<Choice> = alone.iter().copied().chain(mixed).collect();
        let scores = scores.into_iter().chain(mixed_scores).collect();
        let report = MethodReport {
            of: Some(Box::new(beside.report())),
            ..MethodReport::choice(&all, scores, alone.len() + best)
        };
        Ok(Box::new(KernelRidge { beside: Some(beside), regression, share, report }))
    }

    fn load(&self, mut stored: Stored<'_>) -> Result<Box<dyn FittedMethod>, BridgeError> {
        let key = "temperatures, lambdas and shares";
        let choice = stored.chosen(key, |choice: &Choice| {
            let Kernel { temperature, lambda } = choice.kernel;
            let share = match &self.beside {
                None => choice.share == 1.0,
                Some(_) => self.shares.contains(&choice.share),
            };
            self.temperatures.contains(&temperature) && self.lambdas.contains(&lambda) && share
        })?;
        let dim = stored.dim as i64;
        let landmarks = stored.take("landmarks", &[-1, dim])?;
        let regression = Regression {
            temperature: choice.kernel.temperature,
            weights: stored.take("weights", &[landmarks.size()[0], dim])?,
            mean: stored.take("mean", &[dim])?,
            landmarks,
        };
        let report = stored.report.clone();
        let beside = match &self.beside {
            None => None,
            Some(beside) => Some(beside.load_method(stored.inner())?),
        };
        Ok(Box::new(KernelRidge { beside, regression, share: choice.share, report }))
    }
}

impl KernelRidgeConfig {
    /// A regression for each temperature and penalty.
    fn regressions(
        &self,
        pairs: &Pairs,
        seed: u64,
    ) -> Result<(Vec<Kernel>, Vec<Regression>), BridgeError> {
        let split = &pairs.train;
        let clips = split.audio.size()[0] as usize;
        let mut chosen = Noise::new(seed, "kernel_ridge/landmarks").permutation(0, clips);
        chosen.truncate(self.landmarks);
        chosen.sort_unstable();
        let audio = exact(&split.audio);
        let landmarks = audio.index_select(0, &convert::indices(&chosen, Device::Cpu));
        let (counts, sums, mean) = captions_by_clip(split);
        let kept = |x: &Tensor| x.to_kind(Kind::Float).to_device(pairs.device);
        let (mut kernels, mut regressions) = (Vec::new(), Vec::new());
        for &temperature in &self.temperatures {
            let system = System::new(&audio, &landmarks, (&counts, &sums), temperature)?;
            for &lambda in &self.lambdas {
                kernels.push(Kernel { temperature, lambda });
                regressions.push(Regression {
                    temperature,
                    landmarks: kept(&landmarks),
                    weights: kept(&system.solve(lambda)?),
                    mean: kept(&mean),
                });
            }
        }
        Ok((kernels, regressions))
    }
}

/// How many captions each clip has, `[clips, 1]`, and the sum of theirs without the mean of all,
/// `[clips, dim]`; the mean, `[dim]`.
fn captions_by_clip(split: &Split) -> (Tensor, Tensor, Tensor) {
    let (text, owners) = (exact(&split.text), split.owners.to_device(Device::Cpu));
    let mean = moments::mean(&text);
    let clips = split.audio.size()[0];
    let zeros = |columns: i64| Tensor::zeros([clips, columns], (Kind::Double, Device::Cpu));
    let ones = Tensor::ones([text.size()[0], 1], (Kind::Double, Device::Cpu));
    let counts = zeros(1).index_add(0, &owners, &ones);
    let sums = zeros(text.size()[1]).index_add(0, &owners, &(text - &mean));
    (counts, sums, mean)
}

/// The normal equations of one kernel, in the coordinates in which the landmarks' own kernel is the
/// identity: (A + lambda I) w = b.
struct System {
    /// The lower Cholesky factor of the landmarks' own kernel.
    factor: Tensor,
    /// A, `[landmarks, landmarks]`.
    gram: Tensor,
    /// b, `[landmarks, dim]`.
    target: Tensor,
}

impl System {
    fn new(
        audio: &Tensor,
        landmarks: &Tensor,
        (counts, sums): (&Tensor, &Tensor),
        temperature: f64,
    ) -> Result<Self, BridgeError> {
        let (clips, carried) = (audio.size()[0], landmarks.size()[0]);
        let eye = Tensor::eye(carried, (Kind::Double, Device::Cpu));
        let own = kernel(landmarks, landmarks, temperature) + eye * LIFT;
        let factor = own.f_linalg_cholesky(false)?;
        let mut gram = Tensor::zeros([carried, carried], (Kind::Double, Device::Cpu));
        let mut target = Tensor::zeros([carried, sums.size()[1]], (Kind::Double, Device::Cpu));
        for start in (0..clips).step_by(CHUNK as usize) {
            let part = |of: &Tensor| of.narrow(0, start, CHUNK.min(clips - start));
            let rows = kernel(&part(audio), landmarks, temperature);
            gram += rows.tr().matmul(&(&rows * part(counts)));
            target += rows.tr().matmul(&part(sums));
        }
        let whitened = |x: &Tensor| factor.f_linalg_solve_triangular(x, false, true, false);
        let gram = whitened(&whitened(&gram)?.tr())?;
        Ok(Self { gram: (&gram + gram.tr()) * 0.5, target: whitened(&target)?, factor })
    }

    /// What each landmark's kernel is weighed with, `[landmarks, dim]`.
    fn solve(&self, lambda: f64) -> Result<Tensor, BridgeError> {
        let eye = Tensor::eye(self.gram.size()[0], (Kind::Double, Device::Cpu));
        let factor = (&self.gram + eye * lambda).f_linalg_cholesky(false)?;
        let solved = self.target.f_cholesky_solve(&factor, false)?;
        Ok(self.factor.tr().f_linalg_solve_triangular(&solved, true, true, false)?)
    }
}

/// `[rows, landmarks]` of unit rows.
fn kernel(rows: &Tensor, landmarks: &Tensor, temperature: f64) -> Tensor {
    ((rows.matmul(&landmarks.tr()) - 1.0) / temperature).exp()
}

impl Regression {
    /// Unit rows `[rows, dim]` to `[rows, dim]`, not normalised.
    fn apply(&self, rows: &Tensor) -> Tensor {
        kernel(rows, &self.landmarks, self.temperature).matmul(&self.weights) + &self.mean
    }
}

/// The mean of unit rows, of which the first have a share; not normalised.
fn mean_of(share: f64, own: &Tensor, other: &Tensor) -> Tensor {
    own * share + other * (1.0 - share)
}

impl FittedMethod for KernelRidge {
    fn apply(&self, audio: &Tensor, noise: RowNoise<'_>) -> Result<Tensor, BridgeError> {
        let own = self.regression.apply(audio);
        let Some(beside) = &self.beside else { return Ok(own) };
        let other = l2_normalise(&beside.apply(audio, noise)?);
        Ok(mean_of(self.share, &l2_normalise(&own), &other))
    }

    /// A regression knows audio alone: a caption counts as what it would make of it.
    fn text_through(
        &self,
        text: &Tensor,
        noise: RowNoise<'_>,
    ) -> Option<Result<Tensor, BridgeError>> {
        let rows = self.beside.as_ref()?.text_through(text, noise)?;
        Some(rows.map(|rows| mean_of(self.share, text, &l2_normalise(&rows))))
    }

    fn tensors(&self) -> Tensors {
        let Regression { landmarks, weights, mean, .. } = &self.regression;
        let mut tensors = self.beside.as_deref().map(inner_tensors).unwrap_or_default();
        for (name, tensor) in [("landmarks", landmarks), ("weights", weights), ("mean", mean)] {
            tensors.insert(name.into(), tensor.shallow_clone());
        }
        tensors
    }

    fn report(&self) -> MethodReport {
        self.report.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two clips at a right angle with one caption each, of two dimensions.
    #[test]
    fn two_clips_by_hand() {
        let audio = Tensor::eye(2, (Kind::Double, Device::Cpu));
        let text = Tensor::from_slice(&[2.0_f64, 0.0, 0.0, 4.0]).view([2, 2]);
        let mean = moments::mean(&text);
        let counts = Tensor::ones([2, 1], (Kind::Double, Device::Cpu));
        let system = System::new(&audio, &audio, (&counts, &(&text - &mean)), 0.5).unwrap();
        // K = [[1, q], [q, 1]] with q = exp(-2), and targets +-(1, -2): the weights are
        // +-(1, -2) / (1 - q + lambda).
        let weights = system.solve(0.25).unwrap();
        let expected = 1.0 / (1.25 - (-2.0_f64).exp());
        let expected = Tensor::from_slice(&[1.0, -2.0, -1.0, 2.0]).view([2, 2]) * expected;
        let off = (&weights - expected).abs().max().double_value(&[]);
        assert!(off < 1e-7, "{off:e}");
    }

    #[test]
    fn fewer_landmarks_than_clips_are_fitted_to_all_clips() {
        let noise = Noise::new(0, "test/landmarks");
        let rows = |step| {
            let items: Vec<u64> = (0..50).collect();
            let rows = Tensor::from_slice(&noise.normal_rows(&items, step, 5)).view([50, 5]);
            l2_normalise(&rows).to_kind(Kind::Double)
        };
        let (audio, text) = (rows(0), rows(1));
        let (landmarks, lambda) = (audio.narrow(0, 0, 12), 0.3);
        let counts = Tensor::ones([50, 1], (Kind::Double, Device::Cpu));
        let system = System::new(&audio, &landmarks, (&counts, &text), 0.5).unwrap();
        let weights = system.solve(lambda).unwrap();
        // Where |K w - Y|^2 + lambda w' M w is least, its gradient is zero; K is the kernel of
        // clips and landmarks, M that of the landmarks.
        let all = kernel(&audio, &landmarks, 0.5);
        let own = kernel(&landmarks, &landmarks, 0.5).matmul(&weights) * lambda;
        let gradient = all.tr().matmul(&(all.matmul(&weights) - &text)) + own;
        let largest = |x: &Tensor| x.abs().max().double_value(&[]);
        let off = largest(&gradient) / largest(&all.tr().matmul(&text));
        assert!(off < 1e-6, "{off:e}");
    }

    #[test]
    fn a_clip_counts_once_for_each_of_its_captions() {
        let split = |audio: &[f64], text: &[f64], owners: &[i64]| Split {
            audio: Tensor::from_slice(audio).view([-1, 2]),
            text: Tensor::from_slice(text).view([-1, 2]),
            owners: Tensor::from_slice(owners),
            items: Vec::new(),
        };
        let once = split(&[1.0, 0.0, 0.0, 1.0], &[1.0, 0.0, 0.0, 1.0, 0.6, 0.8], &[0, 1, 1]);
        let twice =
            split(&[1.0, 0.0, 0.0, 1.0, 0.0, 1.0], &[1.0, 0.0, 0.0, 1.0, 0.6, 0.8], &[0, 1, 2]);
        let landmarks = exact(&once.audio);
        let weights = |split: &Split| {
            let (counts, sums, _) = captions_by_clip(split);
            System::new(&exact(&split.audio), &landmarks, (&counts, &sums), 0.5)
                .unwrap()
                .solve(0.1)
                .unwrap()
        };
        let off = (weights(&once) - weights(&twice)).abs().max().double_value(&[]);
        assert!(off < 1e-12, "{off:e}");
    }
}
