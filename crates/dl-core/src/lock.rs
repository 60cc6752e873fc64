//! One holder at a time, between processes and hosts that share a disk.
//!
//! The lock is the operating system's, on an open file: it is gone when its holder is,
//! killed or not, so a stale one does not exist. What stands in the file says who holds
//! it and is for people alone.

use std::{
    fs::{self, File, TryLockError},
    io::{self, Read, Seek, Write},
    path::{Path, PathBuf},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use serde::{Deserialize, Serialize};

use crate::FileError;

/// What to do where another program holds a lock.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum IfBusy {
    /// Wait until it is done, then use what it made.
    #[default]
    Wait,
    /// Give up at once.
    Leave,
}

/// A lock that cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// Another program holds it, and waiting was not wanted.
    #[error("{path}: in use by {holder}; try again when it is done", path = path.display())]
    Busy {
        /// What is locked.
        path: PathBuf,
        /// Who holds it: process, host, time and command.
        holder: String,
    },
    /// The lock's file cannot be made or locked.
    #[error(transparent)]
    File(#[from] FileError),
}

/// A lock that is held until it is dropped.
#[derive(Debug)]
pub struct Lock {
    file: File,
}

/// Who holds a lock.
#[derive(Serialize, Deserialize)]
struct Holder {
    pid: u32,
    host: String,
    /// Seconds since 1970.
    since: u64,
    command: String,
}

/// The longest part of a command that is shown.
const COMMAND: usize = 200;

impl Holder {
    fn this_process() -> Self {
        let host = fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
        let host = host.trim();
        let command: Vec<String> =
            std::env::args_os().map(|word| word.to_string_lossy().into_owned()).collect();
        Self {
            pid: std::process::id(),
            host: if host.is_empty() { "this host".into() } else { host.into() },
            since: now(),
            command: command.join(" ").chars().take(COMMAND).collect(),
        }
    }

    fn in_words(&self) -> String {
        let Self { pid, host, since, command } = self;
        format!("process {pid} on {host}, for {} (`{command}`)", span(now().saturating_sub(*since)))
    }
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}

fn span(seconds: u64) -> String {
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3600 => format!("{} min", seconds / 60),
        _ => format!("{} h {} min", seconds / 3600, seconds / 60 % 60),
    }
}

impl Lock {
    /// Locks the file `path`, which is made where it is not there. Where another holds
    /// it, `if_busy` decides; before it waits, `say` gets one sentence on who that is.
    ///
    /// # Errors
    /// [`LockError`]: busy, or a disk that cannot be written or has no locks.
    pub fn acquire(path: &Path, if_busy: IfBusy, say: &dyn Fn(&str)) -> Result<Self, LockError> {
        let fault = |source: io::Error| FileError::io(path, source);
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent).map_err(fault)?;
        }
        let mut options = File::options();
        let mut file = options
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(path)
            .map_err(fault)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let holder = holder(&mut file);
                // What is in use is the folder; the lock is only its sign.
                let place = path.parent().unwrap_or(path);
                if if_busy == IfBusy::Leave {
                    return Err(LockError::Busy { path: place.into(), holder });
                }
                say(&format!("{} is in use by {holder}; waiting for it", place.display()));
                file.lock().map_err(fault)?;
            }
            Err(TryLockError::Error(source)) => {
                let problem =
                    format!("cannot be locked ({source}); keep runs on a disk that has file locks");
                return Err(FileError::invalid(path, problem).into());
            }
        }
        // Whoever reads it while it is written waits a moment and reads again.
        let line = serde_json::to_vec(&Holder::this_process()).unwrap_or_default();
        file.set_len(0).and_then(|()| file.rewind()).map_err(fault)?;
        file.write_all(&line).map_err(fault)?;
        Ok(Self { file })
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        // The lock itself goes with the file, whatever becomes of this.
        let _ = self.file.set_len(0);
    }
}

/// Who holds the lock on `file`, in words.
fn holder(file: &mut File) -> String {
    for _ in 0..20 {
        let mut text = String::new();
        if file.rewind().and_then(|()| file.read_to_string(&mut text)).is_ok()
            && let Ok(holder) = serde_json::from_str::<Holder>(&text)
        {
            return holder.in_words();
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    "another program".into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_second_leaves_or_waits_and_is_told_who_holds_it() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("stage/lock");
        let first = Lock::acquire(&path, IfBusy::Leave, &|_| {}).unwrap();
        let error = Lock::acquire(&path, IfBusy::Leave, &|_| {}).unwrap_err().to_string();
        let me = format!("in use by process {} on ", std::process::id());
        assert!(error.contains(&me) && error.contains("for 0 s (`"), "{error}");
        let (told, heard) = std::sync::mpsc::channel();
        std::thread::scope(|scope| {
            let waiting = scope.spawn(|| {
                let say = |line: &str| told.send(line.to_owned()).unwrap();
                Lock::acquire(&path, IfBusy::Wait, &say).is_ok()
            });
            let line = heard.recv().unwrap();
            assert!(line.contains(&me) && line.ends_with("waiting for it"), "{line}");
            drop(first);
            assert!(waiting.join().unwrap());
        });
    }

    #[test]
    fn what_a_killed_holder_left_is_no_lock() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("lock");
        fs::write(&path, br#"{"pid":1,"host":"gone","since":0,"command":"x"}"#).unwrap();
        drop(Lock::acquire(&path, IfBusy::Leave, &|_| {}).unwrap());
        assert_eq!(fs::read(&path).unwrap(), b"");
        assert_eq!([span(59), span(61), span(7260)], ["59 s", "1 min", "2 h 1 min"]);
    }
}
