//! WAV files. A walk over the chunks finds the format and the samples and
//! proves that the file holds all it promises; hound then decodes the samples
//! behind a plain header made from that. (On its own hound loses its place after
//! a chunk of odd length, takes 24 valid bits in a 32-bit container for the low
//! ones, and says "failed to read enough bytes" of a file cut short.)
//!
//! Format: Microsoft's "Multimedia Programming Interface and Data
//! Specifications 1.0" and its WAVEFORMATEXTENSIBLE addition, in which the
//! valid bits of a sample are the high ones of its container.

use std::{
    io::{self, BufReader, Cursor, Read, Seek, SeekFrom},
    path::Path,
};

use crate::{AudioError, Waveform, decode::DownMix};

const PCM: u16 = 1;
const IEEE_FLOAT: u16 = 3;
const EXTENSIBLE: u16 = 0xfffe;
/// A data length that programs write when they cannot go back to correct it.
const UNKNOWN_LENGTH: u32 = u32::MAX;

/// The part of a `fmt ` chunk that matters.
#[derive(Clone, Copy)]
struct Format {
    tag: u16,
    channels: u16,
    sample_rate: u32,
    bytes_per_frame: u16,
}

impl Format {
    fn bytes_per_sample(self) -> u16 {
        self.bytes_per_frame / self.channels
    }
}

pub(crate) fn decode<S: Read + Seek>(path: &Path, source: S) -> Result<Waveform, AudioError> {
    let mut reader = BufReader::new(source);
    let unreadable = |source| AudioError::Read { path: path.into(), source };
    let end = reader.seek(SeekFrom::End(0)).map_err(unreadable)?;
    let (format, start, length) = find_data(path, &mut reader, end)?;
    reader.seek(SeekFrom::Start(start)).map_err(unreadable)?;
    let mut mix = DownMix::new(path, format.sample_rate, usize::from(format.channels))?;
    let data = reader.take(u64::from(length));
    match (format.tag, format.bytes_per_sample()) {
        (PCM, bytes @ 1..=4) => {
            let scale = 0.5_f64.powi(8 * i32::from(bytes) - 1);
            for sample in hound_reader(path, format, length, data)?.into_samples::<i32>() {
                let sample = sample.map_err(|error| damaged(path, &error))?;
                mix.push((f64::from(sample) * scale) as f32)?;
            }
        }
        (IEEE_FLOAT, 4) => {
            for sample in hound_reader(path, format, length, data)?.into_samples::<f32>() {
                mix.push(sample.map_err(|error| damaged(path, &error))?)?;
            }
        }
        // hound stops at 32 bits, but numerical tools write doubles by default.
        (IEEE_FLOAT, 8) => {
            let mut data = data;
            let mut bytes = [0; 8];
            for _ in 0..length / 8 {
                data.read_exact(&mut bytes).map_err(unreadable)?;
                mix.push(f64::from_le_bytes(bytes) as f32)?;
            }
        }
        (tag, bytes) => {
            let bits = 8 * u32::from(bytes);
            let found = match tag {
                PCM => format!("WAV with {bits}-bit integer samples"),
                IEEE_FLOAT => format!("WAV with {bits}-bit float samples"),
                2 | 0x11 => "WAV with ADPCM samples".into(),
                6 => "WAV with A-law samples".into(),
                7 => "WAV with mu-law samples".into(),
                other => format!("WAV with samples of type {other:#06x}"),
            };
            return Err(AudioError::Unsupported { path: path.into(), found });
        }
    }
    Ok(mix.finish())
}

