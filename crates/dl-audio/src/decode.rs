//! From a sound file to a mono waveform, whatever its name says: the first bytes
//! decide. WAV goes through hound, Vorbis of more than two channels through lewton,
//! everything else through symphonia.
//!
//! What wraps a file (ID3 and APE tags) is taken off first. Each container then proves
//! that the file is whole before it is decoded.

use std::path::Path;

use dl_core::regular;

use crate::{AudioError, Waveform, flac, mp3, ogg, tags, wav};

/// Reads a WAV (8- to 32-bit integer, 32- or 64-bit float, or MP3 within), FLAC, MP3 or
/// Ogg Vorbis file and mixes its channels down to their mean. Integer samples are
/// scaled to [-1, 1); float samples come as they are. The whole file is held in memory
/// meanwhile.
///
/// # Errors
/// [`AudioError`], naming the file: it cannot be read or is no regular file (a folder, a
/// named pipe, a device), is empty, is no sound file, is cut short or damaged, holds no
/// samples or ones that are not finite, or states a sample rate outside of 1 kHz to
/// 768 kHz.
pub fn load(path: &Path) -> Result<Waveform, AudioError> {
    decode_bytes(path, regular::read(path)?)
}

/// As [`load`], from the bytes of a file; `name` is for error messages.
///
/// # Errors
/// As [`load`].
pub fn decode_bytes(name: &Path, bytes: Vec<u8>) -> Result<Waveform, AudioError> {
    let decoded = decode(name, &bytes)?;
    if decoded.samples.is_empty() {
        return Err(AudioError::NoSamples { path: name.into() });
    }
    Ok(decoded)
}

fn decode(path: &Path, file: &[u8]) -> Result<Waveform, AudioError> {
    let unsupported =
        |found: &str| Err(AudioError::Unsupported { path: path.into(), found: found.into() });
    let start = tags::leading(file);
    let bytes = &file[start..];
    match Container::of(bytes) {
        Container::Wav => wav::decode(path, bytes),
        Container::Ogg => ogg::decode(path, bytes),
        Container::Flac => flac::decode(path, bytes),
        Container::Mp3 => mp3::decode(path, file, start..file.len()),
        Container::Nothing if start == 0 => Err(AudioError::Empty { path: path.into() }),
        Container::Nothing => unsupported("it holds nothing but an ID3 tag"),
        Container::Other(found) => unsupported(found),
    }
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
    fn of(bytes: &[u8]) -> Self {
        let head = &bytes[..bytes.len().min(16)];
        match head {
            [] => Self::Nothing,
            [b'R', b'I', b'F', b'F', _, _, _, _, b'W', b'A', b'V', b'E', ..] => Self::Wav,
            [b'R', b'I', b'F', b'F', ..] if head.len() < 12 => Self::Wav,
            [b'f', b'L', b'a', b'C', ..] => Self::Flac,
            [b'O', b'g', b'g', b'S', ..] => Self::Ogg,
            [0xff, second, ..] if is_layer_3(*second) => Self::Mp3,
            [b'R', b'F', b'6', b'4', ..] => Self::Other("it is a WAV file of the RF64 kind"),
            [b'R', b'I', b'F', b'X', ..] => Self::Other("it is a big-endian WAV file"),
            [b'F', b'O', b'R', b'M', ..] => Self::Other("it is an AIFF file"),
            [_, _, _, _, b'f', b't', b'y', b'p', ..] => Self::Other("it is an MP4 or M4A file"),
            [0x1a, 0x45, 0xdf, 0xa3, ..] => Self::Other("it is a WebM or Matroska file"),
            [0xff, second, ..] if second & 0xf6 == 0xf0 => Self::Other("it is an AAC file"),
            [0xff, second, ..] if second & 0xe6 == 0xe4 => {
                Self::Other("it is MPEG audio of layer II")
            }
            [b'I', b'D', b'3', ..] => Self::Other("its ID3 tag is cut short or damaged"),
            [0, ..] => Self::after_zeros(bytes),
            _ if head.iter().all(|byte| byte.is_ascii_graphic() || byte.is_ascii_whitespace()) => {
                Self::Other("it looks like text")
            }
            _ => Self::Other("its first bytes are of no known sound format"),
        }
    }

    /// Some writers leave zeros before the first frame of MP3, and nothing else does.
    fn after_zeros(bytes: &[u8]) -> Self {
        let zeros = bytes.iter().take_while(|&&byte| byte == 0).count();
        match &bytes[zeros..] {
            [] => Self::Other("it holds nothing but zeros"),
            [0xff, second, ..] if is_layer_3(*second) => Self::Mp3,
            _ => Self::Other("its first bytes are of no known sound format"),
        }
    }
}

/// Whether this is the second byte of an MPEG audio frame of layer III.
fn is_layer_3(byte: u8) -> bool {
    let (sync, version, layer) = (byte >> 5, (byte >> 3) & 0b11, (byte >> 1) & 0b11);
    sync == 0b111 && version != 0b01 && layer == 0b01
}
