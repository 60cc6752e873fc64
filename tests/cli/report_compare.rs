//! `report --compare`: two runs row by row, and refusals with their reason.

use std::{fs, path::Path};

use crate::harness::{copy_folder, experiments, run, run_directory, scratch, trained};

fn compare(first: &Path, second: &Path) -> crate::harness::Said {
    let runs = scratch("compare-nothing");
    run(experiments(&runs).args(["report", "--compare"]).args([first, second]))
}

#[test]
fn a_run_and_its_copy_do_not_differ() {
    for experiment in ["t1", "t2"] {
        let one = run_directory(trained(), experiment);
        let out = compare(&one, &one).ok().out;
        for part in [
            "second run minus first",
            "diffusion link",
            "0.000",
            "The configurations are the same.",
            "the same 16 test clips",
        ] {
            assert!(out.contains(part), "{part} is not in\n{out}");
        }
        let rows = out.lines().filter(|line| line.starts_with("diffusion link"));
        assert!(rows.clone().count() > 0 && !rows.clone().any(|row| row.contains(['▲', '▼'])));
    }
}

#[test]
fn a_change_that_every_clip_shows_is_found() {
    let folder = scratch("compare-better");
    let (one, two) = (folder.join("one"), folder.join("two"));
    copy_folder(&run_directory(trained(), "t1"), &one);
    // Few clusters have too few patterns of signs to tell anything: here each clip is its own.
    let clips = fs::read_to_string(one.join("clips.jsonl")).unwrap();
    let alone = clips.lines().enumerate().map(|(place, line)| {
        let mut clip: serde_json::Value = serde_json::from_str(line).unwrap();
        clip["cluster"] = place.into();
        format!("{clip}\n")
    });
    fs::write(one.join("clips.jsonl"), alone.collect::<String>()).unwrap();
    copy_folder(&one, &two);
    // Every clip of one row has a cosine that is larger by 0.125; the record follows.
    let change = |file: &str, edit: &dyn Fn(&mut serde_json::Value)| {
        let text = fs::read_to_string(two.join(file)).unwrap();
        let lines = text.lines().map(|line| {
            let mut value: serde_json::Value = serde_json::from_str(line).unwrap();
            if value["row"] == "projection" {
                edit(&mut value);
            }
            format!("{value}\n")
        });
        fs::write(two.join(file), lines.collect::<String>()).unwrap();
    };
    let more = |value: &mut serde_json::Value| *value = (value.as_f64().unwrap() + 0.125).into();
    change("items.jsonl", &|items| {
        items["values"]["paired_cosine"].as_array_mut().unwrap().iter_mut().for_each(more);
    });
    change("metrics.jsonl", &|record| more(&mut record["metrics"]["paired_cosine"]["value"]));
    let config = fs::read_to_string(two.join("config.toml")).unwrap();
    fs::write(two.join("config.toml"), config.replace("blocks = 3", "blocks = 2")).unwrap();
    let out = compare(&one, &two).ok().out;
    let row = out.lines().find(|line| line.starts_with("projection")).unwrap();
    assert!(row.contains("0.125▲ ±0.000"), "{row}");
    let other = out.lines().find(|line| line.starts_with("c3")).unwrap();
    assert!(!other.contains(['▲', '▼']), "{other}");
    let told = "The configurations differ in bridges.diffusion_link.network.blocks (3, then 2).";
    assert!(out.contains(told), "{out}");
    // The other way round it is worse.
    let out = compare(&two, &one).ok().out;
    let row = out.lines().find(|line| line.starts_with("projection")).unwrap();
    assert!(row.contains("-0.125▼ ±0.000"), "{row}");
}

#[test]
fn what_cannot_be_compared_is_refused_with_the_reason() {
    let (t1, t2) = (run_directory(trained(), "t1"), run_directory(trained(), "t2"));
    compare(&t1, &t2).fails_with(1, &["cannot compare", "different experiments (t1 and t2)"]);
    let other = scratch("compare-other").join("t1");
    copy_folder(&t1, &other);
    let change = |key: &str, value: &str| {
        let text = fs::read_to_string(t1.join("run.json")).unwrap();
        let mut info: serde_json::Value = serde_json::from_str(&text).unwrap();
        info[key] = value.into();
        fs::write(other.join("run.json"), info.to_string()).unwrap();
    };
    for (key, value, reason) in [
        ("split", "validation", "they are over different splits (test and validation)"),
        ("id_hash", "0123456789ab", "they are over different clips (16, id hash "),
        ("corpus", "0123456789ab", "their corpora differ"),
        ("metrics", "gap 1", "their metrics have different versions (records "),
    ] {
        change(key, value);
        compare(&t1, &other).fails_with(1, &["cannot compare", reason]);
    }
    change("suite", "tiny");
    fs::remove_file(other.join("items.jsonl")).unwrap();
    compare(&t1, &other).fails_with(1, &["has no values by clip", "`run t1` writes them"]);
    let recognition = run_directory(trained(), "recognition");
    compare(&recognition, &recognition).fails_with(1, &["recognition keeps no values by clip"]);
    compare(&t1, Path::new("nowhere")).fails_with(1, &["nowhere", "run.json"]);
}
