//! `score` on files as people have them.

use std::{fs, path::Path, process::Command};

use serde_json::{Value, json};

use crate::harness::{Said, experiments, repository, run, scratch};

const REFERENCES: &str = "file_name,caption_1,caption_2\n\
    a.wav,A dog barks twice,\"A dog barks, then barks again\"\n\
    b.wav,Rain falls on a roof,Rain is falling\n";
const PREDICTIONS: &str =
    "file_name,caption_predicted\nb.wav,rain falls on a roof\na.wav,a dog barks\n";

fn command(folder: &Path, predictions: &str, references: &str) -> Command {
    let mut command = experiments(Path::new("unused"));
    command.arg("score").arg("--predictions").arg(folder.join(predictions));
    command.arg("--references").arg(folder.join(references));
    command.arg("--output").arg(folder.join("out"));
    command
}

fn score(folder: &Path, predictions: &str, references: &str) -> Said {
    run(&mut command(folder, predictions, references))
}

/// What the last call wrote: the scores, the header and the rows.
fn written(folder: &Path) -> (Value, Vec<String>, Vec<Vec<f64>>) {
    let json = fs::read_to_string(folder.join("out/scores.json")).unwrap();
    let csv = fs::read_to_string(folder.join("out/per_item.csv")).unwrap();
    let mut lines = csv.lines();
    let head = lines.next().unwrap().split(',').map(str::to_owned).collect();
    // A kind of which the references have no tuple is empty there.
    let figure = |text: &str| if text.is_empty() { f64::NAN } else { text.parse().unwrap() };
    let figures = |line: &str| line.split(',').skip(1).map(figure).collect();
    (serde_json::from_str(&json).unwrap(), head, lines.map(figures).collect())
}

/// Writes the candidates and references of a golden file as JSON lines; gives its items
/// and the scores of all of them together.
fn golden(folder: &Path, name: &str, keep: fn(&str) -> bool) -> (Vec<Value>, Value) {
    let file = repository().join("crates/dl-eval/tests/golden").join(name);
    let golden: Value = serde_json::from_str(&fs::read_to_string(file).unwrap()).unwrap();
    let mut items = golden["items"].as_array().unwrap().clone();
    items.retain(|item| {
        let mut texts = item["references"].as_array().unwrap().iter().chain([&item["candidate"]]);
        texts.all(|text| keep(text.as_str().unwrap()))
    });
    let (mut predictions, mut references) = (String::new(), String::new());
    for (id, item) in items.iter().enumerate() {
        predictions += &format!("{}\n", json!({"id": id, "caption": item["candidate"]}));
        references += &format!("{}\n", json!({"id": id, "captions": item["references"]}));
    }
    fs::write(folder.join("p.jsonl"), predictions).unwrap();
    fs::write(folder.join("r.jsonl"), references).unwrap();
    (items, golden["corpus"].clone())
}

/// The jar's golden texts are tokens already. Only these are cut into the same tokens when
/// taken as captions.
fn is_plain(text: &str) -> bool {
    text.bytes().all(|byte| byte == b' ' || byte.is_ascii_lowercase())
}

#[track_caller]
fn assert_near(got: &Value, expected: &Value) {
    let (got, expected) = (got.as_f64().unwrap(), expected.as_f64().unwrap());
    assert!((got - expected).abs() <= 1e-9 * expected.abs(), "{got} against {expected}");
}

/// The column `key` is that of the golden `items`.
#[track_caller]
fn assert_column(head: &[String], rows: &[Vec<f64>], key: &str, items: &[Value]) {
    let column = head.iter().position(|name| name == key).unwrap() - 1;
    assert!(rows.len() == items.len() && items.len() > 2, "{} rows", rows.len());
    for (row, item) in rows.iter().zip(items) {
        assert_near(&json!(row[column]), &item[key]);
    }
}

