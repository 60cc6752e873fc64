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
    io::{Cursor, Read},
    ops::Range,
    path::Path,
};

use crate::{AudioError, Waveform, down_mix::DownMix, guard, mp3};

const PCM: u16 = 1;
const IEEE_FLOAT: u16 = 3;
const MP3: u16 = 0x55;
const EXTENSIBLE: u16 = 0xfffe;

/// Data lengths that programs write when they cannot go back to correct them, as into a
/// pipe: about the greatest signed and unsigned numbers, with or without room for the
/// header (0x7fffffff, 0x80000000, 0xffff1000, 0xffffffff are seen).
const PLACEHOLDERS: [std::ops::RangeInclusive<u32>; 2] =
    [0x7fff_0000..=0x8000_ffff, 0xffff_0000..=0xffff_ffff];

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

pub(crate) fn decode(path: &Path, bytes: &[u8]) -> Result<Waveform, AudioError> {
    let (format, data) = find_data(path, bytes)?;
    if format.tag == MP3 {
        return mp3::decode(path, &bytes[..data.end], data);
    }
    guard::decoder(path, || samples(path, format, &bytes[data]))
}

fn samples(path: &Path, format: Format, data: &[u8]) -> Result<Waveform, AudioError> {
    let mut mix = DownMix::new(path, format.sample_rate, usize::from(format.channels))?;
    match (format.tag, format.bytes_per_sample()) {
        (PCM, width @ 1..=4) => {
            let scale = 0.5_f64.powi(8 * i32::from(width) - 1);
            for sample in hound_reader(path, format, data)?.into_samples::<i32>() {
                let sample = sample.map_err(|error| damaged(path, error))?;
                mix.push((f64::from(sample) * scale) as f32)?;
            }
        }
        (IEEE_FLOAT, 4) => {
            for sample in hound_reader(path, format, data)?.into_samples::<f32>() {
                mix.push(sample.map_err(|error| damaged(path, error))?)?;
            }
        }
        // hound stops at 32 bits, but numerical tools write doubles by default.
        (IEEE_FLOAT, 8) => {
            for &sample in data.as_chunks::<8>().0 {
                mix.push(f64::from_le_bytes(sample) as f32)?;
            }
        }
        (tag, width) => {
            let bits = 8 * u32::from(width);
            let found = match tag {
                PCM => format!("WAV with {bits}-bit integer samples"),
                IEEE_FLOAT => format!("WAV with {bits}-bit float samples"),
                2 | 0x11 => "WAV with ADPCM samples".into(),
                6 => "WAV with A-law samples".into(),
                7 => "WAV with mu-law samples".into(),
                0x50 => "WAV with MPEG audio of layer I or II".into(),
                0xff | 0x1600..=0x1602 => "WAV with AAC".into(),
                other => format!("WAV with samples of type {other:#06x}"),
            };
            return Err(AudioError::Unsupported { path: path.into(), found });
        }
    }
    Ok(mix.finish())
}

/// The format, and where the samples lie: whole frames of them.
fn find_data(path: &Path, bytes: &[u8]) -> Result<(Format, Range<usize>), AudioError> {
    let ended = |place: &str| damaged(path, format!("the file ends {place}"));
    let mut format = None;
    let riff = bytes.get(4..8).and_then(number).ok_or_else(|| ended("before its samples"))?;
    let mut position: usize = 12; // Past "RIFF", its length, and "WAVE".
    loop {
        let header = bytes.get(position..).and_then(|rest| rest.get(..8));
        let header = header.ok_or_else(|| ended("before its samples"))?;
        let length = number(&header[4..]).unwrap_or_default();
        position += 8;
        let there = bytes.len() - position;
        match &header[..4] {
            b"fmt " => format = Some(read_format(path, &bytes[position..], length)?),
            b"data" => {
                let format =
                    format.ok_or_else(|| damaged(path, "its samples come before their format"))?;
                let never_filled_in = match length {
                    // An empty chunk, unless not even the whole was given its length.
                    0 => riff as usize <= position || is_placeholder(riff),
                    _ => is_placeholder(length) && length as usize > there,
                };
                let length = if never_filled_in { there } else { length as usize };
                if length > there {
                    return Err(AudioError::Truncated {
                        path: path.into(),
                        found: there as u64,
                        expected: length as u64,
                        unit: "bytes of sound",
                    });
                }
                let frame = match format.tag {
                    MP3 => 1,
                    _ => usize::from(format.bytes_per_frame),
                };
                return Ok((format, position..position + length - length % frame));
            }
            _ => {}
        }
        // Chunks begin at even offsets.
        position = position.saturating_add(length as usize).saturating_add(length as usize % 2);
    }
}

fn is_placeholder(length: u32) -> bool {
    PLACEHOLDERS.iter().any(|range| range.contains(&length))
}

fn number(bytes: &[u8]) -> Option<u32> {
    Some(u32::from_le_bytes(bytes.try_into().ok()?))
}

fn read_format(path: &Path, bytes: &[u8], length: u32) -> Result<Format, AudioError> {
    let chunk = &bytes[..bytes.len().min(length as usize)];
    let short = |at: usize| match chunk.get(at..at + 2) {
        Some(&[low, high]) => Ok(u16::from_le_bytes([low, high])),
        _ => Err(damaged(path, "the file ends within its format")),
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
    // Frames of MP3 have no fixed number of bytes.
    if format.tag == MP3 {
        return Ok(Format { bytes_per_frame: format.channels, ..format });
    }
    let whole = format.channels > 0 && format.bytes_per_frame.is_multiple_of(format.channels);
    if !whole || format.bytes_per_sample() == 0 || bits.div_ceil(8) > format.bytes_per_sample() {
        let Format { channels, bytes_per_frame, .. } = format;
        return Err(damaged(
            path,
            format!(
                "its header states {channels} channels of {bits} bits in {bytes_per_frame} bytes"
            ),
        ));
    }
    Ok(format)
}

/// hound over the samples alone, behind the plainest header that describes them.
fn hound_reader<'a>(
    path: &Path,
    format: Format,
    data: &'a [u8],
) -> Result<hound::WavReader<impl Read + use<'a>>, AudioError> {
    // hound asks for 32 bits of length; a longer file is none that WAV can describe.
    let length = u32::try_from(data.len()).unwrap_or(u32::MAX);
    let length = length - length % u32::from(format.bytes_per_frame);
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
    hound::WavReader::new(Cursor::new(header).chain(data)).map_err(|error| damaged(path, error))
}

fn damaged(path: &Path, problem: impl ToString) -> AudioError {
    AudioError::Damaged { path: path.into(), problem: problem.to_string() }
}
