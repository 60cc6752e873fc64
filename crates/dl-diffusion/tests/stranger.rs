//! A bridge method and a sampler from outside of the crate: registered in one line each,
//! then read, listed, fitted, saved and loaded as the built-in ones are.

mod toy;

use dl_core::{ConfigError, fault::check};
use dl_diffusion::{
    Bridge, BridgeConfig, BridgeData, BridgeError, RowNoise,
    data::Pairs,
    method::{BridgeMethod, FittedMethod, MethodReport, Stored},
    register_bridge, register_sampler,
    samplers::{Denoiser, Sampler, SamplerConfig, check_span, noised},
};
use dl_torch::{TrainContext, tensor_file::Tensors};
use serde::{Deserialize, Serialize};
use tch::{Device, Kind, Tensor};
use toy::{context, set};

/// Adds a share of the difference of the means.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct PartialShift {
    share: f64,
}

impl Default for PartialShift {
    fn default() -> Self {
        Self { share: 0.5 }
    }
}

struct Shifted(Tensor);

register_bridge!(PartialShift);

impl BridgeMethod for PartialShift {
    const KIND: &'static str = "partial_shift";
    const VERSION: u32 = 1;

    fn validate(&self) -> Result<(), ConfigError> {
        check((0.0..=1.0).contains(&self.share), "share", self.share, "in [0, 1]")
    }

    fn fit(
        &self,
        pairs: &Pairs,
        _: &TrainContext<'_>,
    ) -> Result<Box<dyn FittedMethod>, BridgeError> {
        let mean = |rows: &Tensor| rows.mean_dim(0, false, Kind::Float);
        let shift = mean(&pairs.train.text) - mean(&pairs.train.audio);
        Ok(Box::new(Shifted(shift * self.share)))
    }

    fn load(&self, mut stored: Stored<'_>) -> Result<Box<dyn FittedMethod>, BridgeError> {
        Ok(Box::new(Shifted(stored.take("shift", &[stored.dim as i64])?)))
    }
}

impl FittedMethod for Shifted {
    fn apply(&self, audio: &Tensor, _: RowNoise<'_>) -> Result<Tensor, BridgeError> {
        Ok(audio + &self.0)
    }

    fn tensors(&self) -> Tensors {
        Tensors::from([("shift".to_owned(), self.0.shallow_clone())])
    }

    fn report(&self) -> MethodReport {
        MethodReport::default()
    }
}

/// One network call on rows that are scaled as noised ones are, without any noise.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Noiseless {
    timestep: usize,
}

register_sampler!(Noiseless);

impl Sampler for Noiseless {
    const KIND: &'static str = "noiseless";

    fn validate(&self, timesteps: usize) -> Result<(), ConfigError> {
        check_span(self.timestep, 1, timesteps)
    }

    fn sample(
        &self,
        denoiser: &Denoiser<'_>,
        start: &Tensor,
        _: &dyn Fn(u64) -> Tensor,
    ) -> Result<Tensor, BridgeError> {
        let x_t = noised(denoiser, start, self.timestep, &start.zeros_like())?;
        let kept = denoiser.process.respaced(self.timestep, 1)?;
        Ok(denoiser.predict(&kept, x_t, 0).1)
    }
}

#[test]
fn a_bridge_from_outside_is_a_bridge() {
    assert_eq!(BridgeConfig::kinds().first(), Some(&"none"));
    assert_eq!(BridgeConfig::kinds().last(), Some(&"partial_shift"));
    assert_eq!(BridgeConfig::of_kind("partial_shift").unwrap().name(), "partial_shift");
    let config: BridgeConfig = toml::from_str("kind = \"partial_shift\"\nshare = 1.0").unwrap();
    assert_eq!(config.version().split(',').next(), Some("partial_shift 1"));
    let (train, validation) = (set("train", 60, 1), set("validation", 20, 1));
    let data = BridgeData::new(&train, &validation);
    let bridge = config.fit(&data, &context(0)).unwrap();
    let whole = BridgeConfig::of_kind("embedding_shift").unwrap();
    let whole = whole.fit(&data, &context(0)).unwrap().apply_set(&validation, 0).unwrap();
    let moved = bridge.apply_set(&validation, 0).unwrap();
    assert!((&moved.audio - &whole.audio).iter().all(|x| x.abs() < 1e-6));
    let file = tempfile::NamedTempFile::new().unwrap();
    bridge.save(file.path()).unwrap();
    let again = Bridge::load(file.path(), Device::Cpu).unwrap();
    assert_eq!(again.apply_set(&validation, 0).unwrap(), moved);
    // Built-in methods can stand on it, and faults in it are named as theirs are.
    let text = "kind = \"retrieval\"\n[of]\nkind = \"partial_shift\"\nshare = 2.0";
    let error = toml::from_str::<BridgeConfig>(text).unwrap().validate().unwrap_err();
    assert_eq!(error.to_string(), "of.share = 2: must be in [0, 1]");
    let error = toml::from_str::<BridgeConfig>("kind = \"partial_shift\"\nshare = \"all\"");
    let expected = "share: invalid type: string \"all\", expected f64";
    assert!(error.unwrap_err().message().starts_with(expected));
}

#[test]
fn a_sampler_from_outside_is_a_candidate() {
    assert!(SamplerConfig::kinds().contains(&"noiseless"));
    let config: BridgeConfig = toml::from_str(
        "kind = \"diffusion_link\"\nnetwork = { hidden = 32 }\n\
         train = { steps = 20, batch = 32 }\n[[candidates]]\nkind = \"noiseless\"\ntimestep = 50",
    )
    .unwrap();
    let (train, validation) = (set("train", 60, 1), set("validation", 20, 1));
    let bridge = config.fit(&BridgeData::new(&train, &validation), &context(0)).unwrap();
    let chosen = &bridge.report().method.chosen;
    assert_eq!(*chosen, serde_json::json!({ "kind": "noiseless", "timestep": 50 }));
    // It draws nothing, so that the seed does not matter.
    assert_eq!(
        bridge.apply_set(&validation, 0).unwrap(),
        bridge.apply_set(&validation, 1).unwrap()
    );
}
