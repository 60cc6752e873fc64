//! The little of SVG that the figures need. Colours and letters are classes of
//! `figure.css`, so that one drawing serves light and dark pages; a file of its own carries
//! them inside.

use std::fmt::{Display, Write as _};

use crate::report::escape::escape;

/// Colours and letters of every figure.
pub(in crate::report) const STYLE: &str = include_str!("figure.css");

/// A drawing.
pub(super) struct Svg {
    width: f64,
    height: f64,
    label: String,
    body: String,
}

impl Svg {
    /// An empty drawing; `label` is what a screen reader says of it.
    pub(super) fn new(width: f64, height: f64, label: &str) -> Self {
        Self { width, height, label: label.into(), body: String::new() }
    }

    pub(super) fn text(&mut self, x: f64, y: f64, class: &str, text: impl Display) {
        let text = escape(&text.to_string());
        self.put(format_args!("<text x=\"{x:.1}\" y=\"{y:.1}\" class=\"{class}\">{text}</text>"));
    }

    /// Text that runs upwards.
    pub(super) fn upright(&mut self, x: f64, y: f64, class: &str, text: impl Display) {
        let text = escape(&text.to_string());
        self.put(format_args!(
            "<text transform=\"translate({x:.1} {y:.1}) rotate(-90)\" class=\"{class}\">{text}</text>"
        ));
    }

    pub(super) fn line(&mut self, from: (f64, f64), to: (f64, f64), class: &str) {
        let ((x1, y1), (x2, y2)) = (from, to);
        self.put(format_args!("<path d=\"M{x1:.1} {y1:.1}L{x2:.1} {y2:.1}\" class=\"{class}\"/>"));
    }

    /// Lines from point to point.
    pub(super) fn path(&mut self, points: &[(f64, f64)], class: &str) {
        let steps: Vec<String> = points.iter().map(|(x, y)| format!("{x:.1} {y:.1}")).collect();
        self.put(format_args!("<path d=\"M{}\" class=\"{class}\"/>", steps.join("L")));
    }

    pub(super) fn circle(&mut self, (x, y): (f64, f64), radius: f64, class: &str) {
        self.put(format_args!(
            "<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"{radius}\" class=\"{class}\"/>"
        ));
    }

    /// A circle that says what it is when the mouse rests on it.
    pub(super) fn point(&mut self, (x, y): (f64, f64), class: &str, says: &str) {
        let says = escape(says);
        self.put(format_args!(
            "<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"4.5\" class=\"point {class}\"><title>{says}</title></circle>"
        ));
    }

    /// An arrow.
    pub(super) fn arrow(&mut self, from: (f64, f64), to: (f64, f64)) {
        let (dx, dy) = (to.0 - from.0, to.1 - from.1);
        let length = dx.hypot(dy).max(1e-9);
        let (ux, uy) = (dx / length, dy / length);
        let foot = (to.0 - 7.0 * ux, to.1 - 7.0 * uy);
        self.line(from, foot, "arrow");
        let (left, right) =
            ((foot.0 - 3.0 * uy, foot.1 + 3.0 * ux), (foot.0 + 3.0 * uy, foot.1 - 3.0 * ux));
        self.path(&[left, to, right, left], "tip");
    }

    /// What a colour stands for, from left to right.
    pub(super) fn legend(&mut self, mut x: f64, y: f64, entries: &[(&str, &str)]) {
        for (class, name) in entries {
            self.circle((x + 5.0, y - 4.0), 5.0, &format!("point {class}"));
            self.text(x + 14.0, y, "start", name);
            x += 30.0 + 6.6 * name.chars().count() as f64;
        }
    }

    fn put(&mut self, element: std::fmt::Arguments<'_>) {
        // Writing to memory cannot fail.
        let _ = self.body.write_fmt(element);
        self.body.push('\n');
    }

    /// For a page that carries [`STYLE`].
    pub(super) fn inline(&self) -> String {
        let Self { width, height, label, body } = self;
        let label = escape(label);
        // On a phone it scrolls inside its box; smaller, nobody could read its letters.
        let least = width.min(600.0);
        format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" \
             style=\"max-width:{width}px;min-width:{least}px\" class=\"figure\" role=\"img\" aria-label=\"{label}\">\n\
             {body}</svg>\n"
        )
    }

    /// A file of its own.
    pub(super) fn file(&self) -> String {
        let Self { width, height, label, body } = self;
        let label = escape(label);
        format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" \
             viewBox=\"0 0 {width} {height}\" class=\"figure\" role=\"img\" aria-label=\"{label}\">\n\
             <style>{STYLE}</style>\n\
             <rect width=\"{width}\" height=\"{height}\" class=\"paper\"/>\n{body}</svg>\n"
        )
    }
}
