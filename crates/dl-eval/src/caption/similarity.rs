//! Similarity of meaning by a sentence encoder, and FENSE (Zhou et al., ICASSP 2022, "Can
//! Audio Captions Be Evaluated with Image Caption Metrics?").
//!
//! - **Formula.** `sbert`: the mean over references of the cosine of both embeddings.
//!   `fense`: the same times `1 - 0.9 e`, where `e` is 1 if a classifier gives a fluency
//!   error a probability above 0.9, else 0. `fluency_error` is `e`; its corpus figure is
//!   the share of such captions.
//! - **Range** -1 to 1; in practice 0 to 1. **Corpus.** The mean over items.
//! - **Captions** go in as they were written, not as PTB tokens. One without a word has the
//!   similarity that the encoder gives to an empty text.
//! - **Equal to** aac-metrics 0.6.0 (`sbert_sim`, `fense`) given the same models. Figures of
//!   different encoders are not comparable: the published FENSE takes
//!   paraphrase-TinyBERT-L6-v2 and echecker_clotho_audiocaps_base.
//! - **Not measured.** What a sentence encoder overlooks: who does what, how often, and
//!   often a negation.
//!
//! The models are behind traits, so that this crate needs no tensor library.

use std::error::Error;

use ndarray::{Array2, ArrayView2, Axis};

use super::{
    Item,
    metric::{Column, Metric, Scores},
};
use crate::EvalError;

/// Probability above which a fluency error counts.
const THRESHOLD: f64 = 0.9;
/// Share of the similarity that it costs.
const PENALTY: f64 = 0.9;

/// What a model may say when it fails.
pub type Fault = Box<dyn Error + Send + Sync>;

/// Embeds sentences.
pub trait SentenceEncoder {
    /// One row for each text, `[texts, dim]`, in their order; any length but 0. Called once
    /// with all captions, in which many are equal.
    ///
    /// # Errors
    /// Whatever the model refuses.
    fn embed(&self, texts: &[String]) -> Result<Array2<f32>, Fault>;
}

/// Finds sentences that are not fluent.
pub trait FluencyClassifier {
    /// The probability of an error of any kind in each text, 0 to 1.
    ///
    /// # Errors
    /// Whatever the model refuses.
    fn error_probabilities(&self, texts: &[String]) -> Result<Vec<f64>, Fault>;
}

/// The columns of a set of captions; models are done when it is built.
#[derive(Clone, Debug)]
pub struct Similarity {
    columns: Vec<Column>,
}

impl Similarity {
    /// Scores `candidates` against the references of each.
    ///
    /// # Errors
    /// [`EvalError::NoReference`], [`EvalError::Model`] where a model fails,
    /// [`EvalError::Shape`] where it gives another number of rows, and
    /// [`EvalError::NoDirection`] for an embedding that is zero or not finite.
    pub fn new(
        encoder: &dyn SentenceEncoder,
        fluency: Option<&dyn FluencyClassifier>,
        candidates: &[String],
        references: &[Vec<String>],
    ) -> Result<Self, EvalError> {
        let texts = all_texts(candidates, references)?;
        let embedded = encoder.embed(&texts);
        let embedded = unit_rows(&embedded.map_err(|fault| EvalError::Model(fault.to_string()))?)?;
        fit("rows of the sentence encoder", texts.len(), embedded.nrows())?;
        let (own, others) = embedded.view().split_at(Axis(0), candidates.len());
        let similarities = with_references(own, others, references);
        let column =
            |key, name, per_item| Column { key, name, scores: Ok(Scores::mean_of(per_item)) };
        let mut columns = vec![column("sbert", "sentence similarity", similarities.clone())];
        if let Some(fluency) = fluency {
            let errors = fluency_errors(fluency, candidates, THRESHOLD)?;
            let each = similarities.iter().zip(&errors);
            let fense = each.map(|(similarity, error)| similarity * (1.0 - PENALTY * error));
            columns.push(column("fense", "FENSE", fense.collect()));
            columns.push(error_column(errors));
        }
        Ok(Self { columns })
    }
}