#[test]
fn scores_are_printed_and_written() {
    let folder = scratch("score");
    fs::write(folder.join("p.csv"), PREDICTIONS).unwrap();
    fs::write(folder.join("r.csv"), REFERENCES).unwrap();
    let said = score(&folder, "p.csv", "r.csv").ok();
    for line in ["BLEU-4", "ROUGE-L", "CIDEr-D", "SPICE", "self-BLEU-4"] {
        assert!(said.out.lines().any(|out| out.starts_with(line)), "{}", said.out);
    }
    let json = fs::read_to_string(folder.join("out/scores.json")).unwrap();
    let scores: Value = serde_json::from_str(&json).unwrap();
    assert_eq!(scores["clips"], 2);
    // All eight words stand in a reference; "a.wav" says three where the closest has four.
    let bleu_1 = scores["bleu_1"].as_f64().unwrap();
    assert!((bleu_1 - (1.0_f64 - 9.0 / 8.0).exp()).abs() < 1e-8, "{bleu_1}");
    let [spice, cider_d, spider] = ["spice", "cider_d", "spider"].map(|key| scores[key].as_f64());
    let half = f64::midpoint(spice.unwrap(), cider_d.unwrap());
    assert!((spider.unwrap() - half).abs() < 1e-12 && spice > Some(0.0), "{json}");
    let csv = fs::read_to_string(folder.join("out/per_item.csv")).unwrap();
    let lines: Vec<&str> = csv.lines().collect();
    assert!(lines[0].starts_with("id,bleu_1,bleu_2,bleu_3,bleu_4,"), "{csv}");
    assert!(lines[0].contains(",rouge_l,cider_d,spice,spice_object,"), "{csv}");
    assert!(lines[0].ends_with(",spider"), "{csv}");
    // In the order of the predictions, the first of which is a reference word for word.
    assert!(lines[1].starts_with("b.wav,0.99999") && lines[2].starts_with("a.wav,"), "{csv}");
    // The same from another file, to the last digit.
    let json_lines = "{\"id\": \"b.wav\", \"captions\": [\"Rain falls on a roof\", \"Rain is falling\"]}\n\
        {\"id\": \"a.wav\", \"captions\": [\"A dog barks twice\", \"A dog barks, then barks again\"]}\n";
    fs::write(folder.join("r.jsonl"), json_lines).unwrap();
    score(&folder, "p.csv", "r.jsonl").ok();
    assert_eq!(fs::read_to_string(folder.join("out/per_item.csv")).unwrap(), csv);
}

#[test]
fn files_that_do_not_fit_are_explained_and_nothing_is_written() {
    let folder = scratch("score_faults");
    let file = |name: &str, bytes: &[u8]| fs::write(folder.join(name), bytes).unwrap();
    file("r.csv", REFERENCES.as_bytes());
    file("twice.csv", b"id,caption\na.wav,a dog\na.wav,a cat\nb.wav,rain\n");
    file("unknown.csv", b"id,caption\na.wav,a dog\nb.wav,rain\nc.wav,wind\n");
    file("missing.csv", b"id,caption\na.wav,a dog\n");
    file("latin.csv", b"id,caption\na.wav,caf\xe9\n");
    file("columns.csv", b"clip,text\na.wav,a dog\n");
    file("empty.jsonl", b"");
    file("empty.csv", b"\n");
    file("nameless.csv", b"id,caption\n,a dog\n");
    file("short.csv", b"id,caption\na.wav,a dog\nb.wav\n");
    file(
        "lines.json",
        b"{\"id\": 1, \"caption\": \"a dog\"}\n{\"id\": 2, \"caption\": \"rain\"}\n",
    );
    file("broken.jsonl", b"{\"id\": 1, \"caption\": \"a dog\"}\n{\"id\": 2, \"capt\n");
    file("p.txt", b"a dog\n");
    for (predictions, parts) in [
        ("twice.csv", ["twice.csv", "'a.wav' has 2 captions"]),
        ("unknown.csv", ["no references", "c.wav"]),
        ("missing.csv", ["have no caption here", "b.wav"]),
        ("latin.csv", ["line 2", "UTF-8"]),
        ("columns.csv", ["clip, text", "needs one of id"]),
        ("empty.jsonl", ["empty.jsonl", "it is empty"]),
        ("empty.csv", ["empty.csv", "it is empty"]),
        ("nameless.csv", ["line 2: the id is empty", "give the clip one"]),
        ("short.csv", ["short.csv", "line: 3"]),
        ("lines.json", ["image_id", "named .jsonl"]),
        ("broken.jsonl", ["line 2", "captions"]),
        ("p.txt", ["p.txt", ".csv"]),
        ("absent.csv", ["absent.csv", "No such file"]),
    ] {
        score(&folder, predictions, "r.csv").fails_with(1, &parts);
    }
    file("p.csv", PREDICTIONS.as_bytes());
    let mut command = command(&folder, "p.csv", "r.csv");
    run(command.arg("--meteor").arg(folder.join("p.csv"))).fails_with(1, &["no METEOR data"]);
    let mut command = self::command(&folder, "p.csv", "r.csv");
    run(command.arg("--meteor").arg(&folder)).fails_with(1, &["--meteor", "a folder"]);
    file("out", b"");
    score(&folder, "p.csv", "r.csv").fails_with(1, &["--output", "a file; name a folder"]);
    fs::remove_file(folder.join("out")).unwrap();
    assert!(!folder.join("out").exists());
}

