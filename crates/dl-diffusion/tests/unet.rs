//! The 1-D U-Net against the package that it comes from, and Diffusion Bridge with it.

mod toy;

use std::path::Path;

use dl_diffusion::{
    Bridge, BridgeConfig, BridgeData,
    bridges::DiffusionBridgeConfig,
    unet::{Unet, UnetConfig},
};
use dl_torch::{Params, tensor_file};
use ndarray::{Axis, s};
use tch::{Device, Kind, Tensor};
use toy::{context, set};

fn largest_difference(a: &Tensor, b: &Tensor) -> f64 {
    assert_eq!(a.size(), b.size());
    (a - b).abs().max().double_value(&[])
}

#[test]
fn the_unet_matches_the_package() {
    let path = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/unet.safetensors"));
    let (mut golden, _) = tensor_file::read(path, Device::Cpu).unwrap();
    let mut take = |name: &str| golden.remove(name).unwrap();
    let (x, timesteps, y) = (take("x"), take("timesteps"), take("y"));
    let weights = golden
        .into_iter()
        .map(|(name, value)| (name.strip_prefix("weights.").unwrap().to_owned(), value))
        .collect();
    let params = Params::new(0, Device::Cpu);
    let config =
        UnetConfig { width: 8, multipliers: vec![1, 2], sinusoid: 8, ..Default::default() };
    let unet = Unet::new(&params.root(), 16, &config).unwrap();
    params.restore(&weights, path).unwrap();
    let difference = largest_difference(&unet.forward(&x, &timesteps), &y);
    // Outputs up to 3.5 in size.
    assert!(difference < 5e-6, "{difference}");
    // One timestep for all rows is the same as the timestep repeated.
    let once = unet.forward(&x, &Tensor::from_slice(&[7_i64]));
    let repeated = unet.forward(&x, &Tensor::from_slice(&[7_i64; 4]));
    assert!(largest_difference(&once, &repeated) < 1e-5);
    // Rows that go through in several parts, each with its timestep.
    let many = unet.forward(&x.repeat([130, 1]), &timesteps.repeat([130]));
    assert!(largest_difference(&many, &y.repeat([130, 1])) < 1e-5);
    assert_eq!(unet.forward(&x.narrow(0, 0, 0), &timesteps.narrow(0, 0, 0)).size(), [0, 16]);
}

#[test]
fn the_unet_has_the_size_of_the_package() {
    let count = |config: &UnetConfig| {
        let params = Params::new(0, Device::Cpu);
        Unet::new(&params.root(), 512, config).unwrap();
        params.count()
    };
    // The number that golden/unet.py prints, with a sinusoid as wide as the first level.
    let package = UnetConfig { sinusoid: 32, ..Default::default() };
    assert_eq!(count(&package), 3_975_873);
    // Diffusion Bridge's is as wide as the embedding: 480 more inputs to 128 units.
    assert_eq!(count(&UnetConfig::default()), 3_975_873 + 480 * 128);
}

#[test]
fn every_parameter_takes_a_gradient() {
    let params = Params::new(1, Device::Cpu);
    let config = UnetConfig { width: 4, multipliers: vec![1, 2], ..Default::default() };
    let unet = Unet::new(&params.root(), 8, &config).unwrap();
    let x = Tensor::arange(24, (Kind::Float, Device::Cpu)).view([3, 8]).sin();
    // A row of zeros is where a norm by hand would give a NaN.
    let x = Tensor::cat(&[x, Tensor::zeros([1, 8], (Kind::Float, Device::Cpu))], 0);
    unet.forward(&x, &Tensor::from_slice(&[0_i64, 5, 400, 999]))
        .square()
        .sum(Kind::Float)
        .backward();
    for (name, tensor) in params.named() {
        let gradient = tensor.grad();
        assert!(gradient.isfinite().all().int64_value(&[]) == 1, "{name}");
        assert!(gradient.abs().max().double_value(&[]) > 0.0, "{name}");
    }
}

/// Diffusion Bridge with a U-Net, small enough for a test.
fn config() -> BridgeConfig {
    let text = "kind = \"diffusion_bridge\"\n\
                network = { kind = \"unet\", width = 8, multipliers = [1, 2], heads = 2, head_dim = 8 }\n\
                train = { steps = 200, batch = 64, warmup_steps = 20, learning_rate = 3e-3, \
                validate_every = 100 }";
    toml::from_str(text).expect("a configuration")
}

