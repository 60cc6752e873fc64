//! Sounds for a page: a small WAV to hear and a log-mel spectrogram to see, both as data
//! URLs.

use std::path::Path;

use anyhow::{Context, Result};
use dl_audio::{
    LogMel, LogMelConfig, MelNorm, MelScale, Waveform,
    log_mel::Compression,
    stft::{Padding, Spectrum},
};
use dl_data::{Corpus, CorpusConfig, Split};
use serde::Deserialize;

use crate::config::{open_corpus, read_toml};

/// Hz: half the size of what encoders hear, and enough to tell sounds apart.
const RATE: u32 = 16_000;
/// Seconds of a long recording that are kept.
const SECONDS: usize = 10;
/// Frames of a spectrogram.
const FRAMES: usize = 320;
/// dB below the loudest place that are shown.
const RANGE: f64 = 80.0;

/// Dark to bright; in between, colours are mixed.
const COLOURS: [[f64; 3]; 5] = [
    [13.0, 8.0, 40.0],
    [74.0, 20.0, 110.0],
    [170.0, 45.0, 95.0],
    [240.0, 120.0, 40.0],
    [252.0, 245.0, 165.0],
];

/// What a clip sounds and looks like, as data URLs.
pub(super) struct Sound {
    pub(super) wav: String,
    pub(super) png: String,
    pub(super) seconds: f64,
}

/// Opens the corpus of a run's configuration.
///
/// # Errors
/// When the configuration or the corpus cannot be read.
pub(super) fn corpus(config: &Path) -> Result<Box<dyn Corpus>> {
    // Only what is needed: a run of another version of the program has other entries.
    #[derive(Deserialize)]
    struct Needed {
        data: CorpusConfig,
        seed: u64,
    }
    let Needed { data, seed } = read_toml(config, &[])?;
    open_corpus(&data, seed)
}

/// The sound of a clip.
///
/// # Errors
/// When it cannot be had.
pub(super) fn sound(corpus: &dyn Corpus, split: Split, index: usize) -> Result<Sound> {
    let whole = corpus.render(split, index)?;
    let name = &corpus.clips(split)[index].id;
    let mut clip = whole.resample(RATE.min(whole.sample_rate))?;
    clip.samples.truncate(SECONDS * clip.sample_rate as usize);
    let wav = format!("data:audio/wav;base64,{}", base64::encode(clip.wav(Path::new(name))?));
    let png = format!("data:image/png;base64,{}", base64::encode(spectrogram(&clip)?));
    Ok(Sound { wav, png, seconds: clip.seconds() })
}

/// A log-mel spectrogram as PNG, low at the bottom.
fn spectrogram(clip: &Waveform) -> Result<Vec<u8>> {
    let config = LogMelConfig {
        sample_rate: clip.sample_rate,
        peak_normalise: true,
        n_fft: 1024,
        win_length: 1024,
        hop_length: (clip.samples.len() / FRAMES).max(32),
        padding: Padding::Zero,
        spectrum: Spectrum::Power,
        n_mels: 80,
        f_min: 50.0,
        f_max: f64::from(clip.sample_rate) / 2.0,
        mel_scale: MelScale::Slaney,
        mel_norm: MelNorm::Slaney,
        compression: Compression::Decibel { amin: 1e-10, reference: 1.0, top_db: Some(RANGE) },
    };
    let mels = LogMel::new(&config)?.compute_waveform(clip)?;
    let loudest = mels.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let (frames, bands) = mels.dim();
    let mut pixels = Vec::with_capacity(frames * bands);
    for band in (0..bands).rev() {
        pixels.extend(mels.column(band).iter().map(|&level| {
            let share = 1.0 + f64::from(level - loudest) / RANGE;
            (255.0 * share.clamp(0.0, 1.0)).round() as u8
        }));
    }
    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, frames as u32, bands as u32);
    encoder.set_color(png::ColorType::Indexed);
    encoder.set_depth(png::BitDepth::Eight);
    encoder.set_palette(palette());
    encoder
        .write_header()
        .and_then(|mut writer| writer.write_image_data(&pixels))
        .context("cannot draw a spectrogram")?;
    Ok(bytes)
}

/// 256 colours, three bytes each.
fn palette() -> Vec<u8> {
    let steps = (COLOURS.len() - 1) as f64;
    (0..=255_u8)
        .flat_map(|level| {
            let place = f64::from(level) / 255.0 * steps;
            let below = (place as usize).min(COLOURS.len() - 2);
            let part = place - below as f64;
            [0, 1, 2].map(|c| {
                ((1.0 - part) * COLOURS[below][c] + part * COLOURS[below + 1][c]).round() as u8
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tone_is_a_bright_line_in_its_band() {
        let rate = 16_000;
        let tone = |hertz: f32| Waveform {
            samples: (0..rate)
                .map(|i| (i as f32 / rate as f32 * hertz * std::f32::consts::TAU).sin())
                .collect(),
            sample_rate: rate,
        };
        let brightest = |hertz: f32| {
            let bytes = spectrogram(&tone(hertz)).unwrap();
            let mut reader = png::Decoder::new(std::io::Cursor::new(bytes)).read_info().unwrap();
            let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
            // The decoder gives indices as they are.
            let frame = reader.next_frame(&mut pixels).unwrap();
            assert_eq!(frame.height, 80);
            let width = frame.width as usize;
            let row = |row: usize| pixels[row * width + width / 2];
            (0..80).max_by_key(|&place| row(place)).unwrap()
        };
        let (low, high) = (brightest(300.0), brightest(4000.0));
        assert!(low > high + 20, "low at the bottom: {low}, {high}");
    }

    #[test]
    fn the_palette_runs_from_dark_to_bright() {
        let palette = palette();
        assert_eq!(palette.len(), 768);
        assert_eq!((&palette[..3], &palette[765..]), (&[13, 8, 40][..], &[252, 245, 165][..]));
    }
}
