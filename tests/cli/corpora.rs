//! Data sets of every kind through the command line, on a few tones: T1 of the tiny suite
//! runs over each.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use dl_core::EmbeddingSet;

use crate::{
    audio_files::tone_at,
    harness::{experiments, run, run_directory, scratch, stage, trained},
};

/// Clips of train, validation and test.
const CLIPS: [usize; 3] = [40, 12, 12];

fn sound(path: &Path, number: usize) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    tone_at(path, 150.0 + 23.0 * number as f32, 1, 8000, 0.2);
}

/// Every clip as its number, its split and its place there.
fn clips() -> impl Iterator<Item = (usize, usize, usize)> {
    let of_split = |(split, count): (usize, usize)| (0..count).map(move |clip| (split, clip));
    let places: Vec<(usize, usize)> = CLIPS.into_iter().enumerate().flat_map(of_split).collect();
    places.into_iter().enumerate().map(|(number, (split, clip))| (number, split, clip))
}

fn t1(runs: &Path, data: &str) -> Command {
    let mut command = experiments(runs);
    command.args(["run", "t1", "--set", &format!("data={data}")]);
    command
}

/// Clotho's layout: three folders of sounds and five captions a row; one test clip is missing.
pub(crate) fn clotho(root: &Path) {
    let names = ["development", "validation", "evaluation"];
    let mut tables = [const { String::new() }; 3]
        .map(|_| "file_name,caption_1,caption_2,caption_3,caption_4,caption_5\n".to_owned());
    for (number, split, clip) in clips() {
        let name = format!("Clip {clip}, of {split}.wav");
        if (split, clip) != (2, 4) {
            sound(&root.join(names[split]).join(&name), number);
        }
        tables[split] +=
            &format!("\"{name}\",Tone {number},A tone,\"A tone, high\",Hum,{number}\n");
    }
    for (name, table) in names.iter().zip(&tables) {
        fs::write(root.join(format!("clotho_captions_{name}.csv")), table).unwrap();
    }
}

#[test]
fn t1_over_clotho() {
    let root = scratch("clotho");
    clotho(&root);
    let data = format!("{{kind='clotho',root='{}'}}", root.display());
    let said = run(&mut t1(&scratch("clotho-runs"), &data)).ok().clean();
    assert!(said.out.contains("11 of the 12 test clips (91.7 %) with 55 captions"), "{}", said.out);
}

#[test]
fn t1_over_wavcaps() {
    let root = scratch("wavcaps");
    let mut rows = Vec::new();
    for number in 0..160 {
        let caption = format!("Tone number {number}");
        rows.push(serde_json::json!({ "id": number.to_string(), "caption": caption }));
        if number != 7 {
            sound(&root.join(format!("SoundBible_wav/{number}.wav")), number);
        }
    }
    let folder = root.join("json_files/SoundBible");
    fs::create_dir_all(&folder).unwrap();
    let list = serde_json::json!({ "num_captions_per_audio": 1, "data": rows });
    fs::write(folder.join("sb_final.json"), list.to_string()).unwrap();
    let data = format!("{{kind='wavcaps',root='{}'}}", root.display());
    let said = run(&mut t1(&scratch("wavcaps-runs"), &data)).ok().clean();
    let missing = "clips have no sound file and are left out (the first: 'SoundBible/7', looked \
                   for 7 in a folder SoundBible…)";
    assert!(said.err.contains(missing), "{}", said.err);
    assert!(said.out.contains("test clips (100.0 %) with"), "{}", said.out);
}

/// Tones under a manifest with splits.
fn manifest(name: &str) -> PathBuf {
    let root = scratch(name);
    let mut table = "file,caption,split\n".to_owned();
    for (number, split, clip) in clips() {
        let name = format!("{split}-{clip}.wav");
        sound(&root.join(&name), number);
        let split = ["train", "val", "test"][split];
        table += &format!("{name},Tone {number},{split}\n{name},A tone,{split}\n");
    }
    fs::write(root.join("list.csv"), table).unwrap();
    root
}

