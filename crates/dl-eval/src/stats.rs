//! Intervals and tests: the percentile bootstrap (Efron and Tibshirani, 1993, chapters
//! 13 and 16) over clips and seeds, Student's interval over seeds where a statistic
//! has no meaning on a resampled set, and the paired permutation test. Resamples are
//! counter-based, so that the same ones are drawn for every system and on any threads.
//!
//! Clips that are not independent of each other (scenes that share a recording) form
//! [`Clusters`]: they are drawn and flipped together (Davison and Hinkley, 1997, section 3.8).

use std::collections::HashMap;

use dl_core::noise::Noise;
use rayon::prelude::*;

use crate::EvalError;

/// Which of the items `0..items` belong together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Clusters {
    /// The items of each cluster, ascending.
    members: Vec<Vec<usize>>,
}

impl Clusters {
    /// Every item is a cluster of its own.
    pub fn singles(items: usize) -> Self {
        Self { members: (0..items).map(|item| vec![item]).collect() }
    }

    /// Items with the same label belong together; any numbers will do. Clusters stand in the
    /// order in which they first appear.
    pub fn of(labels: &[usize]) -> Self {
        let mut places = HashMap::new();
        let mut members: Vec<Vec<usize>> = Vec::new();
        for (item, label) in labels.iter().enumerate() {
            let place = *places.entry(label).or_insert(members.len());
            if place == members.len() {
                members.push(Vec::new());
            }
            members[place].push(item);
        }
        Self { members }
    }

    /// How many clusters there are.
    pub fn len(&self) -> usize {
        self.members.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.members.is_empty()
    }

    /// How many items there are in all.
    pub fn items(&self) -> usize {
        self.members.iter().map(Vec::len).sum()
    }

    /// The items of one resample: as many clusters as there are, with repetitions, each with
    /// all its items. Where clusters differ in size, so does the number of items. A pure
    /// function of its arguments, so that a comparison of two systems is paired.
    pub fn resampled(&self, resample: u64) -> Vec<usize> {
        let drawn = draw(&Noise::new(0, "bootstrap/clips"), resample, self.len());
        drawn.into_iter().flat_map(|cluster| self.members[cluster].iter().copied()).collect()
    }

    /// The fold of each item when clusters are dealt out to `folds` folds in turn.
    pub fn folds(&self, folds: usize) -> Vec<usize> {
        let mut of_items = vec![0; self.items()];
        for (cluster, items) in self.members.iter().enumerate() {
            for &item in items {
                of_items[item] = cluster % folds;
            }
        }
        of_items
    }
}

/// A 95 % interval of `statistic`, percentile bootstrap.
///
/// `statistic(seed, clips)` is the figure of training seed `seed` (in `0..seeds`)
/// over the clips `clips`, indices in `0..items` with repetitions. Each resample
/// draws clips, shared by all seeds since all saw the same clips, and seeds, and
/// takes the mean over the drawn seeds. `None` where there is nothing to draw from.
pub fn bootstrap(
    items: usize,
    seeds: usize,
    resamples: usize,
    statistic: impl Fn(usize, &[usize]) -> f64 + Sync,
) -> Option<(f64, f64)> {
    bootstrap_clusters(&Clusters::singles(items), seeds, resamples, statistic)
}

/// [`bootstrap`] that draws whole clusters. `statistic` has to divide by the number of clips
/// that it is given, which varies where clusters differ in size.
pub fn bootstrap_clusters(
    clusters: &Clusters,
    seeds: usize,
    resamples: usize,
    statistic: impl Fn(usize, &[usize]) -> f64 + Sync,
) -> Option<(f64, f64)> {
    if clusters.len() < 2 || seeds == 0 {
        return None;
    }
    let values: Vec<f64> = (0..resamples as u64)
        .into_par_iter()
        .map(|resample| {
            let chosen = clusters.resampled(resample);
            let drawn = resampled_seeds(resample, seeds);
            drawn.iter().map(|&seed| statistic(seed, &chosen)).sum::<f64>() / seeds as f64
        })
        .collect();
    interval(&values)
}

/// The clips of one resample where each is independent: as many as there are, with
/// repetitions. [`Clusters::resampled`] of [`Clusters::singles`].
pub fn resampled_clips(resample: u64, items: usize) -> Vec<usize> {
    draw(&Noise::new(0, "bootstrap/clips"), resample, items)
}

