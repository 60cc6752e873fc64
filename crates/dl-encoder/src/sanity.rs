//! A look at embeddings before anything is built on them: a tower that says the
//! same for every input, rows that are not of unit norm, pairs that are no
//! closer than strangers.

use dl_core::{EmbeddingSet, unit};
use ndarray::{Array1, Array2, ArrayView2, Axis};
use serde::{Deserialize, Serialize};

use crate::EncoderError;

/// Mean cosine between different inputs above which a tower counts as collapsed.
const COLLAPSED: f64 = 0.95;

/// Figures of one set of embeddings.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Sanity {
    /// Values per embedding.
    pub dim: usize,
    /// Number of clips.
    pub clips: usize,
    /// Number of captions.
    pub captions: usize,
    /// Smallest and largest norm of an audio embedding.
    pub audio_norms: (f64, f64),
    /// Smallest and largest norm of a text embedding.
    pub text_norms: (f64, f64),
    /// Mean cosine between different clips.
    pub audio_cosine: f64,
    /// Mean cosine between different captions.
    pub text_cosine: f64,
    /// Mean cosine of a clip and its captions.
    pub paired_cosine: f64,
    /// Mean cosine of a clip and other clips' captions.
    pub unpaired_cosine: f64,
    /// Share of clips whose nearest caption is one of their own.
    pub recall_at_1: f64,
    /// What is wrong, in words; empty when nothing is.
    pub warnings: Vec<String>,
}

impl Sanity {
    /// The figures of an [`EmbeddingSet`].
    ///
    /// # Errors
    /// As [`sanity`].
    pub fn of(set: &EmbeddingSet) -> Result<Self, EncoderError> {
        let mut report = sanity(set.audio.view(), set.text.view(), &set.owners)?;
        // The same captions have the same embeddings: that is no fault of the tower.
        // Imported sets have empty ones, which say nothing.
        let first = set.captions.first().filter(|caption| !caption.is_empty());
        if set.captions.len() > 1 && set.captions.iter().all(|caption| Some(caption) == first) {
            report
                .warnings
                .retain(|warning| !warning.starts_with("the text embeddings are nearly"));
            report.warnings.push(format!(
                "all {} captions are the same text; give every clip a caption of its own",
                set.captions.len()
            ));
        }
        Ok(report)
    }
}

/// Figures of audio embeddings `[clips, dim]`, text embeddings `[captions, dim]`
/// and the clip of each caption.
///
/// # Errors
/// [`EncoderError::Shape`] when they do not fit together or one is empty.
pub fn sanity(
    audio: ArrayView2<'_, f32>,
    text: ArrayView2<'_, f32>,
    owners: &[usize],
) -> Result<Sanity, EncoderError> {
    check(audio, text, owners)?;
    let ((audio, audio_norms), (text, text_norms)) = (scaled(audio), scaled(text));
    let (clips, captions) = (audio.nrows(), text.nrows());
    let pairs: f64 = owners
        .iter()
        .enumerate()
        .map(|(caption, &owner)| f64::from(audio.row(owner).dot(&text.row(caption))))
        .sum();
    let all: f64 = sum(&audio).dot(&sum(&text));
    let strangers = (clips * captions - captions) as f64;
    let mut report = Sanity {
        dim: audio.ncols(),
        clips,
        captions,
        audio_norms,
        text_norms,
        audio_cosine: mean_cosine(&audio),
        text_cosine: mean_cosine(&text),
        paired_cosine: pairs / captions as f64,
        unpaired_cosine: if strangers > 0.0 { (all - pairs) / strangers } else { 0.0 },
        recall_at_1: recall_at_1(&audio, &text, owners),
        warnings: Vec::new(),
    };
    report.warnings = warnings(&report);
    Ok(report)
}

fn check(
    audio: ArrayView2<'_, f32>,
    text: ArrayView2<'_, f32>,
    owners: &[usize],
) -> Result<(), EncoderError> {
    let error =
        |what, expected: String, found: String| Err(EncoderError::Shape { what, expected, found });
    if audio.is_empty() || text.is_empty() {
        return error("embeddings", "at least one clip and caption".into(), "none".into());
    }
    if audio.ncols() != text.ncols() {
        return error("text", format!("{} columns", audio.ncols()), text.ncols().to_string());
    }
    if owners.len() != text.nrows() {
        return error("owners", text.nrows().to_string(), owners.len().to_string());
    }
    match owners.iter().find(|&&owner| owner >= audio.nrows()) {
        Some(owner) => error("owners", format!("below {}", audio.nrows()), owner.to_string()),
        None => Ok(()),
    }
}

fn warnings(report: &Sanity) -> Vec<String> {
    let mut warnings = Vec::new();
    let Sanity { audio_norms, text_norms, audio_cosine, text_cosine, .. } = *report;
    for (side, norms, cosine) in
        [("audio", audio_norms, audio_cosine), ("text", text_norms, text_cosine)]
    {
        let (low, high) = norms;
        if !(low.is_finite() && high.is_finite()) {
            warnings.push(format!("the {side} embeddings hold NaN or infinite values"));
        } else if low < 0.999 || high > 1.001 {
            warnings.push(format!(
                "the {side} embeddings have norms from {low:.3} to {high:.3}, not 1"
            ));
        }
        if cosine > COLLAPSED {
            let inputs = if side == "audio" { "clips" } else { "captions" };
            warnings.push(format!(
                "the {side} embeddings are nearly all alike (mean cosine {cosine:.3}): either the \
                 {inputs} are, or the tower has collapsed; look at the {inputs}, then at its weights"
            ));
        }
    }
    if report.clips > 1 && report.paired_cosine <= report.unpaired_cosine {
        warnings.push(format!(
            "pairs are no closer (cosine {:.3}) than strangers ({:.3}): do clips and captions \
             belong together?",
            report.paired_cosine, report.unpaired_cosine
        ));
    }
    warnings
}

