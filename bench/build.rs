//! Embeds the programs that generate and count packets, when they have been built.

use std::{env, fs, path::PathBuf};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let root = PathBuf::from(env::var("CARGO_MANIFEST_DIR")?).join("..");
    let object = root.join("target/bpf/undertone-xdp-bench.o");
    println!("cargo::rerun-if-changed={}", object.display());
    // Without a BPF toolchain the crate still builds, and says at run time what it cannot measure.
    let bytes = fs::read(&object).unwrap_or_default();
    fs::write(PathBuf::from(env::var("OUT_DIR")?).join("undertone-xdp-bench.o"), bytes)?;
    Ok(())
}
