//! Which caption belongs to which references.

use std::{
    collections::{HashMap, HashSet},
    fmt::Display,
    path::Path,
};

use anyhow::{Result, bail};
use dl_core::text::told_apart;

use crate::files::{self, Captions};

/// The clips of two files, in the order of the predictions. What is said of a clip is one
/// caption, or for SPIDEr-max a list of them.
pub(crate) struct Pairs<C = String> {
    pub(crate) ids: Vec<String>,
    pub(crate) candidates: Vec<C>,
    pub(crate) references: Vec<Vec<String>>,
}

impl Pairs {
    /// Of one caption a clip. Both files have the same clips, or this is an error that names
    /// those of one alone.
    pub(crate) fn read(predictions: &Path, references: &Path) -> Result<Self> {
        Self::of(
            files::read(references)?,
            files::predictions(predictions)?,
            [predictions, references],
        )
    }
}

impl Pairs<Vec<String>> {
    /// As [`Pairs::read`], of any number of captions a clip.
    pub(crate) fn read_several(predictions: &Path, references: &Path) -> Result<Self> {
        let known = files::read(references)?;
        let said = files::read(predictions)?.into_iter().map(|clip| (clip.id, clip.captions));
        Self::of(known, said.collect(), [predictions, references])
    }
}

impl<C> Pairs<C> {
    fn of(known: Vec<Captions>, said: Vec<(String, C)>, files: [&Path; 2]) -> Result<Self> {
        let ids = |clips: &[Captions]| clips.iter().map(|clip| clip.id.clone()).collect::<Vec<_>>();
        let said_ids: Vec<String> = said.iter().map(|(id, _)| id.clone()).collect();
        same_clips(&said_ids, &ids(&known), files.map(Path::display))?;
        let mut left: HashMap<String, Vec<String>> =
            known.into_iter().map(|clip| (clip.id, clip.captions)).collect();
        let mut pairs = Self { ids: said_ids, candidates: Vec::new(), references: Vec::new() };
        for (id, caption) in said {
            pairs.candidates.push(caption);
            pairs.references.extend(left.remove(&id));
        }
        Ok(pairs)
    }

    /// The clips of `other`, which are the same, in the order of `self`.
    pub(crate) fn order(&self, other: Self) -> Self {
        let mut said: HashMap<String, C> = other.ids.into_iter().zip(other.candidates).collect();
        // Both have exactly the clips of the references.
        let candidates = self.ids.iter().filter_map(|id| said.remove(id)).collect();
        Self { ids: self.ids.clone(), candidates, references: self.references.clone() }
    }
}

/// Refuses a clip that one side lacks. `names` are those of what was said and of what is
/// known; each side has every id once.
///
/// # Errors
/// A sentence that names the first few of these clips.
pub fn same_clips(said: &[String], known: &[String], names: [impl Display; 2]) -> Result<()> {
    let [of, with] = names;
    let lacking = |ids: &[String], others: &[String]| -> Vec<String> {
        let others: HashSet<&String> = others.iter().collect();
        ids.iter().filter(|id| !others.contains(id)).cloned().collect()
    };
    let missing = lacking(said, known);
    let mut unsaid = lacking(known, said);
    unsaid.sort();
    if !missing.is_empty() {
        bail!(
            "{of}: {} clips have no references in {with}: {}; leave them out, or add references",
            missing.len(),
            named(&missing, &unsaid)
        );
    }
    if !unsaid.is_empty() {
        bail!(
            "{of}: {} clips of {with} have no caption here: {}; caption them too, or leave them \
             out of the references",
            unsaid.len(),
            named(&unsaid, said)
        );
    }
    Ok(())
}

/// The first few ids, by the numbers of their letters where one of `others` looks alike.
pub(crate) fn named(ids: &[impl AsRef<str>], others: &[String]) -> String {
    let shown = |id: &str| {
        let told = told_apart(id, others.iter().map(String::as_str));
        // Plain ones need no quotes.
        if told == format!("'{id}'") { id.to_owned() } else { told }
    };
    let mut text: Vec<String> = ids.iter().take(5).map(|id| shown(id.as_ref())).collect();
    text.extend((ids.len() > 5).then(|| "...".to_owned()));
    text.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_that_look_alike_are_told_apart() {
        let named = |id: &str, other: &str| named(&[id], &[other.to_owned()]);
        assert_eq!(named("rain 1", "wind 1"), "rain 1");
        assert_eq!(named("rain  1", "rain 1"), r"'rain \u{20}1'");
        assert_eq!(named("caf\u{e9}", "cafe\u{301}"), r"'caf\u{e9}'");
        let many: Vec<String> = (0..7).map(|id| id.to_string()).collect();
        assert_eq!(super::named(&many, &[]), "0, 1, 2, 3, 4, ...");
    }
}
