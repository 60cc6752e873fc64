//! Self-attention within windows of a grid of tokens, every other time over
//! windows shifted by half (Liu et al., "Swin Transformer", ICCV 2021, sections
//! 3.2 and 3.3), with a learned bias for every relative position (their eq. 4).

use dl_torch::{layers::Linear, weights::Source};
use tch::{Device, Kind, Tensor};

use super::config::AudioConfig;

/// What tokens of different regions of a shifted window add to their scores, as
/// the published models were trained with.
const APART: f64 = -100.0;

/// Windows on one grid: which token stands where, and who may see whom.
pub(crate) struct Windows {
    /// Tokens along one side of a window.
    side: i64,
    /// Tokens of the grid in the order of windows (i64 `[tokens]`), and back.
    order: Tensor,
    back: Tensor,
    /// Added to the scores of shifted windows: f32 `[windows, 1, area, area]`.
    mask: Option<Tensor>,
}

impl Windows {
    /// Windows of `side` on a square grid of `grid` tokens a side (a multiple of
    /// `side`), shifted by half or not; a grid of one window never is.
    pub(crate) fn new(grid: i64, side: i64, shifted: bool, device: Device) -> Self {
        let shift = if shifted && grid > side { side / 2 } else { 0 };
        let index = Tensor::arange(grid * grid, (Kind::Int64, device)).view([grid, grid]);
        let order = partition(&index.roll([-shift, -shift], [0, 1]), side);
        let back = order.flatten(0, 1).argsort(0, false);
        let mask = (shift > 0).then(|| {
            // Tokens that the shift brought together from opposite ends are not neighbours.
            let line = Tensor::arange(grid, (Kind::Int64, device));
            let region = line.ge(grid - side).to_kind(Kind::Int64)
                + line.ge(grid - shift).to_kind(Kind::Int64);
            let regions = partition(&(region.unsqueeze(1) * 3 + region.unsqueeze(0)), side);
            let apart = regions.unsqueeze(1).ne_tensor(&regions.unsqueeze(2));
            (apart.to_kind(Kind::Float) * APART).unsqueeze(1)
        });
        Self { side, order: order.flatten(0, 1), back, mask }
    }

    fn area(&self) -> i64 {
        self.side * self.side
    }

    /// For every pair of places in a window, the row of the table of biases:
    /// i64 `[area * area]`.
    fn relative_positions(&self) -> Tensor {
        let span = 2 * self.side - 1;
        let line = Tensor::arange(self.side, (Kind::Int64, self.order.device()));
        let rows = line.unsqueeze(1).expand([self.side, self.side], false).flatten(0, 1);
        let columns = line.unsqueeze(0).expand([self.side, self.side], false).flatten(0, 1);
        let offset = |x: Tensor| x.unsqueeze(1) - x.unsqueeze(0) + (self.side - 1);
        (offset(rows) * span + offset(columns)).flatten(0, 1)
    }
}

/// A grid `[grid, grid]` as windows `[windows, area]`.
fn partition(grid: &Tensor, side: i64) -> Tensor {
    let across = grid.size()[0] / side;
    grid.view([across, side, across, side]).permute([0, 2, 1, 3]).reshape([-1, side * side])
}

/// The attention of one block.
pub(crate) struct WindowAttention {
    windows: Windows,
    heads: i64,
    query: Linear,
    key: Linear,
    value: Linear,
    output: Linear,
    /// One row for every relative position: `[(2 side - 1)^2, heads]`.
    table: Tensor,
    positions: Tensor,
    /// Bias and mask, once the table is known not to change any more.
    frozen: Option<Tensor>,
}

