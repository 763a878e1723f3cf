//! The eBPF toolchain: which half of it is missing, and how to come by it.

use std::fmt;
use std::path::PathBuf;

use anyhow::{Context as _, Result, bail};

use super::apt::Apt;
use crate::bpf_toolchain::{BpfCompiler, BpfToolchain, LINKER_LLVMS, LINKER_VERSION};
use crate::command;
use crate::project::Project;
use crate::report::step;

/// Debian's compiler, its cargo, and the sources of `core`: one release, kept current for the browsers it builds.
const DEBIANS_COMPILER: [&str; 3] = ["rustc-web", "cargo-web", "rust-web-src"];

const NIGHTLY_WAY_OUT: &str =
    "or install a nightly: `rustup toolchain install nightly --profile minimal --component rust-src`";

/// The half that is to be installed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Missing {
    CompilerAndLinker,
    Linker,
}

/// The toolchain that is there, or what is missing of it.
pub(super) fn survey() -> Result<BpfToolchain, Missing> {
    BpfToolchain::find().map_err(|_| {
        if fitting(BpfCompiler::installed()).is_empty() { Missing::CompilerAndLinker } else { Missing::Linker }
    })
}

impl Missing {
    /// Whether Debian packages are to be installed first.
    pub(super) fn needs_packages(self) -> bool {
        self == Self::CompilerAndLinker || compiler_with_llvm_library().is_none()
    }
}

/// Installs the linker, and before it what it is to be built with.
pub(super) fn install(apt: &mut Apt<'_>, project: &Project) -> Result<()> {
    let compiler =
        compiler_and_llvm_library(apt).context("the toolchain of the eBPF programs could not be installed")?;
    eprintln!("  the eBPF programs will be compiled by {compiler}");
    install_linker(compiler.llvm(), project)
}

impl fmt::Display for Missing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if *self == Self::CompilerAndLinker {
            writeln!(f, "{}: compile the eBPF programs, beside the Rust that is there", DEBIANS_COMPILER.join(" "))?;
            write!(f, "  ")?;
        }
        if compiler_with_llvm_library().is_none() {
            writeln!(f, "llvm-N-dev: the library of that compiler's LLVM, for bpf-linker")?;
            write!(f, "  ")?;
        }
        write!(f, "bpf-linker {LINKER_VERSION}: links the eBPF programs (cargo install, takes a minute or two)")
    }
}

/// The compilers whose bitcode a linker can be built for.
fn fitting(compilers: Vec<BpfCompiler>) -> Vec<BpfCompiler> {
    compilers.into_iter().filter(|compiler| LINKER_LLVMS.contains(&compiler.llvm())).collect()
}

fn compiler_with_llvm_library() -> Option<BpfCompiler> {
    fitting(BpfCompiler::installed()).into_iter().find(|compiler| llvm_library(compiler.llvm()).exists())
}

/// Installs until there is a compiler with the library of its LLVM.
///
/// An installed compiler is preferred, if the archive has its LLVM; else Debian's own compiler is installed, whose
/// LLVM the archive has by nature.
fn compiler_and_llvm_library(apt: &mut Apt<'_>) -> Result<BpfCompiler> {
    if let Some(compiler) = compiler_with_llvm_library() {
        return Ok(compiler);
    }
    let installed = fitting(BpfCompiler::installed()).into_iter();
    let mut offered = installed.filter(|compiler| apt.offers(&llvm_package(compiler.llvm())));
    let compiler = match offered.next() {
        Some(compiler) => compiler,
        None => debians_compiler(apt)?,
    };
    apt.install(&[&llvm_package(compiler.llvm())])?;
    Ok(compiler)
}

fn debians_compiler(apt: &mut Apt<'_>) -> Result<BpfCompiler> {
    apt.install(&DEBIANS_COMPILER).context(NIGHTLY_WAY_OUT)?;
    let compiler = BpfCompiler::debians().context("rustc-web is installed but /usr/bin/rustc does not run")?;
    if !LINKER_LLVMS.contains(&compiler.llvm()) {
        bail!(
            "{compiler} does not fit bpf-linker {LINKER_VERSION}, which is built with LLVM {} to {}: add Debian's \
             security archive, which has a newer rustc-web, to the apt sources, {NIGHTLY_WAY_OUT}",
            LINKER_LLVMS.start(),
            LINKER_LLVMS.end()
        );
    }
    Ok(compiler)
}

fn install_linker(llvm: u32, project: &Project) -> Result<()> {
    step(format!("cargo install bpf-linker {LINKER_VERSION} for LLVM {llvm}"), || {
        let mut install = project.cargo();
        install
            .env("LLVM_PREFIX", llvm_folder(llvm))
            .args(["install", "bpf-linker", "--version", LINKER_VERSION])
            .args(["--locked", "--force", "--no-default-features", "--features"])
            .arg(format!("llvm-{llvm}"));
        command::run_quietly(project, &mut install)
            .context("bpf-linker could not be built: if crates could not be downloaded, check this machine's network")
    })
    .map(drop)
}

fn llvm_package(llvm: u32) -> String {
    format!("llvm-{llvm}-dev")
}

fn llvm_library(llvm: u32) -> PathBuf {
    llvm_folder(llvm).join("lib/libLLVM.so")
}

fn llvm_folder(llvm: u32) -> PathBuf {
    PathBuf::from(format!("/usr/lib/llvm-{llvm}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packages_and_folders_are_named_after_the_compilers_llvm() {
        assert_eq!(llvm_package(22), "llvm-22-dev");
        assert_eq!(llvm_library(23), PathBuf::from("/usr/lib/llvm-23/lib/libLLVM.so"));
    }

    #[test]
    fn a_missing_compiler_is_announced_with_its_packages() {
        let text = Missing::CompilerAndLinker.to_string();
        assert!(text.starts_with("rustc-web cargo-web rust-web-src: "), "{text}");
        assert!(text.contains(&format!("bpf-linker {LINKER_VERSION}")), "{text}");
    }

    #[test]
    fn a_missing_linker_does_not_announce_a_compiler() {
        assert!(!Missing::Linker.to_string().contains("rustc-web"));
    }
}
