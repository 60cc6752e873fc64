//! CLAP in the layouts that transformers 5, transformers 4 with parts and training code
//! give it (tests/golden/clap_layouts.py), and keys that are known without loading.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test may fail and say why")]

mod common;
#[path = "../../dl-torch/tests/strange/mod.rs"]
mod strange;

use std::{fs, path::Path};

use common::{golden, random_aisfx};
use dl_audio::Waveform;
use dl_core::Fingerprint;
use dl_encoder::{
    Aisfx, AisfxConfig, AudioEncoder, AudioTowerConfig, Clap, ClapConfig, Encoder, MiniLm,
    MiniLmConfig, TextTowerConfig, TorchScriptEncoder, TowerPair, TowerPairConfig,
};
use dl_torch::tensor_file;
use ndarray::Array2;
use proptest::{collection::vec, prelude::any, prop_assert, proptest};
use tch::Device;

fn load(path: &Path) -> Result<Clap, String> {
    Clap::load(&ClapConfig::at(path), Device::Cpu).map_err(|error| error.to_string())
}

fn both(clap: &Clap) -> (Array2<f32>, Array2<f32>) {
    let samples = (0..12_000).map(|t| (t as f32 * 0.11).sin() * (t as f32 * 1e-3).cos()).collect();
    let clips = [Waveform { samples, sample_rate: 8000 }];
    let texts = ["a dog barks".to_owned(), "Rain.".to_owned()];
    (clap.embed_audio(&clips).unwrap(), clap.embed_text(&texts).unwrap())
}

fn copy(from: &str, to: &Path) {
    for entry in fs::read_dir(golden(from)).unwrap() {
        let path = entry.unwrap().path();
        fs::copy(&path, to.join(path.file_name().unwrap())).unwrap();
    }
}

#[test]
fn every_layout_is_one_encoder() {
    let expected = both(&load(&golden("clap_unfused")).unwrap());
    for layout in ["clap_current", "clap_bin"] {
        // The same values in half precision: the same bits.
        assert_eq!(both(&load(&golden(layout)).unwrap()), expected, "{layout}");
    }
}

#[test]
fn wrapped_names_are_the_model_and_a_strange_prefix_is_named() {
    let directory = tempfile::tempdir().unwrap();
    copy("clap_unfused", directory.path());
    let file = directory.path().join("model.safetensors");
    let (tensors, _) = tensor_file::read(&file, Device::Cpu).unwrap();
    let expected = both(&load(directory.path()).unwrap());
    let under = |prefix: &str| {
        let tensors =
            tensors.iter().map(|(name, t)| (format!("{prefix}{name}"), t.shallow_clone()));
        tensor_file::write(&file, &tensors.collect(), Default::default()).unwrap();
        load(directory.path())
    };
    for prefix in ["module.", "_orig_mod.", "model.", "model.module._orig_mod.", "module.model."] {
        assert_eq!(both(&under(prefix).unwrap()), expected, "{prefix}");
    }
    let fault = under("clap.").err().unwrap();
    assert!(
        fault.contains("model.safetensors: the names of its tensors begin with `clap.`"),
        "{fault}"
    );
    assert!(fault.len() < 300, "{fault}");
}

#[test]
fn any_configuration_gives_an_encoder_or_one_sentence() {
    for layout in ["clap_unfused", "clap_fused", "clap_current"] {
        let directory = tempfile::tempdir().unwrap();
        copy(layout, directory.path());
        let processor = if layout == "clap_current" {
            "processor_config.json"
        } else {
            "preprocessor_config.json"
        };
        for name in ["config.json", processor] {
            let file = directory.path().join(name);
            let text = fs::read_to_string(&file).unwrap();
            proptest!(strange::cases(100), |(
                changes in vec((any::<usize>(), any::<usize>()), 1..3)
            )| {
                fs::write(&file, strange::changed(&text, &changes)).unwrap();
                if let Err(error) = load(directory.path()) {
                    prop_assert!(error.starts_with(&directory.path().display().to_string()), "{error}");
                    prop_assert!(!error.contains('\n') && error.len() < 2000, "{error}");
                }
            });
            fs::write(&file, &text).unwrap();
        }
    }
}

#[test]
fn weights_that_are_no_numbers_are_named() {
    let directory = tempfile::tempdir().unwrap();
    copy("clap_unfused", directory.path());
    let file = directory.path().join("model.safetensors");
    let (mut tensors, _) = tensor_file::read(&file, Device::Cpu).unwrap();
    let name = "audio_projection.linear2.bias";
    let bad = tensors[name].to_kind(tch::Kind::Float);
    let _ = bad.get(0).fill_(f64::NAN);
    tensors.insert(name.into(), bad);
    tensor_file::write(&file, &tensors, Default::default()).unwrap();
    let fault = load(directory.path()).err().unwrap();
    assert!(
        fault.contains("model.safetensors: ") && fault.contains(&format!("`{name}` has NaN")),
        "{fault}"
    );
}

