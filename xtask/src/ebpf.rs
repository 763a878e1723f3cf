//! `cargo xtask ebpf`: compiles `ebpf/` for the kernel's virtual machine.

use std::env;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result};
use clap::Args;

use crate::bpf_toolchain::BpfToolchain;
use crate::command;
use crate::metadata;
use crate::project::Project;
use crate::report::step;

const TARGET: &str = "bpfel-unknown-none";

/// Build the XDP programs into target/bpf/, one object for each binary of ebpf/.
///
/// The data plane's build embeds the object, so run this after a change in ebpf/ and before `cargo build`. `demo`,
/// `test`, `lint` and `bench` do it by themselves.
#[derive(Args)]
pub(crate) struct Options {}

pub(crate) fn run(_: &Options, project: &Project) -> Result<()> {
    build(project)
}

/// Builds the objects if there is a toolchain for them. Where there is none, returns why.
///
/// The data plane then builds without an XDP program and takes the `io_uring` path.
pub(crate) fn build_if_possible(project: &Project) -> Result<Option<String>> {
    match BpfToolchain::find() {
        Ok(_) => build(project).map(|()| None),
        Err(missing) => Ok(Some(format!("{missing}; run `cargo xtask setup` as root"))),
    }
}

fn build(project: &Project) -> Result<()> {
    let toolchain =
        BpfToolchain::find().context("the XDP programs cannot be built: run `cargo xtask setup` as root")?;
    let manifest = project.ebpf_manifest().context("this tree has no ebpf/Cargo.toml")?;
    let objects = step(format!("XDP programs, by {}", toolchain.compiler), || {
        command::run(&mut compile(project, &toolchain, &manifest))?;
        publish_all(project, &manifest)
    })?;
    for object in objects {
        eprintln!("  {object}");
    }
    Ok(())
}

/// The command that compiles all binaries of the eBPF crate.
fn compile(project: &Project, toolchain: &BpfToolchain, manifest: &Path) -> Command {
    let BpfToolchain { compiler, linker } = toolchain;
    let mut cargo = Command::new(&compiler.cargo);
    for (name, _) in env::vars_os() {
        if name.to_str().is_some_and(steers_the_host_build) {
            cargo.env_remove(name);
        }
    }
    cargo
        .current_dir(&project.root)
        .env("RUSTC", &compiler.rustc)
        // Debian's compiler is a stable release: it takes unstable flags only when told so.
        .env("RUSTC_BOOTSTRAP", "1")
        .env("CARGO_ENCODED_RUSTFLAGS", rustflags(&linker.path))
        .args(["build", "--release", "--bins", "--target", TARGET])
        .args(["-Z", "build-std=core"])
        .arg("--manifest-path")
        .arg(manifest)
        .arg("--target-dir")
        .arg(build_folder(project));
    cargo
}

/// Whether an environment variable was set by, or for, the host's cargo and would mislead the one for eBPF.
fn steers_the_host_build(name: &str) -> bool {
    // Where cargo keeps its things and how it reaches the registry hold for both.
    const KEPT: [&str; 5] = ["CARGO_HOME", "CARGO_HTTP_", "CARGO_NET_", "CARGO_REGISTR", "CARGO_TERM_"];
    if KEPT.iter().any(|kept| name.starts_with(kept)) {
        return false;
    }
    // The library path that `cargo run` sets leads to the LLVM of the host's compiler.
    name.starts_with("CARGO")
        || name.starts_with("RUSTC")
        || name.starts_with("RUSTDOC")
        || ["RUSTFLAGS", "RUSTUP_TOOLCHAIN", "LD_LIBRARY_PATH"].contains(&name)
}

/// Debug information is what BTF is made of, and BTF is what the verifier's messages and CO-RE need.
fn rustflags(linker: &Path) -> OsString {
    let mut linker_flag = OsString::from("linker=");
    linker_flag.push(linker);
    encode(&[
        "-C".into(),
        "debuginfo=2".into(),
        "-C".into(),
        linker_flag,
        "-C".into(),
        "link-arg=--btf".into(),
        "-C".into(),
        "target-cpu=v3".into(),
        // Headers stand at odd offsets in a frame; without this every field is read byte by byte.
        "-C".into(),
        "target-feature=+allows-misaligned-mem-access".into(),
    ])
}

