//! A table as HTML: heads that sort, figures with intervals and marks, and its LaTeX,
//! Markdown and CSV for the clipboard.

use anyhow::Result;
use dl_core::RunDir;
use serde::Serialize;

use super::published::{self, Published};
use crate::report::{
    escape::{escape, json},
    form::Form,
    record::RunInfo,
    table::{Estimate, Table, Versus},
};

/// What the clipboard gets.
#[derive(Serialize)]
struct Forms {
    latex: Form,
    markdown: Form,
    csv: Form,
}

/// The table with its heading, tools and notes; `number` tells it apart on the page.
pub(super) fn table(run: &RunDir, info: &RunInfo, table: &Table, number: usize) -> Result<String> {
    let id = format!("table-{number}");
    let published = Published::of(run, table);
    let title = escape(&table.title);
    let button = |form: &str, name: &str| {
        format!(
            "<button type=\"button\" data-copy=\"{form}\" data-table=\"{id}\">Copy {name}</button>"
        )
    };
    let tools = [("latex", "LaTeX"), ("markdown", "Markdown"), ("csv", "CSV")]
        .map(|(form, name)| button(form, name))
        .concat();
    let forms =
        json(&Forms { latex: table.latex(), markdown: table.markdown(), csv: table.csv() })?;
    let mut heads = head("row", "");
    for column in &table.columns {
        heads.push_str(&head(&column.title, " class=\"figures\""));
    }
    if published.is_some() {
        heads.push_str(&head(published::HEAD, " class=\"figures\""));
    }
    let mut body = String::new();
    for (place, row) in table.rows.iter().enumerate() {
        let own = info.compare.as_deref() == Some(row.label.as_str());
        let class = if own { " class=\"own\"" } else { "" };
        body.push_str(&format!(
            "<tr data-place=\"{place}\"{class}><th scope=\"row\" data-value=\"{place}\">{}</th>",
            escape(&row.label)
        ));
        for (cell, column) in row.cells.iter().zip(&table.columns) {
            body.push_str(&figure(cell.as_ref(), column.decimals));
        }
        if let Some(published) = &published {
            body.push_str(&match published.figure(&row.label) {
                Some(figure) => format!(
                    "<td data-value=\"{figure}\" class=\"published\">up to +{figure}\
                     <small>not comparable</small></td>"
                ),
                None => "<td class=\"none\"></td>".into(),
            });
        }
        body.push_str("</tr>\n");
    }
    let published_note = published.map(|published| published.note());
    let is_shown = |note: &str| note.starts_with('▲') || note.starts_with("Among diffusion");
    let (shown, hidden): (Vec<&String>, Vec<&String>) = table
        .notes
        .iter()
        .chain(&published_note)
        .partition(|note| is_shown(note) || note.starts_with("Published"));
    let paragraphs = |notes: Vec<&String>| -> String {
        notes.into_iter().map(|note| format!("<p>{}</p>\n", escape(note))).collect()
    };
    Ok(format!(
        "<h3 id=\"{id}-title\">{title}</h3>\n\
         <div class=\"tools\" role=\"group\" aria-label=\"Copy the table: {title}\">{tools}</div>\n\
         <div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-labelledby=\"{id}-title\">\n\
         <table id=\"{id}\" class=\"results\">\n<thead><tr>{heads}</tr></thead>\n<tbody>\n{body}</tbody>\n\
         </table>\n</div>\n\
         <script type=\"application/json\" id=\"{id}-forms\">{forms}</script>\n\
         <div class=\"notes\">\n{}<details><summary>Clips, seeds and measures</summary>\n{}</details>\n</div>\n",
        paragraphs(shown),
        paragraphs(hidden),
    ))
}

fn head(title: &str, class: &str) -> String {
    format!(
        "<th scope=\"col\" aria-sort=\"none\"{class}><button type=\"button\">{}</button></th>",
        escape(title)
    )
}

/// A cell: the figure with its mark and, below it, the interval.
fn figure(cell: Option<&Estimate>, decimals: usize) -> String {
    let Some(cell) = cell else { return "<td class=\"none\">–</td>".into() };
    let mark = match cell.versus.and_then(Versus::verdict) {
        Some(true) => "<span class=\"better\" title=\"better\">▲</span>",
        Some(false) => "<span class=\"worse\" title=\"worse\">▼</span>",
        // Figures stand below each other whether they are marked or not.
        None if cell.versus.is_some() => "<span class=\"unmarked\" aria-hidden=\"true\">▲</span>",
        None => "",
    };
    let interval = cell.interval.map_or_else(String::new, |(low, high)| {
        format!("<small>{low:.decimals$} – {high:.decimals$}</small>")
    });
    format!("<td data-value=\"{}\">{:.decimals$}{mark}{interval}</td>", cell.value, cell.value)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::{Column, Row};

    fn info() -> RunInfo {
        let known = serde_json::json!({
            "experiment": "t2", "suite": "toy", "clips": 4, "captions": 4, "id_hash": "a",
            "seeds": [0], "resamples": 100, "corpus": "c", "encoder": "e", "program": "0",
            "libtorch": "0", "device": "cpu", "compare": "diffusion link",
        });
        serde_json::from_value(known).unwrap()
    }

    #[test]
    fn figures_marks_and_published_numbers_stand_in_their_cells() {
        let cell = |p| Estimate {
            versus: Some(Versus { p, better: true }),
            ..Estimate::new(0.25, Some((0.0, 0.5)))
        };
        let row = |label: &str, cell| Row { label: label.into(), cells: vec![cell] };
        let toy = Table {
            name: "t2_zero_shot".into(),
            title: "T2 <toy>".into(),
            columns: vec![Column { key: "cider_d".into(), title: "CIDEr-D".into(), decimals: 2 }],
            rows: vec![
                row("<script>alert(1)</script>", Some(cell(0.01))),
                row("diffusion link", Some(cell(0.9))),
                row("empty", None),
            ],
            notes: vec!["over </script> clips".into(), "▲ better".into()],
        };
        let folder = tempfile::tempdir().unwrap();
        let run = RunDir::open(folder.path());
        run.write_text("config.toml", "[data]\nkind = \"soundscapes\"\n").unwrap();
        let html = table(&run, &info(), &toy, 1).unwrap();
        assert!(!html.contains("<script>alert"), "{html}");
        // The one script element is the data, which nothing inside can end.
        assert_eq!(html.matches("</script>").count(), 1);
        assert_eq!(html.matches("scope=\"col\"").count(), 3);
        assert_eq!(html.matches("scope=\"row\"").count(), 3);
        let marked = "<td data-value=\"0.25\">0.25<span class=\"better\" title=\"better\">▲</span>\
                      <small>0.00 – 0.50</small></td>";
        assert_eq!(html.matches(marked).count(), 1, "{html}");
        assert_eq!(html.matches("up to +52.5<small>not comparable</small>").count(), 1);
        assert!(html.contains("Not comparable: it is over AudioCaps, with another encoder"));
        // A table that the paper has no figure for has no such column.
        let hardened = Table { name: "t2_zero_shot_hardened".into(), ..toy };
        assert!(!table(&run, &info(), &hardened, 2).unwrap().contains("published"));
    }
}
