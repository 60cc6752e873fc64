//! Which stages recompute when an entry of the configuration changes: none that does not
//! depend on it, and all that do. The entries are found by walking the resolved
//! configuration, so that a new one cannot be forgotten; what depends on what is said here
//! once more, by sections.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use dl_core::IfBusy;
use experiments::{
    config::SuiteConfig,
    console::Reporter,
    experiments::plan,
    stages::{Lab, Services, Suite},
};
use toml::Value;

use crate::harness::{copy_folder, repository, scratch, tiny};

const EXPERIMENTS: [&str; 3] = ["t1", "t2", "recognition"];

/// The key of every stage behind the experiments, by its title.
type Keys = BTreeMap<String, String>;

fn keys(config: &SuiteConfig, root: &Path) -> Result<Keys, String> {
    let reporter = Reporter::new();
    let services = Services { reporter: &reporter, jobs: Some(1), if_busy: IfBusy::Leave };
    let lab = Lab::at(&services, root, tch::Device::Cpu);
    let suite = Suite::open(&lab, config).map_err(|error| format!("{error:#}"))?;
    let planned = plan(&EXPERIMENTS.map(str::to_owned), suite).unwrap();
    let count = planned.len();
    let keys: Keys = planned
        .into_iter()
        .map(|stage| (format!("{} | {}", stage.stage, stage.title), stage.key.to_string()))
        .collect();
    assert_eq!(keys.len(), count, "two stages have one title");
    Ok(keys)
}

/// The configuration in a file of its own, read as the program reads it.
fn load(document: &toml::Table, root: &Path) -> Result<SuiteConfig, String> {
    let file = root.join("changed.toml");
    fs::write(&file, toml::to_string(document).unwrap()).unwrap();
    SuiteConfig::load(&file.display().to_string(), &[], None).map_err(|error| format!("{error:#}"))
}

/// The paths of all entries that are no sections; entries of lists of sections too.
fn leaves(value: &Value, path: &str, found: &mut Vec<String>) {
    let inner = |name: &str| if path.is_empty() { name.into() } else { format!("{path}.{name}") };
    match value {
        Value::Table(table) => {
            table.iter().for_each(|(name, value)| leaves(value, &inner(name), found));
        }
        Value::Array(list) if list.iter().any(|item| item.is_table() || item.is_array()) => {
            list.iter()
                .enumerate()
                .for_each(|(place, value)| leaves(value, &inner(&place.to_string()), found));
        }
        _ => found.push(path.into()),
    }
}

fn at<'v>(document: &'v mut toml::Table, path: &str) -> &'v mut Value {
    let mut parts = path.split('.');
    let mut value = document.get_mut(parts.next().unwrap()).unwrap();
    for part in parts {
        value = match value {
            Value::Table(table) => table.get_mut(part).unwrap(),
            Value::Array(list) => &mut list[part.parse::<usize>().unwrap()],
            other => panic!("{path}: {other} has no parts"),
        };
    }
    value
}

/// Values to try in place of `old`, until the program takes one.
fn others(old: &Value) -> Vec<Value> {
    match old {
        Value::Boolean(old) => vec![Value::Boolean(!old)],
        Value::Integer(old) => {
            [old + 1, old * 2, old - 1, old / 2, 1, 2, 0].map(Value::Integer).into()
        }
        Value::Float(old) => {
            [old * 1.1 + 0.01, old * 0.9, old * 0.5 + 0.1, 0.5, 1.0].map(Value::Float).into()
        }
        Value::Array(old) => {
            let mut shorter = old.clone();
            shorter.pop();
            let mut turned = old.clone();
            turned.reverse();
            let mut lists = vec![Value::Array(shorter), Value::Array(turned)];
            if let [first, ..] = old.as_slice() {
                lists.extend(others(first).into_iter().map(|item| Value::Array(vec![item])));
            }
            lists.extend([Value::Array(vec![Value::Integer(7)])]);
            lists
        }
        Value::String(_) | Value::Datetime(_) | Value::Table(_) => Vec::new(),
    }
}

/// The names that an error offers: "expected one of `a`, `b`", or "use a, b or c".
fn offered(error: &str) -> Vec<Value> {
    error.split('`').skip(1).step_by(2).map(|name| Value::String(name.into())).collect()
}

/// A document in which `path` alone is another, and that the program takes. Ablations, whose
/// variants would have to go with the change, may be left out: they are no part of the plan.
fn changed(document: &toml::Table, path: &str, root: &Path) -> Option<SuiteConfig> {
    changed_in(document, path, root).or_else(|| {
        let mut rest = document.clone();
        rest.remove("ablations").filter(|_| !path.starts_with("ablations"))?;
        changed_in(&rest, path, root)
    })
}

