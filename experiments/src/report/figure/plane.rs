//! The plane of the migration. Horizontal axis: the direction in which a linear probe, fitted
//! on the validation split, separates audio from text. Vertical axis: the direction,
//! orthogonal to it, in which text and audio together vary most.

use ndarray::{Array1, Array2, ArrayView2, Axis, concatenate};

/// The two axes of the figure.
pub(super) struct Plane {
    mean: Array1<f64>,
    axes: [Array1<f64>; 2],
    /// The part of the variance beside the first axis that the second shows.
    pub(super) share: f64,
}

impl Plane {
    pub(super) fn fit(
        across: &Array1<f64>,
        text: ArrayView2<'_, f32>,
        audio: ArrayView2<'_, f32>,
    ) -> Self {
        let rows = concatenate![Axis(0), text, audio].mapv(f64::from);
        let mean = rows.mean_axis(Axis(0)).unwrap_or_else(|| Array1::zeros(rows.ncols()));
        let centred = &rows - &mean;
        let along = centred.dot(across).insert_axis(Axis(1));
        let beside = &centred - &along.dot(&across.view().insert_axis(Axis(0)));
        let covariance = beside.t().dot(&beside) / rows.nrows().max(1) as f64;
        let total = covariance.diag().sum().max(f64::MIN_POSITIVE);
        let (up, variance) = leading_eigenvector(&covariance);
        Self { mean, axes: [across.clone(), up], share: variance / total }
    }

    pub(super) fn project(&self, rows: ArrayView2<'_, f32>) -> Vec<(f64, f64)> {
        let centred = rows.mapv(f64::from) - &self.mean;
        let (x, y) = (centred.dot(&self.axes[0]), centred.dot(&self.axes[1]));
        x.into_iter().zip(y).collect()
    }
}

/// Power iteration from a fixed start; the sign is fixed too, so that a figure
/// does not flip between runs.
fn leading_eigenvector(matrix: &Array2<f64>) -> (Array1<f64>, f64) {
    let mut vector = Array1::from_shape_fn(matrix.nrows(), |i| 1.0 + 0.01 * i as f64);
    let mut value = 0.0;
    for _ in 0..500 {
        let next = matrix.dot(&vector);
        value = next.dot(&next).sqrt();
        if value <= f64::MIN_POSITIVE {
            break;
        }
        vector = next / value;
    }
    let sign = vector.sum().signum();
    (vector * sign, value)
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::array;

    #[test]
    fn the_plane_follows_the_largest_variance_beside_the_first_axis() {
        // Variance 1, 4 and 0 along the three axes; the second is taken by the probe.
        let points =
            array![[1.0_f32, 2.0, 5.0], [-1.0, -2.0, 5.0], [1.0, -2.0, 5.0], [-1.0, 2.0, 5.0]];
        let plane = Plane::fit(&array![0.0, 1.0, 0.0], points.view(), points.view());
        assert!((plane.share - 1.0).abs() < 1e-9 && (plane.axes[1][0].abs() - 1.0).abs() < 1e-9);
        let shown = plane.project(points.view());
        assert!((shown[0].0 - 2.0).abs() < 1e-9 && (shown[0].1.abs() - 1.0).abs() < 1e-9);
    }
}
