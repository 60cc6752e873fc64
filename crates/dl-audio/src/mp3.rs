//! MP3 files. A walk over the frames proves that they follow one another without a gap,
//! that nothing else lies between them, and that no frame refers to sound that is not
//! there; then symphonia decodes them. (On its own symphonia looks for the next frame
//! wherever it may be, and plays on.)
//!
//! Format: ISO/IEC 11172-3 and 13818-3, layer III. The Xing, Info and VBRI tags are frames
//! of silence that say how many follow (G. Bouvigne, "mp3 Info tag revision 1"; Fraunhofer).

use std::{io::Cursor, ops::Range, path::Path};

use symphonia::core::io::ReadOnlySource;

use crate::{AudioError, Waveform, compressed, tags};

/// Decodes the MP3 within `range` of a file. Places in errors count from the file's start.
pub(crate) fn decode(
    path: &Path,
    file: &[u8],
    range: Range<usize>,
) -> Result<Waveform, AudioError> {
    let bytes = &file[..range.end];
    let zeros = bytes[range.start..].iter().take_while(|&&byte| byte == 0).count();
    let start = range.start + zeros;
    let end = walk(path, bytes, start)?;
    // Could symphonia seek, it would guess the length of a file without a length tag from
    // its bit rate, and drop what lies beyond.
    let frames = ReadOnlySource::new(Cursor::new(&bytes[start..end]));
    compressed::decode(path, Box::new(frames))
}

/// Checks the frames from `start` on and gives the place behind the last one.
fn walk(path: &Path, bytes: &[u8], start: usize) -> Result<usize, AudioError> {
    let damaged = |problem: String| Err(AudioError::Damaged { path: path.into(), problem });
    let unsupported = |found: String| Err(AudioError::Unsupported { path: path.into(), found });
    let mut first: Option<Header> = None;
    let mut promised = None;
    let (mut at, mut frames) = (start, 0_u64);
    let mut reservoir = Reservoir::default();
    while at < bytes.len() {
        let rest = &bytes[at..];
        let header = match Header::of(rest) {
            Ok(header) => header,
            Err(Bad::FreeFormat) => return unsupported("it is MP3 of a free bit rate".into()),
            Err(Bad::NoFrame) if tags::only(rest) => break,
            Err(Bad::NoFrame) if one_tag_then_frame(rest) => return unsupported(joined(at)),
            Err(Bad::NoFrame) => {
                return damaged(format!("at byte {at}, where a frame must begin, there is none"));
            }
        };
        let first = first.get_or_insert(header);
        if !header.is_like(first) {
            return damaged(format!("its sample rate or channels change at byte {at}"));
        }
        let Some(frame) = rest.get(..header.size) else {
            return Err(AudioError::Truncated {
                path: path.into(),
                found: rest.len() as u64,
                expected: header.size as u64,
                unit: "bytes of its last frame",
            });
        };
        match length_tag(frame, &header) {
            Some(tag) if at == start => promised = tag,
            Some(_) => return unsupported(joined(at)),
            None => {
                frames += 1;
                if !reservoir.holds(frame, &header) {
                    return damaged(format!("the sound before byte {at} is missing"));
                }
            }
        }
        at += header.size;
    }
    match promised {
        Some(promised) if frames > u64::from(promised) => {
            damaged(format!("its first frame promises {promised} frames, but there are {frames}"))
        }
        _ => Ok(at),
    }
}

fn joined(at: usize) -> String {
    format!("it is several MP3 files joined end to end, another one from byte {at} on")
}

/// Whether a frame follows a tag, as where files with tags were joined.
fn one_tag_then_frame(bytes: &[u8]) -> bool {
    let leading = tags::leading(bytes);
    let after = match bytes {
        [b'T', b'A', b'G', ..] => bytes.get(128..),
        _ => bytes.get(leading..).filter(|_| leading > 0),
    };
    after.is_some_and(|after| {
        let after = &after[tags::leading(after)..];
        Header::of(after).is_ok()
    })
}

/// What the four bytes at the beginning of a frame say.
#[derive(Clone, Copy)]
struct Header {
    /// MPEG-1, not one of its extensions to low rates.
    mpeg1: bool,
    rate: u32,
    channels: usize,
    has_checksum: bool,
    /// Bytes of the frame, these four included.
    size: usize,
}

enum Bad {
    NoFrame,
    /// A frame whose size only the next one tells.
    FreeFormat,
}