fn changed_in(document: &toml::Table, path: &str, root: &Path) -> Option<SuiteConfig> {
    let old = at(&mut document.clone(), path).clone();
    let with = |value: &Value| {
        let mut document = document.clone();
        *at(&mut document, path) = value.clone();
        load(&document, root)
    };
    let mut candidates = others(&old);
    if let Value::String(text) = &old {
        // Files elsewhere, with the same content.
        let folder = repository().join(text);
        if folder.is_dir() && text.contains('/') {
            return with(&Value::String(copied(&folder, root).display().to_string())).ok();
        }
        candidates.extend(offered(&with(&Value::String("zz".into())).err().unwrap_or_default()));
        let words = ["auto", "another", "none", "projection", "diffusion_link", "t1"];
        candidates.extend(words.map(|word| Value::String(word.into())));
    }
    candidates.retain(|value| *value != old);
    let taken = candidates.iter().find_map(|value| with(value).ok());
    if taken.is_some() || !path.ends_with("kind") {
        return taken;
    }
    // A section of another kind has other entries: some of those here, or its defaults.
    let section = path.strip_suffix(".kind").unwrap();
    let mut document = document.clone();
    let replaced = |document: &toml::Table, table: Value| {
        let mut document = document.clone();
        *at(&mut document, section) = table;
        load(&document, root).ok()
    };
    // In a list, one of the others.
    if let Some((list, place)) = section.rsplit_once('.')
        && let Value::Array(items) = at(&mut document, list).clone()
    {
        let own = place.parse().ok().and_then(|place: usize| items.get(place)).cloned();
        let others = items.into_iter().filter(|item| Some(item) != own.as_ref());
        return others.into_iter().find_map(|item| replaced(&document, item));
    }
    let table = at(&mut document, section).as_table().unwrap().clone();
    let names: Vec<&String> = table.keys().filter(|name| *name != "kind").collect();
    let subsets: Vec<u32> =
        if names.len() <= 4 { (0..1 << names.len()).collect() } else { vec![0] };
    candidates.iter().flat_map(|kind| subsets.iter().map(move |subset| (kind, subset))).find_map(
        |(kind, subset)| {
            let mut other = toml::Table::from_iter([("kind".into(), kind.clone())]);
            for (_, name) in names.iter().enumerate().filter(|(bit, _)| subset >> bit & 1 == 1) {
                other.insert((*name).clone(), table[*name].clone());
            }
            replaced(&document, Value::Table(other))
        },
    )
}

fn copied(folder: &Path, root: &Path) -> PathBuf {
    let copy = root.join("copy");
    copy_folder(folder, &copy);
    copy
}

/// Whether a stage depends on an entry. `stage` is its name, `title` its title.
fn depends(path: &str, stage: &str, title: &str) -> bool {
    let head = path.split('.').next().unwrap();
    let rest = path.strip_prefix(head).unwrap().trim_start_matches('.');
    // Of captions, which decoder they are by; of anything, which bridge it is behind.
    let behind = |bridge: &str| {
        let words = title.split(|c: char| !(c.is_alphanumeric() || c == '_'));
        words.clone().any(|word| word == bridge)
    };
    let after_model = ["captioner", "captions", "recognition"].contains(&stage);
    match (head, rest) {
        // The corpus is one thing: its sounds, its captions and its splits.
        ("seed" | "data", _) => true,
        ("seeds", _) => !["features", "embeddings", "language_model", "singles"].contains(&stage),
        ("encoder", "path") => false,
        ("encoder", _) => stage != "language_model",
        ("bridges", rest) => {
            let bridge = rest.split('.').next().unwrap();
            behind(bridge)
        }
        ("language_model", "path") => false,
        ("language_model", _) => stage == "language_model" || after_model,
        ("captioner", "out_of_fold" | "supervised_from") => {
            after_model && title.contains("supervised")
        }
        ("captioner", "choose_by") => after_model,
        // A stage behind a decoder that learns from other text has another title.
        ("captioner", "text") => false,
        ("captioner", "hardened") => after_model && title.contains("hardened"),
        // C3 has a noise of its own for its zero-shot decoder.
        ("captioner", "prefix.noise") => {
            after_model && !title.contains("hardened") && !title.contains("zero-shot decoder of c3")
        }
        ("captioner", rest) if rest.starts_with("prefix.") => after_model,
        ("captioner", _) => ["captions", "recognition"].contains(&stage),
        ("evaluation", "resamples") => stage == "gap",
        ("caption", "bridge" | "protocol") => stage == "recognition",
        ("caption", rest) if rest.starts_with("clip.") => {
            ["singles", "recognition"].contains(&stage)
        }
        ("name" | "device" | "runs" | "experiments" | "rows" | "evaluation" | "caption", _) => {
            false
        }
        ("ablations" | "transfer", _) => false,
        _ => panic!("say what depends on {path}"),
    }
}

