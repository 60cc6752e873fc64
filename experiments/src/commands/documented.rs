//! Every command of this program in the documentation is one that it takes: names, options,
//! and the entries that `--set` changes. (Those of `dl-score` and `spice-train` are not read.)

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use clap::Parser;

use super::Cli;
use crate::config::SuiteConfig;

fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}

/// README.md, the pages of experiments/ and the front pages of the crates.
fn pages() -> Vec<PathBuf> {
    let root = repository();
    let mut pages = vec![root.join("README.md")];
    for folder in ["experiments/guide", "experiments/results"] {
        let entries = fs::read_dir(root.join(folder)).unwrap();
        pages.extend(entries.map(|entry| entry.unwrap().path()));
    }
    for krate in fs::read_dir(root.join("crates")).unwrap() {
        pages.push(krate.unwrap().path().join("README.md"));
    }
    pages.retain(|page| page.extension().is_some_and(|ending| ending == "md") && page.is_file());
    pages.sort();
    pages
}

/// The lines of a page's fenced blocks, those that go on joined.
fn lines(page: &str) -> Vec<String> {
    let fenced = page.split("```").skip(1).step_by(2);
    let joined = fenced.map(|block| block.replace("\\\n", " "));
    // The first line names the language.
    let lines =
        joined.flat_map(|block| block.lines().skip(1).map(str::to_owned).collect::<Vec<_>>());
    lines.collect()
}

/// The arguments of the program in a line of a shell, if it is what the line begins; variables
/// that a line before has set are filled in, others are a number, as schedulers set them.
fn arguments(line: &str, variables: &BTreeMap<String, String>) -> Option<Vec<String>> {
    let mut line = line.to_owned();
    for (name, value) in variables {
        line = line.replace(&format!("${name}"), value);
    }
    let words = shlex::split(&line)?;
    let started = |words: &[&str]| match words {
        ["experiments", ..] => Some(1),
        ["cargo", "run", "-p", "experiments", "--", ..] => Some(5),
        ["cargo", "run", "--release", "-p", "experiments", "--", ..] => Some(6),
        ["cargo", "reproduce", ..] => Some(2),
        _ => None,
    };
    let skipped = started(&words.iter().map(String::as_str).collect::<Vec<_>>())?;
    Some(words[skipped..].iter().map(|word| filled(word)).collect())
}

/// With 0 in place of each `$NAME`.
fn filled(word: &str) -> String {
    let mut parts = word.split('$');
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |text, part| {
        let rest = part.trim_start_matches(|c: char| c.is_ascii_uppercase() || c == '_');
        text + "0" + rest
    })
}

/// `NAME="VALUE"`.
fn assignment(line: &str) -> Option<(String, String)> {
    let (name, value) = line.split_once("=\"")?;
    let plain = name.chars().all(|c| c.is_ascii_uppercase() || c == '_');
    (plain && !name.is_empty()).then(|| (name.to_owned(), value.trim_end_matches('"').to_owned()))
}

#[test]
fn every_documented_command_is_one_that_the_program_takes() {
    let mut commands = 0;
    for page in pages() {
        let text = fs::read_to_string(&page).unwrap();
        let mut variables = BTreeMap::new();
        for line in lines(&text) {
            variables.extend(assignment(&line));
            let Some(arguments) = arguments(&line, &variables) else { continue };
            let place = format!("{}: {line}", page.display());
            let words = std::iter::once("experiments".to_owned()).chain(arguments);
            let cli = Cli::try_parse_from(words).unwrap_or_else(|error| panic!("{place}\n{error}"));
            let options = cli.all_options();
            let name = options.config.as_deref().unwrap_or("embedded");
            let file = repository().join("configs").join(name).join("suite.toml");
            SuiteConfig::load(&file.to_string_lossy(), &options.sets, options.seeds.as_deref())
                .unwrap_or_else(|error| panic!("{place}\n{error:#}"));
            commands += 1;
        }
    }
    assert!(commands >= 50, "only {commands} commands were found");
}

#[test]
fn lines_are_read_as_a_shell_does() {
    let variables = BTreeMap::from([("PAIRS".to_owned(), "--audio a.npy".to_owned())]);
    let read = |line: &str| arguments(line, &variables).map(|words| words.join("|"));
    let goes_on = "```sh\nexperiments run \\\n  t1  # the table\n```";
    assert_eq!(read(&lines(goes_on)[0]).unwrap(), "run|t1");
    assert_eq!(
        read("cargo run -p experiments -- bridge fit $PAIRS --seeds $INDEX/16").unwrap(),
        "bridge|fit|--audio|a.npy|--seeds|0/16"
    );
    assert_eq!(read("--set 'a=[\"b c\"]'"), None);
    assert_eq!(read("experiments --set 'a=[\"b c\"]'").unwrap(), "--set|a=[\"b c\"]");
    assert_eq!(assignment("PAIRS=\"--audio a\""), Some(("PAIRS".into(), "--audio a".into())));
}
