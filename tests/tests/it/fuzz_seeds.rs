//! Every input that is kept for the fuzz targets, without a fuzzer: what once failed does not fail again.

use std::{
    fs, panic,
    path::{Path, PathBuf},
};

#[path = "../../fuzz/src/lib.rs"]
#[expect(unreachable_pub, reason = "the fuzz targets see it as a crate")]
mod fuzz;

type Target = (&'static str, fn(&[u8]));

const TARGETS: [Target; 9] = [
    ("config", fuzz::config),
    ("datagram", fuzz::datagram),
    ("element", fuzz::element),
    ("engine", fuzz::engine),
    ("mixer", fuzz::mixer),
    ("reception", fuzz::reception),
    ("rewrite", fuzz::rewrite),
    ("sdp", fuzz::sdp),
    ("sip", fuzz::sip),
];

/// The inputs that begin with, and those that made a target fail once.
const KEPT: [&str; 2] = ["seeds", "regressions"];

#[test]
fn no_kept_input_fails() {
    for (target, take) in TARGETS {
        for file in KEPT.into_iter().flat_map(|kept| entries(&folder(kept).join(target))) {
            let input = fs::read(&file).expect("an input that can be read");
            panic::catch_unwind(|| take(&input)).unwrap_or_else(|_| panic!("{target} fails on {}", file.display()));
        }
    }
}

#[test]
fn every_target_has_seeds_and_every_input_a_target() {
    let files = entries(&folder("targets"));
    let targets: Vec<_> = files.iter().map(|file| PathBuf::from(file.file_stem().expect("a file"))).collect();
    assert_eq!(targets, TARGETS.map(|(target, _)| PathBuf::from(target)));
    for kept in KEPT {
        for inputs in entries(&folder(kept)) {
            assert!(targets.iter().any(|target| inputs.ends_with(target)), "{} is for no target", inputs.display());
        }
    }
    for target in targets {
        assert!(!entries(&folder("seeds").join(&target)).is_empty(), "{} has no seeds", target.display());
    }
}

fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz").join(name)
}

/// What is in a folder, sorted; nothing when there is no such folder.
fn entries(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten();
    let mut paths: Vec<_> = entries.map(|entry| entry.expect("a folder that can be read").path()).collect();
    paths.sort();
    paths
}
