//! Scales: from figures to places on a drawing, with round numbers for ticks.

use super::svg::Svg;

/// A linear scale.
#[derive(Clone, Copy)]
pub(super) struct Scale {
    low: f64,
    high: f64,
    pub(super) from: f64,
    pub(super) to: f64,
}

impl Scale {
    /// Of all finite `values` with a margin, drawn between the places `from` and `to`.
    pub(super) fn of(values: impl IntoIterator<Item = f64>, from: f64, to: f64) -> Self {
        let (low, high) = values
            .into_iter()
            .filter(|value| value.is_finite())
            .fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), x| (low.min(x), high.max(x)));
        let (low, high) = if low <= high { (low, high) } else { (0.0, 1.0) };
        // Equal figures still need a width to stand in, and ticks that are short to write.
        let span = high - low;
        let margin = if span < 1e-3 * high.abs().max(1e-2) { 0.1 } else { 0.05 * span };
        Self { low: low - margin, high: high + margin, from, to }
    }

    /// From `low` to `high` exactly.
    pub(super) fn between(low: f64, high: f64, from: f64, to: f64) -> Self {
        Self { low, high, from, to }
    }

    /// The place of a value.
    pub(super) fn at(&self, value: f64) -> f64 {
        self.from + (value - self.low) / (self.high - self.low) * (self.to - self.from)
    }

    /// About `count` round numbers in the scale, as they are written.
    pub(super) fn ticks(&self, count: usize) -> Vec<(f64, String)> {
        let rough = (self.high - self.low) / count.max(1) as f64;
        let power = 10_f64.powf(rough.log10().floor());
        let step = [1.0, 2.0, 5.0, 10.0].map(|x| x * power).into_iter().find(|step| *step >= rough);
        let step = step.unwrap_or(10.0 * power);
        let decimals = (-step.log10()).ceil().max(0.0) as usize;
        let first = (self.low / step).ceil() as i64;
        let last = (self.high / step).floor() as i64;
        (first..=last)
            .map(|place| place as f64 * step)
            // Adding zero turns "-0.0" into "0.0".
            .map(|value| (value, format!("{:.decimals$}", value + 0.0)))
            .collect()
    }
}

/// A rectangle with a horizontal and a vertical scale.
pub(super) struct Panel {
    pub(super) x: Scale,
    pub(super) y: Scale,
}

impl Panel {
    /// The vertical grid with its numbers below, and the axis line.
    pub(super) fn draw_x(&self, svg: &mut Svg, count: usize) {
        for (value, label) in self.x.ticks(count) {
            let x = self.x.at(value);
            svg.line((x, self.y.from), (x, self.y.to), "grid");
            svg.text(x, self.y.from + 15.0, "small middle", label);
        }
        svg.line((self.x.from, self.y.from), (self.x.to, self.y.from), "axis");
    }

    /// The horizontal grid with its numbers at the left.
    pub(super) fn draw_y(&self, svg: &mut Svg, count: usize) {
        for (value, label) in self.y.ticks(count) {
            let y = self.y.at(value);
            svg.line((self.x.from, y), (self.x.to, y), "grid");
            svg.text(self.x.from - 6.0, y + 4.0, "small end", label);
        }
        svg.line((self.x.from, self.y.from), (self.x.from, self.y.to), "axis");
    }

    pub(super) fn at(&self, (x, y): (f64, f64)) -> (f64, f64) {
        (self.x.at(x), self.y.at(y))
    }

    /// The edges: left, right, bottom, top.
    pub(super) fn edges(&self) -> (f64, f64, f64, f64) {
        (self.x.from, self.x.to, self.y.from, self.y.to)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_round_and_inside() {
        let labels = |scale: Scale, count| -> Vec<String> {
            scale.ticks(count).into_iter().map(|(_, label)| label).collect()
        };
        assert_eq!(
            labels(Scale::between(0.0, 1.0, 0.0, 1.0), 5),
            ["0.0", "0.2", "0.4", "0.6", "0.8", "1.0"]
        );
        assert_eq!(labels(Scale::between(-0.03, 0.06, 0.0, 1.0), 4), ["0.00", "0.05"]);
        assert_eq!(labels(Scale::between(3.0, 47.0, 0.0, 1.0), 4), ["20", "40"]);
        // Equal figures have a place.
        let scale = Scale::of([0.5, 0.5], 0.0, 100.0);
        assert!((scale.at(0.5) - 50.0).abs() < 1e-6);
        assert!(Scale::of([], 0.0, 1.0).at(0.5).is_finite());
        // The vertical axis runs upwards.
        assert!((Scale::between(0.0, 10.0, 200.0, 100.0).at(2.5) - 175.0).abs() < 1e-9);
    }
}
