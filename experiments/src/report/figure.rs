//! Figures. The migration: where audio points stand before and after a bridge. Horizontal
//! axis: the direction in which a linear probe, fitted on the validation split, separates
//! audio from text. Vertical axis: the direction, orthogonal to it, in which text and audio
//! together vary most. The sweep: the measures of the gap over the
//! values of an ablation.

use std::path::Path;

use anyhow::{Result, anyhow};
use ndarray::{Array1, Array2, ArrayView2, Axis, concatenate};
use plotters::prelude::*;

use super::record::Record;

/// Points shown of each kind; more would only hide one another.
const SHOWN: usize = 400;

const AUDIO: RGBColor = RGBColor(213, 94, 0);
const BRIDGED: RGBColor = RGBColor(0, 158, 115);
const TEXT: RGBColor = RGBColor(0, 114, 178);

/// Draws `text` `[M, D]`, `audio` `[N, D]` and `bridged` `[N, D]` (unit rows)
/// into an SVG file. `across` `[D]` is the unit vector of the horizontal axis.
pub fn migration(
    path: &Path,
    title: &str,
    across: &Array1<f64>,
    text: ArrayView2<'_, f32>,
    audio: ArrayView2<'_, f32>,
    bridged: ArrayView2<'_, f32>,
) -> Result<()> {
    let plane = Plane::fit(across, text, audio);
    let clouds = [
        ("text", TEXT, plane.project(text)),
        ("audio", AUDIO, plane.project(audio)),
        ("bridged audio", BRIDGED, plane.project(bridged)),
    ];
    let all = || clouds.iter().flat_map(|(_, _, points)| points.iter());
    let span = |axis: fn(&(f64, f64)) -> f64| {
        let (low, high) = all()
            .map(axis)
            .fold((f64::INFINITY, f64::NEG_INFINITY), |(l, h), x| (l.min(x), h.max(x)));
        let margin = 0.05 * (high - low).max(1e-9);
        low - margin..high + margin
    };
    let mut svg = String::new();
    {
        let root = SVGBackend::with_string(&mut svg, (760, 560)).into_drawing_area();
        let fault = |error: &dyn std::fmt::Display| anyhow!("cannot draw the figure: {error}");
        root.fill(&WHITE).map_err(|e| fault(&e))?;
        let mut chart = ChartBuilder::on(&root)
            .caption(title, ("sans-serif", 18))
            .margin(12)
            .x_label_area_size(36)
            .y_label_area_size(46)
            .build_cartesian_2d(span(|p| p.0), span(|p| p.1))
            .map_err(|e| fault(&e))?;
        chart
            .configure_mesh()
            .x_desc("text  ←  probe direction  →  audio")
            .y_desc(format!("first component beside it ({:.0} % of variance)", 100.0 * plane.share))
            .x_label_formatter(&|x| label(*x, 2))
            .y_label_formatter(&|y| label(*y, 1))
            .light_line_style(WHITE)
            .draw()
            .map_err(|e| fault(&e))?;
        for (label, colour, points) in &clouds {
            let colour = *colour;
            let step = points.len().div_ceil(SHOWN).max(1);
            let dots = points
                .iter()
                .step_by(step)
                .map(|&point| Circle::new(point, 3, colour.mix(0.55).filled()));
            chart
                .draw_series(dots)
                .map_err(|e| fault(&e))?
                .label(*label)
                .legend(move |(x, y)| Circle::new((x + 8, y), 4, colour.filled()));
        }
        chart
            .configure_series_labels()
            .position(SeriesLabelPosition::UpperRight)
            .background_style(WHITE.mix(0.85))
            .border_style(BLACK.mix(0.3))
            .draw()
            .map_err(|e| fault(&e))?;
        root.present().map_err(|e| fault(&e))?;
    }
    dl_core::atomic::write_bytes(path, svg.as_bytes())?;
    Ok(())
}

/// Metrics and what stands above their panels.
pub type Panels = &'static [(&'static str, &'static str); 4];

/// The four measures of the gap.
pub const GAP_PANELS: Panels = &[
    ("paired_cosine", "paired cosine (more is better)"),
    ("centroid_distance", "centroid distance"),
    ("frechet", "Fréchet distance"),
    ("separability", "separability"),
];

/// Of captions.
pub const CAPTION_PANELS: Panels = &[
    ("cider_d", "CIDEr-D (more is better)"),
    ("bleu_4", "BLEU-4 (more is better)"),
    ("rouge_l", "ROUGE-L (more is better)"),
    ("own_label", "share of captions that name a sound of the clip"),
];

