//! What a table of T1 says of the paper's claim: that Diffusion-Link closes the gap the most
//! among diffusion-based methods (abstract of arXiv 2510.11330), and whether any row at all
//! is ahead of it.

use super::{record::RunInfo, table::Table};

/// The measures of the claim, as sentences name them.
const MEASURES: [(&str, &str); 4] = [
    ("paired_cosine", "paired cosine"),
    ("centroid_distance", "centroid"),
    ("frechet", "Fréchet"),
    ("separability", "separability"),
];

/// One sentence for the older methods, one for all rows; `None` where a table has none of the
/// older ones, or no tests.
pub(super) fn note(info: &RunInfo, table: &Table) -> Option<String> {
    let compare = info.compare.as_deref()?;
    let prior = &info.prior_diffusion;
    let of_prior = |label: &str| prior.iter().any(|row| row == label);
    if !table.rows.iter().any(|row| of_prior(&row.label)) {
        return None;
    }
    let mut among_prior = Vec::new();
    let mut behind = Vec::new();
    for (key, name) in MEASURES {
        let column = table.columns.iter().position(|column| column.key == key)?;
        let (mut worse, mut level, mut better) = (Vec::new(), Vec::new(), Vec::new());
        for row in &table.rows {
            let Some(versus) = row.cells[column].and_then(|cell| cell.versus) else { continue };
            let label = row.label.as_str();
            if versus.verdict() == Some(true) {
                behind.push((name, label));
            }
            if of_prior(label) {
                match versus.verdict() {
                    Some(true) => better.push(label),
                    Some(false) => worse.push(label),
                    None => level.push(label),
                }
            }
        }
        let parts = [("ahead of", worse), ("level with", level), ("behind", better)];
        let parts: Vec<String> = parts
            .into_iter()
            .filter(|(_, rows)| !rows.is_empty())
            .map(|(how, rows)| format!("{how} {}", rows.join(" and ")))
            .collect();
        if !parts.is_empty() {
            among_prior.push(format!("in {name} {}", parts.join(", ")));
        }
    }
    if among_prior.is_empty() {
        return None;
    }
    let all = if behind.is_empty() {
        "no row is ahead of it in any of the four".to_owned()
    } else {
        let measures = MEASURES.iter().filter_map(|(_, name)| {
            let own: Vec<&str> =
                behind.iter().filter(|(measure, _)| measure == name).map(|(_, row)| *row).collect();
            (!own.is_empty()).then(|| format!("in {name} {}", own.join(", ")))
        });
        format!("ahead of it are {}", measures.collect::<Vec<_>>().join("; "))
    };
    Some(format!(
        "Among diffusion-based methods, {compare} is {}. Among all rows, {all}.",
        among_prior.join("; ")
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::{
        Estimate, Versus,
        table::{Column, Row},
    };

    fn table(rows: &[(&str, [Option<Versus>; 4])]) -> Table {
        let column = |(key, title): (&str, &str)| Column {
            key: key.into(),
            title: title.into(),
            decimals: 3,
        };
        let row = |(label, versus): &(&str, [Option<Versus>; 4])| Row {
            label: (*label).into(),
            cells: versus
                .map(|versus| Some(Estimate { versus, ..Estimate::new(0.5, None) }))
                .to_vec(),
        };
        Table {
            name: "t1".into(),
            title: "T1".into(),
            columns: MEASURES.map(column).to_vec(),
            rows: rows.iter().map(row).collect(),
            notes: Vec::new(),
        }
    }

    fn info(prior: &[&str]) -> RunInfo {
        let known = serde_json::json!({
            "experiment": "t1", "suite": "toy", "clips": 4, "captions": 4, "id_hash": "",
            "seeds": [0], "resamples": 100, "compare": "ours", "corpus": "", "encoder": "",
            "program": "", "libtorch": "", "device": "cpu", "prior_diffusion": prior,
        });
        serde_json::from_value(known).unwrap()
    }

    #[test]
    fn the_claim_is_read_off_the_tests() {
        let versus = |p, better| Some(Versus { p, better });
        let [worse, level, better] = [versus(0.01, false), versus(0.4, true), versus(0.02, true)];
        let rows = [
            ("older", [worse, worse, level, level]),
            ("oldest", [worse, level, better, level]),
            ("linear", [level, better, level, better]),
            ("ours", [None; 4]),
        ];
        let said = note(&info(&["older", "oldest"]), &table(&rows)).unwrap();
        assert_eq!(
            said,
            "Among diffusion-based methods, ours is in paired cosine ahead of older and oldest; \
             in centroid ahead of older, level with oldest; in Fréchet level with older, behind \
             oldest; in separability level with older and oldest. Among all rows, ahead of it \
             are in centroid linear; in Fréchet oldest; in separability linear."
        );
        let led = [("older", [worse; 4]), ("ours", [None; 4])];
        let said = note(&info(&["older"]), &table(&led)).unwrap();
        assert!(said.ends_with("no row is ahead of it in any of the four."), "{said}");
        // Without an older method, or without tests, there is nothing to say.
        assert_eq!(note(&info(&[]), &table(&rows)), None);
        assert_eq!(note(&info(&["older"]), &table(&[("older", [None; 4])])), None);
    }
}
