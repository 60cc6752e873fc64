//! Vorbis of more than two channels, through lewton. symphonia undoes the coupling of
//! channels in the order of the file, the specification (Vorbis I, section 4.3.5) says last
//! to first; with one or two channels there is at most one coupling, and no order.

use lewton::{
    audio::{PreviousWindowRight, read_audio_packet_generic},
    header::{IdentHeader, SetupHeader, read_header_ident, read_header_setup},
};

/// Bytes of an identification header.
const IDENTIFICATION: usize = 30;

/// A stream, and what its last block leaves for the next.
pub(crate) struct Decoder {
    identification: IdentHeader,
    setup: SetupHeader,
    overlap: PreviousWindowRight,
}

impl Decoder {
    /// From the identification and setup headers, one behind the other.
    pub(crate) fn new(headers: &[u8]) -> Result<Self, String> {
        let (identification, setup) =
            headers.split_at_checked(IDENTIFICATION).ok_or("its headers are cut short")?;
        let identification = read_header_ident(identification).map_err(|e| e.to_string())?;
        let blocks = (identification.blocksize_0, identification.blocksize_1);
        let setup = read_header_setup(setup, identification.audio_channels, blocks)
            .map_err(|error| error.to_string())?;
        Ok(Self { identification, setup, overlap: PreviousWindowRight::new() })
    }

    /// Samples per second, and channels.
    pub(crate) fn format(&self) -> (u32, usize) {
        let Self { identification, .. } = self;
        (identification.audio_sample_rate, usize::from(identification.audio_channels))
    }

    /// The samples of a packet by channel; none of the first, which has nothing to overlap
    /// with.
    pub(crate) fn decode(&mut self, packet: &[u8]) -> Result<Vec<Vec<f32>>, String> {
        read_audio_packet_generic(&self.identification, &self.setup, packet, &mut self.overlap)
            .map_err(|error| error.to_string())
    }
}
