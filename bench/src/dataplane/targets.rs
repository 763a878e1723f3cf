//! What the data plane is to reach on one core.

use crate::{
    dataplane::memory::Memory,
    report::{Outcomes, Target, Verdict},
};

/// Ratios of two rows: the row, what it is divided by, and the target.
const RATIOS: &[(&str, &str, Target)] = &[
    ratio("forward-262144", "bare-redirect", "forward, 262,144 streams ÷ bare redirect", 0.75, 0.9),
    ratio("forward-262144", "forward-1024", "forward, 262,144 ÷ 1,024 streams", 0.85, 0.95),
    ratio("forward-262144-random", "bare-redirect", "forward, 262,144 in random order ÷ bare redirect", 0.55, 0.75),
    ratio("copies-4", "forward-1024", "packets out with 4 copies ÷ plain forward", 0.75, 1.0),
    ratio("forward-ipv6", "forward-262144", "IPv6 ÷ IPv4 forward", 0.85, 0.95),
    ratio("io-uring", "rtpengine-user", "io_uring path ÷ rtpengine in user space", 1.2, 2.0),
];

const MEMORY: Target = Target { measure: "kernel memory per media address, MiB", floor: 24.0, aim: 12.0 };
const RULE_WRITE: Target = Target { measure: "time to write one stream's rule, ns", floor: 2000.0, aim: 300.0 };

const fn ratio(
    row: &'static str,
    by: &'static str,
    measure: &'static str,
    floor: f64,
    aim: f64,
) -> (&'static str, &'static str, Target) {
    (row, by, Target { measure, floor, aim })
}

/// Each target with what was measured.
pub(super) fn verdicts(outcomes: &Outcomes, memory: &Memory) -> Vec<Verdict> {
    let ratios = RATIOS.iter().map(|(row, by, target)| target.judge(outcomes.ratio(row, by).map(|ratio| ratio.median)));
    let write = outcomes.row("rule-write").map(|outcome| outcome.spread().median);
    ratios.chain([MEMORY.judge(Some(memory.per_address_mib())), RULE_WRITE.judge(write)]).collect()
}
