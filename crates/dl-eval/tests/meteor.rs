//! METEOR against the jar (scores that `golden/meteor.py` made with it) and against
//! hand arithmetic on a toy package. What needs METEOR's own data runs where the
//! variable METEOR_DATA names a converted file, or `cargo setup --metrics` brought the package.

#![allow(clippy::print_stdout, clippy::unwrap_used)] // a test says what it skips

mod common;

use std::{
    fs::{self, File},
    io::Write,
    path::Path,
    sync::OnceLock,
};

use common::meteor_data;
use dl_eval::caption::{
    Item,
    meteor::{Matchers, Meteor, MeteorData, MeteorDataError},
};
use flate2::{Compression, write::GzEncoder};
use proptest::prelude::*;
use tempfile::TempDir;
use zip::{ZipWriter, write::SimpleFileOptions};

const SYNSETS: &str = "dog\n01 02\nhound\n02\ngo\n05\nmove\n05 07\n";
const EXCEPTIONS: &str = "go\nwent gone\n";
const FUNCTION_WORDS: &str = "the\na\nand\n";
const PREFIXES: &str = "# abbreviations\n\nvs\nno #NUMERIC_ONLY#\n";
const PARAPHRASES: &str =
    "0.5\nat once\nsuddenly\n0.5\nat once\ntogether\n0.5\nsuddenly\nat once\n";

/// A package of the layout of pycocoevalcap's, with tables of a few words.
fn package(paraphrases: &str) -> TempDir {
    let folder = TempDir::new().unwrap();
    let mut jar = ZipWriter::new(File::create(folder.path().join("meteor-1.5.jar")).unwrap());
    for (name, text) in [
        ("synonym/english.synsets", SYNSETS),
        ("synonym/english.exceptions", EXCEPTIONS),
        ("function/english.words", FUNCTION_WORDS),
        ("nonbreaking/english.prefixes", PREFIXES),
    ] {
        jar.start_file(name, SimpleFileOptions::default()).unwrap();
        jar.write_all(text.as_bytes()).unwrap();
    }
    jar.finish().unwrap();
    fs::create_dir(folder.path().join("data")).unwrap();
    let table = File::create(folder.path().join("data/paraphrase-en.gz")).unwrap();
    let mut table = GzEncoder::new(table, Compression::fast());
    table.write_all(paraphrases.as_bytes()).unwrap();
    table.finish().unwrap();
    folder
}

fn toy() -> &'static MeteorData {
    static TOY: OnceLock<MeteorData> = OnceLock::new();
    TOY.get_or_init(|| {
        let folder = package(PARAPHRASES);
        let file = folder.path().join("out/meteor.bin");
        MeteorData::convert(folder.path(), &file).unwrap();
        MeteorData::open(&file).unwrap()
    })
}

fn item(candidate: &str, references: &[&str]) -> Item {
    let tokens = |text: &str| text.split_whitespace().map(str::to_owned).collect();
    Item {
        candidate: tokens(candidate),
        references: references.iter().map(|r| tokens(r)).collect(),
    }
}

#[track_caller]
fn assert_score(matchers: Matchers, candidate: &str, references: &[&str], expected: f64) {
    let got = Meteor::new(&[item(candidate, references)], matchers).unwrap().per_item()[0];
    assert!((got - expected).abs() < 1e-12, "{got} against {expected}");
}

/// The formula, from weighted precision and recall.
fn formula(precision: f64, recall: f64, chunks: f64, matches: f64) -> f64 {
    let mean = 1.0 / (0.15 / precision + 0.85 / recall);
    mean * (1.0 - 0.6 * (chunks / matches).powf(0.2))
}

#[test]
fn exact_words_and_stems_by_hand() {
    let two = Matchers::ExactStem;
    // dog exactly and barks by its stem, 1 + 0.6 of 3, in one chunk.
    assert_score(two, "a dog barks", &["the dog barking"], formula(1.6 / 3.0, 1.6 / 3.0, 1.0, 2.0));
    // The second "the" makes one chunk of two words, the first would make two chunks.
    assert_score(two, "the cat", &["the dog and the cat"], formula(1.0, 0.4, 1.0, 2.0));
    // "bark" and "dog" are swapped: two chunks.
    assert_score(two, "dog bark", &["bark dog"], formula(1.0, 1.0, 2.0, 2.0));
    // All matched in one chunk is no scatter, though not equal: 0.6 of 1.
    assert_score(two, "barks", &["barking"], 0.6);
    assert_score(two, "rain", &["rain"], 1.0);
    assert_score(two, "rain", &["snow"], 0.0);
    assert_score(two, "", &["snow"], 0.0);
    assert_score(two, "rain", &["", "snow", "rain falls"], formula(1.0, 0.5, 1.0, 1.0));
    // The jar cuts what the treebank keeps together.
    assert_score(two, "high-pitched", &["high pitched"], 1.0);
}

