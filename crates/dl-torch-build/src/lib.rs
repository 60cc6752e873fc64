#![doc = include_str!("../README.md")]
#![allow(clippy::print_stdout)] // how a build script speaks to cargo
#![allow(clippy::needless_doctest_main)] // a build script is a main

use std::{
    env,
    path::{Path, PathBuf},
};

/// How torch-sys and dl-torch tell the build scripts of their direct dependents, and them
/// alone, where the libraries are.
const TOLD: [&str; 2] = ["DEP_TCH_LIBTORCH_LIB", "DEP_DL_TORCH_LIBTORCH_LIB"];

/// Gives the programs, tests and benches of the calling package the run path of the
/// directory that really holds libtorch. Called from a build script; without libtorch (as
/// where documentation alone is made) it does nothing.
pub fn link_libtorch() {
    if let Some(directory) = libraries() {
        // Set-up rewrites this file when it lays its links anew.
        println!("cargo:rerun-if-changed={}", directory.with_file_name("build-version").display());
        println!("cargo:rustc-link-arg=-Wl,-rpath,{}", real(&directory).display());
    }
}

/// Tells the dependents of the calling package, which names itself in `links`, what it was
/// told itself: dl-torch does, so that its users need not know torch-sys.
pub fn tell_dependents() {
    if let Some(directory) = libraries() {
        println!("cargo:LIBTORCH_LIB={}", directory.display());
    }
}

fn libraries() -> Option<PathBuf> {
    TOLD.into_iter().find_map(env::var_os).map(PathBuf::from)
}

/// The directory may hold links; the libraries find their companions from where they
/// really are.
fn real(directory: &Path) -> PathBuf {
    let library = directory.join("libtorch_cpu.so").canonicalize();
    let parent = library.ok().and_then(|path| path.parent().map(Path::to_path_buf));
    parent.unwrap_or_else(|| directory.to_path_buf())
}
