//! Searches small enough to be checked by hand or by trying everything.

use super::*;
use proptest::prelude::*;

const BOS: u32 = 0;
const EOS: u32 = 1;

/// Scores that follow from an item's table and the last token alone:
/// `tables[item][last][next]`, as probabilities.
struct Markov {
    tables: Vec<Array2<f64>>,
    items: Vec<usize>,
}

impl Markov {
    fn new(tables: Vec<Array2<f64>>) -> Self {
        let items = (0..tables.len()).collect();
        Self { tables, items }
    }
}

impl StepModel for Markov {
    fn step(&mut self, parents: &[usize], tokens: &[u32]) -> Result<Array2<f32>, LlmError> {
        self.items = parents.iter().map(|&parent| self.items[parent]).collect();
        let vocab = self.tables[0].ncols();
        let rows: Vec<f32> = self
            .items
            .iter()
            .zip(tokens)
            .flat_map(|(&item, &last)| self.tables[item].row(last as usize).to_vec())
            .map(|p| p.ln() as f32)
            .collect();
        Ok(Array2::from_shape_vec((tokens.len(), vocab), rows).unwrap())
    }
}

fn run(tables: &[Array2<f64>], config: &DecodeConfig) -> Vec<Vec<u32>> {
    let vocabulary = Vocabulary { bos: BOS, eos: EOS, banned: &[BOS] };
    search(&mut Markov::new(tables.to_vec()), tables.len(), &vocabulary, config).unwrap()
}

fn beam(beams: usize, max_tokens: usize) -> DecodeConfig {
    DecodeConfig { beams, max_tokens, no_repeat_ngram: 0, ..DecodeConfig::default() }
}

/// Best score over every sequence there is.
fn exhaustive(table: &Array2<f64>, config: &DecodeConfig) -> (f64, Vec<u32>) {
    let mut best = (f64::NEG_INFINITY, Vec::new());
    let mut open = vec![(0.0, Vec::<u32>::new())];
    for length in 1..=config.max_tokens {
        let mut longer = Vec::new();
        for (score, tokens) in &open {
            let last = tokens.last().copied().unwrap_or(BOS);
            for next in 1..table.ncols() as u32 {
                if next == EOS && tokens.len() < config.min_tokens {
                    continue;
                }
                let score = score + f64::from(table[[last as usize, next as usize]].ln() as f32);
                let mut tokens = tokens.clone();
                let ended = next == EOS;
                if !ended {
                    tokens.push(next);
                }
                let normed = score / (length as f64).powf(config.length_penalty);
                if (ended || length == config.max_tokens) && normed > best.0 {
                    best = (normed, tokens.clone());
                }
                if !ended {
                    longer.push((score, tokens));
                }
            }
        }
        open = longer;
    }
    best
}

/// The score of a caption, its end mark added where there is room for one.
fn score(table: &Array2<f64>, tokens: &[u32], config: &DecodeConfig) -> f64 {
    let mut path: Vec<u32> = [&[BOS], tokens].concat();
    if tokens.len() < config.max_tokens {
        path.push(EOS);
    }
    let steps = path.windows(2).map(|pair| table[[pair[0] as usize, pair[1] as usize]]);
    let sum: f64 = steps.map(|p| f64::from(p.ln() as f32)).sum();
    sum / ((path.len() - 1) as f64).powf(config.length_penalty)
}

#[test]
fn greedy_takes_the_garden_path_and_two_beams_do_not() {
    // From the start: 2 (0.6) or 3 (0.4). After 2 all is uncertain; after 3 the
    // end is sure. Log-probability per token: [2, 4] ends up at (ln 0.6 + ln 0.4
    // + ln 0.34) / 3 = -0.835 at best, [3] at ln 0.4 / 2 = -0.458.
    let table = ndarray::array![
        [0.0, 0.0, 0.6, 0.4, 0.0],
        [0.0, 1.0, 0.0, 0.0, 0.0],
        [0.0, 0.2, 0.2, 0.2, 0.4],
        [0.0, 1.0, 0.0, 0.0, 0.0],
        [0.0, 0.34, 0.33, 0.0, 0.33],
    ];
    assert_eq!(run(std::slice::from_ref(&table), &beam(1, 5)), [vec![2, 4]]);
    assert_eq!(run(&[table], &beam(2, 5)), [vec![3]]);
}

