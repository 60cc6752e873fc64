//! Random numbers that belong to items: functions of (seed, stream, item, step), whatever
//! the batch, its order, the thread or the device.

use dl_core::noise::Noise;
use tch::{Device, Tensor};

/// Standard normal rows of the items that a bridge is applied to: a function of (seed,
/// item, draw).
#[derive(Clone, Copy, Debug)]
pub struct RowNoise<'a> {
    /// The seed of the application.
    pub seed: u64,
    /// One number per row, see [`dl_core::noise::item_of`].
    pub items: &'a [u64],
}

impl RowNoise<'_> {
    /// Draw number `draw`: f32 `[rows, dim]`.
    pub fn draw(&self, draw: u64, dim: usize, device: Device) -> Tensor {
        normal(&Noise::new(self.seed, "bridge/sample"), self.items, draw, dim, device)
    }
}

/// Standard normal rows of items at a step: f32 `[items, columns]`.
pub(crate) fn normal(
    noise: &Noise<'_>,
    items: &[u64],
    step: u64,
    columns: usize,
    device: Device,
) -> Tensor {
    let rows = noise.normal_rows(items, step, columns);
    Tensor::from_slice(&rows).view([items.len() as i64, columns as i64]).to_device(device)
}

/// Uniform numbers in [0, 1) beside the normal ones of the same items and step:
/// `[items, columns]` in row-major order. Normal rows begin at the key of their item, so
/// these stand at its complement and are other numbers.
pub(crate) fn uniform(noise: &Noise<'_>, items: &[u64], step: u64, columns: usize) -> Vec<f32> {
    let mut rows = vec![0.0; items.len() * columns];
    for (row, &item) in rows.chunks_exact_mut(columns).zip(items) {
        noise.fill_uniform(!item, step, row);
    }
    rows
}
