//! Every bridge on two synthetic cones; files, faults, exact resume, batches.

mod toy;

use std::{
    collections::HashMap,
    panic::{AssertUnwindSafe, catch_unwind},
};

use dl_core::{EmbeddingSet, Progress};
use dl_diffusion::{Bridge, BridgeConfig, BridgeData, Mismatch, method::Tried};
use dl_torch::tensor_file;
use ndarray::{Array2, Axis, s};
use tch::{Device, Tensor};
use toy::{context, five_times, set};

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

fn fit(config: &BridgeConfig) -> Bridge {
    let (train, validation) = (set("train", 400, 1), set("validation", 100, 2));
    let data = BridgeData::new(&train, &validation);
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
    for kind in BridgeConfig::kinds() {
        let bridge = fit(&config(kind));
        assert_eq!((bridge.name(), bridge.dim()), (kind, toy::DIM));
        let bridged = bridge.apply(&test.audio, &test.ids, 9).unwrap();
        for row in bridged.outer_iter() {
            assert!((row.dot(&row) - 1.0).abs() < 1e-5, "{kind}: not of unit norm");
        }
        let path = directory.path().join(kind);
        bridge.save(&path).unwrap();
        let again = Bridge::load(&path, Device::Cpu).unwrap();
        assert_eq!(again.apply(&test.audio, &test.ids, 9).unwrap(), bridged, "{kind}");
        assert_eq!(again.report(), bridge.report());
        let validation = bridge.report().scores.paired_cosine;
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
    // Chosen by the second clip alone: the shift takes the first to the origin.
    let validation = five_times(&set.select(&[1, 1]));
    let data = BridgeData::new(&set, &validation);
    let bridge = config("embedding_shift").fit(&data, &context(0)).unwrap();
    // The means are (1/2, 1/2) and (-1/2, 1/2): the shift is (-1, 0).
    let second = set.audio.slice(s![1..2, ..]).to_owned();
    let got = bridge.apply(&second, &set.ids[1..2], 0).unwrap();
    let root = 0.5_f32.sqrt();
    assert!((got[[0, 0]] + root).abs() < 1e-6 && (got[[0, 1]] - root).abs() < 1e-6, "{got}");
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
    let data = BridgeData::new(&train, &validation);
    let bridge = config.fit(&data, &context(0)).unwrap();
    assert_eq!(bridge.report().method.chosen, 1e-9);
    let got = bridge.apply(&validation.audio, &validation.ids, 0).unwrap();
    let worst = (got - &validation.text).mapv(f32::abs).fold(0.0_f32, |a, &b| a.max(b));
    assert!(worst < 1e-4, "{worst}");
}

/// A configuration whose result is drawn, whatever validation would choose.
fn sampling(kind: &str) -> BridgeConfig {
    let text = match kind {
        "diffusion_link" => {
            "[[candidates]]\nkind = \"ddpm\"\ntimestep = 199\nsteps = 4\n".to_owned()
        }
        _ => String::new(),
    };
    let steps = if kind == "brownian_bridge" { "steps = [3]\n" } else { "" };
    toml::from_str(&format!(
        "kind = \"{kind}\"\n{steps}train = {{ steps = 60, batch = 64 }}\nnetwork = {{ hidden = 32 }}\n{text}"
    ))
    .expect("a configuration")
}

#[test]
fn results_do_not_depend_on_batch_or_order() {
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

/// Kills a fit after step 7.
struct Kill;

impl Progress for Kill {
    fn begin(&self, _: &str, _: u64) {}
    fn update(&self, done: u64, _: &str) {
        assert!(done < 7, "killed");
    }
    fn end(&self) {}
}

/// A learned bridge, small and with a checkpoint every 5 of 10 steps.
fn short(kind: &str, more: &str) -> BridgeConfig {
    toml::from_str(&format!(
        "kind = \"{kind}\"\n{more}\n[network]\nhidden = 16\n[train]\nsteps = 10\nbatch = 32\n\
         validate_every = 5\ncheckpoint_every = 5"
    ))
    .expect("a configuration")
}

#[test]
fn an_interrupted_fit_ends_with_the_same_bits() {
    let (train, validation) = (set("train", 200, 1), set("validation", 50, 1));
    let data = BridgeData::new(&train, &validation);
    let directory = tempfile::tempdir().unwrap();
    let plain = LEARNED.map(|kind| (kind, ""));
    for (place, (kind, more)) in
        plain.into_iter().chain([("diffusion_link", "ema = 0.0")]).enumerate()
    {
        let config = short(kind, more);
        let bits = |bridge: &Bridge| {
            let path = directory.path().join("bridge");
            bridge.save(&path).unwrap();
            tensor_file::read(&path, Device::Cpu).unwrap().0
        };
        let checkpoint = directory.path().join(format!("{place}.checkpoint"));
        let kept = context(0).checkpoint(&checkpoint);
        let killed = AssertUnwindSafe(|| config.fit(&data, &kept.clone().progress(&Kill)));
        assert!(catch_unwind(killed).is_err() && checkpoint.exists(), "{kind} was not killed");
        let resumed = bits(&config.fit(&data, &kept).unwrap());
        let straight = bits(&config.fit(&data, &context(0)).unwrap());
        assert_eq!(resumed.len(), straight.len());
        for (name, tensor) in &straight {
            assert!(tensor.equal(&resumed[name]), "{kind}, {more}: {name}");
        }
    }
}

#[test]
fn a_checkpoint_of_other_data_never_returns_the_old_bridge() {
    let (train, validation) = (set("train", 200, 1), set("validation", 50, 1));
    let data = BridgeData::new(&train, &validation);
    let directory = tempfile::tempdir().unwrap();
    let other_text = |set: &EmbeddingSet| {
        let mut other = set.clone();
        other.text.row_mut(3).swap(0, 1);
        other
    };
    let (other_train, other_validation) = (other_text(&train), other_text(&validation));
    for kind in LEARNED {
        let config = short(kind, "");
        for finished in [true, false] {
            let checkpoint = directory.path().join(format!("{kind}-{finished}"));
            let kept = context(0).checkpoint(&checkpoint);
            let fit = AssertUnwindSafe(|| match finished {
                true => config.fit(&data, &kept),
                false => config.fit(&data, &kept.clone().progress(&Kill)),
            });
            assert_eq!(catch_unwind(fit).is_ok(), finished);
            for data in [
                BridgeData::new(&other_train, &validation),
                BridgeData::new(&train, &other_validation),
            ] {
                let error = fault(config.fit(&data, &kept));
                let expected = "the checkpoint of a training on other data; delete it";
                assert!(error.contains(expected), "{kind}: {error}");
            }
            let seeded = dl_torch::TrainContext { seed: 1, ..kept.clone() };
            let error = fault(config.fit(&data, &seeded));
            assert!(error.contains("of a training with another seed"), "{kind}: {error}");
            // What people call it is no part of it.
            config.fit(&data, &kept.named("another label")).unwrap();
        }
    }
}

#[test]
fn the_label_changes_no_bit() {
    let (train, validation) = (set("train", 200, 1), set("validation", 50, 1));
    let data = BridgeData::new(&train, &validation);
    for kind in LEARNED {
        let rows = |label: &str| {
            let bridge = short(kind, "").fit(&data, &context(0).named(label.to_owned())).unwrap();
            bridge.apply(&validation.audio, &validation.ids, 0).unwrap()
        };
        assert_eq!(rows("bridge fit"), rows("row 3 of t1"), "{kind}");
    }
}

#[test]
fn sets_that_do_not_belong_together_are_refused() {
    let (mut train, mut validation) = (set("train", 40, 1), set("validation", 20, 1));
    let ridge = config("ridge");
    train.provenance.encoder = "clap one".into();
    let bridge = ridge.fit(&BridgeData::new(&train, &validation), &context(0)).unwrap();
    assert_eq!(bridge.report().encoder, "clap one");

    validation.provenance.encoder = "clap two".into();
    let error = fault(ridge.fit(&BridgeData::new(&train, &validation), &context(0)));
    assert!(error.contains("of encoder 'clap one'") && error.contains("'clap two'"), "{error}");
    ridge.fit(&BridgeData::new(&train, &validation).insist(), &context(0)).unwrap();
    let error = fault(bridge.apply_set(&validation, 0));
    assert!(error.starts_with("the bridge is of encoder 'clap one', but this set"), "{error}");
    bridge.apply_set_with(&validation, 0, Mismatch::Allow).unwrap();

    validation.provenance.encoder = "clap one".into();
    validation.ids[7] = "train 3".into();
    let error = fault(ridge.fit(&BridgeData::new(&train, &validation), &context(0)));
    assert!(error.starts_with("1 of 20 validation clips are training clips too"), "{error}");
    assert!(error.contains("'train 3'"), "{error}");
    ridge.fit(&BridgeData::new(&train, &validation).insist(), &context(0)).unwrap();
    // Equal ids of two corpora are two clips.
    (train.provenance.corpus, validation.provenance.corpus) = ("one".into(), "two".into());
    ridge.fit(&BridgeData::new(&train, &validation), &context(0)).unwrap();
}

#[test]
fn a_set_goes_through_with_its_captions_and_its_history() {
    let (train, validation) = (set("train", 40, 1), set("validation", 20, 2));
    let data = BridgeData::new(&train, &validation);
    for kind in ["ridge", "c3"] {
        let bridge = config(kind).fit(&data, &context(0)).unwrap();
        let moved = bridge.apply_set(&validation, 4).unwrap();
        assert_eq!(moved.audio, bridge.apply(&validation.audio, &validation.ids, 4).unwrap());
        let text = if kind == "c3" {
            bridge.text(&validation.text).unwrap()
        } else {
            validation.text.clone()
        };
        assert_eq!(moved.text, text);
        assert_eq!(moved.provenance.bridges, [kind]);
        assert_eq!(
            (moved.ids, moved.captions),
            (validation.ids.clone(), validation.captions.clone())
        );
    }
}

#[test]
fn a_short_training_has_a_short_running_mean() {
    let (train, validation) = (set("train", 200, 1), set("validation", 50, 1));
    let data = BridgeData::new(&train, &validation);
    let rows = |ema: f64| {
        let bridge = short("diffusion_link", &format!("ema = {ema}")).fit(&data, &context(0));
        bridge.unwrap().apply(&validation.audio, &validation.ids, 0).unwrap()
    };
    // Ten steps: 1 - 4 / 10.
    assert_eq!(rows(0.998), rows(0.6));
    assert_ne!(rows(0.6), rows(0.3));
}

/// The running mean of the weights has nothing in it before the second step.
#[test]
fn a_training_of_one_step_leaves_a_bridge() {
    let (train, validation) = (set("train", 200, 1), set("validation", 50, 1));
    let text = "kind = \"diffusion_link\"\nnetwork = { hidden = 16 }\n\
                train = { steps = 1, batch = 32, learning_rate = 1e-3, warmup_steps = 0 }";
    let config: BridgeConfig = toml::from_str(text).unwrap();
    let bridge = config.fit(&BridgeData::new(&train, &validation), &context(0)).unwrap();
    let rows = bridge.apply(&validation.audio, &validation.ids, 0).unwrap();
    assert!(rows.iter().all(|value| value.is_finite()));
}

#[test]
fn every_loss_and_prediction_trains() {
    let test = set("test", 50, 1);
    let none = paired_cosine(&test.audio, &test);
    // An option that did nothing would give the rows of another one, or of none.
    let mut seen: Vec<Array2<f32>> = Vec::new();
    for options in [
        "",
        // The mean of so few steps reaches back to where they began.
        "prediction = \"eps\"\nema = 0.0\nmax_timestep = 300\n[[candidates]]\nkind = \"one_step\"\ntimestep = 50",
        "prediction = \"v\"\njitter = 0.0",
        "ema = 0.0\nscale = { factor = 3.0 }",
        "[loss]\ndistance = \"huber\"\ntext_identity = 0.0",
        "[loss.topology]\nweight = 0.1\ngated = true\nneighbours = 4\nbranch = \"both\"",
        "[loss.topology]\nweight = 0.1\ngated = false\nneighbours = 4\nbranch = \"both\"",
        "[loss.topology]\nweight = 0.1\ngated = true\nneighbours = 0\nbranch = \"both\"",
        "[[candidates]]\nkind = \"dpm_solver_pp_2m\"\ntimestep = 99\nsteps = 4",
    ] {
        let text = format!(
            "kind = \"diffusion_link\"\ntrain = {{ steps = 150, batch = 64, learning_rate = 3e-3 \
             }}\nnetwork = {{ hidden = 48 }}\n{options}"
        );
        let bridge = fit(&toml::from_str(&text).unwrap());
        let rows = bridge.apply(&test.audio, &test.ids, 0).unwrap();
        let cosine = paired_cosine(&rows, &test);
        assert!(cosine > none + 0.2, "{options}: {cosine}, none: {none}");
        assert!(!seen.contains(&rows), "{options}: changes nothing");
        seen.push(rows);
        let file = tempfile::NamedTempFile::new().unwrap();
        bridge.save(file.path()).unwrap();
        let again = Bridge::load(file.path(), Device::Cpu).unwrap();
        let cosine_again = paired_cosine(&again.apply(&test.audio, &test.ids, 0).unwrap(), &test);
        assert_eq!(cosine_again, cosine, "{options}");
    }
}

#[test]
fn unusable_embeddings_are_named() {
    let (train, validation) = (set("train", 40, 1), set("validation", 20, 1));
    let data = BridgeData::new(&train, &validation);
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
        let error = fault(Bridge::load(&path, Device::Cpu));
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
    let mut older = metadata.clone();
    older.insert("version".into(), "2".into());
    tensor_file::write(&path, &tensors, older).unwrap();
    refuse("version 2, but this program reads version 3; fit the bridge anew");
    tensor_file::write(&path, &tensors, Default::default()).unwrap();
    refuse("not a bridge file");
    std::fs::remove_file(&path).unwrap();
    refuse("No such file");
}

#[test]
fn configurations_round_trip_and_faults_are_named() {
    for kind in BridgeConfig::kinds() {
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
    assert!(error.contains("kind = rigde: must be one of none, ") && error.contains("ridge"));
    for (text, expected) in [
        ("kind = \"projection\"\ntemperatures = [0.0]", "temperatures[0] = 0: must be above 0"),
        ("kind = \"ridge\"\nlambdas = []", "lambdas = []: must be a list of at least one"),
        ("kind = \"diffusion_link\"\nmax_timestep = 1000", "max_timestep = 1000: must be below"),
        ("kind = \"diffusion_link\"\njitter = -1.0", "jitter = -1: must be at least 0"),
        ("kind = \"pls\"\ncomponents = [0]", "components[0] = 0: must be at least 1"),
        ("kind = \"transport\"\nstrengths = [1.5]", "strengths[0] = 1.5: must be in [0, 1]"),
        (
            "kind = \"retrieval\"\naudio_shares = [-0.1]",
            "audio_shares[0] = -0.1: must be in [0, 1]",
        ),
        ("kind = \"brownian_bridge\"\nsigma = -1.0", "sigma = -1: must be at least 0"),
        ("kind = \"diffusion_bridge\"\nentries = [3]", "entries[0] = 3: must be in `steps`..=1000"),
        ("kind = \"c3\"\ndecoder_noise = -1.0", "decoder_noise = -1: must be at least 0"),
        ("kind = \"diffusion_link\"\nema = 1.0", "ema = 1: must be in [0, 1)"),
        ("kind = \"diffusion_link\"\n[schedule]\nbeta_end = 2.0", "schedule.beta_end = 2"),
        ("kind = \"diffusion_link\"\n[loss]\ncross_sample = 0.0", "loss.cross_sample = 0"),
        (
            "kind = \"diffusion_link\"\nmax_timestep = 300\n[[candidates]]\nkind = \"one_step\"\ntimestep = 301",
            "candidates[0].timestep = 301: must be at most 300, the last timestep trained",
        ),
        (
            "kind = \"transport\"\n[of]\nkind = \"retrieval\"\n[of.of]\nkind = \"brownian_bridge\"\n\
             train = { steps = 0 }",
            "of.of.train.steps = 0: must be at least 1",
        ),
        (
            "kind = \"mlp_regression\"\ntrain = { optimizer = { beta1 = 1.0 } }",
            "train.optimizer.beta1 = 1: must be in [0, 1)",
        ),
        (
            "kind = \"diffusion_link\"\n[[candidates]]\nkind = \"ddim\"\ntimestep = 9\nsteps = 20",
            "candidates[0].steps = 20: must be in 1..=10",
        ),
    ] {
        let config: BridgeConfig = toml::from_str(text).unwrap();
        let error = config.validate().unwrap_err().to_string();
        assert!(error.starts_with(expected), "{error}");
    }
}

#[test]
fn a_value_of_the_wrong_type_is_named_by_its_key() {
    for (text, expected) in [
        (
            "kind = \"diffusion_link\"\ntrain = { steps = 2, learning_rate = \"1e-3\" }",
            "train.learning_rate: invalid type: string \"1e-3\", expected f64",
        ),
        (
            "kind = \"transport\"\n[of]\nkind = \"ridge\"\nlambdas = [0.1, \"x\"]",
            "of.lambdas[1]: invalid type: string \"x\"",
        ),
        (
            "kind = \"diffusion_link\"\n[[candidates]]\nkind = \"ddim\"\ntimestep = \"top\"\nsteps = 2",
            "candidates[0].timestep: invalid type: string \"top\"",
        ),
        (
            "kind = \"diffusion_link\"\n[[candidates]]\nkind = \"dimm\"",
            "candidates[0].kind: unknown variant `dimm`, expected one of `ddim`, `ddpm`, ",
        ),
        (
            "kind = \"diffusion_bridge\"\n[network]\nkind = \"unet\"\nheads = 1.5",
            "network.heads: invalid type: floating point `1.5`, expected usize",
        ),
        ("kind = \"rigde\"", "kind: unknown variant `rigde`, expected one of `none`, "),
        ("kind = 3", "kind: invalid type: 3, expected a string"),
        ("lambdas = [1.0]", "missing field `kind`"),
    ] {
        let error = toml::from_str::<BridgeConfig>(text).unwrap_err();
        assert!(error.message().starts_with(expected), "{}", error.message());
    }
}

#[test]
fn versions_name_everything_between_configuration_and_bridge() {
    let version = config("ridge").version();
    assert!(version.starts_with("ridge 1, training "), "{version}");
    assert!(version.ends_with(", file 3"), "{version}");
    let text = "kind = \"transport\"\n[of]\nkind = \"retrieval\"\n[of.of]\nkind = \"ridge\"";
    let nested: BridgeConfig = toml::from_str(text).unwrap();
    let expected = "transport 2 of retrieval 1 of ridge 1, training ";
    assert!(nested.version().starts_with(expected), "{}", nested.version());
}

#[test]
fn transport_starts_at_the_mean_of_its_own_training_rows_with_the_spread_that_it_is_told() {
    let directory = tempfile::tempdir().unwrap();
    let moved = |spread: &str| {
        let text = format!(
            "kind = \"transport\"\nstrengths = [1.0]\nmean_shares = [1.0]\nspread_of = \
             [\"{spread}\"]\n[of]\nkind = \"ridge\""
        );
        let path = directory.path().join(spread);
        fit(&toml::from_str(&text).unwrap()).save(&path).unwrap();
        tensor_file::read(&path, Device::Cpu).unwrap().0
    };
    let (own, held_out) = (moved("own"), moved("held_out"));
    let train = set("train", 400, 1);
    let rows = fit(&config("ridge")).apply(&train.audio, &train.ids, 0).unwrap();
    let mean = |rows: &Array2<f32>| Tensor::try_from(rows.mean_axis(Axis(0)).unwrap()).unwrap();
    let off = |a: &Tensor, b: &Tensor| (a - b).abs().max().double_value(&[]);
    for tensors in [&own, &held_out] {
        assert!(off(&tensors["centre"], &mean(&rows)) < 1e-5);
        assert!(off(&tensors["goal"], &mean(&train.text)) < 1e-5);
    }
    // Rows of bridges that were fitted to half of the clips have another spread.
    assert!(off(&own["matrix"], &held_out["matrix"]) > 1e-3);
}

#[test]
fn transport_keeps_the_accuracy_that_it_is_told_to_keep() {
    // Of the best candidate, and the highest of all.
    let cosines = |text: &str| {
        let report = fit(&toml::from_str(text).unwrap()).report().method.clone();
        let cosine = |tried: &Tried| tried.scores.paired_cosine;
        let best = report.tried.iter().find(|tried| tried.candidate == report.chosen);
        (cosine(best.unwrap()), report.tried.iter().map(cosine).fold(0.0, f64::max))
    };
    let moved =
        |keep: &str| cosines(&format!("kind = \"transport\"\n{keep}\n[of]\nkind = \"ridge\""));
    let (free, highest) = moved("");
    let (ridge, _) = cosines("kind = \"ridge\"\nselect = \"paired_cosine\"");
    let (kept, _) = moved("keep_accuracy_of = { kind = \"ridge\", select = \"paired_cosine\" }");
    assert!(free < ridge && ridge <= kept, "{free}, {ridge}, {kept}");
    // A floor below all changes nothing.
    assert_eq!(moved("keep_accuracy_of = { kind = \"none\" }"), (free, highest));
    let text = "kind = \"transport\"\nkeep_accuracy_of = { kind = \"ridge\", lambdas = [] }";
    let error = toml::from_str::<BridgeConfig>(text).unwrap().validate().unwrap_err().to_string();
    assert_eq!(error, "keep_accuracy_of.lambdas = []: must be a list of at least one");
}
