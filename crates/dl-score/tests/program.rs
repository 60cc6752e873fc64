//! `dl-score` as a user types it. Layouts, faults and golden scores stand in the tests of
//! `experiments score`, which is the same command.

#![allow(clippy::unwrap_used)] // tests may, in their helpers too

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use serde_json::Value;

const CLIPS: usize = 12;

/// A folder with references, a system that quotes them, one that says two of their five
/// words, and one that says half of the first.
fn folder(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).unwrap();
    let lines = |caption: fn(usize) -> String| -> String {
        let line = |clip| format!("{{\"id\": {clip}, \"caption\": \"{}\"}}\n", caption(clip));
        (0..CLIPS).map(line).collect()
    };
    let file = |name: &str, text: &str| fs::write(folder.join(name), text).unwrap();
    file("references.jsonl", &lines(|clip| format!("one dog{clip} barks at two")));
    file("quotes.jsonl", &lines(|clip| format!("one dog{clip} barks at two")));
    file("short.jsonl", &lines(|clip| format!("one dog{clip}")));
    // The same in another order.
    let mut reversed: Vec<String> =
        lines(|clip| format!("one dog{clip}")).lines().map(str::to_owned).collect();
    reversed.reverse();
    file("reversed.jsonl", &reversed.join("\n"));
    file("few.jsonl", "{\"id\": 0, \"caption\": \"one dog0\"}\n");
    file("training.csv", "id,caption\nx,One dog3\nx,One cat\ny,One dog7!\n");
    folder
}

fn score(folder: &Path, more: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_dl-score"));
    command.current_dir(folder).args(["--references", "references.jsonl", "--output", "out"]);
    command.args(more).output().unwrap()
}

fn scores(folder: &Path, more: &[&str]) -> (String, Value) {
    let output = score(folder, more);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let json = fs::read_to_string(folder.join("out/scores.json")).unwrap();
    (String::from_utf8(output.stdout).unwrap(), serde_json::from_str(&json).unwrap())
}

#[track_caller]
fn number(value: &Value) -> f64 {
    value.as_f64().unwrap()
}

#[test]
fn two_systems_are_compared_clip_by_clip() {
    let folder = folder("compare");
    let (text, json) =
        scores(&folder, &["--predictions", "quotes.jsonl", "--against", "short.jsonl"]);
    assert!(text.contains("p (Holm)"), "{text}");
    let rouge = &json["against"]["rouge_l"];
    // Two of two words and two of five, beta 1.2, in every clip alike.
    let expected = 1.0 - (1.0 + 1.44) * 0.4 / (0.4 + 1.44);
    assert!((number(&rouge["difference"]) - expected).abs() < 1e-12, "{rouge}");
    for end in 0..2 {
        assert!((number(&rouge["interval"][end]) - expected).abs() < 1e-12, "{rouge}");
    }
    // All of 12 flips to one side: 2 of 4,096 by chance, here of 10,000 draws.
    let p = number(&rouge["p"]);
    assert!((1e-4..1.5e-3).contains(&p), "{p}");
    // Every figure differs as clearly: Holm multiplies the least by their number.
    let tested = json["against"].as_object().unwrap();
    let least = tested.values().map(|entry| number(&entry["p"])).fold(1.0, f64::min);
    let corrected = tested.values().map(|entry| number(&entry["p_holm"])).fold(1.0, f64::min);
    assert!((corrected - least * tested.len() as f64).abs() < 1e-12, "{corrected} of {least}");
    // BLEU-1 of all words: 1 against exp(1 - 5/2).
    let bleu = number(&json["against"]["bleu_1"]["difference"]);
    assert!((bleu - (1.0 - (-1.5_f64).exp())).abs() < 1e-7, "{bleu}");
}

