//! One row of T1 for embeddings in two files of 32-bit floats, row after row (NumPy's
//! `tofile`): `cargo run --release -p dl-eval --example gap_row -- audio.f32 text.f32 DIM RESAMPLES`.
//! The text holds equally many captions for every clip, in the order of the clips. Prints JSON:
//! the figures, the seconds that they took, and the clips of the first resamples. `summary` is
//! what a training looks at; `statistics` are the intervals of T1's nine figures by clip over
//! five seeds and the paired tests of two of them.

#![allow(clippy::print_stdout)] // its output

use std::{env, error::Error, fs, hint::black_box, time::Instant};

use dl_eval::{
    gap::{GapInput, PerClip, evaluate, resample, summary},
    stats,
};
use ndarray::Array2;

const SHOWN: usize = 3;
const SEEDS: usize = 5;

fn rows(path: &str, dim: usize) -> Result<Array2<f32>, Box<dyn Error>> {
    let bytes = fs::read(path)?;
    let values: Vec<f32> =
        bytes.as_chunks().0.iter().map(|&number| f32::from_le_bytes(number)).collect();
    Ok(Array2::from_shape_vec((values.len() / dim, dim), values)?)
}

/// As T1 makes them of a row and another, here the same one.
fn statistics(clips: &PerClip, resamples: usize) -> Result<(), Box<dyn Error>> {
    let figures = [
        &clips.paired_cosine,
        &clips.text_ceiling,
        &clips.probe_correct,
        &clips.a2t_r1,
        &clips.a2t_r10,
        &clips.a2t_map10,
        &clips.t2a_r1,
        &clips.t2a_r10,
        &clips.t2a_map10,
    ];
    for figure in figures {
        let over = |_: usize, clips: &[usize]| {
            clips.iter().map(|&clip| figure[clip]).sum::<f64>() / clips.len() as f64
        };
        black_box(stats::bootstrap(figure.len(), SEEDS, resamples, over));
    }
    for figure in [&clips.paired_cosine, &clips.probe_correct] {
        black_box(stats::permutation_test(figure, figure, stats::PERMUTATIONS)?);
    }
    Ok(())
}

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let [audio, text, dim, resamples] = arguments.as_slice() else {
        return Err("usage: gap_row AUDIO TEXT DIM RESAMPLES".into());
    };
    let (dim, resamples) = (dim.parse()?, resamples.parse()?);
    let (audio, text) = (rows(audio, dim)?, rows(text, dim)?);
    let captions = text.nrows() / audio.nrows().max(1);
    let owners: Vec<usize> = (0..text.nrows()).map(|caption| caption / captions).collect();
    let input = GapInput::new(audio.view(), text.view(), &owners);
    let begin = Instant::now();
    let report = evaluate(&input)?;
    let evaluated = begin.elapsed().as_secs_f64();
    let resampled = resample(&input, resamples)?;
    let row = begin.elapsed().as_secs_f64();
    summary(&input)?;
    let summarised = begin.elapsed().as_secs_f64() - row;
    statistics(&report.per_clip, resamples)?;
    let analysed = begin.elapsed().as_secs_f64() - row - summarised;
    let drawn: Vec<Vec<usize>> =
        (0..SHOWN as u64).map(|number| stats::resampled_clips(number, audio.nrows())).collect();
    let figures = serde_json::json!({
        "seconds": {
            "evaluate": evaluated,
            "resamples": row - evaluated,
            "row": row,
            "statistics": analysed,
            "summary": summarised,
        },
        "paired_cosine": stats::mean(&report.per_clip.paired_cosine),
        "a2t_r10": stats::mean(&report.per_clip.a2t_r10),
        "t2a_r10": stats::mean(&report.per_clip.t2a_r10),
        "centroid_distance": report.centroid_distance,
        "frechet": report.frechet,
        "separability": report.separability,
        "knn_mixing": report.knn_mixing,
        "relative_gap": report.relative_gap,
        "effective_dim_audio": report.effective_dim_audio,
        "effective_dim_text": report.effective_dim_text,
        "resampled_frechet": resampled.frechet.iter().take(SHOWN).collect::<Vec<_>>(),
        "resampled_clips": drawn,
    });
    println!("{figures}");
    Ok(())
}
