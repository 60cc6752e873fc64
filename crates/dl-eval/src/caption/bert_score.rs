//! BERTScore (Zhang et al., ICLR 2020, "BERTScore: Evaluating Text Generation with BERT").
//!
//! - **Formula.** A language model gives every token of a caption a vector of unit norm.
//!   Precision is the mean over the candidate's tokens of the largest cosine with a token of
//!   the reference (paper, equation 1), recall the same the other way round, F1 their
//!   harmonic mean. The special tokens count neither as tokens nor as partners. Of several
//!   references the best precision, the best recall and the best F1 are taken, each for
//!   itself. No weights by frequency (`idf`), no rescaling by a baseline.
//! - **Range** -1 to 1 in the paper; as the packages compute it, a token without any
//!   partner of positive cosine counts 0, so that the range is 0 to 1. **Corpus.** The mean
//!   over items. A caption without a token scores 0.
//! - **Captions** go in as they were written, not as PTB tokens.
//! - **Equal to** aac-metrics 0.6.0 (`bert_score.precision`, `.recall`, `.f1`, which are
//!   torchmetrics') given the same model and its last layer. The package `bert-score` also
//!   lets tokens match the special ones and takes an inner layer: its numbers are others.
//!   Figures of different models or layers are not comparable.
//! - **Not measured.** Fluency, and what the model's vectors overlook.
//!
//! The model is behind a trait, so that this crate needs no tensor library.

use ndarray::Array2;

use super::{
    Item,
    metric::{Column, Metric, Scores},
    similarity::{Fault, all_texts, check_lengths, fit, same_count, unit_rows},
};
use crate::EvalError;

/// Gives tokens their vectors.
pub trait TokenEncoder {
    /// For each text the vectors of its tokens without the special ones, `[tokens, dim]`,
    /// of any length but 0. Called once with all captions, in which many are equal.
    ///
    /// # Errors
    /// Whatever the model refuses.
    fn embed_tokens(&self, texts: &[String]) -> Result<Vec<Array2<f32>>, Fault>;
}

/// The columns of a set of captions; the model is done when it is built.
#[derive(Clone, Debug)]
pub struct BertScore {
    columns: Vec<Column>,
}

impl BertScore {
    /// Scores `candidates` against the references of each.
    ///
    /// # Errors
    /// [`EvalError::NoReference`], [`EvalError::Model`] where the model fails,
    /// [`EvalError::Shape`] where it gives another number of texts, and
    /// [`EvalError::NoDirection`] for a vector that is zero or not finite.
    pub fn new(
        encoder: &dyn TokenEncoder,
        candidates: &[String],
        references: &[Vec<String>],
    ) -> Result<Self, EvalError> {
        let texts = all_texts(candidates, references)?;
        let tokens = encoder.embed_tokens(&texts);
        let tokens = tokens.map_err(|fault| EvalError::Model(fault.to_string()))?;
        fit("texts of the token encoder", texts.len(), tokens.len())?;
        let (own, others) = tokens.split_at(candidates.len());
        Self::of_vectors(own, others, candidates, references)
    }

    /// As [`BertScore::new`], where the vectors are known: `own` of each candidate, `others`
    /// of each reference one after another, `[tokens, dim]` each, all of one `dim`.
    ///
    /// # Errors
    /// [`EvalError::NoReference`], [`EvalError::Shape`] for another number of texts, and
    /// [`EvalError::NoDirection`] for a vector that is zero or not finite.
    pub fn of_vectors(
        own: &[Array2<f32>],
        others: &[Array2<f32>],
        candidates: &[String],
        references: &[Vec<String>],
    ) -> Result<Self, EvalError> {
        check_lengths(candidates, references)?;
        fit("candidates with vectors", candidates.len(), own.len())?;
        fit("references with vectors", references.iter().map(Vec::len).sum(), others.len())?;
        let mut others = others.iter();
        // F1, precision, recall.
        let mut best: [Vec<f64>; 3] = Default::default();
        for (own, references) in own.iter().zip(references) {
            let own = unit_rows(own)?;
            let mut item = [f64::MIN; 3];
            for other in others.by_ref().take(references.len()) {
                for (best, score) in item.iter_mut().zip(scores(&own, &unit_rows(other)?)) {
                    *best = best.max(score);
                }
            }
            best.iter_mut().zip(item).for_each(|(column, score)| column.push(score));
        }
        let names = [
            ("bert_score_f1", "BERTScore F1"),
            ("bert_score_precision", "BERTScore precision"),
            ("bert_score_recall", "BERTScore recall"),
        ];
        let column = |((key, name), per_item)| {
            let scores = Ok(Scores::mean_of(per_item));
            Column { key, name, scores }
        };
        Ok(Self { columns: names.into_iter().zip(best).map(column).collect() })
    }
}

