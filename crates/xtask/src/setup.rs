//! Set-up: finds every component where it already is, installs what is nowhere,
//! and links the checkout to it.

use std::{
    fs,
    path::{Path, PathBuf},
};

use crate::{
    components::{Component, LIBTORCH},
    fault::Fault,
    libtorch::Libtorch,
    links,
    manifest::{self, Manifest, State},
    pip::Pip,
    places::{Lock, Part, Places},
    wheel,
};

/// Room for what pip and the file system need besides the files.
const SPARE_BYTES: u64 = 100_000_000;

/// One component, in place.
#[derive(Clone, Debug)]
pub(crate) struct Row {
    key: String,
    title: String,
    /// Where it came from.
    source: String,
    version: String,
    bytes: u64,
    /// What the checkout links to.
    directory: PathBuf,
    /// The root of its tree, where it is one that set-up keeps.
    tree: Option<PathBuf>,
}

impl Row {
    /// `libtorch  2.11.0+cu130  512 MB  an earlier set-up, in /home/me/...`
    pub(crate) fn line(&self) -> String {
        let megabytes = format!("{} MB", self.bytes.div_ceil(1_000_000));
        let Self { title, version, source, .. } = self;
        format!(
            "{title:<9} {version:<13} {megabytes:>7}  {source}, in {}",
            self.directory.display()
        )
    }
}

/// Makes everything be there. Gives one row for each component.
pub(crate) fn set_up(places: &Places, components: &[Component]) -> Result<Vec<Row>, Fault> {
    refuse_other_builds()?;
    let mut found = find_all(places, components)?;
    if found.iter().any(Option::is_none) {
        let _lock = Lock::take(&places.cache, &["models", "wheels"])?;
        // Another set-up may have finished while this one waited. What the
        // user has elsewhere is not asked for twice.
        for (component, row) in components.iter().zip(&mut found) {
            if row.is_none() {
                *row = kept(places, component, true)?;
            }
        }
        let missing: Vec<_> =
            components.iter().zip(&found).filter(|(_, r)| r.is_none()).map(|(c, _)| c).collect();
        check_platform(&missing)?;
        check_space(places, &missing)?;
        let mut pip = None;
        for (component, row) in components.iter().zip(&mut found) {
            if row.is_none() {
                *row = Some(install(places, component, &mut pip)?);
            }
        }
    }
    let rows: Vec<Row> = found.into_iter().flatten().collect();
    with_links(&rows, components, |libtorch, models| {
        match links::current(places, libtorch, models)? {
            true => Ok(()),
            false => links::lay(places, libtorch, models),
        }
    })?;
    Ok(rows)
}

/// Looks whether everything is there and whole, down to the last byte, and
/// changes nothing.
pub(crate) fn check(places: &Places, components: &[Component]) -> Result<Vec<Row>, Fault> {
    refuse_other_builds()?;
    let mut rows = Vec::new();
    for component in components {
        let row = find(places, component, false)?;
        let row = row.ok_or_else(|| Fault::Missing { title: component.title.clone() })?;
        if let Some(tree) = &row.tree {
            manifest::verify(component, tree)
                .map_err(|reason| Fault::Damaged { directory: tree.clone(), reason })?;
        }
        rows.push(row);
    }
    with_links(&rows, components, |libtorch, models| {
        match links::current(places, libtorch, models)? {
            true => Ok(()),
            false => Err(Fault::Missing { title: places.setup().display().to_string() }),
        }
    })?;
    Ok(rows)
}

/// torch-sys would then ask Python and pass over the checkout's links.
fn refuse_other_builds() -> Result<(), Fault> {
    match std::env::var_os("LIBTORCH_USE_PYTORCH") {
        Some(_) => Err(Fault::UsePytorch),
        None => Ok(()),
    }
}