#[test]
fn an_empty_caption_and_a_single_clip_say_what_they_mean() {
    let folder = scratch("score_few");
    fs::write(folder.join("p.csv"), "id,caption\na,...\n").unwrap();
    fs::write(folder.join("r.csv"), "id,caption\na,A dog barks\na,A dog\n").unwrap();
    let said = score(&folder, "p.csv", "r.csv").ok();
    let note = "p.csv: captions without a word (they score 0): 1: a\n";
    assert!(said.err.contains(note), "{}", said.err);
    assert!(said.out.contains("CIDEr-D needs at least 2 clips"), "{}", said.out);
    let head = fs::read_to_string(folder.join("out/per_item.csv")).unwrap();
    assert!(!head.contains("cider_d"), "{head}");
    let (scores, _, rows) = written(&folder);
    assert!(scores["cider_d"].is_null() && scores["self_bleu_4"].is_null(), "{scores}");
    assert!(rows[0].iter().all(|&score| score == 0.0), "{rows:?}");
}

#[test]
fn every_layout_gives_the_same_scores() {
    let folder = scratch("score_layouts");
    let pairs: [(&str, &str, &str, &str); 4] = [
        (
            "p.csv",
            "file_name,caption_predicted\n1,Rain falls\n2,\"A dog, barking\"\n",
            "r.csv",
            "file_name,caption_1,caption_2\n1,Rain falls down,Light rain\n2,A dog barks,Barking\n",
        ),
        // A byte order mark and lines of Windows; the references of a clip in several rows.
        (
            "p2.csv",
            "\u{feff}id,caption\r\n1,Rain falls\r\n2,\"A dog, barking\"\r\n",
            "r2.csv",
            "audiocap_id,youtube_id,start_time,caption\n7,2,30,A dog barks\n8,1,0,Rain falls down\n\
             9,2,30,Barking\n10,1,0,Light rain\n",
        ),
        (
            "p.jsonl",
            "{\"id\": 1, \"caption\": \"Rain falls\"}\n{\"id\": \"2\", \"caption\": \"A dog, barking\"}\n",
            "r.jsonl",
            "{\"id\": 2, \"captions\": [\"A dog barks\", \"Barking\"]}\n\
             {\"id\": 1, \"caption\": \"Rain falls down\"}\n{\"id\": 1, \"caption\": \"Light rain\"}\n",
        ),
        (
            "p.json",
            r#"[{"image_id": 1, "caption": "Rain falls"}, {"image_id": 2, "caption": "A dog, barking"}]"#,
            "r.json",
            r#"{"images": [{"id": 1}, {"id": 2}], "annotations": [
                {"id": 5, "image_id": 2, "caption": "A dog barks"},
                {"id": 6, "image_id": 1, "caption": "Rain falls down"},
                {"id": 7, "image_id": 1, "caption": "Light rain"},
                {"id": 8, "image_id": 2, "caption": "Barking"}]}"#,
        ),
    ];
    for (predictions, said, references, known) in pairs {
        fs::write(folder.join(predictions), said).unwrap();
        fs::write(folder.join(references), known).unwrap();
    }
    score(&folder, "p.csv", "r.csv").ok();
    let expected = written(&folder);
    assert_eq!(expected.2.len(), 2);
    // Predictions of one layout go with references of any other.
    for (predictions, ..) in pairs {
        for (_, _, references, _) in pairs {
            score(&folder, predictions, references).ok();
            assert!(written(&folder) == expected, "{predictions} with {references}");
        }
    }
}

#[test]
fn scores_equal_those_of_the_reference_tools() {
    let folder = scratch("score_golden");
    let (items, corpus) = golden(&folder, "caption_scores.json", |_| true);
    score(&folder, "p.jsonl", "r.jsonl").ok();
    let (scores, head, rows) = written(&folder);
    assert_eq!(rows.len(), items.len());
    let column = |key: &str| head.iter().position(|name| name == key).unwrap() - 1;
    for key in ["rouge_l", "cider_d"] {
        assert_near(&scores[key], &corpus[key]);
        assert_column(&head, &rows, key, &items);
    }
    for n in 0..4 {
        let key = format!("bleu_{}", n + 1);
        assert_near(&scores[&key], &corpus["bleu"][n]);
        for (row, item) in rows.iter().zip(&items) {
            assert_near(&json!(row[column(&key)]), &item["bleu"][n]);
        }
    }
}

