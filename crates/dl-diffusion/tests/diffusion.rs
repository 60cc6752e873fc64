//! Schedules, process, network and samplers against diffusers, PyTorch and hand
//! arithmetic.

use std::path::Path;

use dl_core::{ConfigError, noise::Noise};
use dl_diffusion::{
    RowNoise,
    bridges::DiffusionLinkConfig,
    network::{Network, NetworkConfig, sinusoidal},
    process::{Prediction, Process},
    samplers::{Ddim, Denoiser, MeanOfDraws, OneStep, Sampler, SamplerConfig},
    schedule::{Schedule, ScheduleConfig, ScheduleKind},
};
use dl_torch::{Params, layers::Precision, tensor_file};
use proptest::prelude::*;
use serde_json::Value;
use tch::{Device, Kind, Tensor};

fn numbers(value: &Value) -> Vec<f64> {
    let values = value.as_array().expect("a list");
    values.iter().map(|x| x.as_f64().expect("a number")).collect()
}

fn largest_difference(a: &Tensor, b: &Tensor) -> f64 {
    assert_eq!(a.size(), b.size());
    (a - b).abs().max().double_value(&[])
}

#[test]
fn alpha_bars_match_diffusers() {
    let golden: Value = serde_json::from_str(include_str!("golden/schedules.json")).unwrap();
    for (name, kind) in [
        ("linear", ScheduleKind::Linear),
        ("scaled_linear", ScheduleKind::ScaledLinear),
        ("cosine", ScheduleKind::Cosine),
        ("sigmoid", ScheduleKind::Sigmoid),
    ] {
        let schedule = ScheduleConfig { kind, ..ScheduleConfig::default() }.build().unwrap();
        for (timestep, expected) in numbers(&golden["kept"]).iter().zip(numbers(&golden[name])) {
            let got = schedule.alpha_bars()[*timestep as usize];
            assert!((got - expected).abs() < 1e-12, "{name} at {timestep}: {got}, {expected}");
        }
    }
}

#[test]
fn a_beta_outside_of_its_range_is_refused() {
    for beta in [0.0, -0.1, 1.1, f64::NAN] {
        let error = Schedule::new(vec![0.1, beta]).unwrap_err().to_string();
        assert!(error.contains("at timestep 1: must be in (0, 1]"), "{error}");
    }
    assert!(Schedule::new(vec![]).is_err());
    assert_eq!(Schedule::new(vec![0.5, 1.0]).unwrap().alpha_bars(), [0.5, 0.0]);
}

#[test]
fn respacing_keeps_the_timesteps_of_diffusion_bridge() {
    let process = Process::new(&ScheduleConfig::default().build().unwrap());
    let timesteps = |timestep, steps| {
        let kept = process.respaced(timestep, steps).unwrap();
        (0..kept.len()).rev().map(|step| kept.timestep(step)).collect::<Vec<_>>()
    };
    assert_eq!(timesteps(599, 5), [599, 479, 359, 239, 119]);
    assert_eq!(timesteps(50, 1), [50]);
    assert_eq!(timesteps(2, 3), [2, 1, 0]);
    let kept = process.respaced(599, 5).unwrap();
    assert_eq!(kept.alpha_bar_before(0), 1.0);
    assert_eq!(kept.alpha_bar_before(1), process.alpha_bar(119));
    for (timestep, steps) in [(1000, 1), (5, 7), (5, 0)] {
        assert!(matches!(process.respaced(timestep, steps), Err(ConfigError { .. })));
    }
}