fn with_links(
    rows: &[Row],
    components: &[Component],
    act: impl FnOnce(&Libtorch, &[(&str, &Path)]) -> Result<(), Fault>,
) -> Result<(), Fault> {
    let models = rows.iter().filter(|row| row.key != LIBTORCH);
    let models: Vec<_> = models.map(|row| (row.key.as_str(), row.directory.as_path())).collect();
    let libtorch = rows.iter().find(|row| row.key == LIBTORCH);
    let libtorch = libtorch.ok_or_else(|| Fault::Components {
        path: "components.json".into(),
        cause: format!("it names {} components and no libtorch", components.len()),
    })?;
    let libtorch =
        Libtorch { directory: libtorch.directory.clone(), version: libtorch.version.clone() };
    act(&libtorch, &models)
}

fn find_all(places: &Places, components: &[Component]) -> Result<Vec<Option<Row>>, Fault> {
    components.iter().map(|component| find(places, component, true)).collect()
}

/// A component that is already on the machine: LIBTORCH, a Python's torch, an
/// earlier set-up. `mark` lets a good tree without a manifest get one.
fn find(places: &Places, component: &Component, mark: bool) -> Result<Option<Row>, Fault> {
    if component.key == LIBTORCH {
        if let Some(directory) = places.users_libtorch() {
            let found = Libtorch::of_user(&directory, &component.version)?;
            return Ok(Some(libtorch_row(component, found, "LIBTORCH".into())));
        }
        if let Some((found, python)) = Libtorch::of_python(&component.version) {
            let source = format!("the torch of {}", python.display());
            return Ok(Some(libtorch_row(component, found, source)));
        }
    }
    kept(places, component, mark)
}

/// A component of an earlier set-up: in the cache, or where this checkout's
/// links lead (a cache of another name, a LIBTORCH or Python of another day).
fn kept(places: &Places, component: &Component, mark: bool) -> Result<Option<Row>, Fault> {
    if let Some(row) = kept_at(component, &places.cache.join(&component.directory), mark)? {
        return Ok(Some(row));
    }
    if component.key != LIBTORCH {
        let Ok(directory) = places.model(&component.key).canonicalize() else { return Ok(None) };
        return kept_at(component, &directory, mark);
    }
    let Ok(include) = places.libtorch().join("include").canonicalize() else { return Ok(None) };
    let Some(directory) = include.parent() else { return Ok(None) };
    // `<tree>/torch/include` where set-up made it; else somebody's libtorch.
    if let Some(tree) = directory.parent().filter(|tree| manifest::is_marked(tree)) {
        return kept_at(component, tree, mark);
    }
    let found = Libtorch::inspect(directory, &component.version).ok();
    Ok(found.map(|found| libtorch_row(component, found, "an earlier set-up".into())))
}

fn kept_at(component: &Component, tree: &Path, mark: bool) -> Result<Option<Row>, Fault> {
    let bytes = match manifest::state(component, tree) {
        State::Whole { bytes } => bytes,
        State::Absent => return Ok(None),
        State::Unmarked => match adopt(component, tree, mark) {
            Ok(bytes) => bytes,
            Err(reason) => return Ok(pass_over(tree, &reason)),
        },
        State::Broken(reason) => return Ok(pass_over(tree, &reason)),
    };
    tree_row(component, tree, bytes, "an earlier set-up".into()).map(Some)
}

fn pass_over(tree: &Path, reason: &str) -> Option<Row> {
    eprintln!("passing over {}: {reason}", tree.display());
    None
}

/// A tree without a manifest is as good as its pinned files; it gets a manifest
/// of what it holds, so that the next look is a quick one.
fn adopt(component: &Component, tree: &Path, mark: bool) -> Result<u64, String> {
    manifest::verify(component, tree)?;
    if component.key == LIBTORCH {
        Libtorch::inspect(&tree.join("torch"), &component.version).map_err(|e| e.to_string())?;
    }
    let manifest = Manifest::of_tree(component, tree).map_err(|error| error.to_string())?;
    if mark {
        // Where it cannot be written, the next look takes longer, no more.
        let _ = manifest.write(tree);
    }
    Ok(manifest.bytes())
}

fn libtorch_row(component: &Component, found: Libtorch, source: String) -> Row {
    Row {
        key: component.key.clone(),
        title: component.title.clone(),
        source,
        bytes: found.bytes(),
        version: found.version,
        directory: found.directory,
        tree: None,
    }
}

