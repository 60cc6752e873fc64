//! Which caption belongs to which references.

use std::{collections::HashMap, path::Path};

use anyhow::{Result, bail};

use crate::files;

/// The clips of two files, in the order of the predictions.
pub(crate) struct Pairs {
    pub(crate) ids: Vec<String>,
    pub(crate) candidates: Vec<String>,
    pub(crate) references: Vec<Vec<String>>,
}

impl Pairs {
    /// Both files have the same clips, or this is an error that names those of one alone.
    pub(crate) fn read(predictions: &Path, references: &Path) -> Result<Self> {
        let known = files::read(references)?;
        let mut left: HashMap<String, Vec<String>> =
            known.into_iter().map(|clip| (clip.id, clip.captions)).collect();
        let mut pairs = Self { ids: Vec::new(), candidates: Vec::new(), references: Vec::new() };
        let mut missing = Vec::new();
        for (id, caption) in files::predictions(predictions)? {
            match left.remove(&id) {
                Some(references) => {
                    pairs.ids.push(id);
                    pairs.candidates.push(caption);
                    pairs.references.push(references);
                }
                None => missing.push(id),
            }
        }
        let [of, with] = [predictions, references].map(Path::display);
        if !missing.is_empty() {
            bail!(
                "{of}: {} clips have no references in {with}: {}; leave them out, or add references",
                missing.len(),
                named(&missing)
            );
        }
        if !left.is_empty() {
            let mut ids: Vec<String> = left.into_keys().collect();
            ids.sort();
            bail!(
                "{of}: {} clips of {with} have no caption here: {}; caption them too, or leave them \
                 out of the references",
                ids.len(),
                named(&ids)
            );
        }
        Ok(pairs)
    }

    /// The same clips as said by another system, in the order of `self`.
    pub(crate) fn of_other(&self, predictions: &Path, references: &Path) -> Result<Self> {
        let other = Self::read(predictions, references)?;
        let mut said: HashMap<String, String> =
            other.ids.into_iter().zip(other.candidates).collect();
        // Both have exactly the clips of the references.
        let candidates = self.ids.iter().filter_map(|id| said.remove(id)).collect();
        Ok(Self { ids: self.ids.clone(), candidates, references: self.references.clone() })
    }
}

/// The first few ids.
pub(crate) fn named(ids: &[impl AsRef<str>]) -> String {
    let mut text: Vec<&str> = ids.iter().take(5).map(AsRef::as_ref).collect();
    text.extend((ids.len() > 5).then_some("..."));
    text.join(", ")
}
