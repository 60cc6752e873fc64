//! LAION's names against transformers' (tests/golden/laion.py).
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test may fail and say why")]

mod common;

use std::{fs, path::Path};

use common::{golden, goldens};
use dl_audio::Waveform;
use dl_encoder::{
    AudioEncoder, Clap, ClapConfig, Encoder,
    clap::laion::{LaionShape, Renamed, is_laion, rename, to_hugging_face},
};
use dl_torch::weights::read_weights;
use tch::{Device, Kind, Tensor};

#[test]
fn names() {
    for (laion, hugging_face) in [
        ("audio_branch.bn0.running_mean", "audio_model.audio_encoder.batch_norm.running_mean"),
        (
            "audio_branch.patch_embed.proj.weight",
            "audio_model.audio_encoder.patch_embed.proj.weight",
        ),
        (
            "audio_branch.patch_embed.mel_conv2d.bias",
            "audio_model.audio_encoder.patch_embed.mel_conv2d.bias",
        ),
        (
            "audio_branch.patch_embed.fusion_model.global_att.2.running_var",
            "audio_model.audio_encoder.patch_embed.fusion_model.global_att.2.running_var",
        ),
        (
            "audio_branch.layers.2.blocks.5.norm1.weight",
            "audio_model.audio_encoder.layers.2.blocks.5.layernorm_before.weight",
        ),
        (
            "audio_branch.layers.0.blocks.0.attn.proj.bias",
            "audio_model.audio_encoder.layers.0.blocks.0.attention.output.dense.bias",
        ),
        (
            "audio_branch.layers.0.blocks.0.attn.relative_position_bias_table",
            "audio_model.audio_encoder.layers.0.blocks.0.attention.self.\
             relative_position_bias_table",
        ),
        (
            "audio_branch.layers.3.blocks.1.mlp.fc2.weight",
            "audio_model.audio_encoder.layers.3.blocks.1.output.dense.weight",
        ),
        (
            "audio_branch.layers.1.downsample.reduction.weight",
            "audio_model.audio_encoder.layers.1.downsample.reduction.weight",
        ),
        ("audio_branch.norm.bias", "audio_model.audio_encoder.norm.bias"),
        (
            "text_branch.embeddings.word_embeddings.weight",
            "text_model.embeddings.word_embeddings.weight",
        ),
        (
            "text_branch.encoder.layer.11.attention.output.LayerNorm.bias",
            "text_model.encoder.layer.11.attention.output.LayerNorm.bias",
        ),
        ("text_branch.pooler.dense.weight", "text_model.pooler.dense.weight"),
        ("audio_projection.0.weight", "audio_projection.linear1.weight"),
        ("text_projection.2.bias", "text_projection.linear2.bias"),
        ("logit_scale_a", "logit_scale_a"),
    ] {
        let expected = Renamed::To(hugging_face.into());
        assert_eq!(rename(laion), expected);
        assert_eq!(rename(&format!("module.{laion}")), expected);
    }
    let prefix = "audio_model.audio_encoder.layers.1.blocks.0.attention.self";
    assert_eq!(
        rename("module.audio_branch.layers.1.blocks.0.attn.qkv.bias"),
        Renamed::Split(["query", "key", "value"].map(|part| format!("{prefix}.{part}.bias")))
    );
    for unused in [
        "module.audio_branch.spectrogram_extractor.stft.conv_real.weight",
        "module.audio_branch.logmel_extractor.melW",
        "module.audio_branch.tscam_conv.weight",
        "module.audio_branch.head.bias",
        "module.audio_branch.layers.0.blocks.1.attn_mask",
        "module.audio_branch.bn0.num_batches_tracked",
        "module.text_branch.embeddings.position_ids",
        "module.text_transform.sequential.3.weight",
        "module.audio_transform.sequential.0.bias",
    ] {
        assert_eq!(rename(unused), Renamed::Unused, "{unused}");
    }
    for unknown in [
        "module.audio_branch.mel_conv1d.0.weight",
        "module.audio_branch.patch_embed.fusion_model.local_att2.0.weight",
        "module.audio_branch.layers.0.blocks.0.attn.other",
        "module.audio_projection.1.weight",
        "module.text_branch.shared.weight",
        "module.logit_scale",
        "whatever",
    ] {
        assert_eq!(rename(unknown), Renamed::Unknown, "{unknown}");
    }
}

