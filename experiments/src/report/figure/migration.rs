//! The migration: where audio points stand before and after a bridge, in the [`Plane`] that
//! tells the modalities apart.

use std::path::Path;

use anyhow::Result;
use ndarray::{Array1, ArrayView2};
use serde::{Deserialize, Serialize};

use super::{
    axis::{Panel, Scale},
    plane::Plane,
    svg::Svg,
};

/// Points shown of each kind; more would only hide one another.
const SHOWN: usize = 400;
/// Clips whose way is shown by an arrow.
const ARROWS: usize = 24;

/// Points of the plane.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Migration {
    /// What it is over.
    pub title: String,
    /// The part of the variance beside the horizontal axis that the vertical one shows.
    pub share: f64,
    /// Captions.
    pub text: Vec<(f64, f64)>,
    /// Clips before the bridge.
    pub audio: Vec<(f64, f64)>,
    /// The same clips behind it.
    pub bridged: Vec<(f64, f64)>,
}

impl Migration {
    /// Of `text` `[M, D]`, `audio` `[N, D]` and `bridged` `[N, D]` (unit rows), evenly thinned
    /// out. `across` `[D]` is the unit vector of the horizontal axis.
    pub fn of(
        title: &str,
        across: &Array1<f64>,
        text: ArrayView2<'_, f32>,
        audio: ArrayView2<'_, f32>,
        bridged: ArrayView2<'_, f32>,
    ) -> Self {
        let plane = Plane::fit(across, text, audio);
        Self {
            title: title.into(),
            share: plane.share,
            text: thinned(&plane.project(text)),
            audio: thinned(&plane.project(audio)),
            bridged: thinned(&plane.project(bridged)),
        }
    }
}

/// As many points as are shown, with four digits, which are finer than any screen.
fn thinned(points: &[(f64, f64)]) -> Vec<(f64, f64)> {
    let step = points.len().div_ceil(SHOWN).max(1);
    let short = |x: f64| (x * 1e4).round() / 1e4;
    points.iter().step_by(step).map(|&(x, y)| (short(x), short(y))).collect()
}

/// Writes the figure as a file.
///
/// # Errors
/// When the disk refuses.
pub fn migration(path: &Path, points: &Migration) -> Result<()> {
    Ok(dl_core::atomic::write_bytes(path, draw(points).file().as_bytes())?)
}

/// The figure for a page.
pub(in crate::report) fn migration_inline(points: &Migration) -> String {
    draw(points).inline()
}

fn draw(points: &Migration) -> Svg {
    let Migration { title, share, text, audio, bridged } = points;
    let clouds = [("words", text), ("audio", audio), ("bridged", bridged)];
    let all = || clouds.iter().flat_map(|(_, points)| points.iter());
    let panel = Panel {
        x: Scale::of(all().map(|point| point.0), 62.0, 748.0),
        y: Scale::of(all().map(|point| point.1), 506.0, 58.0),
    };
    let mut svg = Svg::new(760.0, 560.0, &format!("Migration of the audio embeddings: {title}"));
    svg.text(62.0, 22.0, "title start", title);
    let names = [("words", "text"), ("audio", "audio"), ("bridged", "bridged audio")];
    svg.legend(62.0, 44.0, &names);
    panel.draw_x(&mut svg, 6);
    panel.draw_y(&mut svg, 6);
    svg.text(405.0, 546.0, "middle", "text  ←  direction of the probe  →  audio");
    let beside = format!("first component beside it ({:.0} % of variance)", 100.0 * share);
    svg.upright(16.0, 282.0, "middle", beside);
    for (class, points) in clouds {
        for &point in points {
            svg.circle(panel.at(point), 3.0, &format!("dot {class}"));
        }
    }
    let step = audio.len().div_ceil(ARROWS).max(1);
    for (&from, &to) in audio.iter().zip(bridged).step_by(step) {
        svg.arrow(panel.at(from), panel.at(to));
    }
    svg
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::array;

    #[test]
    fn the_figure_is_a_whole_svg_of_every_point() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("migration.svg");
        let (a, b) = (array![[1.0_f32, 0.0], [0.9, 0.1]], array![[0.0_f32, 1.0], [0.1, 0.9]]);
        let points = Migration::of("<toy>", &array![1.0, 0.0], a.view(), b.view(), a.view());
        migration(&path, &points).unwrap();
        let svg = std::fs::read_to_string(&path).unwrap();
        assert!(svg.starts_with("<svg") && svg.trim_end().ends_with("</svg>"));
        assert!(svg.contains("bridged audio") && svg.contains("&lt;toy&gt;"));
        for class in ["dot words", "dot audio", "dot bridged"] {
            assert_eq!(svg.matches(class).count(), 2, "{class}");
        }
        assert_eq!(svg.matches("class=\"arrow\"").count(), 2);
    }
}
