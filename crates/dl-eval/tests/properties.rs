//! What must hold for any input.

#![allow(clippy::unwrap_used)] // helpers of tests, too

use dl_eval::{
    caption::{
        Item,
        bleu::{self, Bleu},
        cider_d, diversity, rouge_l,
        spice::{Evaluator, score::Kind},
        tokenize, tokenize_lines,
    },
    gap::{GapInput, evaluate},
};
use ndarray::Array2;
use proptest::prelude::*;

fn words() -> impl Strategy<Value = String> {
    proptest::collection::vec("[a-e]{1,2}", 1..9).prop_map(|words| words.join(" "))
}

fn scores(items: &[Item]) -> Vec<f64> {
    let bleu = Bleu::new(items).unwrap();
    let mut all: Vec<f64> = bleu.per_item().into_iter().flatten().collect();
    all.extend(bleu.corpus());
    all.extend(rouge_l::per_item(items).unwrap());
    all.extend(cider_d::per_item(items).unwrap().iter().map(|score| score / 10.0));
    all
}

proptest! {
    #[test]
    fn scores_stay_in_range_and_ignore_the_order_of_references(
        sets in proptest::collection::vec((words(), proptest::collection::vec(words(), 1..4)), 2..6)
    ) {
        let items: Vec<Item> = sets.iter().map(|(c, r)| Item::new(c, r)).collect();
        let turned: Vec<Item> = sets
            .iter()
            .map(|(c, r)| Item::new(c, &r.iter().rev().collect::<Vec<_>>()))
            .collect();
        for (a, b) in scores(&items).into_iter().zip(scores(&turned)) {
            prop_assert!((0.0..=1.0 + 1e-9).contains(&a), "{}", a);
            prop_assert!((a - b).abs() < 1e-12);
        }
    }

    #[test]
    fn a_candidate_that_is_the_reference_scores_the_maximum(text in "([a-e]{1,2} ){3}[a-e]{1,2}") {
        let items = [Item::new(&text, &[&text]), Item::new("x y z w", &["p q r s"])];
        for score in Bleu::new(&items).unwrap().per_item()[0] {
            prop_assert!((score - 1.0).abs() < 1e-8);
        }
        prop_assert!((rouge_l::per_item(&items).unwrap()[0] - 1.0).abs() < 1e-12);
        prop_assert!((cider_d::per_item(&items).unwrap()[0] - 10.0).abs() < 1e-9);
    }

    #[test]
    fn arbitrary_text_never_panics(texts in proptest::collection::vec(".*", 2..5)) {
        let items: Vec<Item> = texts.iter().map(|text| Item::new(text, &texts)).collect();
        prop_assert!(scores(&items).iter().all(|score| score.is_finite()));
        let tokens: Vec<Vec<String>> = texts.iter().map(|text| tokenize(text)).collect();
        prop_assert!(diversity::diversity(&tokens).distinct > 0.0);
    }
}

/// What breaks tokenizers: marks, entities, abbreviations and characters of all planes.
fn hard_text() -> impl Strategy<Value = String> {
    let part = prop_oneof![
        "[a-zA-Z0-9.,'’`\"_/@#&;:()<>!?$ *~^=|\\[\\]-]{0,12}",
        "\\PC{0,6}",
        "[\u{0}-\u{2ff}]{0,6}",
        proptest::collection::vec(any::<char>(), 0..6).prop_map(String::from_iter),
        Just("etc. U.S. The ".to_owned()),
        Just("n't &apos; &quot;&amp;".to_owned()),
        Just("<a b='c".to_owned()),
        Just("x.[^x=".to_owned()),
        Just("(555) 123-4567 1 1/2".to_owned()),
    ];
    proptest::collection::vec(part, 0..6).prop_map(|parts| parts.concat())
}

