//! TOML files of configuration with `--set key=value` on top. Faults name file and key.

use std::path::Path;

use anyhow::{Context, Result, anyhow, bail};
use dl_core::{fault, text};
use serde::{Serialize, de::DeserializeOwned};

/// A part of the configuration with `sets` (`key=value`) on top, not yet checked.
pub fn variant_of<T: Serialize + DeserializeOwned>(base: &T, sets: &[String]) -> Result<T> {
    let mut document = toml::Table::try_from(base).context("cannot write it as TOML")?;
    for set in sets {
        apply(&mut document, set)?;
    }
    serde_path_to_error::deserialize(toml::Value::Table(document))
        .map_err(|error| anyhow!("{}: {}", sets.join(", "), explained(error)))
}

/// Reads a TOML file of configuration with `sets` on top; faults name file and key.
pub fn read_toml<T: DeserializeOwned>(path: &Path, sets: &[String]) -> Result<T> {
    resolve(path, document(path)?, sets)
}

/// The same for a file that may stand on another: `base = "FILE"`, relative to its own
/// folder, takes the place of every section and entry that it does not have itself.
pub fn read_over_base<T: DeserializeOwned>(path: &Path, sets: &[String]) -> Result<T> {
    resolve(path, with_base(path, MOST_BASES)?, sets)
}

/// A chain of more bases leads in a circle.
const MOST_BASES: usize = 8;

fn with_base(path: &Path, most: usize) -> Result<toml::Table> {
    let mut own = document(path)?;
    let Some(base) = own.remove("base") else { return Ok(own) };
    let Some(base) = base.as_str() else {
        bail!("{}: base: must be the path of a TOML file", path.display());
    };
    if most == 0 {
        bail!("{}: base: these files stand on one another in a circle", path.display());
    }
    let base = path.parent().unwrap_or(Path::new("")).join(base);
    let mut whole =
        with_base(&base, most - 1).with_context(|| format!("{}: base", path.display()))?;
    lay_over(&mut whole, own);
    Ok(whole)
}

/// Puts the entries of `top` into `base`, section by section. A section of another `kind`
/// takes the whole place of the one below.
fn lay_over(base: &mut toml::Table, top: toml::Table) {
    for (key, value) in top {
        match (base.get_mut(&key), value) {
            (Some(toml::Value::Table(below)), toml::Value::Table(above))
                if !above.contains_key("kind") || above.get("kind") == below.get("kind") =>
            {
                lay_over(below, above);
            }
            (_, value) => {
                base.insert(key, value);
            }
        }
    }
}

fn document(path: &Path) -> Result<toml::Table> {
    let text = text::read(path)?;
    toml::from_str(&text).map_err(|error| {
        let start = error.span().map_or(0, |span| span.start);
        let line = 1 + text.get(..start).unwrap_or_default().matches('\n').count();
        anyhow!("{}, line {line}: {}", path.display(), error.message())
    })
}

fn resolve<T: DeserializeOwned>(
    path: &Path,
    mut document: toml::Table,
    sets: &[String],
) -> Result<T> {
    for set in sets {
        apply(&mut document, set)?;
    }
    serde_path_to_error::deserialize(toml::Value::Table(document))
        .map_err(|error| anyhow!("{}: {}", path.display(), explained(error)))
}

/// The whole path of the key at fault, and what is wrong with it.
fn explained(error: serde_path_to_error::Error<toml::de::Error>) -> String {
    let (key, problem) = fault::located(&error);
    let problem = with_suggestion(&problem);
    match key {
        Some(key) => format!("{key}: {problem}"),
        None => problem,
    }
}

