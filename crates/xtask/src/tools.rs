//! Small programs that set-up asks: where they are, and what they say within a
//! time limit.

use std::{
    env, fs,
    io::{self, Read},
    os::unix::fs::PermissionsExt,
    path::PathBuf,
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};

/// The executable `name` as PATH gives it.
pub(crate) fn which(name: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH")?;
    env::split_paths(&path).map(|directory| directory.join(name)).find(|candidate| {
        fs::metadata(candidate)
            .is_ok_and(|file| file.is_file() && file.permissions().mode() & 0o111 != 0)
    })
}

/// What a short-lived program printed, and whether it succeeded. One that
/// takes longer than `limit` is ended and counts as an error.
pub(crate) fn ask(command: &mut Command, limit: Duration) -> io::Result<(bool, String)> {
    let mut child =
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn()?;
    let pipe = child.stdout.take();
    // Read beside the wait: a full pipe would hold the program up.
    let reader = thread::spawn(move || {
        let mut bytes = Vec::new();
        pipe.map_or(Ok(0), |mut pipe| pipe.read_to_end(&mut bytes)).map(|_| bytes)
    });
    let start = Instant::now();
    let status = loop {
        if let Some(status) = child.try_wait()? {
            break status;
        }
        if start.elapsed() > limit {
            child.kill()?;
            child.wait()?;
            return Err(io::ErrorKind::TimedOut.into());
        }
        thread::sleep(Duration::from_millis(2));
    };
    let bytes = reader.join().map_err(|_| io::Error::other("the reader failed"))??;
    Ok((status.success(), String::from_utf8_lossy(&bytes).into_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_is_asked_and_a_slow_one_is_ended() {
        let mut shell = Command::new("/bin/sh");
        let said = ask(shell.args(["-c", "echo yes; exit 3"]), Duration::from_secs(10)).unwrap();
        assert_eq!(said, (false, "yes\n".into()));
        let start = Instant::now();
        let mut slow = Command::new("sleep");
        let error = ask(slow.arg("30"), Duration::from_millis(50)).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        assert!(start.elapsed() < Duration::from_secs(10));
    }

    #[test]
    fn programs_are_found_on_path_only() {
        assert!(which("sh").is_some_and(|path| path.is_absolute()));
        assert_eq!(which("no-such-program-here"), None);
    }
}
