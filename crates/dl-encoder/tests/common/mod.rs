//! What several tests need.
#![allow(dead_code, unreachable_pub, reason = "each test file uses a part of it")]

use std::path::{Path, PathBuf};

use dl_core::noise::{Noise, item_of};
use dl_torch::tensor_file::{self, Tensors};
use tch::{Device, Tensor};

/// A file beside the golden scripts.
pub fn golden(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name)
}

/// The tensors of a golden file.
pub fn goldens(name: &str) -> Tensors {
    tensor_file::read(&golden(name), Device::Cpu).unwrap().0
}

/// A file of the pretrained models; says so and gives `None` where set-up has
/// not put it.
pub fn model(name: &str) -> Option<PathBuf> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../.setup/models").join(name);
    if path.exists() {
        return Some(path);
    }
    println!("skipped: {} is absent; `cargo setup --models` brings it", path.display());
    None
}

/// Largest absolute difference.
pub fn difference(a: &Tensor, b: &Tensor) -> f64 {
    assert_eq!(a.size(), b.size());
    (a - b).abs().max().double_value(&[])
}

/// A checkpoint of the aiSFX architecture with random weights.
pub fn random_aisfx(path: &Path) {
    let widths = [1_i64, 64, 64, 128, 128, 256, 256, 512, 512];
    let mut tensors = Tensors::new();
    for layer in 0..8 {
        let (inputs, outputs) = (widths[layer], widths[layer + 1]);
        let (block, place) = (layer / 2 + 1, layer % 2 + 1);
        let prefix = format!("embedding_net.conv_block{block}");
        let scale = (2.0 / (9.0 * inputs as f64)).sqrt();
        let mut put = |name: String, shape: &[i64], scale: f64, shift: f64| {
            let mut values = vec![0.0_f32; shape.iter().product::<i64>() as usize];
            Noise::new(1, "test").fill_normal(item_of(&name), 0, &mut values);
            let tensor = Tensor::from_slice(&values).view(shape) * scale + shift;
            tensors.insert(format!("{prefix}.{name}"), tensor);
        };
        put(format!("conv{place}.weight"), &[outputs, inputs, 3, 3], scale, 0.0);
        put(format!("bn{place}.weight"), &[outputs], 0.1, 1.0);
        put(format!("bn{place}.bias"), &[outputs], 0.1, 0.0);
        put(format!("bn{place}.running_mean"), &[outputs], 0.1, 0.0);
        put(format!("bn{place}.running_var"), &[outputs], 0.01, 1.0);
    }
    tensor_file::write(path, &tensors, Default::default()).unwrap();
}
