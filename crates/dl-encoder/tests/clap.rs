//! CLAP against transformers' ClapModel at toy size (tests/golden/clap.py) and,
//! where a folder of that script is given, at published size.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test may fail and say why")]

mod common;

use std::{
    collections::HashMap,
    env, fs,
    path::{Path, PathBuf},
};

use common::{difference, golden};
use dl_audio::Waveform;
use dl_encoder::{AudioEncoder, Clap, ClapConfig, Encoder};
use dl_torch::{convert, tensor_file};
use ndarray::{Array2, s};
use tch::{Device, Tensor};

const MODELS: [&str; 2] = ["clap_unfused", "clap_fused"];

struct Golden {
    clips: Vec<Waveform>,
    texts: Vec<String>,
    audio: Tensor,
    text: Tensor,
}

fn read(directory: &Path, sample_rate: u32) -> Golden {
    let path = directory.join("golden.safetensors");
    let (mut tensors, _) = tensor_file::read(&path, Device::Cpu).unwrap();
    let clips = (0..)
        .map_while(|i| tensors.remove(&format!("waveform_{i}")))
        .map(|samples| Waveform { samples: convert::vec1(&samples).unwrap(), sample_rate })
        .collect();
    let texts = serde_json::from_slice(&fs::read(directory.join("texts.json")).unwrap()).unwrap();
    Golden {
        clips,
        texts,
        audio: tensors.remove("audio").unwrap(),
        text: tensors.remove("text").unwrap(),
    }
}

fn load(directory: &Path) -> Clap {
    Clap::load(&ClapConfig::at(directory), Device::Cpu).unwrap()
}

fn worst(found: &Array2<f32>, expected: &Tensor) -> f64 {
    difference(&convert::tensor2(found.view(), Device::Cpu), expected)
}

fn assert_equals_reference(directory: &Path, sample_rate: u32) {
    let (clap, golden) = (load(directory), read(directory, sample_rate));
    let audio = clap.embed_audio(&golden.clips).unwrap();
    let text = clap.embed_text(&golden.texts).unwrap();
    for (side, found, expected) in [("audio", &audio, &golden.audio), ("text", &text, &golden.text)]
    {
        let error = worst(found, expected);
        println!("{}: {side} differs by at most {error:.1e}", directory.display());
        assert!(error < 1e-4, "{side}: {error}");
        let expected = convert::array2(expected).unwrap();
        let lowest = (found * &expected).rows().into_iter().map(|row| row.sum()).reduce(f32::min);
        assert!(lowest.unwrap() > 0.99999, "{side}: cosine {lowest:?}");
        // The fixture is worth something: different inputs are far apart.
        assert!(
            worst(
                &found.slice(s![1.., ..]).to_owned(),
                &convert::tensor2(expected.slice(s![..-1, ..]), Device::Cpu)
            ) > 0.05
        );
    }
}

#[test]
fn toy_models_equal_the_reference_from_waveform_and_caption_on() {
    for model in MODELS {
        assert_equals_reference(&golden(model), 8000);
    }
}

/// `CLAP_PUBLISHED=<folder of clap.py --published> cargo test -p dl-encoder --release --
/// published`: the result is recorded in the crate's README.
#[test]
fn published_size_equals_the_reference() {
    let Some(folder) = env::var_os("CLAP_PUBLISHED").map(PathBuf::from) else {
        println!("no CLAP_PUBLISHED: not compared at published size");
        return;
    };
    for model in MODELS {
        assert_equals_reference(&folder.join(model), 48_000);
    }
}

#[test]
fn company_and_batch_size_change_nothing() {
    for model in MODELS {
        let golden_set = read(&golden(model), 8000);
        let eight: Vec<Waveform> = golden_set.clips.iter().cloned().cycle().take(8).collect();
        let load = |batch| {
            let config = ClapConfig { batch, ..ClapConfig::at(golden(model)) };
            Clap::load(&config, Device::Cpu).unwrap()
        };
        let (one, many) = (load(1), load(8));
        let alone = one.embed_audio(&eight).unwrap();
        let together = many.embed_audio(&eight).unwrap();
        let error = worst(&together, &convert::tensor2(alone.view(), Device::Cpu));
        println!("{model}: batch 1 and 8 differ by {error:.1e}");
        assert!(error < 1e-5, "{error}");
        let texts: Vec<String> = golden_set.texts.iter().cloned().cycle().take(8).collect();
        let (alone, together) = (one.embed_text(&texts).unwrap(), many.embed_text(&texts).unwrap());
        assert!(worst(&together, &convert::tensor2(alone.view(), Device::Cpu)) < 1e-5);
        assert_eq!(together.row(0), together.row(4));
        assert_eq!(one.fingerprint(), many.fingerprint());
        assert_eq!(many.embed_audio(&[]).unwrap().nrows(), 0);
    }
}