proptest! {
    #[test]
    fn the_three_predictions_say_the_same(
        step in 0_usize..1000,
        x0 in prop::collection::vec(-3.0_f64..3.0, 6),
        noise in prop::collection::vec(-3.0_f64..3.0, 6),
    ) {
        let process = Process::new(&ScheduleConfig::default().build().unwrap());
        let rows = |values: &[f64]| Tensor::from_slice(values).view([2, 3]);
        let (x0, noise) = (rows(&x0), rows(&noise));
        let x_t = process.q_sample(&x0, step, &noise);
        let v = process.predict_v(&x_t, step, &x0);
        prop_assert!(largest_difference(&process.predict_eps(&x_t, step, &x0), &noise) < 1e-9);
        for (prediction, output) in
            [(Prediction::X0, &x0), (Prediction::Eps, &noise), (Prediction::V, &v)]
        {
            let back = process.predict_x0(prediction, &x_t, step, output);
            prop_assert!(largest_difference(&back, &x0) < 1e-9);
        }
        // The batched form at mixed timesteps agrees with the one at a single timestep.
        let table = process.coefficients(Kind::Double, Device::Cpu);
        let timesteps = Tensor::from_slice(&[step as i64, 999 - step as i64]);
        let mixed = table.q_sample(&x0, &timesteps, &noise);
        let first = mixed.narrow(0, 0, 1);
        prop_assert!(largest_difference(&first, &x_t.narrow(0, 0, 1)) < 1e-12);
        let back = table.predict_x0(Prediction::V, &x_t, &timesteps, &v).narrow(0, 0, 1);
        prop_assert!(largest_difference(&back, &x0.narrow(0, 0, 1)) < 1e-9);
    }
}

#[test]
fn the_network_has_the_size_of_paper_md() {
    let params = Params::new(0, Device::Cpu);
    Network::new(&params.root(), 512, &NetworkConfig::default(), true);
    assert_eq!(params.count(), 9_725_440);
}

#[test]
fn the_network_matches_pytorch() {
    let path = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/network.safetensors"));
    let (mut golden, _) = tensor_file::read(path, Device::Cpu).unwrap();
    let mut take = |name: &str| golden.remove(name).unwrap();
    let (x, timesteps, y) = (take("x"), take("timesteps"), take("y"));
    let weights = golden
        .into_iter()
        .map(|(name, value)| (name.strip_prefix("weights.").unwrap().to_owned(), value))
        .collect();
    let params = Params::new(0, Device::Cpu);
    let config = NetworkConfig { hidden: 10, ..NetworkConfig::default() };
    let network = Network::new(&params.root(), 6, &config, true);
    assert_eq!(network.forward(&x, &timesteps).abs().max().double_value(&[]), 0.0);
    params.restore(&weights, path).unwrap();
    let difference = largest_difference(&network.forward(&x, &timesteps), &y);
    assert!(difference < 1e-5, "{difference}");
    // One timestep for all rows is the same as the timestep repeated, and a frozen network
    // remembers each timestep as its own.
    let repeated = |timestep: i64| network.forward(&x, &Tensor::from_slice(&[timestep; 4]));
    let fresh = network.forward_at(&x, 7);
    assert!(largest_difference(&fresh, &repeated(7)) < 1e-6);
    network.freeze();
    for timestep in [7, 50, 7] {
        let known = network.forward_at(&x, timestep);
        assert!(largest_difference(&known, &repeated(timestep as i64)) < 1e-6);
    }
    assert!(network.forward_at(&x, 7).equal(&fresh), "bits differ");
}

#[test]
fn in_bfloat16_the_network_differs_by_roundings_and_still_learns() {
    let network = |precision| {
        let params = Params::new(3, Device::Cpu);
        let config = NetworkConfig { hidden: 64, blocks: 3, precision };
        let network = Network::new(&params.root(), 32, &config, true);
        // Layers that begin at zero would hide everything before them.
        tch::no_grad(|| {
            for (place, (_, mut weight)) in params.named().into_iter().enumerate() {
                let noise = Noise::new(4, "weights");
                let values = noise.normal_rows(&[place as u64], 0, weight.numel());
                weight.copy_(&(Tensor::from_slice(&values).view_as(&weight) * 0.1));
            }
        });
        (params, network)
    };
    let (_exact, exact) = network(Precision::F32);
    let (params, rounding) = network(Precision::Bf16);
    let x = Tensor::from_slice(&Noise::new(5, "x").normal_rows(&[0], 0, 8 * 32)).view([8, 32]);
    let (expected, got) = (exact.forward_at(&x, 7), rounding.forward_at(&x, 7));
    assert_eq!(got.kind(), Kind::Float);
    // A rounding is at most 2^-9 of a number; nine layers add up to a few of them.
    let off = largest_difference(&expected, &got) / expected.abs().max().double_value(&[]);
    assert!(off > 1e-5 && off < 0.02, "{off}");
    got.square().mean(Kind::Float).backward();
    for (name, weight) in params.named() {
        let gradient = weight.grad();
        assert!(gradient.defined() && gradient.kind() == Kind::Float, "{name}");
        assert!(gradient.abs().max().double_value(&[]) > 0.0, "{name}");
    }
    rounding.freeze();
    assert!(rounding.forward_at(&x, 7).equal(&got), "frozen weights give other bits");
}

