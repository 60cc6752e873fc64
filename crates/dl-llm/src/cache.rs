//! The keys and values of what a model has read, in buffers that grow ahead of their use: a
//! token more is written into its place, and nothing that is there is copied.

use tch::Tensor;

/// Keys (rotated) and values of one block, `[batch, kv_heads, capacity, head_dim]`.
#[derive(Debug)]
pub(crate) struct LayerCache {
    keys: Tensor,
    values: Tensor,
}

/// Keys and values of everything that a model has read, one entry per block; empty
/// before the first forward pass.
#[derive(Debug, Default)]
pub struct KvCache {
    layers: Vec<LayerCache>,
    len: i64,
}

impl KvCache {
    /// From keys and values of every block, `[batch, kv_heads, len, head_dim]` each.
    pub(crate) fn from_layers(layers: Vec<(Tensor, Tensor)>) -> Self {
        let len = layers.first().map_or(0, |(keys, _)| keys.size()[2]);
        let layers = layers.into_iter().map(|(keys, values)| LayerCache { keys, values });
        Self { layers: layers.collect(), len }
    }

    /// Keys and values of every block, `[batch, kv_heads, len, head_dim]` each.
    pub(crate) fn into_layers(self) -> Vec<(Tensor, Tensor)> {
        let len = self.len;
        let read = |tensor: Tensor| tensor.narrow(2, 0, len);
        self.layers.into_iter().map(|layer| (read(layer.keys), read(layer.values))).collect()
    }

    /// Positions read so far.
    pub fn len(&self) -> i64 {
        self.len
    }

    /// Whether nothing has been read.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The only row as often as `rows` says, without a copy.
    pub(crate) fn of_each(self, rows: i64) -> Self {
        let each = |tensor: Tensor| tensor.expand([rows, -1, -1, -1], false);
        let layers = self.into_layers().into_iter();
        Self::from_layers(layers.map(|(keys, values)| (each(keys), each(values))).collect())
    }

    /// Keeps, repeats and reorders rows: row i becomes the old row `rows[i]`.
    pub fn select(&mut self, rows: &Tensor) {
        for layer in &mut self.layers {
            layer.keys = layer.keys.index_select(0, rows);
            layer.values = layer.values.index_select(0, rows);
        }
    }

    /// As [`KvCache::select`] where every row stays what it is up to position `from`, such as
    /// the hypotheses of one item behind its prompt: only what follows moves.
    pub(crate) fn select_behind(&mut self, from: i64, rows: &Tensor) {
        let len = self.len - from;
        for buffer in self.layers.iter_mut().flat_map(|layer| [&mut layer.keys, &mut layer.values])
        {
            let mut behind = buffer.narrow(2, from, len);
            behind.copy_(&behind.index_select(0, rows));
        }
    }

    /// Writes the new keys and values of block `index` behind the old ones and returns all of
    /// them. [`KvCache::advance`] follows once every block has done so.
    pub(crate) fn extend(
        &mut self,
        index: usize,
        keys: Tensor,
        values: Tensor,
    ) -> (Tensor, Tensor) {
        let Some(layer) = self.layers.get_mut(index) else {
            let all = (keys.shallow_clone(), values.shallow_clone());
            self.layers.push(LayerCache { keys, values });
            return all;
        };
        (append(&mut layer.keys, self.len, &keys), append(&mut layer.values, self.len, &values))
    }

    /// `len` more positions have been read.
    pub(crate) fn advance(&mut self, len: i64) {
        self.len += len;
    }
}

/// `more` behind the first `len` positions of `buffer`, and a view of all.
fn append(buffer: &mut Tensor, len: i64, more: &Tensor) -> Tensor {
    let need = len + more.size()[2];
    if buffer.requires_grad() || more.requires_grad() {
        // What a backward pass needs is not written over.
        *buffer = Tensor::cat(&[&buffer.narrow(2, 0, len), more], 2);
        return buffer.shallow_clone();
    }
    let mut shape = buffer.size();
    if shape[2] < need {
        shape[2] = (need + need / 2).max(need + 32);
        let larger = Tensor::empty(&shape, (buffer.kind(), buffer.device()));
        larger.narrow(2, 0, len).copy_(&buffer.narrow(2, 0, len));
        *buffer = larger;
    }
    buffer.narrow(2, len, need - len).copy_(more);
    buffer.narrow(2, 0, need)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn column(values: &[f32]) -> Tensor {
        Tensor::from_slice(values).view([1, 1, -1, 1])
    }

    #[test]
    fn positions_are_written_behind_each_other_and_rows_change_places() {
        let mut cache = KvCache::default();
        let mut all = (Tensor::new(), Tensor::new());
        for start in [0.0, 3.0, 6.0] {
            let part = column(&[start, start + 1.0, start + 2.0]);
            let part = Tensor::cat(&[&part, &(&part + 100.0)], 0);
            all = cache.extend(0, part.shallow_clone(), -&part);
            cache.advance(3);
        }
        let first = column(&[0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0]);
        let both = Tensor::cat(&[&first, &(&first + 100.0)], 0);
        assert_eq!((cache.len(), all.0.size()[0]), (9, 2));
        assert_eq!(all.0, both);
        assert_eq!(all.1, -&both);
        cache.select(&Tensor::from_slice(&[1_i64, 1, 0]));
        let (keys, _) = cache.extend(
            0,
            Tensor::ones([3, 1, 1, 1], tch::kind::FLOAT_CPU),
            column(&[0.0]).repeat([3, 1, 1, 1]),
        );
        assert_eq!(
            keys.select(0, 2).flatten(0, -1),
            Tensor::cat(&[first.flatten(0, -1), Tensor::from_slice(&[1.0_f32])], 0)
        );
    }

    #[test]
    fn rows_change_places_behind_what_they_share() {
        let mut cache = KvCache::default();
        let first = column(&[1.0, 2.0, 3.0, 4.0]).view([2, 1, 2, 1]);
        let _ = cache.extend(0, first.shallow_clone(), -&first);
        cache.advance(2);
        let next = column(&[5.0, 6.0]).view([2, 1, 1, 1]);
        let _ = cache.extend(0, next.shallow_clone(), -&next);
        cache.advance(1);
        cache.select_behind(2, &Tensor::from_slice(&[1_i64, 0]));
        let [(keys, values)] = cache.into_layers().try_into().unwrap();
        assert_eq!(keys.flatten(0, -1), Tensor::from_slice(&[1_f32, 2.0, 6.0, 3.0, 4.0, 5.0]));
        assert_eq!(values, -keys);
    }

    #[test]
    fn gradients_go_through_what_is_kept() {
        let start = column(&[1.0, 2.0]).set_requires_grad(true);
        let mut cache = KvCache::from_layers(vec![(start.shallow_clone(), start.shallow_clone())]);
        let (keys, _) = cache.extend(0, column(&[5.0]), column(&[5.0]));
        (keys.square().sum(tch::Kind::Float)).backward();
        assert_eq!(start.grad(), column(&[2.0, 4.0]));
    }
}
