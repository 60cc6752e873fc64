//! How long work will take, judged by what is done of it: "minutes or hours?". Nothing is
//! known of a machine beforehand, so the first pieces are the measurement.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

/// How often what is left of several pieces is said, and how much of it is worth a line.
const SAID_EVERY: Duration = Duration::from_secs(60);
const WORTH_SAYING: Duration = Duration::from_secs(60);

/// A time as people say it: `40 s`, `7 min`, `2.5 h`.
pub fn in_words(time: Duration) -> String {
    let seconds = time.as_secs_f64();
    match seconds {
        ..90.0 => format!("{} s", seconds.ceil()),
        ..5400.0 => format!("{:.0} min", seconds / 60.0),
        _ => format!("{:.1} h", seconds / 3600.0),
    }
}

/// The pace of one task. What an earlier run had done already says nothing of it, so it
/// counts from the first report.
#[derive(Default)]
pub(super) struct Pace {
    first: Option<(Instant, u64)>,
}

impl Pace {
    /// `about 7 min left`, once a fiftieth of what was left is done.
    pub(super) fn left(&mut self, now: Instant, done: u64, total: u64) -> Option<String> {
        let (start, before) = *self.first.get_or_insert((now, done));
        let (gone, left) = (done.saturating_sub(before), total.saturating_sub(done));
        if gone == 0 || left == 0 || gone * 50 < gone + left {
            return None;
        }
        let each = now.duration_since(start).as_secs_f64() / gone as f64;
        Some(format!("about {} left", in_words(Duration::from_secs_f64(each * left as f64))))
    }
}

/// Several pieces of a few kinds, made side by side: pieces of a kind take about as long as
/// those that are done.
pub struct Ahead {
    jobs: usize,
    left: BTreeMap<String, u32>,
    took: BTreeMap<String, (u32, Duration)>,
    said: Option<Instant>,
}

impl Ahead {
    /// A piece of each kind in `kinds`, `jobs` of them at a time.
    pub fn of(kinds: impl IntoIterator<Item = String>, jobs: usize) -> Self {
        let mut left = BTreeMap::new();
        for kind in kinds {
            *left.entry(kind).or_insert(0) += 1;
        }
        Self { jobs: jobs.max(1), left, took: BTreeMap::new(), said: None }
    }

    /// A piece is done. Gives a line where much is left and none was given lately.
    pub fn finished(&mut self, kind: &str, took: Duration, now: Instant) -> Option<String> {
        if let Some(left) = self.left.get_mut(kind) {
            *left = left.saturating_sub(1);
        }
        let (count, sum) = self.took.entry(kind.to_owned()).or_default();
        (*count, *sum) = (*count + 1, *sum + took);
        let (mut time, mut pieces, mut unknown) = (Duration::ZERO, 0, false);
        for (kind, &left) in self.left.iter().filter(|(_, left)| **left > 0) {
            pieces += left;
            match self.took.get(kind) {
                Some((count, sum)) => time += *sum * left / *count,
                None => unknown = true,
            }
        }
        let jobs = u32::try_from(self.jobs).unwrap_or(u32::MAX).min(pieces.max(1));
        let time = time / jobs;
        let lately = self.said.is_some_and(|said| now < said + SAID_EVERY);
        if time < WORTH_SAYING || lately {
            return None;
        }
        self.said = Some(now);
        // Of a kind of which none is done, nothing is known but that it takes its time.
        let how = if unknown { "at least" } else { "about" };
        Some(format!("  {pieces} of them to go, {how} {}", in_words(time)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn times_as_people_say_them() {
        let words = |seconds: u64| in_words(SECOND * seconds as u32);
        assert_eq!([9, 89, 90, 5399, 9000].map(words), ["9 s", "89 s", "2 min", "90 min", "2.5 h"]);
    }

    #[test]
    fn what_is_left_of_a_task_is_told_after_a_fiftieth() {
        let (mut pace, start) = (Pace::default(), Instant::now());
        // 1,000 steps, of which an earlier run had done 500; one step a second.
        assert_eq!(pace.left(start, 500, 1000), None);
        assert_eq!(pace.left(start + 9 * SECOND, 509, 1000), None);
        let left = pace.left(start + 10 * SECOND, 510, 1000);
        assert_eq!(left.as_deref(), Some("about 8 min left"));
        assert_eq!(pace.left(start + 500 * SECOND, 1000, 1000), None);
        // A task that does not know its size.
        assert_eq!(pace.left(start + 500 * SECOND, 1000, 0), None);
    }

    #[test]
    fn what_is_left_of_many_pieces_is_told_by_their_kinds() {
        let kinds = ["fit"; 5].iter().chain(&["captions"; 2]).map(|&kind| kind.to_owned());
        let (mut ahead, start) = (Ahead::of(kinds, 2), Instant::now());
        // Four fits of 100 s, two at a time; of captions nothing is known.
        let line = ahead.finished("fit", 100 * SECOND, start);
        assert_eq!(line.as_deref(), Some("  6 of them to go, at least 3 min"));
        // 30 s later that is not said again.
        assert_eq!(ahead.finished("fit", 100 * SECOND, start + 30 * SECOND), None);
        // Three fits of 100 s and one of captions of 60 s: 180 s on two jobs.
        let line = ahead.finished("captions", 60 * SECOND, start + 61 * SECOND);
        assert_eq!(line.as_deref(), Some("  4 of them to go, about 3 min"));
        // 100 s and 60 s are 80 s on two jobs; then 60 s on one; then nothing.
        ahead.finished("fit", 100 * SECOND, start + 62 * SECOND);
        let line = ahead.finished("fit", 100 * SECOND, start + 200 * SECOND);
        assert_eq!(line.as_deref(), Some("  2 of them to go, about 80 s"));
        let line = ahead.finished("fit", 100 * SECOND, start + 300 * SECOND);
        assert_eq!(line.as_deref(), Some("  1 of them to go, about 60 s"));
        assert_eq!(ahead.finished("captions", 60 * SECOND, start + 400 * SECOND), None);
    }
}
