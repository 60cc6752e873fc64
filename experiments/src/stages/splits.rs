//! One value for each split of a corpus.

use dl_data::Split;

/// One value for each split.
#[derive(Clone, Debug)]
pub struct Splits<T> {
    /// Bridges, heads and decoders are fitted on it.
    pub train: T,
    /// Everything is chosen on it.
    pub validation: T,
    /// Tables are over it; nothing else ever sees it.
    pub test: T,
}

impl<T> Splits<T> {
    /// One for each split, in the order train, validation, test.
    pub fn try_of<E>(mut of: impl FnMut(Split) -> Result<T, E>) -> Result<Self, E> {
        Ok(Self {
            train: of(Split::Train)?,
            validation: of(Split::Validation)?,
            test: of(Split::Test)?,
        })
    }

    /// That of a split.
    pub fn of(&self, split: Split) -> &T {
        match split {
            Split::Train => &self.train,
            Split::Validation => &self.validation,
            Split::Test => &self.test,
        }
    }
}
