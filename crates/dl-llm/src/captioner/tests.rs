//! One tuning step against PyTorch and peft (`tests/golden/tuning.py`).

use std::path::PathBuf;

use super::*;
use crate::{KvCache, LoraConfig, LoraTarget, PromptConfig, PromptForm};

mod checkpointed;
mod parts;
mod prompts;

fn golden(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/llama_tuning").join(name)
}

fn config() -> PrefixConfig {
    use LoraTarget::{Down, Gate, Key, Output, Query, Up, Value};
    let targets = vec![Query, Key, Value, Output, Gate, Up, Down];
    PrefixConfig {
        kind: crate::PrefixKind::Input,
        length: 2,
        hidden: 10,
        prompt: PromptConfig {
            form: PromptForm::Text("w6 {prefix}{bos}{instruction} w9".into()),
            instruction: "w4 w5".into(),
        },
        lora: Some(LoraConfig { rank: 3, alpha: 5.0, targets, dropout: 0.0 }),
        ..PrefixConfig::default()
    }
}

/// A captioner with the golden values, its data, and the golden file.
fn golden_captioner(config: &PrefixConfig) -> (Captioner, Resident, tensor_file::Tensors) {
    let lm = Rc::new(LanguageModel::load(&golden(""), Device::Cpu).unwrap());
    let (expected, _) = tensor_file::read(&golden("expected.safetensors"), Device::Cpu).unwrap();
    let captioner = Captioner::new(lm, 6, config, Params::new(0, Device::Cpu)).unwrap();
    let values = expected.iter().filter_map(|(name, value)| {
        Some((name.strip_prefix("value.")?.to_owned(), value.shallow_clone()))
    });
    captioner.params.restore(&values.collect(), Path::new("golden")).unwrap();
    let captions: Vec<String> =
        ["w10 w11 w12 w13", "w14 w15", "w16 w17 w18 w19 w20 w21"].map(str::to_owned).to_vec();
    let embeddings = convert::array2(&expected["embeddings"]).unwrap();
    let pairs = CaptionPairs { embeddings: embeddings.view(), captions: &captions };
    let data = captioner.resident(pairs).unwrap();
    (captioner, data, expected)
}

#[test]
fn loss_and_gradients_of_one_step_equal_the_reference() {
    // At once, and in parts whose gradients add up.
    for micro_batch in [0, 1, 2] {
        let (captioner, data, expected) =
            golden_captioner(&PrefixConfig { micro_batch, ..config() });
        let loss = captioner.step_loss(&data, &[0, 1, 2], 0, 0).unwrap();
        loss.backward();
        let difference = (&loss - &expected["loss"]).abs().double_value(&[]);
        assert!(difference < 1e-5, "{micro_batch}: {difference:e}");
        let named = captioner.params.named();
        // Projector: 4; two blocks of seven projections with two matrices: 28.
        assert_eq!(named.len(), 32);
        for (name, parameter) in named {
            let gradient = &expected[&format!("gradient.{name}")];
            let worst = (parameter.grad() - gradient).abs().max().double_value(&[]);
            // The largest gradient is 1.06.
            assert!(worst < 1e-5, "{micro_batch}, {name}: {worst:e}");
        }
    }
}

#[test]
fn dropout_changes_a_step_and_repeats_it() {
    let mut with = config();
    if let Some(lora) = &mut with.lora {
        lora.dropout = 0.3;
    }
    let (captioner, data, expected) = golden_captioner(&with);
    let loss = |step| captioner.step_loss(&data, &[2, 0], step, 5).unwrap().double_value(&[]);
    assert_eq!(loss(3), loss(3));
    assert!((loss(3) - loss(4)).abs() > 1e-4);
    // Validation knows no dropout.
    let plain = captioner.loss(&data, |row| row).unwrap();
    assert!((plain - expected["loss"].double_value(&[])).abs() < 1e-5, "{plain}");
}

#[test]
fn merged_matrices_give_the_scores_of_those_kept_apart() {
    let (mut captioner, data, expected) = golden_captioner(&config());
    let logits = |captioner: &Captioner| {
        tch::no_grad(|| {
            let llama = captioner.lm.llama();
            let adapters = captioner.adapters(None).unwrap();
            let adapters = adapters.as_deref();
            let Before { mut cache, embeds } =
                captioner.before(&data.embeddings(&[0, 1, 2]), adapters).unwrap();
            let (embeds, past) = (embeds.unwrap(), cache.as_ref().map_or(0, KvCache::len));
            let places = crate::positions(past, embeds.size()[1], Device::Cpu);
            let hidden = llama.read(&embeds, &places, None, cache.as_mut(), adapters).unwrap();
            llama.logits(&hidden)
        })
    };
    let largest = |tensor: &Tensor| tensor.abs().max().double_value(&[]);
    let weights = captioner.lm.llama().projection(1, LoraTarget::Down).weight().copy();
    let apart = logits(&captioner);
    captioner.merge().unwrap();
    let merged = logits(&captioner);
    // Rounding of f32; without the matrices the logits are others by far.
    let worst = largest(&(&merged - &apart)) / largest(&apart);
    assert!(worst < 1e-5 && merged != apart, "{worst:e}");
    let lora = captioner.lora.take();
    let loss = captioner.loss(&data, |row| row).unwrap();
    let difference = (loss - expected["loss"].double_value(&[])).abs();
    assert!(difference < 1e-5, "{difference:e}");
    captioner.unmerge();
    let without = logits(&captioner);
    assert!(largest(&(&without - &apart)) > 0.1 * largest(&apart));
    // Taken back to the last bit, and the model was never touched.
    captioner.lora = lora;
    assert_eq!(logits(&captioner), apart);
    assert_eq!(*captioner.lm.llama().projection(1, LoraTarget::Down).weight(), weights);
}

