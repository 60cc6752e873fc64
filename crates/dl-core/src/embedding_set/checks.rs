//! Whether two sets may be used together: fitted on one and chosen or judged by the
//! other, joined, or put through one bridge.

use std::{collections::HashSet, hash::Hash};

use super::{EmbeddingSet, provenance::MismatchError};

/// Ids that an error shows.
const SHOWN: usize = 3;

impl EmbeddingSet {
    /// Whether both sets can be of one encoder: they have as many dimensions, and their
    /// encoders are the same where both are known.
    ///
    /// # Errors
    /// [`MismatchError`] naming both encoders or both sizes.
    pub fn same_encoder(&self, other: &Self) -> Result<(), MismatchError> {
        let (ours, theirs) = (&self.provenance.encoder, &other.provenance.encoder);
        if !ours.is_empty() && !theirs.is_empty() && ours != theirs {
            let short = |encoder: &String| encoder.chars().take(12).collect();
            return Err(MismatchError::Encoder { one: short(ours), other: short(theirs) });
        }
        if self.dim() != other.dim() {
            return Err(MismatchError::Dimensions { one: self.dim(), other: other.dim() });
        }
        Ok(())
    }

    /// Whether no clip stands in both sets. Clips are known by their ids, whatever the
    /// corpus: the manifests of two splits differ, yet may list one clip. Where the ids
    /// of both sets are row numbers, which name nothing, equal audio embeddings are
    /// taken for one clip.
    ///
    /// # Errors
    /// [`MismatchError::Overlap`] with the first ids that stand in both.
    pub fn disjoint(&self, other: &Self) -> Result<(), MismatchError> {
        let both = if self.has_row_numbers() && other.has_row_numbers() {
            common(&self.bits(), &other.bits())
        } else {
            common(&self.ids, &other.ids)
        };
        if both.is_empty() {
            return Ok(());
        }
        let shown = both.iter().take(SHOWN).map(|&clip| format!("'{}'", self.ids[clip]));
        let mut shown: Vec<String> = shown.collect();
        if both.len() > SHOWN {
            shown.push("…".into());
        }
        Err(MismatchError::Overlap { count: both.len(), shown: shown.join(", ") })
    }

    fn has_row_numbers(&self) -> bool {
        self.ids.iter().enumerate().all(|(row, id)| *id == row.to_string())
    }

    /// The audio embeddings in a form that can be compared for equality.
    fn bits(&self) -> Vec<Vec<u32>> {
        self.audio.outer_iter().map(|row| row.iter().map(|x| x.to_bits()).collect()).collect()
    }
}

/// The places in `ours` of what stands in `theirs` too.
fn common<T: Eq + Hash>(ours: &[T], theirs: &[T]) -> Vec<usize> {
    let theirs: HashSet<&T> = theirs.iter().collect();
    ours.iter()
        .enumerate()
        .filter_map(|(place, key)| theirs.contains(key).then_some(place))
        .collect()
}