#[test]
fn time_embeddings_by_hand() {
    // Frequencies 1 and 1/100; cosines, then sines.
    let got = sinusoidal(&Tensor::from_slice(&[0_i64, 50]), 4);
    let expected = [1.0, 1.0, 0.0, 0.0, 50_f64.cos(), 0.5_f64.cos(), 50_f64.sin(), 0.5_f64.sin()];
    let expected = Tensor::from_slice(&expected).view([2, 4]).to_kind(Kind::Float);
    assert!(largest_difference(&got, &expected) < 1e-6);
}

/// Runs every case of a golden file on the schedule that it was made with.
fn matches_golden(golden: &str, schedule: &ScheduleConfig, count: usize) {
    let golden: Value = serde_json::from_str(golden).expect("a golden file");
    let (rows, dim) = (
        golden["rows"].as_i64().expect("a golden file"),
        golden["dim"].as_i64().expect("a golden file"),
    );
    let matrix = |value: &Value, shape: &[i64]| Tensor::from_slice(&numbers(value)).view(shape);
    let start = matrix(&golden["start"], &[rows, dim]);
    let weight = matrix(&golden["weight"], &[dim, dim]);
    let process = Process::new(&schedule.build().expect("a golden file"));
    let cases = golden["cases"].as_array().expect("a golden file");
    assert_eq!(cases.len(), count);
    for case in cases {
        let prediction = serde_json::from_value(case["prediction"].clone()).expect("a golden file");
        let sampler: SamplerConfig =
            serde_json::from_value(case["sampler"].clone()).expect("a golden file");
        let steps = case["steps"].as_i64().expect("a golden file");
        let noise = matrix(&case["noise"], &[steps, rows, dim]);
        let seen = std::cell::RefCell::new(Vec::new());
        let network = |x: &Tensor, timestep: usize| {
            seen.borrow_mut().push(timestep as f64);
            x.matmul(&weight) + timestep as f64 / 1000.0
        };
        let denoiser = Denoiser { process: &process, prediction, network: &network, norm: None };
        let output = sampler
            .sample(&denoiser, &start, &|draw| noise.get(draw as i64))
            .expect("a golden file");
        assert_eq!(*seen.borrow(), numbers(&case["timesteps"]));
        let expected = matrix(&case["output"], &[rows, dim]);
        let scale = expected.abs().max().double_value(&[]).max(1.0);
        let difference = largest_difference(&output, &expected) / scale;
        assert!(difference < 1e-9, "{sampler:?}, {prediction:?}: {difference}");
    }
}

#[test]
fn every_sampler_matches_diffusers_from_the_middle_of_the_chain() {
    // Three spans, three predictions, DDIM without and with eta, DDPM, DPM-Solver++.
    matches_golden(include_str!("golden/samplers.json"), &ScheduleConfig::default(), 36);
}

#[test]
fn every_sampler_matches_its_paper_on_the_default_schedule_of_diffusion_link() {
    let schedule = DiffusionLinkConfig::default().schedule;
    assert_eq!(schedule.kind, ScheduleKind::Cosine);
    matches_golden(include_str!("golden/samplers_default.json"), &schedule, 48);
}