#[test]
fn limits_on_length_and_repetition_hold() {
    // Left alone, it says 2 for ever.
    let table = ndarray::array![
        [0.0, 0.1, 0.8, 0.1],
        [0.0, 1.0, 0.0, 0.0],
        [0.0, 0.1, 0.8, 0.1],
        [0.0, 0.5, 0.3, 0.2],
    ];
    let tables = [table];
    assert_eq!(run(&tables, &beam(1, 4)), [vec![2, 2, 2, 2]]);
    let once = DecodeConfig { no_repeat_ngram: 1, ..beam(1, 4) };
    assert_eq!(run(&tables, &DecodeConfig { min_tokens: 2, ..once }), [vec![2, 3]]);
    let pairs = DecodeConfig { no_repeat_ngram: 2, ..beam(1, 6) };
    // 2 2 would repeat at the third token; 3 is next best after it, tied with the
    // end mark, which has the smaller id.
    assert_eq!(run(&tables, &pairs), [vec![2, 2]]);
}

#[test]
fn impossible_continuations_end_a_caption() {
    let table = ndarray::array![[0.0, 0.0, 1.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]];
    let config = DecodeConfig { no_repeat_ngram: 1, min_tokens: 2, ..beam(2, 5) };
    assert_eq!(run(&[table], &config), [vec![2]]);
}

#[test]
fn ranges_are_checked() {
    let config = DecodeConfig { min_tokens: 40, ..DecodeConfig::default() };
    let message = config.validate().unwrap_err().to_string();
    assert_eq!(message, "min_tokens = 40: must be below max_tokens");
    assert!(DecodeConfig { beams: 0, ..DecodeConfig::default() }.validate().is_err());
}

fn tables(count: usize, vocab: usize) -> impl Strategy<Value = Vec<Array2<f64>>> {
    let size = count * vocab * vocab;
    proptest::collection::vec(0.01_f64..1.0, size).prop_map(move |values| {
        values
            .chunks(vocab * vocab)
            .map(|values| {
                let mut table = Array2::from_shape_vec((vocab, vocab), values.to_vec()).unwrap();
                for mut row in table.rows_mut() {
                    let sum = row.sum();
                    row.mapv_inplace(|x| x / sum);
                }
                table
            })
            .collect()
    })
}

proptest! {
    #[test]
    fn enough_beams_find_the_best_caption_there_is(
        tables in tables(2, 4),
        length_penalty in 0.0_f64..2.0,
        min_tokens in 0_usize..3,
    ) {
        // Three tokens and at most four of them: 81 beams miss nothing.
        let config = DecodeConfig { length_penalty, min_tokens, ..beam(81, 4) };
        let found = run(&tables, &config);
        for (table, tokens) in tables.iter().zip(found) {
            // Orders of the same transitions tie: the score decides, not the tokens.
            let (best, found) = (exhaustive(table, &config), score(table, &tokens, &config));
            prop_assert!((best.0 - found).abs() < 1e-9, "{best:?}, {tokens:?}: {found}");
        }
    }

    #[test]
    fn neighbours_in_the_batch_change_nothing(
        tables in tables(5, 6),
        beams in 1_usize..5,
        no_repeat_ngram in 0_usize..3,
    ) {
        let config = DecodeConfig { no_repeat_ngram, ..beam(beams, 8) };
        let together = run(&tables, &config);
        for (table, tokens) in tables.iter().zip(together) {
            prop_assert_eq!(&run(std::slice::from_ref(table), &config)[0], &tokens);
        }
    }

    #[test]
    fn greedy_search_is_a_beam_of_one(
        tables in tables(4, 6),
        no_repeat_ngram in 0_usize..4,
        min_tokens in 0_usize..4,
    ) {
        // Few different scores, so that many are equal; some are impossible.
        let coarse = |table: Array2<f64>| table.mapv(|p| (p * 4.0).floor() / 4.0);
        let tables: Vec<Array2<f64>> = tables.into_iter().map(coarse).collect();
        let config = DecodeConfig { no_repeat_ngram, min_tokens, ..beam(1, 8) };
        let words = Vocabulary { bos: BOS, eos: EOS, banned: &[BOS, EOS, 3] };
        let listen = |greedy: bool| {
            let (mut model, mut heard) = (Markov::new(tables.clone()), Vec::new());
            let mut told = |item: usize, token: u32| heard.push((item, token));
            let found = match greedy {
                true => search_from(&mut model, 0, 4, &words, &config, &mut told),
                false => shrinking(&mut model, 0, 4, &words, &config, &mut told),
            };
            (found.unwrap(), heard)
        };
        prop_assert_eq!(listen(true), listen(false));
    }

    #[test]
    fn one_beam_is_greedy(tables in tables(1, 6)) {
        let mut expected = Vec::new();
        let mut last = BOS;
        for step in 0..8 {
            let row = tables[0].row(last as usize);
            let allowed = |token: &usize| *token != BOS as usize
                && (step > 0 || *token != EOS as usize);
            let best = (0..6).filter(allowed).max_by(|&a, &b| row[a].total_cmp(&row[b]));
            last = best.unwrap() as u32;
            if last == EOS {
                break;
            }
            expected.push(last);
        }
        prop_assert_eq!(&run(&tables, &beam(1, 8))[0], &expected);
    }
}