/// A copy of the unfused toy model with one file changed.
fn spoilt(name: &str, change: impl FnOnce(&mut Vec<u8>)) -> (tempfile::TempDir, String) {
    let directory = tempfile::tempdir().unwrap();
    for entry in fs::read_dir(golden("clap_unfused")).unwrap() {
        let path = entry.unwrap().path();
        fs::copy(&path, directory.path().join(path.file_name().unwrap())).unwrap();
    }
    let file = directory.path().join(name);
    let mut bytes = fs::read(&file).unwrap();
    change(&mut bytes);
    fs::write(&file, bytes).unwrap();
    let config = ClapConfig::at(directory.path());
    let error = Clap::load(&config, Device::Cpu).err().unwrap().to_string();
    (directory, error)
}

fn replace(from: &'static str, to: &'static str) -> impl FnOnce(&mut Vec<u8>) {
    move |bytes| {
        let text = String::from_utf8(bytes.clone()).unwrap();
        assert!(text.contains(from), "{from}");
        *bytes = text.replace(from, to).into_bytes();
    }
}

#[test]
fn files_that_do_not_fit_are_named_with_cause_and_remedy() {
    for (file, change, part) in [
        ("config.json", replace("\"clap\"", "\"bert\""), "`model_type` is \"bert\""),
        ("config.json", replace("\"spec_size\": 128", "\"spec_size\": 100"), "spec_size = 100"),
        (
            "preprocessor_config.json",
            replace("\"feature_size\": 64", "\"feature_size\": 32"),
            "makes 32 mels, but the model takes 64",
        ),
        (
            "preprocessor_config.json",
            replace("\"hop_length\": 80", "\"hop_length\": 40"),
            "gives 401 frames, but the model takes at most 256",
        ),
        ("preprocessor_config.json", replace("rand_trunc", "fusion"), "disagree about fusion"),
        ("preprocessor_config.json", replace("repeatpad", "mirror"), "padding"),
        ("tokenizer.json", replace("{", "["), "tokenizer.json"),
    ] {
        let (_, error) = spoilt(file, change);
        assert!(error.contains(file) && error.contains(part), "{error}");
    }
    let (_, error) = spoilt("model.safetensors", |bytes| bytes.truncate(5000));
    assert!(error.contains("not a whole safetensors file"), "{error}");
}

#[test]
fn tensors_that_do_not_fit_are_listed() {
    let directory = tempfile::tempdir().unwrap();
    for entry in fs::read_dir(golden("clap_unfused")).unwrap() {
        let path = entry.unwrap().path();
        fs::copy(&path, directory.path().join(path.file_name().unwrap())).unwrap();
    }
    let file = directory.path().join("model.safetensors");
    let (mut tensors, _) = tensor_file::read(&file, Device::Cpu).unwrap();
    let lost = "audio_projection.linear1.bias";
    let _ = tensors.remove(lost).unwrap();
    tensors.insert("audio_model.extra".into(), Tensor::zeros([2], (tch::Kind::Float, Device::Cpu)));
    let bent = "text_model.pooler.dense.bias";
    tensors.insert(bent.into(), Tensor::zeros([2], (tch::Kind::Float, Device::Cpu)));
    tensor_file::write(&file, &tensors, HashMap::new()).unwrap();
    let config = ClapConfig::at(directory.path());
    let error = Clap::load(&config, Device::Cpu).err().unwrap().to_string();
    for part in [
        format!("`{lost}` is missing"),
        format!("`{bent}` is [2], expected [32]"),
        "`audio_model.extra` is unknown".into(),
    ] {
        assert!(error.contains(&part), "{error}");
    }
}

#[test]
fn pytorch_bin_is_read_too_and_policies_are_in_the_fingerprint() {
    let base = load(&golden("clap_unfused"));
    let with = |config: ClapConfig| Clap::load(&config, Device::Cpu).unwrap().fingerprint();
    let at = || ClapConfig::at(golden("clap_unfused"));
    assert_ne!(base.fingerprint(), with(ClapConfig { int16: true, ..at() }));
    assert_ne!(base.fingerprint(), with(ClapConfig { crop: dl_audio::Crop::Centre, ..at() }));
    assert_ne!(base.fingerprint(), with(ClapConfig { max_tokens: 20, ..at() }));
    let [audio, text] = base.logit_scales();
    assert!((audio - 1.0 / 0.07).abs() < 0.05 && (text - 1.0 / 0.07).abs() < 0.05);
    let error = Clap::load(&ClapConfig::at("/nowhere"), Device::Cpu).err().unwrap().to_string();
    assert!(error.starts_with("/nowhere: there is no such file or folder; give a CLAP"), "{error}");
}
