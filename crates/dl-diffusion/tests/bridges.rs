//! Every bridge on two synthetic cones; files, faults, exact resume, batches.

mod toy;

use std::{collections::HashMap, path::Path};

use dl_core::EmbeddingSet;
use dl_diffusion::{Bridge, BridgeConfig, BridgeData, load};
use dl_torch::tensor_file;
use ndarray::{Array2, Axis, s};
use tch::{Device, Tensor};
use toy::{context, set};

const ALL: &[&str] = BridgeConfig::KINDS;
/// Those that train a network of their own.
const LEARNED: [&str; 5] =
    ["mlp_regression", "diffusion_bridge", "seed_style", "diffusion_link", "brownian_bridge"];

/// A configuration as a user writes it, small enough for a test.
fn config(kind: &str) -> BridgeConfig {
    let training = "\n[network]\nhidden = 48\n[train]\nsteps = 300\nbatch = 64\nwarmup_steps = 20\n\
                    validate_every = 100\nlearning_rate = 3e-3";
    let text = match kind {
        _ if LEARNED.contains(&kind) => format!("kind = \"{kind}\"{training}"),
        "retrieval" | "transport" => format!("kind = \"{kind}\"\n[of]\nkind = \"ridge\""),
        _ => format!("kind = \"{kind}\""),
    };
    toml::from_str(&text).expect("a configuration")
}

fn fit(config: &BridgeConfig) -> Box<dyn Bridge> {
    let (train, validation) = (set("train", 400, 1), set("validation", 100, 2));
    let data = BridgeData { train: &train, validation: &validation };
    config.fit(&data, &context(0)).expect("a fit")
}

/// Mean cosine of each caption and its clip.
fn paired_cosine(audio: &Array2<f32>, set: &EmbeddingSet) -> f32 {
    let cosines = set.owners.iter().enumerate().map(|(m, &n)| audio.row(n).dot(&set.text.row(m)));
    cosines.sum::<f32>() / set.owners.len() as f32
}

fn fault<T>(result: Result<T, dl_diffusion::BridgeError>) -> String {
    match result {
        Ok(_) => panic!("no error"),
        Err(error) => error.to_string(),
    }
}

#[test]
fn every_bridge_closes_the_gap_of_two_cones_and_survives_its_file() {
    let test = set("test", 200, 2);
    let directory = tempfile::tempdir().unwrap();
    let mut cosines = HashMap::new();
    for &kind in ALL {
        let bridge = fit(&config(kind));
        assert_eq!((bridge.name(), bridge.dim()), (kind, toy::DIM));
        let bridged = bridge.apply(&test.audio, &test.ids, 9).unwrap();
        for row in bridged.outer_iter() {
            assert!((row.dot(&row) - 1.0).abs() < 1e-5, "{kind}: not of unit norm");
        }
        let path = directory.path().join(kind);
        bridge.save(&path).unwrap();
        let again = load(&path, Device::Cpu).unwrap();
        assert_eq!(again.apply(&test.audio, &test.ids, 9).unwrap(), bridged, "{kind}");
        assert_eq!(again.summary(), bridge.summary());
        let summary = bridge.summary();
        let validation = summary["bridge"]["scores"]["paired_cosine"].as_f64().unwrap();
        let moved = EmbeddingSet { text: bridge.text(&test.text).unwrap(), ..test.clone() };
        assert_eq!(again.text(&test.text).unwrap(), moved.text);
        let cosine = paired_cosine(&bridged, &moved);
        assert!((validation - f64::from(cosine)).abs() < 0.1, "{kind}: {validation}, {cosine}");
        cosines.insert(kind, cosine);
    }
    let none = cosines["none"];
    // The centring methods are compared in their own space, where cosines are lower.
    for (kind, cosine) in &cosines {
        let centred = ["c3", "diffusion_bridge"].contains(kind);
        assert!(*kind == "none" || centred || *cosine > none + 0.2, "{kind}: {cosine}, {none}");
    }
    assert!(cosines["projection"] > cosines["nearest_neighbour"], "averaging beats one neighbour");
    for rival in ["embedding_shift", "nearest_neighbour"] {
        for method in ["ridge", "pls", "mlp_regression", "diffusion_link", "brownian_bridge"] {
            assert!(cosines[method] > cosines[rival], "{method} against {rival}: {cosines:?}");
        }
    }
}

