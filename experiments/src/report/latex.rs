//! A table as LaTeX, for a paper: booktabs rules, intervals in small print.

use super::{
    form::Form,
    table::{Table, Versus},
};

impl Table {
    /// The table as a LaTeX `table`, scaled to the width of the text. It needs the packages
    /// booktabs, graphicx and amssymb.
    pub(super) fn latex(&self) -> Form {
        let mut lines = self
            .grid(|estimate, column, _| {
                let decimals = self.columns[column].decimals;
                let mark = match estimate.versus.and_then(Versus::verdict) {
                    Some(true) => "$^{\\blacktriangle}$",
                    Some(false) => "$^{\\blacktriangledown}$",
                    None => "",
                };
                let figure = format!("{:.decimals$}{mark}", estimate.value);
                match estimate.interval {
                    Some((low, high)) => {
                        format!("{figure} {{\\scriptsize [{low:.decimals$}, {high:.decimals$}]}}")
                    }
                    None => figure,
                }
            })
            .into_iter()
            .enumerate()
            .map(|(line, mut row)| {
                // Figures are LaTeX already; labels and heads are not.
                let words = if line == 0 { row.len() } else { 1 };
                row[..words].iter_mut().for_each(|entry| *entry = escaped(entry));
                format!("{} \\\\\n", row.join(" & "))
            });
        let head = lines.next().unwrap_or_default();
        let notes: String =
            self.notes.iter().map(|note| format!("% {}\n", note.replace('\n', " "))).collect();
        Form {
            head: format!(
                "% needs \\usepackage{{booktabs,graphicx,amssymb}}\n\\begin{{table}}\n\\centering\n\
                 \\caption{{{}}}\n\\resizebox{{\\textwidth}}{{!}}{{%\n\\begin{{tabular}}{{l{}}}\n\
                 \\toprule\n{head}\\midrule\n",
                escaped(&self.title),
                "r".repeat(self.columns.len())
            ),
            rows: lines.collect(),
            foot: format!("\\bottomrule\n\\end{{tabular}}}}\n{notes}\\end{{table}}\n"),
        }
    }
}

/// Text with what LaTeX takes for commands, and the signs that its fonts lack, put in its way.
fn escaped(text: &str) -> String {
    let mut out = String::new();
    for letter in text.chars() {
        match letter {
            '\\' => out.push_str("\\textbackslash{}"),
            '~' => out.push_str("\\textasciitilde{}"),
            '^' => out.push_str("\\textasciicircum{}"),
            '&' | '%' | '$' | '#' | '_' | '{' | '}' => out.extend(['\\', letter]),
            '↑' => out.push_str("$\\uparrow$"),
            '↓' => out.push_str("$\\downarrow$"),
            '→' => out.push_str("$\\rightarrow$"),
            '–' => out.push_str("--"),
            other => out.push(other),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::{Column, Estimate, Row};

    #[test]
    fn a_table_by_hand() {
        let versus = Some(Versus { p: 0.01, better: false });
        let cell = Estimate { versus, ..Estimate::new(0.25, Some((0.0, 0.5))) };
        let table = Table {
            name: "toy".into(),
            title: "50 % & more".into(),
            columns: vec![Column { key: "a".into(), title: "A→T ↑".into(), decimals: 2 }],
            rows: vec![Row { label: "a_b".into(), cells: vec![Some(cell)] }],
            notes: vec!["over 4 clips".into()],
        };
        let expected = "% needs \\usepackage{booktabs,graphicx,amssymb}\n\\begin{table}\n\\centering\n\
            \\caption{50 \\% \\& more}\n\\resizebox{\\textwidth}{!}{%\n\\begin{tabular}{lr}\n\\toprule\n \
            & A$\\rightarrow$T $\\uparrow$ \\\\\n\\midrule\n\
            a\\_b & 0.25$^{\\blacktriangledown}$ {\\scriptsize [0.00, 0.50]} \\\\\n\
            \\bottomrule\n\\end{tabular}}\n% over 4 clips\n\\end{table}\n";
        assert_eq!(table.latex().whole(), expected);
    }
}
