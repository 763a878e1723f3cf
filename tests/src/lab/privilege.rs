//! Saying which privilege is missing before a command fails for want of it.

use std::fs;

use crate::error::Doing;
use crate::{Error, Result};

/// The capabilities a lab needs, by their bit in a capability set (`linux/capability.h`).
const NEEDED: [(&str, u32); 2] = [("CAP_NET_ADMIN", 12), ("CAP_SYS_ADMIN", 21)];

/// Fails, naming what is missing, unless this process may make network namespaces and links.
pub fn require_privilege(what: &str) -> Result<()> {
    let status = fs::read_to_string("/proc/self/status").doing(|| "reading /proc/self/status".to_owned())?;
    let missing = missing_from(effective_capabilities(&status));
    if missing.is_empty() {
        return Ok(());
    }
    Err(Error::NotPermitted { what: what.to_owned(), capabilities: missing.join(" and ") })
}

fn effective_capabilities(status: &str) -> u64 {
    status
        .lines()
        .find_map(|line| line.strip_prefix("CapEff:"))
        .and_then(|set| u64::from_str_radix(set.trim(), 16).ok())
        .unwrap_or(0)
}

fn missing_from(capabilities: u64) -> Vec<&'static str> {
    let lacks = |bit: u32| capabilities & (1 << bit) == 0;
    NEEDED.iter().filter(|(_, bit)| lacks(*bit)).map(|(name, _)| *name).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_each_missing_capability() {
        assert_eq!(missing_from(0), ["CAP_NET_ADMIN", "CAP_SYS_ADMIN"]);
        assert_eq!(missing_from(1 << 12), ["CAP_SYS_ADMIN"]);
        assert_eq!(missing_from(u64::MAX), [""; 0]);
    }

    #[test]
    fn reads_the_effective_set() {
        let status = "Name:\tsh\nCapPrm:\tffffffffffffffff\nCapEff:\t0000000000201000\nCapBnd:\t0\n";
        assert_eq!(missing_from(effective_capabilities(status)), [""; 0]);
        assert_eq!(effective_capabilities("Name:\tsh\n"), 0);
    }
}