#[test]
fn a_shift_by_hand() {
    let array = |rows: [[f32; 2]; 2]| Array2::from(rows.to_vec());
    let set = EmbeddingSet {
        ids: vec!["a".into(), "b".into()],
        audio: array([[1.0, 0.0], [0.0, 1.0]]),
        captions: vec![String::new(), String::new()],
        text: array([[-1.0, 0.0], [0.0, 1.0]]),
        owners: vec![0, 1],
        provenance: Default::default(),
    };
    let data = BridgeData { train: &set, validation: &set };
    let bridge = config("embedding_shift").fit(&data, &context(0)).unwrap();
    // The means are (1/2, 1/2) and (-1/2, 1/2): the shift is (-1, 0).
    let second = set.audio.slice(s![1..2, ..]).to_owned();
    let got = bridge.apply(&second, &set.ids[1..2], 0).unwrap();
    let root = 0.5_f32.sqrt();
    assert!((got[[0, 0]] + root).abs() < 1e-6 && (got[[0, 1]] - root).abs() < 1e-6, "{got}");
    // It takes the first clip to the origin.
    let error = fault(bridge.apply(&set.audio, &set.ids, 0));
    assert!(error.contains("embedding_shift leaves the embedding of 'a' without a dir"), "{error}");
}

#[test]
fn ridge_recovers_a_linear_map() {
    let mut train = set("train", 400, 1);
    let mut validation = set("validation", 100, 1);
    // Text is a rotation of audio: the first two coordinates swap places.
    for set in [&mut train, &mut validation] {
        set.text = set.audio.clone();
        for mut row in set.text.outer_iter_mut() {
            row.swap(0, 1);
        }
    }
    let config = toml::from_str("kind = \"ridge\"\nlambdas = [1e-9, 1.0]").unwrap();
    let config: BridgeConfig = config;
    let data = BridgeData { train: &train, validation: &validation };
    let bridge = config.fit(&data, &context(0)).unwrap();
    assert_eq!(bridge.summary()["bridge"]["report"]["lambda"], 1e-9);
    let got = bridge.apply(&validation.audio, &validation.ids, 0).unwrap();
    let worst = (got - &validation.text).mapv(f32::abs).fold(0.0_f32, |a, &b| a.max(b));
    assert!(worst < 1e-4, "{worst}");
}

/// A configuration whose result is drawn, whatever validation would choose.
fn sampling(kind: &str) -> BridgeConfig {
    let text = match kind {
        "diffusion_link" => "[[candidates]]\nkind = \"ddpm\"\nlevel = 199\nsteps = 4\n".to_owned(),
        _ => String::new(),
    };
    let steps = if kind == "brownian_bridge" { "steps = [3]\n" } else { "" };
    toml::from_str(&format!(
        "kind = \"{kind}\"\n{steps}train = {{ steps = 60, batch = 64 }}\nnetwork = {{ hidden = 32 }}\n{text}"
    ))
    .expect("a configuration")
}

#[test]
fn results_do_not_hang_on_batch_or_order() {
    let test = set("test", 64, 1);
    for kind in ["diffusion_link", "brownian_bridge"] {
        let bridge = fit(&sampling(kind));
        let together = bridge.apply(&test.audio, &test.ids, 5).unwrap();
        for row in 0..64 {
            let one = test.audio.slice(s![row..=row, ..]).to_owned();
            let alone = bridge.apply(&one, &test.ids[row..=row], 5).unwrap();
            let worst = (&alone.row(0) - &together.row(row)).mapv(f32::abs);
            assert!(worst.iter().all(|&x| x < 1e-6), "row {row}");
        }
        let order: Vec<usize> = (0..64).rev().collect();
        let ids: Vec<String> = order.iter().map(|&row| test.ids[row].clone()).collect();
        let reversed = bridge.apply(&test.audio.select(Axis(0), &order), &ids, 5).unwrap();
        let worst = (reversed - together.select(Axis(0), &order)).mapv(f32::abs);
        assert!(worst.iter().all(|&x| x < 1e-6));
        assert_ne!(bridge.apply(&test.audio, &test.ids, 6).unwrap(), together, "seeds matter");
    }
}

