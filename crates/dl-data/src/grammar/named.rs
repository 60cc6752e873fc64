//! From a caption back to the labels that it names.

/// A row of words that names a label; a word that ends in `*` stands for any ending.
#[derive(Clone, Debug)]
pub(super) struct Key(Vec<(String, bool)>);

impl Key {
    /// Reads "church bell*" and the like.
    pub(super) fn new(pattern: &str) -> Self {
        let words = pattern.split_whitespace().flat_map(|word| {
            let open = word.ends_with('*');
            let mut parts: Vec<(String, bool)> =
                tokens(word).into_iter().map(|part| (part, false)).collect();
            if let Some(last) = parts.last_mut() {
                last.1 = open;
            }
            parts
        });
        Self(words.collect())
    }

    /// The places in `caption` where the key stands: (first word, number of words).
    fn places<'a>(&'a self, caption: &'a [String]) -> impl Iterator<Item = (usize, usize)> + 'a {
        let length = self.0.len().max(1);
        caption.windows(length).enumerate().filter_map(move |(start, words)| {
            let fits = !self.0.is_empty()
                && words.iter().zip(&self.0).all(|(word, (stem, open))| {
                    if *open { word.starts_with(stem) } else { word == stem }
                });
            fits.then_some((start, length))
        })
    }
}

/// Lower-case words of letters and digits; "cat's" is one word, "cat".
pub(super) fn tokens(text: &str) -> Vec<String> {
    text.split(|c: char| !c.is_alphanumeric() && c != '\'')
        .map(|word| word.trim_matches('\''))
        .map(|word| word.strip_suffix("'s").unwrap_or(word))
        .filter(|word| !word.is_empty())
        .map(str::to_lowercase)
        .collect()
}

/// The labels (indices into `keys`, in order) of which a key stands in the caption, except
/// where it is only a part of another label's longer key ("dog" within "dog growl").
pub(super) fn named(keys: &[&[Key]], caption: &str) -> Vec<usize> {
    let caption = tokens(caption);
    let mut places = Vec::new();
    for (label, keys) in keys.iter().enumerate() {
        for key in *keys {
            places.extend(key.places(&caption).map(|(start, length)| (label, start, length)));
        }
    }
    let covered = |&(label, start, length): &(usize, usize, usize)| {
        places.iter().any(|&(other, first, long)| {
            other != label && long > length && first <= start && start + length <= first + long
        })
    };
    let mut labels: Vec<usize> =
        places.iter().filter(|place| !covered(place)).map(|place| place.0).collect();
    labels.sort_unstable();
    labels.dedup();
    labels
}
