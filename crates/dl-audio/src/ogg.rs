//! Whether an Ogg file is whole, page by page: symphonia drops a damaged page
//! with nothing but a log line, and the sample positions that encoders write
//! are too inexact to notice it by.
//!
//! Format: RFC 3533, section 6.

use std::{
    collections::HashMap,
    io::{self, Cursor, ErrorKind, Read},
    path::Path,
};

use dl_core::FileError;

use crate::{AudioError, Waveform, compressed};

/// Flag of the last page of a stream.
const LAST: u8 = 4;

pub(crate) fn decode(path: &Path, bytes: &[u8]) -> Result<Waveform, AudioError> {
    check(path, bytes)?;
    compressed::decode(path, Box::new(Cursor::new(bytes)))
}

/// Reads all pages: each must have its checksum and follow the one before it in
/// its stream, and every stream must end.
fn check(path: &Path, bytes: &[u8]) -> Result<(), AudioError> {
    let mut reader = bytes;
    // Number and flags of the latest page of each stream, by its serial number.
    let mut streams: HashMap<u32, (u32, u8)> = HashMap::new();
    let mut page = Vec::new();
    for position in 0_u64.. {
        let open = streams.values().any(|(_, flags)| flags & LAST == 0) || streams.is_empty();
        let problem = match read_page(&mut reader, &mut page) {
            Ok(PageEnd::Whole { serial, number, flags }) => {
                let before = streams.insert(serial, (number, flags));
                match before {
                    _ if !checksum_holds(&page) => "has a wrong checksum",
                    Some((before, _)) if number != before.wrapping_add(1) => "is out of order",
                    _ => continue,
                }
            }
            // Whatever follows the last page (tags, padding) is no sound.
            Ok(_) if !open => return Ok(()),
            Ok(PageEnd::EndOfFile) => "is missing",
            Ok(PageEnd::NoPage) => "does not begin as a page",
            Ok(PageEnd::Cut) => "is cut off",
            Err(source) => return Err(FileError::io(path, source).into()),
        };
        let problem = format!("page {position} {problem}");
        return Err(AudioError::Damaged { path: path.into(), problem });
    }
    Ok(())
}

enum PageEnd {
    Whole { serial: u32, number: u32, flags: u8 },
    EndOfFile,
    NoPage,
    Cut,
}

/// Reads one page, header and all, into `page`.
fn read_page(reader: &mut impl Read, page: &mut Vec<u8>) -> io::Result<PageEnd> {
    page.clear();
    reader.by_ref().take(27).read_to_end(page)?;
    let [b'O', b'g', b'g', b'S', _, flags, _, _, _, _, _, _, _, _, numbers @ ..] = page.as_slice()
    else {
        return Ok(if page.is_empty() { PageEnd::EndOfFile } else { PageEnd::NoPage });
    };
    let [s0, s1, s2, s3, n0, n1, n2, n3, _, _, _, _, segments] = *numbers else {
        return Ok(PageEnd::Cut);
    };
    let whole = PageEnd::Whole {
        serial: u32::from_le_bytes([s0, s1, s2, s3]),
        number: u32::from_le_bytes([n0, n1, n2, n3]),
        flags: *flags,
    };
    let mut append = |length: usize| -> io::Result<usize> {
        let start = page.len();
        page.resize(start + length, 0);
        reader.read_exact(&mut page[start..])?;
        Ok(page[start..].iter().map(|&byte| usize::from(byte)).sum())
    };
    match append(usize::from(segments)).and_then(append) {
        Ok(_) => Ok(whole),
        Err(error) if error.kind() == ErrorKind::UnexpectedEof => Ok(PageEnd::Cut),
        Err(error) => Err(error),
    }
}

/// The CRC-32 of polynomial 0x04c11db7, most significant bit first, of the page
/// with zeros in the place of the checksum itself (bytes 22 to 25).
fn checksum_holds(page: &[u8]) -> bool {
    let crc = page.iter().enumerate().fold(0_u32, |crc, (at, &byte)| {
        let byte = if (22..26).contains(&at) { 0 } else { byte };
        (crc << 8) ^ CRC[usize::from((crc >> 24) as u8 ^ byte)]
    });
    page.get(22..26) == Some(crc.to_le_bytes().as_slice())
}

/// The checksum of every byte value alone.
const CRC: [u32; 256] = {
    let mut table = [0; 256];
    let mut value = 0;
    while value < 256 {
        let mut crc = (value as u32) << 24;
        let mut bit = 0;
        while bit < 8 {
            crc = if crc >> 31 == 1 { (crc << 1) ^ 0x04c1_1db7 } else { crc << 1 };
            bit += 1;
        }
        table[value] = crc;
        value += 1;
    }
    table
};
