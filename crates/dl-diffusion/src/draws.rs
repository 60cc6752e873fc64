//! Random numbers of a training batch, by (seed, stream, item, step).

use dl_core::noise::Noise;

/// Uniform numbers in [0, 1) beside the normal ones of the same items and step:
/// `[items, columns]` in row-major order. Normal rows begin at the key of their item, so
/// these stand at its complement and are other numbers.
pub(crate) fn uniform_rows(
    noise: &Noise<'_>,
    items: &[u64],
    step: u64,
    columns: usize,
) -> Vec<f32> {
    let mut rows = vec![0.0; items.len() * columns];
    for (row, &item) in rows.chunks_exact_mut(columns).zip(items) {
        noise.fill_uniform(!item, step, row);
    }
    rows
}
