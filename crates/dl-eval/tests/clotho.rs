//! Against the reference caption tools on 1,040 machine captions of Clotho with
//! five references each, kept beside the repository.

#![allow(clippy::print_stdout, clippy::unwrap_used)] // a test says what it skips

use std::path::{Path, PathBuf};

use dl_eval::caption::{Item, bleu::Bleu, cider_d, rouge_l};

fn folder() -> Option<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data/metrics");
    if !folder.is_dir() {
        println!("skipped: ../shared/data/metrics is not beside this repository");
        return None;
    }
    Some(folder)
}

#[test]
fn bleu_rouge_and_cider_equal_the_reference_tools() {
    let Some(folder) = folder() else { return };
    let text = std::fs::read_to_string(folder.join("clotho1040.jsonl")).unwrap();
    let items: Vec<Item> = text
        .lines()
        .map(|line| {
            let item: serde_json::Value = serde_json::from_str(line).unwrap();
            let references: Vec<&str> = item["references"]
                .as_array()
                .unwrap()
                .iter()
                .map(|r| r.as_str().unwrap())
                .collect();
            Item::new(item["candidate"].as_str().unwrap(), &references)
        })
        .collect();
    assert_eq!(items.len(), 1040);
    let bleu = Bleu::new(&items).unwrap().per_item();
    let (rouge, cider) = (rouge_l::per_item(&items).unwrap(), cider_d::per_item(&items).unwrap());
    let mut scores = csv::Reader::from_path(folder.join("clotho1040_scores_even.csv")).unwrap();
    let mut compared = 0;
    for record in scores.records() {
        let record = record.unwrap();
        let item: usize = record[0].parse().unwrap();
        let [b1, b2, b3, b4] = bleu[item];
        let ours = [(1, b1), (2, b2), (3, b3), (4, b4), (6, rouge[item]), (7, cider[item])];
        for (column, got) in ours {
            let text = &record[column];
            let expected: f64 = text.parse().unwrap();
            // Half a unit of the last digit that the file prints (0.5366 or 6.99E-05).
            let (mantissa, exponent) = text.split_once('E').unwrap_or((text, "0"));
            let decimals = mantissa.split_once('.').map_or(0, |(_, digits)| digits.len() as i32);
            let rounding = 0.51 * 10_f64.powi(exponent.parse::<i32>().unwrap() - decimals);
            let tolerance = rounding + 1e-9 * expected.abs();
            assert!(
                (got - expected).abs() <= tolerance,
                "item {item}, column {column}: {got} against {expected}"
            );
        }
        compared += 1;
    }
    assert_eq!(compared, 520);
}
