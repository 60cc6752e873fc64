//! The two faults that every crate knows: a configuration value out of its range, told by
//! its whole dotted key, and a file that is not what it should be.

use std::{
    fmt::Display,
    io,
    path::{Path, PathBuf},
};

/// A configuration value that is not allowed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{key} = {value}: must be {range}")]
pub struct ConfigError {
    /// The key as a configuration file spells it, with dots: `train.optimizer.beta1`.
    pub key: String,
    /// The value found.
    pub value: String,
    /// The values allowed.
    pub range: String,
}

impl ConfigError {
    /// The fault of `key`, which may have dots.
    pub fn new(key: impl Into<String>, value: impl Display, range: impl Into<String>) -> Self {
        Self { key: key.into(), value: value.to_string(), range: range.into() }
    }

    /// The same seen from one level up: `steps` under `train` is `train.steps`.
    #[must_use]
    pub fn under(mut self, parent: &str) -> Self {
        self.key = format!("{parent}.{}", self.key);
        self
    }
}

/// `Ok` when `good`, else the fault of `key`.
///
/// # Errors
/// [`ConfigError`] with the operands.
pub fn check(
    good: bool,
    key: impl Into<String>,
    value: impl Display,
    range: impl Into<String>,
) -> Result<(), ConfigError> {
    if good { Ok(()) } else { Err(ConfigError::new(key, value, range)) }
}

/// No embedding and no layer is wider: far beyond every published model, and small enough that
/// products of a few sizes stay whole numbers of 64 bits.
pub const WIDEST: i64 = 1 << 16;
/// No network has more layers.
pub const DEEPEST: i64 = 1000;
/// No vocabulary has more entries, and no model reads longer sequences.
pub const LONGEST: i64 = 1 << 24;

/// `Ok` when a size of a model is in `1..=most`, so that a file which claims another is refused
/// before anything is made of that size.
///
/// # Errors
/// [`ConfigError`] with the value.
pub fn check_size(
    key: impl Into<String>,
    value: impl Display + Copy + TryInto<i64>,
    most: i64,
) -> Result<(), ConfigError> {
    let good = value.try_into().is_ok_and(|size| (1..=most).contains(&size));
    check(good, key, value, format!("in 1..={most}"))
}

/// [`ConfigError::under`] on a result: `self.train.validate().under("train")?`.
pub trait Under {
    /// Puts `parent` and a dot before the key of a fault.
    #[must_use]
    fn under(self, parent: &str) -> Self;
}

impl<T> Under for Result<T, ConfigError> {
    fn under(self, parent: &str) -> Self {
        self.map_err(|error| error.under(parent))
    }
}

/// What a reader of configurations met: the whole dotted key (`None` at the top), and what
/// is wrong with it. Sections that are read in two passes ([`crate::tagged`]) tell the inner
/// key at the beginning of their message (`train.steps: ...`); it is joined to the place of
/// the section.
pub fn located(error: &serde_path_to_error::Error<impl Display>) -> (Option<String>, String) {
    let message = error.inner().to_string();
    // TOML says on further lines where; the path of the error says it already.
    joined(&error.path().to_string(), message.lines().next().unwrap_or_default())
}

/// `place` is `.` at the top.
fn joined(place: &str, message: &str) -> (Option<String>, String) {
    let is_key = |text: &str| {
        let plain = |c: char| c.is_ascii_alphanumeric() || "_-.[]".contains(c);
        !text.is_empty() && text.chars().all(plain)
    };
    let place = Some(place).filter(|place| *place != ".");
    match message.split_once(": ") {
        Some((key, rest)) if is_key(key) => {
            let whole = place.map_or_else(|| key.to_owned(), |place| format!("{place}.{key}"));
            (Some(whole), rest.to_owned())
        }
        _ => (place.map(str::to_owned), message.to_owned()),
    }
}

