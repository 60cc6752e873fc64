//! What the user sees while work goes on: a bar for each task on a terminal, otherwise
//! one line for all of them every few seconds; never both, and never on standard output.

use std::{
    collections::BTreeMap,
    env,
    io::IsTerminal,
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use dl_core::Progress;
use indicatif::{MultiProgress, ProgressBar, ProgressStyle};

use super::{note, pace::Pace};

/// How soon the first line appears where there is no terminal, and how often others do.
const FIRST_LINE: Duration = Duration::from_secs(2);
const LINE_EVERY: Duration = Duration::from_secs(5);
/// A task that was shorter is not worth a line.
const WORTH_A_LINE: Duration = Duration::from_millis(500);

/// Progress on standard error.
pub struct Reporter {
    /// `None` without a terminal that can draw bars.
    bars: Option<MultiProgress>,
    state: Mutex<State>,
}

struct State {
    running: BTreeMap<u64, Running>,
    begun: u64,
    next_line: Option<Instant>,
}

struct Running {
    title: String,
    started: Instant,
    done: u64,
    total: u64,
    note: String,
    pace: Pace,
    /// What it says of the time that is left.
    left: Option<String>,
    bar: Option<ProgressBar>,
}

impl Running {
    /// `title: 3/10 note, about 7 min left`.
    fn in_words(&self) -> String {
        let Self { title, done, total, note, left, .. } = self;
        let place = if *total == 0 { String::new() } else { format!(": {done}/{total} {note}") };
        let left = left.as_ref().map(|left| format!(", {left}")).unwrap_or_default();
        format!("{title}{}{left}", place.trim_end())
    }
}

impl Default for Reporter {
    fn default() -> Self {
        Self::new()
    }
}

impl Reporter {
    /// Looks at standard error to see who reads it.
    pub fn new() -> Self {
        let dumb = env::var_os("TERM").is_none_or(|term| term.is_empty() || term == "dumb");
        let bars = std::io::stderr().is_terminal() && !dumb;
        Self {
            bars: bars.then(MultiProgress::new),
            state: Mutex::new(State { running: BTreeMap::new(), begun: 0, next_line: None }),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // A panic elsewhere must not hide its own message behind a poisoned lock.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A line about what is going on, above any bars.
    pub fn say(&self, line: &str) {
        match &self.bars {
            Some(bars) => bars.suspend(|| note(line)),
            None => note(line),
        }
    }

    /// One of several tasks that may run side by side. It goes by `title`, whatever the
    /// library that does the work calls it; by the library's word where that is empty.
    pub fn task(&self, title: &str) -> Task<'_> {
        let mut state = self.state();
        state.begun += 1;
        Task { reporter: self, title: title.into(), number: state.begun }
    }
}

/// Progress of one task.
pub struct Task<'r> {
    reporter: &'r Reporter,
    title: String,
    number: u64,
}

impl Progress for Task<'_> {
    fn begin(&self, task: &str, total: u64) {
        let title = if self.title.is_empty() { task } else { &self.title };
        let bar = self.reporter.bars.as_ref().map(|bars| {
            let template = "{msg:36!} {wide_bar} {pos}/{len} {eta:>4} {prefix}";
            let style = ProgressStyle::with_template(template)
                .unwrap_or_else(|_| ProgressStyle::default_bar());
            bars.add(ProgressBar::new(total).with_style(style).with_message(title.to_owned()))
        });
        let started = Instant::now();
        let (title, note, pace) = (title.into(), String::new(), Pace::default());
        let running = Running { title, started, done: 0, total, note, pace, left: None, bar };
        let mut state = self.reporter.state();
        state.next_line.get_or_insert(started + FIRST_LINE);
        state.running.insert(self.number, running);
    }

    fn update(&self, done: u64, words: &str) {
        let mut state = self.reporter.state();
        let Some(running) = state.running.get_mut(&self.number) else { return };
        (running.done, running.note) = (done, words.to_owned());
        if let Some(bar) = &running.bar {
            bar.set_prefix(words.to_owned());
            bar.set_position(done);
            return;
        }
        let now = Instant::now();
        running.left = running.pace.left(now, done, running.total);
        if state.next_line.is_some_and(|line| line <= now) {
            state.next_line = Some(now + LINE_EVERY);
            let all: Vec<String> = state.running.values().map(Running::in_words).collect();
            note(format_args!("  {}", all.join("; ")));
        }
    }

    fn end(&self) {
        let Some(running) = self.reporter.state().running.remove(&self.number) else { return };
        if let (Some(bar), Some(bars)) = (&running.bar, &self.reporter.bars) {
            bar.finish_and_clear();
            bars.remove(bar);
        }
        let took = running.started.elapsed();
        if took >= WORTH_A_LINE {
            self.reporter.say(&format!("  {}: done in {:.1} s", running.title, took.as_secs_f64()));
        }
    }
}

impl Drop for Task<'_> {
    fn drop(&mut self) {
        // A task that failed leaves no bar behind.
        if let Some(Running { bar: Some(bar), .. }) =
            self.reporter.state().running.remove(&self.number)
        {
            bar.finish_and_clear();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_says_what_is_left_where_it_is_known() {
        let mut running = Running {
            title: "features of birds".into(),
            started: Instant::now(),
            done: 30,
            total: 100,
            note: String::new(),
            pace: Pace::default(),
            left: None,
            bar: None,
        };
        assert_eq!(running.in_words(), "features of birds: 30/100");
        running.left = Some("about 7 min left".into());
        assert_eq!(running.in_words(), "features of birds: 30/100, about 7 min left");
    }

    #[test]
    fn tasks_side_by_side_have_one_line_and_keep_apart() {
        let reporter = Reporter { bars: None, ..Reporter::new() };
        let (a, b) = (reporter.task("bridge ridge, seed 0"), reporter.task(""));
        a.begin("fit", 10);
        b.begin("language model", 0);
        a.update(3, "loss 0.5");
        let words: Vec<String> = reporter.state().running.values().map(Running::in_words).collect();
        // One report alone says nothing of the pace.
        assert_eq!(words, ["bridge ridge, seed 0: 3/10 loss 0.5", "language model"]);
        a.end();
        drop(b);
        assert!(reporter.state().running.is_empty());
    }
}