proptest! {
    #[test]
    fn tokens_of_any_text_are_lower_case_words(texts in proptest::collection::vec(hard_text(), 1..5)) {
        for text in &texts {
            for token in tokenize(text) {
                prop_assert!(!token.is_empty() && !token.contains([' ', '\n']));
                prop_assert_eq!(token.to_lowercase(), token);
            }
        }
        prop_assert_eq!(tokenize_lines(&texts).len(), texts.len());
        prop_assert_eq!(&tokenize_lines(&texts[..1])[0], &tokenize(&texts[0]));
    }

    #[test]
    fn scores_of_any_text_are_in_range_and_ignore_the_order_of_items(
        texts in proptest::collection::vec(hard_text(), 3..6),
        turn in 1..3_usize,
    ) {
        let mut items: Vec<Item> = texts
            .iter()
            .enumerate()
            .map(|(i, text)| Item::new(text, &[&texts[(i + 1) % texts.len()], &texts[0]]))
            .collect();
        let per_item = |items: &[Item]| {
            let mut bleu = Bleu::new(items).unwrap().per_item();
            let mut rouge = rouge_l::per_item(items).unwrap();
            let mut cider = cider_d::per_item(items).unwrap();
            bleu.rotate_left(items.len() - turn);
            rouge.rotate_left(items.len() - turn);
            cider.rotate_left(items.len() - turn);
            (bleu, rouge, cider)
        };
        let plain = (
            Bleu::new(&items).unwrap().per_item(),
            rouge_l::per_item(&items).unwrap(),
            cider_d::per_item(&items).unwrap(),
        );
        let corpus = Bleu::new(&items).unwrap().corpus();
        prop_assert!(plain.0.iter().flatten().chain(&plain.1).all(|x| (0.0..=1.0 + 1e-9).contains(x)));
        prop_assert!(plain.2.iter().all(|x| (0.0..=10.0 + 1e-9).contains(x)));
        items.rotate_left(turn);
        prop_assert_eq!(per_item(&items), plain);
        let turned = Bleu::new(&items).unwrap().corpus();
        prop_assert!(corpus.iter().zip(turned).all(|(a, b)| (a - b).abs() < 1e-12));
    }

    #[test]
    fn self_bleu_is_in_range_and_ignores_order(texts in proptest::collection::vec(words(), 2..7)) {
        let mut captions: Vec<Vec<String>> = texts.iter().map(|text| tokenize(text)).collect();
        let found = bleu::self_bleu(&captions).unwrap();
        captions.reverse();
        let turned = bleu::self_bleu(&captions).unwrap();
        for (a, b) in found.into_iter().zip(turned) {
            prop_assert!((0.0..=1.0 + 1e-9).contains(&a) && (a - b).abs() < 1e-12);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn spice_of_any_text_is_in_range_and_a_caption_is_like_itself(
        texts in proptest::collection::vec(hard_text(), 1..4),
    ) {
        let mut items: Vec<Item> = texts.iter().map(|text| Item::new(text, &texts)).collect();
        items.extend(texts.iter().map(|text| Item::new(text, &[text])));
        let evaluator = Evaluator::new();
        let scores = evaluator.scores(&items).unwrap();
        for (place, item) in scores.iter().enumerate() {
            let known = Kind::ALL.into_iter().filter_map(|kind| item.score.of(kind));
            prop_assert!(known.into_iter().all(|score| (0.0..=1.0 + 1e-12).contains(&score)));
            let alone = place >= texts.len() && !item.score.candidate.is_empty();
            prop_assert!(!alone || (item.score.f() - 1.0).abs() < 1e-12);
        }
        prop_assert_eq!(evaluator.scores(&items).unwrap(), scores);
    }
}

/// Two cones: a shared latent, one offset for each side.
fn cones(n: usize, dim: usize, offset: f32) -> (Array2<f32>, Array2<f32>) {
    let noise = |stream: &str| {
        let rows = dl_core::noise::Noise::new(0, stream).normal_rows(
            &(0..n as u64).collect::<Vec<_>>(),
            0,
            dim,
        );
        Array2::from_shape_vec((n, dim), rows).unwrap()
    };
    let latent = noise("latent");
    let mut audio = &latent + &(noise("audio") * 0.5);
    let mut text = &latent + &(noise("text") * 0.5);
    audio.column_mut(0).mapv_inplace(|x| x + offset);
    text.column_mut(1).mapv_inplace(|x| x + offset);
    (audio, text)
}

#[test]
fn the_gap_of_two_cones_is_seen_by_every_metric_and_closes_without_offset() {
    let owners: Vec<usize> = (0..300).collect();
    let report = |offset| {
        let (audio, text) = cones(300, 16, offset);
        evaluate(&GapInput::new(audio.view(), text.view(), &owners)).unwrap()
    };
    let (open, closed) = (report(8.0), report(0.0));
    assert!(open.separability > 0.99 && (closed.separability - 0.5).abs() < 0.08);
    assert!(open.knn_mixing < 0.05 && closed.knn_mixing > 0.9);
    assert!(open.centroid_distance > 0.8 && closed.centroid_distance < 0.2);
    assert!(open.frechet > 0.5 && closed.frechet < 0.1, "{} {}", open.frechet, closed.frechet);
    assert!(open.relative_gap > 0.5 && closed.relative_gap < 0.3);
    let hits = |values: &[f64]| values.iter().sum::<f64>() / 300.0;
    assert!(hits(&closed.per_clip.a2t_r1) > 0.5 && hits(&closed.per_clip.t2a_r1) > 0.5);
    assert!(closed.per_clip.text_ceiling.is_empty(), "one caption per clip has no ceiling");
}

#[test]
fn equal_sets_have_no_distance() {
    let (audio, _) = cones(50, 4, 1.0);
    let owners: Vec<usize> = (0..50).collect();
    let report = evaluate(&GapInput::new(audio.view(), audio.view(), &owners)).unwrap();
    assert!(report.frechet < 1e-9 && report.centroid_distance < 1e-9);
    assert!((dl_eval::stats::mean(&report.per_clip.paired_cosine) - 1.0).abs() < 1e-6);
}

#[test]
fn frechet_of_two_known_gaussians() {
    // Rows on the unit circle, so by hand: audio at +-(a), text at +-(b) with equal
    // weights have zero means and rank-one covariances uu', vv' (times n/(n-1)), whose
    // Fréchet distance is n/(n-1) * (2 - 2 |u.v|).
    let rows = |x: f32, y: f32| {
        Array2::from_shape_fn((20, 2), |(i, j)| {
            let sign = if i % 2 == 0 { 1.0 } else { -1.0 };
            sign * if j == 0 { x } else { y }
        })
    };
    let (audio, text) = (rows(1.0, 0.0), rows(0.6, 0.8));
    let owners: Vec<usize> = (0..20).collect();
    let report = evaluate(&GapInput::new(audio.view(), text.view(), &owners)).unwrap();
    assert!((report.frechet - 20.0 / 19.0 * 0.8).abs() < 1e-6, "{}", report.frechet);
    // Each lies on a line.
    assert!((report.effective_dim_audio - 1.0).abs() < 1e-6);
    assert!((report.effective_dim_text - 1.0).abs() < 1e-6);
}

#[test]
fn effective_dimensions_by_hand() {
    // Audio: plus and minus each of four axes, so the covariance is a multiple of the unit
    // matrix. Text: the first axis three times as often as the second, variances 3 to 1.
    let axis = |row: usize, axis: usize| {
        let sign = if row.is_multiple_of(2) { 1.0 } else { -1.0 };
        move |j: usize| if j == axis { sign } else { 0.0 }
    };
    let audio = Array2::from_shape_fn((16, 4), |(i, j)| axis(i, i / 2 % 4)(j));
    let text = Array2::from_shape_fn((16, 4), |(i, j)| axis(i, usize::from(i >= 12))(j));
    let owners: Vec<usize> = (0..16).collect();
    let report = evaluate(&GapInput::new(audio.view(), text.view(), &owners)).unwrap();
    assert!((report.effective_dim_audio - 4.0).abs() < 1e-12);
    assert!((report.effective_dim_text - 16.0 / 10.0).abs() < 1e-12);
}

#[test]
fn faults_are_named() {
    let (audio, text) = cones(12, 4, 0.0);
    let fault = |owners: &[usize], text: &Array2<f32>| {
        evaluate(&GapInput::new(audio.view(), text.view(), owners)).unwrap_err().to_string()
    };
    let owners: Vec<usize> = (0..12).collect();
    assert!(fault(&owners[..11], &text).contains("owners: expected 12, got 11"));
    assert!(fault(&owners, &Array2::zeros((12, 3))).contains("text dimensions"));
    let doubled: Vec<usize> = owners.iter().map(|&owner| owner.min(10)).collect();
    assert!(fault(&doubled, &text).contains("clip 11 has no reference"));
}

#[test]
fn a_row_without_direction_is_refused_and_not_taken_for_a_perfect_one() {
    let (good, text) = cones(12, 4, 0.0);
    let owners: Vec<usize> = (0..12).collect();
    for value in [0.0, f32::NAN, f32::INFINITY] {
        let mut audio = good.clone();
        audio.row_mut(3).fill(value);
        let fault = evaluate(&GapInput::new(audio.view(), text.view(), &owners));
        assert!(fault.unwrap_err().to_string().contains("row 3 of audio has no direction"));
    }
    let none = Array2::zeros((12, 0));
    let fault = evaluate(&GapInput::new(none.view(), none.view(), &owners));
    assert!(fault.unwrap_err().to_string().contains("row 0 of audio"));
}
