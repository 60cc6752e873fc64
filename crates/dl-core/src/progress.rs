//! How long work reports itself. Libraries call a [`Progress`]; the binary
//! decides whether that is a bar, a line every few seconds, or nothing.

/// A sink for the progress of one task at a time. Calls may come from any thread.
pub trait Progress: Sync {
    /// A task begins; `total` is its number of units (clips, steps), 0 if unknown.
    fn begin(&self, task: &str, total: u64);
    /// `done` units are finished; `note` is a short figure such as a loss.
    fn update(&self, done: u64, note: &str);
    /// The task is over.
    fn end(&self);
}

/// Reports nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct Silent;

impl Progress for Silent {
    fn begin(&self, _: &str, _: u64) {}
    fn update(&self, _: u64, _: &str) {}
    fn end(&self) {}
}