#[test]
fn without_its_data_nothing_is_called_meteor() {
    let folder = scratch("score_no_meteor");
    let (items, _) = golden(&folder, "meteor.json", is_plain);
    // A clone in which nothing was set up.
    fs::create_dir_all(folder.join(".setup")).unwrap();
    let mut command = command(&folder, "p.jsonl", "r.jsonl");
    let said = run(command.current_dir(&folder)).ok();
    assert!(said.err.contains("cargo setup --metrics"), "{}", said.err);
    assert!(said.out.contains("exact and stem alignment"), "{}", said.out);
    let (scores, head, rows) = written(&folder);
    assert_column(&head, &rows, "exact_stem", &items);
    assert!(!head.iter().any(|key| key == "meteor"), "{head:?}");
    assert!(scores["meteor"].is_null(), "{scores}");
    assert!(scores["not_computed"]["meteor"].as_str().unwrap().contains("cargo setup --metrics"));
}

#[test]
#[allow(clippy::print_stdout, reason = "a test says what it skips")]
fn with_its_data_meteor_is_the_jars() {
    let setup = repository().join(".setup");
    if !setup.join("models/meteor").is_dir() {
        println!("skipped: METEOR's data is not here; `cargo setup --metrics` brings it");
        return;
    }
    let folder = scratch("score_meteor");
    let (items, _) = golden(&folder, "meteor.json", is_plain);
    let said = score(&folder, "p.jsonl", "r.jsonl").ok();
    assert!(!said.out.contains("exact and stem"), "{}", said.out);
    let (scores, head, rows) = written(&folder);
    assert_column(&head, &rows, "meteor", &items);
    assert!(scores["meteor"].is_f64() && scores["not_computed"].get("meteor").is_none());
}

#[test]
fn with_its_models_fense_is_that_of_aac_metrics() {
    let folder = scratch("score_fense");
    let models = repository().join("crates/dl-encoder/tests/golden");
    let text = fs::read_to_string(models.join("sentence.json")).unwrap();
    let golden: Value = serde_json::from_str(&text).unwrap();
    let (mut predictions, mut references) = (String::new(), String::new());
    let clips = golden["clips"].as_array().unwrap();
    for (id, clip) in clips.iter().enumerate() {
        predictions += &format!("{}\n", json!({"id": id, "caption": clip["candidate"]}));
        references += &format!("{}\n", json!({"id": id, "captions": clip["references"]}));
    }
    fs::write(folder.join("p.jsonl"), predictions).unwrap();
    fs::write(folder.join("r.jsonl"), references).unwrap();
    let mut command = command(&folder, "p.jsonl", "r.jsonl");
    command.arg("--sentence-encoder").arg(models.join("sentence_bert"));
    command.arg("--fluency").arg(models.join("fluency_toy"));
    let said = run(&mut command).ok();
    assert!(said.out.contains("sentences by sentence_bert ("), "{}", said.out);
    let (scores, head, rows) = written(&folder);
    for key in ["sbert", "fense", "fluency_error"] {
        let near = |got: f64, expected: &Value| (got - expected.as_f64().unwrap()).abs() < 1e-6;
        assert!(near(scores[key].as_f64().unwrap(), &golden["corpus"][0][key]), "{key}: {scores}");
        let column = head.iter().position(|name| name == key).unwrap() - 1;
        assert_eq!(rows.len(), clips.len());
        for (row, clip) in rows.iter().zip(clips) {
            assert!(near(row[column], &clip[key]), "{key}: {row:?} {clip}");
        }
    }
    assert!(scores["models"].as_str().unwrap().contains("fluency by fluency_toy ("), "{scores}");
    let mut command = self::command(&folder, "p.jsonl", "r.jsonl");
    run(command.arg("--sentence-encoder").arg(&folder)).fails_with(1, &["config.json"]);
}

