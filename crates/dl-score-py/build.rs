//! Lets a plain `cargo build --workspace` link the module on macOS, too; maturin asks for
//! the same.

fn main() {
    pyo3_build_config::add_extension_module_link_args();
}