#[test]
fn a_system_equals_itself_in_any_order() {
    let folder = folder("same");
    let (_, json) =
        scores(&folder, &["--predictions", "short.jsonl", "--against", "reversed.jsonl"]);
    for (key, entry) in json["against"].as_object().unwrap() {
        assert_eq!(number(&entry["difference"]), 0.0, "{key}");
        assert_eq!(number(&entry["p_holm"]), 1.0, "{key}");
        assert_eq!(entry["interval"], serde_json::json!([0.0, 0.0]), "{key}");
    }
    assert!(json["against"].get("spice").is_some());
    let colours = &json["not_computed"]["spice_color"];
    assert!(colours.is_string() && json["against"].get("spice_color").is_none(), "{colours}");
    let output = score(&folder, &["--predictions", "short.jsonl", "--against", "few.jsonl"]);
    let error = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(
        error.contains("few.jsonl") && error.contains("have no caption here: 1, 10"),
        "{error}"
    );
}

#[test]
fn novel_captions_are_those_that_training_does_not_hold() {
    let folder = folder("novel");
    let (text, json) =
        scores(&folder, &["--predictions", "short.jsonl", "--training", "training.csv"]);
    // Two of twelve are quotes, whatever their case and signs.
    assert!((number(&json["novel"]) - 10.0 / 12.0).abs() < 1e-12);
    assert!(text.contains("novel captions"), "{text}");
    let (text, json) = scores(&folder, &["--predictions", "short.jsonl"]);
    assert!(json["novel"].is_null() && !text.contains("novel"), "{text}");
}

#[test]
fn texts_without_a_word_are_told_with_their_file() {
    let folder = folder("wordless");
    let lines = |caption: &str, other: &str| -> String {
        let line = |clip| {
            let caption = if clip == 3 { caption } else { other };
            format!("{{\"id\": {clip}, \"caption\": \"{caption}\"}}\n")
        };
        (0..CLIPS).map(line).collect()
    };
    fs::write(folder.join("silent.jsonl"), lines("...", "one dog")).unwrap();
    fs::write(folder.join("references.jsonl"), lines("...", "one dog barks")).unwrap();
    let output = score(&folder, &["--predictions", "short.jsonl", "--against", "silent.jsonl"]);
    let notes = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{notes}");
    assert!(
        notes.contains("silent.jsonl: captions without a word (they score 0): 1: 3\n"),
        "{notes}"
    );
    assert!(notes.contains("references.jsonl: clips with a reference without a word"), "{notes}");
    assert!(!notes.contains("short.jsonl"), "{notes}");
    assert_eq!(notes.matches("references.jsonl").count(), 1, "{notes}");
}

#[test]
fn a_reader_that_goes_away_is_no_fault_and_costs_no_file() {
    let folder = folder("pipe");
    let mut command = Command::new(env!("CARGO_BIN_EXE_dl-score"));
    command.current_dir(&folder).args(["--references", "references.jsonl", "--output", "out"]);
    command.args(["--predictions", "short.jsonl"]);
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let output = command.stdout(writer).stderr(std::process::Stdio::piped()).output().unwrap();
    let error = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success() && !error.contains("panicked"), "{error}");
    assert!(folder.join("out/scores.json").is_file() && folder.join("out/per_item.csv").is_file());
}

#[test]
fn frequencies_of_another_file() {
    let folder = folder("frequencies");
    // One clip has no CIDEr-D of its own; in the corpus of all twelve it has the same as
    // there.
    let (_, all) = scores(&folder, &["--predictions", "short.jsonl"]);
    let references = fs::read_to_string(folder.join("references.jsonl")).unwrap();
    fs::rename(folder.join("references.jsonl"), folder.join("corpus.jsonl")).unwrap();
    fs::write(folder.join("references.jsonl"), references.lines().next().unwrap()).unwrap();
    let (_, alone) = scores(&folder, &["--predictions", "few.jsonl"]);
    assert!(alone["cider_d"].is_null() && alone["cider_d_documents"] == 1, "{alone}");
    let (_, found) =
        scores(&folder, &["--predictions", "few.jsonl", "--frequencies", "corpus.jsonl"]);
    // All clips are alike, so that the mean of all is the score of each.
    let (found, all) = (number(&found["cider_d"]), number(&all["cider_d"]));
    assert!((found - all).abs() < 1e-12 && found > 0.1, "{found} {all}");
}

