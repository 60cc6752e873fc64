//! Two cones: audio and text share a latent, each through its own map, each with
//! its own offset and its own noise.

#![allow(dead_code)] // Every test takes what it needs.

use dl_core::{EmbeddingSet, Provenance, noise::Noise};
use dl_torch::TrainContext;
use ndarray::Array2;

pub(crate) const DIM: usize = 24;
const LATENT: usize = 6;

pub(crate) fn normal(stream: &str, rows: usize, columns: usize) -> Array2<f32> {
    let items: Vec<u64> = (0..rows as u64).collect();
    let values = Noise::new(1, stream).normal_rows(&items, 0, columns);
    Array2::from_shape_vec((rows, columns), values).expect("as many values")
}

pub(crate) fn unit(mut rows: Array2<f32>) -> Array2<f32> {
    for mut row in rows.outer_iter_mut() {
        let norm = row.dot(&row).sqrt();
        row.mapv_inplace(|x| x / norm);
    }
    rows
}

/// `clips` clips with `captions` captions each.
pub(crate) fn set(split: &str, clips: usize, captions: usize) -> EmbeddingSet {
    let latent = normal(&format!("{split}/latent"), clips, LATENT).mapv(f32::tanh);
    let to_text = normal("text", LATENT, DIM);
    // The two maps are alike, as contrastive training makes them, and not the same.
    let to_audio = &to_text * 0.8 + normal("audio", LATENT, DIM) * 0.6;
    let (text_offset, audio_offset) = (normal("up", 1, DIM), normal("down", 1, DIM));
    let owners: Vec<usize> = (0..clips * captions).map(|caption| caption / captions).collect();
    let text_latent = latent.select(ndarray::Axis(0), &owners);
    let text_noise = normal(&format!("{split}/text"), owners.len(), DIM);
    let audio_noise = normal(&format!("{split}/audio"), clips, DIM);
    EmbeddingSet {
        ids: (0..clips).map(|clip| format!("{split} {clip}")).collect(),
        audio: unit(latent.dot(&to_audio).mapv(f32::tanh) * 1.5 + audio_offset + audio_noise * 0.3),
        captions: owners.iter().map(|owner| format!("caption of {owner}")).collect(),
        text: unit(text_latent.dot(&to_text) + text_offset + text_noise * 0.3),
        owners,
        provenance: Provenance { split: split.into(), ..Provenance::default() },
    }
}

/// The clips of a small set five times over, under other names: enough to choose by.
pub(crate) fn five_times(set: &EmbeddingSet) -> EmbeddingSet {
    let mut all = EmbeddingSet::concat(&vec![set.clone(); 5]);
    all.ids = (0..all.len()).map(|clip| format!("copy {clip}")).collect();
    all
}

pub(crate) fn context(seed: u64) -> TrainContext<'static> {
    // Tests run side by side, each on one thread of libtorch.
    tch::set_num_threads(1);
    TrainContext::new(seed).named("toy bridge")
}
