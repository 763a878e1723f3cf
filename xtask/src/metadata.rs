//! What `cargo metadata` says about the crates of a workspace.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use serde::Deserialize;

use crate::command;
use crate::project::Project;

/// A crate of ours.
#[derive(Deserialize)]
pub(crate) struct Package {
    pub(crate) name: String,
    pub(crate) manifest_path: PathBuf,
    pub(crate) dependencies: Vec<Dependency>,
    pub(crate) targets: Vec<Target>,
}

#[derive(Deserialize)]
pub(crate) struct Dependency {
    pub(crate) name: String,
    /// Set for a crate that lies in this repository.
    pub(crate) path: Option<PathBuf>,
}

#[derive(Deserialize)]
pub(crate) struct Target {
    pub(crate) name: String,
    kind: Vec<String>,
    /// The target's root file.
    pub(crate) src_path: PathBuf,
}

impl Package {
    pub(crate) fn folder(&self) -> &Path {
        let folder = self.manifest_path.parent();
        folder.expect("a manifest's path ends with Cargo.toml")
    }

    pub(crate) fn binaries(&self) -> impl Iterator<Item = &Target> {
        self.targets.iter().filter(|target| target.is("bin"))
    }

    /// The library and the binaries: what ships, tests and build scripts left out.
    pub(crate) fn products(&self) -> impl Iterator<Item = &Target> {
        self.targets.iter().filter(|target| target.is("lib") || target.is("bin"))
    }
}

impl Target {
    fn is(&self, kind: &str) -> bool {
        self.kind.iter().any(|k| k == kind)
    }
}

/// The crates of the workspace and, where they are there, of `ebpf/` and `tests/fuzz/`.
pub(crate) fn all_packages(project: &Project) -> Result<Vec<Package>> {
    let mut packages = Vec::new();
    for manifest in project.manifests() {
        packages.extend(self::packages(project, &manifest)?);
    }
    Ok(packages)
}

/// The crates of the workspace that `manifest` belongs to.
pub(crate) fn packages(project: &Project, manifest: &Path) -> Result<Vec<Package>> {
    let json = command::read(
        project.cargo().args(["metadata", "--no-deps", "--format-version=1", "--manifest-path"]).arg(manifest),
    )?;
    parse(&json).with_context(|| format!("cargo metadata of {}", manifest.display()))
}

fn parse(json: &str) -> Result<Vec<Package>> {
    #[derive(Deserialize)]
    struct Metadata {
        packages: Vec<Package>,
    }
    let metadata: Metadata = serde_json::from_str(json)?;
    Ok(metadata.packages)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_crate_is_read_with_its_targets_and_dependencies() {
        let json = r#"{"packages": [{
            "name": "undertone-wire",
            "manifest_path": "/u/dataplane/wire/Cargo.toml",
            "dependencies": [
                {"name": "undertone-abi", "path": "/u/dataplane/abi", "kind": null},
                {"name": "proptest", "kind": "dev"}
            ],
            "targets": [
                {"name": "undertone_wire", "kind": ["lib"], "src_path": "/u/dataplane/wire/src/lib.rs"},
                {"name": "hexdump", "kind": ["bin"], "src_path": "/u/dataplane/wire/src/bin/hexdump.rs"},
                {"name": "fuzzed", "kind": ["test"], "src_path": "/u/dataplane/wire/tests/fuzzed.rs"}
            ]
        }]}"#;
        let packages = parse(json).expect("valid metadata");
        let [wire] = packages.as_slice() else {
            panic!("one crate expected");
        };
        assert_eq!(wire.folder(), Path::new("/u/dataplane/wire"));
        assert!(wire.dependencies[0].path.is_some());
        assert!(wire.dependencies[1].path.is_none());
        let names = |targets: &mut dyn Iterator<Item = &Target>| -> Vec<String> {
            targets.map(|target| target.name.clone()).collect()
        };
        assert_eq!(names(&mut wire.binaries()), ["hexdump"]);
        assert_eq!(names(&mut wire.products()), ["undertone_wire", "hexdump"]);
    }
}
