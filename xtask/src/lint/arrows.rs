//! Which crate may see which: arrows point down only.

use anyhow::{Result, bail};

use crate::metadata::Package;

/// Each of our crates, and those of ours it may depend on, for tests and builds too.
const ARROWS: &[(&str, &[&str])] = &[
    // What kernel and user space share.
    ("undertone-abi", &[]),
    ("undertone-wire", &["undertone-abi"]),
    // Cores: no input or output, no clock.
    ("undertone-core", &["undertone-abi", "undertone-wire"]),
    ("undertone-control-core", &["undertone-core", "undertone-abi", "undertone-wire"]),
    // Shells around them.
    ("undertone-ebpf", &["undertone-abi", "undertone-wire"]),
    ("undertone-dataplane", &["undertone-core", "undertone-abi", "undertone-wire"]),
    (
        "undertone",
        &["undertone-control-core", "undertone-dataplane", "undertone-core", "undertone-abi", "undertone-wire"],
    ),
    // Those that look at the product from outside see all of it.
    ("undertone-tests", EVERYTHING),
    ("undertone-fuzz", &["undertone-control-core", "undertone-core", "undertone-abi", "undertone-wire"]),
    ("undertone-bench", EVERYTHING),
    // The build must not need what it builds.
    ("xtask", &[]),
];

const EVERYTHING: &[&str] = &[
    "undertone",
    "undertone-control-core",
    "undertone-dataplane",
    "undertone-core",
    "undertone-abi",
    "undertone-wire",
    "undertone-tests",
    "undertone-bench",
];

/// Holds `packages` to [`ARROWS`]. The error names every arrow that is not allowed.
pub(super) fn check(packages: &[Package]) -> Result<()> {
    let wrong: Vec<_> = packages.iter().flat_map(wrong_arrows).collect();
    if !wrong.is_empty() {
        bail!("{}", wrong.join("\n"));
    }
    Ok(())
}

fn wrong_arrows(package: &Package) -> Vec<String> {
    let name = &package.name;
    let Some((_, allowed)) = ARROWS.iter().find(|(from, _)| from == name) else {
        return vec![format!("{name} has no place among the crates: say in ARROWS, in {}, what it may see", file!())];
    };
    package
        .dependencies
        .iter()
        .filter(|dependency| dependency.path.is_some())
        .filter(|dependency| !allowed.contains(&dependency.name.as_str()))
        .map(|dependency| format!("{name} may not see {}: arrows point down only", dependency.name))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metadata::Dependency;

    fn package(name: &str, ours: &[&str], foreign: &[&str]) -> Package {
        let ours = ours.iter().map(|name| dependency(name, Some("/somewhere".into())));
        let foreign = foreign.iter().map(|name| dependency(name, None));
        Package {
            name: name.into(),
            manifest_path: "/somewhere/Cargo.toml".into(),
            dependencies: ours.chain(foreign).collect(),
            targets: Vec::new(),
        }
    }

    fn dependency(name: &str, path: Option<std::path::PathBuf>) -> Dependency {
        Dependency { name: name.into(), path }
    }

    #[test]
    fn arrows_down_pass_and_foreign_crates_do_not_count() {
        let packages = [
            package("undertone-core", &["undertone-abi", "undertone-wire"], &["undertow"]),
            package("undertone", &["undertone-dataplane"], &["clap"]),
            package("undertone-tests", &["undertone", "undertone-abi"], &[]),
        ];
        assert!(check(&packages).is_ok());
    }

    #[test]
    fn every_arrow_up_or_sideways_is_named() {
        let packages = [
            package("undertone-core", &["undertone-dataplane"], &[]),
            package("undertone-dataplane", &["undertone-control-core"], &[]),
        ];
        let error = check(&packages).expect_err("both are wrong").to_string();
        assert!(error.contains("undertone-core may not see undertone-dataplane"), "{error}");
        assert!(error.contains("undertone-dataplane may not see undertone-control-core"), "{error}");
    }

    #[test]
    fn a_crate_that_the_table_does_not_know_is_refused() {
        let error = check(&[package("undertone-extra", &[], &[])]).expect_err("not in the table");
        assert!(error.to_string().contains("undertone-extra has no place"), "{error}");
    }

    #[test]
    fn the_table_has_no_circle_below_tests_and_bench() {
        for (from, allowed) in ARROWS.iter().filter(|(_, allowed)| *allowed != EVERYTHING) {
            for to in *allowed {
                let back = ARROWS.iter().find(|(name, _)| name == to);
                let (_, back) = back.expect("the table names crates that it knows");
                assert!(!back.contains(from), "{from} and {to} may see each other");
            }
        }
    }
}
