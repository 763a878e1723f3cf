//! What the mixer is to reach.

use crate::report::{Outcomes, Target, Verdict};

/// Each row with what it is to reach.
const TARGETS: [(&str, Target); 7] = [
    target("whisper-latency-p50", "added latency of a whispered packet, median at 500 sessions, µs", 200.0, 80.0),
    target("whisper-latency-p99", "added latency of a whispered packet, p99 at 500 sessions, µs", 1000.0, 300.0),
    target("whisper-sessions-per-core", "whisper sessions per core, p99 below 2 ms, none lost", 1000.0, 3000.0),
    target("listen-sessions-per-core", "listen sessions per core, none lost", 2000.0, 10_000.0),
    target("listen-cpu-per-call", "CPU per listened call ÷ per call through rtpengine in user space", 1.5, 0.5),
    target("mode-change", "mode change, end of digit to first mixed packet, ms", 60.0, 25.0),
    target("allocations-per-packet", "heap allocations per packet", 0.0, 0.0),
];

const fn target(row: &'static str, measure: &'static str, floor: f64, aim: f64) -> (&'static str, Target) {
    (row, Target { measure, floor, aim })
}

/// The sessions at which targets of latency stand.
const LATENCY_SESSIONS: u32 = 500;

/// Each target with what was measured, where latency was measured at so many sessions.
pub(super) fn verdicts(outcomes: &Outcomes, sessions: u32) -> impl Iterator<Item = Verdict> {
    TARGETS.iter().map(move |(row, target)| {
        let is_other = row.starts_with("whisper-latency") && sessions != LATENCY_SESSIONS;
        let outcome = outcomes.row(row).filter(|_| !is_other);
        target.judge(outcome.map(|outcome| outcome.spread().median))
    })
}
