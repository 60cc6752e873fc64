//! What several tests need.

use std::{
    path::{Path, PathBuf},
    sync::OnceLock,
};

use dl_eval::caption::meteor::MeteorData;

/// METEOR's own data, where set-up brought the package; converted once.
pub(crate) fn meteor_data() -> Option<&'static MeteorData> {
    static DATA: OnceLock<Option<MeteorData>> = OnceLock::new();
    let find = || {
        let setup = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../.setup");
        let named = std::env::var_os("METEOR_DATA").map(PathBuf::from);
        let path = named.unwrap_or_else(|| setup.join("meteor.bin"));
        let package = setup.join("models/meteor");
        if !path.is_file() && package.is_dir() {
            MeteorData::convert(&package, &path).unwrap();
        }
        if !path.is_file() {
            println!("skipped: METEOR's data is not here; `cargo setup --metrics` brings it");
            return None;
        }
        Some(MeteorData::open(&path).unwrap())
    };
    DATA.get_or_init(find).as_ref()
}
