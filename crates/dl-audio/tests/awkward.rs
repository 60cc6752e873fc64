//! Files that other decoders mistake, or that are wrapped, joined, torn or never finished:
//! each is decoded whole, or refused with the true cause.
#![allow(clippy::unwrap_used, reason = "a test may fail")]

mod common;

use std::{fs, path::Path};

use common::golden;
use dl_audio::{Waveform, decode_bytes, load};

fn decode(bytes: &[u8]) -> Result<Waveform, String> {
    decode_bytes(Path::new("x"), bytes.to_vec()).map_err(|error| error.to_string())
}

fn file(name: &str) -> Vec<u8> {
    fs::read(golden(name)).unwrap()
}

fn fault(bytes: &[u8]) -> String {
    decode(bytes).map(|sound| sound.samples.len()).unwrap_err()
}

/// An ID3v2.4 tag with so many bytes of picture.
fn id3v2(size: usize) -> Vec<u8> {
    let bits = [21, 14, 7, 0].map(|shift| (size >> shift & 0x7f) as u8);
    [&b"ID3\x04\x00\x00"[..], &bits, &vec![0xff; size]].concat()
}

fn id3v1() -> Vec<u8> {
    [&b"TAG"[..], &[b' '; 125]].concat()
}

fn ape() -> Vec<u8> {
    let block = |flags: u8| {
        let sizes = [&2000_u32.to_le_bytes()[..], &37_u32.to_le_bytes(), &1_u32.to_le_bytes()];
        [&b"APETAGEX"[..], &sizes.concat(), &[0, 0, 0, flags], &[0; 8]].concat()
    };
    [block(0xa0), vec![9; 5], block(0x80)].concat()
}

/// Where the frames of an MP3 file begin; all of `tone.mp3` share two bytes of header.
fn frames(mp3: &[u8]) -> Vec<usize> {
    (0..mp3.len() - 1).filter(|&at| mp3[at..].starts_with(&mp3[..2])).collect()
}

/// `tone.mp3` without its tag of lengths, and where its frames begin.
fn bare_mp3() -> (Vec<u8>, Vec<usize>) {
    let whole = file("tone.mp3");
    let bare = whole[frames(&whole)[1]..].to_vec();
    let frames = frames(&bare);
    (bare, frames)
}

#[test]
fn tags_before_any_container_are_stepped_over() {
    for name in ["tone_16.flac", "tone.mp3", "tone.ogg", "matrix/wav-pcm_16-44100-2.wav"] {
        let plain = load(&golden(name)).unwrap();
        // Cover art of more than a megabyte; two tags in a row.
        for tags in [id3v2(1_500_000), [id3v2(20), id3v2(300)].concat()] {
            assert_eq!(decode(&[tags, file(name)].concat()).unwrap(), plain, "{name}");
        }
    }
    assert!(fault(&id3v2(10)).contains("holds nothing but an ID3 tag"));
    assert!(fault(&id3v2(1000)[..500]).contains("its ID3 tag is cut short or damaged"));
}

#[test]
fn tags_behind_any_container_are_stepped_over() {
    for name in ["tone_16.flac", "tone.mp3", "tone.ogg", "matrix/wav-pcm_16-44100-2.wav"] {
        let plain = load(&golden(name)).unwrap();
        for tags in [id3v1(), ape(), [ape(), id3v1()].concat()] {
            assert_eq!(decode(&[file(name), tags].concat()).unwrap(), plain, "{name}");
        }
    }
}

#[test]
fn stray_bytes_behind_flac_are_no_sound() {
    let plain = load(&golden("tone_16.flac")).unwrap();
    for stray in [&b"\x00"[..], b"\n", b"\xff", b"\xff\xf8", b"some words\r\n"] {
        assert_eq!(decode(&[&file("tone_16.flac"), stray].concat()).unwrap(), plain, "{stray:?}");
    }
    // Without a number of samples (36 bits from byte 21 on) and a checksum.
    let mut unknown = file("tone_16.flac");
    unknown[21] &= 0xf0;
    unknown[22..42].fill(0);
    assert_eq!(decode(&unknown).unwrap(), plain);
    let text = fault(&[&unknown[..], b"\n"].concat());
    assert!(text.contains("damaged (1 bytes follow its last whole frame, at byte"), "{text}");
    let cut = fault(&unknown[..unknown.len() - 30]);
    assert!(cut.contains("copy or download it again"), "{cut}");
}