#[test]
fn with_their_models_bert_score_clap_and_mace_are_those_of_aac_metrics() {
    let folder = scratch("score_models");
    let models = repository().join("crates/dl-encoder/tests/golden");
    let text = fs::read_to_string(models.join("scores/scores.json")).unwrap();
    let clips: Vec<Value> = serde_json::from_str(&text).unwrap();
    let (mut predictions, mut references) = (String::new(), String::new());
    for (id, clip) in clips.iter().enumerate() {
        predictions += &format!("{}\n", json!({"id": id, "caption": clip["candidate"]}));
        references += &format!("{}\n", json!({"id": id, "captions": clip["references"]}));
    }
    fs::write(folder.join("p.jsonl"), predictions).unwrap();
    fs::write(folder.join("r.jsonl"), references).unwrap();
    let with = |names: &[&str]| {
        let mut command = command(&folder, "p.jsonl", "r.jsonl");
        for name in names {
            match models.join(name) {
                path if path.exists() => command.arg(path),
                _ => command.arg(name),
            };
        }
        run(&mut command)
    };
    let clap = ["--clap", "clap_unfused", "--recordings", "scores"];
    let bert = ["--bertscore", "roberta_toy", "--bertscore-layer", "1"];
    let said = with(&[&clap[..], &bert, &["--fluency", "fluency_toy"]].concat()).ok();
    for part in ["fluency by fluency_toy (", "roberta_toy, layer 1 (", "CLAP by clap_unfused ("] {
        assert!(said.out.contains(part), "{}", said.out);
    }
    let (scores, head, rows) = written(&folder);
    assert_eq!(rows.len(), clips.len());
    let parts = ["f1", "precision", "recall"];
    let bert =
        parts.map(|part| (format!("bert_score_{part}"), format!("roberta_toy layer 1 {part}")));
    let clap = ["clap_sim", "clap_sim_audio", "mace", "mace_text", "mace_audio"];
    let clap = clap.map(|key| (key.to_owned(), key.to_owned()));
    for (key, name) in bert.into_iter().chain(clap) {
        let column = head.iter().position(|head| *head == key).unwrap() - 1;
        let mut sum = 0.0;
        for (row, clip) in rows.iter().zip(&clips) {
            let expected = clip[&name].as_f64().unwrap();
            // Weights of half precision; the WAVs are read as 16 bits by both.
            assert!((row[column] - expected).abs() < 2e-5, "{key}: {} {expected}", row[column]);
            sum += expected;
        }
        let mean = sum / clips.len() as f64;
        assert!((scores[&key].as_f64().unwrap() - mean).abs() < 2e-5, "{key}: {scores}");
    }
    for (model, layer, name) in
        [("roberta_toy", "2", ""), ("sentence_bert", "2", ""), ("sentence_bert", "1", " layer 1")]
    {
        with(&["--bertscore", model, "--bertscore-layer", layer]).ok();
        let (_, head, rows) = written(&folder);
        for part in parts {
            let key = format!("bert_score_{part}");
            let column = head.iter().position(|head| *head == key).unwrap() - 1;
            for (row, clip) in rows.iter().zip(&clips) {
                let expected = clip[format!("{model}{name} {part}")].as_f64().unwrap();
                assert!((row[column] - expected).abs() < 5e-6, "{model} {key}: {expected}");
            }
        }
    }
    // Without recordings: of MACE the part that needs none.
    with(&["--clap", "clap_unfused", "--fluency", "fluency_toy"]).ok();
    let (scores, ..) = written(&folder);
    assert!(scores["mace"].is_null() && scores["mace_text"].is_f64(), "{scores}");
    assert_eq!(scores["not_computed"]["mace"], "it needs the recordings");
    fs::create_dir_all(folder.join("few")).unwrap();
    fs::copy(models.join("scores/0.wav"), folder.join("few/0.wav")).unwrap();
    let few = folder.join("few").display().to_string();
    with(&["--clap", "clap_unfused", "--recordings", &few])
        .fails_with(1, &["clip '1' has no recording; name it '1' or '1.wav'"]);
    // The classifier alone: a caption with an error keeps a tenth of its SPIDEr.
    with(&["--fluency", "fluency_toy"]).ok();
    let (_, head, rows) = written(&folder);
    let [spider, error, penalised] = ["spider", "fluency_error", "spider_fl"]
        .map(|key| head.iter().position(|head| head == key).unwrap() - 1);
    let errors: f64 = rows.iter().map(|row| row[error]).sum();
    assert!(errors > 0.0 && errors < rows.len() as f64, "the toy finds {errors}");
    for row in &rows {
        let expected = if row[error] == 1.0 { 0.1 * row[spider] } else { row[spider] };
        assert!((row[penalised] - expected).abs() < 1e-12, "{row:?}");
    }
    with(&["--bertscore-layer", "1"]).fails_with(2, &["required arguments"]);
    with(&["--spider-max", "--clap", "clap_unfused"]).fails_with(1, &["leave the models out"]);
}
