//! Captions and tuning steps per second with SmolLM2-135M-Instruct, as `cargo setup --models`
//! brings it: greedy at batch 1 and 64, four beams at batch 16, one tuning step of projector and
//! low-rank matrices at batch 16.

use std::{hint::black_box, path::Path, rc::Rc, time::Duration};

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use dl_core::noise::Noise;
use dl_llm::{
    BeamRule, CaptionPairs, Captioner, DecodeConfig, LanguageModel, LoraConfig, PrefixConfig,
    PrefixKind, PromptConfig, PromptForm, WeightKind,
};
use dl_torch::{TrainConfig, TrainContext};
use ndarray::Array2;
use tch::Device;

const DIM: usize = 512;
const TOKENS: usize = 30;

fn embeddings(items: usize) -> Array2<f32> {
    let rows = Noise::new(0, "bench").normal_rows(&(0..items as u64).collect::<Vec<_>>(), 0, DIM);
    let scale = (DIM as f32).sqrt().recip();
    Array2::from_shape_fn((items, DIM), |(row, column)| rows[row * DIM + column] * scale)
}

fn config(steps: u64) -> PrefixConfig {
    let prompt = PromptConfig { form: PromptForm::Model, ..PromptConfig::default() };
    let train = TrainConfig { steps, batch: 16, validate_every: steps, ..TrainConfig::default() };
    let lora = Some(LoraConfig::default());
    PrefixConfig {
        kind: PrefixKind::Input,
        length: 1,
        prompt,
        lora,
        train,
        ..PrefixConfig::default()
    }
}

fn tuned(lm: &Rc<LanguageModel>, steps: u64) -> Captioner {
    let caption = "A dog barks while rain falls on a roof and a man speaks in the distance";
    let captions = vec![caption.to_owned(); 16];
    let embeddings = embeddings(16);
    let train = CaptionPairs { embeddings: embeddings.view(), captions: &captions };
    let one = embeddings.slice(ndarray::s![..1, ..]);
    let validation = CaptionPairs { embeddings: one, captions: &captions[..1] };
    let trained =
        Captioner::train_prefix(lm, train, validation, &config(steps), &TrainContext::new(0));
    trained.expect("the captions fit the model").0
}

fn language_model(criterion: &mut Criterion) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../.setup/models/smollm2");
    let Ok(lm) = LanguageModel::load_as(&path, WeightKind::F32, Device::Cpu) else {
        // Criterion has no other way to say that nothing was measured.
        criterion.bench_function("language_model/not_set_up", |bencher| bencher.iter(|| ()));
        return;
    };
    let half = LanguageModel::load_as(&path, WeightKind::Bf16, Device::Cpu);
    let captioners = [
        ("f32", tuned(&Rc::new(lm), 1)),
        ("bf16", tuned(&Rc::new(half.expect("it was read a moment ago")), 1)),
    ];
    let mut group = criterion.benchmark_group("language_model");
    group.sample_size(10).warm_up_time(Duration::from_millis(500));
    group.measurement_time(Duration::from_secs(5));
    for (kind, captioner) in &captioners {
        for (name, items, beams) in [("greedy", 1, 1), ("greedy", 64, 1), ("beams_4", 16, 4)] {
            let embeddings = embeddings(items);
            let config = DecodeConfig {
                beams,
                beam_rule: BeamRule::Refill,
                max_tokens: TOKENS,
                min_tokens: TOKENS - 1,
                no_repeat_ngram: 0,
                batch: items,
                ..DecodeConfig::default()
            };
            group.throughput(Throughput::Elements((items * TOKENS) as u64));
            group.bench_function(format!("{kind}_{name}/{items}"), |bencher| {
                bencher.iter(|| black_box(captioner.caption(&embeddings, &config)));
            });
        }
    }
    group.throughput(Throughput::Elements(4));
    group.bench_function("f32_tuning/16", |bencher| {
        bencher.iter(|| black_box(tuned(captioners[0].1.language_model(), 4)));
    });
    group.finish();
}

criterion_group!(benches, language_model);
criterion_main!(benches);
