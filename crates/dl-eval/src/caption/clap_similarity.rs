//! Similarity in the space of a contrastive audio-text model, and MACE (Dixit et al., 2024,
//! "MACE: Leveraging Audio for Evaluating Audio Captioning Systems", arXiv 2411.00321).
//!
//! - **Formula.** `clap_sim`: the mean over references of the cosine of the embeddings of
//!   candidate and reference. `clap_sim_audio`: the cosine of candidate and recording.
//!   `mace`: the mean of the two, times `1 - 0.3 e`, where `e` is 1 if the fluency
//!   classifier of FENSE gives an error a probability above 0.97, else 0; `mace_text` and
//!   `mace_audio` take one of the two alone.
//! - **Range** -1 to 1. **Corpus.** The mean over items.
//! - **Captions** go in as they were written, not as PTB tokens.
//! - **Equal to** aac-metrics 0.6.0 (`clap_sim` with `clap_method` text and audio, `mace` with
//!   `mace_method` combined, text and audio) given the same models. Figures of different
//!   models are not comparable: aac-metrics takes MS-CLAP 2023.
//! - **Not measured.** What the model does not tell apart: order, number, who does what.
//!
//! Embeddings are given, so that this crate needs no tensor library.

use ndarray::{Array2, Axis};

use super::{
    Item,
    metric::{Column, Metric, Scores},
    similarity::{
        FluencyClassifier, check_lengths, fit, fluency_errors, same_count, unit_rows,
        with_references,
    },
};
use crate::EvalError;

/// Probability above which a fluency error counts.
const THRESHOLD: f64 = 0.97;
/// Share of the similarity that it costs.
const PENALTY: f64 = 0.3;

/// The columns of a set of captions.
#[derive(Clone, Debug)]
pub struct ClapSimilarity {
    columns: Vec<Column>,
}

impl ClapSimilarity {
    /// Scores `candidates` against the references of each. `texts` `[candidates and
    /// references, dim]` are the embeddings of all candidates and then of all references in
    /// their order, `audio` `[candidates, dim]` those of the recordings, of any length but 0.
    /// With `fluency`, MACE is given, too.
    ///
    /// # Errors
    /// [`EvalError::NoReference`], [`EvalError::Shape`] for another number of rows or another
    /// `dim`, [`EvalError::NoDirection`] for a row that is zero or not finite, and
    /// [`EvalError::Model`] where the classifier fails.
    pub fn new(
        texts: &Array2<f32>,
        audio: Option<&Array2<f32>>,
        fluency: Option<&dyn FluencyClassifier>,
        candidates: &[String],
        references: &[Vec<String>],
    ) -> Result<Self, EvalError> {
        check_lengths(candidates, references)?;
        let count = candidates.len() + references.iter().map(Vec::len).sum::<usize>();
        fit("embedded captions", count, texts.nrows())?;
        let texts = unit_rows(texts)?;
        let (own, others) = texts.view().split_at(Axis(0), candidates.len());
        let by_text = with_references(own, others, references);
        let by_audio = match audio {
            Some(audio) => {
                fit("embedded recordings", candidates.len(), audio.nrows())?;
                fit("values of an embedded recording", own.ncols(), audio.ncols())?;
                let audio = unit_rows(audio)?;
                let pairs = own.rows().into_iter().zip(audio.rows());
                Some(pairs.map(|(own, other)| own.dot(&other)).collect::<Vec<f64>>())
            }
            None => None,
        };
        let column =
            |key, name, per_item| Column { key, name, scores: Ok(Scores::mean_of(per_item)) };
        let mut columns = vec![column("clap_sim", "CLAP, references", by_text.clone())];
        if let Some(by_audio) = &by_audio {
            columns.push(column("clap_sim_audio", "CLAP, recording", by_audio.clone()));
        }
        if let Some(fluency) = fluency {
            let errors = fluency_errors(fluency, candidates, THRESHOLD)?;
            let less = |similarities: &[f64]| {
                let each = similarities.iter().zip(&errors);
                each.map(|(similarity, error)| similarity * (1.0 - PENALTY * error)).collect()
            };
            match &by_audio {
                Some(by_audio) => {
                    let both = by_text.iter().zip(by_audio);
                    let both: Vec<f64> = both.map(|(&a, &b)| f64::midpoint(a, b)).collect();
                    columns.push(column("mace", "MACE", less(&both)));
                    columns.push(column("mace_text", "MACE, text", less(&by_text)));
                    columns.push(column("mace_audio", "MACE, audio", less(by_audio)));
                }
                None => {
                    let scores = Err("it needs the recordings".into());
                    columns.push(Column { key: "mace", name: "MACE", scores });
                    columns.push(column("mace_text", "MACE, text", less(&by_text)));
                }
            }
        }
        Ok(Self { columns })
    }
}

