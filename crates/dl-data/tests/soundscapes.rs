//! Scenes of synthesised sounds: same bits whatever the threads, no source in two
//! splits, captions that say what is in the scene and nothing else.

// Helpers outside of test functions unwrap too.
#![allow(clippy::unwrap_used)]

use std::{collections::HashSet, path::Path};

use dl_data::{
    Corpus, CorpusConfig, Distance, MixConfig, MixedScenes, PerSplit, Relation, SceneCorpus,
    SoundscapesConfig, Split,
};
use rayon::prelude::*;

fn config() -> SoundscapesConfig {
    SoundscapesConfig {
        sample_rate: 16_000,
        scenes: PerSplit { train: 300, validation: 60, test: 120 },
        mix: MixConfig { three: 0.2, seconds: 3.0, ..MixConfig::default() },
        ..SoundscapesConfig::default()
    }
}

fn open(config: &SoundscapesConfig, seed: u64) -> MixedScenes {
    config.open(seed).unwrap()
}

/// The bits of some renders of every split.
fn bits(corpus: &MixedScenes, threads: usize) -> Vec<Vec<u32>> {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
    let all: Vec<(Split, usize)> =
        Split::ALL.iter().flat_map(|&split| (0..20).map(move |index| (split, index))).collect();
    pool.install(|| {
        all.par_iter()
            .map(|&(split, index)| {
                let waveform = corpus.render(split, index).unwrap();
                waveform.samples.iter().map(|x| x.to_bits()).collect()
            })
            .collect()
    })
}

#[test]
fn one_thread_and_two_make_the_same_bits() {
    let (one, two) = (
        rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap(),
        rayon::ThreadPoolBuilder::new().num_threads(2).build().unwrap(),
    );
    let (a, b) = (one.install(|| open(&config(), 3)), two.install(|| open(&config(), 3)));
    for split in Split::ALL {
        assert_eq!(a.clips(split), b.clips(split));
    }
    assert_eq!(one.install(|| a.text_corpus(50)), two.install(|| b.text_corpus(50)));
    assert_eq!(bits(&a, 1), bits(&b, 2));
}

#[test]
fn a_render_depends_on_no_other_and_not_on_the_number_of_scenes() {
    let small =
        SoundscapesConfig { scenes: PerSplit { train: 5, validation: 5, test: 5 }, ..config() };
    let (large, small) = (open(&config(), 3), open(&small, 3));
    large.render(Split::Test, 0).unwrap();
    assert_eq!(large.render(Split::Test, 4).unwrap(), small.render(Split::Test, 4).unwrap());
    assert_eq!(large.clips(Split::Test)[4], small.clips(Split::Test)[4]);
}

#[test]
fn seeds_and_settings_change_the_fingerprint() {
    let base = open(&config(), 3).fingerprint();
    assert_eq!(base, open(&config(), 3).fingerprint());
    assert_ne!(base, open(&config(), 4).fingerprint());
    let mut other = config();
    other.mix.far = 0.3;
    assert_ne!(base, open(&other, 3).fingerprint());
    let mut other = config();
    other.instances_per_kind.train = 41;
    assert_ne!(base, open(&other, 3).fingerprint());
}

#[test]
fn scenes_are_finite_bounded_audible_and_of_the_right_length() {
    let corpus = open(&config(), 1);
    for split in Split::ALL {
        for index in 0..40 {
            let waveform = corpus.render(split, index).unwrap();
            assert_eq!(waveform.samples.len(), 48_000);
            let peak = waveform.samples.iter().fold(0.0_f32, |a, x| a.max(x.abs()));
            assert!(peak.is_finite() && (0.02..=0.9701).contains(&peak), "{index}: {peak}");
        }
    }
}

#[test]
fn every_kind_is_audible_from_its_start_in_every_instance() {
    let corpus = open(&config(), 5);
    assert!(corpus.labels().len() >= 40);
    for (index, single) in corpus.singles(Split::Test).iter().enumerate() {
        let waveform = corpus.render_single(Split::Test, index).unwrap();
        let rms =
            |part: &[f32]| (part.iter().map(|x| x * x).sum::<f32>() / part.len() as f32).sqrt();
        assert!(waveform.samples.iter().all(|x| x.is_finite()), "{single:?}");
        assert!(rms(&waveform.samples) > 0.005, "{single:?}");
        let start = &waveform.samples[..waveform.samples.len().min(16_000)];
        assert!(rms(start) > 0.002, "{single:?}");
    }
}

#[test]
fn no_source_serves_two_splits() {
    let corpus = open(&config(), 3);
    let sources = |split| -> HashSet<&String> {
        corpus.clips(split).iter().flat_map(|clip| &clip.sources).collect()
    };
    for (a, b) in [
        (Split::Train, Split::Validation),
        (Split::Train, Split::Test),
        (Split::Validation, Split::Test),
    ] {
        assert!(sources(a).is_disjoint(&sources(b)));
    }
}

