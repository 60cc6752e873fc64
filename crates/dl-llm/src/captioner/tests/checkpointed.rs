//! Steps whose activations are computed again against steps that keep them.

use super::{parts::step, *};
use crate::{PrefixKind, WeightKind};

/// A captioner with matrices that say something: untrained, B is zero, and so is the gradient
/// of A.
fn tuned(lm: &Rc<LanguageModel>, config: &PrefixConfig) -> Captioner {
    let captioner = Captioner::new(Rc::clone(lm), 6, config, Params::new(7, Device::Cpu)).unwrap();
    for (name, mut value) in captioner.params.named() {
        if name.contains("lora_B") {
            let draws = Noise::new(0, &name).normal_rows(&[0], 0, value.numel());
            let draws = Tensor::from_slice(&draws).view_as(&value) * 0.2;
            tch::no_grad(|| value.copy_(&draws));
        }
    }
    captioner
}

/// Every kind of captioner, its step in one and in parts.
fn configs() -> impl Iterator<Item = PrefixConfig> {
    let lora = config().lora.map(|lora| LoraConfig { dropout: 0.3, ..lora });
    let kinds = [PrefixKind::Input, PrefixKind::Deep].into_iter();
    let both = kinds.flat_map(move |kind| [(kind, None), (kind, lora.clone())]);
    let parted = both.flat_map(|(kind, lora)| [0, 3].map(|size| (kind, lora.clone(), size)));
    parted.map(|(kind, lora, micro_batch)| PrefixConfig {
        kind,
        lora,
        micro_batch,
        noise: 0.1,
        label_smoothing: 0.1,
        ..config()
    })
}

#[test]
fn gradients_are_those_of_activations_that_are_kept() {
    // With one thread every sum has one order.
    tch::set_num_threads(1);
    for weights in [WeightKind::F32, WeightKind::Bf16] {
        let lm = Rc::new(LanguageModel::load_as(&golden(""), weights, Device::Cpu).unwrap());
        for config in configs() {
            let [kept, again] = [false, true].map(|checkpoint_activations| {
                let config = PrefixConfig { checkpoint_activations, ..config.clone() };
                step(&tuned(&lm, &config), &[30, 1, 17, 2, 2, 24, 1, 9])
            });
            assert_eq!(kept.0, again.0, "{weights:?}, {config:?}");
            for (name, gradient) in &kept.1 {
                assert!(gradient.norm().double_value(&[]) > 0.0, "{name}, {config:?}");
                assert_eq!(*gradient, again.1[name], "{weights:?}, {name}, {config:?}");
            }
        }
    }
}

#[test]
fn nothing_is_left_to_the_backward_pass_of_the_loss() {
    let lm = Rc::new(LanguageModel::load(&golden(""), Device::Cpu).unwrap());
    for checkpoint_activations in [false, true] {
        for config in configs().filter(|config| config.micro_batch == 0) {
            let captioner = tuned(&lm, &PrefixConfig { checkpoint_activations, ..config });
            let (_, data, _) = golden_captioner(&super::config());
            let loss = captioner.step_loss(&data, &[0, 1, 2], 0, 0).unwrap();
            let done = |parameter: &Tensor| parameter.grad().defined();
            assert_eq!(loss.is_leaf(), checkpoint_activations);
            let named = captioner.params.named();
            assert!(named.values().all(|parameter| done(parameter) == checkpoint_activations));
        }
    }
}
