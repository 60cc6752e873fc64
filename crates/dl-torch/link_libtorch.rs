//! Build script of every package that links libtorch: gives its binaries, tests
//! and benches the run path of the directory that really holds the libraries.
//! One file for all of them; packages name it in `build`.

#![allow(clippy::print_stdout)] // how a build script speaks to cargo

use std::{env, path::Path};

fn main() {
    // torch-sys tells its direct dependents where it linked from. The directory
    // holds links; the libraries find their companions from where they really are.
    let Ok(lib) = env::var("DEP_TCH_LIBTORCH_LIB") else { return };
    let lib = Path::new(&lib);
    // Set-up rewrites this file when it lays the links anew.
    println!("cargo:rerun-if-changed={}", lib.with_file_name("build-version").display());
    let real = lib.join("libtorch_cpu.so").canonicalize();
    let directory = real.as_deref().ok().and_then(Path::parent).unwrap_or(lib);
    println!("cargo:rustc-link-arg=-Wl,-rpath,{}", directory.display());
}
