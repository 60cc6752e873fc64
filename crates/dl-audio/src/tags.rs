//! Tags around a sound: titles, cover art and the like, which say nothing of the samples.
//!
//! Formats: ID3v2.2 to 2.4 (id3.org), ID3v1 with its "enhanced" and Lyrics3 relatives,
//! APEv1 and APEv2 (wiki.hydrogenaud.io).

/// Length of the ID3v2 tags at the beginning. One that is longer than the file is none.
pub(crate) fn leading(bytes: &[u8]) -> usize {
    let mut length = 0;
    while let Some(tag) = id3v2(&bytes[length..]) {
        length += tag;
    }
    length
}

/// Whether `bytes`, which follow the last sound of a file, are tags and zeros alone.
pub(crate) fn only(bytes: &[u8]) -> bool {
    let mut rest = bytes;
    while !rest.is_empty() {
        let length = one(rest);
        if length == 0 {
            return false;
        }
        rest = &rest[length..];
    }
    true
}

/// Where the tags and zeros that end a file begin; its length when there are none.
pub(crate) fn trailing(bytes: &[u8]) -> usize {
    let mut end = bytes.len();
    loop {
        let rest = &bytes[..end];
        let ends_with = |tag: &[u8], length: usize| {
            rest.len() >= length && rest[rest.len() - length..].starts_with(tag)
        };
        let length = if ends_with(b"TAG", ID3V1) {
            ID3V1
        } else if ends_with(b"TAG+", ENHANCED) {
            ENHANCED
        } else if ends_with(b"APETAGEX", APE_FOOTER) {
            ape_from_footer(&rest[rest.len() - APE_FOOTER..])
        } else {
            0
        };
        if length == 0 || length > end {
            return end;
        }
        end -= length;
    }
}

const ID3V1: usize = 128;
const ENHANCED: usize = 227;
const APE_FOOTER: usize = 32;

/// Length of the tag or the zeros at the beginning; 0 when there are none.
fn one(bytes: &[u8]) -> usize {
    let whole = |length: usize| if length <= bytes.len() { length } else { 0 };
    match bytes {
        [0, ..] => bytes.iter().take_while(|&&byte| byte == 0).count(),
        [b'T', b'A', b'G', b'+', ..] if bytes.len() >= ENHANCED => ENHANCED,
        [b'T', b'A', b'G', ..] => whole(ID3V1),
        [b'I', b'D', b'3', ..] => id3v2(bytes).unwrap_or(0),
        _ if bytes.starts_with(b"APETAGEX") && bytes.len() >= APE_FOOTER => {
            whole(ape_from_header(bytes))
        }
        _ if bytes.starts_with(b"LYRICSBEGIN") => {
            let ends: [&[u8]; 2] = [b"LYRICS200", b"LYRICSEND"];
            let found = bytes.windows(9).position(|window| ends.contains(&window));
            found.map_or(0, |start| start + 9)
        }
        _ => 0,
    }
}

/// Length of an ID3v2 tag, its header and footer included.
fn id3v2(bytes: &[u8]) -> Option<usize> {
    let [b'I', b'D', b'3', _, _, flags, a, b, c, d, ..] = *bytes else { return None };
    // Seven bits a byte.
    let bits = [a, b, c, d];
    if bits.iter().any(|&byte| byte >= 0x80) {
        return None;
    }
    let size = bits.iter().fold(0, |size, &byte| size << 7 | usize::from(byte));
    let footer = if flags & 0x10 != 0 { 10 } else { 0 };
    Some(10 + size + footer).filter(|&length| length <= bytes.len())
}

fn ape_size(block: &[u8]) -> usize {
    u32::from_le_bytes([block[12], block[13], block[14], block[15]]) as usize
}

/// The size counts the footer and not the header.
fn ape_from_header(header: &[u8]) -> usize {
    APE_FOOTER.saturating_add(ape_size(header))
}

fn ape_from_footer(footer: &[u8]) -> usize {
    let has_header = footer[23] & 0x80 != 0;
    ape_size(footer).max(APE_FOOTER).saturating_add(if has_header { APE_FOOTER } else { 0 })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id3(size: usize) -> Vec<u8> {
        let bits = [21, 14, 7, 0].map(|shift| (size >> shift & 0x7f) as u8);
        [&b"ID3\x04\x00\x00"[..], &bits, &vec![7; size]].concat()
    }

    /// Items of 5 bytes between a header and a footer; the footer says whether there is one.
    fn ape() -> Vec<u8> {
        let block = |flags: u8| {
            let mut block = b"APETAGEX\xd0\x07\x00\x00".to_vec();
            block.extend((5 + 32_u32).to_le_bytes());
            block.extend([1, 0, 0, 0, 0, 0, 0, flags]);
            block.extend([0; 8]);
            block
        };
        [block(0xa0), vec![9; 5], block(0x80)].concat()
    }

    #[test]
    fn leading_tags_of_any_size_are_measured() {
        assert_eq!(leading(b"RIFF"), 0);
        let cover = id3(2_000_000);
        assert_eq!(leading(&[&cover[..], b"x"].concat()), 2_000_010);
        assert_eq!(leading(&[id3(3), id3(200), vec![1]].concat()), 13 + 210);
        // One that promises more than there is.
        assert_eq!(leading(&cover[..1000]), 0);
    }

    #[test]
    fn trailing_tags_are_found_in_any_order() {
        let id3v1 = [&b"TAG"[..], &[b' '; 125]].concat();
        for (tags, what) in [
            (vec![], "none"),
            (id3v1.clone(), "ID3v1"),
            (ape(), "APE"),
            ([ape(), id3v1.clone()].concat(), "both"),
        ] {
            let file = [&[1_u8, 2, 3][..], &tags].concat();
            assert_eq!(trailing(&file), 3, "{what}");
            assert!(only(&tags), "{what}");
        }
        assert!(only(&[vec![0; 9], id3(4), id3v1].concat()));
        assert!(!only(b"TAG") && !only(&[0, 0, 1]) && !only(b"APETAGEX"));
        // A size that is longer than the file.
        let mut long = ape();
        let footer = long.len() - 20;
        long[footer..footer + 4].fill(0xff);
        assert_eq!(trailing(&long), long.len());
    }
}
