//! In what two runs that are compared differ: entries of their configurations, and versions of
//! the methods behind rows whose configuration is the same.

use std::{
    cmp::Ordering,
    collections::{BTreeMap, BTreeSet},
};

use anyhow::{Context, Result};

use super::Side;

/// Entries of the configuration that are named where two runs differ in more.
const NAMED: usize = 8;

/// In which entries the configurations differ.
pub(super) fn changed(first: &Side, second: &Side) -> Result<String> {
    let read = |side: &Side| -> Result<BTreeMap<String, String>> {
        let path = side.run.file("config.toml");
        let text = dl_core::text::read(&path)?;
        let table: toml::Table =
            toml::from_str(&text).with_context(|| path.display().to_string())?;
        let mut flat = BTreeMap::new();
        flatten("", &toml::Value::Table(table), &mut flat);
        Ok(flat)
    };
    let (one, two) = (read(first)?, read(second)?);
    let keys: BTreeSet<&String> = one.keys().chain(two.keys()).collect();
    let absent = "nothing".to_owned();
    let differ: Vec<String> = keys
        .into_iter()
        // Where runs are kept changes no figure.
        .filter(|key| one.get(*key) != two.get(*key) && *key != "runs")
        .map(|key| {
            let [one, two] = [&one, &two].map(|of| of.get(key).unwrap_or(&absent));
            format!("{key} ({one}, then {two})")
        })
        .collect();
    let configurations = match differ.len().cmp(&NAMED) {
        _ if differ.is_empty() => "The configurations are the same.".into(),
        Ordering::Greater => format!(
            "The configurations differ in {} entries, among them {}.",
            differ.len(),
            differ[..NAMED].join(", ")
        ),
        _ => format!("The configurations differ in {}.", differ.join(", ")),
    };
    let versions = versions(&first.info.bridges, &second.info.bridges);
    Ok([configurations].into_iter().chain(versions).collect::<Vec<_>>().join(" "))
}

/// Bridges that have the same name in both and another version, so that figures differ whatever
/// the configurations say.
fn versions(first: &BTreeMap<String, String>, second: &BTreeMap<String, String>) -> Option<String> {
    let changed: Vec<String> = first
        .iter()
        .filter_map(|(name, one)| Some((name, one, second.get(name)?)))
        .filter(|(_, one, two)| one != two)
        .map(|(name, one, two)| format!("{name} ({one}, then {two})"))
        .collect();
    (!changed.is_empty()).then(|| format!("Versions differ of {}.", changed.join("; ")))
}

fn flatten(path: &str, value: &toml::Value, into: &mut BTreeMap<String, String>) {
    let below = |key: &str| if path.is_empty() { key.into() } else { format!("{path}.{key}") };
    match value {
        toml::Value::Table(table) => {
            table.iter().for_each(|(key, value)| flatten(&below(key), value, into));
        }
        other => {
            into.insert(path.into(), other.to_string());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_method_of_another_version_is_named() {
        let of = |pairs: &[(&str, &str)]| {
            pairs.iter().map(|&(name, version)| (name.to_owned(), version.to_owned())).collect()
        };
        let one = of(&[("ridge", "ridge 1"), ("refined_link", "transport 1"), ("pls", "pls 1")]);
        let two = of(&[("ridge", "ridge 1"), ("refined_link", "transport 2"), ("c3", "c3 2")]);
        let expected = "Versions differ of refined_link (transport 1, then transport 2).";
        assert_eq!(versions(&one, &two).as_deref(), Some(expected));
        assert_eq!(versions(&one, &one), None);
        // Runs of before versions were noted say nothing of them.
        assert_eq!(versions(&of(&[]), &two), None);
    }

    #[test]
    fn entries_are_named_with_dots() {
        let table: toml::Table = toml::from_str("a = 1\n[b.c]\nd = ['x']\n").unwrap();
        let mut flat = BTreeMap::new();
        flatten("", &toml::Value::Table(table), &mut flat);
        let expected = [("a", "1"), ("b.c.d", "[\"x\"]")];
        assert_eq!(flat, BTreeMap::from(expected.map(|(k, v)| (k.to_owned(), v.to_owned()))));
    }
}