/// The format, and where the samples begin and how many bytes of whole frames
/// there are.
fn find_data<R: Read + Seek>(
    path: &Path,
    reader: &mut R,
    end: u64,
) -> Result<(Format, u64, u32), AudioError> {
    let mut format = None;
    let mut position = 12; // Past "RIFF", its length, and "WAVE".
    loop {
        let mut header = [0; 8];
        reader
            .seek(SeekFrom::Start(position))
            .and_then(|_| reader.read_exact(&mut header))
            .map_err(|error| ended(path, error, "before its samples"))?;
        let [a, b, c, d, length @ ..] = header;
        let length = u32::from_le_bytes(length);
        position += 8;
        match &[a, b, c, d] {
            b"fmt " => format = Some(read_format(path, reader, length)?),
            b"data" => {
                let format = format.ok_or_else(|| {
                    let problem = "its samples come before their format".into();
                    AudioError::Damaged { path: path.into(), problem }
                })?;
                let there = end - position;
                let length = match length {
                    UNKNOWN_LENGTH => there.min(u64::from(u32::MAX)) as u32,
                    _ if u64::from(length) > there => {
                        return Err(AudioError::Truncated {
                            path: path.into(),
                            found: there,
                            expected: u64::from(length),
                            unit: "bytes of sound",
                        });
                    }
                    _ => length,
                };
                let whole = length - length % u32::from(format.bytes_per_frame);
                return Ok((format, position, whole));
            }
            _ => {}
        }
        // Chunks begin at even offsets.
        position += u64::from(length) + u64::from(length % 2);
    }
}

fn read_format(path: &Path, reader: &mut impl Read, length: u32) -> Result<Format, AudioError> {
    let mut chunk = Vec::new();
    reader
        .take(u64::from(length.min(40)))
        .read_to_end(&mut chunk)
        .map_err(|source| AudioError::Read { path: path.into(), source })?;
    let short = |at: usize| match chunk.get(at..at + 2) {
        Some(&[low, high]) => Ok(u16::from_le_bytes([low, high])),
        _ => Err(ended(path, io::ErrorKind::UnexpectedEof.into(), "within its format")),
    };
    let mut format = Format {
        tag: short(0)?,
        channels: short(2)?,
        sample_rate: u32::from(short(4)?) | u32::from(short(6)?) << 16,
        bytes_per_frame: short(12)?,
    };
    let bits = short(14)?;
    if format.tag == EXTENSIBLE {
        // The true type is the beginning of the subformat GUID.
        format.tag = short(24)?;
    }
    let whole = format.channels > 0 && format.bytes_per_frame.is_multiple_of(format.channels);
    if !whole || format.bytes_per_sample() == 0 || bits.div_ceil(8) > format.bytes_per_sample() {
        let Format { channels, bytes_per_frame, .. } = format;
        let problem = format!(
            "its header states {channels} channels of {bits} bits in {bytes_per_frame} bytes"
        );
        return Err(AudioError::Damaged { path: path.into(), problem });
    }
    Ok(format)
}

/// hound over the samples alone, behind the plainest header that describes them.
fn hound_reader<R: Read>(
    path: &Path,
    format: Format,
    length: u32,
    data: R,
) -> Result<hound::WavReader<impl Read>, AudioError> {
    let mut header = Vec::with_capacity(44);
    header.extend(b"RIFF");
    header.extend(length.saturating_add(36).to_le_bytes());
    header.extend(b"WAVEfmt ");
    header.extend(16_u32.to_le_bytes());
    header.extend(format.tag.to_le_bytes());
    header.extend(format.channels.to_le_bytes());
    // Samples per second: of no use here, and the bytes per second must agree.
    header.extend(1_u32.to_le_bytes());
    header.extend(u32::from(format.bytes_per_frame).to_le_bytes());
    header.extend(format.bytes_per_frame.to_le_bytes());
    header.extend((8 * format.bytes_per_sample()).to_le_bytes());
    header.extend(b"data");
    header.extend(length.to_le_bytes());
    hound::WavReader::new(Cursor::new(header).chain(data)).map_err(|error| damaged(path, &error))
}

fn ended(path: &Path, error: io::Error, place: &str) -> AudioError {
    if error.kind() == io::ErrorKind::UnexpectedEof {
        let problem = format!("the file ends {place}");
        AudioError::Damaged { path: path.into(), problem }
    } else {
        AudioError::Read { path: path.into(), source: error }
    }
}

fn damaged(path: &Path, error: &hound::Error) -> AudioError {
    AudioError::Damaged { path: path.into(), problem: error.to_string() }
}
