//! WAV files of every sample format, written here byte by byte or with hound.
#![allow(clippy::unwrap_used, reason = "a test may fail")]

mod common;

use std::{io::Cursor, path::Path};

use common::{floats, synthetic};
use dl_audio::{Waveform, decode_bytes, load};
use hound::{SampleFormat, WavSpec, WavWriter};

const PCM: u16 = 1;
const FLOAT: u16 = 3;
const EXTENSIBLE: u16 = 0xfffe;

fn chunk(id: &[u8; 4], body: &[u8]) -> Vec<u8> {
    let mut chunk = [id, &(body.len() as u32).to_le_bytes()[..], body].concat();
    chunk.resize(chunk.len().next_multiple_of(2), 0);
    chunk
}

fn format_body(tag: u16, channels: u16, rate: u32, bytes: u16, bits: u16) -> Vec<u8> {
    let frame = bytes * channels;
    let mut body = Vec::new();
    body.extend(tag.to_le_bytes());
    body.extend(channels.to_le_bytes());
    body.extend(rate.to_le_bytes());
    body.extend((rate.wrapping_mul(u32::from(frame))).to_le_bytes());
    body.extend(frame.to_le_bytes());
    body.extend(bits.to_le_bytes());
    body
}

fn file(chunks: &[Vec<u8>]) -> Vec<u8> {
    let body = [b"WAVE", chunks.concat().as_slice()].concat();
    chunk(b"RIFF", &body)
}

fn wav(tag: u16, channels: u16, rate: u32, bytes: u16, data: &[u8]) -> Vec<u8> {
    let format = format_body(tag, channels, rate, bytes, 8 * bytes);
    file(&[chunk(b"fmt ", &format), chunk(b"data", data)])
}

fn decode(bytes: Vec<u8>) -> Waveform {
    decode_bytes(Path::new("x.wav"), bytes).unwrap()
}

fn fault(bytes: Vec<u8>) -> String {
    decode_bytes(Path::new("x.wav"), bytes).unwrap_err().to_string()
}

fn hound_file(spec: WavSpec, fill: impl Fn(&mut WavWriter<Cursor<&mut Vec<u8>>>)) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut writer = WavWriter::new(Cursor::new(&mut bytes), spec).unwrap();
    fill(&mut writer);
    writer.finalize().unwrap();
    bytes
}

#[test]
fn integers_of_every_width_by_hand() {
    // -1, -1/2, 0, 1/2 in each width.
    let expected = [-1.0, -0.5, 0.0, 0.5];
    let values = [-2_i64, -1, 0, 1];
    for bytes in 1..=4_u16 {
        let unit = 1_i64 << (8 * bytes - 2);
        let offset = if bytes == 1 { 128 } else { 0 }; // 8-bit WAV is unsigned.
        let data: Vec<u8> = values
            .iter()
            .flat_map(|value| (value * unit + offset).to_le_bytes()[..usize::from(bytes)].to_vec())
            .collect();
        let found = decode(wav(PCM, 1, 22_050, bytes, &data));
        assert_eq!(found.samples, expected, "{bytes} bytes");
        assert_eq!(found.sample_rate, 22_050);
    }
}

#[test]
fn floats_of_both_widths_by_hand() {
    let values = [0.25, -1.5, 1e-3]; // Beyond 1 is allowed.
    let single: Vec<u8> = values.iter().flat_map(|&v| (v as f32).to_le_bytes()).collect();
    let double: Vec<u8> = values.iter().flat_map(|&v: &f64| v.to_le_bytes()).collect();
    let expected = values.map(|value| value as f32);
    assert_eq!(decode(wav(FLOAT, 1, 44_100, 4, &single)).samples, expected);
    assert_eq!(decode(wav(FLOAT, 1, 44_100, 8, &double)).samples, expected);
}

#[test]
fn files_of_hound_are_exact() {
    let samples = synthetic(500);
    // hound writes 24 bits and floats as WAVE_FORMAT_EXTENSIBLE.
    for (bits, sample_format) in [
        (8, SampleFormat::Int),
        (16, SampleFormat::Int),
        (24, SampleFormat::Int),
        (32, SampleFormat::Int),
        (32, SampleFormat::Float),
    ] {
        let spec =
            WavSpec { channels: 1, sample_rate: 48_000, bits_per_sample: bits, sample_format };
        let bytes = hound_file(spec, |writer| {
            for &sample in &samples {
                let wide = i32::from(sample);
                match (bits, sample_format) {
                    (_, SampleFormat::Float) => writer.write_sample(wide as f32 / 32_768.0),
                    (8, _) => writer.write_sample(wide >> 8),
                    _ => writer.write_sample(wide << (bits - 16)),
                }
                .unwrap();
            }
        });
        let expected = if bits == 8 {
            samples.iter().map(|&sample| f32::from(sample >> 8) / 128.0).collect()
        } else {
            floats(&samples)
        };
        assert_eq!(decode(bytes).samples, expected, "{bits} bits {sample_format:?}");
    }
}

#[test]
fn valid_bits_are_the_high_bits_of_their_container() {
    // 24 valid bits in 32: one half is 0x40000000, not 0x00400000.
    let mut format = format_body(EXTENSIBLE, 1, 44_100, 4, 32);
    format.extend(22_u16.to_le_bytes());
    format.extend(24_u16.to_le_bytes());
    format.extend(4_u32.to_le_bytes());
    format.extend(b"\x01\x00\x00\x00\x00\x00\x10\x00\x80\x00\x00\xaa\x00\x38\x9b\x71");
    let data = chunk(b"data", &0x4000_0000_i32.to_le_bytes());
    assert_eq!(decode(file(&[chunk(b"fmt ", &format), data])).samples, [0.5]);
}