#[test]
fn an_interrupted_fit_ends_with_the_same_bits() {
    let (train, validation) = (set("train", 200, 1), set("validation", 50, 1));
    let data = BridgeData { train: &train, validation: &validation };
    let directory = tempfile::tempdir().unwrap();
    let plain = LEARNED.map(|kind| (kind, 0.0));
    for (kind, ema) in plain.into_iter().chain([("diffusion_link", 0.9)]) {
        let config = |steps: u64| -> BridgeConfig {
            // The rate is constant, so that 5 steps are the first half of 10.
            let ema = if ema > 0.0 { format!("ema = {ema}") } else { String::new() };
            toml::from_str(&format!(
                "kind = \"{kind}\"\n{ema}\n[network]\nhidden = 16\n[train]\nsteps = {steps}\n\
                 batch = 32\nschedule = \"constant\"\nvalidate_every = 5\ncheckpoint_every = 5"
            ))
            .unwrap()
        };
        let fit = |steps, checkpoint: Option<&Path>| {
            let context =
                dl_torch::TrainContext { checkpoint: checkpoint.map(Path::to_owned), ..context(0) };
            config(steps).fit(&data, &context).unwrap()
        };
        let bits = |bridge: &dyn Bridge| {
            let path = directory.path().join("bridge");
            bridge.save(&path).unwrap();
            tensor_file::read(&path, Device::Cpu).unwrap().0
        };
        let checkpoint = directory.path().join(format!("{kind} {ema}"));
        fit(5, Some(&checkpoint));
        let resumed = bits(fit(10, Some(&checkpoint)).as_ref());
        let straight = bits(fit(10, None).as_ref());
        assert_eq!(resumed.len(), straight.len());
        for (name, tensor) in &straight {
            assert!(tensor.equal(&resumed[name]), "{kind}, ema {ema}: {name}");
        }
    }
}

#[test]
fn every_loss_and_prediction_trains() {
    let test = set("test", 50, 1);
    let none = paired_cosine(&test.audio, &test);
    for options in [
        "prediction = \"eps\"\nmax_level = 300",
        "prediction = \"v\"\njitter = 0.0",
        "ema = 0.9\nscale = { factor = 3.0 }",
        "[loss]\ndistance = \"huber\"\ntext_identity = 0.0",
        "[loss.topology]\nweight = 0.1\ngated = true\nneighbours = 4\nbranch = \"both\"",
        "[[candidates]]\nkind = \"dpm_solver_pp_2m\"\nlevel = 99\nsteps = 4",
    ] {
        let text = format!(
            "kind = \"diffusion_link\"\ntrain = {{ steps = 150, batch = 64, learning_rate = 3e-3 \
             }}\nnetwork = {{ hidden = 48 }}\n{options}"
        );
        let bridge = fit(&toml::from_str(&text).unwrap());
        let cosine = paired_cosine(&bridge.apply(&test.audio, &test.ids, 0).unwrap(), &test);
        assert!(cosine > none + 0.2, "{options}: {cosine}, none: {none}");
        let file = tempfile::NamedTempFile::new().unwrap();
        bridge.save(file.path()).unwrap();
        let again = load(file.path(), Device::Cpu).unwrap();
        let cosine_again = paired_cosine(&again.apply(&test.audio, &test.ids, 0).unwrap(), &test);
        assert_eq!(cosine_again, cosine, "{options}");
    }
}

#[test]
fn unusable_embeddings_are_named() {
    let (train, validation) = (set("train", 40, 1), set("validation", 20, 1));
    let data = BridgeData { train: &train, validation: &validation };
    let bridge = config("none").fit(&data, &context(0)).unwrap();

    let narrow = Array2::<f32>::ones((2, 7));
    let error = fault(bridge.apply(&narrow, &train.ids[..2], 0));
    assert!(error.contains("have 7 dimensions, but the bridge takes 24"), "{error}");
    let error = fault(bridge.apply(&train.audio, &train.ids[..2], 0));
    assert!(error.contains("40 embeddings but 2 ids"), "{error}");
    for (value, word) in [(f32::NAN, "NaN"), (0.0, "all zeros")] {
        let mut bad = train.audio.clone();
        bad.row_mut(3).fill(value);
        let error = fault(bridge.apply(&bad, &train.ids, 0));
        assert!(error.contains("'train 3'") && error.contains(word), "{error}");
        let bad = EmbeddingSet { audio: bad, ..train.clone() };
        let error = fault(config("ridge").fit(&BridgeData { train: &bad, ..data }, &context(0)));
        assert!(error.contains("training set: the audio embedding of 'train 3'"), "{error}");
    }
    let error = fault(config("diffusion_link").fit(&data, &context(0)));
    assert!(error.contains("40 training items cannot fill a batch of 64"), "{error}");
    // Every training embedding is the mean, which centring takes away.
    let same = EmbeddingSet { audio: Array2::ones((40, toy::DIM)), ..train.clone() };
    let centred = config("c3").fit(&BridgeData { train: &same, ..data }, &context(0)).unwrap();
    let error = fault(centred.apply(&same.audio, &same.ids, 0));
    assert!(error.contains("c3 leaves the embedding of 'train 0' without a direction"), "{error}");
    let empty = bridge.apply(&Array2::zeros((0, toy::DIM)), &[], 0).unwrap();
    assert_eq!(empty.dim(), (0, toy::DIM));
}