#[test]
fn diffusion_bridge_with_a_unet_fits_survives_its_file_and_does_not_depend_on_batch_or_order() {
    let (train, validation) = (set("train", 400, 1), set("validation", 100, 2));
    let data = BridgeData::new(&train, &validation);
    let bridge = config().fit(&data, &context(0)).unwrap();
    let test = set("test", 64, 1);
    let together = bridge.apply(&test.audio, &test.ids, 5).unwrap();

    let file = tempfile::NamedTempFile::new().unwrap();
    bridge.save(file.path()).unwrap();
    let again = Bridge::load(file.path(), Device::Cpu).unwrap();
    assert_eq!(again.apply(&test.audio, &test.ids, 5).unwrap(), together);
    assert_eq!(again.report(), bridge.report());
    let augmented = |bridge: &Bridge| bridge.decoder_text(&test.text, &test.ids, 1).unwrap();
    assert_eq!(augmented(&again), augmented(&bridge));

    for row in 0..64 {
        let one = test.audio.slice(s![row..=row, ..]).to_owned();
        let alone = bridge.apply(&one, &test.ids[row..=row], 5).unwrap();
        let worst = (&alone.row(0) - &together.row(row)).mapv(f32::abs);
        assert!(worst.iter().all(|&x| x < 1e-6), "row {row}: {worst}");
    }
    let order: Vec<usize> = (0..64).rev().collect();
    let ids: Vec<String> = order.iter().map(|&row| test.ids[row].clone()).collect();
    let reversed = bridge.apply(&test.audio.select(Axis(0), &order), &ids, 5).unwrap();
    let worst = (reversed - together.select(Axis(0), &order)).mapv(f32::abs);
    assert!(worst.iter().all(|&x| x < 1e-6));
}

#[test]
fn the_choice_of_network_is_read_and_written() {
    let parse = |network: &str| {
        let parsed = toml::from_str::<DiffusionBridgeConfig>(network);
        parsed.map_err(|error| error.message().to_owned())
    };
    // Without a kind it is the residual MLP.
    let plain = parse("network = { hidden = 48 }").unwrap();
    assert_eq!(plain, parse("network = { kind = \"residual_mlp\", hidden = 48 }").unwrap());
    let written = serde_json::to_value(&plain).unwrap();
    assert_eq!(
        written["network"],
        serde_json::json!({
            "kind": "residual_mlp", "hidden": 48, "blocks": 3, "precision": "f32"
        })
    );
    let default = parse("").unwrap();
    assert_eq!(parse("network = {}").unwrap(), default);
    let unet = parse("network = { kind = \"unet\" }").unwrap();
    assert_ne!(unet, default);
    for config in [plain, default, unet] {
        let text = toml::to_string(&config).unwrap();
        assert_eq!(parse(&text).unwrap(), config, "{text}");
    }
    for (text, expected) in [
        (
            "network = { kind = \"cnn\" }",
            "kind: unknown variant `cnn`, expected one of `residual_mlp`, `unet`",
        ),
        ("network = { kind = \"unet\", hidden = 3 }", "hidden: unknown field `hidden`"),
        ("network = { width = 3 }", "width: unknown field `width`"),
        ("network = 3", "invalid type: integer `3`, expected a map"),
    ] {
        let error = parse(text).unwrap_err();
        assert!(error.contains(expected), "{error}");
    }
}

#[test]
fn sizes_that_do_not_fit_are_named() {
    let new = |dim, config: UnetConfig| {
        let params = Params::new(0, Device::Cpu);
        Unet::new(&params.root(), dim, &config).map(|_| ()).map_err(|error| error.to_string())
    };
    let with = UnetConfig::default;
    for (dim, config, expected) in [
        (
            100,
            with(),
            "multipliers = [1, 2, 4, 8]: must be so short that the embedding \
                       size 100 can be halved evenly once for each but the last",
        ),
        (8, UnetConfig { multipliers: vec![1; 65], ..with() }, "multipliers = [1"),
        (8, UnetConfig { multipliers: vec![], ..with() }, "multipliers = []: must be"),
        (
            8,
            UnetConfig { multipliers: vec![1, 0], ..with() },
            "multipliers[1] = 0: must be in 1..=65536",
        ),
        (8, UnetConfig { width: 0, ..with() }, "width = 0: must be in 1..=65536"),
        (8, UnetConfig { heads: 0, ..with() }, "heads = 0: must be in 1..=65536"),
        (8, UnetConfig { head_dim: 0, ..with() }, "head_dim = 0: must be in 1..=65536"),
        // 3 x 2^15 x 32 x 64 values.
        (
            64,
            UnetConfig { heads: 1 << 15, ..with() },
            "heads = 32768: must be so few that the attentions need at most 16777216 values for \
             an embedding of size 64, not 201326592",
        ),
        (8, UnetConfig { sinusoid: 2, ..with() }, "sinusoid = 2: must be 0"),
        (7, UnetConfig { multipliers: vec![1], ..with() }, "sinusoid = 0: must be even"),
    ] {
        let error = new(dim, config).unwrap_err();
        assert!(error.contains(expected), "{error}");
    }
    assert!(new(7, UnetConfig { multipliers: vec![1], sinusoid: 4, ..with() }).is_ok());
    assert!(new(8, with()).is_ok());
    // A fit says the same before it trains.
    let odd: BridgeConfig = toml::from_str(
        "kind = \"diffusion_bridge\"\nnetwork = { kind = \"unet\", multipliers = [1, 1, 1, 1, 1] }",
    )
    .unwrap();
    let train = set("train", 64, 1);
    let data = BridgeData::new(&train, &train).insist();
    let error = odd.fit(&data, &context(0)).map(|_| ()).unwrap_err().to_string();
    assert!(error.starts_with("network.multipliers = [1, 1, 1, 1, 1]: "), "{error}");
    assert!(error.contains("the embedding size 24 can be halved evenly"), "{error}");
}
