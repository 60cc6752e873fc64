//! Rows of unit norm. Norms are taken in f64, in which the square of no f32 overflows or
//! vanishes: rows of 1e20 and of 1e-30 have a direction like any other.

use ndarray::{Array2, ArrayView1, ArrayViewMut1};

/// The Euclidean norm of a row: NaN or infinite where a value is.
pub fn norm(row: ArrayView1<'_, f32>) -> f64 {
    row.iter().map(|&x| f64::from(x) * f64::from(x)).sum::<f64>().sqrt()
}

/// Scales a row to unit norm and gives the norm that it had. A row of zeros, or with a
/// value that is not finite, has no direction and stays as it is.
pub fn scale(mut row: ArrayViewMut1<'_, f32>) -> f64 {
    let norm = norm(row.view());
    if norm > 0.0 && norm.is_finite() {
        row.mapv_inplace(|x| (f64::from(x) / norm) as f32);
    }
    norm
}

/// [`scale`] on every row.
pub fn scale_rows(rows: &mut Array2<f32>) {
    for row in rows.outer_iter_mut() {
        scale(row);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::array;

    #[test]
    fn direction_is_all_that_is_left_of_any_size() {
        // (3, 4) is 5 long, at the largest and the smallest f32 too.
        for size in [1.0, 1e20, 1e37, 1e-30, 1e-38] {
            let mut rows = array![[3.0 * size, 4.0 * size]];
            let before = norm(rows.row(0));
            assert!((before / (5.0 * f64::from(size)) - 1.0).abs() < 1e-6, "{size} {before}");
            scale_rows(&mut rows);
            let close = |a: f32, b: f32| (a - b).abs() < 1e-7;
            assert!(close(rows[[0, 0]], 0.6) && close(rows[[0, 1]], 0.8), "{size} {rows}");
        }
        assert_eq!(scale(array![0.0_f32, 0.0].view_mut()), 0.0);
        let mut bad = array![f32::NAN, 1.0];
        assert!(scale(bad.view_mut()).is_nan() && bad[1] == 1.0);
    }
}
