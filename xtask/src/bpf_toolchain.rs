//! The compiler and the linker for the eBPF target.
//!
//! The compiler needs the sources of `core`, which is not prebuilt for that target, and unstable flags. Two kinds
//! serve: a rustup nightly with the `rust-src` component, and Debian's `rustc-web`, `cargo-web` and `rust-web-src`.
//! The linker reads the compiler's bitcode, so its LLVM must not be older than the compiler's.

use std::fmt;
use std::fs;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::str::FromStr;

use anyhow::{Context as _, Error, Result, bail};
use serde_json::Value;

use crate::command;
use crate::project::{cargo_home, find_program, rustup_home};

/// The release of bpf-linker that `setup` installs.
pub(crate) const LINKER_VERSION: &str = "0.13.0";
/// The LLVM releases that [`LINKER_VERSION`] can be built with.
pub(crate) const LINKER_LLVMS: RangeInclusive<u32> = 21..=23;

const DEBIANS_ROOT: &str = "/usr";

/// A compiler and a linker that fit each other.
pub(crate) struct BpfToolchain {
    pub(crate) compiler: BpfCompiler,
    pub(crate) linker: BpfLinker,
}

impl BpfToolchain {
    /// The first installed compiler that the installed linker serves. The error says what is missing.
    pub(crate) fn find() -> Result<Self> {
        let compilers = BpfCompiler::installed();
        if compilers.is_empty() {
            bail!("no Rust compiler for the eBPF target is installed");
        }
        let linker = BpfLinker::find().context("bpf-linker is not installed")?;
        let names: Vec<_> = compilers.iter().map(ToString::to_string).collect();
        let fitting = compilers.into_iter().find(|c| linker.serves(c));
        let compiler = fitting.with_context(|| format!("{linker} is too old for {}", names.join(" and for ")))?;
        Ok(Self { compiler, linker })
    }
}

impl fmt::Display for BpfToolchain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, {}", self.compiler, self.linker)
    }
}

/// A Rust compiler that can build for the eBPF target.
#[derive(Debug)]
pub(crate) struct BpfCompiler {
    pub(crate) rustc: PathBuf,
    pub(crate) cargo: PathBuf,
    version: RustcVersion,
}

impl BpfCompiler {
    /// All that are there, the preferred one first.
    pub(crate) fn installed() -> Vec<Self> {
        let mut roots = rustup_nightlies(&rustup_home().join("toolchains"));
        roots.push(DEBIANS_ROOT.into());
        roots.iter().filter_map(|root| Self::at(root)).collect()
    }

    /// The one of Debian's `rustc-web`.
    pub(crate) fn debians() -> Option<Self> {
        Self::at(Path::new(DEBIANS_ROOT))
    }

    /// The compiler below `root`, if it has all that the eBPF target needs.
    fn at(root: &Path) -> Option<Self> {
        let core = root.join("lib/rustlib/src/rust/library/core/src/lib.rs");
        let cargo = root.join("bin/cargo");
        if !core.exists() || !cargo.exists() {
            return None;
        }
        let rustc = root.join("bin/rustc");
        let version = command::read(Command::new(&rustc).arg("-vV")).ok()?;
        let version = version.parse().ok()?;
        Some(Self { rustc, cargo, version })
    }

    pub(crate) fn llvm(&self) -> u32 {
        self.version.llvm
    }
}

impl fmt::Display for BpfCompiler {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let RustcVersion { release, llvm } = &self.version;
        write!(f, "{} {release} (LLVM {llvm})", self.rustc.display())
    }
}

/// Rustup's nightly toolchains, the one called just `nightly` before the dated ones, newest first.
fn rustup_nightlies(toolchains: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(toolchains).into_iter().flatten().flatten();
    let mut names: Vec<_> = entries
        .filter_map(|entry| entry.file_name().into_string().ok())
        .filter(|name| name.starts_with("nightly"))
        .collect();
    names.sort_by(|a, b| b.cmp(a));
    names.sort_by_key(|name| name.starts_with("nightly-2"));
    names.iter().map(|name| toolchains.join(name)).collect()
}

/// What `rustc -vV` tells about itself, as far as we need it.
#[derive(Debug, PartialEq, Eq)]
struct RustcVersion {
    release: String,
    /// The major number of its LLVM, after which Debian's packages and bpf-linker's features are named.
    llvm: u32,
}

impl FromStr for RustcVersion {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let field = |name: &str| {
            text.lines()
                .find_map(|line| line.strip_prefix(name))
                .map(str::trim)
                .with_context(|| format!("`rustc -vV` has no line \"{name}\""))
        };
        let release = field("release:")?.to_owned();
        let llvm = field("LLVM version:")?;
        let major = llvm.split('.').next().unwrap_or_default();
        let llvm = major.parse().with_context(|| format!("`rustc -vV` tells LLVM version \"{llvm}\""))?;
        Ok(Self { release, llvm })
    }
}

