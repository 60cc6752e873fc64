//! How far an unpacking is: one line that is rewritten on a terminal, a line
//! every few seconds elsewhere. Everything goes to standard error.

use std::{
    io::{self, IsTerminal, Write},
    time::{Duration, Instant},
};

pub(crate) struct Progress {
    label: String,
    total: u64,
    done: u64,
    shown: Instant,
    terminal: bool,
}

impl Progress {
    /// Announces work of `total` bytes.
    pub(crate) fn start(label: String, total: u64) -> Self {
        let terminal = io::stderr().is_terminal();
        if !terminal {
            eprintln!("{label} ...");
        }
        Self { label, total, done: 0, shown: Instant::now(), terminal }
    }

    pub(crate) fn advance(&mut self, bytes: u64) {
        self.done += bytes;
        let pause = Duration::from_millis(if self.terminal { 100 } else { 5_000 });
        if self.shown.elapsed() < pause {
            return;
        }
        self.shown = Instant::now();
        let percent = 100 * self.done / self.total.max(1);
        if self.terminal {
            eprint!("\r{} {percent:3} %", self.label);
            // A lost progress line harms nobody.
            let _ = io::stderr().flush();
        } else {
            eprintln!("{} {percent} %", self.label);
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if self.terminal {
            eprintln!("\r{} {:3} %", self.label, 100 * self.done / self.total.max(1));
        }
    }
}
