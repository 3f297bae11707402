//! Sets `cfg(loom)` for this crate alone: the unit tests in the files of `sync/` need real threads, and are left out here.

fn main() {
    println!("cargo::rustc-cfg=loom");
    println!("cargo::rerun-if-changed=build.rs");
}