#[test]
fn t1_over_a_manifest_and_over_its_embeddings_alone() {
    let root = manifest("manifest-kind");
    let data = format!("{{kind='manifest',path='{}'}}", root.join("list.csv").display());
    let runs = scratch("manifest-kind-runs");
    let sounds = run(&mut t1(&runs, &data)).ok().clean();
    assert!(sounds.out.contains("12 of the 12 test clips (100.0 %) with 24"), "{}", sounds.out);

    // What was embedded there, given in place of sounds, has the same figures.
    let sets = stage(&runs, "embeddings");
    let file = |split: &str| sets.join(format!("{split}.safetensors")).display().to_string();
    let [train, validation, test] = ["train", "validation", "test"].map(file);
    let given =
        format!("{{kind='embeddings',train='{train}',validation='{validation}',test='{test}'}}");
    // An encoder that is not there does not matter.
    let gone = "encoder.path='no/such/clap'";
    let other = scratch("embeddings-runs");
    let said = run(t1(&other, &given).args(["--set", gone])).ok().clean();
    assert!(said.err.contains("note: the embeddings are given, so [encoder] is not used"));
    let figures = |runs: &Path| fs::read(run_directory(runs, "t1").join("metrics.jsonl")).unwrap();
    assert!(figures(&runs) == figures(&other), "{}\n{}", sounds.out, said.out);
    assert!(!other.join("tiny/stages/features").exists());
    run(experiments(&other).args(["doctor", "--set", &format!("data={given}"), "--set", gone]))
        .ok();
    let caption = root.join("0-0.wav");
    run(experiments(&other).args(["caption", "--set", &format!("data={given}")]).arg(caption))
        .fails_with(1, &["were made elsewhere", "no encoder for new sounds"]);

    // As .npy files: T1 needs no words, T2 does.
    let npy = scratch("embeddings-npy");
    let mut words = String::new();
    let mut entries = Vec::new();
    for split in ["train", "validation", "test"] {
        let set = EmbeddingSet::read(&sets.join(format!("{split}.safetensors"))).unwrap();
        let folder = npy.join(split);
        fs::create_dir_all(&folder).unwrap();
        set.export_npy(&folder).unwrap();
        fs::write(folder.join("words.txt"), set.captions.join("\n")).unwrap();
        let path = |name: &str| folder.join(name).display().to_string();
        let (audio, text, owners) = (path("audio.npy"), path("text.npy"), path("owners.npy"));
        entries.push(format!("{split}={{audio='{audio}',text='{text}',owners='{owners}'}}"));
        words += &format!(" --set data.{split}.captions='{}'", path("words.txt"));
    }
    let wordless = format!("{{kind='embeddings',{}}}", entries.join(","));
    let other = scratch("embeddings-npy-runs");
    let said = run(&mut t1(&other, &wordless)).ok().clean();
    let rows = |out: &str| {
        out.lines().filter(|line| line.starts_with("projection")).collect::<Vec<_>>().join("")
    };
    assert_eq!(rows(&said.out), rows(&sounds.out));
    let mut t2 = experiments(&other);
    t2.args(["run", "t2", "--set", &format!("data={wordless}")]);
    run(&mut t2).fails_with(1, &["without the words of their captions", "data.train.captions"]);
    t2.args(words.split_whitespace());
    let said = run(&mut t2).ok().clean();
    assert!(said.out.contains("T2: captioning, zero-shot (tiny)"), "{}", said.out);
}

#[test]
fn given_embeddings_that_do_not_belong_together_are_refused() {
    let sets = stage(trained(), "embeddings");
    let file = |split: &str| sets.join(format!("{split}.safetensors")).display().to_string();
    let train = file("train");
    let data = format!("{{kind='embeddings',train='{train}',validation='{train}',test='{train}'}}");
    run(&mut t1(&scratch("embeddings-same"), &data))
        .fails_with(1, &["train.safetensors", "soundscapes-train-00000"]);
}

#[test]
fn embed_keeps_a_caption_that_comes_again() {
    let folder = scratch("embed-repeated");
    sound(&folder.join("a.wav"), 1);
    let rows = "file,caption\r\na.wav,A bell\r\na.wav,\"A bell, \"\"loud\"\"\"\r\na.wav,A bell\r\n";
    fs::write(folder.join("pairs.csv"), format!("\u{feff}{rows}")).unwrap();
    let said = run(&mut crate::embed::embed(&folder, &crate::embed::toy(), "set")).ok();
    assert!(
        said.err
            .contains("pairs.csv: 1 captions stand at their clip already (the first on line 4)"),
        "{}",
        said.err
    );
    let set = EmbeddingSet::read(&folder.join("set")).unwrap();
    assert_eq!(set.captions, ["A bell", "A bell, \"loud\"", "A bell"]);
    assert_eq!((set.ids, set.text.row(0)), (vec!["a.wav".to_owned()], set.text.row(2)));
}
