//! Audio front ends: decoding, down-mix, resampling, clip policies, log-mel. No libtorch here.

pub mod waveform;

pub use waveform::Waveform;