/// bpf-linker, which links the compiler's bitcode into one eBPF object.
pub(crate) struct BpfLinker {
    pub(crate) path: PathBuf,
    /// `None` for a linker that cargo did not install and whose LLVM nothing tells.
    llvm: Option<u32>,
}

impl BpfLinker {
    pub(crate) fn find() -> Option<Self> {
        let path = find_program("bpf-linker")?;
        let llvm = if path.starts_with(cargo_home()) {
            let records = fs::read_to_string(cargo_home().join(".crates2.json"));
            records.ok().and_then(|records| recorded_llvm(&records))
        } else {
            None
        };
        Some(Self { path, llvm })
    }

    /// Whether it can read what `compiler` writes. One whose LLVM is not known is trusted.
    pub(crate) fn serves(&self, compiler: &BpfCompiler) -> bool {
        self.llvm.is_none_or(|llvm| llvm >= compiler.llvm())
    }
}

impl fmt::Display for BpfLinker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.llvm {
            Some(llvm) => write!(f, "bpf-linker (LLVM {llvm})"),
            None => write!(f, "bpf-linker at {}", self.path.display()),
        }
    }
}

/// The LLVM feature with which cargo built bpf-linker, from cargo's record of what it installed.
fn recorded_llvm(records: &str) -> Option<u32> {
    let records: Value = serde_json::from_str(records).ok()?;
    let installs = records["installs"].as_object()?;
    let (_, linker) = installs.iter().find(|(id, _)| id.starts_with("bpf-linker "))?;
    let features = linker["features"].as_array()?;
    features.iter().find_map(|feature| feature.as_str()?.strip_prefix("llvm-")?.parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    const RUSTC: &str = "\
rustc 1.96.0 (ac68faa20 2026-05-25) (built from a source tarball)
binary: rustc
commit-hash: ac68faa20c58cbccd01ee7208bf3b6e93a7d7f96
commit-date: 2026-05-25
host: x86_64-unknown-linux-gnu
release: 1.96.0
LLVM version: 22.1.8
";

    fn compiler(llvm: u32) -> BpfCompiler {
        BpfCompiler {
            rustc: "/usr/bin/rustc".into(),
            cargo: "/usr/bin/cargo".into(),
            version: RustcVersion { release: "1.96.0".into(), llvm },
        }
    }

    fn linker(llvm: Option<u32>) -> BpfLinker {
        BpfLinker { path: "/opt/bin/bpf-linker".into(), llvm }
    }

    #[test]
    fn release_and_llvm_are_read_from_rustc() {
        let version: RustcVersion = RUSTC.parse().expect("well-formed");
        assert_eq!(version.release, "1.96.0");
        assert_eq!(version.llvm, 22);
    }

    #[test]
    fn a_rustc_without_llvm_is_refused_by_name_of_the_line() {
        let text = RUSTC.replace("LLVM version: 22.1.8", "");
        let error = text.parse::<RustcVersion>().expect_err("no LLVM");
        assert!(error.to_string().contains("LLVM version:"), "{error}");

        let text = RUSTC.replace("22.1.8", "unknown");
        let error = text.parse::<RustcVersion>().expect_err("no number");
        assert!(error.to_string().contains("\"unknown\""), "{error}");
    }

    #[test]
    fn a_linker_serves_compilers_up_to_its_own_llvm() {
        assert!(linker(Some(22)).serves(&compiler(21)));
        assert!(linker(Some(22)).serves(&compiler(22)));
        assert!(!linker(Some(22)).serves(&compiler(23)));
        assert!(linker(None).serves(&compiler(23)));
    }

    #[test]
    fn the_linkers_llvm_is_read_from_cargos_records() {
        let records = r#"{"installs": {
            "cargo-deny 0.20.2 (registry)": {"features": []},
            "bpf-linker 0.13.0 (registry)": {"features": ["llvm-22"], "no_default_features": true}
        }}"#;
        assert_eq!(recorded_llvm(records), Some(22));
        assert_eq!(recorded_llvm(&records.replace("llvm-22", "other")), None);
        assert_eq!(recorded_llvm("{}"), None);
        assert_eq!(recorded_llvm("not json"), None);
    }

    #[test]
    fn the_undated_nightly_comes_first_and_stable_never() {
        let folder = std::env::temp_dir().join(format!("xtask-toolchains-{}", std::process::id()));
        for name in ["nightly-2026-01-01-host", "stable-host", "nightly-host", "nightly-2026-05-01-host"] {
            fs::create_dir_all(folder.join(name)).expect("a folder in the temporary folder");
        }
        let found = rustup_nightlies(&folder);
        fs::remove_dir_all(&folder).expect("it was just made");
        let expected = ["nightly-host", "nightly-2026-05-01-host", "nightly-2026-01-01-host"];
        assert_eq!(found, expected.map(|name| folder.join(name)));
    }

    #[test]
    fn a_missing_toolchain_folder_holds_no_nightly() {
        assert!(rustup_nightlies(Path::new("/nonexistent")).is_empty());
    }
}