/// The form of `CARGO_ENCODED_RUSTFLAGS`: flags may hold spaces, so they are kept apart by the unit separator.
fn encode(flags: &[OsString]) -> OsString {
    flags.join(OsStr::new("\u{1f}"))
}

fn build_folder(project: &Project) -> PathBuf {
    project.path("target/ebpf")
}

/// Copies every binary to where the data plane's build script looks, and tells what became of each.
fn publish_all(project: &Project, manifest: &Path) -> Result<Vec<String>> {
    let built = build_folder(project).join(TARGET).join("release");
    let objects = project.bpf_objects();
    fs::create_dir_all(&objects).with_context(|| format!("cannot make {}", objects.display()))?;
    let mut told = Vec::new();
    for package in metadata::packages(project, manifest)? {
        for binary in package.binaries() {
            let object = objects.join(format!("{}.o", binary.name));
            let changed = publish(&built.join(&binary.name), &object)?;
            let size = fs::metadata(&object)?.len().div_ceil(1024);
            let state = if changed { "written" } else { "unchanged" };
            let shown = object.strip_prefix(&project.root).unwrap_or(&object);
            told.push(format!("{}: {size} KiB, {state}", shown.display()));
        }
    }
    Ok(told)
}

/// Copies `built` to `object` unless the bytes are the same: a new modification time alone would make cargo build
/// the data plane again. Returns whether it wrote.
fn publish(built: &Path, object: &Path) -> Result<bool> {
    let bytes = fs::read(built).with_context(|| format!("cannot read {}", built.display()))?;
    if fs::read(object).is_ok_and(|old| old == bytes) {
        return Ok(false);
    }
    fs::write(object, bytes).with_context(|| format!("cannot write {}", object.display()))?;
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_are_kept_apart_so_that_paths_may_hold_spaces() {
        let flags = rustflags(Path::new("/my tools/bpf-linker"));
        let flags = flags.to_str().expect("all of it is UTF-8");
        let flags: Vec<_> = flags.split('\u{1f}').collect();
        assert!(flags.contains(&"linker=/my tools/bpf-linker"), "{flags:?}");
        assert!(flags.contains(&"link-arg=--btf"), "{flags:?}");
    }

    #[test]
    fn what_cargo_run_sets_does_not_reach_the_ebpf_build() {
        for name in [
            "CARGO",
            "CARGO_MANIFEST_DIR",
            "CARGO_PKG_NAME",
            "CARGO_TARGET_DIR",
            "CARGO_ENCODED_RUSTFLAGS",
            "CARGO_BUILD_TARGET",
            "RUSTC",
            "RUSTC_WRAPPER",
            "RUSTDOCFLAGS",
            "RUSTFLAGS",
            "RUSTUP_TOOLCHAIN",
            "LD_LIBRARY_PATH",
        ] {
            assert!(steers_the_host_build(name), "{name} must be dropped");
        }
    }

    #[test]
    fn what_the_user_sets_to_reach_the_registry_does() {
        for name in [
            "CARGO_HOME",
            "CARGO_NET_OFFLINE",
            "CARGO_HTTP_PROXY",
            "CARGO_REGISTRIES_OURS_INDEX",
            "CARGO_TERM_COLOR",
            "RUSTUP_HOME",
            "PATH",
            "HOME",
        ] {
            assert!(!steers_the_host_build(name), "{name} must be kept");
        }
    }

    #[test]
    fn an_object_is_written_only_when_its_bytes_changed() {
        let folder = env::temp_dir().join(format!("xtask-publish-{}", std::process::id()));
        fs::create_dir_all(&folder).expect("a folder in the temporary folder");
        let (built, object) = (folder.join("built"), folder.join("object.o"));
        let publish_bytes = |bytes: &[u8]| {
            fs::write(&built, bytes).expect("a file in our folder");
            publish(&built, &object).expect("both files are ours")
        };
        assert!(publish_bytes(b"one"));
        assert!(!publish_bytes(b"one"));
        assert!(publish_bytes(b"two"));
        assert_eq!(fs::read(&object).expect("it was written"), b"two");
        fs::remove_dir_all(&folder).expect("it is ours");
    }
}
