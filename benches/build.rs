//! Gives the programs of this package the way to libtorch.

fn main() {
    dl_torch_build::link_libtorch();
}
