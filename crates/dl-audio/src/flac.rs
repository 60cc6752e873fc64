//! FLAC files: what symphonia needs to be told, then symphonia.
//!
//! Format: RFC 9639. The frames of a stream follow one another, and each ends in its
//! CRC-16, after which the running sum is zero again: so the last place where it is zero
//! is the end of the sound, whatever was put behind it.

use std::{borrow::Cow, io::Cursor, path::Path};

use crate::{AudioError, Waveform, compressed, tags};

/// Bytes of a stream information block.
const STREAM_INFO: usize = 34;
/// More than this behind the last whole frame is not a stray byte but a damaged sound.
const STRAY: usize = 64;

/// What a file says of its stream.
struct Stream {
    min_block: u16,
    max_block: u16,
    channels: u8,
    bits: u8,
    samples: u64,
    /// Where the frames begin.
    frames: usize,
}

pub(crate) fn decode(path: &Path, bytes: &[u8]) -> Result<Waveform, AudioError> {
    let bytes = &bytes[..tags::trailing(bytes)];
    // Where the beginning is damaged, symphonia says how.
    let Some(stream) = Stream::of(bytes) else {
        return compressed::decode(path, Box::new(Cursor::new(bytes)));
    };
    if stream.bits == 32 && stream.channels == 2 {
        // The difference of two channels has 33 bits, which symphonia does not hold.
        let found = "FLAC with two channels of 32 bits".into();
        return Err(AudioError::Unsupported { path: path.into(), found });
    }
    let end = stream.end(bytes);
    let behind = bytes.len() - end;
    // Where the number of samples is not stated, nothing vouches for the end.
    if behind > 0 && stream.samples == 0 {
        let problem = format!("{behind} bytes follow its last whole frame, at byte {end}");
        return Err(AudioError::Damaged { path: path.into(), problem });
    }
    let sound = if behind > STRAY { bytes } else { &bytes[..end] };
    let whole = stream.with_block_sizes(sound);
    compressed::decode(path, Box::new(Cursor::new(whole)))
}

impl Stream {
    fn of(bytes: &[u8]) -> Option<Self> {
        let mut at = 4; // Past "fLaC".
        let mut info = None;
        loop {
            let &[kind, a, b, c] = bytes.get(at..at + 4)? else { return None };
            let length = u32::from_be_bytes([0, a, b, c]) as usize;
            at += 4;
            if kind & 0x7f == 0 && length == STREAM_INFO {
                info = info.or(bytes.get(at..at + STREAM_INFO));
            }
            at = at.checked_add(length).filter(|&at| at <= bytes.len())?;
            if kind & 0x80 != 0 {
                break;
            }
        }
        let info = info?;
        // 20 bits of sample rate, 3 of channels, 5 of bits, 36 of samples.
        let packed = u64::from_be_bytes(info[10..18].try_into().ok()?);
        Some(Self {
            min_block: u16::from_be_bytes([info[0], info[1]]),
            max_block: u16::from_be_bytes([info[2], info[3]]),
            channels: (packed >> 41 & 0x7) as u8 + 1,
            bits: (packed >> 36 & 0x1f) as u8 + 1,
            samples: packed & 0xf_ffff_ffff,
            frames: at,
        })
    }

    /// Where the last whole frame ends.
    fn end(&self, bytes: &[u8]) -> usize {
        let mut end = self.frames;
        let mut crc = 0_u16;
        for (at, &byte) in bytes.iter().enumerate().skip(self.frames) {
            crc = crc << 8 ^ CRC[usize::from((crc >> 8) as u8 ^ byte)];
            if crc == 0 {
                end = at + 1;
            }
        }
        end
    }

    /// A least block below 16, which the format forbids and encoders write, as symphonia
    /// takes it: the greatest where all blocks are alike, else 16.
    fn with_block_sizes<'a>(&self, bytes: &'a [u8]) -> Cow<'a, [u8]> {
        let info = 8; // Past "fLaC" and the header of the block, which comes first.
        if self.min_block >= 16 || self.max_block < 16 || bytes.get(4).is_none_or(|k| k & 0x7f != 0)
        {
            return bytes.into();
        }
        let alike = bytes.get(self.frames + 1).is_some_and(|second| second & 1 == 0);
        let least = if alike { self.max_block } else { 16 };
        let mut bytes = bytes.to_vec();
        bytes[info..info + 2].copy_from_slice(&least.to_be_bytes());
        bytes.into()
    }
}

/// CRC-16 of polynomial 0x8005, most significant bit first, of every byte value alone.
const CRC: [u16; 256] = {
    let mut table = [0; 256];
    let mut value = 0;
    while value < 256 {
        let mut crc = (value as u16) << 8;
        let mut bit = 0;
        while bit < 8 {
            crc = if crc >> 15 == 1 { crc << 1 ^ 0x8005 } else { crc << 1 };
            bit += 1;
        }
        table[value] = crc;
        value += 1;
    }
    table
};
