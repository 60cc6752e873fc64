//! What the user sees while work goes on: a bar on a terminal, otherwise a line
//! every few seconds; never both, and never on standard output.

use std::{
    io::IsTerminal,
    sync::Mutex,
    time::{Duration, Instant},
};

use dl_core::Progress;
use indicatif::{ProgressBar, ProgressStyle};

/// How often a line appears where there is no terminal.
const LINE_EVERY: Duration = Duration::from_secs(5);

/// Progress on standard error.
pub struct Reporter {
    terminal: bool,
    state: Mutex<Option<Task>>,
}

struct Task {
    name: String,
    total: u64,
    started: Instant,
    last_line: Instant,
    bar: Option<ProgressBar>,
}

impl Reporter {
    /// Looks at standard error to see who reads it.
    pub fn new() -> Self {
        Self { terminal: std::io::stderr().is_terminal(), state: Mutex::new(None) }
    }

    fn with_state(&self, act: impl FnOnce(&mut Option<Task>)) {
        // A panic elsewhere must not hide its own message behind a poisoned lock.
        act(&mut self.state.lock().unwrap_or_else(std::sync::PoisonError::into_inner));
    }

    /// A line about what is going on, above any bar.
    pub fn say(&self, line: &str) {
        self.with_state(|state| match state.as_ref().and_then(|task| task.bar.as_ref()) {
            Some(bar) => bar.println(line),
            None => eprintln!("{line}"),
        });
    }
}

impl Progress for Reporter {
    fn begin(&self, task: &str, total: u64) {
        let bar = self.terminal.then(|| {
            let template = "{msg:30!} {wide_bar} {pos}/{len} {eta:>4} {prefix}";
            let style = ProgressStyle::with_template(template)
                .unwrap_or_else(|_| ProgressStyle::default_bar());
            ProgressBar::new(total).with_style(style).with_message(task.to_owned())
        });
        let now = Instant::now();
        self.with_state(|state| {
            *state = Some(Task { name: task.into(), total, started: now, last_line: now, bar });
        });
    }

    fn update(&self, done: u64, note: &str) {
        self.with_state(|state| {
            let Some(task) = state else { return };
            if let Some(bar) = &task.bar {
                bar.set_prefix(note.to_owned());
                bar.set_position(done);
            } else if task.last_line.elapsed() >= LINE_EVERY {
                task.last_line = Instant::now();
                eprintln!("  {}: {done}/{} {note}", task.name, task.total);
            }
        });
    }

    fn end(&self) {
        self.with_state(|state| {
            let Some(task) = state.take() else { return };
            if let Some(bar) = task.bar {
                bar.finish_and_clear();
            }
            eprintln!("  {}: done in {:.1} s", task.name, task.started.elapsed().as_secs_f64());
        });
    }
}
