//! The rival bridges against scipy, scikit-learn and hand arithmetic, and what the
//! centring methods do to captions.

mod toy;

use dl_core::EmbeddingSet;
use dl_diffusion::{Bridge, BridgeConfig, BridgeData};
use ndarray::Array2;
use serde_json::Value;
use tch::Device;
use toy::{context, five_times, set};

fn fit(text: &str, set: &EmbeddingSet) -> Bridge {
    let config: BridgeConfig = toml::from_str(text).expect("a configuration");
    let validation = if set.len() < 10 { five_times(set) } else { set.clone() };
    config.fit(&BridgeData::new(set, &validation).insist(), &context(0)).expect("a fit")
}

fn largest(difference: &Array2<f32>) -> f32 {
    difference.iter().fold(0.0, |worst, x| worst.max(x.abs()))
}

#[test]
fn procrustes_partial_least_squares_and_kernel_ridge_match_their_references() {
    let golden: Value = serde_json::from_str(include_str!("golden/linear.json")).unwrap();
    let shape = ["rows", "dim"].map(|name| golden[name].as_u64().unwrap() as usize);
    let rows = |value: &Value| {
        let values = value.as_array().unwrap();
        let values = values.iter().map(|x| x.as_f64().unwrap() as f32).collect();
        Array2::from_shape_vec(shape, values).unwrap()
    };
    let set = EmbeddingSet {
        ids: (0..shape[0]).map(|row| row.to_string()).collect(),
        audio: rows(&golden["audio"]),
        captions: vec![String::new(); shape[0]],
        text: rows(&golden["text"]),
        owners: (0..shape[0]).collect(),
        provenance: Default::default(),
    };
    let apply = |text: &str| fit(text, &set).apply(&set.audio, &set.ids, 0).unwrap();
    let difference = largest(&(apply("kind = \"procrustes\"") - rows(&golden["procrustes"])));
    assert!(difference < 2e-6, "{difference}");
    for (components, expected) in golden["pls"].as_object().unwrap() {
        let got = apply(&format!("kind = \"pls\"\ncomponents = [{components}]"));
        let difference = largest(&(got - rows(expected)));
        assert!(difference < 5e-6, "{components} components: {difference}");
    }
    for (key, expected) in golden["kernel_ridge"].as_object().unwrap() {
        let (temperature, lambda) = key.split_once(' ').unwrap();
        let kernel = format!("temperatures = [{temperature}]\nlambdas = [{lambda}]");
        let got = apply(&format!("kind = \"kernel_ridge\"\n{kernel}"));
        let difference = largest(&(got - rows(expected)));
        assert!(difference < 2e-6, "temperature and penalty {key}: {difference}");
    }
}

/// Two clips of one caption each, in the plane.
fn plane() -> EmbeddingSet {
    let array = |rows: [[f32; 2]; 2]| Array2::from(rows.to_vec());
    EmbeddingSet {
        ids: vec!["a".into(), "b".into()],
        audio: array([[1.0, 0.0], [0.0, 1.0]]),
        captions: vec![String::new(), String::new()],
        text: array([[-1.0, 0.0], [0.0, 1.0]]),
        owners: vec![0, 1],
        provenance: Default::default(),
    }
}

#[test]
fn c3_centres_both_sides_and_asks_for_noise() {
    let set = plane();
    let bridge = fit("kind = \"c3\"", &set);
    let root = 0.5_f32.sqrt();
    // Audio mean (1/2, 1/2): (1, 0) lies at (1/2, -1/2) from it. Text mean (-1/2, 1/2).
    let audio = bridge.apply(&set.audio, &set.ids, 0).unwrap();
    let expected = Array2::from(vec![[root, -root], [-root, root]]);
    assert!(largest(&(audio - expected)) < 1e-6);
    let text = bridge.text(&set.text).unwrap();
    let expected = Array2::from(vec![[-root, -root], [root, root]]);
    assert!(largest(&(&text - expected)) < 1e-6);
    assert_eq!(bridge.decoder_text(&set.text, &set.ids, 0).unwrap(), text);
    let config = BridgeConfig::of_kind("c3").unwrap();
    assert!(config.moves_text());
    assert!((config.decoder_noise().unwrap() - 0.126_491_1).abs() < 1e-6);
    // Diffusion Bridge's decoder has its own augmentation and takes no other noise.
    let config = BridgeConfig::of_kind("diffusion_bridge").unwrap();
    assert_eq!(config.decoder_noise(), Some(0.0));
}

