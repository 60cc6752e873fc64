//! Which figures a run has, from its records, its pictures and its configuration. What has no
//! data is left out.

use std::fs;

use anyhow::{Context, Result};

use super::Finished;
use crate::report::{
    escape::escape,
    figure::{self, Curve, ForestColumn},
    pictures::Pictures,
    record::{FIGURE_FILE, Record},
    speeds::Speeds,
    table::Table,
};

/// The figures of one table.
pub(super) fn of_table(finished: &Finished, table: &Table) -> Result<String> {
    let (_, info, records) = finished;
    let mut html = String::new();
    if info.experiment == "ablations"
        && let Some(curve) = sweep(table, records)
    {
        let title = format!("{} over {}", table.title, curve.axis);
        html.push_str(&framed(&figure::curves(&title, &curve), "The same figures as a curve."));
    } else if let Some(svg) = figure::forest(info, table, &columns(table)) {
        let caption = "Rows as points with their 95 % intervals, in the order of the table.";
        html.push_str(&framed(&svg, caption));
    }
    if info.experiment == "ablations" {
        html.push_str(&starts(finished, table)?);
    }
    Ok(html)
}

/// The metrics that a table is seen by.
fn columns(table: &Table) -> Vec<ForestColumn<'static>> {
    let column = |key, mark| ForestColumn { key, mark };
    let has = |key: &str| table.columns.iter().any(|column| column.key == key);
    if has("top1") {
        return vec![column("top1", None), column("wrong", None), column("none", None)];
    }
    if has("cider_d") {
        let gain = column("gain", Some((0.0, "no gain")));
        return vec![
            column("cider_d", None),
            column("spider", None),
            gain,
            column("own_label", None),
        ];
    }
    let ceilings = table.columns.iter().position(|column| column.key == "text_ceiling");
    let ceiling = ceilings.and_then(|place| table.rows.first()?.cells[place]);
    vec![
        column("paired_cosine", ceiling.map(|ceiling| (ceiling.value, "ceiling"))),
        column("centroid_distance", Some((0.0, "no gap"))),
        column("frechet", Some((0.0, "no gap"))),
        column("separability", Some((0.5, "no gap"))),
    ]
}

/// The rows `key = number` of a table, if there are two or more.
fn sweep<'t>(table: &'t Table, records: &'t [Record]) -> Option<Curve<'t>> {
    let of_table = records.iter().filter(|r| r.table == table.name && r.seed.is_none());
    let points: Vec<(&str, f64, &Record)> = of_table
        .filter_map(|record| {
            let (key, value) = record.row.split_once(" = ")?;
            Some((key, value.parse().ok()?, record))
        })
        .collect();
    let axis = points.first()?.0;
    let alike = points.len() > 1 && points.iter().all(|(key, ..)| *key == axis);
    let points = points.into_iter().map(|(_, value, record)| (value.to_string(), record));
    alike.then(|| Curve { axis, points: points.collect(), joined: true })
}

/// Where the rows of an ablation differ in how the bridge starts: quality against the start
/// timestep, against how often the network is asked for one clip, and against the time that
/// takes where it was measured.
fn starts(finished: &Finished, table: &Table) -> Result<String> {
    let (run, _, records) = finished;
    // Only what is needed is read: a run of another version of the program has other entries.
    let Ok(text) = dl_core::text::read(&run.file("config.toml")) else { return Ok(String::new()) };
    let config: toml::Value = toml::from_str(&text).context("config.toml of a run")?;
    let variants = config.get("ablations").and_then(|all| all.get(&table.name)?.get("variants"));
    let Some(variants) = variants.and_then(toml::Value::as_array) else {
        return Ok(String::new());
    };
    let speeds = Speeds::read(run)?;
    let mut found: Vec<Start<'_>> = Vec::new();
    for variant in variants {
        let name = variant.get("name").and_then(toml::Value::as_str).unwrap_or_default();
        let Some(candidate) = only_candidate(variant) else { return Ok(String::new()) };
        let number = |key: &str| candidate.get(key)?.as_integer().map(|number| number as f64);
        let row = |record: &&Record| {
            let same_row = record.row == name || record.row == name.replace('_', " ");
            record.table == table.name && record.seed.is_none() && same_row
        };
        let (Some(timestep), Some(record)) = (number("timestep"), records.iter().find(row)) else {
            return Ok(String::new());
        };
        // One network call for a single step, one for each draw, one for each step.
        let calls = ["draws", "steps"].into_iter().find_map(number).unwrap_or(1.0);
        let sampler = candidate.get("kind").and_then(toml::Value::as_str).unwrap_or_default();
        let sampler = sampler.replace('_', " ");
        let milliseconds = speeds.of(&table.name, &record.row);
        found.push(Start { timestep, calls, milliseconds, sampler, record });
    }
    let differ = found.windows(2).any(|pair| pair[0].timestep != pair[1].timestep);
    if found.len() < 2 || !differ {
        return Ok(String::new());
    }
    let timed = found.iter().all(|start| start.milliseconds.is_some());
    let mut curve = |axis: &str, of: fn(&Start<'_>) -> f64| {
        found.sort_by(|a, b| of(a).total_cmp(&of(b)));
        let points =
            found.iter().map(|start| (format!("{}, {}", of(start), start.sampler), start.record));
        let curve = Curve { axis, points: points.collect(), joined: false };
        figure::curves(&format!("Quality against {axis}"), &curve)
    };
    let level = curve("start timestep, sampler", |start| start.timestep);
    let calls = curve("network calls per clip, sampler", |start| start.calls);
    let time = if timed {
        let axis = "milliseconds per clip, sampler";
        // Two digits: the third is another in the next run.
        let of = |start: &Start<'_>| two_digits(start.milliseconds.unwrap_or_default());
        let caption = "Measured while the run was made, up to 128 clips at once on one thread, beside \
                       whatever else the machine did: no part of the records.";
        framed(&curve(axis, of), caption)
    } else {
        String::new()
    };
    let (level_caption, calls_caption) =
        ("Each point is a row of the table above.", "How often the network is asked for one clip.");
    Ok(framed(&level, level_caption) + &framed(&calls, calls_caption) + &time)
}

