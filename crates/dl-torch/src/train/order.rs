//! The order of items: a function of seed, kind of training and epoch alone.

use dl_core::noise::Noise;

/// The batches of all steps, one permutation of the items per epoch.
pub(super) struct Order {
    noise: Noise<'static>,
    items: usize,
    batch: usize,
    epoch: Option<u64>,
    order: Vec<usize>,
}

impl Order {
    pub(super) fn new(seed: u64, stream: &'static str, items: usize, batch: usize) -> Self {
        Self { noise: Noise::new(seed, stream), items, batch, epoch: None, order: Vec::new() }
    }

    pub(super) fn batch(&mut self, step: u64) -> &[usize] {
        let per_epoch = (self.items / self.batch) as u64;
        let epoch = step / per_epoch;
        if self.epoch != Some(epoch) {
            self.order = self.noise.permutation(epoch, self.items);
            self.epoch = Some(epoch);
        }
        let start = (step % per_epoch) as usize * self.batch;
        &self.order[start..start + self.batch]
    }
}
