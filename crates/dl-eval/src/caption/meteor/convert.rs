//! Makes the mapped file from what the package `pycocoevalcap` ships: the jar of
//! METEOR 1.5 (synonyms and base forms of WordNet, function words, abbreviations)
//! and the paraphrase table beside it (`data/paraphrase-en.gz`; three lines each:
//! a probability, a phrase, its paraphrase).

use std::{
    collections::{HashMap, HashSet},
    fs::File,
    io::{BufRead, BufReader, Read},
    path::Path,
};

use flate2::read::MultiGzDecoder;
use zip::ZipArchive;

use super::{
    data::{MeteorData, MeteorDataError, flag},
    write::{Tables, write},
};

const JAR: &str = "meteor-1.5.jar";
const PARAPHRASES: &str = "data/paraphrase-en.gz";

impl MeteorData {
    /// Reads the package's folder `pycocoevalcap/meteor` (or the jar inside of it)
    /// and writes `output`, whole or not at all. Takes some ten seconds, once.
    ///
    /// # Errors
    /// [`MeteorDataError::Io`]; [`MeteorDataError::Source`] where a file is not what
    /// METEOR 1.5 ships.
    pub fn convert(source: &Path, output: &Path) -> Result<(), MeteorDataError> {
        let (folder, jar) = if source.is_dir() {
            (source, source.join(JAR))
        } else {
            (source.parent().unwrap_or(Path::new("")), source.to_owned())
        };
        let mut tables = Tables::default();
        read_jar(&jar, &mut tables)?;
        let paraphrases = folder.join(PARAPHRASES);
        let file = File::open(&paraphrases).map_err(MeteorDataError::io(&paraphrases))?;
        let lines = BufReader::with_capacity(1 << 20, MultiGzDecoder::new(file));
        read_paraphrases(lines, &paraphrases, &mut tables)?;
        write(tables, output)
    }
}

fn refuse(path: &str, why: impl Into<String>) -> MeteorDataError {
    MeteorDataError::Source { path: path.to_owned(), why: why.into() }
}

fn read_jar(path: &Path, tables: &mut Tables) -> Result<(), MeteorDataError> {
    let file = File::open(path).map_err(MeteorDataError::io(path))?;
    let no_jar =
        |error: zip::result::ZipError| refuse(&path.display().to_string(), error.to_string());
    let mut jar = ZipArchive::new(BufReader::new(file)).map_err(no_jar)?;
    let mut text = |name: &str| -> Result<String, MeteorDataError> {
        let mut text = String::new();
        let mut entry = jar.by_name(name).map_err(|error| refuse(name, error.to_string()))?;
        entry.read_to_string(&mut text).map_err(|error| refuse(name, error.to_string()))?;
        Ok(text)
    };
    read_synsets(&text("synonym/english.synsets")?, tables)?;
    read_exceptions(&text("synonym/english.exceptions")?, tables);
    for word in text("function/english.words")?.lines() {
        let word = tables.words.number(word);
        tables.flags.push((word, flag::FUNCTION));
    }
    read_prefixes(&text("nonbreaking/english.prefixes")?, tables);
    Ok(())
}

/// Two lines each: a word, the numbers of its synonym sets.
fn read_synsets(text: &str, tables: &mut Tables) -> Result<(), MeteorDataError> {
    let mut lines = text.lines();
    let mut seen = HashSet::new();
    while let (Some(word), Some(numbers)) = (lines.next(), lines.next()) {
        let file = "synonym/english.synsets";
        let number = tables.words.number(word);
        if !seen.insert(number) {
            return Err(refuse(file, format!("{word:?} stands in it twice")));
        }
        for synset in numbers.split_ascii_whitespace() {
            let synset = synset
                .parse()
                .map_err(|_| refuse(file, format!("{synset:?} of {word:?} is no number")))?;
            tables.synsets.push((number, synset));
        }
    }
    Ok(())
}

/// Two lines each: a base form, the irregular words that have it.
fn read_exceptions(text: &str, tables: &mut Tables) {
    let mut lines = text.lines();
    while let (Some(base), Some(forms)) = (lines.next(), lines.next()) {
        let base = tables.words.number(base);
        for form in forms.split_ascii_whitespace() {
            let form = tables.words.number(form);
            tables.bases.push((form, base));
        }
    }
}

/// An abbreviation a line; comments begin with `#`.
fn read_prefixes(text: &str, tables: &mut Tables) {
    for line in text.lines() {
        let mut parts = line.split_ascii_whitespace();
        let Some(word) = parts.next().filter(|word| !word.starts_with('#')) else { continue };
        let numeric = parts.next() == Some("#NUMERIC_ONLY#");
        let word = tables.words.number(word);
        tables.flags.push((word, if numeric { flag::NUMERIC_PREFIX } else { flag::PREFIX }));
    }
}

fn read_paraphrases(
    mut lines: impl BufRead,
    path: &Path,
    tables: &mut Tables,
) -> Result<(), MeteorDataError> {
    let broken = |why: &str| refuse(&path.display().to_string(), why);
    let mut read = |line: &mut String| -> Result<bool, MeteorDataError> {
        line.clear();
        let count = lines.read_line(line).map_err(MeteorDataError::io(path))?;
        line.truncate(line.trim_end_matches('\n').len());
        Ok(count > 0)
    };
    let mut nodes = HashMap::new();
    let mut seen = HashSet::new();
    let (mut probability, mut phrase, mut target) = (String::new(), String::new(), String::new());
    let (mut last_phrase, mut last_target) = (String::new(), String::new());
    let mut source = 0;
    while read(&mut probability)? {
        if !read(&mut phrase)? || !read(&mut target)? {
            return Err(broken("its last entry is cut off"));
        }
        if phrase != last_phrase {
            source = tables.phrase(&phrase, &mut nodes);
            if !seen.insert(source) {
                return Err(broken("the paraphrases of a phrase do not stand together"));
            }
            last_phrase.clone_from(&phrase);
        } else if target <= last_target {
            // The aligner takes paraphrases in the order of the file. The mapped file
            // keeps no order, since that of the text is the same.
            return Err(broken("the paraphrases of a phrase are not sorted"));
        }
        let node = tables.phrase(&target, &mut nodes);
        tables.paraphrases.push((source, node));
        last_target.clone_from(&target);
    }
    Ok(())
}