#[test]
fn a_checkpoint_becomes_the_reference_model() {
    let saved = read_weights(&golden("laion.pt")).unwrap();
    assert!(is_laion(&saved));
    let named = to_hugging_face(saved).unwrap();
    let expected = goldens("laion.safetensors");
    let names = |tensors: &dl_torch::tensor_file::Tensors| -> Vec<String> {
        tensors.keys().cloned().collect()
    };
    assert_eq!(names(&named), names(&expected));
    for (name, tensor) in &expected {
        assert_eq!(named[name].kind(), tensor.kind(), "{name}");
        assert!(named[name].equal(tensor), "{name}");
    }
    assert!(!is_laion(&named));
    let shape = LaionShape::of(&named).unwrap();
    let found = LaionShape {
        fused: true,
        num_mel_bins: 64,
        patch_size: 4,
        window_size: 4,
        patch_embeds_hidden_size: 8,
        depths: vec![1, 2],
        num_attention_heads: vec![2, 4],
        qkv_bias: true,
        mlp_ratio: 4.0,
        aff_block_r: 4,
        text_layers: 2,
        text_hidden_size: 8,
        text_intermediate_size: 12,
        vocab_size: 20,
        max_position_embeddings: 14,
        type_vocab_size: 1,
        projection_dim: 6,
    };
    assert_eq!(shape, found);
    let config = shape.config_json();
    assert_eq!(config["audio_config"]["hidden_size"], 16);
    assert_eq!(config["text_config"]["num_attention_heads"], 1);
}

#[test]
fn what_is_unknown_stays_for_the_loader_to_tell() {
    let name = "module.audio_branch.mel_conv1d.0.weight".to_owned();
    let one = Tensor::ones([2], (Kind::Float, Device::Cpu));
    let named = to_hugging_face([(name.clone(), one)].into()).unwrap();
    assert_eq!(named.into_keys().collect::<Vec<_>>(), [name]);
}

#[test]
fn faults_name_the_tensor() {
    let name = "module.audio_branch.layers.0.blocks.0.attn.qkv.bias".to_owned();
    for shape in [vec![4], vec![], vec![0]] {
        let tensor = Tensor::ones(shape, (Kind::Float, Device::Cpu));
        let fault = to_hugging_face([(name.clone(), tensor)].into()).unwrap_err().to_string();
        assert!(fault.contains("multiple of 3") && fault.contains(&name), "{fault}");
    }
    let mut tensors = goldens("laion.safetensors");
    let projection = "audio_projection.linear2.weight";
    tensors.insert(projection.into(), Tensor::from(1.0));
    let fault = LaionShape::of(&tensors).unwrap_err().to_string();
    assert!(fault.contains(projection), "{fault}");
    tensors.remove(projection);
    let fault = LaionShape::of(&tensors).unwrap_err().to_string();
    assert!(fault.contains(projection) && fault.contains("found none"), "{fault}");
}

/// Six words, in RoBERTa's manner.
const TOKENIZER: &str = r#"{
 "version": "1.0", "truncation": null, "padding": null, "normalizer": null,
 "added_tokens": [], "pre_tokenizer": {"type": "Whitespace"}, "decoder": null,
 "post_processor": {"type": "RobertaProcessing", "sep": ["</s>", 2], "cls": ["<s>", 0],
  "trim_offsets": true, "add_prefix_space": false},
 "model": {"type": "WordLevel", "unk_token": "<unk>",
  "vocab": {"<s>": 0, "<pad>": 1, "</s>": 2, "<unk>": 3, "rain": 4, "falls": 5}}}"#;
const PREPROCESSOR: &str = r#"{"feature_size": 64, "sampling_rate": 48000, "hop_length": 480,
 "fft_window_size": 1024, "max_length_s": 10, "truncation": "fusion", "padding": "repeatpad",
 "frequency_min": 50, "frequency_max": 14000}"#;

#[test]
fn a_checkpoint_and_its_hugging_face_directory_are_one_encoder() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    fs::copy(golden("laion.pt"), at("laion.pt")).unwrap();
    let load = |path: &Path| Clap::load(&ClapConfig::at(path), Device::Cpu);
    let fault = load(&at("laion.pt")).err().unwrap().to_string();
    assert!(fault.contains("tokenizer.json") && fault.contains("roberta-base"), "{fault}");
    fs::write(at("tokenizer.json"), TOKENIZER).unwrap();
    let one = load(&at("laion.pt")).unwrap();
    // The same tensors under the reference's own names.
    fs::copy(golden("laion.safetensors"), at("model.safetensors")).unwrap();
    let shape = LaionShape::of(&goldens("laion.safetensors")).unwrap();
    fs::write(at("config.json"), shape.config_json().to_string()).unwrap();
    fs::write(at("preprocessor_config.json"), PREPROCESSOR).unwrap();
    let other = load(folder.path()).unwrap();
    // 12 s: longer than the window, so that the fusion is at work.
    let samples = (0..192_000).map(|t| (t as f32 * 0.03).sin() * (t as f32 * 1e-4).cos()).collect();
    let clip = [Waveform { samples, sample_rate: 16_000 }];
    assert_eq!(one.embed_audio(&clip).unwrap(), other.embed_audio(&clip).unwrap());
    let texts = ["rain falls".to_owned(), "rain".to_owned()];
    assert_eq!(one.embed_text(&texts).unwrap(), other.embed_text(&texts).unwrap());
    // Weights of something else.
    fs::copy(golden("laion.safetensors"), at("other.pt")).unwrap();
    let fault = load(&at("other.pt")).err().unwrap().to_string();
    assert!(fault.contains("other.pt: holds no checkpoint of LAION-CLAP"), "{fault}");
}