#[test]
fn unusable_files_are_named() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("bridge.safetensors");
    fit(&config("ridge")).save(&path).unwrap();
    let whole = std::fs::read(&path).unwrap();
    let (tensors, metadata) = tensor_file::read(&path, Device::Cpu).unwrap();
    let refuse = |expected: &str| {
        let error = fault(load(&path, Device::Cpu));
        assert!(error.contains("bridge.safetensors") && error.contains(expected), "{error}");
        assert!(!error.contains('\n'), "{error}");
    };
    std::fs::write(&path, &whole[..whole.len() / 2]).unwrap();
    refuse("not a whole safetensors file");
    let change = |name: &str, tensor: Tensor| {
        let mut changed: tensor_file::Tensors =
            tensors.iter().map(|(k, v)| (k.clone(), v.shallow_clone())).collect();
        changed.insert(name.into(), tensor);
        tensor_file::write(&path, &changed, metadata.clone()).unwrap();
    };
    change("bias", Tensor::from_slice(&[f32::NAN; toy::DIM]));
    refuse("`bias` holds a NaN");
    change("bias", Tensor::from_slice(&[0.0_f32; 3]));
    refuse("`bias` is [3], expected [24]");
    tensor_file::write(&path, &tensors, Default::default()).unwrap();
    refuse("not a bridge file");
    std::fs::remove_file(&path).unwrap();
    refuse("No such file");
}

#[test]
fn configurations_round_trip_and_faults_are_named() {
    for &kind in ALL {
        assert_eq!(BridgeConfig::of_kind(kind).unwrap().name(), kind);
        let config = config(kind);
        config.validate().unwrap();
        let text = toml::to_string(&config).unwrap();
        assert_eq!(toml::from_str::<BridgeConfig>(&text).unwrap(), config, "{text}");
        let error = toml::from_str::<BridgeConfig>(&format!("kind = \"{kind}\"\nstepz = 3"));
        assert!(error.unwrap_err().to_string().contains("stepz"), "{kind}");
    }
    BridgeConfig::default().validate().unwrap();
    let error = BridgeConfig::of_kind("rigde").unwrap_err().to_string();
    assert!(error.contains("method = rigde: must be one of none, ") && error.contains("ridge"));
    for (text, expected) in [
        ("kind = \"projection\"\ntemperatures = [0.0]", "temperatures = 0: must be above 0"),
        ("kind = \"ridge\"\nlambdas = []", "lambdas = []: must be a list of at least one"),
        ("kind = \"diffusion_link\"\nmax_level = 1000", "max_level = 1000: must be below"),
        ("kind = \"diffusion_link\"\njitter = -1.0", "jitter = -1: must be at least 0"),
        ("kind = \"pls\"\ncomponents = [0]", "components = 0: must be at least 1"),
        ("kind = \"transport\"\nstrengths = [1.5]", "strengths = 1.5: must be in [0, 1]"),
        ("kind = \"retrieval\"\naudio_shares = [-0.1]", "audio_shares = -0.1: must be in [0, 1]"),
        ("kind = \"brownian_bridge\"\nsigma = -1.0", "sigma = -1: must be at least 0"),
        ("kind = \"diffusion_bridge\"\nentries = [3]", "entries = 3: must be in `steps`..=1000"),
        ("kind = \"c3\"\ndecoder_noise = -1.0", "decoder_noise = -1: must be at least 0"),
        ("kind = \"diffusion_link\"\nema = 1.0", "ema = 1: must be in [0, 1)"),
        ("kind = \"diffusion_link\"\n[schedule]\nbeta_end = 2.0", "schedule.beta_end = 2"),
        ("kind = \"diffusion_link\"\n[loss]\ncross_sample = 0.0", "loss.cross_sample = 0"),
        (
            "kind = \"diffusion_link\"\n[[candidates]]\nkind = \"ddim\"\nlevel = 9\nsteps = 20",
            "sampler.steps = 20: must be in 1..=10",
        ),
    ] {
        let config: BridgeConfig = toml::from_str(text).unwrap();
        let error = config.validate().unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    }
}
