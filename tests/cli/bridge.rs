//! `bridge fit`, `bridge apply` and `bridge compare` on embeddings of one's own: what they
//! write, and what they say of files that are not what they should be.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use dl_core::{
    EmbeddingSet, Provenance,
    embedding_set::{read_rows, write_rows},
    noise::Noise,
};
use ndarray::{Array2, Axis};

use crate::harness::{Said, experiments, run, scratch};

const DIM: usize = 12;

fn normal(stream: &str, rows: usize, columns: usize) -> Array2<f32> {
    let items: Vec<u64> = (0..rows as u64).collect();
    let values = Noise::new(3, stream).normal_rows(&items, 0, columns);
    Array2::from_shape_vec((rows, columns), values).unwrap()
}

fn unit(mut rows: Array2<f32>) -> Array2<f32> {
    for mut row in rows.outer_iter_mut() {
        let norm = row.dot(&row).sqrt();
        row.mapv_inplace(|x| x / norm);
    }
    rows
}

/// Two cones: `clips` clips with `captions` captions each.
pub(crate) fn pairs(clips: usize, captions: usize) -> EmbeddingSet {
    let latent = normal("latent", clips, 4);
    let map = normal("map", 4, DIM);
    let owners: Vec<usize> = (0..clips * captions).map(|caption| caption / captions).collect();
    let cone = |side: &str, latent: Array2<f32>| {
        let rows = latent.nrows();
        let offset = normal(&format!("{side} offset"), 1, DIM);
        unit(latent.dot(&map) + normal(side, rows, DIM) * 0.3 + offset * 2.0)
    };
    EmbeddingSet {
        ids: (0..clips).map(|clip| clip.to_string()).collect(),
        audio: cone("audio", latent.clone()),
        captions: vec![String::new(); owners.len()],
        text: cone("text", latent.select(Axis(0), &owners)),
        owners,
        provenance: Provenance::default(),
    }
}

/// A folder with the pairs as `.npy` files and as an embedding set.
struct Files {
    folder: PathBuf,
    set: EmbeddingSet,
}

impl Files {
    fn new(name: &str, set: EmbeddingSet) -> Self {
        let folder = scratch(&format!("bridge-{name}"));
        set.export_npy(&folder).unwrap();
        set.write(&folder.join("set.safetensors")).unwrap();
        Self { folder, set }
    }

