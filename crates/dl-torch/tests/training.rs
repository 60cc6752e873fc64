//! AdamW against torch, and the training loop: exact resume, order, faults.

use std::path::Path;

use dl_core::Fingerprint;
use dl_torch::{
    Params, Subject, TorchError, TrainConfig, TrainContext, TrainReport,
    layers::{Init, Linear},
    optim::{AdamW, AdamWConfig},
    train::{RateSchedule, fit},
};
use tch::{Device, Kind, Reduction, Tensor};

#[test]
fn adamw_matches_torch() {
    let golden: serde_json::Value =
        serde_json::from_str(include_str!("golden/adamw.json")).unwrap();
    let list = |value: &serde_json::Value| -> Vec<f64> {
        value.as_array().unwrap().iter().map(|x| x.as_f64().unwrap()).collect()
    };
    let params = Params::new(0, Device::Cpu);
    let mut parameter = params.root().zeros("x", &[4]);
    tch::no_grad(|| parameter.copy_(&Tensor::from_slice(&list(&golden["start"]))));
    let config = AdamWConfig { weight_decay: 0.03, beta1: 0.8, beta2: 0.99, epsilon: 1e-6 };
    let mut optimizer = AdamW::new(&params, config);
    for (step, rate) in list(&golden["rates"]).into_iter().enumerate() {
        optimizer.zero_grad();
        let gradient = Tensor::from_slice(&list(&golden["gradients"][step])).to_kind(Kind::Float);
        (&parameter * gradient).sum(Kind::Float).backward();
        optimizer.step(rate);
        for (index, expected) in list(&golden["values"][step]).into_iter().enumerate() {
            let got = parameter.double_value(&[index as i64]);
            assert!((got - expected).abs() < 1e-6, "step {step}: {got} against {expected}");
        }
    }
}

struct Toy {
    params: Params,
    layer: Linear,
    x: Tensor,
    y: Tensor,
}

/// How one training of the toy differs from another.
#[derive(Clone, Copy)]
struct How<'a> {
    label: &'a str,
    stream: &'static str,
    checkpoint: Option<&'a Path>,
    /// Fails on purpose when this step begins.
    kill_at: Option<u64>,
    seed: u64,
    learning_rate: f64,
    configuration: u64,
    data: u64,
}

const PLAIN: How<'_> = How {
    label: "",
    stream: "toy",
    checkpoint: None,
    kill_at: None,
    seed: 4,
    learning_rate: 0.05,
    configuration: 0,
    data: 0,
};

impl Toy {
    fn new() -> Self {
        let params = Params::new(1, Device::Cpu);
        let layer = Linear::new(&(&params.root() / "layer"), 3, 2, Init::Uniform);
        let x = Tensor::from_slice(&dl_core::noise::Noise::new(0, "x").normal_rows(
            &(0..32).collect::<Vec<_>>(),
            0,
            3,
        ));
        let x = x.view([32, 3]);
        let y = x.narrow(1, 0, 2).tanh();
        Self { params, layer, x, y }
    }

    /// Trains, and returns the batches too.
    fn train(&self, how: How<'_>) -> (Result<TrainReport, TorchError>, Vec<Vec<usize>>) {
        let config = TrainConfig {
            steps: 10,
            batch: 5,
            validate_every: 2,
            checkpoint_every: 3,
            learning_rate: how.learning_rate,
            ..TrainConfig::default()
        };
        let mut context = TrainContext::new(how.seed).named(how.label);
        context.checkpoint = how.checkpoint.map(Path::to_owned);
        let error = |rows: &Tensor| {
            let (x, y) = (self.x.index_select(0, rows), self.y.index_select(0, rows));
            self.layer.forward(&x).mse_loss(&y, Reduction::Mean)
        };
        let mut batches = Vec::new();
        let report = fit(
            &self.params,
            &config,
            &context,
            &Subject {
                stream: how.stream,
                items: 32,
                configuration: &|| Fingerprint::of(&how.configuration),
                data: &|| Ok(Fingerprint::of(&how.data)),
            },
            |step, batch| {
                if how.kill_at == Some(step) {
                    return Err(TorchError::Torch("killed".into()));
                }
                batches.push(batch.to_vec());
                Ok(error(&dl_torch::convert::indices(batch, Device::Cpu)))
            },
            || {
                let all = Tensor::arange(32, (Kind::Int64, Device::Cpu));
                Ok(error(&all).double_value(&[]))
            },
        );
        (report, batches)
    }
}

