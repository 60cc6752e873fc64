//! Gap metrics and the paired test beside numpy and scipy (`golden/gap_scores.py`).

#![allow(clippy::unwrap_used)] // helpers of tests, too

use dl_core::noise::Noise;
use dl_eval::{
    gap::{GapInput, evaluate, resample, summary},
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
        let report = evaluate(&GapInput::new(audio.view(), text.view(), &owners)).unwrap();
        // The unit vectors are f32, the root of a zero eigenvalue of 1e-16 is 1e-8.
        assert!((report.centroid_distance - set.centroid_distance).abs() < 1e-7);
        assert!((report.frechet - set.frechet).abs() < 1e-6, "{} {}", report.frechet, set.frechet);
        assert_eq!(report.per_clip.probe_correct, set.probe_correct);
        assert!((report.separability - stats::mean(&set.probe_correct)).abs() < 1e-12);
    }
}

#[test]
fn the_size_of_rows_changes_nothing() {
    let (audio, text, owners, _) = captioned();
    let figures = |audio: &Array2<f32>, text: &Array2<f32>| {
        let report = evaluate(&GapInput::new(audio.view(), text.view(), &owners)).unwrap();
        let cosine = stats::mean(&report.per_clip.paired_cosine);
        [report.frechet, report.centroid_distance, report.separability, cosine]
    };
    let expected = figures(&audio, &text);
    // Squares of 1e20 and of 1e-30 are beyond f32.
    for size in [1e20_f32, 1e-30] {
        for got in [figures(&(&audio * size), &text), figures(&audio, &(&text * size))] {
            for (got, expected) in got.iter().zip(expected) {
                assert!((got - expected).abs() < 1e-6, "{size}: {got} {expected}");
            }
        }
    }
    for (bad, norm) in [(0.0, "0"), (f32::INFINITY, "inf")] {
        let mut audio = audio.clone();
        audio.row_mut(7).fill(bad);
        let fault = evaluate(&GapInput::new(audio.view(), text.view(), &owners)).unwrap_err();
        let expected = format!("row 7 of audio has no direction (its norm is {norm})");
        assert!(fault.to_string().contains(&expected), "{fault}");
    }
}

#[test]
fn a_resample_is_measured_as_the_same_clips_written_out_would_be() {
    for set in golden().sets {
        let (audio, text) = (rows(&set.audio), rows(&set.text));
        let n = audio.nrows();
        let owners: Vec<usize> = (0..n).collect();
        let input = GapInput::new(audio.view(), text.view(), &owners);
        let resampled = resample(&input, 3).unwrap();
        assert_eq!((resampled.frechet.len(), resampled.centroid_distance.len()), (3, 3));
        for index in 0..3 {
            let clips = stats::resampled_clips(index as u64, n);
            let written_out = [&audio, &text].map(|rows| rows.select(Axis(0), &clips));
            let [audio, text] = written_out.each_ref().map(Array2::view);
            let report = evaluate(&GapInput::new(audio, text, &owners)).unwrap();
            assert!((resampled.frechet[index] - report.frechet).abs() < 1e-7);
            let centroids = resampled.centroid_distance[index] - report.centroid_distance;
            assert!(centroids.abs() < 1e-12);
        }
    }
}

/// 120 clips with three captions each, in 40 clusters.
fn captioned() -> (Array2<f32>, Array2<f32>, Vec<usize>, Vec<usize>) {
    let normal = |stream: &str, n: u64, dim: usize| {
        let rows = Noise::new(0, stream).normal_rows(&(0..n).collect::<Vec<_>>(), 0, dim);
        Array2::from_shape_vec((n as usize, dim), rows).unwrap()
    };
    let (mut audio, mut text) = (normal("audio", 120, 70), normal("text", 360, 70));
    let owners: Vec<usize> = (0..360).map(|caption| caption / 3).collect();
    for (mut caption, &owner) in text.rows_mut().into_iter().zip(&owners) {
        caption += &audio.row(owner);
        caption[0] += 1.0;
    }
    audio.column_mut(1).mapv_inplace(|x| x + 1.0);
    (audio, text, owners, (0..120).map(|clip| clip % 40).collect())
}

#[test]
fn every_figure_is_the_same_on_any_number_of_threads() {
    let (audio, text, owners, clusters) = captioned();
    let plain = GapInput::new(audio.view(), text.view(), &owners);
    let figures = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| {
            [plain, plain.with_clusters(&clusters)].map(|input| {
                let report = evaluate(&input).unwrap();
                (report, resample(&input, 9).unwrap(), summary(&input).unwrap())
            })
        })
    };
    let one = figures(1);
    assert_eq!(one, figures(2));
    assert_eq!(one, figures(4));
}

#[test]
fn a_summary_has_the_figures_of_the_tables() {
    let (audio, text, owners, clusters) = captioned();
    let input = GapInput::new(audio.view(), text.view(), &owners);
    for input in [input, input.with_clusters(&clusters)] {
        let (report, few) = (evaluate(&input).unwrap(), summary(&input).unwrap());
        assert_eq!(few.paired_cosine, stats::mean(&report.per_clip.paired_cosine));
        assert_eq!(few.centroid_distance, report.centroid_distance);
        assert_eq!(few.frechet, report.frechet);
        assert_eq!(few.separability, report.separability);
    }
}

#[test]
fn clips_of_one_label_are_resampled_and_held_out_together() {
    let (audio, text, owners, clusters) = captioned();
    let input = GapInput::new(audio.view(), text.view(), &owners);
    // A label for each clip says what no labels say, bit for bit.
    let apart: Vec<usize> = (0..120).rev().collect();
    let labelled = input.with_clusters(&apart);
    assert_eq!(evaluate(&labelled).unwrap(), evaluate(&input).unwrap());
    assert_eq!(resample(&labelled, 3).unwrap(), resample(&input, 3).unwrap());
    // The same clips written out, as often as their clusters are drawn.
    let resampled = resample(&input.with_clusters(&clusters), 2).unwrap();
    for index in 0..2 {
        let drawn = stats::resampled_clips(index as u64, 40);
        let clips: Vec<usize> =
            drawn.iter().flat_map(|&cluster| [cluster, cluster + 40, cluster + 80]).collect();
        let firsts: Vec<usize> = clips.iter().map(|clip| 3 * clip).collect();
        let (audio, text) = (audio.select(Axis(0), &clips), text.select(Axis(0), &firsts));
        let one_each: Vec<usize> = (0..120).collect();
        let report = evaluate(&GapInput::new(audio.view(), text.view(), &one_each)).unwrap();
        assert!((resampled.frechet[index] - report.frechet).abs() < 1e-10);
        let centroids = resampled.centroid_distance[index] - report.centroid_distance;
        assert!(centroids.abs() < 1e-12);
    }
    let fault = |labels: &[usize]| {
        let input = GapInput::new(audio.view(), text.view(), &owners);
        evaluate(&input.with_clusters(labels)).unwrap_err().to_string()
    };
    assert_eq!(fault(&[0; 3]), "clusters: expected 120, got 3");
    assert!(fault(&[0; 120]).contains("at least 5 clusters, got 1"));
}

#[test]
fn the_permutation_test_is_near_the_exact_one() {
    let Permutation { a, b, p } = golden().permutation;
    let got = stats::permutation_test(&a, &b, 50_000).unwrap();
    // Five standard errors of a share at 50,000 draws.
    assert!((got - p).abs() < 5.0 * (p * (1.0 - p) / 50_000.0).sqrt() + 2e-5, "{got} {p}");
}