/// Rows scaled to unit norm, and the smallest and largest norm they had.
fn scaled(rows: ArrayView2<'_, f32>) -> (Array2<f32>, (f64, f64)) {
    let mut rows = rows.to_owned();
    let (mut low, mut high) = (f64::INFINITY, f64::NEG_INFINITY);
    for row in rows.rows_mut() {
        let norm = unit::scale(row);
        // A NaN must not be lost in a comparison.
        if norm.is_nan() {
            return (rows, (norm, norm));
        }
        (low, high) = (low.min(norm), high.max(norm));
    }
    (rows, (low, high))
}

fn sum(rows: &Array2<f32>) -> Array1<f64> {
    rows.mapv(f64::from).sum_axis(Axis(0))
}

/// Over all pairs of different rows: (|sum|^2 - n) / (n (n - 1)).
fn mean_cosine(rows: &Array2<f32>) -> f64 {
    let n = rows.nrows() as f64;
    if n < 2.0 {
        return 0.0;
    }
    let sum = sum(rows);
    (sum.dot(&sum) - n) / (n * (n - 1.0))
}

/// In blocks of clips, so that large sets do not need all cosines at once.
fn recall_at_1(audio: &Array2<f32>, text: &Array2<f32>, owners: &[usize]) -> f64 {
    let mut hits = 0;
    let mut clip = 0;
    for block in audio.axis_chunks_iter(Axis(0), 256) {
        for cosines in block.dot(&text.t()).rows() {
            let nearest = cosines.iter().enumerate().max_by(|a, b| a.1.total_cmp(b.1));
            hits += usize::from(nearest.is_some_and(|(caption, _)| owners[caption] == clip));
            clip += 1;
        }
    }
    hits as f64 / audio.nrows() as f64
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::array;

    #[test]
    fn toy_figures() {
        // Two clips on the axes; three captions: (1,0) and (0.6,0.8) of clip 0,
        // (0,1) of clip 1.
        let audio = array![[1.0_f32, 0.0], [0.0, 1.0]];
        let text = array![[1.0_f32, 0.0], [0.6, 0.8], [0.0, 1.0]];
        let report = sanity(audio.view(), text.view(), &[0, 0, 1]).unwrap();
        let close = |a: f64, b: f64| assert!((a - b).abs() < 1e-6, "{a} {b}");
        close(report.audio_cosine, 0.0);
        // Cosines 0.6, 0 and 0.8.
        close(report.text_cosine, 1.4 / 3.0);
        close(report.paired_cosine, 2.6 / 3.0);
        // 0, 0.8 and 0.
        close(report.unpaired_cosine, 0.8 / 3.0);
        close(report.recall_at_1, 1.0);
        assert!(report.warnings.is_empty(), "{:?}", report.warnings);
    }

    #[test]
    fn faults_are_told_in_words() {
        let audio = array![[1.0_f32, 0.0], [1.0, 0.001]];
        let text = array![[0.0_f32, 3.0], [3.0, 0.0]];
        let report = sanity(audio.view(), text.view(), &[1, 0]).unwrap();
        let all = report.warnings.join("; ");
        for part in [
            "audio embeddings are nearly all alike",
            "text embeddings have norms from 3.000 to 3.000",
        ] {
            assert!(all.contains(part), "{all}");
        }
        let nan = array![[f32::NAN, 0.0], [1.0, 0.0]];
        let report = sanity(nan.view(), text.view(), &[0, 1]).unwrap();
        assert!(report.warnings[0].contains("audio embeddings hold NaN"), "{report:?}");
        let swapped = array![[0.0_f32, 1.0], [1.0, 0.0]];
        let report = sanity(swapped.view(), text.view(), &[1, 0]).unwrap();
        assert!(report.warnings.iter().any(|w| w.contains("no closer")), "{report:?}");
    }

    #[test]
    fn one_caption_for_all_clips_is_no_collapse() {
        let mut set = EmbeddingSet {
            ids: vec!["a".into(), "b".into()],
            audio: array![[1.0_f32, 0.0], [0.0, 1.0]],
            captions: vec!["rain".into(), "rain".into()],
            owners: vec![0, 1],
            text: array![[1.0_f32, 0.0], [1.0, 0.0]],
            provenance: dl_core::Provenance::default(),
        };
        let warnings = |set: &EmbeddingSet| Sanity::of(set).unwrap().warnings.join("; ");
        assert!(warnings(&set).contains("all 2 captions are the same text"));
        assert!(!warnings(&set).contains("collapsed"));
        set.captions[1] = "wind".into();
        assert!(
            warnings(&set).contains("text embeddings are nearly all alike (mean cosine 1.000)")
        );
    }

    #[test]
    fn rows_of_any_size_have_cosines() {
        let audio = array![[1e20_f32, 0.0], [0.0, 1e-30]];
        let report =
            sanity(audio.view(), array![[1.0_f32, 0.0], [0.0, 1.0]].view(), &[0, 1]).unwrap();
        assert!((report.paired_cosine - 1.0).abs() < 1e-6, "{report:?}");
    }

    #[test]
    fn shapes_that_do_not_fit_are_errors() {
        let one = array![[1.0_f32, 0.0]];
        assert!(sanity(one.view(), array![[1.0_f32]].view(), &[0]).is_err());
        assert!(sanity(one.view(), one.view(), &[]).is_err());
        assert!(sanity(one.view(), one.view(), &[1]).is_err());
    }
}