#[test]
fn a_missing_front_end_or_part_is_told() {
    let directory = tempfile::tempdir().unwrap();
    copy("clap_current", directory.path());
    fs::remove_file(directory.path().join("processor_config.json")).unwrap();
    let fault = load(directory.path()).err().unwrap();
    assert!(fault.contains("no preprocessor_config.json and no processor_config.json"), "{fault}");
    // Before transformers 5 this file said nothing of the front end.
    fs::write(directory.path().join("processor_config.json"), r#"{"processor_class": "C"}"#)
        .unwrap();
    assert!(load(directory.path()).is_err());
    fs::copy(
        golden("clap_unfused/preprocessor_config.json"),
        directory.path().join("preprocessor_config.json"),
    )
    .unwrap();
    load(directory.path()).unwrap();
    fs::remove_file(directory.path().join("model-00002-of-00003.safetensors")).unwrap();
    let fault = load(directory.path()).err().unwrap();
    assert!(fault.contains("model-00002-of-00003.safetensors: is missing, but"), "{fault}");
}

#[cfg(unix)]
#[test]
fn a_pipe_in_place_of_a_file_is_refused_at_once() {
    let directory = tempfile::tempdir().unwrap();
    copy("clap_unfused", directory.path());
    for name in ["model.safetensors", "config.json", "preprocessor_config.json", "tokenizer.json"] {
        let path = directory.path().join(name);
        fs::remove_file(&path).unwrap();
        assert!(std::process::Command::new("mkfifo").arg(&path).status().unwrap().success());
        let fault = load(directory.path()).err().unwrap();
        assert!(fault.contains(&format!("{name}: is a named pipe")), "{fault}");
        fs::remove_file(&path).unwrap();
        fs::copy(golden("clap_unfused").join(name), &path).unwrap();
    }
}

#[test]
fn keys_are_known_without_loading() {
    for layout in ["clap_unfused", "clap_fused", "clap_current", "clap_bin"] {
        for config in [
            ClapConfig::at(golden(layout)),
            ClapConfig { int16: true, max_tokens: 20, ..ClapConfig::at(golden(layout)) },
        ] {
            let loaded = Clap::load(&config, Device::Cpu).unwrap().fingerprint();
            assert_eq!(Clap::fingerprint_of(&config).unwrap(), loaded, "{layout}");
        }
    }
    let directory = tempfile::tempdir().unwrap();
    copy("clap_unfused", directory.path());
    let config = ClapConfig::at(directory.path());
    let before = Clap::fingerprint_of(&config).unwrap();
    // One bit of one weight.
    let file = directory.path().join("model.safetensors");
    let mut bytes = fs::read(&file).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    fs::write(&file, bytes).unwrap();
    assert_ne!(Clap::fingerprint_of(&config).unwrap(), before);
    fs::remove_file(&file).unwrap();
    assert!(Clap::fingerprint_of(&config).is_err());

    let bundle = golden("torchscript_bundle");
    let loaded = TorchScriptEncoder::load(&bundle, Device::Cpu).unwrap().fingerprint();
    assert_eq!(TorchScriptEncoder::fingerprint_of(&bundle).unwrap(), loaded);
}

#[test]
fn keys_of_towers_are_known_without_loading() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("checkpoint.safetensors");
    random_aisfx(&path);
    let audio = AisfxConfig { path, hop_frames: 50, ..AisfxConfig::default() };
    let text = MiniLmConfig { path: golden("sentence_bert"), ..MiniLmConfig::default() };
    let sound = Aisfx::load(&audio, Device::Cpu).unwrap().fingerprint();
    assert_eq!(Aisfx::fingerprint_of(&audio).unwrap(), sound);
    let words = MiniLm::load(&text, Device::Cpu).unwrap().fingerprint().clone();
    assert_eq!(MiniLm::fingerprint_of(&text).unwrap(), words);
    let pair = TowerPairConfig {
        audio: AudioTowerConfig::Aisfx(audio),
        text: TextTowerConfig::Minilm(text),
    };
    let found = TowerPair::fingerprint_of(&pair).unwrap();
    assert_eq!(found, TowerPair::load(&pair, Device::Cpu).unwrap().fingerprint());
    assert_eq!(found, Fingerprint::combine([&sound, &words]));
}

#[test]
fn a_laion_checkpoint_has_its_key_too() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("laion.pt");
    fs::copy(golden("laion.pt"), &path).unwrap();
    let config = ClapConfig::at(&path);
    let fault = Clap::fingerprint_of(&config).unwrap_err().to_string();
    assert!(fault.contains("tokenizer.json: is missing"), "{fault}");
    let tokenizer = directory.path().join("tokenizer.json");
    fs::copy(golden("clap_unfused/tokenizer.json"), &tokenizer).unwrap();
    let files = [&path, &tokenizer].map(|path| Fingerprint::of_file(path).unwrap());
    let parts = [
        Fingerprint::combine(&files),
        Fingerprint::of(&("clap", 1, (config.crop, config.chunks, config.int16, 77))),
    ];
    assert_eq!(Clap::fingerprint_of(&config).unwrap(), Fingerprint::combine(&parts));
}