#[test]
fn rows_come_back_to_their_norm_before_each_call() {
    let process = Process::new(&ScheduleConfig::default().build().unwrap());
    let norms = std::cell::RefCell::new(Vec::new());
    let network = |x: &Tensor, _: usize| {
        norms.borrow_mut().push(x.norm().double_value(&[]));
        x * 0.1
    };
    let denoiser = Denoiser {
        process: &process,
        prediction: Prediction::X0,
        network: &network,
        norm: Some(5.0),
    };
    let sampler = Ddim { timestep: 599, steps: 5, eta: 0.0 };
    let x = Tensor::from_slice(&[3.0_f64, 4.0, 12.0]).view([1, 3]);
    let output = sampler.denoise(&denoiser, x, &|_| panic!("eta 0 draws nothing")).unwrap();
    assert_eq!(norms.borrow().len(), 5);
    assert!(norms.borrow().iter().all(|norm| (norm - 5.0).abs() < 1e-12), "{norms:?}");
    // The direction never changes, so the last answer is a tenth of the norm along it.
    let expected = Tensor::from_slice(&[3.0_f64, 4.0, 12.0]).view([1, 3]) * (0.5 / 13.0);
    assert!(largest_difference(&output, &expected) < 1e-12);
}

#[test]
fn one_step_is_the_prediction_at_its_timestep() {
    let process = Process::new(&ScheduleConfig::default().build().unwrap());
    let network = |x: &Tensor, timestep: usize| x * 2.0 + timestep as f64;
    let denoiser =
        Denoiser { process: &process, prediction: Prediction::X0, network: &network, norm: None };
    let start = Tensor::from_slice(&[1.0_f64, -1.0]).view([1, 2]);
    let noise = Tensor::from_slice(&[0.5_f64, 0.25]).view([1, 2]);
    let sampler = OneStep { timestep: 50 };
    let output = sampler.sample(&denoiser, &start, &|_| noise.shallow_clone()).unwrap();
    let expected = process.q_sample(&start, 50, &noise) * 2.0 + 50.0;
    assert!(largest_difference(&output, &expected) < 1e-12);
}

#[test]
fn the_mean_of_draws_is_the_mean_of_single_steps() {
    let process = Process::new(&ScheduleConfig::default().build().unwrap());
    let network = |x: &Tensor, _: usize| x.square();
    let denoiser =
        Denoiser { process: &process, prediction: Prediction::X0, network: &network, norm: None };
    let start = Tensor::from_slice(&[1.0_f64, -1.0]).view([1, 2]);
    let noise = |draw: u64| Tensor::from_slice(&[0.5 * draw as f64, -1.0]).view([1, 2]);
    let sampler = MeanOfDraws { timestep: 400, draws: 3 };
    let output = sampler.sample(&denoiser, &start, &noise).unwrap();
    let single = |draw| process.q_sample(&start, 400, &noise(draw)).square();
    let expected = (single(0) + single(1) + single(2)) / 3.0;
    assert!(largest_difference(&output, &expected) < 1e-12);
    let error = MeanOfDraws { timestep: 400, draws: 0 }.validate(1000).unwrap_err();
    assert!(error.to_string().contains("draws"), "{error}");
}

#[test]
fn noise_belongs_to_the_item_and_not_to_its_batch() {
    let items: Vec<u64> = (0..64).map(|i| dl_core::noise::item_of(&format!("clip {i}"))).collect();
    let together = RowNoise { seed: 3, items: &items }.draw(2, 16, Device::Cpu);
    let alone = std::thread::scope(|scope| {
        let draw = |row: usize| {
            let items = &items[row..=row];
            scope.spawn(move || RowNoise { seed: 3, items }.draw(2, 16, Device::Cpu))
        };
        (0..64).rev().map(draw).map(|thread| thread.join().unwrap()).collect::<Vec<_>>()
    });
    let alone = Tensor::cat(&alone.iter().rev().collect::<Vec<_>>(), 0);
    assert!(together.equal(&alone), "bits differ");
    let other = RowNoise { seed: 4, items: &items }.draw(2, 16, Device::Cpu);
    assert!(!together.equal(&other));
}
