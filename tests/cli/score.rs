//! `score` on files as people have them.

use std::{fs, path::Path};

use crate::harness::{experiments, run, scratch};

const REFERENCES: &str = "file_name,caption_1,caption_2\n\
    a.wav,A dog barks twice,\"A dog barks, then barks again\"\n\
    b.wav,Rain falls on a roof,Rain is falling\n";
const PREDICTIONS: &str =
    "file_name,caption_predicted\nb.wav,rain falls on a roof\na.wav,a dog barks\n";

fn score(folder: &Path, predictions: &str, references: &str) -> crate::harness::Said {
    let mut command = experiments(Path::new("unused"));
    command.arg("score").arg("--predictions").arg(folder.join(predictions));
    command.arg("--references").arg(folder.join(references));
    run(command.arg("--output").arg(folder.join("out")))
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
    let scores: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(scores["clips"], 2);
    // All eight words stand in a reference; "a.wav" says three where the closest has four.
    let bleu_1 = scores["bleu_1"].as_f64().unwrap();
    assert!((bleu_1 - (1.0_f64 - 9.0 / 8.0).exp()).abs() < 1e-8, "{bleu_1}");
    assert!(scores["spice"].is_null() && scores["not_computed"]["spider"].is_string(), "{json}");
    let csv = fs::read_to_string(folder.join("out/per_item.csv")).unwrap();
    let lines: Vec<&str> = csv.lines().collect();
    assert!(lines[0].starts_with("id,bleu_1,bleu_2,bleu_3,bleu_4,"), "{csv}");
    assert!(lines[0].ends_with(",rouge_l,cider_d"), "{csv}");
    // In the order of the predictions, the first of which is a reference word for word.
    assert!(lines[1].starts_with("b.wav,0.99999") && lines[2].starts_with("a.wav,"), "{csv}");
    // The same in another layout, to the last digit.
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
    file("p.txt", b"a dog\n");
    for (predictions, parts) in [
        ("twice.csv", ["twice.csv", "'a.wav' has 2 captions"]),
        ("unknown.csv", ["no references", "c.wav"]),
        ("missing.csv", ["have no caption here", "b.wav"]),
        ("latin.csv", ["line 2", "UTF-8"]),
        ("columns.csv", ["clip, text", "needs one of id"]),
        ("empty.jsonl", ["empty.jsonl", "no captions"]),
        ("p.txt", ["p.txt", ".csv"]),
        ("absent.csv", ["absent.csv", "cannot read"]),
    ] {
        score(&folder, predictions, "r.csv").fails_with(1, &parts);
    }
    assert!(!folder.join("out").exists());
}

#[test]
fn an_empty_caption_and_a_single_clip_say_what_they_mean() {
    let folder = scratch("score_few");
    fs::write(folder.join("p.csv"), "id,caption\na,...\n").unwrap();
    fs::write(folder.join("r.csv"), "id,caption\na,A dog barks\na,A dog\n").unwrap();
    let said = score(&folder, "p.csv", "r.csv").ok();
    assert!(
        said.err.contains("1 captions hold no word") && said.err.contains(": a"),
        "{}",
        said.err
    );
    assert!(said.out.contains("CIDEr-D needs at least 2 clips"), "{}", said.out);
    let head = fs::read_to_string(folder.join("out/per_item.csv")).unwrap();
    assert!(!head.contains("cider_d"), "{head}");
}
