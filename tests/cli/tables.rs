//! Tables: the same seed gives the same, whatever the number of jobs; `report` rebuilds
//! them from the run directory alone; a second run computes nothing.

use std::{fs, time::Instant};

use crate::harness::{
    assert_same_tree, experiments, run, run_directory, scratch, trained, trained_copy,
};

/// The whole suite: every file of every stage, and every figure.
#[test]
fn the_number_of_jobs_changes_no_bit() {
    for jobs in ["1", "4"] {
        let runs = scratch(&format!("jobs-{jobs}"));
        // What the user's shell says of threads changes nothing either.
        run(experiments(&runs).args(["--jobs", jobs]).env("OMP_NUM_THREADS", "3")).ok();
        assert_same_tree(&trained().join("tiny/stages"), &runs.join("tiny/stages"));
        for experiment in ["t1", "t2", "recognition"] {
            let [one, other] = [trained(), &runs].map(|runs| {
                fs::read(run_directory(runs, experiment).join("metrics.jsonl")).unwrap()
            });
            assert!(one == other, "{experiment} differs");
        }
    }
}

#[test]
fn report_rebuilds_every_table_without_the_stages() {
    let runs = trained_copy("report");
    let first = run(experiments(&runs).arg("report")).ok().out;
    fs::remove_dir_all(runs.join("tiny/stages")).unwrap();
    for experiment in ["t1", "t2"] {
        fs::remove_dir_all(run_directory(&runs, experiment).join("tables")).unwrap();
    }
    let second = run(experiments(&runs).arg("report")).ok().out;
    assert_eq!(first, second);
    for part in ["T1: modality gap", "T2: captioning, zero-shot", "fully supervised", "id hash"] {
        assert!(second.contains(part), "{part} is not in\n{second}");
    }
}

#[test]
fn every_table_has_its_forms_and_t1_its_figure() {
    for (experiment, table) in [
        ("t1", "t1"),
        ("t2", "t2_zero_shot"),
        ("t2", "t2_supervised"),
        ("t2", "t2_zero_shot_hardened"),
        ("t2", "t2_supervised_hardened"),
        ("recognition", "recognition"),
    ] {
        let folder = run_directory(trained(), experiment).join("tables");
        for ending in ["md", "csv", "json"] {
            let file = folder.join(format!("{table}.{ending}"));
            assert!(fs::metadata(&file).unwrap().len() > 50, "{}", file.display());
        }
    }
    // Of the tiny models that the configuration names; METEOR where set-up brought it.
    let t2 = run_directory(trained(), "t2").join("tables/t2_zero_shot.csv");
    let head = fs::read_to_string(t2).unwrap().lines().next().unwrap().to_owned();
    for column in [
        "bleu_4",
        "cider_d",
        "spice",
        "spider",
        "gain",
        "gain_spider",
        "sbert",
        "fense",
        "fluency_error",
    ] {
        assert!(head.split(',').any(|name| name == column), "{column} is not in {head}");
    }
    let meteor = crate::harness::repository().join(".setup/models/meteor").is_dir();
    assert_eq!(head.split(',').any(|name| name == "meteor"), meteor, "{head}");
    let figure = run_directory(trained(), "t1").join("migration.svg");
    assert!(fs::read_to_string(figure).unwrap().contains("bridged audio"));
    let predictions = run_directory(trained(), "t2").join("predictions");
    assert!(fs::read_dir(predictions).unwrap().count() >= 4);
}