#[test]
fn no_two_instances_sound_the_same_in_any_split() {
    let kinds = ["rain", "dog bark", "piano", "clock tick"].map(String::from).to_vec();
    let corpus = open(&SoundscapesConfig { kinds, ..config() }, 3);
    let mut seen = HashSet::new();
    for split in Split::ALL {
        for index in 0..corpus.singles(split).len() {
            let sound = corpus.render_single(split, index).unwrap();
            let bits: Vec<u32> = sound.samples[..2000].iter().map(|x| x.to_bits()).collect();
            assert!(seen.insert(bits), "{:?}", corpus.singles(split)[index]);
        }
    }
    assert_eq!(seen.len(), 4 * (40 + 10 + 15));
}

#[test]
fn captions_name_what_is_in_the_scene_and_nothing_else() {
    let corpus = open(&config(), 3);
    for split in Split::ALL {
        for clip in corpus.clips(split) {
            let expected = if split == Split::Train { 1 } else { 5 };
            let distinct: HashSet<&String> = clip.captions.iter().collect();
            assert_eq!(distinct.len(), expected, "{:?}", clip.captions);
            let mut labels = clip.labels.clone();
            labels.sort();
            for caption in &clip.captions {
                assert_eq!(corpus.named_labels(caption), labels, "{caption}");
                assert!(caption.starts_with(char::is_uppercase) && !caption.ends_with('.'));
                assert!(!caption.contains("  ") && !caption.contains(['{', '}', '#']), "{caption}");
            }
        }
    }
}

#[test]
fn words_of_distance_repetition_and_order_are_true() {
    let corpus = open(&config(), 7);
    let (mut far, mut repeated, mut background) = (0, 0, 0);
    for split in Split::ALL {
        for (index, clip) in corpus.clips(split).iter().enumerate() {
            let scene = corpus.scene(split, index).unwrap();
            let is = |distance| scene.events.iter().any(|event| event.distance == distance);
            for caption in &clip.captions {
                let says = |words: &[&str]| words.iter().any(|word| caption.contains(word));
                if says(&["in the distance", "far away", "far off", "faintly"]) {
                    assert!(is(Distance::Far), "{caption}");
                    far += 1;
                }
                if says(&["nearby", "close", "loudly"]) {
                    assert!(is(Distance::Near), "{caption}");
                }
                if says(&[
                    "several times",
                    "repeatedly",
                    "again and again",
                    "a few times",
                    "over and over",
                ]) {
                    assert!(scene.events.iter().any(|event| event.is_repeated()), "{caption}");
                    repeated += 1;
                }
                if says(&["in the background"]) {
                    assert!(scene.second_in_background(), "{caption}");
                    background += 1;
                }
                if says(&["followed by", "then", "after", "before"]) {
                    assert!(
                        matches!(scene.relation, Relation::Sequence | Relation::Three),
                        "{caption}"
                    );
                }
            }
        }
    }
    assert!(far > 20 && repeated > 10 && background > 10, "{far} {repeated} {background}");
}

#[test]
fn events_stay_in_the_scene_and_relate_as_they_should() {
    let corpus = open(&config(), 9);
    let mut relations = [0_usize; 4];
    for index in 0..300 {
        let scene = corpus.scene(Split::Train, index).unwrap();
        relations[scene.relation as usize] += 1;
        let span = |k: usize| {
            let event = &scene.events[k];
            (event.onsets[0], event.onsets.last().unwrap() + event.seconds)
        };
        for (k, event) in scene.events.iter().enumerate() {
            assert!(span(k).0 >= 0.0 && span(k).1 <= 3.0001, "{scene:?}");
            let bounds = 0.4 * event.distance.gain() - 1e-6..=event.distance.gain() + 1e-6;
            assert!(k == 0 || bounds.contains(&event.gain), "{scene:?}");
        }
        let overlap = |a: usize, b: usize| span(a).1.min(span(b).1) - span(a).0.max(span(b).0);
        let shorter = |a: usize, b: usize| (span(a).1 - span(a).0).min(span(b).1 - span(b).0);
        match scene.relation {
            Relation::Alone => assert_eq!(scene.events.len(), 1),
            Relation::Together => assert!(overlap(0, 1) >= 0.499 * shorter(0, 1), "{scene:?}"),
            Relation::Sequence => assert!(span(0).1 <= span(1).0 + 1e-4, "{scene:?}"),
            Relation::Three => {
                assert!(overlap(0, 1) > 0.0 && span(0).1.max(span(1).1) <= span(2).0 + 1e-4);
            }
        }
    }
    // Shares 0.35, 0.35, 0.30, 0.20 of 1.2 over 300 scenes; four standard errors are 32.
    for (count, share) in relations.into_iter().zip([0.35, 0.35, 0.30, 0.20]) {
        assert!((count as f64 - 300.0 * share / 1.2).abs() < 33.0, "{relations:?}");
    }
}