impl Header {
    fn of(bytes: &[u8]) -> Result<Self, Bad> {
        let &[0xff, b, c, d, ..] = bytes else { return Err(Bad::NoFrame) };
        let (version, layer) = (b >> 3 & 0b11, b >> 1 & 0b11);
        let (bit_rate, rate) = (usize::from(c >> 4), usize::from(c >> 2 & 0b11));
        if b >> 5 != 0b111 || version == 0b01 || layer != 0b01 || bit_rate == 15 || rate == 3 {
            return Err(Bad::NoFrame);
        }
        if bit_rate == 0 {
            return Err(Bad::FreeFormat);
        }
        let mpeg1 = version == 0b11;
        let halvings = match version {
            0b11 => 0,
            0b10 => 1,
            _ => 2,
        };
        let rate = [44_100, 48_000, 32_000][rate] >> halvings;
        let kilobits = if mpeg1 { MPEG1_KILOBITS } else { MPEG2_KILOBITS }[bit_rate];
        let slots = if mpeg1 { 144_000 } else { 72_000 };
        let padding = u32::from(c >> 1 & 1);
        Ok(Self {
            mpeg1,
            rate,
            channels: if d >> 6 == 0b11 { 1 } else { 2 },
            has_checksum: b & 1 == 0,
            size: (slots * kilobits / rate + padding) as usize,
        })
    }

    fn is_like(&self, other: &Self) -> bool {
        let of = |header: &Self| (header.mpeg1, header.rate, header.channels);
        of(self) == of(other)
    }

    /// Bytes between the header and the side information.
    fn checksum(&self) -> usize {
        if self.has_checksum { 2 } else { 0 }
    }

    fn side_info(&self) -> usize {
        match (self.mpeg1, self.channels) {
            (true, 1) | (false, 2) => 17,
            (true, _) => 32,
            (false, _) => 9,
        }
    }
}

/// By the four bits of the header, from 1 on.
const MPEG1_KILOBITS: [u32; 15] =
    [0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320];
const MPEG2_KILOBITS: [u32; 15] = [0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160];

/// Whether a frame is a length tag, and the number of frames that it promises.
fn length_tag(frame: &[u8], header: &Header) -> Option<Option<u32>> {
    let number = |at: usize| {
        let bytes = frame.get(at..at + 4)?;
        Some(u32::from_be_bytes(bytes.try_into().ok()?))
    };
    // Both stand in a frame of silence, whose side information is zero.
    let is = |names: &[&[u8]], at: usize| {
        let silent = || frame[4 + header.checksum()..at].iter().all(|&byte| byte == 0);
        names.contains(&frame.get(at..at + 4).unwrap_or_default()) && silent()
    };
    let xing = 4 + header.side_info();
    if is(&[b"Xing", b"Info"], xing) {
        let has_frames = number(xing + 4).is_some_and(|flags| flags & 1 == 1);
        return Some(number(xing + 8).filter(|_| has_frames));
    }
    is(&[b"VBRI"], 36).then(|| number(36 + 14))
}

/// The sound that earlier frames hold for later ones: a frame may begin up to 511 bytes
/// before its own header.
#[derive(Default)]
struct Reservoir {
    /// Bytes that no frame has used yet.
    unused: usize,
    /// Bytes of sound since the beginning.
    total: usize,
}

impl Reservoir {
    /// Whether all that `frame` refers to is there. A file that was cut out of a longer one
    /// may begin with frames that refer to before its beginning.
    fn holds(&mut self, frame: &[u8], header: &Header) -> bool {
        let side = &frame[(4 + header.checksum()).min(frame.len())..];
        let own = side.len().saturating_sub(header.side_info());
        let mut bits = Bits { bytes: side, at: 0 };
        let before = bits.take(if header.mpeg1 { 9 } else { 8 });
        bits.at += match (header.mpeg1, header.channels) {
            (true, 1) => 5 + 4,
            (true, _) => 3 + 8,
            (false, channels) => channels,
        };
        let (granules, granule) = if header.mpeg1 { (2, 59) } else { (1, 63) };
        let mut used = 0;
        for _ in 0..granules * header.channels {
            used += bits.take(12);
            bits.at += granule - 12;
        }
        let there = before <= self.unused || before > self.total;
        let held = before.min(self.unused) + own;
        self.unused = held.saturating_sub(used.div_ceil(8));
        self.total += own;
        there
    }
}

/// Numbers of some bits each, most significant first; zeros beyond the end.
struct Bits<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl Bits<'_> {
    fn take(&mut self, count: usize) -> usize {
        (0..count).fold(0, |number, _| {
            let byte = self.bytes.get(self.at / 8).copied().unwrap_or(0);
            let bit = byte >> (7 - self.at % 8) & 1;
            self.at += 1;
            number << 1 | usize::from(bit)
        })
    }
}