impl WindowAttention {
    pub(crate) fn take(
        source: &mut dyn Source,
        name: &str,
        (dim, heads): (i64, i64),
        config: &AudioConfig,
        windows: Windows,
    ) -> Self {
        let mut linear = |part: &str| {
            let name = format!("{name}.{part}");
            if config.qkv_bias || part == "output.dense" {
                Linear::take(source, &name, dim, dim)
            } else {
                Linear::take_without_bias(source, &name, dim, dim)
            }
        };
        let (query, key) = (linear("self.query"), linear("self.key"));
        let (value, output) = (linear("self.value"), linear("output.dense"));
        let rows = (2 * config.window_size - 1).pow(2);
        let table =
            source.take(&format!("{name}.self.relative_position_bias_table"), &[rows, heads]);
        let positions = windows.relative_positions();
        let mut attention =
            Self { windows, heads, query, key, value, output, table, positions, frozen: None };
        if !attention.table.requires_grad() {
            attention.frozen = Some(attention.bias());
        }
        attention
    }

    /// What is added to the scores: `[1 or windows, heads, area, area]`.
    fn bias(&self) -> Tensor {
        let area = self.windows.area();
        let bias = self
            .table
            .index_select(0, &self.positions)
            .view([area, area, self.heads])
            .permute([2, 0, 1])
            .unsqueeze(0);
        match &self.windows.mask {
            None => bias.contiguous(),
            Some(mask) => bias + mask,
        }
    }

    /// Tokens of the grid `[batch, tokens, dim]` to the same.
    pub(crate) fn forward(&self, x: &Tensor) -> Tensor {
        let (batch, tokens, dim) = (x.size()[0], x.size()[1], x.size()[2]);
        let area = self.windows.area();
        let windows = tokens / area;
        // Shift and partition are one gathering of tokens.
        let x = x.index_select(1, &self.windows.order).view([batch * windows, area, dim]);
        let split = |linear: &Linear| {
            linear
                .forward(&x)
                .view([batch * windows, area, self.heads, dim / self.heads])
                .transpose(1, 2)
        };
        let bias = self.frozen.as_ref().map_or_else(|| self.bias(), Tensor::shallow_clone);
        let bias = if bias.size()[0] == 1 { bias } else { bias.repeat([batch, 1, 1, 1]) };
        let attended = Tensor::scaled_dot_product_attention(
            &split(&self.query),
            &split(&self.key),
            &split(&self.value),
            Some(&bias),
            0.0,
            false,
            None,
            false,
        );
        let attended = attended.transpose(1, 2).reshape([batch, tokens, dim]);
        self.output.forward(&attended).index_select(1, &self.windows.back)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tch::IndexOp;

    fn numbers(tensor: &Tensor) -> Vec<i64> {
        Vec::try_from(tensor.flatten(0, -1)).unwrap()
    }

    #[test]
    fn windows_of_two_on_a_grid_of_four() {
        let plain = Windows::new(4, 2, false, Device::Cpu);
        assert_eq!(numbers(&plain.order), [0, 1, 4, 5, 2, 3, 6, 7, 8, 9, 12, 13, 10, 11, 14, 15]);
        assert!(plain.mask.is_none());
        // Shifted by one: the first window begins at row 1, column 1.
        let shifted = Windows::new(4, 2, true, Device::Cpu);
        assert_eq!(numbers(&shifted.order)[..8], [5, 6, 9, 10, 7, 4, 11, 8]);
        let there = Tensor::arange(16, (Kind::Int64, Device::Cpu)).index_select(0, &shifted.order);
        assert_eq!(numbers(&there.index_select(0, &shifted.back)), (0..16).collect::<Vec<_>>());
        // In the second window 7 and 11 were neighbours, and so were 4 and 8.
        let mask = shifted.mask.unwrap();
        assert_eq!(f64::try_from(mask.i((0, 0)).sum(Kind::Float)).unwrap(), 0.0);
        let row: Vec<f64> = Vec::try_from(mask.i((1, 0, 0))).unwrap();
        assert_eq!(row, [0.0, APART, 0.0, APART]);
    }

    #[test]
    fn relative_positions_of_a_window_of_two() {
        // Places (0,0) (0,1) (1,0) (1,1); rows 3 (dy + 1) + (dx + 1) of the table.
        let positions = Windows::new(2, 2, true, Device::Cpu).relative_positions();
        assert_eq!(numbers(&positions), [4, 3, 1, 0, 5, 4, 2, 1, 7, 6, 4, 3, 8, 7, 5, 4]);
    }
}
