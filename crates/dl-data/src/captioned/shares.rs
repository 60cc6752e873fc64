//! Splits where a list has none: by a hash of the clips' ids, so that a clip's split does
//! not hang on the clips beside it.

use dl_core::{
    ConfigError,
    fault::check,
    noise::{Noise, item_of},
};

use crate::split::Split;

/// Default share of test.
pub(super) fn test() -> f32 {
    0.2
}

/// Default share of validation.
pub(super) fn validation() -> f32 {
    0.1
}

/// Checks both shares.
pub(super) fn check_shares(test: f32, validation: f32) -> Result<(), ConfigError> {
    let good = validation > 0.0 && validation <= 0.4;
    check(good, "validation_share", validation, "above 0, and at most 0.4")?;
    check(test > 0.0 && test <= 0.5, "test_share", test, "above 0, and at most 0.5")
}

/// The split of an id.
pub(super) fn dealt(id: &str, test: f32, validation: f32) -> Split {
    let mut place = [0.0];
    Noise::new(0, "data/split").fill_uniform(item_of(id), 0, &mut place);
    match place[0] {
        place if place < test => Split::Test,
        place if place < test + validation => Split::Validation,
        _ => Split::Train,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_kept_to_within_chance() {
        let of = |split| {
            let dealt = |&clip: &usize| dealt(&format!("clip {clip}"), 0.2, 0.1) == split;
            (0..10_000).filter(dealt).count()
        };
        // Five standard errors of 10,000 draws: 200 at 0.2 and 150 at 0.1.
        assert!(of(Split::Test).abs_diff(2000) < 200 && of(Split::Validation).abs_diff(1000) < 150);
        let fault = check_shares(0.6, 0.1).unwrap_err().to_string();
        assert_eq!(fault, "test_share = 0.6: must be above 0, and at most 0.5");
        assert!(check_shares(0.2, 0.0).is_err());
    }
}