#[test]
fn flac_whose_least_block_is_zero_is_read() {
    let plain = load(&golden("tone_16.flac")).unwrap();
    for least in [0_u16, 15] {
        let mut bytes = file("tone_16.flac");
        bytes[8..10].copy_from_slice(&least.to_be_bytes());
        assert_eq!(decode(&bytes).unwrap(), plain);
    }
}

#[test]
fn flac_of_two_channels_of_32_bits_is_refused_by_name() {
    let mut bytes = file("tone_16.flac");
    // Five bits of bits per sample less one, across bytes 20 and 21.
    bytes[20] |= 0x01;
    bytes[21] |= 0xf0;
    let text = fault(&bytes);
    assert!(text.contains("cannot be decoded (FLAC with two channels of 32 bits)"), "{text}");
}

#[test]
fn mp3_behind_zeros_is_read() {
    let plain = load(&golden("tone.mp3")).unwrap();
    for zeros in [1, 1000] {
        assert_eq!(decode(&[vec![0; zeros], file("tone.mp3")].concat()).unwrap(), plain);
        assert_eq!(decode(&[file("tone.mp3"), vec![0; zeros]].concat()).unwrap(), plain);
    }
    assert!(fault(&[0; 50]).contains("holds nothing but zeros"));
}

#[test]
fn mp3_within_wav_is_read() {
    let (mp3, _) = bare_mp3();
    let format = [&[0x55, 0, 2, 0][..], &32_000_u32.to_le_bytes(), &[0; 4], &[1, 0, 0, 0]].concat();
    let chunk =
        |id: &[u8], body: &[u8]| [id, &(body.len() as u32).to_le_bytes()[..], body].concat();
    let wave = [&b"WAVE"[..], &chunk(b"fmt ", &format), &chunk(b"data", &mp3)].concat();
    let riff = chunk(b"RIFF", &wave);
    assert_eq!(decode(&riff).unwrap(), decode(&mp3).unwrap());
    let text = fault(&riff[..riff.len() - 10]);
    assert!(text.contains("bytes of sound are there; copy or download it again"), "{text}");
}

#[test]
fn joined_mp3_files_are_refused_when_one_would_be_lost() {
    let one = file("tone.mp3");
    let at = one.len();
    for second in [one.clone(), [id3v2(100), one.clone()].concat()] {
        let text = fault(&[one.clone(), second].concat());
        let expected = format!(
            "cannot be decoded (it is several MP3 files joined end to end, another one from byte {at} on)"
        );
        assert!(text.contains(&expected), "{text}");
    }
    let text = fault(&[one.clone(), id3v1(), one.clone()].concat());
    assert!(text.contains(&format!("another one from byte {at} on")), "{text}");
    // A second one without a tag of its own is more than the first one promises.
    let (bare, _) = bare_mp3();
    let text = fault(&[one, bare.clone()].concat());
    assert!(text.contains("its first frame promises 13 frames, but there are 26"), "{text}");
    // Without any tag it is one stream: both are decoded.
    let both = decode(&[bare.clone(), bare.clone()].concat()).unwrap();
    assert_eq!(both.samples.len(), 2 * decode(&bare).unwrap().samples.len());
}

