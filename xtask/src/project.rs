//! Where things are: the workspace, its target folders, programs of this machine.

use std::env;
use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result};

/// The workspace this xtask belongs to, and how much to show of what is done to it.
pub(crate) struct Project {
    /// The folder that holds the workspace's Cargo.toml.
    pub(crate) root: PathBuf,
    /// Show the output of noisy commands also when they succeed.
    pub(crate) verbose: bool,
}

impl Project {
    pub(crate) fn new(verbose: bool) -> Result<Self> {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"))
            .parent()
            .context("xtask is not in a folder of the workspace")?
            .to_owned();
        Ok(Self { root, verbose })
    }

    pub(crate) fn path(&self, relative: &str) -> PathBuf {
        self.root.join(relative)
    }

    /// The manifests of the workspace and of those beside it.
    pub(crate) fn manifests(&self) -> impl Iterator<Item = PathBuf> {
        [self.path("Cargo.toml")].into_iter().chain(self.ebpf_manifest()).chain(self.fuzz_manifest())
    }

    /// The manifest of the eBPF crate, which is a workspace of its own; `None` in a tree that has none yet.
    pub(crate) fn ebpf_manifest(&self) -> Option<PathBuf> {
        existing(self.path("ebpf/Cargo.toml"))
    }

    /// The manifest of the fuzz targets, a workspace of its own like every cargo-fuzz crate.
    pub(crate) fn fuzz_manifest(&self) -> Option<PathBuf> {
        existing(self.path("tests/fuzz/Cargo.toml"))
    }

    /// Where the compiled eBPF objects lie for the data plane's build script. Never moved by `CARGO_TARGET_DIR`.
    pub(crate) fn bpf_objects(&self) -> PathBuf {
        self.path("target/bpf")
    }

    /// Builds everything that runs on the host, optimised. xtask itself is left as it is.
    pub(crate) fn build_release(&self) -> Result<()> {
        crate::report::step("release build", || {
            crate::command::run(self.cargo().args(["build", "--release", "--workspace", "--exclude", "xtask"]))
        })
    }

    /// A binary of [`Self::build_release`].
    pub(crate) fn release_binary(&self, name: &str) -> PathBuf {
        let target = env::var_os("CARGO_TARGET_DIR").unwrap_or_else(|| "target".into());
        self.root.join(target).join("release").join(name)
    }

    /// The cargo that runs this xtask, in the workspace's folder, as if it had been started from a shell.
    pub(crate) fn cargo(&self) -> Command {
        let mut cargo = Command::new(host_cargo());
        cargo.current_dir(&self.root);
        // Build scripts run again, and all that stands on them is built again, when what these say has changed: `ring`'s
        // asks for them. `cargo run` has set them to what xtask is.
        for (name, _) in env::vars_os().filter(|(name, _)| name.to_str().is_some_and(is_of_package)) {
            cargo.env_remove(name);
        }
        cargo
    }
}

/// Whether an environment variable tells a program of the package that cargo runs it from.
fn is_of_package(name: &str) -> bool {
    ["CARGO_MANIFEST_", "CARGO_PKG_"].iter().any(|start| name.starts_with(start))
}

/// The cargo that runs this xtask.
fn host_cargo() -> PathBuf {
    let running = env::var_os("CARGO").map(PathBuf::from);
    running.or_else(|| find_program("cargo")).unwrap_or_else(|| "cargo".into())
}

/// Whether the toolchain that runs this xtask has `program`, such as cargo-fmt.
///
/// It lies beside the toolchain's own cargo; rustup's stand-in in `PATH` is there with or without the component.
pub(crate) fn has_component(program: &str) -> bool {
    host_cargo().with_file_name(program).exists()
}

/// Where `cargo install` puts its records; programs are in its `bin`.
pub(crate) fn cargo_home() -> PathBuf {
    home("CARGO_HOME", ".cargo")
}

pub(crate) fn rustup_home() -> PathBuf {
    home("RUSTUP_HOME", ".rustup")
}

fn home(variable: &str, folder: &str) -> PathBuf {
    env::var_os(variable)
        .map_or_else(|| PathBuf::from(env::var_os("HOME").unwrap_or_default()).join(folder), PathBuf::from)
}

/// Whether packages can be installed and XDP programs loaded.
pub(crate) fn is_root() -> bool {
    // The owner of a process's folder in procfs is its effective user.
    fs::metadata("/proc/self").is_ok_and(|process| process.uid() == 0)
}

/// The program's path: from `PATH`, from cargo's folder, or from the folders that only root's `PATH` holds.
pub(crate) fn find_program(name: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    env::split_paths(&path)
        .chain([cargo_home().join("bin")])
        .chain(["/usr/local/sbin", "/usr/sbin", "/sbin"].map(PathBuf::from))
        .map(|folder| folder.join(name))
        .find(|file| is_executable(file))
}

fn is_executable(file: &Path) -> bool {
    fs::metadata(file).is_ok_and(|file| file.is_file() && file.permissions().mode() & 0o111 != 0)
}

fn existing(path: PathBuf) -> Option<PathBuf> {
    path.exists().then_some(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shell_is_found_and_an_invented_program_is_not() {
        assert!(find_program("sh").is_some());
        assert_eq!(find_program("undertone-no-such-program"), None);
    }

    #[test]
    fn cargo_is_not_told_which_package_runs_it() {
        let cargo = Project::new(false).expect("a workspace").cargo();
        let forgets = |name: &str| cargo.get_envs().any(|it| it == (name.as_ref(), None));
        assert!(forgets("CARGO_MANIFEST_DIR") && forgets("CARGO_PKG_NAME"), "{cargo:?}");
        assert!(!forgets("CARGO_HOME"));
    }

    #[test]
    fn a_file_that_is_not_executable_is_no_program() {
        assert!(!is_executable(Path::new("/etc/passwd")));
        assert!(!is_executable(Path::new("/etc")));
    }
}
