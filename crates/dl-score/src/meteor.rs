//! METEOR's data: a file that the user names, or what set-up brought.

use std::path::{Path, PathBuf};

use anyhow::{Result, bail};
use dl_eval::caption::meteor::MeteorData;

/// The folder of a clone into which set-up puts things.
const SETUP: &str = ".setup";
/// Where set-up links METEOR's package to.
const PACKAGE: &str = "models/meteor";
/// What is made of it.
const CONVERTED: &str = "meteor.bin";

/// The folder [`SETUP`] of the clone above the working directory, else of the clone that
/// this program was built from.
fn setup() -> PathBuf {
    let here = std::env::current_dir().unwrap_or_default();
    let built_from = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let near = here.ancestors().map(|folder| folder.join(SETUP)).find(|folder| folder.is_dir());
    near.unwrap_or_else(|| built_from.join(SETUP))
}

/// Whether set-up brought METEOR's data where [`meteor_data`] looks for it.
pub fn has_meteor_data() -> bool {
    setup().join(PACKAGE).is_dir()
}

/// METEOR's data in `file`, else what set-up brought into `.setup` of the clone above the
/// working directory or of the clone that this was built from, converted at first use;
/// `None` where there is neither.
///
/// # Errors
/// A file that is not METEOR's data, or a package that cannot be converted.
pub fn meteor_data(file: Option<&Path>) -> Result<Option<MeteorData>> {
    if let Some(file) = file {
        if file.is_dir() {
            bail!(
                "--meteor {}: this is a folder; name a converted file, or leave it out after \
                 `cargo setup --metrics`",
                file.display()
            );
        }
        return Ok(Some(MeteorData::open(file)?));
    }
    let setup = setup();
    let (package, converted) = (setup.join(PACKAGE), setup.join(CONVERTED));
    if !package.is_dir() {
        return Ok(None);
    }
    // Absent, or of another version of this program.
    if let Ok(data) = MeteorData::open(&converted) {
        return Ok(Some(data));
    }
    eprintln!("converting METEOR's data, once ...");
    MeteorData::convert(&package, &converted)?;
    Ok(Some(MeteorData::open(&converted)?))
}
