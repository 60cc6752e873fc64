//! Audio front ends: decoding, down-mix, resampling, clip policies, log-mel. No libtorch here.
//!
//! A sound file becomes a mono [`Waveform`] with [`load`]; [`Waveform::resample`]
//! brings it to the rate of an encoder, a [`ClipConfig`] to its length, and a
//! [`LogMel`] to its features. Nothing here is random: the same file gives the
//! same numbers on every call, batch size and thread count.
//!
#![doc = include_str!("../README.md")]

pub mod clap;
pub mod clip;
mod compressed;
pub mod decode;
mod down_mix;
pub mod error;
mod flac;
mod guard;
pub mod log_mel;
pub mod mel;
mod mp3;
mod ogg;
mod resample;
pub mod stft;
mod tags;
mod vorbis;
mod wav;
pub mod waveform;

pub use clap::{AudioFeatures, ChunkPolicy, ClapFrontEnd, ClapFrontEndConfig};
pub use clip::{ClipConfig, ClipLength, Crop, Fill};
pub use decode::{decode_bytes, load};
pub use error::AudioError;
pub use log_mel::{LogMel, LogMelConfig};
pub use mel::{MelBank, MelNorm, MelScale};
pub use waveform::Waveform;
