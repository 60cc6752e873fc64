//! An encoder made of two functions, one of a clip and one of a text: the shortest way to
//! put a model of one's own, or embeddings that are already there, into the program.

use dl_audio::{AudioFeatures, Waveform};
use dl_core::{Fingerprint, unit};
use ndarray::{Array2, Array3, ArrayView1};

use crate::{AudioEncoder, Encoder, EncoderError, FrontEnd, error::check_columns};

/// Embeds clips by one function and texts by another; rows are scaled to unit norm.
pub struct FunctionEncoder<A, T> {
    dim: usize,
    fingerprint: Fingerprint,
    audio: A,
    text: T,
}

impl<A, T> FunctionEncoder<A, T>
where
    A: Fn(&Waveform) -> Vec<f32> + Send + Sync,
    T: Fn(&str) -> Vec<f32> + Send + Sync,
{
    /// Both functions give `dim` values, not all 0; `fingerprint` changes whenever they do.
    /// `audio` takes clips of any rate and length, and several threads call it at once.
    pub fn new(dim: usize, fingerprint: Fingerprint, audio: A, text: T) -> Self {
        Self { dim, fingerprint, audio, text }
    }

    /// A value of one function.
    fn checked(&self, what: &'static str, values: Vec<f32>) -> Result<Vec<f32>, EncoderError> {
        check_columns(what, self.dim, values.len())?;
        let norm = unit::norm(ArrayView1::from(&values));
        if norm > 0.0 && norm.is_finite() {
            return Ok(values);
        }
        Err(EncoderError::Shape {
            what,
            expected: "values that are finite and not all 0".into(),
            found: format!("a norm of {norm}"),
        })
    }

    fn rows(&self, values: Vec<f32>) -> Result<Array2<f32>, EncoderError> {
        let found = values.len();
        let mut rows = Array2::from_shape_vec((found / self.dim.max(1), self.dim), values)
            .map_err(|error| EncoderError::Shape {
                what: "embeddings",
                expected: format!("rows of {}", self.dim),
                found: format!("{found} values: {error}"),
            })?;
        unit::scale_rows(&mut rows);
        Ok(rows)
    }
}

impl<A, T> FrontEnd for FunctionEncoder<A, T>
where
    A: Fn(&Waveform) -> Vec<f32> + Send + Sync,
    T: Fn(&str) -> Vec<f32> + Send + Sync,
{
    fn features(&self, waveform: &Waveform) -> Result<AudioFeatures, EncoderError> {
        let values = self.checked("the embedding of a clip", (self.audio)(waveform))?;
        let values = Array3::from_shape_fn((1, 1, self.dim), |(_, _, column)| values[column]);
        Ok(AudioFeatures { values, is_longer: false })
    }
}

impl<A, T> AudioEncoder for FunctionEncoder<A, T>
where
    A: Fn(&Waveform) -> Vec<f32> + Send + Sync,
    T: Fn(&str) -> Vec<f32> + Send + Sync,
{
    fn dim(&self) -> usize {
        self.dim
    }

    fn fingerprint(&self) -> Fingerprint {
        self.fingerprint.clone()
    }

    fn front_end(&self) -> &dyn FrontEnd {
        self
    }

    fn embed_features(&self, clips: &[AudioFeatures]) -> Result<Array2<f32>, EncoderError> {
        self.rows(clips.iter().flat_map(|clip| clip.values.iter().copied()).collect())
    }
}

impl<A, T> Encoder for FunctionEncoder<A, T>
where
    A: Fn(&Waveform) -> Vec<f32> + Send + Sync,
    T: Fn(&str) -> Vec<f32> + Send + Sync,
{
    fn embed_text(&self, texts: &[String]) -> Result<Array2<f32>, EncoderError> {
        let each =
            texts.iter().map(|text| self.checked("the embedding of a text", (self.text)(text)));
        self.rows(each.collect::<Result<Vec<_>, _>>()?.concat())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_the_functions_values_at_unit_norm() {
        let audio = |clip: &Waveform| vec![clip.samples[0], clip.samples[1]];
        let text = |text: &str| vec![0.0; text.len()];
        let encoder = FunctionEncoder::new(2, Fingerprint::of(&"toy"), audio, text);
        let clip = |samples: [f32; 2]| Waveform { samples: samples.to_vec(), sample_rate: 8000 };
        // (3, 4) is 5 long, (0, -2) is 2 long.
        let rows = encoder.embed_audio(&[clip([3.0, 4.0]), clip([0.0, -2.0])]).unwrap();
        assert_eq!(rows, ndarray::array![[0.6, 0.8], [0.0, -1.0]]);
        let fault = encoder.embed_audio(&[clip([0.0, 0.0])]).unwrap_err().to_string();
        assert!(fault.contains("not all 0"), "{fault}");
        let fault = encoder.embed_text(&["abc".into()]).unwrap_err().to_string();
        assert!(fault.contains("expected 2 columns, found 3 columns"), "{fault}");
    }
}
