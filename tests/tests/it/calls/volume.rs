//! Many calls, one after the other and many at a time.

use std::time::Duration;

use undertone_tests::Result;

use super::{exchange::Plan, ground::Who};

/// Calls of a round, and rounds.
const CALLS: usize = 1000;
const ROUNDS: usize = 10;
/// Rounds after which the daemon has all the memory that it needs: what is kept of transactions that are over is there.
const WARM: usize = 3;
/// Calls at a time: twice as many as there are on a machine that keeps up, and fewer than there are ports for.
const CALLS_AT_ONCE: &str = "200";
/// Long enough for a round.
const ROUND: Duration = Duration::from_mins(2);
/// What the daemon may grow by after that.
const GROWTH_MAX_KIB: u64 = 16 << 10;

#[test]
fn a_thousand_calls_ten_times_leave_nothing_but_their_records() -> Result<()> {
    let mut plan = Plan::loopback()?;
    // Fewer pairs than calls: what is not given back is missed.
    plan.ports = 2000;
    let mut exchange = plan.start()?;
    let mut warm = 0;
    for round in 1..=ROUNDS {
        let pbx = exchange.callee(Who::Pbx, "uas", CALLS, &[])?;
        let carrier = exchange.caller(Who::Carrier, "uac", CALLS, &["-r", "200", "-l", CALLS_AT_ONCE, "-d", "500"])?;
        carrier.done(ROUND)?;
        pbx.done(ROUND)?;
        exchange.assert_idle(round * CALLS)?;
        if round == WARM {
            warm = exchange.resident_kib()?;
        }
    }
    let grown = exchange.resident_kib()?.saturating_sub(warm);
    assert!(grown < GROWTH_MAX_KIB, "the daemon has grown by {grown} KiB after round {WARM}");

    // No call is left in the database for the next daemon.
    exchange.daemon().kill9()?;
    exchange.restart()?;
    let lines = exchange.daemon().lines();
    assert!(!lines.iter().any(|line| line.contains("took up the calls")), "{lines:?}");
    exchange.assert_idle(ROUNDS * CALLS).map(drop)
}