#[test]
fn ablations_are_measured_on_validation() {
    let runs = trained_copy("ablations");
    let out = run(experiments(&runs).args(["run", "ablations"])).ok().out;
    for part in [
        "Ablation: width",
        "network.hidden = 16",
        "network.hidden = 32",
        "no text identity",
        "16 validation clips",
        "clips = 32",
        "prefix.noise = 0.04",
        "with LoRA",
        "CIDEr-D",
    ] {
        assert!(out.contains(part), "{part} is not in\n{out}");
    }
    // The same pairs, as a gap and as captions.
    let table = |name: &str| {
        let tail = out.split_once(&format!("Ablation: {name} (tiny)")).unwrap().1;
        tail.split("Ablation: ").next().unwrap().to_owned()
    };
    let (gap, captions) = (table("pairs"), table("pairs captions"));
    for (own, other) in [(&gap, "CIDEr-D"), (&captions, "paired cosine")] {
        assert!(own.contains("clips = 64") && !own.contains(other), "{own}");
    }
    let folder = run_directory(&runs, "ablations");
    let curve = fs::read_to_string(folder.join("pairs_captions.svg")).unwrap();
    assert!(curve.contains("CIDEr-D (more is better)"));
    assert!(fs::read_to_string(folder.join("width.svg")).unwrap().contains("network.hidden"));
    let set = "ablations.width.sweep.key=network.hiden";
    run(experiments(&runs).args(["run", "ablations", "--set", set]))
        .fails_with(1, &["ablations.width", "network.hiden=16", "did you mean `hidden`?"]);
    let set = "ablations.decoder.sweep.key=prefix.noises";
    run(experiments(&runs).args(["run", "ablations", "--set", set]))
        .fails_with(1, &["ablations.decoder", "prefix.noises=0", "did you mean `noise`?"]);
    for (set, said) in [
        ("ablations.pairs.sweep.key=size", "the key is `clips`"),
        ("ablations.pairs.sweep.values=[65]", "there are 64 training clips"),
    ] {
        run(experiments(&runs).args(["run", "ablations", "--set", set]))
            .fails_with(1, &["ablations.pairs", said]);
    }
    for (set, said) in [
        ("ablations.decoder.measure=gap", "a captioner has none; vary the bridge or the pairs"),
        ("ablations.width.protocol=supervised", "set measure = \"captions\""),
        ("ablations.pairs_captions.protocol=supervised", "captions are zero-shot"),
    ] {
        run(experiments(&runs).args(["run", "ablations", "--set", set]))
            .fails_with(1, &["ablations.", said]);
    }
    let out =
        run(experiments(&runs).args(["run", "ablations", "--set", "rows.ablations=[\"decoder\"]"]))
            .ok()
            .out;
    assert!(out.contains("with LoRA") && !out.contains("network.hidden = 16"), "{out}");
    let set = "rows.ablations=[\"widht\"]";
    run(experiments(&runs).args(["run", "ablations", "--set", set]))
        .fails_with(1, &["rows.ablations: no ablation is called widht; there are", "width"]);
}

#[test]
fn bridges_are_applied_to_another_corpus() {
    let runs = trained_copy("transfer");
    let out = run(experiments(&runs).args(["run", "transfer"])).ok().out;
    for part in [
        "T1 on birds, bridges fitted on tiny and there",
        "projection, fitted here",
        "diffusion link, fitted there",
        "16 test clips",
    ] {
        assert!(out.contains(part), "{part} is not in\n{out}");
    }
    // Nothing is fitted to the unbridged row, so it stands there once.
    assert!(!out.contains("none, fitted"), "{out}");
    run(experiments(&runs).args(["run", "transfer", "--set", "transfer.rows=['none']"]))
        .fails_with(1, &["transfer.rows", "diffusion_link"]);
    run(experiments(&runs).args(["run", "transfer", "--set", "transfer.to={}"]))
        .fails_with(1, &["there is no other corpus", "--set 'transfer.to.other="]);
}

#[test]
fn a_second_run_reads_everything_back() {
    let runs = trained_copy("second-run");
    let before = newest(&runs.join("tiny/stages"));
    let start = Instant::now();
    let said = run(&mut experiments(&runs)).ok();
    println!("a second run took {:.1} s", start.elapsed().as_secs_f64());
    assert_eq!(before, newest(&runs.join("tiny/stages")), "a stage was computed again");
    assert!(said.out.contains("T1: modality gap"));
}

fn newest(folder: &std::path::Path) -> Option<std::time::SystemTime> {
    fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter_map(|path| {
            if path.is_dir() { newest(&path) } else { path.metadata().unwrap().modified().ok() }
        })
        .max()
}

#[test]
fn report_without_runs_says_what_to_do() {
    run(experiments(&scratch("no-runs")).arg("report"))
        .fails_with(1, &["no finished run", "cargo run -p experiments"]);
}

#[test]
fn several_seeds_are_averaged_and_whole_set_figures_get_intervals() {
    let runs = trained_copy("seeds");
    fs::remove_dir_all(runs.join("tiny/t1")).unwrap();
    let said = run(experiments(&runs).args(["run", "t1", "--seeds", "0,1"])).ok();
    assert!(said.out.contains("seeds 0, 1;"), "{}", said.out);
    let folder = run_directory(&runs, "t1");
    let table = fs::read_to_string(folder.join("tables/t1.csv")).unwrap();
    let mut rows = csv::Reader::from_reader(table.as_bytes());
    let column = rows.headers().unwrap().iter().position(|head| head == "frechet_low").unwrap();
    let record =
        rows.records().map(Result::unwrap).find(|row| &row[0] == "diffusion link").unwrap();
    assert!(record[column].parse::<f64>().is_ok(), "no interval in {record:?}");
    // The mean of the two seeds' own records.
    let lines = fs::read_to_string(folder.join("metrics.jsonl")).unwrap();
    let value = |seed: serde_json::Value| {
        lines
            .lines()
            .map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap())
            .find(|record| record["row"] == "diffusion link" && record["seed"] == seed)
            .unwrap()["metrics"]["paired_cosine"]["value"]
            .as_f64()
            .unwrap()
    };
    let mean = (value(0.into()) + value(1.into())) / 2.0;
    assert!((value(serde_json::Value::Null) - mean).abs() < 1e-12);
}
