//! Gap metrics and the paired test beside numpy and scipy (`golden/gap_scores.py`).

#![allow(clippy::unwrap_used)] // helpers of tests, too

use dl_eval::{
    gap::{GapInput, evaluate, resample},
    stats,
};
use ndarray::{Array2, Axis};
use serde::Deserialize;

#[derive(Deserialize)]
struct Golden {
    sets: Vec<Set>,
    permutation: Permutation,
}

#[derive(Deserialize)]
struct Set {
    audio: Vec<Vec<f32>>,
    text: Vec<Vec<f32>>,
    centroid_distance: f64,
    frechet: f64,
    probe_correct: Vec<f64>,
}

#[derive(Deserialize)]
struct Permutation {
    a: Vec<f64>,
    b: Vec<f64>,
    p: f64,
}

fn golden() -> Golden {
    serde_json::from_str(include_str!("golden/gap_scores.json")).unwrap()
}

fn rows(rows: &[Vec<f32>]) -> Array2<f32> {
    let flat = rows.iter().flatten().copied().collect();
    Array2::from_shape_vec((rows.len(), rows[0].len()), flat).unwrap()
}

#[test]
fn distances_and_probe_decisions_are_those_of_scipy_with_and_without_full_rank() {
    for set in golden().sets {
        let (audio, text) = (rows(&set.audio), rows(&set.text));
        let owners: Vec<usize> = (0..audio.nrows()).collect();
        let report =
            evaluate(&GapInput { audio: audio.view(), text: text.view(), owners: &owners })
                .unwrap();
        // The unit vectors are f32, the root of a zero eigenvalue of 1e-16 is 1e-8.
        assert!((report.centroid_distance - set.centroid_distance).abs() < 1e-7);
        assert!((report.frechet - set.frechet).abs() < 1e-6, "{} {}", report.frechet, set.frechet);
        assert_eq!(report.per_clip.probe_correct, set.probe_correct);
        assert!((report.separability - stats::mean(&set.probe_correct)).abs() < 1e-12);
    }
}

#[test]
fn a_resample_is_measured_as_the_same_clips_written_out_would_be() {
    for set in golden().sets {
        let (audio, text) = (rows(&set.audio), rows(&set.text));
        let n = audio.nrows();
        let owners: Vec<usize> = (0..n).collect();
        let input = GapInput { audio: audio.view(), text: text.view(), owners: &owners };
        let resampled = resample(&input, 3).unwrap();
        assert_eq!((resampled.frechet.len(), resampled.centroid_distance.len()), (3, 3));
        for index in 0..3 {
            let clips = stats::resampled_clips(index as u64, n);
            let written_out = [&audio, &text].map(|rows| rows.select(Axis(0), &clips));
            let [audio, text] = written_out.each_ref().map(Array2::view);
            let report = evaluate(&GapInput { audio, text, owners: &owners }).unwrap();
            assert!((resampled.frechet[index] - report.frechet).abs() < 1e-7);
            let centroids = resampled.centroid_distance[index] - report.centroid_distance;
            assert!(centroids.abs() < 1e-12);
        }
    }
}

#[test]
fn the_permutation_test_is_near_the_exact_one() {
    let Permutation { a, b, p } = golden().permutation;
    let got = stats::permutation_test(&a, &b, 50_000).unwrap();
    // Five standard errors of a share at 50,000 draws.
    assert!((got - p).abs() < 5.0 * (p * (1.0 - p) / 50_000.0).sqrt() + 2e-5, "{got} {p}");
}
