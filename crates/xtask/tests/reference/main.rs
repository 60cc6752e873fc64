//! The reference of a suite's configuration, made from the types that read it: their fields, their
//! doc comments, the kinds that are registered. The page in the guide is compared with it;
//! `WRITE_REFERENCE=1 cargo test -p xtask --test reference` writes it anew.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod types;

use std::{
    collections::{BTreeSet, VecDeque},
    env,
    fmt::Write,
    fs,
    path::{Path, PathBuf},
};

use types::{Shape, Type, Types};

const PAGE: &str = "experiments/guide/configuration.md";
const ROOT: &str = "SuiteConfig";

/// Types of which a field takes any kind that is registered, and what registers them.
const REGISTRIES: [(&str, &str); 3] = [
    ("CorpusConfig", "register_corpus"),
    ("BridgeConfig", "register_bridge"),
    ("SamplerConfig", "register_sampler"),
];

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// What is said before the first type.
const HEAD: &str = "# Configuration reference

Every entry that a suite's TOML file may have, from the types that read it. `--set KEY=VALUE` takes the same keys with dots. An entry
that is *optional* has a default, which `config.toml` of any run shows (it is the resolved configuration). Unknown entries are refused. What several keys have in common is described once, under the first of
them: its name stands in the heading. `bridges.NAME(diffusion_link)` are the entries beside `kind = \"diffusion_link\"`.
Made by `WRITE_REFERENCE=1 cargo test -p xtask --test reference`; a test compares.
";

/// The page: types in the order in which their keys are met, breadth first.
fn page(types: &Types) -> String {
    let mut page = HEAD.to_owned();
    let mut met = BTreeSet::from([ROOT.to_owned()]);
    let mut waiting = VecDeque::from([(ROOT.to_owned(), String::new())]);
    while let Some((name, place)) = waiting.pop_front() {
        let Some(found) = types.get(&name) else { continue };
        let heading =
            if place.is_empty() { "The file".to_owned() } else { format!("`{place}`: {name}") };
        write!(page, "\n## {heading}\n\n{}\n", found.doc).unwrap();
        let next = |place: &str, key: &str| match (place, key) {
            ("", key) => key.to_owned(),
            (place, key) => format!("{place}.{key}"),
        };
        match &found.shape {
            Shape::Struct(fields) => {
                page.push_str("\n| key | type | |\n|---|---|---|\n");
                for field in fields {
                    let optional = if field.optional { "*optional.* " } else { "" };
                    let Type { name: of, words } = &field.of;
                    let named = if words.starts_with("table of `") { ".NAME" } else { "" };
                    writeln!(page, "| `{}` | {words} | {optional}{} |", field.key, field.doc)
                        .unwrap();
                    if met.insert(of.clone()) {
                        waiting.push_back((of.clone(), next(&place, &field.key) + named));
                    }
                }
            }
            Shape::Choice(variants) => {
                page.push('\n');
                for variant in variants {
                    let kind = if variant.inner.is_some() { "kind = " } else { "" };
                    writeln!(page, "- `{kind}\"{}\"`: {}", variant.key, variant.doc).unwrap();
                    if let Some(inner) =
                        variant.inner.clone().filter(|inner| met.insert(inner.clone()))
                    {
                        waiting.push_back((inner, format!("{place}({})", variant.key)));
                    }
                }
            }
            Shape::Text => {}
        }
        if let Some((_, registry)) = REGISTRIES.iter().find(|(config, _)| *config == name) {
            page.push('\n');
            for (kind, (own, about)) in types.registered(registry) {
                writeln!(page, "- `kind = \"{kind}\"`: {about}").unwrap();
                if met.insert(own.to_owned()) {
                    waiting.push_back((own.to_owned(), format!("{place}({kind})")));
                }
            }
        }
    }
    page
}

#[test]
fn the_page_is_what_the_types_say() {
    let root = repository();
    let sources =
        ["dl-audio", "dl-core", "dl-data", "dl-diffusion", "dl-encoder", "dl-llm", "dl-torch"]
            .map(|name| root.join("crates").join(name).join("src"));
    // Where two crates have a type of one name, the first counts: a suite's own.
    let types = Types::read([root.join("experiments/src/config")].iter().chain(&sources));
    let made = page(&types);
    let path = root.join(PAGE);
    if env::var_os("WRITE_REFERENCE").is_some() {
        fs::write(&path, &made).unwrap();
    }
    // The walk has reached what lies deep: a sampler of a bridge, LoRA of the prefix, a mix of scenes.
    for key in ["`timestep`", "`rank`", "`left_out`", "`choose_by`", "(diffusion_link)"] {
        assert!(made.contains(key), "{key} is not on the page");
    }
    let kept = fs::read_to_string(&path).unwrap_or_default();
    assert!(
        kept == made,
        "{PAGE} is not what the types say; write it anew: WRITE_REFERENCE=1 cargo test -p xtask --test reference"
    );
}