/// A row that differs from others in how the bridge starts.
struct Start<'r> {
    timestep: f64,
    calls: f64,
    milliseconds: Option<f64>,
    sampler: String,
    record: &'r Record,
}

/// The number to two digits.
fn two_digits(number: f64) -> f64 {
    format!("{number:.1e}").parse().unwrap_or(number)
}

/// The sampler that a variant sets, if it sets one and no other.
fn only_candidate(variant: &toml::Value) -> Option<toml::Value> {
    let sets = variant.get("set")?.as_array()?;
    let candidates = sets.iter().find_map(|set| set.as_str()?.strip_prefix("candidates="))?;
    let table: toml::Table = toml::from_str(&format!("candidates = {candidates}")).ok()?;
    match table.get("candidates")?.as_array()?.as_slice() {
        [only] => Some(only.clone()),
        _ => None,
    }
}

/// The figures of a run that belong to no table.
pub(super) fn of_run((run, info, _): &Finished) -> Result<String> {
    let caption = "Where audio stands before and after the bridge, with the way of some clips as \
                   arrows. A bridge that works carries the orange points into the blue ones.";
    if let Some(Pictures { migration, cosines }) = Pictures::read(run)? {
        let counts = "Cosines of each clip with its own captions and with those of other clips. Behind a \
                      good bridge pairs lie far to the right of strangers; a shift moves both alike.";
        return Ok(framed(&figure::migration_inline(&migration), caption)
            + &framed(&figure::histograms(&cosines), counts));
    }
    let kept = run.file(FIGURE_FILE);
    if info.experiment != "t1" || !kept.is_file() {
        return Ok(String::new());
    }
    // As a picture: what stands in a file is not trusted to be a part of the page.
    let bytes = fs::read(&kept).with_context(|| format!("cannot read {}", kept.display()))?;
    let picture = format!(
        "<img class=\"kept\" src=\"data:image/svg+xml;base64,{}\" alt=\"Migration of the audio embeddings\">",
        base64::encode(bytes)
    );
    Ok(framed(&picture, caption))
}

fn framed(picture: &str, caption: &str) -> String {
    format!(
        "<figure>\n<div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"Figure\">{picture}</div>\n\
         <figcaption>{}</figcaption>\n</figure>\n",
        escape(caption)
    )
}

#[cfg(test)]
mod tests {
    use dl_core::RunDir;

    use super::*;
    use crate::report::{Estimate, Speeds, tables};

    /// An ablation of two starts, one step from 50 and eight from 200.
    fn ablation(run: &RunDir) -> Finished {
        let config = "[ablations.start]\nvariants = [\n\
            { name = \"near\", set = [\"candidates=[{kind='one_step',timestep=50}]\"] },\n\
            { name = \"far\", set = [\"candidates=[{kind='ddim',timestep=200,steps=8}]\"] },\n]\n";
        run.write_text("config.toml", config).unwrap();
        let record = |row: &str, cosine| Record {
            table: "start".into(),
            row: row.into(),
            seed: None,
            metrics: [("paired_cosine".to_owned(), Estimate::new(cosine, None))].into(),
        };
        let info = serde_json::json!({
            "experiment": "ablations", "suite": "toy", "clips": 4, "captions": 4, "id_hash": "a",
            "seeds": [0], "resamples": 100, "corpus": "c", "encoder": "e", "program": "0",
            "libtorch": "0", "device": "cpu", "compare": "the first row",
        });
        let info = serde_json::from_value(info).unwrap();
        (RunDir::open(run.dir()), info, vec![record("near", 0.7), record("far", 0.6)])
    }

    #[test]
    fn quality_stands_against_the_start_the_calls_and_the_time_where_it_was_measured() {
        let folder = tempfile::tempdir().unwrap();
        let run = RunDir::open(folder.path());
        let finished = ablation(&run);
        let table = tables::build(&finished.1, &finished.2).unwrap().remove(0);
        let axes = |html: &str| {
            ["start timestep", "network calls per clip", "milliseconds per clip"]
                .map(|axis| html.contains(&format!("Quality against {axis}, sampler")))
        };
        assert_eq!(axes(&of_table(&finished, &table).unwrap()), [true, true, false]);
        let mut speeds = Speeds::default();
        speeds.add("start", "near", [Some(0.1234), Some(0.1236)].into_iter());
        // One seed was made by a program that did not measure.
        speeds.add("start", "far", [Some(1.0), None].into_iter());
        speeds.write(&run).unwrap();
        assert_eq!(axes(&of_table(&finished, &table).unwrap()), [true, true, false]);
        speeds.add("start", "far", [Some(0.987)].into_iter());
        speeds.write(&run).unwrap();
        let html = of_table(&finished, &table).unwrap();
        assert_eq!(axes(&html), [true; 3]);
        for point in ["50, one step", "8, ddim", "0.12, one step", "0.99, ddim"] {
            assert!(html.contains(point), "no {point} in {html}");
        }
    }
}