#[test]
fn realign_by_hand() {
    let array = |rows: [[f32; 2]; 2]| Array2::from(rows.to_vec());
    let set = EmbeddingSet {
        audio: array([[1.0, 0.0], [0.0, 1.0]]),
        text: array([[-0.6, 0.8], [-0.6, -0.8]]),
        ..plane()
    };
    // Means (1/2, 1/2) and (-3/5, 0); mean squared deviations 1/2 and 16/25, so that
    // s = sqrt(32/25). The clips lie at (1/2, -1/2) and (-1/2, 1/2) from their mean.
    let half = (32.0_f64 / 25.0).sqrt() / 2.0;
    let norm = |[x, y]: [f64; 2]| [x / x.hypot(y), y / x.hypot(y)];
    let once = [norm([half - 0.6, -half]), norm([-half - 0.6, half])];
    let mean = [(once[0][0] + once[1][0]) / 2.0, (once[0][1] + once[1][1]) / 2.0];
    let expected = once.map(|[x, y]| norm([x - mean[0] - 0.6, y - mean[1]]).map(|x| x as f32));
    let bridge = fit("kind = \"realign\"", &set);
    let got = bridge.apply(&set.audio, &set.ids, 0).unwrap();
    assert!(largest(&(&got - &array(expected))) < 1e-6, "{got}, {expected:?}");
    // The plain shift keeps the spread of audio and misses the second correction.
    let shift = fit("kind = \"embedding_shift\"", &set);
    assert!(largest(&(&got - &shift.apply(&set.audio, &set.ids, 0).unwrap())) > 0.01);
}

#[test]
fn realign_needs_no_pairs() {
    let train = set("train", 60, 1);
    let mut shuffled = train.clone();
    shuffled.owners.rotate_left(7);
    let rows = |set: &EmbeddingSet| {
        let config = BridgeConfig::of_kind("realign").unwrap();
        let bridge = config.fit(&BridgeData::new(set, &train).insist(), &context(0)).unwrap();
        bridge.apply(&train.audio, &train.ids, 0).unwrap()
    };
    assert_eq!(rows(&shuffled), rows(&train));
}

#[test]
fn captions_go_through_the_bridges_that_know_them() {
    let train = set("train", 100, 1);
    let small = "network = { hidden = 32 }\ntrain = { steps = 100, batch = 64 }";
    let of = |kind: &str| format!("kind = \"{kind}\"\n{small}");
    let refined = "kind = \"transport\"\n[of]\nkind = \"retrieval\"\n[of.of]\nkind = \"seed_style\"\n\
                   network = { hidden = 32 }\ntrain = { steps = 100, batch = 50 }";
    for (text, knows) in [
        (of("diffusion_link"), true),
        (of("seed_style"), true),
        (of("diffusion_bridge"), true),
        (refined.to_owned(), true),
        (format!("kind = \"kernel_ridge\"\nshares = [0.5]\n[beside]\n{}", of("seed_style")), true),
        ("kind = \"kernel_ridge\"\nbeside = { kind = \"ridge\" }".to_owned(), false),
        ("kind = \"kernel_ridge\"".to_owned(), false),
        (of("diffusion_link") + "\nloss = { text_identity = 0.0 }", false),
        (of("mlp_regression"), false),
        (of("brownian_bridge"), false),
        ("kind = \"ridge\"".to_owned(), false),
        ("kind = \"none\"".to_owned(), false),
    ] {
        let config: BridgeConfig = toml::from_str(&text).unwrap();
        assert_eq!(config.bridges_text(), knows, "{text}");
        let bridge = fit(&text, &train);
        let through = bridge.text_through(&train.text, &train.ids, 3);
        if !knows {
            let error = through.unwrap_err().to_string();
            assert!(error.contains("moves audio alone"), "{error}");
            continue;
        }
        let through = through.unwrap();
        assert_eq!(through.dim(), train.text.dim());
        assert!(through.outer_iter().all(|row| (row.dot(&row) - 1.0).abs() < 1e-5), "{text}");
        assert!(largest(&(&through - &bridge.text(&train.text).unwrap())) > 1e-3, "{text}");
        assert_ne!(through, bridge.text_through(&train.text, &train.ids, 4).unwrap(), "{text}");
    }
}

