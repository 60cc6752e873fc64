//! Curves: metrics over the values of a sweep, one panel each, with their intervals.

use std::path::Path;

use anyhow::Result;

use super::{
    axis::{Panel, Scale},
    svg::Svg,
};
use crate::report::{record::Record, table::Estimate};

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

/// What the points of a curve stand for.
pub(in crate::report) struct Curve<'r> {
    /// What is swept.
    pub(in crate::report) axis: &'r str,
    /// Label on the axis and the row's figures, from left to right.
    pub(in crate::report) points: Vec<(String, &'r Record)>,
    /// Whether a line runs through the points; not where they differ in more than the axis says.
    pub(in crate::report) joined: bool,
}

/// Four metrics over the values of a sweep into an SVG file. Values stand at equal
/// distances, in their order.
///
/// # Errors
/// When the disk refuses.
pub fn sweep(
    path: &Path,
    title: &str,
    axis: &str,
    panels: Panels,
    points: &[(f64, &Record)],
) -> Result<()> {
    let points = points.iter().map(|(value, record)| (value.to_string(), *record)).collect();
    let svg = draw(title, panels, &Curve { axis, points, joined: true });
    Ok(dl_core::atomic::write_bytes(path, svg.file().as_bytes())?)
}

/// The same for a page.
pub(in crate::report) fn curves(title: &str, curve: &Curve<'_>) -> String {
    let of_captions = curve.points.iter().any(|(_, record)| record.metrics.contains_key("cider_d"));
    let panels = if of_captions { CAPTION_PANELS } else { GAP_PANELS };
    draw(title, panels, curve).inline()
}

fn draw(title: &str, panels: Panels, curve: &Curve<'_>) -> Svg {
    const WIDTH: f64 = 410.0;
    const HEIGHT: f64 = 232.0;
    let Curve { axis, points, joined } = curve;
    // The last label of a row may be wider than its place.
    let mut svg = Svg::new(2.0 * WIDTH + 24.0, 2.0 * HEIGHT + 40.0, title);
    svg.text(10.0, 22.0, "title start", title);
    for (number, (metric, name)) in panels.iter().enumerate() {
        let (left, top) = (WIDTH * (number % 2) as f64, 40.0 + HEIGHT * (number / 2) as f64);
        let values: Vec<(usize, Estimate)> = points
            .iter()
            .enumerate()
            .filter_map(|(place, (_, record))| Some((place, *record.metrics.get(*metric)?)))
            .collect();
        svg.text(left + 62.0, top + 12.0, "bold start", name);
        if values.is_empty() {
            svg.text(left + 62.0, top + 40.0, "small faint start", "not measured");
            continue;
        }
        let ends = values.iter().flat_map(|(_, estimate)| {
            let (low, high) = estimate.interval.unwrap_or((estimate.value, estimate.value));
            [low, high]
        });
        let panel = Panel {
            x: Scale::between(-0.4, points.len() as f64 - 0.6, left + 62.0, left + WIDTH - 40.0),
            y: Scale::of(ends, top + HEIGHT - 48.0, top + 24.0),
        };
        panel.draw_y(&mut svg, 4);
        let (start, end, bottom, _) = panel.edges();
        svg.line((start, bottom), (end, bottom), "axis");
        for (place, (label, _)) in points.iter().enumerate() {
            // Long labels stand on two levels, so that neighbours do not touch.
            let lower = if points.iter().any(|(l, _)| l.chars().count() > 9) {
                12.0 * (place % 2) as f64
            } else {
                0.0
            };
            svg.text(panel.x.at(place as f64), bottom + 15.0 + lower, "small middle", label);
        }
        svg.text(f64::midpoint(start, end), bottom + 41.0, "small middle", axis);
        if *joined {
            let line: Vec<(f64, f64)> =
                values.iter().map(|(place, e)| panel.at((*place as f64, e.value))).collect();
            svg.path(&line, "bar bridged");
        }
        for (place, estimate) in &values {
            let at = panel.at((*place as f64, estimate.value));
            if let Some((low, high)) = estimate.interval {
                svg.line((at.0, panel.y.at(low)), (at.0, panel.y.at(high)), "bar bridged");
            }
            let label = &points[*place].0;
            svg.point(at, "bridged", &format!("{axis} {label}, {name}: {:.4}", estimate.value));
        }
    }
    svg
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn every_value_has_a_point_in_every_panel_that_is_measured() {
        let record = |value: f64| Record {
            table: "width".into(),
            row: "a".into(),
            seed: None,
            metrics: BTreeMap::from([
                (
                    "paired_cosine".to_owned(),
                    Estimate::new(value, Some((value - 0.1, value + 0.1))),
                ),
                ("frechet".to_owned(), Estimate::new(value, None)),
            ]),
        };
        let records = [record(0.2), record(0.4), record(0.5)];
        let points: Vec<(String, &Record)> =
            ["16", "32", "64"].map(String::from).into_iter().zip(&records).collect();
        let svg = curves("Width", &Curve { axis: "hidden", points, joined: true });
        assert_eq!(svg.matches("<circle").count(), 6);
        // Three intervals and a line; a line.
        assert_eq!(svg.matches("class=\"bar bridged\"").count(), 5);
        assert_eq!(svg.matches("not measured").count(), 2);
    }
}
