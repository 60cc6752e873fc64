//! Sound files of every awkward kind, written by hand: a RIFF header and samples.

use std::{f32::consts::TAU, fs, path::Path};

/// A WAV file of 16-bit samples.
pub(crate) fn wav(path: &Path, channels: u16, rate: u32, samples: &[i16]) {
    let data: Vec<u8> = samples.iter().flat_map(|x| x.to_le_bytes()).collect();
    riff(path, 1, channels, rate, 16, &data);
}

/// A WAV file of 32-bit float samples.
pub(crate) fn float_wav(path: &Path, rate: u32, samples: &[f32]) {
    let data: Vec<u8> = samples.iter().flat_map(|x| x.to_le_bytes()).collect();
    riff(path, 3, 1, rate, 32, &data);
}

/// A 440 Hz tone of `seconds` with `channels` equal channels.
pub(crate) fn tone(path: &Path, channels: u16, rate: u32, seconds: f32) {
    tone_at(path, 440.0, channels, rate, seconds);
}

/// A tone of `hertz`.
pub(crate) fn tone_at(path: &Path, hertz: f32, channels: u16, rate: u32, seconds: f32) {
    let frames = (seconds * rate as f32) as usize;
    let samples: Vec<i16> = (0..frames)
        .flat_map(|frame| {
            let phase = (frame as f32 * hertz / rate as f32).fract() * TAU;
            std::iter::repeat_n((phase.sin() * 12_000.0) as i16, channels.into())
        })
        .collect();
    wav(path, channels, rate, &samples);
}

fn riff(path: &Path, format: u16, channels: u16, rate: u32, bits: u16, data: &[u8]) {
    let frame = channels * bits / 8;
    let mut bytes = Vec::with_capacity(44 + data.len());
    bytes.extend(b"RIFF");
    bytes.extend((36 + data.len() as u32).to_le_bytes());
    bytes.extend(b"WAVEfmt ");
    bytes.extend(16_u32.to_le_bytes());
    for half in [format, channels] {
        bytes.extend(half.to_le_bytes());
    }
    bytes.extend(rate.to_le_bytes());
    bytes.extend((rate * u32::from(frame)).to_le_bytes());
    for half in [frame, bits] {
        bytes.extend(half.to_le_bytes());
    }
    bytes.extend(b"data");
    bytes.extend((data.len() as u32).to_le_bytes());
    bytes.extend(data);
    fs::write(path, bytes).unwrap();
}