fn resampled_seeds(resample: u64, seeds: usize) -> Vec<usize> {
    draw(&Noise::new(0, "bootstrap/seeds"), resample, seeds)
}

fn draw(noise: &Noise<'_>, resample: u64, n: usize) -> Vec<usize> {
    let mut uniform = vec![0.0_f32; n];
    noise.fill_uniform(resample, n as u64, &mut uniform);
    uniform.into_iter().map(|u| ((f64::from(u) * n as f64) as usize).min(n - 1)).collect()
}

/// The mean over the seeds that each resample draws: `[resamples]` of `figures`, one
/// list `[resamples]` for each seed, made on [`resampled_clips`].
pub fn over_seeds(figures: &[&[f64]]) -> Vec<f64> {
    let resamples = figures.iter().map(|figures| figures.len()).min().unwrap_or(0);
    let of = |resample: usize| {
        let drawn = resampled_seeds(resample as u64, figures.len());
        drawn.iter().map(|&seed| figures[seed][resample]).sum::<f64>() / figures.len() as f64
    };
    (0..resamples).map(of).collect()
}

/// The 2.5 % and 97.5 % points; `None` of nothing.
pub fn interval(values: &[f64]) -> Option<(f64, f64)> {
    if values.is_empty() {
        return None;
    }
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    Some((quantile(&sorted, 0.025), quantile(&sorted, 0.975)))
}

/// `values` shifted so that their mean is `observed`. For figures that are biased on a
/// resample: it holds about 63 % of the clips, each more than once, so that a distance
/// of two distributions comes out larger on it than on the clips themselves.
pub fn centred(observed: f64, values: &[f64]) -> Vec<f64> {
    let shift = observed - mean(values);
    values.iter().map(|value| value + shift).collect()
}

/// Two-sided paired bootstrap test of a difference against 0. `observed` is the
/// difference, `values` the differences on resamples, both systems on the same ones.
/// The values are [`centred`] on `observed`; with k the smaller of the numbers of values
/// not above and not below 0, and n resamples, p = min(1, 2 (k + 1) / (n + 1)), so never
/// below 2 / (n + 1).
///
/// Known bias: a resample of S seeds varies (S - 1) / S as much as fresh seeds would and
/// one seed not at all, so p is too small where seeds matter and are few. Centring
/// takes the bias of resampling out of the difference, not the bias that the figure
/// itself has at this number of clips.
pub fn bootstrap_test(observed: f64, values: &[f64]) -> f64 {
    let centred = centred(observed, values);
    let not_above = centred.iter().filter(|&&value| value <= 0.0).count();
    let not_below = centred.iter().filter(|&&value| value >= 0.0).count();
    let k = not_above.min(not_below);
    (2.0 * (k + 1) as f64 / (values.len() + 1) as f64).min(1.0)
}

/// Linear interpolation between order statistics of a sorted list.
fn quantile(sorted: &[f64], q: f64) -> f64 {
    let position = q * (sorted.len() - 1) as f64;
    let (low, high) = (position.floor() as usize, position.ceil() as usize);
    sorted[low] + (position - low as f64) * (sorted[high] - sorted[low])
}

/// The mean.
pub fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len().max(1) as f64
}

/// The mean over seeds for each item, of one list `[items]` for each seed; the shortest
/// list says how many items there are.
pub fn mean_by_item(lists: &[&[f64]]) -> Vec<f64> {
    let items = lists.iter().map(|list| list.len()).min().unwrap_or(0);
    let of = |item: usize| lists.iter().map(|list| list[item]).sum::<f64>() / lists.len() as f64;
    (0..items).map(of).collect()
}

/// Two-sided 97.5 % points of Student's t for 1 to 10 degrees of freedom.
const STUDENT: [f64; 10] = [12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228];

/// Student's 95 % interval of the mean over seeds; `None` for a single seed.
/// Beyond 11 seeds the value for 10 degrees of freedom is kept, which errs wide.
pub fn student(values: &[f64]) -> Option<(f64, f64)> {
    let n = values.len();
    let point = STUDENT[n.checked_sub(2)?.min(STUDENT.len() - 1)];
    let centre = mean(values);
    let variance =
        values.iter().map(|value| (value - centre).powi(2)).sum::<f64>() / (n - 1) as f64;
    let half = point * (variance / n as f64).sqrt();
    Some((centre - half, centre + half))
}