#[test]
fn a_hole_in_mp3_without_a_length_tag_is_found() {
    let (bare, frames) = bare_mp3();
    let middle = bare.len() / 2;
    // From anywhere to anywhere.
    for (from, to) in [(middle, middle + 700), (middle + 3, middle + 4), (frames[5] + 1, frames[9])]
    {
        let text = fault(&[&bare[..from], &bare[to..]].concat());
        assert!(text.starts_with("x: damaged (at byte "), "{text}");
        assert!(text.contains("where a frame must begin, there is none"), "{text}");
    }
    // Whole frames: later ones refer to sound that is not there.
    let torn = (2..frames.len() - 3).filter(|&first| {
        let removed = [&bare[..frames[first]], &bare[frames[first + 2]..]].concat();
        decode(&removed).is_err()
    });
    assert!(torn.count() > 0);
    // The last frame is cut.
    let text = fault(&bare[..bare.len() - 1]);
    assert!(
        text.contains("incomplete, only") && text.contains("bytes of its last frame"),
        "{text}"
    );
}

#[test]
fn junk_within_mp3_is_found() {
    let (bare, frames) = bare_mp3();
    for junk in [&b"junk"[..], &[0; 10], &[0xff; 7], b"ID3"] {
        for at in [frames[4], frames[4] + 100] {
            let text = fault(&[&bare[..at], junk, &bare[at..]].concat());
            assert!(text.starts_with("x: damaged (at byte "), "{text}");
        }
    }
}

#[test]
fn wav_whose_length_was_never_filled_in_is_read_to_its_end() {
    let name = "matrix/wav-pcm_16-44100-2.wav";
    let plain = load(&golden(name)).unwrap();
    let whole = file(name);
    let at = 4 + whole.windows(4).position(|window| window == b"data").unwrap();
    let with = |riff: u32, data: u32| {
        let mut bytes = whole.clone();
        bytes[4..8].copy_from_slice(&riff.to_le_bytes());
        bytes[at..at + 4].copy_from_slice(&data.to_le_bytes());
        decode(&bytes)
    };
    for length in [0x7fff_ffff, 0x7fff_f000, 0x8000_0000, 0xffff_1000, 0xffff_ffdb, u32::MAX] {
        for riff in [0, length, length.wrapping_add(36)] {
            assert_eq!(with(riff, length).unwrap(), plain, "{length:#x}");
        }
    }
    for riff in [0, 36, 0x7fff_ffff, u32::MAX] {
        assert_eq!(with(riff, 0).unwrap(), plain, "{riff:#x}");
    }
    // What is no placeholder is a promise.
    for length in [whole.len() as u32, 1_000_000, 0x7000_0000, 0xf000_0000] {
        assert!(with(0, length).unwrap_err().contains("incomplete, only"), "{length:#x}");
    }
    // An empty chunk in a file of the stated length is empty.
    assert!(with(whole.len() as u32 - 8, 0).is_err());
}

#[cfg(unix)]
#[test]
fn what_is_no_regular_file_is_refused_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let pipe = folder.path().join("pipe.wav");
    assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    for (path, kind) in [
        (pipe.as_path(), "named pipe"),
        (folder.path(), "folder"),
        (Path::new("/dev/zero"), "device"),
    ] {
        let text = load(path).unwrap_err().to_string();
        assert!(text.starts_with(&format!("{}: is a", path.display())), "{text}");
        assert!(text.contains(kind), "{text}");
    }
}

/// Files of users that were mistaken once, where they lie beside the checkout; the figures
/// are libsndfile's and ffmpeg's.
#[test]
fn hard_files_are_decoded_or_refused() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data/hard_files");
    if !root.is_dir() {
        println!("skipped: {} is absent", root.display());
        return;
    }
    let read = |name: &str| load(&root.join(name)).map_err(|error| error.to_string());
    for (name, frames) in [
        ("vorbis_3_channels.ogg", 177_600),
        ("wav_length_from_a_pipe.wav", 163_170),
        ("mp3_in_riff.wav", 164_736),
    ] {
        assert_eq!(read(name).unwrap().samples.len(), frames, "{name}");
    }
    for (name, cause) in [
        ("flac_32bit_stereo.flac", "FLAC with two channels of 32 bits"),
        ("mp3_two_files_joined.mp3", "several MP3 files joined end to end"),
        ("mp3_hole_in_the_middle.mp3", "where a frame must begin, there is none"),
    ] {
        let text = read(name).unwrap_err();
        assert!(text.contains(name) && text.contains(cause), "{text}");
    }
}