impl Metric for Similarity {
    fn columns(&self, items: &[Item]) -> Result<Vec<Column>, EvalError> {
        same_count(&self.columns, items)
    }
}

/// The column `fluency_error` alone, for SPIDEr-FL without a sentence encoder.
#[derive(Clone, Debug)]
pub struct FluencyErrors {
    columns: Vec<Column>,
}

impl FluencyErrors {
    /// Classifies `candidates`.
    ///
    /// # Errors
    /// [`EvalError::Model`] where the classifier fails, and [`EvalError::Shape`] where it gives
    /// another number of probabilities.
    pub fn new(fluency: &dyn FluencyClassifier, candidates: &[String]) -> Result<Self, EvalError> {
        Ok(Self { columns: vec![error_column(fluency_errors(fluency, candidates, THRESHOLD)?)] })
    }
}

impl Metric for FluencyErrors {
    fn columns(&self, items: &[Item]) -> Result<Vec<Column>, EvalError> {
        same_count(&self.columns, items)
    }
}

fn error_column(errors: Vec<f64>) -> Column {
    Column { key: "fluency_error", name: "fluency errors", scores: Ok(Scores::mean_of(errors)) }
}

/// Refuses another number.
pub(super) fn fit(what: &'static str, expected: usize, got: usize) -> Result<(), EvalError> {
    if got == expected { Ok(()) } else { Err(EvalError::Shape { what, expected, got }) }
}

/// All candidates and then all references in their order, once they are known to fit.
pub(super) fn all_texts(
    candidates: &[String],
    references: &[Vec<String>],
) -> Result<Vec<String>, EvalError> {
    check_lengths(candidates, references)?;
    Ok(candidates.iter().chain(references.iter().flatten()).cloned().collect())
}

/// Refuses another number of references, and a candidate without one.
pub(super) fn check_lengths(
    candidates: &[String],
    references: &[Vec<String>],
) -> Result<(), EvalError> {
    fit("lists of references", candidates.len(), references.len())?;
    match references.iter().position(Vec::is_empty) {
        Some(item) => Err(EvalError::NoReference(item)),
        None => Ok(()),
    }
}

/// 1 for each text that has an error of a probability above `threshold`, else 0.
pub(super) fn fluency_errors(
    fluency: &dyn FluencyClassifier,
    texts: &[String],
    threshold: f64,
) -> Result<Vec<f64>, EvalError> {
    let probabilities = fluency.error_probabilities(texts);
    let probabilities = probabilities.map_err(|fault| EvalError::Model(fault.to_string()))?;
    fit("probabilities of the fluency classifier", texts.len(), probabilities.len())?;
    if let Some(at) = probabilities.iter().position(|p| !(0.0..=1.0).contains(p)) {
        let p = probabilities[at];
        return Err(EvalError::Model(format!("item {at}: {p} is no probability")));
    }
    Ok(probabilities.iter().map(|&p| f64::from(u8::from(p > threshold))).collect())
}

/// Columns that were computed before, for `items` of the same number.
pub(super) fn same_count(columns: &[Column], items: &[Item]) -> Result<Vec<Column>, EvalError> {
    let scored = columns.iter().filter_map(|column| column.scores.as_ref().ok());
    for scores in scored {
        fit("captions embedded", items.len(), scores.per_item.len())?;
    }
    Ok(columns.to_vec())
}

/// The mean cosine of each row of `own` with those of its references, which `others` holds
/// one after another; rows are of norm 1.
pub(super) fn with_references(
    own: ArrayView2<f64>,
    others: ArrayView2<f64>,
    references: &[Vec<String>],
) -> Vec<f64> {
    let mut others = others.rows().into_iter();
    own.rows()
        .into_iter()
        .zip(references)
        .map(|(own, references)| {
            let sum: f64 = others.by_ref().take(references.len()).map(|row| own.dot(&row)).sum();
            sum / references.len() as f64
        })
        .collect()
}

