//! How varied a system's captions are. A prefix-tuned model that ignores its
//! prefix says one sentence for all clips; no overlap metric shows that plainly. How
//! much captions share beyond whole sentences is [`super::bleu::self_bleu`].

use std::collections::HashSet;

/// Variety of a set of tokenised captions.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Diversity {
    /// Number of different captions over the number of captions: 1 when all differ.
    pub distinct: f64,
    /// Number of different words.
    pub vocabulary: usize,
    /// Share of captions in which a run of one to four words follows itself at once.
    pub repetition: f64,
}

/// Counts over `captions` (tokens); all zero where there are none.
pub fn diversity(captions: &[Vec<String>]) -> Diversity {
    let share =
        |count: usize| if captions.is_empty() { 0.0 } else { count as f64 / captions.len() as f64 };
    let different: HashSet<&Vec<String>> = captions.iter().collect();
    let words: HashSet<&String> = captions.iter().flatten().collect();
    Diversity {
        distinct: share(different.len()),
        vocabulary: words.len(),
        repetition: share(captions.iter().filter(|caption| repeats(caption)).count()),
    }
}

/// Share of `captions` that stand nowhere in `training`, word for word: 0 is a system
/// that only quotes. 0 where there are no captions.
pub fn novel(captions: &[Vec<String>], training: &[Vec<String>]) -> f64 {
    let known: HashSet<&Vec<String>> = training.iter().collect();
    let new = captions.iter().filter(|caption| !known.contains(caption)).count();
    new as f64 / captions.len().max(1) as f64
}

fn repeats(tokens: &[String]) -> bool {
    (1..=4).any(|n| tokens.windows(2 * n).any(|run| run[..n] == run[n..]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::caption::tokenize;

    #[test]
    fn a_toy_by_hand() {
        let captions = ["A dog barks", "a dog barks.", "rain and rain and rain", "birds sing"];
        let found = diversity(&captions.map(tokenize));
        assert_eq!(found, Diversity { distinct: 0.75, vocabulary: 7, repetition: 0.25 });
    }

    #[test]
    fn novelty_by_hand() {
        let training = ["A dog barks."].map(tokenize);
        let captions = ["a dog barks", "birds sing"].map(tokenize);
        assert!((novel(&captions, &training) - 0.5).abs() < 1e-12);
        assert!(novel(&[], &training).abs() < 1e-12);
    }
}