#[test]
fn an_interrupted_training_ends_with_the_same_bits() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("checkpoint.safetensors");
    let kept = How { checkpoint: Some(&path), ..PLAIN };
    let straight = Toy::new();
    let (report, batches) = straight.train(PLAIN);
    let report = report.unwrap();
    assert_eq!(report.history.len(), 5);

    let first = Toy::new();
    assert!(first.train(How { kill_at: Some(5), ..kept }).0.is_err());
    // A new process has other memory and fresh parameters.
    let second = Toy::new();
    let (resumed, later) = second.train(kept);
    assert_eq!(resumed.unwrap(), report);
    assert_eq!(later, batches[3..], "it goes on from the checkpoint at step 3");
    assert_eq!(second.params.fingerprint().unwrap(), straight.params.fingerprint().unwrap());
    // A finished training is read back, not run again.
    let third = Toy::new();
    let (again, none) = third.train(kept);
    assert_eq!(again.unwrap(), report);
    assert!(none.is_empty());
    assert_eq!(third.params.fingerprint().unwrap(), straight.params.fingerprint().unwrap());
}

#[test]
fn a_cold_optimiser_gives_other_bits() {
    // Guards the test above: were moments not restored, the bits would differ.
    let toy = Toy::new();
    let mut results = Vec::new();
    for restore in [true, false] {
        let params = Params::new(1, Device::Cpu);
        let layer = Linear::new(&(&params.root() / "layer"), 3, 2, Init::Uniform);
        let mut optimizer = AdamW::new(&params, AdamWConfig::default());
        for step in 0..6 {
            if step == 3 && !restore {
                optimizer = AdamW::new(&params, AdamWConfig::default());
            }
            optimizer.zero_grad();
            layer.forward(&toy.x).mse_loss(&toy.y, Reduction::Mean).backward();
            optimizer.step(0.1);
        }
        results.push(params.fingerprint().unwrap());
    }
    assert_ne!(results[0], results[1]);
}

#[test]
fn an_epoch_holds_every_item_at_most_once() {
    let (_, batches) = Toy::new().train(PLAIN);
    let mut epoch: Vec<usize> = batches[..6].concat();
    epoch.sort_unstable();
    epoch.dedup();
    assert_eq!(epoch.len(), 30);
    assert_ne!(batches[0], batches[6]);
}

#[test]
fn the_label_is_for_people_and_the_stream_makes_the_order() {
    let batches = |how| Toy::new().train(how).1;
    let plain = batches(PLAIN);
    assert_eq!(plain, batches(How { label: "another label", ..PLAIN }));
    assert_ne!(plain, batches(How { stream: "another kind", ..PLAIN }));
    assert_ne!(plain, batches(How { seed: 5, ..PLAIN }));
    let killed = |label| {
        let result = Toy::new().train(How { label, learning_rate: f64::MAX, ..PLAIN }).0;
        result.unwrap_err().to_string()
    };
    assert!(killed("").starts_with("toy: the loss is"), "{}", killed(""));
    assert!(killed("row 3").starts_with("row 3: the loss is"), "{}", killed("row 3"));
}