fn tree_row(component: &Component, tree: &Path, bytes: u64, source: String) -> Result<Row, Fault> {
    let (mut directory, mut version) = (tree.to_owned(), component.version.clone());
    if component.key == LIBTORCH {
        directory = tree.join("torch");
        let found = Libtorch::glance(&directory, &component.version);
        version = found.map_err(|unfit| unusable(component, &unfit.to_string()))?.version;
    }
    let (key, title) = (component.key.clone(), component.title.clone());
    Ok(Row { key, title, source, version, bytes, directory, tree: Some(tree.into()) })
}

fn unusable(component: &Component, reason: &str) -> Fault {
    Fault::Unusable { title: component.title.clone(), reason: reason.into() }
}

fn check_platform(missing: &[&Component]) -> Result<(), Fault> {
    let here = format!("{}-{}", std::env::consts::OS, std::env::consts::ARCH);
    for component in missing {
        if component.platform.as_ref().is_some_and(|platform| *platform != here) {
            let requirement = format!("{} {}", component.title, component.version);
            return Err(Fault::Platform { requirement, platform: here });
        }
    }
    Ok(())
}

/// Before anything is downloaded: all wheels, one of them twice (pip copies it),
/// and all that comes out of them.
fn check_space(places: &Places, missing: &[&Component]) -> Result<(), Fault> {
    if missing.is_empty() {
        return Ok(());
    }
    let wheels = missing.iter().flat_map(|component| &component.wheels);
    let absent = wheels.filter(|wheel| !places.wheels().join(&wheel.file).is_file());
    let absent: Vec<u64> = absent.map(|wheel| wheel.bytes).collect();
    let unpacked: u64 = missing.iter().map(|component| component.unpacked_bytes).sum();
    let twice = absent.iter().max().copied().unwrap_or(0);
    let needed = absent.iter().sum::<u64>() + twice + unpacked + SPARE_BYTES;
    // A file system that does not say how much is free is tried.
    let Ok(disk) = rustix::fs::statvfs(&places.cache) else { return Ok(()) };
    let free = disk.f_bavail.saturating_mul(disk.f_frsize);
    match free < needed {
        true => Err(Fault::Space { directory: places.cache.clone(), needed, free }),
        false => Ok(()),
    }
}

/// Downloads and unpacks a component into the cache. It appears there whole or
/// not at all; wheels already downloaded stay for the next try.
fn install(places: &Places, component: &Component, pip: &mut Option<Pip>) -> Result<Row, Fault> {
    let mut archives = Vec::new();
    for wheel in &component.wheels {
        archives.push(Pip::fetch(pip, wheel, places)?);
    }
    let tree = places.cache.join(&component.directory);
    let part = Part::start(&tree)?;
    for (wheel, archive) in component.wheels.iter().zip(&archives) {
        wheel::unpack(archive, wheel, part.path())?;
    }
    let manifest = Manifest::of_tree(component, part.path());
    let manifest = manifest.map_err(Fault::disk("read", part.path()))?;
    manifest.has_pinned(component).map_err(|reason| unusable(component, &reason))?;
    if component.key == LIBTORCH {
        let fit = Libtorch::inspect(&part.path().join("torch"), &component.version);
        fit.map_err(|unfit| unusable(component, &unfit.to_string()))?;
    }
    manifest.write(part.path())?;
    flush(part.path())?;
    part.publish()?;
    // Unpacked, the wheels are of no more use.
    for archive in archives {
        let _ = fs::remove_file(archive);
    }
    let _ = fs::remove_dir(places.wheels());
    tree_row(component, &tree, manifest.bytes(), "wheels through pip".into())
}

/// Brings the file system to disk, so that the name never outlives the content.
fn flush(directory: &Path) -> Result<(), Fault> {
    let file = fs::File::open(directory).map_err(Fault::disk("read", directory))?;
    #[cfg(target_os = "linux")]
    rustix::fs::syncfs(&file).map_err(|error| Fault::disk("write", directory)(error.into()))?;
    #[cfg(not(target_os = "linux"))]
    file.sync_all().map_err(Fault::disk("write", directory))?;
    Ok(())
}