#[test]
fn channels_are_averaged() {
    let frames: [[i16; 6]; 2] = [[600, 0, 0, 0, 0, 0], [100, 200, 300, 400, 500, -1500]];
    let data: Vec<u8> = frames.as_flattened().iter().flat_map(|s| s.to_le_bytes()).collect();
    let found = decode(wav(PCM, 6, 8_000, 2, &data));
    assert_eq!(found.samples, [100.0 / 32_768.0, 0.0]);
}

#[test]
fn other_chunks_are_stepped_over() {
    let format = chunk(b"fmt ", &format_body(PCM, 1, 44_100, 2, 16));
    let odd = chunk(b"LIST", b"odd"); // Padded to an even length.
    let data = chunk(b"data", &16_384_i16.to_le_bytes());
    let after = chunk(b"id3 ", b"tags");
    assert_eq!(decode(file(&[odd.clone(), format, odd, data, after])).samples, [0.5]);
}

#[test]
fn a_length_that_was_never_filled_in_means_to_the_end() {
    let mut bytes = wav(PCM, 1, 44_100, 2, &[0, 64, 0, 192, 7]);
    bytes[40..44].fill(0xff);
    // The byte left over is no whole frame.
    assert_eq!(decode(bytes).samples, [0.5, -0.5, 7.0 / 32_768.0]);
}

#[test]
fn a_file_cut_anywhere_is_one_clear_error() {
    let whole = wav(PCM, 2, 44_100, 2, &[1; 400]);
    for length in 1..whole.len() {
        let text = fault(whole[..length].to_vec());
        assert!(text.starts_with("x.wav: ") && text.contains("; co"), "{length}: {text}");
        if length >= 44 {
            let there = length - 44;
            let expected = format!(
                "x.wav: incomplete, only {there} of 400 bytes of sound are there; copy or download it again"
            );
            assert_eq!(text, expected);
        }
    }
}

#[test]
fn what_no_one_can_use_is_refused() {
    let nan: Vec<u8> = [0.5, 0.5, 0.5, f32::NAN].iter().flat_map(|v| v.to_le_bytes()).collect();
    let infinite = f64::NEG_INFINITY.to_le_bytes();
    let cases = [
        (wav(FLOAT, 2, 44_100, 4, &nan), "sample 1 of channel 1 is NaN; export it again"),
        (wav(FLOAT, 1, 44_100, 8, &infinite), "sample 0 of channel 0 is -inf"),
        (wav(PCM, 1, 44_100, 2, &[]), "holds no samples"),
        (wav(PCM, 1, 0, 2, &[0; 8]), "states a sample rate of 0 Hz, outside of 1000 to 768000"),
        (wav(PCM, 1, 999, 2, &[0; 8]), "999 Hz"),
        (wav(PCM, 1, 768_001, 2, &[0; 8]), "768001 Hz"),
        (wav(PCM, 0, 44_100, 2, &[0; 8]), "its header states 0 channels"),
        (wav(PCM, 1, 44_100, 5, &[0; 10]), "WAV with 40-bit integer samples"),
        (wav(FLOAT, 1, 44_100, 2, &[0; 10]), "WAV with 16-bit float samples"),
        (wav(2, 1, 44_100, 2, &[0; 10]), "WAV with ADPCM samples"),
        (wav(7, 1, 44_100, 1, &[0; 10]), "WAV with mu-law samples); convert it to WAV, FLAC"),
        (file(&[chunk(b"data", &[0; 8])]), "its samples come before their format"),
        (file(&[chunk(b"fmt ", &[1, 0, 1, 0])]), "the file ends"),
        (file(&[]), "the file ends before its samples"),
    ];
    for (bytes, expected) in cases {
        let text = fault(bytes);
        assert!(text.starts_with("x.wav: ") && text.contains(expected), "{text}");
    }
    for rate in [1_000, 768_000] {
        assert_eq!(decode(wav(PCM, 1, rate, 2, &[0; 8])).sample_rate, rate);
    }
}

#[test]
fn what_was_written_is_read_back() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("new/clip.wav");
    let waveform = Waveform { samples: floats(&synthetic(700)), sample_rate: 44_100 };
    waveform.write_wav(&path).unwrap();
    assert_eq!(load(&path).unwrap(), waveform);
    // Too loud is clamped; too fine is rounded.
    let loud = Waveform { samples: vec![1.0, 2.0, -1.0, -3.0, 0.3 / 32_768.0], sample_rate: 8_000 };
    loud.write_wav(&path).unwrap();
    let top = 32_767.0 / 32_768.0;
    assert_eq!(load(&path).unwrap().samples, [top, top, -1.0, -1.0, 0.0]);
}

#[test]
fn what_cannot_be_written_leaves_the_old_file() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("clip.wav");
    let good = Waveform { samples: vec![0.5], sample_rate: 8_000 };
    good.write_wav(&path).unwrap();
    let bad = Waveform { samples: vec![0.0, f32::NAN], sample_rate: 8_000 };
    let text = bad.write_wav(&path).unwrap_err().to_string();
    assert!(text.contains("clip.wav: sample 1 of channel 0 is NaN"), "{text}");
    assert_eq!(load(&path).unwrap(), good);
    // A directory stands where the file shall go.
    let text = good.write_wav(directory.path()).unwrap_err().to_string();
    assert!(text.starts_with("cannot write "), "{text}");
}
