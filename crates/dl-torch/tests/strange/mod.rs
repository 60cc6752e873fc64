//! Changes at random to JSON that stands in a file's header, for the tests of every crate
//! that reads such files.

use std::env;

use proptest::test_runner::{Config, RngSeed};
use serde_json::{Value, json};

/// So many cases, the same in every run; `STRANGE_SEED=7 STRANGE_CASES=5000` looks for others.
pub(crate) fn cases(count: u32) -> Config {
    let number = |name: &str| env::var(name).ok().and_then(|text| text.parse::<u32>().ok());
    Config {
        cases: number("STRANGE_CASES").unwrap_or(count),
        rng_seed: RngSeed::Fixed(number("STRANGE_SEED").unwrap_or(0).into()),
        failure_persistence: None,
        ..Config::default()
    }
}

/// What a place in the text may be changed into.
fn values() -> Vec<Value> {
    vec![
        Value::Null,
        json!(true),
        json!(0),
        json!(1),
        json!(-1),
        json!(7),
        json!(65_536),
        json!(1_u64 << 40),
        json!(i64::MAX),
        json!(u64::MAX),
        json!(0.5),
        json!(-0.0),
        json!(1e-300),
        json!(1e300),
        json!(""),
        json!("one\nstep"),
        json!("x".repeat(100_000)),
        json!([]),
        json!([1, 2]),
        json!({}),
        json!({ "kind": "linear" }),
    ]
}

/// `text` after every change `(place, value)`: the place (counted in the order of the text,
/// round and round) takes the value, or where there is none it goes.
pub(crate) fn changed(text: &str, changes: &[(usize, usize)]) -> String {
    let mut whole: Value = serde_json::from_str(text).expect("JSON");
    for &(place, value) in changes {
        let mut places = Vec::new();
        list(&whole, &mut String::new(), &mut places);
        let place = &places[place % places.len()];
        let values = values();
        match values.get(value % (values.len() + 1)) {
            Some(value) => *whole.pointer_mut(place).expect("listed") = value.clone(),
            None => remove(&mut whole, place),
        }
    }
    whole.to_string()
}

/// Every place in `value`, as JSON pointers that begin with `above`.
fn list(value: &Value, above: &mut String, places: &mut Vec<String>) {
    places.push(above.clone());
    let names: Vec<(String, &Value)> = match value {
        Value::Object(entries) => entries
            .iter()
            .map(|(name, value)| (name.replace('~', "~0").replace('/', "~1"), value))
            .collect(),
        Value::Array(values) => {
            values.iter().enumerate().map(|(place, value)| (place.to_string(), value)).collect()
        }
        _ => Vec::new(),
    };
    for (name, value) in names {
        let length = above.len();
        above.push('/');
        above.push_str(&name);
        list(value, above, places);
        above.truncate(length);
    }
}

fn remove(whole: &mut Value, place: &str) {
    let Some((above, name)) = place.rsplit_once('/') else { return };
    match whole.pointer_mut(above) {
        Some(Value::Object(entries)) => {
            entries.remove(name);
        }
        Some(Value::Array(values)) => {
            values.pop();
        }
        _ => {}
    }
}
