//! Clips per second of the tokenizer and of every caption metric: 975 clips with five
//! references each, as AudioCaps' test set has them, on one thread and on all; and of all
//! metrics at once where the references are known, as a training scores every epoch.
//! `side_by_side/captions.py` times the whole program beside pycocoevalcap.

#![allow(clippy::print_stderr)] // a bench says what it leaves out

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use dl_core::noise::Noise;
use dl_eval::caption::{
    Item, bleu,
    meteor::Matchers,
    metric::{self, BuiltIn, Metric},
    spice,
};

const CLIPS: usize = 975;
const REFERENCES: usize = 5;

/// Captions of four to sixteen words out of these, drawn from a seed; "and" is as frequent
/// as people make it.
const WORDS: &str = "a a a the and and is are dog dogs barks barking man woman speaks talking \
    speech engine idles running loudly distance background birds chirping chirp water flows rain \
    falling wind blows blowing car passes by vehicle horn honks children playing music plays \
    crowd applauding laughing door closes footsteps walking machine hums bell rings clock ticking \
    train approaches then while followed with several times quietly constant high-pitched nearby";

fn captions() -> (Vec<String>, Vec<Vec<String>>) {
    let words: Vec<&str> = WORDS.split_whitespace().collect();
    let noise = Noise::new(0, "captions");
    let caption = |clip: usize, number: usize| {
        let mut draws = [0.0_f32; 17];
        noise.fill_uniform(clip as u64, number as u64, &mut draws);
        let of = |draw: f32, count: usize| (draw * count as f32) as usize;
        let length = 4 + of(draws[0], 13);
        let said: Vec<&str> =
            draws[1..=length].iter().map(|&d| words[of(d, words.len())]).collect();
        said.join(" ")
    };
    let candidates = (0..CLIPS).map(|clip| caption(clip, 0)).collect();
    let references =
        (0..CLIPS).map(|clip| (1..=REFERENCES).map(|n| caption(clip, n)).collect()).collect();
    (candidates, references)
}

fn metrics(criterion: &mut Criterion) {
    let (candidates, references) = captions();
    let items = Item::all(&candidates, &references).expect("as many as there are clips");
    let words: Vec<Vec<String>> = items.iter().map(|item| item.candidate.clone()).collect();
    let data = dl_score::meteor_data(None).expect("set-up's data is readable");
    let mut named: Vec<(&str, BuiltIn)> =
        vec![("bleu", BuiltIn::Bleu), ("rouge_l", BuiltIn::RougeL), ("cider_d", BuiltIn::CiderD)];
    match &data {
        Some(data) => named.push(("meteor", BuiltIn::Meteor(Matchers::All(data)))),
        None => eprintln!("without METEOR: `cargo setup --metrics` brings its data"),
    }
    // The first call parses the references, every other one only the candidates.
    let evaluator = spice::Evaluator::new();
    named.push(("spice_kept_references", BuiltIn::Spice(&evaluator)));
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    for (group, threads) in [("captions/one_thread", 1), ("captions/all_threads", cores)] {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build();
        let pool = pool.expect("threads are to be had");
        let mut group = criterion.benchmark_group(group);
        group.throughput(Throughput::Elements(CLIPS as u64)).sample_size(20);
        for (name, metric) in &named {
            group.bench_function(*name, |bencher| {
                pool.install(|| bencher.iter(|| black_box(metric.columns(&items))));
            });
        }
        let all: Vec<&dyn Metric> = named.iter().map(|(_, metric)| metric as _).collect();
        group.bench_function("all_kept_references", |bencher| {
            pool.install(|| {
                bencher.iter(|| {
                    let columns = metric::evaluate(&all, &items).expect("items have references");
                    black_box(metric::spider(&columns))
                });
            });
        });
        // New references at every call: six captions a clip are parsed.
        group.sample_size(10).bench_function("spice", |bencher| {
            pool.install(|| bencher.iter(|| black_box(spice::Evaluator::new().columns(&items))));
        });
        group.finish();
    }
    // These two use one thread whatever there is.
    let mut group = criterion.benchmark_group("captions");
    group.throughput(Throughput::Elements(CLIPS as u64)).sample_size(20);
    group.bench_function("tokenize", |bencher| {
        bencher.iter(|| black_box(Item::all(&candidates, &references)));
    });
    group.bench_function("self_bleu", |bencher| {
        bencher.iter(|| black_box(bleu::self_bleu(&words)));
    });
    group.finish();
}

criterion_group!(benches, metrics);
criterion_main!(benches);
