//! A crate outside the workspace adds a bridge, an encoder and a metric to the program by
//! registering them (`tests/extension`). It is built here as its author would build it, in
//! the target folder of the workspace, whose registry crates it shares.

use std::{
    collections::BTreeMap,
    env, fs,
    path::{Path, PathBuf},
    process::Command,
};

use dl_core::EmbeddingSet;

use crate::harness::{repository, run, scratch};

const CRATE: &str = "tests/extension";

fn built() -> PathBuf {
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().unwrap();
    // The same versions as in the workspace, of which cargo leaves out what is not needed.
    let lock = repository().join("Cargo.lock");
    fs::copy(lock, repository().join(CRATE).join("Cargo.lock")).unwrap();
    let mut cargo = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.current_dir(repository()).args([
        "build",
        "--quiet",
        "--bins",
        "--tests",
        "--manifest-path",
    ]);
    cargo.arg(format!("{CRATE}/Cargo.toml")).arg("--target-dir").arg(target);
    // Those of this test's own package are none of its business.
    for (name, _) in env::vars_os() {
        let text = name.to_string_lossy();
        if text.starts_with("CARGO_PKG_") || text.starts_with("CARGO_MANIFEST") {
            cargo.env_remove(&name);
        }
    }
    run(&mut cargo).ok();
    target.join("debug/extension")
}

/// The table of an experiment's newest run by rows, and in them by columns.
fn table(runs: &Path, experiment: &str, table: &str) -> BTreeMap<String, BTreeMap<String, String>> {
    let folders = fs::read_dir(runs.join("extension").join(experiment)).unwrap();
    let folders = folders.map(|folder| folder.unwrap());
    let newest = folders.max_by_key(|folder| folder.metadata().unwrap().modified().unwrap());
    let file = newest.unwrap().path().join(format!("tables/{table}.csv"));
    let mut reader = csv::Reader::from_path(file).unwrap();
    let rows = reader.deserialize::<BTreeMap<String, String>>().map(Result::unwrap);
    rows.map(|row| (row["row"].clone(), row)).collect()
}

fn figure(row: &BTreeMap<String, String>, column: &str) -> f64 {
    row[column].parse().unwrap()
}

/// A caption in the encoder's 16 bins, worked out here once more: a word's bytes say which.
fn bins(caption: &str) -> Vec<f32> {
    let mut bins = [0.0_f32; 16];
    for word in caption.split(' ') {
        bins[word.bytes().map(usize::from).sum::<usize>() % 16] += 1.0;
    }
    let norm = bins.iter().map(|x| x * x).sum::<f32>().sqrt();
    bins.iter().map(|x| x / norm).collect()
}

#[test]
fn a_crate_from_outside_adds_its_bridge_its_encoder_and_its_metric() {
    let code = fs::read_to_string(repository().join(CRATE).join("src/main.rs")).unwrap();
    assert!(code.lines().count() < 60);
    let (program, runs) = (built(), scratch("extension"));
    let extended = || {
        let mut command = Command::new(&program);
        command.current_dir(repository()).args(["--config", "tests/extension/suite.toml"]);
        command.args(["--set", &format!("runs='{}'", runs.display())]);
        // At scale 1 it is the built-in shift of the means.
        command.args(["--set", "bridges.shift.kind=embedding_shift"]);
        command.args(["--set", "rows.t1=['none','shift','shrunk']"]);
        command
    };
    run(&mut extended()).ok();

    // The bridge: half of what is left of a row without its mean, or all of it.
    let half = table(&runs, "t1", "t1");
    assert!(figure(&half["shrunk"], "paired_cosine") != figure(&half["shift"], "paired_cosine"));
    let stages = |name: &str| -> Vec<String> {
        let folders = fs::read_dir(runs.join("extension/stages").join(name)).unwrap();
        let words = |folder: fs::DirEntry| fs::read_to_string(folder.path().join("stage.json"));
        folders.map(|folder| words(folder.unwrap()).unwrap()).collect()
    };
    let fits = stages("bridge").len();
    run(extended().args(["run", "t1", "--set", "bridges.shrunk.scale=1.0"])).ok();
    let whole = table(&runs, "t1", "t1");
    for column in ["paired_cosine", "centroid_distance", "frechet"] {
        let [ours, built_in] = ["shrunk", "shift"].map(|row| figure(&whole[row], column));
        assert!((ours - built_in).abs() < 1e-5, "{column}: {ours} and {built_in}");
    }
    // Its configuration and its version stand in its key; nothing else was fitted again.
    assert_eq!(stages("bridge").len(), fits + 1);
    assert!(stages("bridge").iter().any(|words| words.contains("\"shrink 1, training")));

    // The encoder: its kind is in the key of its features, and its rows are those of its
    // own function.
    assert!(stages("features")[0].contains("\"envelope\""));
    let folder = fs::read_dir(runs.join("extension/stages/embeddings")).unwrap().next();
    let set = EmbeddingSet::read(&folder.unwrap().unwrap().path().join("test.safetensors"));
    let set = set.unwrap();
    for (caption, row) in set.captions.iter().zip(set.text.outer_iter()) {
        let expected = bins(caption);
        assert!(row.iter().zip(&expected).all(|(a, b)| (a - b).abs() < 1e-6), "{caption}: {row}");
    }
    run(extended().args(["--set", "encoder.kind=envelop"]))
        .fails_with(1, &["encoder.kind", "`envelop`", "did you mean `envelope`?"]);

    // The metric: a column of T2, the mean over clips of caption's by reference's words.
    let t2 = table(&runs, "t2", "t2_zero_shot");
    let folder = fs::read_dir(runs.join("extension/t2")).unwrap().next().unwrap().unwrap();
    let said = folder.path().join("predictions/t2_zero_shot-shrunk-0.csv");
    let words = |text: &str| text.split_whitespace().filter(|word| *word != ".").count() as f64;
    let ratios: Vec<f64> = csv::Reader::from_path(said)
        .unwrap()
        .deserialize::<BTreeMap<String, String>>()
        .map(Result::unwrap)
        .map(|row| words(&row["caption"]) / words(row["references"].split(" | ").next().unwrap()))
        .collect();
    let expected = ratios.iter().sum::<f64>() / ratios.len() as f64;
    let found = figure(&t2["shrunk"], "length_ratio");
    assert!((found - expected).abs() < 1e-9, "{found}, not {expected}");

    // And a line of `score`: 3 words for 2, and 1 for 2.
    let (captions, references) = (runs.join("captions.csv"), runs.join("references.csv"));
    fs::write(&captions, "id,caption\na,a dog barks\nb,rain\n").unwrap();
    fs::write(&references, "id,caption\na,a dog\nb,rain falls\n").unwrap();
    let mut score = Command::new(&program);
    score.arg("score").arg("--predictions").arg(&captions).arg("--references").arg(&references);
    let said = run(&mut score).ok().out;
    let line = said.lines().find(|line| line.starts_with("length ratio")).unwrap();
    assert!(line.ends_with("1.0000"), "{said}");
}