/// Entries of which no other value can be found by trying: alone, each of them makes a
/// configuration that the program refuses.
const UNTRIED: [&str; 10] = [
    // What varies, its key and its values go together, and no ablation is in the plan.
    "ablations.decoder.vary",
    "ablations.pairs.sweep.key",
    "ablations.pairs.vary",
    "ablations.pairs_captions.sweep.key",
    "ablations.pairs_captions.vary",
    "ablations.width.of",
    // Other kinds need files of the user's.
    "data.kind",
    "encoder.kind",
    "language_model.kind",
    "transfer.to.birds.kind",
];

/// Changes every entry whose path `wanted` takes, one at a time, and looks at the keys.
/// Returns the paths, and those of which no other value was found.
fn walk(
    document: &toml::Table,
    root: &Path,
    wanted: impl Fn(&str) -> bool,
) -> (Vec<String>, Vec<String>) {
    let before = keys(&load(document, root).unwrap(), root).unwrap();
    // Nothing was computed to know them.
    assert!(before.len() > 30 && !root.join("features").exists(), "{before:#?}");
    let mut paths = Vec::new();
    leaves(&Value::Table(document.clone()), "", &mut paths);
    paths.retain(|path| wanted(path));
    let mut untried = Vec::new();
    for path in &paths {
        let Some(config) = changed(document, path, root) else {
            untried.push(path.clone());
            continue;
        };
        let after = keys(&config, root).unwrap_or_else(|error| panic!("{path}: {error}"));
        for (stage, key) in &before {
            let Some(other) = after.get(stage) else { continue };
            let (name, title) = stage.split_once(" | ").unwrap();
            let (changed, depends) = (key != other, depends(path, name, title));
            assert_eq!(changed, depends, "{path} and '{stage}': changed, depends");
        }
    }
    (paths, untried)
}

fn document(sets: &[&str]) -> toml::Table {
    let sets: Vec<String> = sets.iter().map(|&set| set.to_owned()).collect();
    let config = SuiteConfig::load(&tiny().display().to_string(), &sets, None).unwrap();
    toml::Table::try_from(&config).unwrap()
}

#[test]
fn a_changed_entry_changes_the_stages_that_depend_on_it_and_no_others() {
    let root = scratch("keys");
    let (paths, untried) = walk(&document(&[]), &root, |_| true);
    assert!(paths.len() > 100, "{paths:?}");
    assert_eq!(untried, UNTRIED, "no other value was found for these");
}

/// A zero-shot captioner does not depend on the bridge, but what it says of audio does.
#[test]
fn captions_by_a_zero_shot_decoder_depend_on_the_bridge() {
    let root = scratch("keys-zero-shot");
    let document = document(&["caption.protocol=zero_shot"]);
    let (paths, untried) =
        walk(&document, &root, |path| path.starts_with("bridges.diffusion_link"));
    assert!(paths.len() > 20, "{paths:?}");
    assert!(untried.is_empty(), "no other value was found for {untried:?}");
}

/// A published language model: where it lies changes nothing, how it computes does.
#[test]
fn captions_depend_on_a_pretrained_model_and_not_on_its_place() {
    let root = scratch("keys-pretrained");
    let toy = "crates/dl-llm/tests/golden/llama_tuning";
    let document = document(&[&format!("language_model={{kind='pretrained',path='{toy}'}}")]);
    let (paths, untried) = walk(&document, &root, |path| path.starts_with("language_model"));
    assert_eq!(paths.len(), 3, "{paths:?}");
    assert!(untried.is_empty(), "no other value was found for {untried:?}");
}

#[test]
fn weights_elsewhere_are_the_same_and_other_weights_are_others() {
    let root = scratch("keys-weights");
    let copy = copied(&repository().join("crates/dl-encoder/tests/golden/clap_unfused"), &root);
    let of = |sets: &[String]| {
        let config = SuiteConfig::load(&tiny().display().to_string(), sets, None).unwrap();
        keys(&config, &root).unwrap()
    };
    let (before, elsewhere) = (of(&[]), [format!("encoder.path='{}'", copy.display())]);
    assert_eq!(before, of(&elsewhere));
    let weights = copy.join("model.safetensors");
    let mut bytes = fs::read(&weights).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    fs::write(&weights, bytes).unwrap();
    for (stage, key) in of(&elsewhere) {
        let changed = before[&stage] != key;
        assert_eq!(changed, !stage.starts_with("language_model"), "{stage}");
    }
}
