//! What making everything behind some stages will take.

use std::{collections::HashMap, path::PathBuf, sync::Arc};

use anyhow::{Context, Result};
use dl_core::Progress;

use super::{
    Bench, Cost, Lab, Planned, Took, Work,
    cost::{forget_peak, peak, size},
    work::Graph,
};

/// A stage, what it needs and what it takes.
#[derive(Clone, Debug)]
pub struct Forecast {
    /// The stage.
    pub planned: Planned,
    /// The places, in the list that this is of, of the stages whose output it reads.
    pub needs: Vec<usize>,
    /// The folder that it writes.
    pub folder: PathBuf,
    /// What it took, or will take; none where there is nothing to judge by.
    pub cost: Option<Cost>,
}

/// What is left of a list of stages.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Total {
    /// Stages that are missing.
    pub missing: usize,
    /// Those of them of which no time is known.
    pub unknown: usize,
    /// Seconds until the others are made, side by side.
    pub seconds: f64,
    /// Bytes that they will take on disk, as far as that is known.
    pub bytes: u64,
    /// The most main memory that any of them was seen to need, in bytes, done ones too.
    pub peak_bytes: Option<u64>,
}

impl Total {
    /// Of stages in order, `jobs` of which are made at a time.
    pub fn of(stages: &[Forecast], jobs: usize) -> Self {
        let mut total = Self {
            peak_bytes: stages.iter().filter_map(|stage| stage.cost.as_ref()?.peak_bytes).max(),
            ..Self::default()
        };
        // Each goes to the hand that is free first, once what it needs is there.
        let mut hands = vec![0.0_f64; jobs.max(1)];
        let mut ends = vec![0.0_f64; stages.len()];
        for (place, stage) in stages.iter().enumerate() {
            let ready = stage.needs.iter().map(|&need| ends[need]).fold(0.0, f64::max);
            ends[place] = ready;
            if stage.planned.done {
                continue;
            }
            total.missing += 1;
            let Some(cost) = &stage.cost else {
                total.unknown += 1;
                continue;
            };
            total.bytes += cost.bytes.unwrap_or(0);
            let free = hands.iter_mut().min_by(|a, b| a.total_cmp(b));
            if let Some(hand) = free {
                *hand = hand.max(ready) + cost.seconds;
                ends[place] = *hand;
            }
        }
        total.seconds = ends.into_iter().fold(0.0, f64::max);
        total
    }
}

impl Lab<'_> {
    /// Everything behind `wanted`, in an order in which it could be made, with what it took
    /// or will take: by stages of its kind that are done, else, with `measure`, by a short
    /// measurement of one of each kind. Nothing is kept.
    ///
    /// # Errors
    /// When a stage's directory is of something else, or a measurement fails.
    pub fn forecast(&self, wanted: &[Arc<dyn Work>], measure: bool) -> Result<Vec<Forecast>> {
        let mut graph = Graph::default();
        for work in wanted {
            graph.add(work, false)?;
        }
        let mut known: HashMap<String, Cost> = HashMap::new();
        let mut own = Vec::new();
        for job in &graph.jobs {
            let cost = job.done.then(|| took(job.work.as_ref())).flatten();
            if let Some((cost, true)) = &cost {
                let basis = format!("as `{}`, which is done", job.work.title());
                known.entry(job.work.alike()).or_insert(Cost { basis, ..cost.clone() });
            }
            own.push(cost.map(|(cost, _)| cost));
        }
        let bench = Bench::new(self);
        let mut measured: HashMap<String, Option<Cost>> = HashMap::new();
        let progress = self.reporter.task("measuring");
        let mut stages = Vec::new();
        for (job, own) in graph.jobs.iter().zip(own) {
            let kind = job.work.alike();
            let mut cost = own;
            if !job.done {
                cost = known.get(&kind).cloned();
                if cost.is_none() && measure {
                    if !measured.contains_key(&kind) {
                        progress.begin("", 0);
                        forget_peak();
                        let found = job.work.measure(&bench);
                        let found = found.with_context(|| format!("measuring {kind}"))?;
                        let found = found.map(|cost| Cost { peak_bytes: peak(), ..cost });
                        progress.end();
                        measured.insert(kind.clone(), found);
                    }
                    cost = measured[&kind].clone();
                }
            }
            stages.push(Forecast {
                planned: Planned::of(job),
                needs: job.needs.clone(),
                folder: job.work.stage().dir().to_owned(),
                cost,
            });
        }
        Ok(stages)
    }
}

/// What a stage that is done took, and whether that is all of it.
fn took(work: &dyn Work) -> Option<(Cost, bool)> {
    let took = Took::of(work.stage())?;
    let basis = if took.whole {
        "took"
    } else {
        "took, without what an earlier or another program did of it"
    };
    let cost = Cost {
        seconds: took.seconds,
        bytes: size(work.stage().dir()).ok(),
        peak_bytes: took.peak_bytes,
        basis: basis.into(),
    };
    Some((cost, took.whole))
}

#[cfg(test)]
mod tests {
    use super::*;
    use dl_core::Store;

    fn stage(place: usize, done: bool, needs: &[usize], seconds: Option<f64>) -> Forecast {
        let store = Store::new("unused");
        let planned = Planned {
            title: place.to_string(),
            stage: "s".into(),
            key: store.stage("s", place as u32).open().key().clone(),
            done,
        };
        let cost = seconds.map(|seconds| Cost {
            seconds,
            bytes: Some(10),
            peak_bytes: Some(place as u64),
            basis: String::new(),
        });
        Forecast { planned, needs: needs.to_vec(), folder: PathBuf::new(), cost }
    }

    #[test]
    fn a_total_by_hand() {
        // 0 is done; 1 and 2 of 4 s and 6 s stand on it; 3 of 1 s on both; 4 is not known.
        let stages = [
            stage(0, true, &[], Some(100.0)),
            stage(1, false, &[0], Some(4.0)),
            stage(2, false, &[0], Some(6.0)),
            stage(3, false, &[1, 2], Some(1.0)),
            stage(4, false, &[3], None),
        ];
        let expected =
            |seconds| Total { missing: 4, unknown: 1, seconds, bytes: 30, peak_bytes: Some(3) };
        assert_eq!(Total::of(&stages, 1), expected(11.0));
        // Side by side: 6 s, then 1 s.
        assert_eq!(Total::of(&stages, 2), expected(7.0));
    }
}
