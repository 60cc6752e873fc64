//! How all commands print. Results are on disk before they are printed, so a reader that
//! closes its end of a pipe is no error: the command goes on without printing. A full disk
//! is an error.

use std::{
    fmt::Display,
    io::{self, ErrorKind, Write},
};

use anyhow::{Result, anyhow};

/// Standard output.
pub struct Output<W: Write = io::Stdout> {
    to: W,
    closed: bool,
}

impl Output {
    /// Standard output.
    #[allow(clippy::new_without_default, reason = "there is one standard output")]
    pub fn new() -> Self {
        Self { to: io::stdout(), closed: false }
    }
}

impl<W: Write> Output<W> {
    /// Prints one line (or several: `text` may hold line ends).
    ///
    /// # Errors
    /// When standard output refuses, but for a closed pipe.
    pub fn line(&mut self, text: impl Display) -> Result<()> {
        self.write(&format!("{text}\n"))
    }

    /// Prints `text` as it is.
    ///
    /// # Errors
    /// As [`Output::line`].
    pub fn write(&mut self, text: &str) -> Result<()> {
        if self.closed {
            return Ok(());
        }
        match self.to.write_all(text.as_bytes()).and_then(|()| self.to.flush()) {
            Ok(()) => Ok(()),
            Err(error) if error.kind() == ErrorKind::BrokenPipe => {
                self.closed = true;
                Ok(())
            }
            Err(error) => Err(anyhow!(
                "cannot write to standard output: {error}; everything that was computed is on disk"
            )),
        }
    }
}

/// Prints a line on standard error, if there is somebody who reads it.
pub fn note(line: impl Display) {
    let _ = writeln!(io::stderr().lock(), "{line}");
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Refuses every write.
    struct Refusing(ErrorKind);

    impl Write for Refusing {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(self.0.into())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_closed_pipe_is_no_fault_and_a_full_disk_is_one() {
        let mut closed = Output { to: Refusing(ErrorKind::BrokenPipe), closed: false };
        assert!(closed.line("a").is_ok() && closed.closed && closed.line("b").is_ok());
        let mut full = Output { to: Refusing(ErrorKind::StorageFull), closed: false };
        let error = full.line("a").unwrap_err().to_string();
        assert!(error.contains("standard output") && error.contains("on disk"), "{error}");
        let mut open = Output { to: Vec::new(), closed: false };
        open.line("a").and_then(|()| open.line("b")).unwrap();
        assert_eq!(open.to, b"a\nb\n");
    }
}