#[test]
fn the_checkpoint_of_another_training_is_refused_whether_finished_or_cut_short() {
    let directory = tempfile::tempdir().unwrap();
    for kill_at in [None, Some(5)] {
        let path = directory.path().join(format!("{kill_at:?}.checkpoint"));
        let kept = How { checkpoint: Some(&path), ..PLAIN };
        let begun = Toy::new().train(How { kill_at, ..kept }).0;
        assert_eq!(begun.is_ok(), kill_at.is_none());
        for (other, difference) in [
            (How { data: 1, ..kept }, "on other data"),
            (How { configuration: 1, ..kept }, "with another configuration"),
            (How { learning_rate: 0.04, ..kept }, "with another configuration"),
            (How { seed: 5, ..kept }, "with another seed"),
            (How { stream: "another kind", ..kept }, "of another kind"),
        ] {
            let error = Toy::new().train(other).0.unwrap_err().to_string();
            let expected =
                format!("{}: it is the checkpoint of a training {difference};", path.display());
            assert!(error.starts_with(&expected) && error.contains("delete it"), "{error}");
        }
        // Other initial values are another model.
        let toy = Toy::new();
        let _ = tch::no_grad(|| toy.params.named()["layer.bias"].shallow_clone().fill_(0.5));
        let error = toy.train(kept).0.unwrap_err().to_string();
        assert!(error.contains("with another configuration"), "{error}");
        // A label is no part of it.
        Toy::new().train(How { label: "renamed", ..kept }).0.unwrap();
    }
}

#[test]
fn a_damaged_checkpoint_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("checkpoint.safetensors");
    let kept = How { checkpoint: Some(&path), ..PLAIN };
    Toy::new().train(kept).0.unwrap();
    let whole = std::fs::read(&path).unwrap();
    std::fs::write(&path, &whole[..whole.len() / 2]).unwrap();
    let cut = Toy::new().train(kept).0.unwrap_err().to_string();
    assert!(cut.contains("checkpoint.safetensors") && cut.contains("delete it"), "{cut}");
}

#[test]
fn too_few_items_and_bad_numbers_are_named() {
    let toy = Toy::new();
    let fault = |config: &TrainConfig, value: f32| {
        let subject = Subject {
            stream: "toy",
            items: 32,
            configuration: &|| Fingerprint::of(&0),
            data: &|| Ok(Fingerprint::of(&0)),
        };
        fit::<TorchError>(
            &toy.params,
            config,
            &TrainContext::new(0),
            &subject,
            |_, _| Ok(toy.layer.forward(&toy.x).sum(Kind::Float) * f64::from(value)),
            || Ok(0.0),
        )
        .unwrap_err()
        .to_string()
    };
    let config = TrainConfig { batch: 33, ..TrainConfig::default() };
    assert!(fault(&config, 1.0).contains("toy: 32 training items cannot fill a batch of 33"));
    let config = TrainConfig { learning_rate: -1.0, batch: 4, ..TrainConfig::default() };
    assert_eq!(fault(&config, 1.0), "learning_rate = -1: must be above 0");
    let optimizer = AdamWConfig { beta1: 1.0, ..AdamWConfig::default() };
    let config = TrainConfig { optimizer, batch: 4, ..TrainConfig::default() };
    assert_eq!(fault(&config, 1.0), "optimizer.beta1 = 1: must be in [0, 1)");
    let config = TrainConfig { batch: 4, ..TrainConfig::default() };
    assert!(fault(&config, f32::NAN).contains("lower `train.learning_rate`"));
}

#[test]
fn rates_warm_up_and_fall() {
    let config = TrainConfig {
        steps: 12,
        warmup_steps: 2,
        learning_rate: 1.0,
        schedule: RateSchedule::Cosine,
        ..TrainConfig::default()
    };
    assert_eq!((config.rate(0), config.rate(1), config.rate(2)), (0.5, 1.0, 1.0));
    // Half way down: cos(pi / 2) = 0.
    assert!((config.rate(7) - 0.5).abs() < 1e-12);
}