#[test]
fn spice_says_what_matched_and_its_input_is_written() {
    let folder = folder("tuples");
    let more = ["--spice-tuples", "tuples.jsonl", "--write-spice-input", "input.json"];
    let (text, json) = scores(&folder, &[&["--predictions", "quotes.jsonl"], &more[..]].concat());
    assert!(text.contains("SPICE ") && text.contains("SPIDEr"), "{text}");
    assert_eq!(number(&json["spice"]), 1.0);
    let spider = f64::midpoint(1.0, number(&json["cider_d"]));
    assert!((number(&json["spider"]) - spider).abs() < 1e-12);
    let lines = fs::read_to_string(folder.join("tuples.jsonl")).unwrap();
    assert_eq!(lines.lines().count(), CLIPS);
    for line in lines.lines() {
        let line: Value = serde_json::from_str(line).unwrap();
        assert!(!line["matched"].as_array().unwrap().is_empty(), "{line}");
        assert_eq!(line["matched"], line["found_in_candidate"]);
        for none in ["missed", "not_in_references"] {
            assert_eq!(line[none], serde_json::json!([]), "{line}");
        }
    }
    let input = fs::read_to_string(folder.join("input.json")).unwrap();
    let input: Value = serde_json::from_str(&input).unwrap();
    let entry = serde_json::json!({
        "image_id": "3", "test": "one dog3 barks at two", "refs": ["one dog3 barks at two"]
    });
    assert_eq!(input[3], entry);
}

#[test]
fn official_scores_are_matched_by_their_ids() {
    let folder = folder("official");
    // From the last clip to the first; colours where the number is odd.
    let entry = |clip: usize| {
        let of = |f: Option<f64>| serde_json::json!({"f": f});
        let color = (clip % 2 == 1).then_some(0.5);
        serde_json::json!({"image_id": clip.to_string(), "scores": {
            "All": of(Some(clip as f64 / 100.0)), "Object": of(Some(0.25)), "Color": of(color),
        }})
    };
    let entries: Vec<Value> = (0..CLIPS).rev().map(entry).collect();
    let write = |entries: &[Value]| {
        fs::write(folder.join("official.json"), serde_json::to_string(entries).unwrap()).unwrap();
    };
    write(&entries);
    let options = ["--predictions", "short.jsonl", "--spice-official", "official.json"];
    let (_, json) = scores(&folder, &options);
    assert!((number(&json["spice"]) - 0.055).abs() < 1e-12, "{json}");
    assert!((number(&json["spice_color"]) - 0.5).abs() < 1e-12);
    assert!(json["spice_size"].is_null());
    assert_eq!(json["spice_method"], "output of the official tool");
    let mut rows = csv::Reader::from_path(folder.join("out/per_item.csv")).unwrap();
    let head = rows.headers().unwrap().clone();
    let column = |name: &str| head.iter().position(|found| found == name).unwrap();
    let (spice, color) = (column("spice"), column("spice_color"));
    for row in rows.records() {
        let row = row.unwrap();
        let clip: f64 = row[0].parse().unwrap();
        assert_eq!(row[spice].parse::<f64>().unwrap(), clip / 100.0);
        assert_eq!(&row[color], if clip % 2.0 == 1.0 { "0.5" } else { "" });
    }
    let fault = |entries: &[Value]| {
        write(entries);
        let output = score(&folder, &options);
        assert_eq!(output.status.code(), Some(1));
        String::from_utf8(output.stderr).unwrap()
    };
    let error = fault(&entries[1..]);
    assert!(error.contains("1 clips of the predictions are not in it: 11"), "{error}");
    let error = fault(&[&entries[..], &entries[..1]].concat());
    assert!(error.contains("clip '11' stands in it twice"), "{error}");
    let other = serde_json::json!({"image_id": "x", "scores": {"All": {"f": 0.1}}});
    let error = fault(&[&entries[..], &[other]].concat());
    assert!(error.contains("it has 13 clips, the predictions 12"), "{error}");
    let error = fault(&[serde_json::json!({"image_id": "0"})]);
    assert!(error.contains("official.json") && error.contains("has no score"), "{error}");
}

