//! FLAC, MP3 and Ogg Vorbis through symphonia. A packet that cannot be decoded
//! ends the file with an error: a clip with a hole in it is not the clip.
//!
//! A missing piece shows in the number of samples, which FLAC states (with an MD5
//! sum) and MP3 may state in a Xing or VBRI tag (believed to one frame, for
//! writers that count the tag itself). What else the containers tell is checked by
//! [`crate::flac`], [`crate::mp3`] and [`crate::ogg`] before.

use std::{io::ErrorKind, path::Path};

use dl_core::FileError;

use symphonia::{
    core::{
        codecs::{
            CodecParameters,
            audio::{
                AudioCodecParameters, AudioDecoder, AudioDecoderOptions,
                well_known::{CODEC_ID_FLAC, CODEC_ID_MP3, CODEC_ID_OPUS, CODEC_ID_VORBIS},
            },
        },
        errors::Error,
        formats::{TrackType, probe::Hint},
        io::{MediaSource, MediaSourceStream},
        packet::Packet,
    },
    default::{get_codecs, get_probe},
};

use crate::{AudioError, Waveform, down_mix::DownMix, guard, vorbis};

/// Samples per channel in one MP3 frame.
const MP3_FRAME: u64 = 1152;

/// Decodes what `source` holds.
pub(crate) fn decode(
    path: &Path,
    source: Box<dyn MediaSource + '_>,
) -> Result<Waveform, AudioError> {
    guard::decoder(path, || decode_packets(path, source))
}

fn decode_packets(path: &Path, source: Box<dyn MediaSource + '_>) -> Result<Waveform, AudioError> {
    let stream = MediaSourceStream::new(source, Default::default());
    let fail = |error: Error| explain(path, error);
    let unsupported =
        |found: &str| AudioError::Unsupported { path: path.into(), found: found.into() };

    let mut format = get_probe()
        .probe(&Hint::new(), stream, Default::default(), Default::default())
        .map_err(|error| match error {
            // The first bytes were those of a format that can be read.
            Error::Unsupported(_) => damaged(path, "no sound follows its first bytes"),
            other => explain(path, other),
        })?;
    let track =
        format.default_track(TrackType::Audio).ok_or_else(|| unsupported("it holds no sound"))?;
    let (track_id, promised) = (track.id, track.num_frames);
    let Some(CodecParameters::Audio(parameters)) = track.codec_params.clone() else {
        return Err(unsupported("its kind of sound is not known"));
    };
    if parameters.codec == CODEC_ID_OPUS {
        return Err(unsupported("its sound is Opus"));
    }
    let is_vorbis = parameters.codec == CODEC_ID_VORBIS;
    let mut decoder = Decoder::new(path, &parameters)?;

    let mut mix: Option<DownMix<'_>> = None;
    let mut interleaved: Vec<f32> = Vec::new();
    while let Some(packet) = format.next_packet().map_err(fail)? {
        if packet.track_id != track_id {
            continue;
        }
        let (rate, channels) = decoder.decode(path, &packet, &mut interleaved)?;
        let mix = match &mut mix {
            Some(mix) if mix.is(rate, channels) => mix,
            Some(_) => return Err(damaged(path, "its sample rate or channels change midway")),
            none => none.insert(DownMix::new(path, rate, channels)?),
        };
        for &sample in &interleaved {
            mix.push(sample)?;
        }
    }
    let found = mix.as_ref().map_or(0, DownMix::frames) as u64;
    let slack = match parameters.codec {
        CODEC_ID_FLAC => 0,
        CODEC_ID_MP3 => MP3_FRAME,
        _ => u64::MAX,
    };
    if let Some(expected) = promised
        && found.saturating_add(slack) < expected
    {
        let unit = "samples per channel";
        return Err(AudioError::Truncated { path: path.into(), found, expected, unit });
    }
    if !decoder.checksum_holds() {
        return Err(damaged(path, "its samples do not match their checksum"));
    }
    if is_vorbis && let (Some(mix), Some(length)) = (&mut mix, promised) {
        mix.truncate(length);
    }
    mix.map(DownMix::finish).ok_or_else(|| AudioError::NoSamples { path: path.into() })
}

/// Packets to samples.
enum Decoder {
    Symphonia {
        decoder: Box<dyn AudioDecoder>,
        is_vorbis: bool,
    },
    /// Vorbis of more than two channels.
    Lewton(Box<vorbis::Decoder>),
}

impl Decoder {
    fn new(path: &Path, parameters: &AudioCodecParameters) -> Result<Self, AudioError> {
        let is_vorbis = parameters.codec == CODEC_ID_VORBIS;
        if is_vorbis && let Some(headers) = &parameters.extra_data {
            let decoder = vorbis::Decoder::new(headers).map_err(|why| damaged(path, &why))?;
            if decoder.format().1 > 2 {
                return Ok(Self::Lewton(Box::new(decoder)));
            }
        }
        // Encoders write page positions that jitter by hundreds of samples, and symphonia
        // cuts the last page by them; cutting the whole at its stated length does not.
        let options = AudioDecoderOptions::default().verify(true).gapless(!is_vorbis);
        let decoder = get_codecs()
            .make_audio_decoder(parameters, &options)
            .map_err(|error| explain(path, error))?;
        Ok(Self::Symphonia { decoder, is_vorbis })
    }

    /// Replaces `interleaved` by the samples of a packet; gives their rate and channels.
    fn decode(
        &mut self,
        path: &Path,
        packet: &Packet,
        interleaved: &mut Vec<f32>,
    ) -> Result<(u32, usize), AudioError> {
        interleaved.clear();
        match self {
            Self::Symphonia { decoder, is_vorbis } => {
                let buffer = decoder.decode(packet).map_err(|error| explain(path, error))?;
                let spec = buffer.spec();
                let (rate, channels) = (spec.rate(), spec.channels().count());
                buffer.copy_to_vec_interleaved(interleaved);
                if *is_vorbis {
                    // What the first block overlaps with nothing is not part of the sound.
                    let lead = packet.trim_start.get() as usize * channels;
                    interleaved.drain(..lead.min(interleaved.len()));
                }
                Ok((rate, channels))
            }
            Self::Lewton(decoder) => {
                let planes = decoder.decode(&packet.data).map_err(|why| damaged(path, &why))?;
                let frames = planes.iter().map(Vec::len).min().unwrap_or(0);
                for frame in 0..frames {
                    interleaved.extend(planes.iter().map(|plane| plane[frame]));
                }
                Ok(decoder.format())
            }
        }
    }

    /// Whether the samples match a checksum, where there is one.
    fn checksum_holds(&mut self) -> bool {
        match self {
            Self::Symphonia { decoder, .. } => decoder.finalize().verify_ok != Some(false),
            Self::Lewton(_) => true,
        }
    }
}

fn damaged(path: &Path, problem: &str) -> AudioError {
    AudioError::Damaged { path: path.into(), problem: problem.into() }
}

fn explain(path: &Path, error: Error) -> AudioError {
    match error {
        Error::IoError(error) if error.kind() == ErrorKind::UnexpectedEof => {
            damaged(path, "it ends in the middle of its sound")
        }
        Error::IoError(source) => FileError::io(path, source).into(),
        Error::Unsupported(found) => {
            AudioError::Unsupported { path: path.into(), found: found.into() }
        }
        // Several Ogg streams end to end, each with parameters of its own.
        Error::ResetRequired => AudioError::Unsupported {
            path: path.into(),
            found: "it is several Ogg streams joined end to end".into(),
        },
        Error::DecodeError(problem) => damaged(path, problem),
        other => damaged(path, &other.to_string()),
    }
}
