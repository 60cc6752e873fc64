//! Gives the programs of this package the way to libtorch.

fn main() {
    dl_torch_build::link_libtorch();
    // Its users need not know torch-sys.
    dl_torch_build::tell_dependents();
}