#[test]
fn text_for_language_models_is_made_of_known_words_and_does_not_repeat_itself() {
    let corpus = open(&config(), 3);
    let text = corpus.text_corpus(2000);
    assert_eq!(text.len(), 2000);
    assert!(text.iter().all(|caption| !corpus.named_labels(caption).is_empty()));
    assert!(text.iter().collect::<HashSet<_>>().len() > 1800);
    assert_eq!(text[..10], corpus.text_corpus(10));
}

#[test]
fn files_say_what_the_corpus_says() {
    let directory = tempfile::tempdir().unwrap();
    let corpus = open(
        &SoundscapesConfig { scenes: PerSplit { train: 3, validation: 0, test: 2 }, ..config() },
        3,
    );
    let count =
        dl_data::export(&corpus, Split::Test, usize::MAX, directory.path(), &dl_core::Silent)
            .unwrap();
    assert_eq!(count, 2);
    let mut table = csv::Reader::from_path(directory.path().join(dl_data::SCENES)).unwrap();
    let rows: Vec<csv::StringRecord> = table.records().map(Result::unwrap).collect();
    assert_eq!(rows.len(), 2);
    for (index, row) in rows.iter().enumerate() {
        let file = dl_audio::load(&directory.path().join(&row[1])).unwrap();
        let sound = corpus.render(Split::Test, index).unwrap();
        assert_eq!((file.sample_rate, file.samples.len()), (16_000, sound.samples.len()));
        let worst =
            file.samples.iter().zip(&sound.samples).fold(0.0_f32, |a, (x, y)| a.max((x - y).abs()));
        assert!(worst <= 1.0 / 32_768.0, "{worst}");
        assert_eq!(row[2].split(" | ").count(), 5);
        assert_eq!(row[3].split(" | ").count(), corpus.clips(Split::Test)[index].labels.len());
    }
}

#[test]
fn configurations_at_fault_are_named() {
    let parse = |text: &str| toml::from_str::<CorpusConfig>(text);
    let fault = |text: &str| {
        parse(text).unwrap().open(0, Path::new("")).map(|_| ()).unwrap_err().to_string()
    };
    assert!(parse("kind = 'soundscapes'").is_ok());
    let error = parse("kind = 'soundscapes'\nsample_rat = 3").unwrap_err().to_string();
    assert!(error.contains("sample_rat"), "{error}");
    let error = fault("kind = 'soundscapes'\nmix = { far = 0.95 }");
    assert_eq!(error, "mix.far = 0.95: must be from 0 to 0.85");
    let error = fault("kind = 'soundscapes'\nsample_rate = 100");
    assert_eq!(error, "sample_rate = 100: must be from 8000 to 192000");
    let error = fault("kind = 'soundscapes'\nmix = { seconds = nan }");
    assert!(error.starts_with("mix.seconds = NaN: "), "{error}");
    let error = fault("kind = 'soundscapes'\nkinds = ['rain', 'dgo']");
    assert!(
        error.starts_with("kinds = 'dgo': must be made of ") && error.contains("dog bark"),
        "{error}"
    );
    let error = fault("kind = 'soundscapes'\nkinds = ['rain']");
    assert!(error.contains("sounds of 1 labels"), "{error}");
    let error =
        fault("kind = 'soundscapes'\ninstances_per_kind = { train = 5, validation = 5, test = 0 }");
    assert_eq!(error, "instances_per_kind.test = 0: must be at least 1 where there are scenes");
    // What cannot even be read is told by its whole key.
    let error = parse("kind = 'soundscapes'\nscenes = { train = -1, validation = 1, test = 1 }");
    let error = error.unwrap_err().to_string();
    assert!(error.contains("scenes.train: invalid value: integer `-1`"), "{error}");
    let error = parse("kind = 'soundscape'").unwrap_err().to_string();
    assert!(
        error.starts_with("kind: unknown variant `soundscape`, expected one of `audiocaps`, ")
            && error.contains("`recorded`, `soundscapes`"),
        "{error}"
    );
    let error = parse("sample_rate = 8000").unwrap_err().to_string();
    assert!(error.contains("missing field `kind`"), "{error}");
}

#[test]
fn an_index_beyond_the_end_is_an_error() {
    let error = open(&config(), 0).render(Split::Test, 120).unwrap_err().to_string();
    assert_eq!(error, "soundscapes has no scene 120 in its test split, which has 120");
}

#[test]
fn a_configuration_is_written_with_every_setting_as_it_was_given() {
    let parse = |text: &str| toml::from_str::<CorpusConfig>(text).unwrap();
    let written = toml::to_string(&parse("kind = 'soundscapes'\nmix = { far = 0.1 }")).unwrap();
    assert!(written.starts_with("kind = \"soundscapes\"\nsample_rate = 32000\n"), "{written}");
    assert!(written.contains("\nfar = 0.1\n") && written.contains("\nalone = 0.35\n"), "{written}");
    assert_eq!(toml::to_string(&parse(&written)).unwrap(), written);
}
