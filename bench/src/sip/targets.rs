//! What the element is to reach on two cores.

use crate::report::{Outcomes, Target, Verdict};

const CPU: Target = Target { measure: "CPU time per call, peer ÷ ours", floor: 1.0, aim: 3.0 };
const SETUPS: Target = Target { measure: "call set-ups a second without a failure", floor: 500.0, aim: 2000.0 };
const DELAY: Target = Target { measure: "added set-up delay, p99 at 100 calls/s, ms", floor: 5.0, aim: 1.0 };
const MEMORY: Target = Target { measure: "resident memory for 10,000 calls, MiB", floor: 200.0, aim: 60.0 };

/// Each target with what was measured.
pub(super) fn verdicts(outcomes: &Outcomes) -> [Verdict; 4] {
    let median = |row| outcomes.row(row).map(|outcome| outcome.spread().median);
    [
        CPU.judge(outcomes.ratio("cpu-per-call-peer", "cpu-per-call").map(|ratio| ratio.median)),
        SETUPS.judge(median("setups-per-second")),
        DELAY.judge(median("setup-delay-p99")),
        MEMORY.judge(median("memory-10k-calls")),
    ]
}
