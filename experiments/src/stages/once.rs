//! Results that several jobs ask for and one computes.

use std::{
    any::Any,
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use anyhow::Result;
use dl_core::Fingerprint;

/// What this process has computed or is computing, by the content it is computed from.
#[derive(Default)]
pub struct Once {
    known: Mutex<HashMap<Fingerprint, Place>>,
}

/// Holds nothing until somebody has computed it; others wait meanwhile.
type Place = Arc<Mutex<Option<Arc<dyn Any + Send + Sync>>>>;

impl Once {
    /// What `compute` gives, once for each `content` that it is computed from.
    ///
    /// # Errors
    /// Those of `compute`; the next who asks tries again.
    pub fn get<T: Send + Sync + 'static>(
        &self,
        content: Fingerprint,
        compute: impl FnOnce() -> Result<T>,
    ) -> Result<Arc<T>> {
        let place = {
            let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(known.entry(content).or_default())
        };
        let mut place = place.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(found) = place.as_ref().and_then(|any| Arc::clone(any).downcast().ok()) {
            return Ok(found);
        }
        let computed = Arc::new(compute()?);
        *place = Some(computed.clone());
        Ok(computed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};

    #[test]
    fn whoever_comes_second_waits_for_the_first() {
        let (once, computed) = (Once::default(), AtomicUsize::new(0));
        let ask = |content: &str| {
            let compute = || Ok(computed.fetch_add(1, Ordering::Relaxed));
            once.get(Fingerprint::of(&content), compute).unwrap()
        };
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| assert_eq!(*ask("a"), 0));
            }
        });
        assert_eq!(*ask("b"), 1);
        let failing = once.get::<u8>(Fingerprint::of(&"c"), || anyhow::bail!("no"));
        assert!(failing.is_err() && *once.get(Fingerprint::of(&"c"), || Ok(3)).unwrap() == 3);
    }
}
