//! The embedded files are known when this crate is compiled: a new `web/dist` means compiling it again.

fn main() {
    println!("cargo::rerun-if-changed=../web/dist");
}
