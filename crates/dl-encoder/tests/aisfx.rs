//! The sound tower against its reference implementation (tests/golden/aisfx.py).
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test may fail and say why")]

mod common;

use common::{difference, golden, goldens, model, random_aisfx};
use dl_audio::Waveform;
use dl_encoder::{Aisfx, AisfxConfig, AudioEncoder};
use dl_torch::convert;
use ndarray::{Array2, s};
use tch::{Device, Tensor};

fn load(hop_frames: usize) -> Option<Aisfx> {
    let path = model("aisfx/checkpoint.pth")?;
    let config = AisfxConfig { path, hop_frames, ..Default::default() };
    Some(Aisfx::load(&config, Device::Cpu).unwrap())
}

#[test]
fn blocks_match_the_reference() {
    let Some(tower) = load(100) else { return };
    let goldens = goldens("aisfx.safetensors");
    let found = tower.embed_blocks(&goldens["log_mels"]).unwrap();
    let error = difference(&convert::tensor2(found.view(), Device::Cpu), &goldens["embeddings"]);
    println!("largest difference {error:.1e}");
    assert!(error < 1e-4, "{error}");
}

#[test]
fn a_wav_file_matches_the_reference_from_end_to_end() {
    let Some(tower) = load(50) else { return };
    let goldens = goldens("aisfx.safetensors");
    let waveform = dl_audio::load(&golden("aisfx.wav")).unwrap();
    let found = tower.embed_audio(std::slice::from_ref(&waveform)).unwrap();
    let error = difference(
        &convert::tensor2(found.view(), Device::Cpu),
        &goldens["wav_embedding"].unsqueeze(0),
    );
    println!("wav: largest difference {error:.1e}");
    assert!(error < 1e-4, "{error}");
    // The first 60 frames alone: one block, filled up with zeros.
    let mut features = tower.front_end().features(&waveform).unwrap();
    features.values = features.values.slice(s![.., ..60, ..]).to_owned();
    let found = tower.embed_features(&[features]).unwrap();
    let error = difference(
        &convert::tensor2(found.view(), Device::Cpu),
        &goldens["short_embedding"].unsqueeze(0),
    );
    println!("short: largest difference {error:.1e}");
    assert!(error < 1e-4, "{error}");
}

#[test]
fn batch_size_and_company_change_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("random.safetensors");
    random_aisfx(&path);
    let tower = |batch| {
        let config = AisfxConfig { path: path.clone(), batch, ..Default::default() };
        Aisfx::load(&config, Device::Cpu).unwrap()
    };
    let clip = |seconds: f32, pitch: f32| Waveform {
        samples: (0..(seconds * 16_000.0) as usize)
            .map(|t| (t as f32 * pitch / 16_000.0 * std::f32::consts::TAU).sin())
            .collect(),
        sample_rate: 16_000,
    };
    let clips = [clip(0.1, 440.0), clip(5.0, 880.0), clip(2.4, 200.0)];
    let (small, large) = (tower(1), tower(16));
    assert_eq!(small.fingerprint(), large.fingerprint());
    let together = large.embed_audio(&clips).unwrap();
    for (clip, row) in clips.iter().zip(together.rows()) {
        let alone: Array2<f32> = small.embed_audio(std::slice::from_ref(clip)).unwrap();
        let scale = row.iter().fold(0.0_f32, |most, x| most.max(x.abs()));
        let error = alone.row(0).iter().zip(row).fold(0.0_f32, |e, (a, b)| e.max((a - b).abs()));
        assert!(scale > 0.0 && error < 1e-5 * scale, "{error} of {scale}");
    }
    // Silence has no peak to be normalised by, and is no fault.
    let silence = Waveform { samples: vec![0.0; 4410], sample_rate: 44_100 };
    assert!(small.embed_audio(&[silence]).unwrap().iter().all(|value| value.is_finite()));
    assert_eq!(small.embed_audio(&[]).unwrap().dim(), (0, 512));
}

#[test]
fn another_models_file_is_refused_with_a_list() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("other.safetensors");
    let tensors = [("x".to_owned(), Tensor::from_slice(&[1.0_f32]))].into();
    dl_torch::tensor_file::write(&path, &tensors, Default::default()).unwrap();
    let config = AisfxConfig { path, ..Default::default() };
    let message = Aisfx::load(&config, Device::Cpu).err().unwrap().to_string();
    for part in ["other.safetensors: ", "`conv_block1.bn1.weight` is missing", "more"] {
        assert!(message.contains(part), "{message}");
    }
}
