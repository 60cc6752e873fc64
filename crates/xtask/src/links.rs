//! `.setup`: the links that builds and programs of this checkout use. They are
//! laid anew only when they lead elsewhere than they should, and at one stroke.

use std::{
    fs,
    path::{Path, PathBuf},
};

use crate::{
    fault::Fault,
    libtorch::Libtorch,
    places::{Lock, Part, Places, link},
};

/// torch-sys checks this file; its date tells build scripts that the links are new.
const VERSION_FILE: &str = "build-version";

/// Beside torch where pip installed it: what its libraries load besides their own.
const COMPANIONS: &str = "nvidia";

/// Whether the checkout's links lead to this libtorch and these models.
pub(crate) fn current(
    places: &Places,
    libtorch: &Libtorch,
    models: &[(&str, &Path)],
) -> Result<bool, Fault> {
    Ok(libtorch_current(&places.libtorch(), libtorch)?
        && companions_current(&places.setup(), libtorch)
        && models.iter().all(|(key, directory)| same(&places.model(key), directory)))
}

/// Lays those that are not current.
pub(crate) fn lay(
    places: &Places,
    libtorch: &Libtorch,
    models: &[(&str, &Path)],
) -> Result<(), Fault> {
    let _lock = Lock::take(&places.setup(), &["models"])?;
    if !libtorch_current(&places.libtorch(), libtorch)? {
        lay_libtorch(&places.libtorch(), libtorch)?;
    }
    if !companions_current(&places.setup(), libtorch) {
        lay_companions(&places.setup().join(COMPANIONS), libtorch)?;
    }
    for (key, directory) in models {
        if !same(&places.model(key), directory) {
            link(directory, &places.model(key))?;
        }
    }
    Ok(())
}

fn libtorch_current(place: &Path, libtorch: &Libtorch) -> Result<bool, Fault> {
    let version = fs::read_to_string(place.join(VERSION_FILE)).unwrap_or_default();
    let linked = names(&place.join("lib"));
    let libraries = libtorch.libraries()?;
    Ok(version.trim() == libtorch.version
        && same(&place.join("include"), &libtorch.directory.join("include"))
        && linked.len() == libraries.len()
        && libraries.iter().all(|(name, file)| same(&place.join("lib").join(name), file)))
}

fn lay_libtorch(place: &Path, libtorch: &Libtorch) -> Result<(), Fault> {
    let part = Part::start(place)?;
    link(&real(&libtorch.directory.join("include"))?, &part.path().join("include"))?;
    for (name, file) in libtorch.libraries()? {
        link(&real(&file)?, &part.path().join("lib").join(name))?;
    }
    let version = part.path().join(VERSION_FILE);
    fs::write(&version, format!("{}\n", libtorch.version))
        .map_err(Fault::disk("write", &version))?;
    part.publish()
}

/// The libraries name their companions relative to themselves, and GNU ld takes
/// the link for the library's place: so the companions are linked likewise.
fn lay_companions(place: &Path, libtorch: &Libtorch) -> Result<(), Fault> {
    match companions(libtorch) {
        Some(directory) => link(&directory, place),
        None => fs::remove_file(place).map_err(Fault::disk("remove", place)),
    }
}

fn companions(libtorch: &Libtorch) -> Option<PathBuf> {
    let directory = libtorch.directory.canonicalize().ok()?;
    directory.with_file_name(COMPANIONS).canonicalize().ok()
}

fn companions_current(setup: &Path, libtorch: &Libtorch) -> bool {
    setup.join(COMPANIONS).canonicalize().ok() == companions(libtorch)
}

/// Without links on the way: the checkout's own may be among them.
fn real(path: &Path) -> Result<PathBuf, Fault> {
    path.canonicalize().map_err(Fault::disk("find", path))
}

fn same(link: &Path, target: &Path) -> bool {
    matches!((link.canonicalize(), target.canonicalize()), (Ok(a), Ok(b)) if a == b)
}

fn names(directory: &Path) -> Vec<std::ffi::OsString> {
    fs::read_dir(directory).into_iter().flatten().flatten().map(|entry| entry.file_name()).collect()
}