#[test]
fn captions_may_be_decoded_with_merged_matrices() {
    let (mut captioner, data, _) = golden_captioner(&config());
    let rows = convert::array2(&data.embeddings(&[0, 1, 2])).unwrap();
    let decode = DecodeConfig { max_tokens: 8, ..DecodeConfig::default() };
    let on_the_fly = DecodeConfig { merge_lora: true, ..decode.clone() };
    let captions = captioner.caption(&rows, &on_the_fly).unwrap();
    // The captioner itself stays as it was.
    assert!(captioner.merged.is_none());
    captioner.merge().unwrap();
    assert_eq!(captions, captioner.caption(&rows, &decode).unwrap());
}

/// The golden captioner over the same weights in bfloat16.
fn bfloat16_captioner() -> (Captioner, Resident, tensor_file::Tensors) {
    use crate::WeightKind;
    let lm = LanguageModel::load_as(&golden(""), WeightKind::Bf16, Device::Cpu).unwrap();
    let (_, data, expected) = golden_captioner(&config());
    let captioner = Captioner::new(Rc::new(lm), 6, &config(), Params::new(0, Device::Cpu)).unwrap();
    let values = expected.iter().filter_map(|(name, value)| {
        Some((name.strip_prefix("value.")?.to_owned(), value.shallow_clone()))
    });
    captioner.params.restore(&values.collect(), Path::new("golden")).unwrap();
    (captioner, data, expected)
}

#[test]
fn merging_into_bfloat16_rounds_once() {
    let (mut captioner, data, expected) = bfloat16_captioner();
    captioner.merge().unwrap();
    for (block, merged) in captioner.merged.iter().flatten().enumerate() {
        for (target, projection) in merged {
            let before = captioner.lm.llama().projection(block, *target).weight();
            let after = projection.weight();
            assert_eq!(after.kind(), tch::Kind::BFloat16);
            // What is added is what the low-rank matrices say, within the 8 bits of bfloat16.
            let place = format!("value.lora.model.layers.{block}.");
            let value = |part| {
                let end = format!(".{}.{part}.weight", target.name());
                let own = |name: &&String| name.starts_with(&place) && name.ends_with(&end);
                &expected[expected.keys().find(own).unwrap()]
            };
            let delta = value("lora_B").matmul(value("lora_A")) * (5.0 / 3.0);
            let sum = before.to_kind(tch::Kind::Float) + delta;
            let off = (after.to_kind(tch::Kind::Float) - &sum).abs();
            assert_eq!(off.le_tensor(&(sum.abs() / 256.0)).all().int64_value(&[]), 1, "{target:?}");
        }
    }
    // The loss is that of f32 within what bfloat16 costs without matrices, too.
    let loss = captioner.loss(&data, |row| row).unwrap();
    assert!((loss - expected["loss"].double_value(&[])).abs() < 0.05, "{loss}");
}

#[test]
fn bfloat16_weights_take_f32_gradients() {
    let (captioner, data, expected) = bfloat16_captioner();
    let loss = captioner.step_loss(&data, &[0, 1, 2], 0, 0).unwrap();
    loss.backward();
    let difference = (&loss - &expected["loss"]).abs().double_value(&[]);
    assert!(difference < 0.05, "{difference}");
    for (name, parameter) in captioner.params.named() {
        let (found, given) = (parameter.grad(), &expected[&format!("gradient.{name}")]);
        assert_eq!(found.kind(), tch::Kind::Float, "{name}");
        let off = (&found - given).norm().double_value(&[]) / given.norm().double_value(&[]);
        // Rounding to 8 bits gives some 0.1; a gradient of something else 1.
        assert!(off < 0.2, "{name}: {off}");
    }
}

#[test]
fn a_prefix_that_does_not_fit_is_refused_before_any_work() {
    let lm = Rc::new(LanguageModel::load(&golden(""), Device::Cpu).unwrap());
    let long = PrefixConfig { length: 60, ..config() };
    let error = Captioner::new(Rc::clone(&lm), 6, &long, Params::new(0, Device::Cpu))
        .unwrap_err()
        .to_string();
    assert!(error.contains("longer than max_positions = 64"), "{error}");
    let huge = PrefixConfig { hidden: 60_000, ..config() };
    let error = Captioner::new(Rc::clone(&lm), 60_000, &huge, Params::new(0, Device::Cpu))
        .unwrap_err()
        .to_string();
    assert!(error.contains("million parameters"), "{error}");
    let form = PromptForm::Text("{bos}{prefix}".into());
    let bare = PrefixConfig { prompt: PromptConfig { form, ..config().prompt }, ..config() };
    let error = Captioner::new(Rc::clone(&lm), 6, &bare, Params::new(0, Device::Cpu))
        .unwrap_err()
        .to_string();
    assert!(error.contains("something must stand between"), "{error}");
    let prompt = PromptConfig { form: PromptForm::Model, ..config().prompt };
    let error =
        Captioner::new(lm, 6, &PrefixConfig { prompt, ..config() }, Params::new(0, Device::Cpu))
            .unwrap_err();
    assert!(error.to_string().contains("no chat template"), "{error}");
}