/// Sign flips for [`permutation_test`] that leave room for a correction over 100 tests.
pub const PERMUTATIONS: usize = 10_000;

/// Two-sided paired permutation test (Fisher's, on the mean difference) of two systems
/// on the same clips: the share of random sign flips whose mean is at least as far
/// from 0, the observed one counted among them, so never below 1/(resamples + 1).
///
/// # Errors
/// [`EvalError::Unpaired`].
pub fn permutation_test(a: &[f64], b: &[f64], resamples: usize) -> Result<f64, EvalError> {
    permutation_test_clusters(a, b, &Clusters::singles(a.len()), resamples)
}

/// [`permutation_test`] that flips all differences of a cluster together. With few clusters
/// p cannot be small: k of them have 2^k patterns of signs.
///
/// # Errors
/// [`EvalError::Unpaired`], and [`EvalError::Shape`] when the clusters are of other items.
pub fn permutation_test_clusters(
    a: &[f64],
    b: &[f64],
    clusters: &Clusters,
    resamples: usize,
) -> Result<f64, EvalError> {
    if a.len() != b.len() || a.is_empty() {
        return Err(EvalError::Unpaired(a.len(), b.len()));
    }
    if clusters.items() != a.len() {
        let (expected, got) = (a.len(), clusters.items());
        return Err(EvalError::Shape { what: "items in clusters", expected, got });
    }
    let of_cluster = |items: &Vec<usize>| items.iter().map(|&item| a[item] - b[item]).sum();
    let differences: Vec<f64> = clusters.members.iter().map(of_cluster).collect();
    let observed = differences.iter().sum::<f64>().abs();
    // Flips that tie with the observed sum but for rounding count as ties.
    let scale: f64 = differences.iter().map(|difference| difference.abs()).sum();
    let least = observed - 1e-12 * scale;
    let noise = Noise::new(0, "permutation");
    let extreme = (0..resamples as u64)
        .into_par_iter()
        .map_init(
            || vec![0.0_f32; differences.len()],
            |uniform, resample| {
                noise.fill_uniform(resample, differences.len() as u64, uniform);
                let signed = differences.iter().zip(uniform);
                let sum: f64 = signed.map(|(d, &mut u)| if u < 0.5 { -d } else { *d }).sum();
                usize::from(sum.abs() >= least)
            },
        )
        .sum::<usize>();
    Ok((extreme + 1) as f64 / (resamples + 1) as f64)
}