/// A file that cannot be used. Every message begins with its path.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// It cannot be opened, read or written.
    #[error("{path}: {source}", path = path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// It is not what it should be.
    #[error("{path}: {problem}", path = path.display())]
    Invalid {
        /// The file.
        path: PathBuf,
        /// Cause and remedy.
        problem: String,
    },
}

impl FileError {
    /// What the system said of `path`.
    pub fn io(path: &Path, source: io::Error) -> Self {
        Self::Io { path: path.into(), source }
    }

    /// What is wrong with `path`, and what to do. Words of the file may stand in it: their line
    /// breaks and other control characters are spelled, so that the message stays one line, and
    /// of a word of over a thousand characters the first hundred are shown.
    pub fn invalid(path: &Path, problem: impl Into<String>) -> Self {
        let mut problem = problem.into();
        if problem.contains(char::is_control) {
            let spelled = |c: char| match c.is_control() {
                true => c.escape_default().to_string(),
                false => c.to_string(),
            };
            problem = problem.chars().map(spelled).collect();
        }
        if problem.split(' ').any(is_endless) {
            problem = problem.split(' ').map(shortened).collect::<Vec<_>>().join(" ");
        }
        Self::Invalid { path: path.into(), problem }
    }

    /// The file.
    pub fn path(&self) -> &Path {
        match self {
            Self::Io { path, .. } | Self::Invalid { path, .. } => path,
        }
    }
}

/// Whether nobody would read the whole word.
fn is_endless(word: &str) -> bool {
    word.chars().nth(1000).is_some()
}

fn shortened(word: &str) -> String {
    if is_endless(word) {
        let (begin, characters) =
            (word.chars().take(100).collect::<String>(), word.chars().count());
        return format!("{begin}... ({characters} characters)");
    }
    word.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_grow_from_the_inside_out() {
        let fault = check(false, "steps", 0, "at least 1").under("train").under("bridges.pls");
        let line = fault.unwrap_err().to_string();
        assert_eq!(line, "bridges.pls.train.steps = 0: must be at least 1");
        assert_eq!(check(true, "steps", 1, "at least 1").under("train"), Ok(()));
    }

    #[test]
    fn a_key_of_two_passes_is_one() {
        let at = |key: &str, rest: &str| (Some(key.to_owned()), rest.to_owned());
        let inner = "train.steps: invalid type: string \"9\", expected u64";
        let rest = "invalid type: string \"9\", expected u64";
        assert_eq!(joined("bridges.mine", inner), at("bridges.mine.train.steps", rest));
        assert_eq!(joined(".", inner), at("train.steps", rest));
        assert_eq!(joined("seeds[1]", rest), at("seeds[1]", rest));
        assert_eq!(joined(".", rest), (None, rest.to_owned()));
    }

    #[test]
    fn a_file_is_named_first() {
        let gone = FileError::io(Path::new("a/b.npy"), io::Error::other("gone"));
        assert_eq!(gone.to_string(), "a/b.npy: gone");
        let cut = FileError::invalid(Path::new("a/b.npy"), "cut short; copy it again");
        assert_eq!(cut.to_string(), "a/b.npy: cut short; copy it again");
        assert_eq!(cut.path(), Path::new("a/b.npy"));
        let lines = FileError::invalid(Path::new("a"), "é `x\r\ny\u{1b}[2J` is unknown");
        assert_eq!(lines.to_string(), "a: é `x\\r\\ny\\u{1b}[2J` is unknown");
        let long = |word: usize| format!("unknown {}, set another", "é".repeat(word));
        let whole = FileError::invalid(Path::new("a"), long(999));
        assert_eq!(whole.to_string(), format!("a: {}", long(999)));
        let cut = FileError::invalid(Path::new("a"), long(100_000)).to_string();
        let begin = "é".repeat(100);
        assert_eq!(cut, format!("a: unknown {begin}... (100001 characters) set another"));
    }
}
