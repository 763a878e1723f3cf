//! What fuzzers start from, and what they once found, still holds.

#[path = "../../fuzz/src/lib.rs"]
#[expect(unreachable_pub, reason = "a crate of its own, which the fuzzers link")]
mod bodies;

use std::{fs, path::Path};

/// What must hold of some bytes.
type Body = fn(&[u8]);

#[test]
fn every_input_that_is_kept_holds() {
    let table = [
        ("config", bodies::config as Body),
        ("datagram", bodies::datagram),
        ("reception", bodies::reception),
        ("rewrite", bodies::rewrite),
    ];
    let fuzz = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz");
    for (target, body) in table {
        let seeds = inputs(&fuzz.join("seeds").join(target));
        assert!(!seeds.is_empty(), "{target} has seeds");
        for input in seeds.into_iter().chain(inputs(&fuzz.join("regressions").join(target))) {
            body(&input);
        }
    }
}

/// The files of a folder; none where there is no such folder.
fn inputs(folder: &Path) -> Vec<Vec<u8>> {
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    entries.map(|entry| fs::read(entry.unwrap().path()).unwrap()).collect()
}
