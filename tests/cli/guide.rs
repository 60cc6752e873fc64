//! Every command that the documents show, run as a reader pastes it: the `sh` blocks of
//! README.md, the guide, the results and the crates' pages, each as a script. They run in a
//! folder that has what the pages speak of (`my.wav`, `audio.npy`, `/data/audiocaps`) and the
//! suites of `configs/` at the size of a test. `cargo run -p experiments --` is this program;
//! what else cargo and pip do there has tests of its own.

mod small;

use std::{
    fs,
    os::unix::fs::{PermissionsExt, symlink},
    path::{Path, PathBuf},
    process::Command,
};

use dl_core::EmbeddingSet;
use small::{SCENES, configs};

use crate::{
    audio_files::{tone, tone_at},
    audiocaps::{LLAMA, miniature, write},
    bridge::pairs,
    corpora::clotho,
    embed::{corpus, toy},
    harness::{Said, repository, run, scratch},
};

/// What `cargo` and `pip` are in the scripts.
const CARGO: &str = r#"#!/bin/sh
case "$*" in
    "reproduce") exec experiments ;;
    "run -p experiments -- "*) shift 4; exec experiments "$@" ;;
    "run --release -p dl-score -- "* | "run --manifest-path tests/extension/"*) ;;
    "install --path crates/dl-score" | "setup --models" | "setup --metrics") ;;
    "verify" | "bench -p benches") ;;
    *) echo "no test knows: cargo $*" >&2; exit 1 ;;
esac
"#;
const PIP: &str = "#!/bin/sh\n[ \"$1\" = install ] && [ -d \"$2\" ]\n";

/// Recordings in labelled folders.
fn labelled(folder: &Path) {
    for (label, hertz) in [("dog", 300.0), ("rain", 900.0), ("siren", 2000.0)] {
        fs::create_dir_all(folder.join(label)).unwrap();
        for take in 0..10 {
            let file = folder.join(label).join(format!("{take}.wav"));
            tone_at(&file, hertz + 10.0 * take as f32, 1, 8000, 0.3);
        }
    }
}

/// The folder that the scripts run in.
fn workplace() -> PathBuf {
    let folder = scratch("guide");
    let within = |name: &str| folder.join(name);
    for name in ["bin", "data", "models", ".setup/models", "tests/extension", "shards", "my"] {
        fs::create_dir_all(within(name)).unwrap();
    }
    for (name, text) in [("cargo", CARGO), ("pip", PIP)] {
        fs::write(within("bin").join(name), text).unwrap();
        fs::set_permissions(within("bin").join(name), fs::Permissions::from_mode(0o755)).unwrap();
    }
    symlink(env!("CARGO_BIN_EXE_experiments"), within("bin/experiments")).unwrap();
    symlink(repository().join("crates"), within("crates")).unwrap();
    fs::copy(repository().join("Cargo.lock"), within("Cargo.lock")).unwrap();
    configs(&folder);
    // Models.
    for name in ["clap-htsat-unfused", "clap-htsat-fused", "clap"] {
        symlink(toy(), within("models").join(name)).unwrap();
    }
    for name in ["DIR", "models/llama-2-7b", ".setup/models/smollm2"] {
        symlink(repository().join(LLAMA), within(name)).unwrap();
    }
    // Sounds and data sets.
    tone(&within("my.wav"), 1, 8000, 1.0);
    let flac = repository().join("crates/dl-audio/tests/golden/tone_16.flac");
    fs::copy(flac, within("other.flac")).unwrap();
    for name in ["my/folder", "my/other/folder", "path/to/esc10", "path/to/urban"] {
        labelled(&within(name));
        if !name.starts_with("my/") {
            shell(&format!("experiments manifest {name}"), &folder).ok();
        }
    }
    corpus(&folder, 20);
    symlink(miniature("guide-audiocaps", write), within("data/audiocaps")).unwrap();
    fs::create_dir_all(within("data/clotho")).unwrap();
    clotho(&within("data/clotho"));
    // Captions to be scored.
    fs::write(within("mine.csv"), "file_name,caption_predicted\na.wav,a dog\n").unwrap();
    fs::write(within("references.csv"), "file_name,caption_1\na.wav,A dog barks\n").unwrap();
    folder
}