#[test]
fn synonyms_paraphrases_and_function_words_by_hand() {
    let all = Matchers::All(toy());
    // Through base forms: dogs, dog (set 2); went, go (set 5). 0.8 each, all matched.
    assert_score(all, "dogs", &["hound"], 0.8);
    assert_score(all, "he went", &["he move"], 0.9);
    for regular in ["moves", "moved", "moving", "mover"] {
        assert_score(all, regular, &["went"], 0.8);
    }
    // Two words for one: 1 + 2 * 0.6 of 3 words, 1 + 0.6 of 2; all matched.
    let mean = 1.0 / (0.15 / (2.2 / 3.0) + 0.85 / 0.8);
    assert_score(all, "rain at once", &["rain suddenly"], mean);
    // The table has "at once" for "together" in the other direction only.
    assert_score(all, "together rain", &["at once rain"], 1.0 / (0.15 / 0.8 + 0.85 / (2.2 / 3.0)));
    // One content word (0.75) of a weighted length of 0.75 + 0.25.
    assert_score(all, "the dog", &["a dog"], formula(0.75, 0.75, 1.0, 1.0));
    // A listed abbreviation keeps its full stop, another word loses it.
    assert_score(all, "no. 5", &["no 5"], formula(0.5, 0.5, 1.0, 1.0));
    assert_score(all, "vs. 5", &["vs 5"], formula(0.5, 0.5, 1.0, 1.0));
    assert_score(all, "sec. 5", &["sec 5"], 1.0 / (0.15 / (2.0 / 3.0) + 0.85) * (1.0 - 0.6));
}

#[test]
fn the_corpus_sums_counts_and_leaves_out_chunks_of_whole_matches() {
    let items = [item("dogs", &["hound"]), item("the dog", &["a dog"])];
    let meteor = Meteor::new(&items, Matchers::All(toy())).unwrap();
    // (0.8 + 1) * 0.75 of 2 * 0.75 + 0.25; one chunk, of the second item; 2 matches.
    let share = 1.35 / 1.75;
    assert!((meteor.corpus() - formula(share, share, 1.0, 2.0)).abs() < 1e-12);
    assert!((meteor.resampled(&[0, 1]) - meteor.corpus()).abs() < 1e-15);
    assert!((meteor.resampled(&[0, 0]) - 0.8).abs() < 1e-12);
    assert_eq!(Meteor::new(&[], Matchers::ExactStem).unwrap().corpus(), 0.0);
    assert!(Meteor::new(&[item("rain", &[])], Matchers::ExactStem).is_err());
}

#[test]
fn only_all_matchers_are_called_meteor() {
    assert_eq!(Matchers::All(toy()).key(), "meteor");
    assert!(!Matchers::ExactStem.key().contains("meteor"));
    assert!(!Matchers::ExactStem.name().to_lowercase().contains("meteor"));
}

#[test]
fn other_packages_and_files_are_refused() {
    let refused = |error: MeteorDataError, cause: &str| {
        let message = error.to_string();
        assert!(message.contains(cause) && !message.contains('\n'), "{message}");
    };
    let folder = package(PARAPHRASES);
    let file = folder.path().join("meteor.bin");
    refused(MeteorData::open(&file).unwrap_err(), "meteor.bin");
    // The jar may be named instead of its folder.
    MeteorData::convert(&folder.path().join("meteor-1.5.jar"), &file).unwrap();
    let bytes = fs::read(&file).unwrap();
    fs::write(&file, &bytes[..bytes.len() - 1]).unwrap();
    refused(MeteorData::open(&file).unwrap_err(), "cut off");
    fs::write(&file, [&bytes[..8], &[9], &bytes[9..]].concat()).unwrap();
    refused(MeteorData::open(&file).unwrap_err(), "another number");
    fs::write(&file, b"not it").unwrap();
    refused(MeteorData::open(&file).unwrap_err(), "begins otherwise");

    for (paraphrases, cause) in [
        ("0.5\nb\na\n0.5\nb\n", "cut off"),
        ("0.5\nb\nc\n0.5\nb\na\n", "not sorted"),
        ("0.5\nb\nc\n0.5\na\nc\n0.5\nb\nd\n", "stand together"),
    ] {
        let folder = package(paraphrases);
        refused(MeteorData::convert(folder.path(), &file).unwrap_err(), cause);
    }
    let empty = TempDir::new().unwrap();
    refused(MeteorData::convert(empty.path(), &file).unwrap_err(), "meteor-1.5.jar");
    fs::write(empty.path().join("meteor-1.5.jar"), b"no archive").unwrap();
    refused(MeteorData::convert(empty.path(), &file).unwrap_err(), "meteor-1.5.jar");
}