    fn at(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// `bridge` with arguments; those that begin with `@` are files of the folder.
    fn bridge(&self, arguments: &str) -> Said {
        run(&mut self.command(arguments))
    }

    fn command(&self, arguments: &str) -> Command {
        let mut command = experiments(&self.folder);
        command.arg("bridge");
        for argument in arguments.split_whitespace() {
            match argument.strip_prefix('@') {
                Some(name) => command.arg(self.at(name)),
                None => command.arg(argument),
            };
        }
        command
    }

    fn fit(&self, more: &str) -> Said {
        let share = if more.contains("-share") { "" } else { SHARE };
        self.bridge(&format!("fit {PAIRS} {more} {share} --output @bridge"))
    }

    fn apply(&self, more: &str) -> Said {
        self.bridge(&format!("apply --bridge @bridge {more} --output @bridged.npy"))
    }
}

/// Of sets as small as these, enough to choose by.
const SHARE: &str = "--validation-share 0.3";
const PAIRS: &str = "--audio @audio.npy --text @text.npy --owners @owners.npy";

fn largest(a: &Array2<f32>, b: &Array2<f32>) -> f32 {
    assert_eq!(a.dim(), b.dim());
    (a - b).iter().fold(0.0, |worst, x| x.abs().max(worst))
}

#[test]
fn npy_files_and_an_embedding_set_give_the_same_bridge_and_the_same_rows() {
    let files = Files::new("fit", pairs(120, 2));
    let said = files.fit("--method ridge").ok();
    for part in ["ridge, 12 dimensions", "captions, chosen by", "before paired cosine", "after"] {
        assert!(said.out.contains(part), "`{part}` is not in {}", said.out);
    }
    let bridge = fs::read(files.at("bridge")).unwrap();
    files
        .bridge(&format!(
            "fit --embeddings @set.safetensors --method ridge {SHARE} --output @other"
        ))
        .ok();
    assert!(bridge == fs::read(files.at("other")).unwrap(), "another bridge from the set");

    let said = files.apply("--audio @audio.npy").ok();
    assert!(said.out.contains("120 rows of 12 dimensions, through ridge"), "{}", said.out);
    let bridged = read_rows(&files.at("bridged.npy"), &mut Vec::new()).unwrap();
    let loaded = dl_diffusion::Bridge::load(&files.at("bridge"), tch::Device::Cpu).unwrap();
    let expected = loaded.apply(&files.set.audio, &files.set.ids, 0).unwrap();
    assert!(largest(&bridged, &expected) < 1e-6);
    assert!(bridged.outer_iter().all(|row| (row.dot(&row).sqrt() - 1.0).abs() < 1e-5));
    // The ridge brings pairs together.
    let cosine = |audio: &Array2<f32>| {
        let owners = files.set.owners.iter().enumerate();
        owners.map(|(m, &n)| audio.row(n).dot(&files.set.text.row(m))).sum::<f32>() / 240.0
    };
    assert!(cosine(&bridged) > cosine(&files.set.audio) + 0.1);
    files.apply("--embeddings @set.safetensors").ok();
    assert!(
        largest(&read_rows(&files.at("bridged.npy"), &mut Vec::new()).unwrap(), &expected) < 1e-6
    );
    // Rows of other norms are the same directions.
    write_rows(&files.at("long.npy"), &(&files.set.audio * 3.0)).unwrap();
    files.apply("--audio @long.npy --normalise").ok();
    assert!(
        largest(&read_rows(&files.at("bridged.npy"), &mut Vec::new()).unwrap(), &expected) < 1e-5
    );
}

#[test]
fn a_sampling_bridge_draws_by_id_and_seed() {
    let files = Files::new("sampling", pairs(60, 1));
    let config = "network = { hidden = 16 }\n[train]\nsteps = 3\nbatch = 16\n";
    fs::write(files.at("small.toml"), config).unwrap();
    files.fit("--method diffusion_link --config @small.toml --seed 1").ok();
    let left: Vec<String> = fs::read_dir(&files.folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.contains("part"))
        .collect();
    assert!(left.is_empty(), "a checkpoint was left: {left:?}");
    let rows = |more: &str| {
        files.apply(more).ok();
        read_rows(&files.at("bridged.npy"), &mut Vec::new()).unwrap()
    };
    let whole = rows("--audio @audio.npy");
    // The rows turned round, with their own ids: the same results, turned round.
    let turned: Vec<usize> = (0..60).rev().collect();
    write_rows(&files.at("turned.npy"), &files.set.audio.select(Axis(0), &turned)).unwrap();
    let ids: Vec<&str> = turned.iter().map(|&clip| files.set.ids[clip].as_str()).collect();
    fs::write(files.at("ids.txt"), ids.join("\n")).unwrap();
    let back = rows("--audio @turned.npy --ids @ids.txt").select(Axis(0), &turned);
    assert!(largest(&back, &whole) < 1e-5);
    let other = rows("--audio @audio.npy --seed 2");
    assert!(largest(&other, &whole) > 1e-4, "the seed changed nothing");
}

#[test]
fn a_set_through_a_bridge_is_a_set() {
    let files = Files::new("sets", pairs(80, 2));
    files.fit("--method c3").ok();
    let said = files
        .bridge("apply --bridge @bridge --embeddings @set.safetensors --output @moved.safetensors");
    assert!(said.ok().out.contains("80 rows of 12 dimensions, through c3"));
    let moved = EmbeddingSet::read(&files.at("moved.safetensors")).unwrap();
    let bridge = dl_diffusion::Bridge::load(&files.at("bridge"), tch::Device::Cpu).unwrap();
    let audio = bridge.apply(&files.set.audio, &files.set.ids, 0).unwrap();
    assert!(largest(&moved.audio, &audio) < 1e-6);
    // C3 centres the captions, too.
    assert!(largest(&moved.text, &bridge.text(&files.set.text).unwrap()) < 1e-6);
    assert!(largest(&moved.text, &files.set.text) > 0.1);
    assert_eq!(
        (moved.owners, moved.provenance.bridges),
        (files.set.owners.clone(), vec!["c3".into()])
    );
    files
        .bridge("apply --bridge @bridge --audio @audio.npy --output @moved.safetensors")
        .fails_with(1, &["moved.safetensors", ".npy"]);
}

#[test]
fn parts_that_the_user_made_are_fitted_chosen_and_measured_by() {
    let files = Files::new("parts", pairs(150, 1));
    let write = |name: &str, clips: std::ops::Range<usize>| {
        let set = files.set.select(&clips.collect::<Vec<_>>());
        set.write(&files.at(name)).unwrap();
    };
    write("train", 0..100);
    write("validation", 100..120);
    write("test", 120..150);
    write("overlapping", 90..120);
    let parts = "--train @train --validation @validation";
    let said = files.bridge(&format!("fit {parts} --method ridge --output @bridge")).ok();
    assert!(said.out.contains("fitted to 100 clips with 100 captions, chosen by 20 clips"));
    let compare = |more: &str| {
        let run = "--methods none,ridge --resamples 100 --output @run";
        files.bridge(&format!("compare {parts} {more} {run}"))
    };
    let said = compare("--test @test").ok();
    assert!(said.out.contains("30 held-out clips with 30 captions"), "{}", said.out);
    // The same bridge, whoever fits it.
    let bytes = |name: &str| fs::read(files.at(name)).unwrap();
    assert!(bytes("bridge") == bytes("run/bridges/ridge-0.safetensors"));
    compare("").fails_with(1, &["--test"]);
    let overlapping =
        "fit --train @train --validation @overlapping --method ridge --output @bridge";
    files
        .bridge(overlapping)
        .fails_with(1, &["--train and --validation", "10 of the clips", "--insist"]);
    files.bridge(&format!("{overlapping} --insist")).ok();
    write("few", 100..109);
    files
        .bridge("fit --train @train --validation @few --method ridge --output @bridge")
        .fails_with(1, &["the validation set", "at least 10 clips with captions, got 9"]);
}

#[test]
fn methods_and_their_files_are_named_when_they_are_wrong() {
    let files = Files::new("methods", pairs(60, 1));
    files.fit("--method rigde").fails_with(1, &["no method 'rigde'", "did you mean ridge?"]);
    fs::write(files.at("typo.toml"), "kind = 'mlp_regression'\n[train]\nstep = 3\n").unwrap();
    files.fit("--config @typo.toml").fails_with(1, &["typo.toml", "did you mean `steps`"]);
    files.fit("--config @typo.toml --method ridge").fails_with(1, &["--method ridge", "give one"]);
    fs::write(files.at("range.toml"), "kind = 'projection'\ntemperatures = [0]\n").unwrap();
    files.fit("--config @range.toml").fails_with(1, &["range.toml", "temperatures", "above 0"]);
    files.fit("--config @nowhere.toml").fails_with(1, &["nowhere.toml: No such file"]);
    // The default batch is larger than 60 pairs; the default method is Diffusion-Link.
    for method in ["--method diffusion_link", ""] {
        files
            .fit(method)
            .fails_with(1, &["diffusion_link", "cannot fill a batch", "lower `train.batch`"]);
    }
    files
        .fit("--method ridge --validation-share 0.001")
        .fails_with(1, &["--validation-share 0.001", "of 60 clips", "each part needs 10"]);
    assert_eq!(files.fit("--method ridge --validation-share 1.5").code, Some(2));
    assert!(!files.at("bridge").exists());
}

#[test]
fn pairs_that_cannot_be_used_are_refused_before_the_work() {
    let files = Files::new("pairs", pairs(60, 1));
    let with = |change: &dyn Fn(&mut EmbeddingSet)| {
        let mut set = files.set.clone();
        change(&mut set);
        set.export_npy(&files.folder).unwrap();
        files.fit("--method ridge")
    };
    with(&|set| set.audio.row_mut(7).fill(2.0))
        .fails_with(1, &["audio.npy", "row 7 of audio has the norm 6.9282, not 1", "--normalise"]);
    with(&|set| set.text[[3, 1]] += 0.5).fails_with(1, &["text.npy", "row 3 of text"]);
    with(&|set| set.audio[[5, 0]] = f32::NAN).fails_with(1, &["audio.npy", "'5'", "NaN"]);
    with(&|set| set.text.row_mut(2).fill(0.0)).fails_with(1, &["caption 2", "no direction"]);
    with(&|set| set.owners[4] = 60).fails_with(1, &["caption 4 belongs to clip 60", "60 clips"]);
    with(&|set| set.owners[4] = 5).fails_with(1, &["clip '4' has no caption"]);
    with(&|set| set.text = normal("other", 60, 5)).fails_with(1, &["12 dimensions", "5"]);
    files.set.export_npy(&files.folder).unwrap();
    fs::write(files.at("ids.txt"), "a\nb\n").unwrap();
    files.fit("--method ridge --ids @ids.txt").fails_with(1, &["ids.txt", "2 ids for 60 clips"]);
    fs::write(files.at("ids.txt"), "a\n".repeat(60)).unwrap();
    files.fit("--method ridge --ids @ids.txt").fails_with(1, &["ids.txt", "'a' occurs twice"]);
    files
        .bridge("fit --audio @nowhere.npy --text @text.npy --method ridge --output @bridge")
        .fails_with(1, &["nowhere.npy"]);
    files
        .bridge("fit --audio @audio.npy --method ridge --output @bridge")
        .fails_with(1, &["--audio", "--text"]);
    files
        .bridge("fit --method ridge --output @bridge")
        .fails_with(1, &["--audio and --text", "--embeddings", "--train and --validation"]);
    files
        .bridge(&format!("fit {PAIRS} --method ridge --output @audio.npy/where"))
        .fails_with(1, &["--output", "audio.npy is a file, not a folder"]);
    let folder = files.folder.display();
    files
        .bridge(&format!("fit {PAIRS} --method ridge --output {folder}"))
        .fails_with(1, &["is a folder"]);
}

#[test]
fn apply_refuses_other_embeddings_and_files_that_are_no_bridge() {
    let files = Files::new("apply", pairs(60, 1));
    files.fit("--method embedding_shift").ok();
    write_rows(&files.at("narrow.npy"), &unit(normal("narrow", 4, 5))).unwrap();
    files
        .apply("--audio @narrow.npy")
        .fails_with(1, &["narrow.npy", "5 dimensions", "takes 12", "fit it anew"]);
    write_rows(&files.at("long.npy"), &(&files.set.audio * 2.0)).unwrap();
    files.apply("--audio @long.npy").fails_with(1, &["row 0 of audio", "2.0000", "--normalise"]);
    let mut odd = files.set.audio.clone();
    odd[[9, 3]] = f32::NAN;
    write_rows(&files.at("odd.npy"), &odd).unwrap();
    files.apply("--audio @odd.npy").fails_with(1, &["odd.npy", "'9'", "NaN"]);
    let bytes = fs::read(files.at("bridge")).unwrap();
    fs::write(files.at("bridge"), &bytes[..bytes.len() / 2]).unwrap();
    files.apply("--audio @audio.npy").fails_with(1, &["bridge", "make it again"]);
    fs::copy(files.at("set.safetensors"), files.at("bridge")).unwrap();
    files.apply("--audio @audio.npy").fails_with(1, &["not a bridge file"]);
    fs::copy(files.at("audio.npy"), files.at("bridge")).unwrap();
    files.apply("--audio @audio.npy").fails_with(1, &["bridge", "safetensors"]);
    fs::remove_file(files.at("bridge")).unwrap();
    files.apply("--audio @audio.npy").fails_with(1, &["bridge"]);
    assert!(!files.at("bridged.npy").exists());
}

fn compare(files: &Files, output: &str) -> Said {
    let methods = "--methods none,embedding_shift,ridge --against ridge --resamples 200";
    files.bridge(&format!("compare {PAIRS} {methods} {SHARE} --seeds 0,1 --output @{output}"))
}

#[test]
fn compare_measures_every_method_on_clips_that_no_fit_has_seen() {
    let files = Files::new("compare", pairs(150, 2));
    let said = compare(&files, "run").ok();
    for part in ["T1: modality gap (audio)", "embedding shift", "ridge", "▼", "seeds 0, 1;"] {
        assert!(said.out.contains(part), "`{part}` is not in {}", said.out);
    }
    let report = run(experiments(&files.folder).arg("report").arg(files.at("run"))).ok();
    assert!(said.out.contains(report.out.trim()), "report says otherwise:\n{}", report.out);
    assert!(files.at("run/tables/t1.csv").is_file() && files.at("run/config.toml").is_file());
    // Other rows in the held-out clips change no bridge.
    let bridges = |output: &str| {
        ["embedding_shift-0", "ridge-1"].map(|name| {
            fs::read(files.at(&format!("{output}/bridges/{name}.safetensors"))).unwrap()
        })
    };
    let fitted_on = held_out_by_the_bridge(&files.at("run/bridges/ridge-0.safetensors"));
    let noise = Noise::new(0, "bridge/test");
    let mut other = files.set.clone();
    let mut held = 0;
    for clip in 0..150 {
        let mut uniform = [0.0];
        noise.fill_uniform(dl_core::noise::item_of(&clip.to_string()), 0, &mut uniform);
        if uniform[0] < 0.2 {
            held += 1;
            other.audio.row_mut(clip).assign(&files.set.audio.row((clip + 1) % 150));
        }
    }
    assert!(held >= 10);
    assert_eq!(fitted_on, 150 - held, "clips fitted to or chosen by");
    other.export_npy(&files.folder).unwrap();
    let changed = compare(&files, "again").ok();
    assert!(bridges("run") == bridges("again"));
    assert_ne!(said.out, changed.out);
}

#[test]
fn a_bridge_over_halves_is_refused_early_and_leaves_nothing_beside_it() {
    let files = Files::new("halves", pairs(90, 1));
    let set = format!("--embeddings @set.safetensors {SHARE}");
    files
        .bridge(&format!("compare {set} --methods ridge,transport --batch 60 --output @run"))
        .fails_with(1, &["transport", "training pairs cannot fill a batch of 60"]);
    assert!(!files.at("run").exists(), "something was fitted first");
    for (option, part) in [("--seeds 0,0", "--seeds: 0 is there twice"), ("--resamples 0", "100")] {
        files.bridge(&format!("compare {set} --output @run {option}")).fails_with(1, &[part]);
    }
    let config = "kind = 'transport'\n[of]\nkind = 'mlp_regression'\nnetwork = { hidden = 16 }\n\
                  train = { steps = 5, batch = 16, checkpoint_every = 1 }\n";
    fs::write(files.at("transport.toml"), config).unwrap();
    files.bridge(&format!("fit {set} --config @transport.toml --output @a.bridge")).ok();
    let beside = fs::read_dir(&files.folder).unwrap().flatten().map(|entry| entry.file_name());
    let left: Vec<_> =
        beside.filter(|name| name.to_string_lossy().starts_with("a.bridge.")).collect();
    assert!(left.is_empty(), "{left:?}");
}

#[test]
fn compare_takes_sections_of_a_suite_and_shorter_trainings() {
    let files = Files::new("sections", pairs(90, 1));
    let suite = "name = 'a suite'\n[bridges.plain]\nkind = 'none'\n\
                 [bridges.small]\nkind = 'mlp_regression'\nnetwork = { hidden = 16 }\n";
    fs::write(files.at("suite.toml"), suite).unwrap();
    let said = files.bridge(&format!(
        "compare --embeddings @set.safetensors {SHARE} --config @suite.toml --steps 3 --batch 16 \
         --resamples 100 --output @run",
    ));
    let said = said.ok();
    for part in ["T1: modality gap (set)", "plain", "small", "better than \"small\""] {
        assert!(said.out.contains(part), "`{part}` is not in {}", said.out);
    }
    let config = fs::read_to_string(files.at("run/config.toml")).unwrap();
    assert!(config.contains("steps = 3") && config.contains("batch = 16"), "{config}");
    dl_diffusion::Bridge::load(&files.at("run/bridges/small-0.safetensors"), tch::Device::Cpu)
        .unwrap();
}

/// Clips that a bridge file says it has met.
fn held_out_by_the_bridge(path: &Path) -> usize {
    let bridge = dl_diffusion::Bridge::load(path, tch::Device::Cpu).unwrap();
    bridge.report().train.clips + bridge.report().validation.clips
}

#[test]
fn a_comparison_that_cannot_be_made_is_refused() {
    let files = Files::new("no-compare", pairs(60, 1));
    let fails = |more: &str, parts: &[&str]| {
        files.bridge(&format!("compare {PAIRS} {SHARE} {more} --output @run")).fails_with(1, parts);
    };
    fails("--methods none,rige", &["no method 'rige'", "did you mean ridge?"]);
    fails("--methods none,none", &["none is there twice"]);
    fails("--methods none --against ridge", &["--against ridge", "none"]);
    fails("--methods none --test-share 0.02", &["--test-share 0.02", "needs 10"]);
    fails(
        "--methods none,diffusion_link --steps 2",
        &["diffusion_link: ", "cannot fill a batch of", "--batch"],
    );
    let suite = "[bridges.mine]\nkind = 'ridge'\n[bridges.other]\nkind = 'projection'\ntypo = 1\n";
    fs::write(files.at("suite.toml"), suite).unwrap();
    fails("--config @suite.toml", &["suite.toml", "bridges.other", "unknown field `typo`"]);
    assert!(!files.at("run").exists(), "something was fitted");
    files
        .bridge(&format!("compare {PAIRS} --methods none --output @audio.npy"))
        .fails_with(1, &["audio.npy: is a file"]);
}
