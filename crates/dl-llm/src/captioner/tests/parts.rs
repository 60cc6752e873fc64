//! Batches that are cut into parts: how little is padded, and that nothing else changes.

use dl_torch::layers::l2_normalise;

use super::*;

/// Captions of so many words, each with an embedding of its own.
fn captions_of(captioner: &Captioner, words: &[usize]) -> Resident {
    let caption = |&count: &usize| {
        let words: Vec<String> = (0..count).map(|word| format!("w{}", 4 + word % 28)).collect();
        words.join(" ")
    };
    let captions: Vec<String> = words.iter().map(caption).collect();
    let rows: Vec<u64> = (0..words.len() as u64).collect();
    let draws = Noise::new(0, "test/embeddings").normal_rows(&rows, 0, 6);
    let draws = Tensor::from_slice(&draws).view([words.len() as i64, 6]);
    let embeddings = convert::array2(&l2_normalise(&draws)).unwrap();
    captioner.resident(CaptionPairs { embeddings: embeddings.view(), captions: &captions }).unwrap()
}

/// Loss and gradients of a step over captions of so many words.
pub(super) fn step(captioner: &Captioner, words: &[usize]) -> (f64, tensor_file::Tensors) {
    let data = captions_of(captioner, words);
    let rows: Vec<usize> = (0..words.len()).collect();
    let loss = captioner.step_loss(&data, &rows, 3, 5).unwrap();
    loss.backward();
    let named = captioner.params.named().into_iter();
    (loss.double_value(&[]), named.map(|(name, parameter)| (name, parameter.grad())).collect())
}

#[test]
fn parts_are_padded_to_their_own_longest_captions() {
    let read = |micro_batch| {
        let (captioner, ..) = golden_captioner(&PrefixConfig { micro_batch, ..config() });
        let captions = captions_of(&captioner, &[9, 1, 8, 2, 9]).captions;
        let parts = captioner.parts(&captions, &[0, 1, 2, 3, 4]);
        let positions = |rows: &Vec<usize>| captions.batch(rows).inputs.numel();
        (parts.iter().map(positions).sum::<usize>(), parts)
    };
    // With the end mark 10, 2, 9, 3 and 10 positions. At once: five rows of 10, in their order.
    let whole = vec![vec![0, 1, 2, 3, 4]];
    assert_eq!(read(0), (50, whole.clone()));
    assert_eq!(read(5), (50, whole));
    // In twos: 2 * 10 + 2 * 9 + 2; in the order of the step it would be 2 * 10 + 2 * 9 + 10.
    assert_eq!(read(2), (40, vec![vec![0, 4], vec![2, 3], vec![1]]));
    // One by one there is no padding.
    assert_eq!(read(1).0, 10 + 2 + 9 + 3 + 10);
}

#[test]
fn a_step_in_parts_has_the_gradient_of_the_whole() {
    let words = [30, 1, 17, 2, 2, 24, 1, 9];
    let of = |micro_batch| {
        let mut config = PrefixConfig { micro_batch, noise: 0.1, label_smoothing: 0.1, ..config() };
        if let Some(lora) = &mut config.lora {
            lora.dropout = 0.3;
        }
        let (captioner, ..) = golden_captioner(&config);
        let validation = captions_of(&captioner, &words);
        let validation = captioner.loss(&validation, |row| (row + 1) % words.len()).unwrap();
        (step(&captioner, &words), validation)
    };
    let ((loss, gradients), validation) = of(0);
    for micro_batch in [1, 3] {
        let ((found, parts), read) = of(micro_batch);
        assert!((found / loss - 1.0).abs() < 1e-6, "{micro_batch}: {found}, {loss}");
        assert!((read / validation - 1.0).abs() < 1e-6, "{micro_batch}: {read}, {validation}");
        for (name, whole) in &gradients {
            let off = (&parts[name] - whole).norm() / whole.norm();
            let off = off.double_value(&[]);
            assert!(off < 1e-5, "{micro_batch}, {name}: {off:e}");
        }
    }
}
