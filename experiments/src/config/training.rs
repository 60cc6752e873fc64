//! The trainings in a bridge's configuration. A method may stand on another, beside one or above
//! the accuracy of one, so a training may stand deeper.

use anyhow::Result;
use dl_diffusion::BridgeConfig;
use serde_json::{Map, Value};

/// Calls `see` for every `train` section of a method, from the outermost in, with whether the
/// method is fitted to halves of the clips, too.
fn each(method: &mut Value, halves: bool, see: &mut dyn FnMut(&mut Map<String, Value>, bool)) {
    if let Some(train) = method.get_mut("train").and_then(Value::as_object_mut) {
        see(train, halves);
    }
    let spread_of = method["spread_of"].as_array();
    let inner = halves || spread_of.is_some_and(|rows| rows.iter().any(|of| of == "held_out"));
    // The accuracy to keep is that of a fit to all clips.
    for (key, halves) in [("of", inner), ("beside", inner), ("keep_accuracy_of", halves)] {
        if let Some(method) = method.get_mut(key).filter(|method| method.is_object()) {
            each(method, halves, see);
        }
    }
}

/// The batch of every training of a method, from the outermost in, with whether it has no more
/// than half of the clips.
///
/// # Errors
/// When the method cannot be written.
pub fn batches(config: &BridgeConfig) -> Result<Vec<(u64, bool)>> {
    let mut found = Vec::new();
    each(&mut serde_json::to_value(config)?, false, &mut |train, halves| {
        found.extend(train.get("batch").and_then(Value::as_u64).map(|batch| (batch, halves)));
    });
    Ok(found)
}

/// The same method with its `train` sections changed.
fn changed(
    config: &BridgeConfig,
    mut change: impl FnMut(&mut Map<String, Value>, bool),
) -> Result<BridgeConfig> {
    let mut value = serde_json::to_value(config)?;
    each(&mut value, false, &mut change);
    Ok(serde_json::from_value(value)?)
}

/// The same method with other numbers in its trainings. One without any stays as it is.
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
/// When the method cannot be written and read again.
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
        // The floor is fitted to all clips.
        let above =
            format!("kind = \"transport\"\n[of]\nkind = \"ridge\"\n[keep_accuracy_of]\n{link}");
        assert_eq!(of(&above, 50).1["keep_accuracy_of"]["train"]["batch"], 50);
        let config: BridgeConfig = toml::from_str(&above).unwrap();
        assert_eq!(batches(&config).unwrap(), [(64, false)]);
        assert_eq!(batches(&toml::from_str(&moved).unwrap()).unwrap(), [(64, true)]);
    }
}
