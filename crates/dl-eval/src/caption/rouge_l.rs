//! ROUGE-L (Lin, 2004), equal to the COCO caption tools.
//!
//! - **Formula.** With the longest common subsequence of candidate and reference, its share
//!   `P` of the candidate's words and `R` of the reference's, `(1 + b²) P R / (R + b² P)`,
//!   `b = 1.2`. Of several references the best `P` and the best `R` count, even of two.
//! - **Range** 0 to 1; no words against no words is 1. **Corpus.** The mean over items.
//! - **Not measured.** Meaning; synonyms; words out of order.

use super::{Item, check};
use crate::EvalError;

const BETA: f64 = 1.2;

/// The score of each item; the corpus score is their mean.
///
/// # Errors
/// [`EvalError::NoReference`].
pub fn per_item(items: &[Item]) -> Result<Vec<f64>, EvalError> {
    check(items)?;
    Ok(items.iter().map(score).collect())
}

fn score(item: &Item) -> f64 {
    if item.candidate.is_empty() && item.references.iter().any(Vec::is_empty) {
        return 1.0;
    }
    let share =
        |part: usize, whole: usize| if whole == 0 { 0.0 } else { part as f64 / whole as f64 };
    let (mut precision, mut recall) = (0.0_f64, 0.0_f64);
    for reference in &item.references {
        let common = longest_common(&item.candidate, reference);
        precision = precision.max(share(common, item.candidate.len()));
        recall = recall.max(share(common, reference.len()));
    }
    if precision == 0.0 || recall == 0.0 {
        return 0.0;
    }
    let beta2 = BETA * BETA;
    (1.0 + beta2) * precision * recall / (recall + beta2 * precision)
}

/// Length of the longest common subsequence, one row of the table at a time.
fn longest_common(a: &[String], b: &[String]) -> usize {
    let mut row = vec![0; b.len() + 1];
    for left in a {
        let mut diagonal = 0;
        for (j, right) in b.iter().enumerate() {
            let above = row[j + 1];
            row[j + 1] = if left == right { diagonal + 1 } else { above.max(row[j]) };
            diagonal = above;
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_toy_by_hand() {
        // Common: "the sat": 2 of 3 and 2 of 4.
        let item = Item::new("the dog sat", &["the cat has sat"]);
        let (p, r) = (2.0 / 3.0, 0.5);
        let expected = (1.0 + 1.44) * p * r / (r + 1.44 * p);
        assert!((per_item(&[item]).unwrap()[0] - expected).abs() < 1e-12);
        assert_eq!(per_item(&[Item::new("", &["a dog"])]).unwrap(), [0.0]);
        assert_eq!(per_item(&[Item::new("!", &["a dog", "."])]).unwrap(), [1.0]);
    }
}
