//! Configurations of an open set of kinds: a table whose `kind` says which type the other
//! entries belong to. Kinds are registered where they are defined, in the crate that has the
//! set or outside.
//!
//! A table is read in two passes, first `kind`, then the rest by its type, because the tagged
//! enums of serde lose the key at fault: a rate written as text in `train` was "`.`: invalid
//! type". Here a message begins with the inner key, `train.learning_rate: invalid type`,
//! which [`fault::located`] joins to the place of the table.

use std::fmt::Display;

use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{DeserializeOwned, Error},
    ser::SerializeMap,
};
use serde_json::Value;

use crate::fault;

/// A table in two parts.
pub struct Tagged {
    /// What `kind` says, if it is there.
    pub kind: Option<String>,
    /// The other entries.
    pub fields: Value,
}

impl Tagged {
    /// Takes a table apart.
    ///
    /// # Errors
    /// When it is no table, or its `kind` no string.
    pub fn read<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut fields = serde_json::Map::deserialize(deserializer)?;
        let kind = match fields.remove("kind") {
            None => None,
            Some(Value::String(kind)) => Some(kind),
            Some(other) => {
                let problem = format!("kind: invalid type: {other}, expected a string");
                return Err(D::Error::custom(problem));
            }
        };
        Ok(Self { kind, fields: Value::Object(fields) })
    }
}

/// What a table without a `kind` gets.
pub fn missing<E: Error>() -> E {
    E::missing_field("kind")
}

/// What a table with a `kind` that nobody registered gets.
pub fn unknown<E: Error>(kind: &str, kinds: &[&str]) -> E {
    let known: Vec<String> = kinds.iter().map(|kind| format!("`{kind}`")).collect();
    E::custom(format!("kind: unknown variant `{kind}`, expected one of {}", known.join(", ")))
}

/// The entries beside `kind` as their type.
///
/// # Errors
/// A message that begins with the key at fault.
pub fn fields<'de, T: DeserializeOwned>(
    fields: impl Deserializer<'de, Error: Display>,
) -> Result<T, String> {
    serde_path_to_error::deserialize(fields).map_err(|error| match fault::located(&error) {
        (Some(key), problem) => format!("{key}: {problem}"),
        (None, problem) => problem,
    })
}

/// Writes `kind`, then the entries of `fields`.
///
/// # Errors
/// Those of the serializer.
pub fn write<S: Serializer>(kind: &str, fields: &Value, serializer: S) -> Result<S::Ok, S::Error> {
    let entries = fields.as_object();
    let mut map = serializer.serialize_map(Some(1 + entries.map_or(0, serde_json::Map::len)))?;
    map.serialize_entry("kind", kind)?;
    for (key, value) in entries.into_iter().flatten() {
        map.serialize_entry(key, value)?;
    }
    map.end()
}

/// A configuration's entries. Configurations are plain data, so they all have this form.
pub fn value(config: &impl Serialize) -> Value {
    serde_json::to_value(config).unwrap_or_default()
}

/// Gives a configuration type over a boxed trait object what it has from its registered
/// kinds: clone, equality, words, and to and from a table. The trait has `kind`, `fields` and
/// `boxed`; `$entry` has `find` and `read`, and `$config` has `kinds`.
#[macro_export]
macro_rules! tagged_config {
    ($config:ident, $entry:ident) => {
        impl Clone for $config {
            fn clone(&self) -> Self {
                Self(self.0.boxed())
            }
        }

        impl std::fmt::Debug for $config {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                write!(f, "{} {}", self.0.kind(), self.0.fields())
            }
        }

        impl PartialEq for $config {
            fn eq(&self, other: &Self) -> bool {
                self.0.kind() == other.0.kind() && self.0.fields() == other.0.fields()
            }
        }

        impl serde::Serialize for $config {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                $crate::tagged::write(self.0.kind(), &self.0.fields(), serializer)
            }
        }

        impl<'de> serde::Deserialize<'de> for $config {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                use serde::de::Error;
                let table = $crate::tagged::Tagged::read(deserializer)?;
                let kind = table.kind.ok_or_else($crate::tagged::missing::<D::Error>)?;
                match $entry::find(&kind) {
                    Some(entry) => (entry.read)(table.fields).map_err(D::Error::custom),
                    None => Err($crate::tagged::unknown(&kind, &Self::kinds())),
                }
            }
        }
    };
}
