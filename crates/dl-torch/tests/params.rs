//! Parameters: initial values by name, strict restoring, files.

use std::{collections::HashMap, path::Path};

use dl_torch::{
    Params,
    layers::{Init, LayerNorm, Linear, RmsNorm, l2_normalise},
    tensor_file,
};
use tch::{Device, Kind, Tensor};

fn model(seed: u64, names: &[&str]) -> Params {
    let params = Params::new(seed, Device::Cpu);
    for name in names {
        Linear::new(&(&params.root() / name), 4, 3, Init::Uniform);
    }
    params
}

#[test]
fn initial_values_depend_on_seed_and_name_alone() {
    let (one, two) = (model(1, &["a", "b"]), model(1, &["b", "a"]));
    assert_eq!(one.fingerprint().unwrap(), two.fingerprint().unwrap());
    assert_ne!(one.fingerprint().unwrap(), model(2, &["a", "b"]).fingerprint().unwrap());
    assert_eq!(one.count(), 2 * (4 * 3 + 3));
    let bound = one.named()["a.weight"].abs().max().double_value(&[]);
    assert!(bound <= 0.5 && bound > 0.3, "within 1/sqrt(4): {bound}");
}

#[test]
fn a_file_restores_every_bit_and_faults_are_listed() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("model.safetensors");
    let saved = model(1, &["a", "b"]);
    saved.save(&path, HashMap::from([("kind".into(), "toy".into())])).unwrap();
    let loaded = model(2, &["a", "b"]);
    assert_eq!(loaded.load(&path).unwrap()["kind"], "toy");
    assert_eq!(loaded.fingerprint().unwrap(), saved.fingerprint().unwrap());
    let error = model(2, &["a", "c"]).load(&path).unwrap_err().to_string();
    for part in ["model.safetensors", "`c.weight` is missing", "`b.bias` is unknown"] {
        assert!(error.contains(part), "{error}");
    }
    let missing = model(2, &["a"]).load(Path::new("nowhere.safetensors")).unwrap_err();
    assert!(missing.to_string().starts_with("nowhere.safetensors:"), "{missing}");
}

#[test]
fn norms_by_hand() {
    let params = Params::new(0, Device::Cpu);
    let x = Tensor::from_slice(&[3.0_f32, -1.0]).view([1, 2]);
    // Mean 1, variance 4.
    let layer = LayerNorm::new(&(&params.root() / "layer"), 2, 0.0).forward(&x);
    assert!((layer - Tensor::from_slice(&[1.0_f32, -1.0])).abs().max().double_value(&[]) < 1e-6);
    // Mean square 5.
    let rms = RmsNorm::new(&(&params.root() / "rms"), 2, 0.0).forward(&x);
    assert!((rms.double_value(&[0, 0]) - 3.0 / 5.0_f64.sqrt()).abs() < 1e-6);
    let unit = l2_normalise(&Tensor::from_slice(&[3.0_f32, 4.0, 0.0, 0.0]).view([2, 2]));
    assert!((unit.double_value(&[0, 1]) - 0.8).abs() < 1e-7);
    assert_eq!(unit.get(1).abs().sum(Kind::Float).double_value(&[]), 0.0);
}

#[test]
fn stored_parameters_are_those_of_the_file_and_nothing_else_is_made() {
    let saved = model(1, &["a", "b"]);
    let params = Params::stored(saved.snapshot(), Device::Cpu);
    let x = Tensor::from_slice(&[1.0_f32, 2.0, 3.0, 4.0]).view([1, 4]);
    let y = Linear::new(&(&params.root() / "a"), 4, 3, Init::Uniform).forward(&x);
    let named = saved.named();
    assert!(y.equal(&x.linear(&named["a.weight"], Some(&named["a.bias"]))) && !y.requires_grad());
    let error = params.check_stored(Path::new("file")).unwrap_err().to_string();
    let expected = "file: the tensors do not fit this model: `b.bias` is unknown, `b.weight` is \
                    unknown";
    assert_eq!(error, expected);
    Linear::new(&(&params.root() / "b"), 4, 3, Init::Uniform);
    params.check_stored(Path::new("file")).unwrap();
    assert_eq!(params.fingerprint().unwrap(), saved.fingerprint().unwrap());
    // Four exabytes that the file does not hold.
    let params = Params::stored(model(1, &["a"]).snapshot(), Device::Cpu);
    Linear::new(&(&params.root() / "a"), 1 << 30, 1 << 30, Init::Uniform);
    LayerNorm::new(&(&params.root() / "c"), 1 << 60, 1e-5);
    let error = params.check_stored(Path::new("file")).unwrap_err().to_string();
    let expected = "file: the tensors do not fit this model: `a.weight` is [3, 4], expected \
                    [1073741824, 1073741824], `a.bias` is [3], expected [1073741824], `c.weight` \
                    is missing, `c.bias` is missing";
    assert_eq!(error, expected);
}

#[test]
fn shapes_without_values_are_those_that_libtorch_takes() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("shapes.safetensors");
    let read = |shape: &str| {
        let entry = format!(r#"{{"dtype":"F32","shape":{shape},"data_offsets":[0,0]}}"#);
        let header = format!(r#"{{"a":{entry}}}"#);
        let length = (header.len() as u64).to_le_bytes();
        std::fs::write(&path, [&length, header.as_bytes()].concat()).unwrap();
        tensor_file::read(&path, Device::Cpu)
    };
    let most = format!("[{}0]", "1,".repeat(63));
    for shape in ["[4611686018427387904,0]", &most] {
        let (tensors, _) = read(shape).unwrap();
        assert_eq!(format!("{:?}", tensors["a"].size()).replace(' ', ""), shape);
        assert_eq!(tensors["a"].isfinite().all().int64_value(&[]), 1, "computable");
    }
    let more = format!("[{}0]", "1,".repeat(64));
    for shape in
        ["[9223372036854775808,0]", "[18446744073709551615,0]", "[0,1099511627776,8388608]", &more]
    {
        let error = read(shape).unwrap_err().to_string();
        let expected =
            "tensor `a` has more sizes, or larger ones, than libtorch takes; make it again";
        assert_eq!(error, format!("{}: {expected}", path.display()));
    }
}
