//! What training code puts before and into the names of tensors.

use crate::tensor_file::Tensors;

/// `name` without the wrappers that it was saved in: `module.` (`DataParallel` and its
/// like) and `_orig_mod.` (`torch.compile`) wherever they stand, `model.` (Lightning and
/// home-made classes) in front, in any order and number.
pub fn unwrapped_name(name: &str) -> String {
    let mut parts: Vec<&str> =
        name.split('.').filter(|part| !matches!(*part, "module" | "_orig_mod")).collect();
    while parts.len() > 1 && parts[0] == "model" {
        parts.remove(0);
    }
    parts.join(".")
}

/// The tensors under their unwrapped names, see [`unwrapped_name`]. Where two would have
/// one name, all stay as they are, for the loader to tell.
pub fn unwrapped(tensors: Tensors) -> Tensors {
    let names: std::collections::BTreeSet<String> =
        tensors.keys().map(|name| unwrapped_name(name)).collect();
    if names.len() < tensors.len() {
        return tensors;
    }
    tensors.into_iter().map(|(name, tensor)| (unwrapped_name(&name), tensor)).collect()
}

/// What stands before the names of all that is unknown, where the same without it is
/// missing: the whole file is another layer of wrapping down.
pub(super) fn foreign_prefix(missing: &[&str], unknown: &[&str]) -> Option<String> {
    let first = missing.first()?;
    let ending = format!(".{first}");
    let prefix = unknown.iter().find_map(|name| name.strip_suffix(&ending))?;
    let prefix = format!("{prefix}.");
    let under = unknown.iter().filter(|name| name.starts_with(&prefix)).count();
    let found = missing.iter().filter(|name| unknown.contains(&format!("{prefix}{name}").as_str()));
    (2 * under > unknown.len() && 2 * found.count() > missing.len()).then_some(prefix)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wrappers_go_in_any_order() {
        for name in [
            "audio_model.norm.weight",
            "module.audio_model.norm.weight",
            "_orig_mod.audio_model.norm.weight",
            "model.audio_model.norm.weight",
            "module._orig_mod.model.audio_model.norm.weight",
            "model.module.audio_model.norm.weight",
            "model._orig_mod.module.audio_model.norm.weight",
            "audio_model._orig_mod.norm.weight",
            "model.model.audio_model.norm.weight",
        ] {
            assert_eq!(unwrapped_name(name), "audio_model.norm.weight", "{name}");
        }
        assert_eq!(unwrapped_name("model"), "model");
        assert_eq!(unwrapped_name("encoder.model.weight"), "encoder.model.weight");
    }

    #[test]
    fn a_prefix_is_found_where_most_names_have_it() {
        let missing = ["a.weight", "a.bias", "b.weight"];
        let found = |unknown: &[&str]| foreign_prefix(&missing, unknown);
        assert_eq!(found(&["net.a.weight", "net.a.bias", "net.b.weight", "step"]).unwrap(), "net.");
        assert_eq!(found(&["net.a.weight", "other.a.bias", "x.b.weight"]), None);
        assert_eq!(found(&["c.weight"]), None);
    }
}
