//! What two runs must have in common to stand beside each other.

use crate::report::record::RunInfo;

/// Why two runs cannot stand beside each other, with what to do.
pub(super) fn reason_against(first: &RunInfo, second: &RunInfo) -> Option<String> {
    let differ = |what: &str, one: &str, other: &str, remedy: &str| {
        (one != other).then(|| format!("{what} ({one} and {other}); {remedy}"))
    };
    let version = |info: &RunInfo| info.metrics.clone().unwrap_or_else(|| "not noted".into());
    differ(
        "they are different experiments",
        &first.experiment,
        &second.experiment,
        "name two runs of one",
    )
    .or_else(|| {
        differ(
            "they are over different splits",
            &first.split,
            &second.split,
            "name two runs over one split",
        )
    })
    .or_else(|| {
        differ(
            "they are over different clips",
            &format!("{}, id hash {}", first.clips, first.id_hash),
            &format!("{}, id hash {}", second.clips, second.id_hash),
            "a paired test needs the same clips in both",
        )
    })
    .or_else(|| {
        differ(
            "their corpora differ though the clips have the same names",
            &first.corpus,
            &second.corpus,
            "a paired test needs the same sounds and captions in both",
        )
    })
    .or_else(|| {
        differ(
            "their metrics have different versions",
            &version(first),
            &version(second),
            "run the older one again with this program",
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn info(change: serde_json::Value) -> RunInfo {
        let mut known = serde_json::json!({
            "experiment": "t1", "suite": "toy", "clips": 4, "captions": 4, "id_hash": "a",
            "seeds": [0], "resamples": 100, "corpus": "c", "encoder": "e", "program": "0",
            "libtorch": "0", "device": "cpu", "metrics": "gap 4",
        });
        for (key, value) in change.as_object().unwrap() {
            known[key] = value.clone();
        }
        serde_json::from_value(known).unwrap()
    }

    #[test]
    fn what_cannot_be_compared_has_its_reason() {
        let base = info(serde_json::json!({}));
        assert_eq!(reason_against(&base, &base), None);
        for (change, part) in [
            (serde_json::json!({"experiment": "t2"}), "different experiments (t1 and t2)"),
            (serde_json::json!({"split": "validation"}), "different splits (test and validation)"),
            (
                serde_json::json!({"id_hash": "b"}),
                "different clips (4, id hash a and 4, id hash b)",
            ),
            (serde_json::json!({"corpus": "d"}), "corpora differ"),
            (serde_json::json!({"metrics": "gap 3"}), "different versions (gap 4 and gap 3)"),
            (serde_json::json!({"metrics": null}), "different versions (gap 4 and not noted)"),
        ] {
            let reason = reason_against(&base, &info(change)).unwrap();
            assert!(reason.contains(part) && reason.contains("; "), "{reason}");
        }
        // Another encoder or bridge is what one compares.
        assert_eq!(reason_against(&base, &info(serde_json::json!({"encoder": "f"}))), None);
    }
}
