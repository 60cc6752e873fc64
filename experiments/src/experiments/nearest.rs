//! The training captions nearest to an embedding.

use dl_core::EmbeddingSet;
use ndarray::ArrayView1;

/// The `count` different captions of `train` of highest cosine with the unit vector `query`
/// `[D]`, nearest first, each with its cosine.
pub fn nearest(
    train: &EmbeddingSet,
    query: ArrayView1<'_, f32>,
    count: usize,
) -> Vec<(f32, String)> {
    let similarity = train.text.dot(&query);
    let mut order: Vec<usize> = (0..similarity.len()).collect();
    order.sort_by(|&a, &b| similarity[b].total_cmp(&similarity[a]));
    let mut found: Vec<(f32, String)> = Vec::new();
    for index in order {
        if found.len() == count {
            break;
        }
        if found.iter().all(|(_, caption)| *caption != train.captions[index]) {
            found.push((similarity[index], train.captions[index].clone()));
        }
    }
    found
}