impl Metric for ClapSimilarity {
    fn columns(&self, items: &[Item]) -> Result<Vec<Column>, EvalError> {
        same_count(&self.columns, items)
    }
}

#[cfg(test)]
mod tests {
    use ndarray::array;

    use super::*;
    use crate::caption::similarity::Fault;

    struct Says(Vec<f64>);

    impl FluencyClassifier for Says {
        fn error_probabilities(&self, _: &[String]) -> Result<Vec<f64>, Fault> {
            Ok(self.0.clone())
        }
    }

    fn captions() -> (Vec<String>, Vec<Vec<String>>) {
        let owned = |texts: &[&str]| texts.iter().map(|&text| text.to_owned()).collect::<Vec<_>>();
        (owned(&["a", "b"]), vec![owned(&["c", "d"]), owned(&["e"])])
    }

    #[test]
    fn a_toy_by_hand() {
        let (candidates, references) = captions();
        // Of length 2, 1; at 0, 45 and 90 degrees.
        let texts = array![[2.0, 0.0], [0.0, 1.0], [1.0, 1.0], [0.0, 3.0], [0.0, -1.0]];
        let audio = array![[1.0, 0.0], [1.0, 1.0]];
        let fluency = Says(vec![0.98, 0.97]);
        let found =
            ClapSimilarity::new(&texts, Some(&audio), Some(&fluency), &candidates, &references)
                .unwrap();
        let columns = found.columns(&vec![Item::new("a", &["a"]); 2]).unwrap();
        let half = 0.5_f64.sqrt();
        let (text, sound) = ([half / 2.0, -1.0], [1.0, half]);
        let both = [f64::midpoint(text[0], sound[0]), f64::midpoint(text[1], sound[1])];
        let expected = [
            ("clap_sim", text),
            ("clap_sim_audio", sound),
            // Only above 0.97, not at it.
            ("mace", [0.7 * both[0], both[1]]),
            ("mace_text", [0.7 * text[0], text[1]]),
            ("mace_audio", [0.7 * sound[0], sound[1]]),
        ];
        assert_eq!(columns.len(), expected.len());
        for (column, (key, scores)) in columns.iter().zip(expected) {
            assert_eq!(column.key, key);
            for (got, expected) in column.scores.as_ref().unwrap().per_item.iter().zip(scores) {
                assert!((got - expected).abs() < 1e-7, "{key}: {got} {expected}");
            }
        }
        // Without recordings MACE says so.
        let found =
            ClapSimilarity::new(&texts, None, Some(&fluency), &candidates, &references).unwrap();
        let keys: Vec<&str> = found.columns.iter().map(|column| column.key).collect();
        assert_eq!(keys, ["clap_sim", "mace", "mace_text"]);
        assert_eq!(found.columns[1].scores, Err("it needs the recordings".into()));
    }

    #[test]
    fn faults_are_named() {
        let (candidates, references) = captions();
        let new = |texts: &Array2<f32>, audio: Option<&Array2<f32>>| {
            ClapSimilarity::new(texts, audio, None, &candidates, &references).unwrap_err()
        };
        let texts = Array2::ones((5, 2));
        assert!(matches!(new(&Array2::ones((4, 2)), None), EvalError::Shape { got: 4, .. }));
        for (shape, got) in [((1, 2), 1), ((2, 3), 3)] {
            let error = new(&texts, Some(&Array2::ones(shape)));
            assert!(matches!(error, EvalError::Shape { got: found, .. } if found == got));
        }
        let silent = array![[1.0, 0.0], [0.0, 0.0]];
        assert!(matches!(new(&texts, Some(&silent)), EvalError::NoDirection { row: 1, .. }));
    }
}
