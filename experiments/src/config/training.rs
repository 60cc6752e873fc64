//! The training in a bridge's configuration. A method may stand on another or beside one, so the
//! training may stand deeper.

use anyhow::Result;
use dl_diffusion::BridgeConfig;
use serde_json::{Map, Value};

/// The method that another stands on, or beside.
pub fn inner(method: &Value) -> Option<&Value> {
    ["of", "beside"].into_iter().find_map(|key| method.get(key))
}

/// Whether a method fits what it stands on to halves of the clips, too.
pub fn fits_halves(method: &Value) -> bool {
    method["spread_of"].as_array().is_some_and(|rows| rows.iter().any(|of| of == "held_out"))
}

/// The same method with its `train` sections changed, from the outermost in; `change` hears whether
/// the training is on half of the clips.
fn changed(
    config: &BridgeConfig,
    change: impl Fn(&mut Map<String, Value>, bool),
) -> Result<BridgeConfig> {
    let mut value = serde_json::to_value(config)?;
    let (mut level, mut halves) = (Some(&mut value), false);
    while let Some(method) = level {
        halves |= fits_halves(method);
        if let Some(train) = method.get_mut("train").and_then(Value::as_object_mut) {
            change(train, halves);
        }
        let key = ["of", "beside"].into_iter().find(|key| method.get(key).is_some());
        level = key.and_then(|key| method.get_mut(key));
    }
    Ok(serde_json::from_value(value)?)
}

/// The same method with other numbers in its `train` section, and in that of the method that it
/// stands on or beside. One without training stays as it is.
///
/// # Errors
/// When a number is out of its range.
pub fn with_training(
    config: &BridgeConfig,
    steps: Option<u64>,
    batch: Option<u64>,
) -> Result<BridgeConfig> {
    changed(config, |train, _| {
        for (key, number) in [("steps", steps), ("batch", batch)] {
            train.extend(number.map(|number| (key.to_owned(), number.into())));
        }
    })
}

/// The same method with batches that `clips` fill.
///
/// # Errors
/// None for fewer clips than a batch has; a method that cannot be written and read again.
pub fn with_batches_of(config: &BridgeConfig, clips: usize) -> Result<BridgeConfig> {
    changed(config, |train, halves| {
        let most = (if halves { clips / 2 } else { clips }).max(1) as u64;
        if train.get("batch").and_then(Value::as_u64).is_some_and(|batch| batch > most) {
            train.insert("batch".into(), most.into());
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_clips_fill_smaller_batches_however_deep_the_training_stands() {
        let of = |text: &str, clips| {
            let config: BridgeConfig = toml::from_str(text).unwrap();
            let small = with_batches_of(&config, clips).unwrap();
            (small == config, serde_json::to_value(small).unwrap())
        };
        let link = "kind = \"diffusion_link\"\ntrain = { batch = 64 }";
        assert_eq!(of(link, 50).1["train"]["batch"], 50);
        assert!(of(link, 64).0);
        assert!(of("kind = \"ridge\"", 5).0);
        let beside = format!("kind = \"kernel_ridge\"\n[beside]\n{link}");
        assert_eq!(of(&beside, 50).1["beside"]["train"]["batch"], 50);
        // Each half of 50 clips has 25.
        let moved = format!("kind = \"transport\"\n[of]\n{link}");
        assert_eq!(of(&moved, 50).1["of"]["train"]["batch"], 25);
        let own = format!("kind = \"transport\"\nspread_of = [\"own\"]\n[of]\n{link}");
        assert_eq!(of(&own, 50).1["of"]["train"]["batch"], 50);
    }
}
