//! Gives this program the way to libtorch.

fn main() {
    dl_torch_build::link_libtorch();
}