#[test]
fn the_best_of_several_candidates_counts() {
    let folder = folder("several");
    // One candidate of even clips, two of odd ones, of which the second is the reference.
    let (mut csv, mut list) = ("id,caption\n".to_owned(), Vec::new());
    for clip in 0..CLIPS {
        let captions = [format!("one dog{clip}"), format!("one dog{clip} barks at two")];
        let captions = &captions[..1 + clip % 2];
        captions.iter().for_each(|caption| csv += &format!("{clip},{caption}\n"));
        list.push(serde_json::json!({"image_id": clip, "captions": captions}));
    }
    fs::write(folder.join("several.csv"), csv).unwrap();
    fs::write(folder.join("several.json"), serde_json::to_string(&list).unwrap()).unwrap();
    let per_item = || -> Vec<Vec<String>> {
        let text = fs::read_to_string(folder.join("out/per_item.csv")).unwrap();
        text.lines().map(|line| line.split(',').map(str::to_owned).collect()).collect()
    };
    let column = |rows: &[Vec<String>], name: &str| -> Vec<f64> {
        let at = rows[0].iter().position(|found| found == name).unwrap();
        rows[1..].iter().map(|row| row[at].parse().unwrap()).collect()
    };
    let mut alone = Vec::new();
    for file in ["short.jsonl", "quotes.jsonl"] {
        scores(&folder, &["--predictions", file]);
        alone.push(column(&per_item(), "spider"));
    }
    let output = score(&folder, &["--predictions", "several.csv"]);
    let error = String::from_utf8(output.stderr).unwrap();
    assert!(error.contains("clip '1' has 2 captions; keep the one"), "{error}");
    assert!(error.contains("--spider-max"), "{error}");
    for file in ["several.csv", "several.json"] {
        let more = ["--predictions", file, "--spider-max", "--against", "quotes.jsonl"];
        let (text, json) = scores(&folder, &more);
        assert!(text.contains("18 (1 to 2 a clip)") && text.contains("SPIDEr-max"), "{text}");
        let rows = per_item();
        let head =
            ["id", "candidates", "best", "caption", "spider_max", "cider_d_max", "spice_max"];
        assert_eq!(rows[0], head);
        let found = column(&rows, "spider_max");
        for clip in 0..CLIPS {
            assert!((found[clip] - alone[clip % 2][clip]).abs() < 1e-12, "clip {clip}");
            assert_eq!(
                rows[clip + 1][1..3],
                [(1 + clip % 2).to_string(), (1 + clip % 2).to_string()]
            );
        }
        let mean = found.iter().sum::<f64>() / CLIPS as f64;
        assert!((number(&json["spider_max"]) - mean).abs() < 1e-12);
        let (spice, cider_d) = (number(&json["spice_max"]), number(&json["cider_d_max"]));
        assert!((f64::midpoint(spice, cider_d) - mean).abs() < 1e-12);
        assert_eq!((&json["clips"], &json["candidates"]), (&CLIPS.into(), &18.into()));
        let other = alone[1].iter().sum::<f64>() / CLIPS as f64;
        assert!((number(&json["against"]["spider_max"]["other"]) - other).abs() < 1e-12);
    }
    let output = score(&folder, &["--predictions", "several.csv", "--spider-max", "--meteor", "x"]);
    let error = String::from_utf8(output.stderr).unwrap();
    assert!(error.contains("cannot be used with"), "{error}");
}