/// In f64, each of norm 1.
pub(super) fn unit_rows(embedded: &Array2<f32>) -> Result<Array2<f64>, EvalError> {
    let mut rows = embedded.mapv(f64::from);
    for (row, mut values) in rows.rows_mut().into_iter().enumerate() {
        let norm = values.dot(&values).sqrt();
        if !(norm.is_finite() && norm > 0.0) {
            return Err(EvalError::NoDirection { side: "captions", row, norm: norm.to_string() });
        }
        values /= norm;
    }
    Ok(rows)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Counts of a, b and c.
    struct Letters;

    impl SentenceEncoder for Letters {
        fn embed(&self, texts: &[String]) -> Result<Array2<f32>, Fault> {
            let count = |text: &String, letter: char| text.matches(letter).count() as f32;
            let rows: Vec<[f32; 3]> =
                texts.iter().map(|text| ['a', 'b', 'c'].map(|c| count(text, c))).collect();
            Ok(Array2::from(rows))
        }
    }

    struct Says(Vec<f64>);

    impl FluencyClassifier for Says {
        fn error_probabilities(&self, _: &[String]) -> Result<Vec<f64>, Fault> {
            Ok(self.0.clone())
        }
    }

    fn captions() -> (Vec<String>, Vec<Vec<String>>) {
        let owned = |texts: &[&str]| texts.iter().map(|&text| text.to_owned()).collect::<Vec<_>>();
        (owned(&["a", "ab", "c"]), vec![owned(&["a", "b"]), owned(&["a"]), owned(&["abc", "c"])])
    }

    #[test]
    fn a_toy_by_hand() {
        let (candidates, references) = captions();
        let fluency = Says(vec![0.95, 0.9, 0.1]);
        let found = Similarity::new(&Letters, Some(&fluency), &candidates, &references).unwrap();
        let items = vec![Item::new("a", &["a"]); 3];
        let columns = found.columns(&items).unwrap();
        let per_item = |place: usize| columns[place].scores.clone().unwrap().per_item;
        // Cosines 1 and 0; 1/√2; 1/√3 and 1.
        let similar = [0.5, 0.5_f64.sqrt(), f64::midpoint(3.0_f64.sqrt().recip(), 1.0)];
        for (got, expected) in per_item(0).into_iter().zip(similar) {
            assert!((got - expected).abs() < 1e-12, "{got} {expected}");
        }
        // Only above 0.9, not at it.
        assert_eq!(per_item(2), [1.0, 0.0, 0.0]);
        assert!((per_item(1)[0] - 0.05).abs() < 1e-12);
        assert!((per_item(1)[1] - similar[1]).abs() < 1e-12);
        let share = columns[2].scores.as_ref().unwrap().corpus;
        assert!((share - 1.0 / 3.0).abs() < 1e-12);
        assert!(matches!(found.columns(&items[..2]), Err(EvalError::Shape { got: 3, .. })));
        // The classifier alone finds the same.
        let alone = FluencyErrors::new(&fluency, &candidates).unwrap();
        assert_eq!(alone.columns(&items).unwrap(), columns[2..]);
    }

    #[test]
    fn faults_of_models_are_named() {
        let (mut candidates, references) = captions();
        let new = |candidates: &[String], fluency| {
            Similarity::new(&Letters, fluency, candidates, &references).unwrap_err()
        };
        let two = Says(vec![0.1, 0.2]);
        assert!(matches!(new(&candidates, Some(&two)), EvalError::Shape { got: 2, .. }));
        let wrong = Says(vec![0.1, f64::NAN, 0.2]);
        assert_eq!(
            new(&candidates, Some(&wrong)).to_string(),
            "model: item 1: NaN is no probability"
        );
        candidates[1] = "x".into();
        assert!(matches!(new(&candidates, None), EvalError::NoDirection { row: 1, .. }));
    }
}