/// Holm's (1979) step-down correction: p-values for a family of tests, in the given
/// order, that hold the family-wise error rate.
pub fn holm(p: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..p.len()).collect();
    order.sort_by(|&a, &b| p[a].total_cmp(&p[b]));
    let mut corrected = vec![0.0; p.len()];
    let mut least = 0.0_f64;
    for (rank, &test) in order.iter().enumerate() {
        least = least.max((p[test] * (p.len() - rank) as f64).min(1.0));
        corrected[test] = least;
    }
    corrected
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_permutation_test_by_hand() {
        // Four equal differences: of 16 sign patterns the two uniform ones are as extreme, 1/8.
        let p = permutation_test(&[1.0; 4], &[0.9; 4], 20_000).unwrap();
        assert!((p - 0.125).abs() < 0.01, "{p}");
        // No difference is never extreme.
        assert!((permutation_test(&[1.0, 2.0], &[1.0, 2.0], 100).unwrap() - 1.0).abs() < 1e-12);
        assert_eq!(permutation_test(&[1.0], &[], 10), Err(EvalError::Unpaired(1, 0)));
    }

    #[test]
    fn clusters_are_drawn_flipped_and_held_out_whole() {
        let clusters = Clusters::of(&[7, 3, 7, 3, 9]);
        assert_eq!((clusters.len(), clusters.items(), clusters.is_empty()), (3, 5, false));
        assert_eq!(clusters.folds(2), [0, 1, 0, 1, 0]);
        for resample in 0..50 {
            // Clusters 0, 1, 2 are the items 0 and 2, 1 and 3, and 4.
            let members: [&[usize]; 3] = [&[0, 2], &[1, 3], &[4]];
            let drawn = resampled_clips(resample, 3);
            let expected: Vec<usize> = drawn.iter().flat_map(|&c| members[c].to_vec()).collect();
            assert_eq!(clusters.resampled(resample), expected);
        }
        let singles = Clusters::of(&[4, 0, 2]);
        assert_eq!(singles, Clusters::singles(3));
        assert_eq!(singles.resampled(5), resampled_clips(5, 3));
    }

    #[test]
    fn a_permutation_test_of_clusters_by_hand() {
        // Sixteen equal differences in four clusters: 2 of 16 patterns are as extreme, not 2
        // of 65,536.
        let labels: Vec<usize> = (0..16).map(|item| item % 4).collect();
        let (a, b, clusters) = ([1.0; 16], [0.9; 16], Clusters::of(&labels));
        let p = permutation_test_clusters(&a, &b, &clusters, 20_000).unwrap();
        // Four standard errors of a share of 1/8 at 20,000 draws.
        assert!((p - 0.125).abs() < 0.0094, "{p}");
        assert!(permutation_test(&a, &b, 20_000).unwrap() < 0.001);
        let other = permutation_test_clusters(&a, &b, &Clusters::singles(3), 10).unwrap_err();
        assert_eq!(other.to_string(), "items in clusters: expected 16, got 3");
    }

    #[test]
    fn clusters_widen_an_interval_as_much_as_they_are_large() {
        // Twenty-five clusters of sixteen equal values: the interval of 25 values, four
        // times as wide as that of 400.
        let mut of_cluster = vec![0.0_f32; 25];
        Noise::new(6, "clusters").fill_normal(0, 0, &mut of_cluster);
        let labels: Vec<usize> = (0..400).map(|item| item / 16).collect();
        let over = |_: usize, clips: &[usize]| {
            let sum: f64 = clips.iter().map(|&clip| f64::from(of_cluster[clip / 16])).sum();
            sum / clips.len() as f64
        };
        let of_means = |_: usize, drawn: &[usize]| {
            drawn.iter().map(|&cluster| f64::from(of_cluster[cluster])).sum::<f64>() / 25.0
        };
        let (low, high) = bootstrap_clusters(&Clusters::of(&labels), 1, 1000, over).unwrap();
        let (means_low, means_high) = bootstrap(25, 1, 1000, of_means).unwrap();
        assert!((low - means_low).abs() < 1e-12 && (high - means_high).abs() < 1e-12);
        let (narrow_low, narrow_high) = bootstrap(400, 1, 1000, over).unwrap();
        let ratio = (high - low) / (narrow_high - narrow_low);
        assert!((3.4..4.6).contains(&ratio), "{ratio}");
    }

    #[test]
    fn holm_by_hand() {
        // Sorted 0.01, 0.02, 0.03, 0.04 times 4, 3, 2, 1, then the running maximum.
        let expected = [0.06, 0.04, 0.06, 0.06];
        for (got, want) in holm(&[0.04, 0.01, 0.03, 0.02]).into_iter().zip(expected) {
            assert!((got - want).abs() < 1e-12, "{got} {want}");
        }
        assert_eq!(holm(&[0.9, 0.8]), [1.0, 1.0]);
    }

    #[test]
    fn the_interval_of_a_mean_is_near_the_normal_one() {
        let mut values = vec![0.0_f32; 400];
        Noise::new(1, "values").fill_normal(0, 0, &mut values);
        let at =
            |_, clips: &[usize]| clips.iter().map(|&i| f64::from(values[i])).sum::<f64>() / 400.0;
        let (low, high) = bootstrap(400, 1, 2000, at).unwrap();
        let all: Vec<f64> = values.iter().map(|&x| f64::from(x)).collect();
        let centre = mean(&all);
        let deviation = (all.iter().map(|x| (x - centre).powi(2)).sum::<f64>() / 400.0).sqrt();
        let half = 1.96 * deviation / 20.0;
        // The Monte-Carlo error of a 2.5 % point at 2,000 resamples is about 0.06 half widths.
        assert!((low - (centre - half)).abs() < 0.2 * half, "{low}");
        assert!((high - (centre + half)).abs() < 0.2 * half, "{high}");
    }

    #[test]
    fn intervals_cover_the_truth_about_as_often_as_they_say() {
        let covered = (0..200)
            .filter(|&trial| {
                let mut values = vec![0.0_f32; 60];
                Noise::new(2, "trials").fill_normal(trial, 0, &mut values);
                let at = |_, clips: &[usize]| {
                    clips.iter().map(|&i| f64::from(values[i])).sum::<f64>() / 60.0
                };
                let (low, high) = bootstrap(60, 1, 300, at).unwrap();
                low <= 0.0 && 0.0 <= high
            })
            .count();
        // 95 % of 200 is 190; four standard errors are 12.
        assert!((176..=200).contains(&covered), "{covered}");
    }

    #[test]
    fn seeds_widen_an_interval() {
        let at = |seed: usize, _: &[usize]| seed as f64;
        let (low, high) = bootstrap(10, 3, 1000, at).unwrap();
        assert!(low < 0.7 && high > 1.3);
        assert_eq!(bootstrap(1, 3, 1000, at), None);
    }

    #[test]
    fn the_means_over_drawn_seeds_are_those_of_the_bootstrap() {
        let figure = |seed: usize, clips: &[usize]| (clips[0] + 10 * seed) as f64;
        let of = |seed| -> Vec<f64> {
            (0..300).map(|resample| figure(seed, &resampled_clips(resample, 7))).collect()
        };
        let (a, b, c) = (of(0), of(1), of(2));
        let values = over_seeds(&[&a, &b, &c]);
        assert_eq!(interval(&values), bootstrap(7, 3, 300, figure));
        assert_eq!((over_seeds(&[]), interval(&[])), (vec![], None));
    }

    #[test]
    fn a_mean_by_item_by_hand() {
        assert_eq!(mean_by_item(&[&[1.0, 2.0], &[3.0, 0.0]]), [2.0, 1.0]);
        assert!(mean_by_item(&[]).is_empty());
    }

    #[test]
    fn a_bootstrap_test_by_hand() {
        // Mean 2, shifted to 1: -1, 0, 1, 2, 3. Two are not above 0: 2 (2 + 1) / (5 + 1).
        assert!((bootstrap_test(1.0, &[0.0, 1.0, 2.0, 3.0, 4.0]) - 1.0).abs() < 1e-12);
        // Shifted to 2.5: none is across 0: 2 / 6, on either side.
        for sign in [1.0, -1.0] {
            let values = [0.0, 1.0, 2.0, 3.0, 4.0].map(|value| sign * value);
            assert!((bootstrap_test(sign * 2.5, &values) - 1.0 / 3.0).abs() < 1e-12);
        }
        assert!((bootstrap_test(0.0, &[0.0; 9]) - 1.0).abs() < 1e-12);
        assert_eq!(centred(1.0, &[5.0, 7.0]), [0.0, 2.0]);
    }

    #[test]
    fn a_bootstrap_test_is_rarely_wrong_about_equal_systems_and_finds_unequal_ones() {
        let found = |shift: f64| {
            let significant = |trial: &u64| {
                let mut values = vec![0.0_f32; 60];
                Noise::new(3, "trials").fill_normal(*trial, 0, &mut values);
                let of = |clips: &[usize]| {
                    clips.iter().map(|&i| f64::from(values[i])).sum::<f64>() / 60.0 + shift
                };
                let resampled: Vec<f64> =
                    (0..300).map(|resample| of(&resampled_clips(resample, 60))).collect();
                bootstrap_test(of(&(0..60).collect::<Vec<_>>()), &resampled) <= 0.05
            };
            (0..200).filter(significant).count()
        };
        // 5 % of 200 is 10; four standard errors are 12.
        assert!(found(0.0) <= 22, "{}", found(0.0));
        // Half a deviation at 60 clips is 3.9 standard errors.
        assert!(found(0.5) >= 180, "{}", found(0.5));
    }

    #[test]
    fn student_by_hand() {
        // Mean 2, deviation 1, three values: 4.303 / sqrt(3).
        let (low, high) = student(&[1.0, 2.0, 3.0]).unwrap();
        assert!((high - 2.0 - 4.303 / 3.0_f64.sqrt()).abs() < 1e-12);
        assert!((low + high - 4.0).abs() < 1e-12);
        assert_eq!(student(&[1.0]), None);
    }
}