/// F1, precision and recall of rows of unit norm.
fn scores(candidate: &Array2<f64>, reference: &Array2<f64>) -> [f64; 3] {
    if candidate.nrows() == 0 || reference.nrows() == 0 {
        return [0.0; 3];
    }
    let cosines = candidate.dot(&reference.t());
    // The packages set the special tokens' cosines to 0 and leave them among the partners.
    let best = |row: ndarray::ArrayView1<f64>| row.iter().copied().fold(0.0, f64::max);
    let precision = cosines.rows().into_iter().map(best).sum::<f64>() / candidate.nrows() as f64;
    let recall = cosines.columns().into_iter().map(best).sum::<f64>() / reference.nrows() as f64;
    let sum = precision + recall;
    let f1 = if sum > 0.0 { 2.0 * precision * recall / sum } else { 0.0 };
    [f1, precision, recall]
}

impl Metric for BertScore {
    fn columns(&self, items: &[Item]) -> Result<Vec<Column>, EvalError> {
        same_count(&self.columns, items)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A word's vector by its first letter: a and b are at right angles, c halfway between
    /// them, n against a.
    struct Letters;

    impl TokenEncoder for Letters {
        fn embed_tokens(&self, texts: &[String]) -> Result<Vec<Array2<f32>>, Fault> {
            let row = |word: &str| match word.as_bytes()[0] {
                b'a' => [2.0, 0.0],
                b'b' => [0.0, 1.0],
                b'c' => [1.0, 1.0],
                b'n' => [-1.0, 0.0],
                _ => [0.0, 0.0],
            };
            let rows = |text: &String| {
                let rows: Vec<[f32; 2]> = text.split_whitespace().map(row).collect();
                Array2::from(rows)
            };
            Ok(texts.iter().map(rows).collect())
        }
    }

    fn owned(texts: &[&str]) -> Vec<String> {
        texts.iter().map(|&text| text.to_owned()).collect()
    }

    #[test]
    fn a_toy_by_hand() {
        let candidates = owned(&["a b", "n", "", "a"]);
        let references =
            [owned(&["a c", "b"]), owned(&["a"]), owned(&["a"]), owned(&["a b b", "c"])];
        let found = BertScore::new(&Letters, &candidates, &references).unwrap();
        let columns = found.columns(&vec![Item::new("a", &["a"]); 4]).unwrap();
        let of = |at: usize, item: usize| columns[at].scores.as_ref().unwrap().per_item[item];
        let half = 0.5_f64.sqrt();
        // Against "a c": a 1, b 1/√2; a 1, c 1/√2. Against "b": a 0, b 1; b 1.
        let f1 = f64::midpoint(1.0, half);
        let expected = [f1, f1, 1.0];
        for (at, expected) in expected.into_iter().enumerate() {
            assert!((of(at, 0) - expected).abs() < 1e-12, "{at}: {} {expected}", of(at, 0));
        }
        // A cosine below 0 and a caption without a token.
        for item in [1, 2] {
            assert_eq!([of(0, item), of(1, item), of(2, item)], [0.0; 3]);
        }
        // The best precision and the best recall are of different references.
        assert!((of(1, 3) - 1.0).abs() < 1e-12 && (of(2, 3) - half).abs() < 1e-12);
        assert!((of(0, 3) - half).abs() < 1e-12, "F1 of the second: both are 1/√2");
        assert!((columns[2].scores.as_ref().unwrap().corpus - (1.0 + half) / 4.0).abs() < 1e-12);
    }

    #[test]
    fn faults_are_named() {
        let new = |candidate: &str, references: &[&str]| {
            BertScore::new(&Letters, &owned(&[candidate]), &[owned(references)]).unwrap_err()
        };
        assert_eq!(new("a", &[]), EvalError::NoReference(0));
        assert!(matches!(new("a x", &["a"]), EvalError::NoDirection { row: 1, .. }));
        let found = BertScore::new(&Letters, &owned(&["a"]), &[owned(&["a"])]).unwrap();
        assert!(matches!(found.columns(&[]), Err(EvalError::Shape { got: 1, .. })));
    }
}
