//! Whether a figure is good: what it is without a bridge, behind the bridge and at its
//! ceiling, beside what was measured on published CLAPs.

use crate::report::{escape::escape, record::RunInfo, table::Table};

/// A measure of T1 and what is known of it.
struct Measure {
    key: &'static str,
    name: &'static str,
    /// Where a perfect bridge would be; `None` where the table has it in `text_ceiling`.
    perfect: Option<f64>,
    /// Without a bridge, on published CLAPs.
    raw: &'static str,
    /// Behind bridges fitted there.
    bridged: &'static str,
    /// What the end of the scale is.
    end: &'static str,
}

/// LAION-CLAP on AudioCaps: 399 test clips (measured by this project, five-fold, bridges on
/// 320 pairs) and a public report over 1,290 pairs of validation; MS-CLAP on the former.
const MEASURES: [Measure; 3] = [
    Measure {
        key: "paired_cosine",
        name: "paired cosine",
        perfect: None,
        raw: "0.34 to 0.50",
        bridged: "0.60 (shift) to 0.71, ceiling 0.73",
        end: "two captions of one clip",
    },
    Measure {
        key: "centroid_distance",
        name: "distance of centroids",
        perfect: Some(0.0),
        raw: "0.45 to 0.78",
        bridged: "0.03 (shift) to 0.17",
        end: "no gap",
    },
    Measure {
        key: "separability",
        name: "separability",
        perfect: Some(0.5),
        raw: "0.997",
        bridged: "0.37 (shift) to 0.82",
        end: "no gap",
    },
];

/// The ranges of a table of T1 or of T2; nothing for others, or without a row to judge.
pub(super) fn ranges(info: &RunInfo, table: &Table) -> String {
    let value = |row: &str, key: &str| -> Option<f64> {
        let column = table.columns.iter().position(|column| column.key == key)?;
        let row = table.rows.iter().find(|own| own.label == row)?;
        Some(row.cells[column].as_ref()?.value)
    };
    let (Some(compare), Some(first)) = (info.compare.as_deref(), table.rows.first()) else {
        return String::new();
    };
    let mut rows = String::new();
    match table.name.as_str() {
        "t1" => {
            for measure in &MEASURES {
                let perfect = measure.perfect.or_else(|| value(&first.label, "text_ceiling"));
                let (raw, own) = (value(&first.label, measure.key), value(compare, measure.key));
                if let (Some(raw), Some(own), Some(perfect)) = (raw, own, perfect) {
                    rows.push_str(&row(measure, raw, own, perfect));
                }
            }
        }
        "t2_zero_shot" => {
            let ceiling = value("text (ceiling)", "cider_d");
            let (raw, own) = (value(&first.label, "cider_d"), value(compare, "cider_d"));
            if let (Some(raw), Some(own), Some(perfect)) = (raw, own, ceiling) {
                let measure = Measure {
                    key: "cider_d",
                    name: "CIDEr-D",
                    perfect: Some(perfect),
                    raw: "",
                    bridged: "",
                    end: "a caption's own embedding decoded",
                };
                rows.push_str(&row(&measure, raw, own, perfect));
            }
        }
        _ => {}
    }
    if rows.is_empty() {
        return String::new();
    }
    let with_published = table.name == "t1";
    let mut heads: String =
        ["measure", "no bridge", compare, "end of the scale", "gone of the way"]
            .map(|head| format!("<th scope=\"col\">{}</th>", escape(head)))
            .concat();
    heads.push_str("<th scope=\"col\" class=\"words\">in words</th>");
    if with_published {
        heads.push_str(
            "<th scope=\"col\">published CLAPs, no bridge</th>\
             <th scope=\"col\">published CLAPs, bridged</th>",
        );
    }
    let advice = if with_published {
        "<p>A cosine says nothing by itself: 0.7 is nearly perfect where two captions of one clip have \
         0.73, and poor where they have 0.9. Read it beside the end of the scale. A distance of centroids near 0 \
         is easy, a mere shift gets there; separability and Fréchet distance see what a shift leaves. \
         The figures of published CLAPs are LAION-CLAP's and MS-CLAP's on AudioCaps (bridged: LAION-CLAP alone, \
         bridges fitted to 320 pairs); other sounds and encoders have other ones.</p>"
    } else {
        "<p>CIDEr-D depends on the captions of the clips, so its height can be compared within this \
         table only. The ceiling decodes a caption's own embedding: what the decoder could say \
         if the bridge were perfect.</p>"
    };
    format!(
        "<h4>Is that good?</h4>\n{advice}\n<div class=\"scroll\" tabindex=\"0\" role=\"region\" \
         aria-label=\"Expected ranges\">\n<table class=\"ranges\"><thead><tr>{heads}</tr></thead>\
         <tbody>\n{rows}</tbody></table>\n</div>\n"
    )
}

fn row(measure: &Measure, raw: f64, own: f64, perfect: f64) -> String {
    let (way, words) = judged(raw, own, perfect);
    let published = if measure.raw.is_empty() {
        String::new()
    } else {
        format!("<td>{}</td><td>{}</td>", measure.raw, measure.bridged)
    };
    format!(
        "<tr><th scope=\"row\">{}</th><td>{raw:.3}</td><td>{own:.3}</td><td>{perfect:.3} \
         <small>{}</small></td><td>{way}</td><td class=\"words\">{words}</td>{published}</tr>\n",
        measure.name, measure.end
    )
}

/// Which share of the way from `raw` to `perfect` is gone at `own`, and what that means.
fn judged(raw: f64, own: f64, perfect: f64) -> (String, &'static str) {
    if (perfect - raw).abs() < 1e-6 {
        return ("–".into(), "there is no gap to close");
    }
    let way = (own - raw) / (perfect - raw);
    let words = match way {
        way if way < 0.0 => "worse than no bridge",
        way if way < 0.25 => "hardly moved",
        way if way < 0.6 => "about half-way",
        way if way < 0.9 => "good: most of the gap is closed",
        way if way <= 1.05 => "as good as it gets: at the end of the scale",
        _ => "beyond the end of the scale: look whether the rest of the table agrees",
    };
    (format!("{:.0} %", 100.0 * way), words)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_figure_is_judged_by_its_way() {
        // From 0.4 to 0.8: 0.7 is three quarters of the way; to 0.72 it is nearly all.
        assert_eq!(judged(0.4, 0.7, 0.8), ("75 %".into(), "good: most of the gap is closed"));
        let (way, words) = judged(0.4, 0.7, 0.72);
        assert!(way == "94 %" && words.starts_with("as good as it gets"), "{way} {words}");
        // Less is better: from 1.0 to 0.5.
        assert_eq!(judged(1.0, 0.9, 0.5).0, "20 %");
        assert_eq!(judged(0.5, 0.4, 0.8).1, "worse than no bridge");
        assert_eq!(judged(0.5, 0.5, 0.5).0, "–");
    }
}