/// Four metrics over the values of a sweep, one panel each, with their intervals, into
/// an SVG file. Values stand at equal distances, in their order.
pub fn sweep(
    path: &Path,
    title: &str,
    axis: &str,
    panels: Panels,
    points: &[(f64, &Record)],
) -> Result<()> {
    let fault = |error: &dyn std::fmt::Display| anyhow!("cannot draw the figure: {error}");
    let mut svg = String::new();
    {
        let root = SVGBackend::with_string(&mut svg, (900, 560)).into_drawing_area();
        root.fill(&WHITE).map_err(|e| fault(&e))?;
        let inside = root.titled(title, ("sans-serif", 18)).map_err(|e| fault(&e))?;
        for (area, (metric, name)) in inside.split_evenly((2, 2)).iter().zip(panels) {
            let values: Vec<(f64, f64, f64, f64)> = points
                .iter()
                .enumerate()
                .filter_map(|(place, (_, record))| {
                    let estimate = record.metrics.get(*metric)?;
                    let (low, high) = estimate.interval.unwrap_or((estimate.value, estimate.value));
                    Some((place as f64, estimate.value, low, high))
                })
                .collect();
            let low = values.iter().map(|v| v.2).fold(f64::INFINITY, f64::min);
            let high = values.iter().map(|v| v.3).fold(f64::NEG_INFINITY, f64::max);
            let margin = 0.08 * (high - low).max(1e-9);
            let mut chart = ChartBuilder::on(area)
                .caption(name, ("sans-serif", 14))
                .margin(8)
                .x_label_area_size(34)
                .y_label_area_size(52)
                .build_cartesian_2d(-0.3..points.len() as f64 - 0.7, low - margin..high + margin)
                .map_err(|e| fault(&e))?;
            let tick = |x: &f64| {
                let place = x.round();
                let near = (x - place).abs() < 0.01 && place >= 0.0;
                let value = points.get(place as usize).filter(|_| near).map(|(value, _)| value);
                value.map_or_else(String::new, |value| format!("{value}"))
            };
            chart
                .configure_mesh()
                .x_desc(axis)
                .x_labels(points.len() * 2)
                .x_label_formatter(&tick)
                .y_label_formatter(&|y| label(*y, 3))
                .light_line_style(WHITE)
                .draw()
                .map_err(|e| fault(&e))?;
            let line = values.iter().map(|&(x, y, ..)| (x, y));
            chart.draw_series(LineSeries::new(line, BRIDGED)).map_err(|e| fault(&e))?;
            let bars = values.iter().map(|&(x, y, low, high)| {
                ErrorBar::new_vertical(x, low, y, high, BRIDGED.filled(), 8)
            });
            chart.draw_series(bars).map_err(|e| fault(&e))?;
        }
        root.present().map_err(|e| fault(&e))?;
    }
    dl_core::atomic::write_bytes(path, svg.as_bytes())?;
    Ok(())
}

/// A tick's label; adding zero turns "-0.0" into "0.0".
fn label(value: f64, decimals: i32) -> String {
    let scale = 10_f64.powi(decimals);
    format!("{:.*}", decimals as usize, (value * scale).round() / scale + 0.0)
}

/// The two axes of the figure.
struct Plane {
    mean: Array1<f64>,
    axes: [Array1<f64>; 2],
    /// The part of the variance beside the first axis that the second shows.
    share: f64,
}

impl Plane {
    fn fit(across: &Array1<f64>, text: ArrayView2<'_, f32>, audio: ArrayView2<'_, f32>) -> Self {
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

    fn project(&self, rows: ArrayView2<'_, f32>) -> Vec<(f64, f64)> {
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

    #[test]
    fn the_figure_is_a_whole_svg() {
        let directory = std::env::temp_dir().join("dl-figure-test");
        let path = directory.join("migration.svg");
        let (a, b) = (array![[1.0_f32, 0.0], [0.9, 0.1]], array![[0.0_f32, 1.0], [0.1, 0.9]]);
        migration(&path, "toy", &array![1.0, 0.0], a.view(), b.view(), a.view()).unwrap();
        let svg = std::fs::read_to_string(&path).unwrap();
        assert!(svg.starts_with("<svg") && svg.trim_end().ends_with("</svg>"));
        assert!(svg.contains("bridged audio"));
        std::fs::remove_dir_all(directory).unwrap();
    }
}
