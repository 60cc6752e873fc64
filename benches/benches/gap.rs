//! One row of T1 at the size of AudioCaps' test set, 975 clips with five captions each, in
//! the dimensions of published CLAPs, on all threads; and what it consists of.
//! `side_by_side/gap.py` computes the same figures with NumPy and SciPy.

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use dl_core::noise::Noise;
use dl_eval::{
    gap::{GapInput, evaluate, resample, summary},
    stats,
};
use ndarray::{Array2, s};

const CLIPS: usize = 975;
const CAPTIONS: usize = 5;
/// Clips of a validation set.
const FEW: usize = 300;
/// A thousand make a row; a bench need not make them all.
const RESAMPLES: usize = 50;

/// Audio `[CLIPS, dim]` and text `[CLIPS * CAPTIONS, dim]` that share a latent and each have
/// an offset; variances fall with the axis, as those of real embeddings do.
fn embeddings(dim: usize) -> (Array2<f32>, Array2<f32>, Vec<usize>) {
    let normal = |stream: &str, rows: usize| {
        let items: Vec<u64> = (0..rows as u64).collect();
        let values = Noise::new(0, stream).normal_rows(&items, 0, dim);
        Array2::from_shape_vec((rows, dim), values).expect("as many as there are rows")
    };
    let owners: Vec<usize> = (0..CLIPS * CAPTIONS).map(|caption| caption / CAPTIONS).collect();
    let latent = normal("latent", CLIPS);
    let (mut audio, mut text) = (normal("audio", CLIPS), normal("text", CLIPS * CAPTIONS));
    audio += &latent;
    for (mut caption, &owner) in text.rows_mut().into_iter().zip(&owners) {
        caption += &latent.row(owner);
    }
    for rows in [&mut audio, &mut text] {
        for (axis, mut column) in rows.columns_mut().into_iter().enumerate() {
            column *= 1.0 / (1.0 + axis as f32).sqrt();
        }
    }
    audio.column_mut(0).mapv_inplace(|x| x + 2.0);
    text.column_mut(1).mapv_inplace(|x| x + 2.0);
    (audio, text, owners)
}

fn gap(criterion: &mut Criterion) {
    for dim in [512, 1024] {
        let (audio, text, owners) = embeddings(dim);
        let input = GapInput::new(audio.view(), text.view(), &owners);
        let few = GapInput::new(
            audio.slice(s![..FEW, ..]),
            text.slice(s![..FEW * CAPTIONS, ..]),
            &owners[..FEW * CAPTIONS],
        );
        let mut group = criterion.benchmark_group(format!("gap/{dim}"));
        group.sample_size(10);
        group.bench_function("evaluate", |bencher| {
            bencher.iter(|| black_box(evaluate(&input)));
        });
        group.bench_function(format!("{RESAMPLES}_resamples"), |bencher| {
            bencher.iter(|| black_box(resample(&input, RESAMPLES)));
        });
        group.bench_function(format!("summary_of_{FEW}_clips"), |bencher| {
            bencher.iter(|| black_box(summary(&few)));
        });
        group.finish();
    }
}

fn statistics(criterion: &mut Criterion) {
    let mut values = vec![0.0_f32; 2 * CLIPS];
    Noise::new(0, "systems").fill_normal(0, 0, &mut values);
    let values: Vec<f64> = values.into_iter().map(f64::from).collect();
    let (a, b) = values.split_at(CLIPS);
    let mut group = criterion.benchmark_group("gap/statistics");
    group.bench_function("permutation_test", |bencher| {
        bencher.iter(|| black_box(stats::permutation_test(a, b, stats::PERMUTATIONS)));
    });
    group.bench_function("bootstrap_of_1000", |bencher| {
        let over = |_: usize, clips: &[usize]| {
            clips.iter().map(|&clip| a[clip]).sum::<f64>() / clips.len() as f64
        };
        bencher.iter(|| black_box(stats::bootstrap(CLIPS, 5, 1000, over)));
    });
    group.finish();
}

criterion_group!(benches, gap, statistics);
criterion_main!(benches);
