//! What can be wrong with a sound file or a front-end configuration: one
//! sentence each, with the file or key, the cause and the remedy.

use std::{io, path::PathBuf};

use dl_core::{ConfigError, FileError};

/// Lowest sample rate taken, in Hz.
pub const MIN_SAMPLE_RATE: u32 = 1_000;
/// Highest sample rate taken, in Hz.
pub const MAX_SAMPLE_RATE: u32 = 768_000;

/// An error of this crate.
#[derive(Debug, thiserror::Error)]
pub enum AudioError {
    /// The file cannot be opened or read, or is no regular file.
    #[error(transparent)]
    File(#[from] FileError),
    /// The file has no bytes.
    #[error("{path}: the file is empty (0 bytes); copy or record it again", path = path.display())]
    Empty {
        /// The file.
        path: PathBuf,
    },
    /// The file is no sound file, or one of a kind that is not decoded here.
    #[error(
        "{path}: cannot be decoded ({found}); convert it to WAV, FLAC, MP3 or Ogg Vorbis",
        path = path.display()
    )]
    Unsupported {
        /// The file.
        path: PathBuf,
        /// What it seems to be.
        found: String,
    },
    /// The file holds less sound than it promises: its end or a piece is missing.
    #[error(
        "{path}: incomplete, only {found} of {expected} {unit} are there; copy or download it again",
        path = path.display()
    )]
    Truncated {
        /// The file.
        path: PathBuf,
        /// How much there is.
        found: u64,
        /// How much there should be.
        expected: u64,
        /// Of what: bytes, or samples per channel.
        unit: &'static str,
    },
    /// The file breaks the rules of its own format.
    #[error("{path}: damaged ({problem}); copy or download it again", path = path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// Where and how.
        problem: String,
    },
    /// The header is sound, but no samples follow.
    #[error("{path}: holds no samples; leave it out or record it again", path = path.display())]
    NoSamples {
        /// The file.
        path: PathBuf,
    },
    /// A sample is NaN or infinite.
    #[error(
        "{path}: sample {index} of channel {channel} is {value}; export it again with finite samples",
        path = path.display()
    )]
    NotFinite {
        /// The file.
        path: PathBuf,
        /// Position of the first such sample in its channel.
        index: usize,
        /// Its channel, from 0.
        channel: usize,
        /// What it is.
        value: f32,
    },
    /// The file states a sample rate outside of what is taken.
    #[error(
        "{path}: states a sample rate of {rate} Hz, outside of {MIN_SAMPLE_RATE} to \
         {MAX_SAMPLE_RATE} Hz; correct its header or resample it",
        path = path.display()
    )]
    FileRate {
        /// The file.
        path: PathBuf,
        /// The stated rate in Hz.
        rate: u32,
    },
    /// A waveform to resample holds a NaN or an infinity.
    #[error("sample {index} is {value}; resampling would spread it, so leave that clip out")]
    BadSample {
        /// Position of the first such sample.
        index: usize,
        /// What it is.
        value: f32,
    },
    /// Resampling from or to a rate that is not taken.
    #[error(
        "cannot resample from {from} to {to} Hz; both must lie within {MIN_SAMPLE_RATE} to \
         {MAX_SAMPLE_RATE} Hz"
    )]
    Resample {
        /// Rate of the waveform in Hz.
        from: u32,
        /// Wanted rate in Hz.
        to: u32,
    },
    /// A waveform of one rate met a front end of another.
    #[error("the waveform has {found} Hz but the front end takes {expected} Hz; resample it first")]
    WrongRate {
        /// The front end's rate in Hz.
        expected: u32,
        /// The waveform's rate in Hz.
        found: u32,
    },
    /// A configuration value out of its range.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The text of a `preprocessor_config.json` cannot be read as one.
    #[error("preprocessor_config.json: {0}; correct it")]
    Preprocessor(String),
    /// The file cannot be written; the message of the system names it.
    #[error("{0}")]
    Write(io::Error),
}