#[test]
fn most_bridges_leave_the_captions_alone() {
    let train = set("train", 60, 1);
    for kind in ["none", "ridge", "projection", "procrustes"] {
        let bridge = fit(&format!("kind = \"{kind}\""), &train);
        let text = bridge.text(&train.text).unwrap();
        assert!(largest(&(&text - &train.text)) < 1e-6, "{kind}");
        let config = BridgeConfig::of_kind(kind).unwrap();
        assert!(!config.moves_text() && config.decoder_noise().is_none(), "{kind}");
    }
}

#[test]
fn diffusion_bridge_augments_its_decoders_captions_by_seed_and_id() {
    let train = set("train", 200, 1);
    let bridge = fit(
        "kind = \"diffusion_bridge\"\nnetwork = { hidden = 48 }\n\
         train = { steps = 200, batch = 64, learning_rate = 2e-3, schedule = \"constant\" }",
        &train,
    );
    let plain = bridge.text(&train.text).unwrap();
    let augmented = bridge.decoder_text(&train.text, &train.ids, 1).unwrap();
    assert_eq!(augmented, bridge.decoder_text(&train.text, &train.ids, 1).unwrap());
    assert_ne!(augmented, bridge.decoder_text(&train.text, &train.ids, 2).unwrap());
    // Noised to timestep 400 and back: near its caption, nearer than to the next one.
    let cosine = |shift: usize| {
        let rows = augmented.nrows();
        let sum: f32 =
            (0..rows).map(|row| augmented.row(row).dot(&plain.row((row + shift) % rows))).sum();
        sum / rows as f32
    };
    assert!(cosine(0) > cosine(1) + 0.2 && cosine(0) < 0.999, "{} {}", cosine(0), cosine(1));
}

#[test]
fn kernel_ridge_beside_another_bridge_is_the_mean_of_both() {
    let (train, test) = (set("train", 200, 1), set("test", 50, 1));
    let alone = "kind = \"kernel_ridge\"\ntemperatures = [0.5]\nlambdas = [0.3]";
    let rows = |text: &str| fit(text, &train).apply(&test.audio, &test.ids, 0).unwrap();
    let (own, other) = (rows(alone), rows("kind = \"procrustes\""));
    for share in [0.0, 0.25, 1.0] {
        let both =
            rows(&format!("{alone}\nshares = [{share:?}]\nbeside = {{ kind = \"procrustes\" }}"));
        let mut mean = &own * share + &other * (1.0 - share);
        for mut row in mean.outer_iter_mut() {
            let norm = row.dot(&row).sqrt();
            row /= norm;
        }
        assert!(largest(&(both - mean)) < 1e-6, "{share}");
    }
    // Half of the clips as landmarks say nearly what all of them say.
    let half = rows(&format!("{alone}\nlandmarks = 100"));
    let off = largest(&(half - own));
    assert!(off > 1e-6 && off < 0.2, "{off}");
}

#[test]
fn a_bridge_over_another_is_whole_in_its_file() {
    let (train, test) = (set("train", 200, 1), set("test", 50, 1));
    let text = "kind = \"transport\"\nstrengths = [0.5]\n[of]\nkind = \"retrieval\"\n\
                temperatures = [0.05]\naudio_shares = [0.5]\n[of.of]\nkind = \"ridge\"";
    let bridge = fit(text, &train);
    let file = tempfile::NamedTempFile::new().unwrap();
    bridge.save(file.path()).unwrap();
    let again = Bridge::load(file.path(), Device::Cpu).unwrap();
    let rows = bridge.apply(&test.audio, &test.ids, 0).unwrap();
    assert_eq!(again.apply(&test.audio, &test.ids, 0).unwrap(), rows);
    assert_ne!(fit("kind = \"ridge\"", &train).apply(&test.audio, &test.ids, 0).unwrap(), rows);
    let config: BridgeConfig = toml::from_str("kind = \"retrieval\"\n[of]\nkind = \"c3\"").unwrap();
    let error = config.validate().unwrap_err().to_string();
    assert!(error.contains("of.kind = c3: must be a method that leaves captions"), "{error}");
}
