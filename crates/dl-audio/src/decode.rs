//! From a file to a mono waveform, whatever its name says: the first bytes
//! decide. WAV goes through hound, everything else through symphonia.

use std::{
    fs::File,
    io::{self, Cursor, Read, SeekFrom},
    path::Path,
};

use symphonia::core::io::{MediaSource, ReadOnlySource};

use crate::{
    AudioError, Waveform, compressed,
    error::{MAX_SAMPLE_RATE, MIN_SAMPLE_RATE},
    ogg, wav,
};

/// Reads a WAV (8- to 32-bit integer, 32- or 64-bit float), FLAC, MP3 or Ogg
/// Vorbis file and mixes its channels down to their mean. Integer samples are
/// scaled to [-1, 1); float samples come as they are.
///
/// # Errors
/// [`AudioError`], naming the file: it cannot be read, is empty, is no sound
/// file, is cut short or damaged, holds no samples or ones that are not finite,
/// or states a sample rate outside of 1 kHz to 768 kHz.
pub fn load(path: &Path) -> Result<Waveform, AudioError> {
    let unreadable = |source| AudioError::Read { path: path.into(), source };
    let file = File::open(path).map_err(unreadable)?;
    if !file.metadata().map_err(unreadable)?.is_file() {
        return Err(unreadable(io::Error::other("not a regular file")));
    }
    decode(path, file)
}

/// As [`load`], from the bytes of a file; `name` is for error messages.
///
/// # Errors
/// As [`load`].
pub fn decode_bytes(name: &Path, bytes: Vec<u8>) -> Result<Waveform, AudioError> {
    decode(name, Cursor::new(bytes))
}

fn decode(path: &Path, mut source: impl MediaSource + 'static) -> Result<Waveform, AudioError> {
    let unreadable = |source| AudioError::Read { path: path.into(), source };
    let mut head = Vec::new();
    source.by_ref().take(16).read_to_end(&mut head).map_err(unreadable)?;
    source.seek(SeekFrom::Start(0)).map_err(unreadable)?;
    let waveform = match Container::of(&head) {
        Container::Wav => wav::decode(path, source),
        Container::Ogg => {
            ogg::check(path, &mut source)?;
            source.seek(SeekFrom::Start(0)).map_err(unreadable)?;
            compressed::decode(path, Box::new(source))
        }
        Container::Flac => compressed::decode(path, Box::new(source)),
        // Could symphonia seek, it would guess the length of an MP3 file without
        // a length tag from its bit rate, and drop what lies beyond.
        Container::Mp3 => compressed::decode(path, Box::new(ReadOnlySource::new(source))),
        Container::Nothing => Err(AudioError::Empty { path: path.into() }),
        Container::Other(found) => {
            Err(AudioError::Unsupported { path: path.into(), found: found.into() })
        }
    }?;
    if waveform.samples.is_empty() {
        return Err(AudioError::NoSamples { path: path.into() });
    }
    Ok(waveform)
}

/// What the first bytes of a file say.
enum Container {
    Wav,
    Flac,
    Ogg,
    Mp3,
    Nothing,
    /// Not decoded here; the words are for the user.
    Other(&'static str),
}

impl Container {
    fn of(head: &[u8]) -> Self {
        match head {
            [] => Self::Nothing,
            [b'R', b'I', b'F', b'F', _, _, _, _, b'W', b'A', b'V', b'E', ..] => Self::Wav,
            [b'R', b'I', b'F', b'F', ..] if head.len() < 12 => Self::Wav,
            [b'f', b'L', b'a', b'C', ..] => Self::Flac,
            [b'O', b'g', b'g', b'S', ..] => Self::Ogg,
            [b'I', b'D', b'3', ..] => Self::Mp3,
            [0xff, second, ..] if is_layer_3(*second) => Self::Mp3,
            [b'R', b'F', b'6', b'4', ..] => Self::Other("it is a WAV file of the RF64 kind"),
            [b'R', b'I', b'F', b'X', ..] => Self::Other("it is a big-endian WAV file"),
            [b'F', b'O', b'R', b'M', ..] => Self::Other("it is an AIFF file"),
            [_, _, _, _, b'f', b't', b'y', b'p', ..] => Self::Other("it is an MP4 or M4A file"),
            [0x1a, 0x45, 0xdf, 0xa3, ..] => Self::Other("it is a WebM or Matroska file"),
            [0xff, second, ..] if second & 0xf6 == 0xf0 => Self::Other("it is an AAC file"),
            _ if head.iter().all(|byte| byte.is_ascii_graphic() || byte.is_ascii_whitespace()) => {
                Self::Other("it looks like text")
            }
            _ => Self::Other("its first bytes are of no known sound format"),
        }
    }
}

/// Whether this is the second byte of an MPEG audio frame of layer III.
fn is_layer_3(byte: u8) -> bool {
    let (sync, version, layer) = (byte >> 5, (byte >> 3) & 0b11, (byte >> 1) & 0b11);
    sync == 0b111 && version != 0b01 && layer == 0b01
}

/// Collects interleaved samples as their mean over channels, and refuses what
/// no later stage could use.
pub(crate) struct DownMix<'a> {
    path: &'a Path,
    samples: Vec<f32>,
    sample_rate: u32,
    channels: usize,
    /// Sum of the channels of the frame at hand, and how many it holds so far.
    sum: f64,
    filled: usize,
}

impl<'a> DownMix<'a> {
    pub(crate) fn new(path: &'a Path, rate: u32, channels: usize) -> Result<Self, AudioError> {
        if !(MIN_SAMPLE_RATE..=MAX_SAMPLE_RATE).contains(&rate) {
            return Err(AudioError::FileRate { path: path.into(), rate });
        }
        if channels == 0 {
            let problem = "its header states 0 channels".into();
            return Err(AudioError::Damaged { path: path.into(), problem });
        }
        Ok(Self { path, samples: Vec::new(), sample_rate: rate, channels, sum: 0.0, filled: 0 })
    }

    pub(crate) fn push(&mut self, sample: f32) -> Result<(), AudioError> {
        if !sample.is_finite() {
            let (index, channel) = (self.samples.len(), self.filled);
            return Err(AudioError::NotFinite {
                path: self.path.into(),
                index,
                channel,
                value: sample,
            });
        }
        self.sum += f64::from(sample);
        self.filled += 1;
        if self.filled == self.channels {
            self.samples.push((self.sum / self.channels as f64) as f32);
            (self.sum, self.filled) = (0.0, 0);
        }
        Ok(())
    }

    pub(crate) fn is(&self, rate: u32, channels: usize) -> bool {
        (self.sample_rate, self.channels) == (rate, channels)
    }

    /// Whole frames so far.
    pub(crate) fn frames(&self) -> usize {
        self.samples.len()
    }

    /// Keeps at most the first `frames` frames.
    pub(crate) fn truncate(&mut self, frames: u64) {
        self.samples.truncate(usize::try_from(frames).unwrap_or(usize::MAX));
    }

    pub(crate) fn finish(self) -> Waveform {
        Waveform { samples: self.samples, sample_rate: self.sample_rate }
    }
}
