//! Work side by side on the cores, each piece on one thread. Results do not depend on the
//! number of threads: it does not decide how work is cut, and results keep the order of the
//! pieces.

use std::{
    panic::resume_unwind,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread,
};

use anyhow::Result;

/// `work` on each of `0..items`, at most `jobs` at a time; results in order. After a
/// failure nothing new is begun.
///
/// # Errors
/// That of the first item that failed.
pub fn side_by_side<T: Send>(
    jobs: usize,
    items: usize,
    work: impl Fn(usize) -> Result<T> + Sync,
) -> Result<Vec<T>> {
    let (next, failed) = (AtomicUsize::new(0), AtomicBool::new(false));
    let results: Mutex<Vec<Option<Result<T>>>> = Mutex::new((0..items).map(|_| None).collect());
    let hand = || {
        while !failed.load(Ordering::Relaxed) {
            let item = next.fetch_add(1, Ordering::Relaxed);
            if item >= items {
                return;
            }
            let result = work(item);
            if result.is_err() {
                failed.store(true, Ordering::Relaxed);
            }
            results.lock().unwrap_or_else(PoisonError::into_inner)[item] = Some(result);
        }
    };
    thread::scope(|scope| {
        let hands: Vec<_> = (0..jobs.clamp(1, items.max(1))).map(|_| scope.spawn(hand)).collect();
        for hand in hands {
            if let Err(panic) = hand.join() {
                resume_unwind(panic);
            }
        }
    });
    let results = results.into_inner().unwrap_or_else(PoisonError::into_inner);
    // Items are begun in order, so whatever was not begun stands behind the failure.
    let mut done = Vec::with_capacity(items);
    for result in results.into_iter().flatten() {
        done.push(result?);
    }
    Ok(done)
}

#[cfg(test)]
mod tests {
    use super::*;
    use anyhow::bail;

    #[test]
    fn results_stand_in_order_whatever_the_number_of_jobs() {
        for jobs in [1, 2, 7] {
            let squares = side_by_side(jobs, 50, |item| Ok(item * item)).unwrap();
            assert_eq!(squares, (0..50).map(|item| item * item).collect::<Vec<_>>());
        }
        assert!(side_by_side(3, 0, Ok).unwrap().is_empty());
    }

    #[test]
    fn the_first_failure_is_told_and_nothing_new_is_begun() {
        let begun = AtomicUsize::new(0);
        let error = side_by_side(2, 1000, |item| {
            begun.fetch_add(1, Ordering::Relaxed);
            if item >= 3 { bail!("item {item}") } else { Ok(()) }
        });
        assert_eq!(error.unwrap_err().to_string(), "item 3");
        assert!(begun.load(Ordering::Relaxed) < 10);
    }
}
