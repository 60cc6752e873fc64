//! Histograms of the cosine of a clip with its own captions (pairs) and with those of other
//! clips (strangers), before and after a bridge: whether the two can be told apart, and where
//! pairs stand.

use serde::{Deserialize, Serialize};

use super::{
    axis::{Panel, Scale},
    svg::Svg,
};

/// Bins from -1 to 1.
const BINS: usize = 100;

/// Counts of cosines in bins of equal width from -1 to 1.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Histogram {
    /// Of each bin.
    pub counts: Vec<u64>,
    /// The mean of what was counted.
    pub mean: f64,
}

impl Histogram {
    /// Counts cosines.
    pub fn of(cosines: impl Iterator<Item = f32>) -> Self {
        let (mut counts, mut sum, mut all) = (vec![0; BINS], 0.0, 0_u64);
        for cosine in cosines {
            let place = (f64::from(cosine) + 1.0) / 2.0 * BINS as f64;
            counts[(place.max(0.0) as usize).min(BINS - 1)] += 1;
            sum += f64::from(cosine);
            all += 1;
        }
        Self { counts, mean: sum / all.max(1) as f64 }
    }
}

/// Cosines before and after a bridge.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Cosines {
    /// The row of the table.
    pub row: String,
    /// A clip with its own captions.
    pub pairs: Histogram,
    /// A clip with the captions of others.
    pub strangers: Histogram,
}

/// One panel below the other, over one axis; heights are shares of all pairs, or strangers.
pub(in crate::report) fn histograms(all: &[Cosines]) -> String {
    const PANEL: f64 = 170.0;
    let width = 2.0 / BINS as f64;
    let used = |histogram: &Histogram| -> Vec<usize> {
        (0..histogram.counts.len()).filter(|&bin| histogram.counts[bin] > 0).collect()
    };
    let bins: Vec<usize> =
        all.iter().flat_map(|c| used(&c.pairs).into_iter().chain(used(&c.strangers))).collect();
    let low = bins.iter().min().map_or(-1.0, |&bin| -1.0 + bin as f64 * width);
    let high = bins.iter().max().map_or(1.0, |&bin| -1.0 + (bin + 1) as f64 * width);
    let height = 40.0 + PANEL * all.len() as f64 + 24.0;
    let mut svg = Svg::new(760.0, height, "Histograms of the cosine of pairs and of strangers");
    svg.legend(
        62.0,
        20.0,
        &[
            ("bridged", "pairs: a clip and its own captions"),
            ("audio", "strangers: a clip and other captions"),
        ],
    );
    for (place, cosines) in all.iter().enumerate() {
        let top = 40.0 + PANEL * place as f64;
        let shares = |histogram: &Histogram| -> Vec<f64> {
            let sum = histogram.counts.iter().sum::<u64>().max(1) as f64;
            histogram.counts.iter().map(|&count| 100.0 * count as f64 / sum).collect()
        };
        let both = [("audio", &cosines.strangers), ("bridged", &cosines.pairs)];
        let tallest = both.iter().flat_map(|(_, h)| shares(h)).fold(f64::MIN_POSITIVE, f64::max);
        let panel = Panel {
            x: Scale::between(low, high, 62.0, 748.0),
            y: Scale::between(0.0, 1.12 * tallest, top + PANEL - 30.0, top + 4.0),
        };
        panel.draw_x(&mut svg, 8);
        panel.draw_y(&mut svg, 3);
        for (class, histogram) in both {
            let mut outline = vec![panel.at((low, 0.0))];
            for (bin, share) in shares(histogram).into_iter().enumerate() {
                let left = -1.0 + bin as f64 * width;
                if left > low - width / 2.0 && left < high - width / 2.0 {
                    outline.extend([panel.at((left, share)), panel.at((left + width, share))]);
                }
            }
            outline.push(panel.at((high, 0.0)));
            svg.path(&outline, &format!("area {class}"));
        }
        let Cosines { row, pairs, strangers } = cosines;
        svg.text(70.0, top + 18.0, "bold start", row);
        let means = format!("mean of pairs {:.3}, of strangers {:.3}", pairs.mean, strangers.mean);
        svg.text(70.0, top + 34.0, "small start", means);
    }
    svg.upright(16.0, 40.0 + PANEL * all.len() as f64 / 2.0, "middle", "share in %");
    svg.text(405.0, height - 8.0, "middle", "cosine of audio and caption");
    svg.inline()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cosines_are_counted_in_their_bins() {
        let histogram = Histogram::of([-1.0, 1.0, 0.5, 0.51, 1.000_1].into_iter());
        assert_eq!(histogram.counts.iter().sum::<u64>(), 5);
        // Bins of 0.02: 0.5 and 0.51 share one, what rounding put above 1 is in the last.
        assert_eq!((histogram.counts[0], histogram.counts[75], histogram.counts[99]), (1, 2, 2));
        assert!((histogram.mean - 0.402_02).abs() < 1e-5);
        let cosines =
            Cosines { row: "<none>".into(), pairs: histogram.clone(), strangers: histogram };
        let svg = histograms(&[cosines.clone(), cosines]);
        assert_eq!(svg.matches("class=\"area").count(), 4);
        assert!(svg.contains("&lt;none&gt;"));
    }
}
