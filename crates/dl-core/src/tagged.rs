//! Whole key paths where the type of a table depends on what it says of its own `kind`.
//!
//! Such a table is read in two steps, first as a table and then as the type of its kind,
//! and what serde knows of the place of a fault stays within the second step. [`read`]
//! puts the path before the message, and [`place`] joins it to the path of the first.

use serde::{Deserialize, Deserializer};

/// Reads the settings of a kind. The message of a fault begins with the dotted path of
/// the key and a colon, `scenes.train: invalid value …`, unless it is about the whole.
///
/// # Errors
/// That message, one line.
pub fn read<'de, T, D>(settings: D) -> Result<T, String>
where
    T: Deserialize<'de>,
    D: Deserializer<'de>,
{
    serde_path_to_error::deserialize(settings).map_err(|error| {
        let path = error.path().to_string();
        let message = error.into_inner().to_string();
        let (path, problem) = place(&path, message.lines().next().unwrap_or_default());
        if path.is_empty() { problem.into() } else { format!("{path}: {problem}") }
    })
}

/// The whole path of a fault that was found at `path` (as `serde_path_to_error` writes it)
/// with a `message` that may begin with the rest of the path, and what remains of the
/// message.
pub fn place<'m>(path: &str, message: &'m str) -> (String, &'m str) {
    let outer = if path == "." { "" } else { path };
    match message.split_once(": ") {
        // serde's own messages have a space before their first colon.
        Some((inner, problem)) if !inner.is_empty() && !inner.contains(' ') => {
            let dot = if outer.is_empty() { "" } else { "." };
            (format!("{outer}{dot}{inner}"), problem)
        }
        _ => (outer.into(), message),
    }
}

#[cfg(test)]
mod tests {
    use serde::de::{DeserializeOwned, Error};

    use super::*;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Inner {
        #[allow(dead_code, reason = "read to see whether it can be")]
        sizes: Vec<u8>,
    }

    /// As a table by kind is read.
    #[derive(Debug)]
    struct Tagged;

    impl<'de> Deserialize<'de> for Tagged {
        fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
            let table = serde_json::Value::deserialize(deserializer)?;
            read::<Inner, _>(table).map_err(D::Error::custom)?;
            Ok(Self)
        }
    }

    #[derive(Debug, Deserialize)]
    struct Outer {
        #[allow(dead_code, reason = "read to see whether it can be")]
        data: Tagged,
    }

    fn fault<T: DeserializeOwned + std::fmt::Debug>(json: &str) -> String {
        read::<T, _>(serde_json::from_str::<serde_json::Value>(json).unwrap()).unwrap_err()
    }

    #[test]
    fn the_path_is_whole() {
        let text = fault::<Inner>(r#"{"sizes": [1, -1]}"#);
        assert_eq!(text, "sizes[1]: invalid value: integer `-1`, expected u8");
        let text = fault::<Outer>(r#"{"data": {"sizes": [1, -1]}}"#);
        assert_eq!(text, "data.sizes[1]: invalid value: integer `-1`, expected u8");
        let text = fault::<Outer>(r#"{"data": {}}"#);
        assert_eq!(text, "data: missing field `sizes`");
        assert_eq!(fault::<Inner>("{}"), "missing field `sizes`");
        let text = fault::<Inner>(r#"{"size": 1}"#);
        assert_eq!(text, "size: unknown field `size`, expected `sizes`");
    }
}
