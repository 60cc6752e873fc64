//! Retrieval in both directions. Ties count against the system: a candidate as
//! similar as the right one stands before it.

use ndarray::{ArrayView2, s};
use rayon::prelude::*;

/// Captions looked at together.
const BLOCK: usize = 256;

/// The ranks (from 1, ascending) at which the right answers to one query stand.
pub(super) struct Found(Vec<usize>);

impl Found {
    /// 1 when one of them stands among the first `k`.
    pub(super) fn within(&self, k: usize) -> f64 {
        if self.0.first().is_some_and(|&rank| rank <= k) { 1.0 } else { 0.0 }
    }

    /// Average precision at `k`: the mean, over the right answers that could stand
    /// among the first `k`, of the precision at each that does.
    pub(super) fn average_precision(&self, k: usize) -> f64 {
        let hits = self.0.iter().take_while(|&&rank| rank <= k).enumerate();
        hits.map(|(before, &rank)| (before + 1) as f64 / rank as f64).sum::<f64>()
            / self.0.len().min(k) as f64
    }
}

/// What every query finds.
pub(super) struct Ranks {
    /// By clip: its captions among all captions.
    pub(super) a2t: Vec<Found>,
    /// By caption: its clip among all clips.
    pub(super) t2a: Vec<Found>,
}

/// Ranks from `similarity` `[clips, captions]`.
pub(super) fn rank(
    similarity: ArrayView2<'_, f32>,
    captions: &[Vec<usize>],
    owners: &[usize],
) -> Ranks {
    let a2t = (0..similarity.nrows())
        .into_par_iter()
        .map(|clip| {
            let row = similarity.row(clip);
            // Wrong captions at least as similar as each right one, then the right ones before it.
            let mut right: Vec<f32> = captions[clip].iter().map(|&caption| row[caption]).collect();
            right.sort_by(|a, b| b.total_cmp(a));
            let ranks = right.iter().enumerate().map(|(before, &score)| {
                let wrong = row.iter().zip(owners).filter(|&(&s, &o)| o != clip && s >= score);
                before + wrong.count() + 1
            });
            Found(ranks.collect())
        })
        .collect();
    // Row after row over a block of captions, since a column of many rows is far apart in memory.
    let t2a = owners
        .par_chunks(BLOCK)
        .enumerate()
        .flat_map_iter(|(block, owners)| {
            let begin = block * BLOCK;
            let columns = similarity.slice(s![.., begin..begin + owners.len()]);
            let right: Vec<f32> =
                owners.iter().enumerate().map(|(column, &clip)| columns[[clip, column]]).collect();
            // The right clip counts itself, so that the count is its rank.
            let mut ranks = vec![0_u32; owners.len()];
            for row in columns.rows() {
                for (rank, (score, right)) in ranks.iter_mut().zip(row.iter().zip(&right)) {
                    *rank += u32::from(score >= right);
                }
            }
            ranks.into_iter().map(|rank| Found(vec![rank as usize]))
        })
        .collect();
    Ranks { a2t, t2a }
}

/// The mean of a figure over each clip's captions.
pub(super) fn by_clip(
    found: &[Found],
    captions: &[Vec<usize>],
    figure: impl Fn(&Found) -> f64,
) -> Vec<f64> {
    captions
        .iter()
        .map(|list| {
            list.iter().map(|&caption| figure(&found[caption])).sum::<f64>() / list.len() as f64
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::array;

    #[test]
    fn ranks_by_hand() {
        // Two clips; captions 0 and 1 belong to clip 0, caption 2 to clip 1.
        let similarity = array![[0.9, 0.1, 0.5], [0.2, 0.4, 0.4]];
        let Ranks { a2t, t2a } = rank(similarity.view(), &[vec![0, 1], vec![2]], &[0, 0, 1]);
        assert_eq!(a2t[0].0, [1, 3]);
        // The tie of caption 1 counts against clip 1.
        assert_eq!(a2t[1].0, [2]);
        assert!((a2t[0].average_precision(10) - (1.0 + 2.0 / 3.0) / 2.0).abs() < 1e-12);
        assert_eq!((a2t[1].within(1), a2t[1].within(2)), (0.0, 1.0));
        assert_eq!(t2a.iter().map(|found| found.0[0]).collect::<Vec<_>>(), [1, 2, 2]);
        assert_eq!(by_clip(&t2a, &[vec![0, 1], vec![2]], |f| f.within(1)), [0.5, 0.0]);
    }
}