/// Puts one `key=value` into the document. A value that is not TOML is a string,
/// so that `--set device=cpu` works.
fn apply(document: &mut toml::Table, set: &str) -> Result<()> {
    let (key, text) = set
        .split_once('=')
        .ok_or_else(|| anyhow!("--set {set}: write it as key=value, for example seeds=[0,1]"))?;
    let value = match toml::from_str::<toml::Table>(&format!("value = {text}")) {
        Ok(mut table) => table.remove("value").context("--set: no value")?,
        Err(_) => toml::Value::String(text.trim().to_owned()),
    };
    let mut parts: Vec<&str> = key.trim().split('.').collect();
    let last = parts.pop().unwrap_or_default();
    let mut table = document;
    for (depth, part) in parts.iter().enumerate() {
        table = table
            .entry(*part)
            .or_insert_with(|| toml::Value::Table(toml::Table::new()))
            .as_table_mut()
            .ok_or_else(|| {
                anyhow!("--set {set}: {} is a value, not a section", parts[..=depth].join("."))
            })?;
    }
    table.insert(last.to_owned(), value);
    Ok(())
}

/// serde's "unknown field `x`, expected one of `a`, `b`" with the nearest name.
fn with_suggestion(problem: &str) -> String {
    let mut quoted = problem.split('`').skip(1).step_by(2);
    let unknown = problem.starts_with("unknown field") || problem.starts_with("unknown variant");
    let (Some(wrong), true) = (quoted.next(), unknown) else { return problem.to_owned() };
    match nearest(wrong, quoted) {
        Some(name) => format!("{problem}; did you mean `{name}`?"),
        None => problem.to_owned(),
    }
}

/// The name that is most like `wrong`, unless none is much like it.
pub fn nearest<'n>(wrong: &str, names: impl IntoIterator<Item = &'n str>) -> Option<&'n str> {
    names
        .into_iter()
        .map(|name| (strsim::damerau_levenshtein(wrong, name), name))
        .min()
        .filter(|(distance, name)| *distance <= 1 + name.len() / 3)
        .map(|(_, name)| name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_takes_toml_and_bare_words() {
        let mut document = toml::from_str("[data]\nroots = []\n").unwrap();
        for set in ["data.roots=['a', 'b']", "device=cpu", "data.size.train=7"] {
            apply(&mut document, set).unwrap();
        }
        let expected = "device = 'cpu'\n[data]\nroots = ['a', 'b']\n[data.size]\ntrain = 7\n";
        assert_eq!(document, toml::from_str::<toml::Table>(expected).unwrap());
        assert!(apply(&mut document, "device.kind=1").unwrap_err().to_string().contains("a value"));
        assert!(apply(&mut document, "device").unwrap_err().to_string().contains("key=value"));
    }

    #[test]
    fn the_nearest_field_is_suggested() {
        let text = with_suggestion("unknown field `hiden`, expected one of `dim`, `hidden`");
        assert!(text.ends_with("did you mean `hidden`?"), "{text}");
        let text = with_suggestion("unknown field `zzzzzz`, expected `dim`");
        assert!(!text.contains("did you mean"), "{text}");
    }

    #[test]
    fn a_file_stands_on_its_base_section_by_section() {
        let root = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| {
            let path = root.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(&path, text).unwrap();
            path
        };
        write("a/suite.toml", "name = 'a'\nseeds = [0, 1]\n[data]\nkind = 'x'\nrate = 8\n");
        let read = |path: &Path, sets: &[String]| read_over_base::<toml::Table>(path, sets);
        let same = "base = '../a/suite.toml'\nname = 'b'\n[data]\nroots = ['r']\n";
        let same = write("b/suite.toml", same);
        let expected = "name = 'b'\nseeds = [0, 1]\n[data]\nkind = 'x'\nrate = 8\nroots = ['r']\n";
        assert_eq!(read(&same, &[]).unwrap(), toml::from_str(expected).unwrap());
        let other = write("c/suite.toml", "base = '../b/suite.toml'\n[data]\nkind = 'y'\n");
        let expected = "name = 'b'\nseeds = [2]\n[data]\nkind = 'y'\n";
        let sets = ["seeds=[2]".to_owned()];
        assert_eq!(read(&other, &sets).unwrap(), toml::from_str(expected).unwrap());
        let circle = write("d.toml", "base = 'd.toml'\n");
        assert!(format!("{:#}", read(&circle, &[]).unwrap_err()).contains("in a circle"));
        let gone = write("e.toml", "base = 'nowhere.toml'\n");
        let error = format!("{:#}", read(&gone, &[]).unwrap_err());
        assert!(error.contains("e.toml: base: ") && error.contains("nowhere.toml: "));
    }
}
