//! Rows as points with intervals, one column of points for each metric: a table to be seen
//! at a glance.

use super::{
    axis::{Panel, Scale},
    svg::Svg,
};
use crate::report::{
    record::RunInfo,
    table::{Column, Estimate, Table, Versus},
};

/// A metric of a forest and where it has a mark, such as a ceiling.
pub(in crate::report) struct ForestColumn<'t> {
    /// The metric's name in the table.
    pub(in crate::report) key: &'t str,
    /// A value that means something, and what.
    pub(in crate::report) mark: Option<(f64, &'t str)>,
}

/// The rows of a table in the columns that it has of those asked for; `None` where it has
/// none of them.
pub(in crate::report) fn forest(
    info: &RunInfo,
    table: &Table,
    wanted: &[ForestColumn<'_>],
) -> Option<String> {
    const ROW: f64 = 20.0;
    const TOP: f64 = 66.0;
    const PANEL: f64 = 182.0;
    let found: Vec<(usize, &Column, &ForestColumn<'_>)> = wanted
        .iter()
        .filter_map(|wanted| {
            let place = table.columns.iter().position(|column| column.key == wanted.key)?;
            Some((place, &table.columns[place], wanted))
        })
        .collect();
    if found.is_empty() || table.rows.is_empty() {
        return None;
    }
    let longest = table.rows.iter().map(|row| row.label.chars().count()).max().unwrap_or(0);
    let left = (6.4 * longest as f64 + 16.0).clamp(80.0, 300.0);
    let bottom = TOP + ROW * table.rows.len() as f64;
    let width = left + PANEL * found.len() as f64;
    let mut svg =
        Svg::new(width, bottom + 26.0, &format!("Rows with their intervals: {}", table.title));
    let compare = info
        .compare
        .as_deref()
        .filter(|compare| table.rows.iter().any(|row| row.label == *compare));
    let better = compare.map(|compare| format!("better than {compare}"));
    let worse = compare.map(|compare| format!("worse than {compare}"));
    let mut names = Vec::new();
    if let (Some(better), Some(worse), Some(compare)) = (&better, &worse, compare) {
        names = vec![
            ("own", compare),
            ("better", better.as_str()),
            ("worse", worse.as_str()),
            ("same", "not distinguishable, or not tested"),
        ];
    }
    svg.legend(4.0, 20.0, &names);
    let height = |place: usize| TOP + ROW * (place as f64 + 0.5);
    for (place, row) in table.rows.iter().enumerate() {
        let bold = if compare == Some(row.label.as_str()) { "bold end" } else { "end" };
        svg.text(left - 10.0, height(place) + 4.0, bold, &row.label);
    }
    for (number, (place, column, wanted)) in found.into_iter().enumerate() {
        let cells =
            || table.rows.iter().enumerate().filter_map(|(at, row)| Some((at, row.cells[place]?)));
        let ends = cells().flat_map(|(_, cell)| {
            let (low, high) = cell.interval.unwrap_or((cell.value, cell.value));
            [low, high]
        });
        let start = left + PANEL * number as f64;
        let panel = Panel {
            x: Scale::of(
                ends.chain(wanted.mark.map(|(value, _)| value)),
                start + 4.0,
                start + PANEL - 14.0,
            ),
            y: Scale::between(0.0, 1.0, bottom, TOP),
        };
        panel.draw_x(&mut svg, 4);
        svg.text(start + PANEL / 2.0 - 5.0, TOP - 22.0, "bold middle", &column.title);
        if let Some((value, name)) = wanted.mark {
            let x = panel.x.at(value);
            svg.line((x, bottom), (x, TOP), "mark");
            svg.text(
                x.clamp(start + 34.0, start + PANEL - 44.0),
                TOP - 7.0,
                "small faint middle",
                name,
            );
        }
        for (at, cell) in cells() {
            let class = class(&cell, compare == Some(table.rows[at].label.as_str()));
            let y = height(at);
            if let Some((low, high)) = cell.interval {
                svg.line((panel.x.at(low), y), (panel.x.at(high), y), &format!("bar {class}"));
            }
            let says = says(&table.rows[at].label, column, &cell);
            svg.point((panel.x.at(cell.value), y), class, &says);
        }
    }
    Some(svg.inline())
}

fn class(cell: &Estimate, is_compare: bool) -> &'static str {
    match cell.versus.and_then(Versus::verdict) {
        _ if is_compare => "own",
        Some(true) => "better",
        Some(false) => "worse",
        None => "same",
    }
}

/// `none, paired cosine: 0.487 (0.483 to 0.491)`.
pub(super) fn says(row: &str, Column { title, decimals, .. }: &Column, cell: &Estimate) -> String {
    let decimals = *decimals;
    let interval = cell.interval.map_or_else(String::new, |(low, high)| {
        format!(" ({low:.decimals$} to {high:.decimals$})")
    });
    format!("{row}, {title}: {:.decimals$}{interval}", cell.value)
}
