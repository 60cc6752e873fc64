//! A warning in words beside the figures of a training that runs.

use std::sync::{Mutex, PoisonError};

use dl_core::Progress;

/// Passes progress on and adds the latest warning to every note.
pub(crate) struct Warning<'a> {
    inner: &'a dyn Progress,
    words: Mutex<Option<String>>,
}

impl<'a> Warning<'a> {
    pub(crate) fn new(inner: &'a dyn Progress) -> Self {
        Self { inner, words: Mutex::new(None) }
    }

    /// From now on this, or nothing.
    pub(crate) fn set(&self, words: Option<String>) {
        *self.words.lock().unwrap_or_else(PoisonError::into_inner) = words;
    }
}

impl Progress for Warning<'_> {
    fn begin(&self, task: &str, total: u64) {
        self.inner.begin(task, total);
    }

    fn update(&self, done: u64, note: &str) {
        let words = self.words.lock().unwrap_or_else(PoisonError::into_inner);
        match words.as_ref() {
            Some(words) => self.inner.update(done, &format!("{note}; {words}")),
            None => self.inner.update(done, note),
        }
    }

    fn end(&self) {
        self.inner.end();
    }
}

/// Whether captions cost as much with each other's embeddings (`other`, nats per token) as
/// with their own: a captioner that ignores its prefix says the same of everything.
pub(crate) fn prefix_ignored(own: f64, other: f64) -> Option<String> {
    (other < 1.01 * own).then(|| {
        format!(
            "the prefix is not heard (loss {own:.3} with it, {other:.3} with another's): train \
             longer, raise the learning rate, or add `lora`"
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Notes(Mutex<Vec<String>>);

    impl Progress for Notes {
        fn begin(&self, _: &str, _: u64) {}
        fn update(&self, _: u64, note: &str) {
            self.0.lock().unwrap().push(note.to_owned());
        }
        fn end(&self) {}
    }

    #[test]
    fn words_follow_the_figures_until_they_are_taken_back() {
        let notes = Notes(Mutex::default());
        let warning = Warning::new(&notes);
        warning.update(1, "loss 3");
        warning.set(prefix_ignored(3.0, 3.01));
        warning.update(2, "loss 3");
        warning.set(prefix_ignored(2.0, 3.0));
        warning.update(3, "loss 2");
        let notes = notes.0.into_inner().unwrap();
        assert_eq!((notes[0].as_str(), notes[2].as_str()), ("loss 3", "loss 2"));
        assert!(notes[1].starts_with("loss 3; the prefix is not heard (loss 3.000"), "{notes:?}");
    }
}