#[test]
fn any_content_of_a_mapped_file_is_survived() {
    let folder = package(PARAPHRASES);
    let file = folder.path().join("meteor.bin");
    MeteorData::convert(folder.path(), &file).unwrap();
    let bytes = fs::read(&file).unwrap();
    let items =
        [item("the dogs went at once suddenly vs.", &["a hound no. 5 moves together at once"])];
    // The head stays, so that the file is opened; every later byte is turned once.
    for at in 16..bytes.len() {
        let mut broken = bytes.clone();
        broken[at] ^= 0xff;
        let copy = folder.path().join("broken.bin");
        fs::write(&copy, broken).unwrap();
        if let Ok(data) = MeteorData::open(&copy) {
            Meteor::new(&items, Matchers::All(&data)).unwrap();
        }
    }
}

#[track_caller]
fn assert_golden(matchers: Matchers) {
    let golden: serde_json::Value =
        serde_json::from_str(include_str!("golden/meteor.json")).unwrap();
    let sets = golden["items"].as_array().unwrap();
    let items: Vec<Item> = sets
        .iter()
        .map(|set| {
            let references: Vec<&str> =
                set["references"].as_array().unwrap().iter().map(|r| r.as_str().unwrap()).collect();
            item(set["candidate"].as_str().unwrap(), &references)
        })
        .collect();
    let meteor = Meteor::new(&items, matchers).unwrap();
    for (index, (got, set)) in meteor.per_item().into_iter().zip(sets).enumerate() {
        let expected = set[matchers.key()].as_f64().unwrap();
        assert!((got - expected).abs() < 1e-12, "set {index}: {got} against {expected}");
    }
    let expected = golden["corpus"][matchers.key()].as_f64().unwrap();
    assert!((meteor.corpus() - expected).abs() < 1e-12, "{} against {expected}", meteor.corpus());
}

#[test]
fn exact_and_stem_equal_the_jar() {
    assert_golden(Matchers::ExactStem);
}

#[test]
fn meteor_equals_the_jar() {
    let Some(data) = meteor_data() else { return };
    assert_golden(Matchers::All(data));
}

#[test]
fn meteor_equals_the_published_scores_of_clotho_captions() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data/metrics");
    if !folder.is_dir() {
        println!("skipped: ../shared/data/metrics is not beside this repository");
        return;
    }
    let Some(data) = meteor_data() else { return };
    let items: Vec<Item> = fs::read_to_string(folder.join("clotho1040.jsonl"))
        .unwrap()
        .lines()
        .map(|line| {
            let set: serde_json::Value = serde_json::from_str(line).unwrap();
            let references: Vec<&str> =
                set["references"].as_array().unwrap().iter().map(|r| r.as_str().unwrap()).collect();
            Item::new(set["candidate"].as_str().unwrap(), &references)
        })
        .collect();
    let scores = Meteor::new(&items, Matchers::All(data)).unwrap().per_item();
    let mut rows = csv::Reader::from_path(folder.join("clotho1040_scores_even.csv")).unwrap();
    let mut compared = 0;
    for row in rows.records().map(Result::unwrap) {
        let (id, expected): (usize, f64) = (row[0].parse().unwrap(), row[5].parse().unwrap());
        // The file has nine decimals.
        let got = scores[id];
        assert!((got - expected).abs() < 1e-9, "item {id}: {got} against {expected}");
        compared += 1;
    }
    assert_eq!(compared, 520);
}

proptest! {
    #[test]
    fn any_text_has_a_score_in_range_whatever_the_order_of_references(
        candidate in proptest::collection::vec(".{0,12}", 0..8),
        references in proptest::collection::vec(proptest::collection::vec(".{0,12}", 0..8), 1..4)
    ) {
        let item = Item { candidate, references };
        let mut turned = item.clone();
        turned.references.reverse();
        for matchers in [Matchers::ExactStem, Matchers::All(toy())] {
            let scores = Meteor::new(&[item.clone(), turned.clone()], matchers).unwrap().per_item();
            prop_assert!((0.0..=1.0).contains(&scores[0]), "{}", scores[0]);
            prop_assert!(scores[0] == scores[1], "{scores:?}");
        }
    }

    #[test]
    fn a_candidate_that_is_the_reference_scores_the_maximum(text in "([a-z]{1,6} ){0,8}[a-z]{1,6}") {
        for matchers in [Matchers::ExactStem, Matchers::All(toy())] {
            assert_score(matchers, &text, &[&text], 1.0);
        }
    }
}
