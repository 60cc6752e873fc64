//! Captions behind a prompt that has tokens before its prefix: against transformers
//! (`tests/golden/tuned_captions.py`), and what is read once against what every row reads.

use std::collections::BTreeMap;

use super::*;
use crate::decode::BeamRule;

fn search(name: &str) -> DecodeConfig {
    let (beams, no_repeat_ngram) = match name {
        "greedy" => (1, 0),
        "beams" => (3, 0),
        _ => (4, 2),
    };
    let plain = DecodeConfig { max_tokens: 8, min_tokens: 0, ..DecodeConfig::default() };
    DecodeConfig { beams, no_repeat_ngram, beam_rule: BeamRule::Refill, ..plain }
}

#[test]
fn captions_equal_the_reference() {
    let (mut captioner, data, _) = golden_captioner(&config());
    let text = std::fs::read_to_string(golden("captions.json")).unwrap();
    let expected: BTreeMap<String, Vec<String>> = serde_json::from_str(&text).unwrap();
    assert_eq!(expected.len(), 3);
    let rows = convert::array2(&data.embeddings(&[0, 1, 2])).unwrap();
    for _ in ["apart", "merged"] {
        for (name, captions) in &expected {
            assert_eq!(&captioner.caption(&rows, &search(name)).unwrap(), captions, "{name}");
        }
        captioner.merge().unwrap();
    }
}

#[test]
fn what_is_read_once_is_what_every_row_would_read() {
    let (captioner, data, _) = golden_captioner(&config());
    let llama = captioner.lm.llama();
    let adapters = || captioner.adapters(None).unwrap();
    let rows = data.embeddings(&[0, 1, 2]);
    let once = || captioner.before(&rows, adapters().as_deref()).unwrap();
    let each = || {
        let first = Tensor::from_slice(
            &captioner.prompt.before.iter().map(|&id| i64::from(id)).collect::<Vec<_>>(),
        );
        let first = llama.embed(&first).unsqueeze(0).expand([3, -1, -1], false);
        Before { cache: None, embeds: Some(Tensor::cat(&[first, once().embeds.unwrap()], 1)) }
    };
    assert_eq!(captioner.prompt.before.len(), 1);
    assert_eq!(once().cache.unwrap().len(), 1);
    tch::no_grad(|| {
        let logits = |Before { mut cache, embeds }: Before| {
            let (embeds, past) = (embeds.unwrap(), cache.as_ref().map_or(0, KvCache::len));
            let places = crate::positions(past, embeds.size()[1], Device::Cpu);
            let hidden =
                llama.read(&embeds, &places, None, cache.as_mut(), adapters().as_deref()).unwrap();
            llama.logits(&hidden).slice(1, -1, None, 1)
        };
        let (once, each) = (logits(once()), logits(each()));
        let worst = (&once - &each).abs().max() / each.abs().max();
        assert!(worst.double_value(&[]) < 1e-6, "{worst:?}");
    });
    let marks = captioner.lm.tokenizer().marks();
    let vocabulary = Vocabulary {
        bos: captioner.prompt.start(),
        eos: marks.eos,
        banned: captioner.lm.tokenizer().special(),
    };
    let found = |before: Before, name: &str| {
        tch::no_grad(|| {
            let begin = (3, vocabulary.bos);
            let mut steps = Steps::new(llama, adapters(), before, begin).unwrap();
            let (config, told) = (search(name), &mut |_, _| ());
            decode::search_from(&mut steps, 0, 3, &vocabulary, &config, told).unwrap()
        })
    };
    for name in ["greedy", "beams"] {
        assert_eq!(found(once(), name), found(each(), name), "{name}");
    }
}