/// What a page begins with, though another has written over it: embeddings of one's own, and
/// recordings without a manifest.
fn begin(folder: &Path) {
    for name in ["my/folder", "my/other/folder"] {
        fs::remove_file(folder.join(name).join("manifest.csv")).ok();
    }
    let set = pairs(400, 2);
    set.export_npy(folder).unwrap();
    fs::copy(folder.join("audio.npy"), folder.join("new.npy")).unwrap();
    for split in ["train", "val", "test"] {
        let ids = set.ids.iter().map(|id| format!("{split} {id}")).collect();
        let named = EmbeddingSet { ids, ..set.clone() };
        named.write(&folder.join(format!("{split}.safetensors"))).unwrap();
    }
    fs::write(folder.join("my.toml"), "kind = \"projection\"\n").unwrap();
}

/// README.md, the pages of experiments/ and the front pages of the crates, in that order.
fn pages() -> Vec<PathBuf> {
    let sorted = |folder: &str| {
        let entries = fs::read_dir(repository().join(folder)).unwrap();
        let mut paths: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
        paths.sort();
        paths
    };
    let mut pages = vec![repository().join("README.md")];
    pages.extend(sorted("experiments/guide"));
    pages.extend(sorted("experiments/results"));
    pages.extend(sorted("crates").iter().map(|krate| krate.join("README.md")));
    pages.retain(|page| page.extension().is_some_and(|ending| ending == "md") && page.is_file());
    pages
}

/// The `sh` blocks of a page.
fn scripts(page: &Path) -> Vec<String> {
    let text = fs::read_to_string(page).unwrap();
    let fenced = text.split("```").skip(1).step_by(2);
    fenced.filter_map(|block| block.strip_prefix("sh\n")).map(str::to_owned).collect()
}

/// A script at the size of a test: absolute paths lie in `folder`, an array has one job, fewer
/// steps and scenes, and the two runs are some that there are.
fn fitted(script: &str, folder: &Path) -> String {
    let within = |name: &str| folder.join(name).display().to_string();
    let mut script = script
        .replace("/data/", &format!("{}/", within("data")))
        .replace("=/models/", &format!("={}/", within("models")))
        .replace("\"/models/", &format!("\"{}/", within("models")))
        .replace("$SLURM_ARRAY_TASK_ID/16", "$SLURM_ARRAY_TASK_ID/1")
        .replace("train.steps=500", "train.steps=5")
        .replace("bridge compare ", "bridge compare --steps 20 ")
        .replace("roots=[\"my/other/folder\"]", &format!("roots=[\"my/other/folder\"],{SCENES}"))
        .replace("scenes={train=1600,validation=200,test=400}", SCENES);
    for (number, run) in ["RUN1", "RUN2"].into_iter().enumerate() {
        let nth = format!("$(ls -d runs/embedded/t1/*/ | sed -n {}p)", number + 1);
        script = script.replace(&format!("runs/embedded/t1/{run}"), &nth);
    }
    script
}

fn shell(script: &str, folder: &Path) -> Said {
    let path = format!("{}:{}", folder.join("bin").display(), std::env::var("PATH").unwrap());
    let mut command = Command::new("sh");
    command.args(["-eu", "-c", script]).current_dir(folder);
    run(command.env("PATH", path).env("SLURM_ARRAY_TASK_ID", "0")).clean()
}

#[test]
fn every_command_of_the_documents_runs() {
    let folder = workplace();
    let mut faults = Vec::new();
    let mut lines = 0;
    for page in pages() {
        begin(&folder);
        for script in scripts(&page) {
            lines += script.lines().filter(|line| line.contains("experiments ")).count();
            let begin = std::time::Instant::now();
            let said = shell(&fitted(&script, &folder), &folder);
            println!("{:.1} s: {}\n{script}", begin.elapsed().as_secs_f64(), page.display());
            if said.code != Some(0) {
                faults.push(format!("{}\n{script}\n{}", page.display(), said.err));
            }
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n----\n"));
    assert!(lines >= 60, "only {lines} commands were found");
}
