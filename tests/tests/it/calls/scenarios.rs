//! What parties do in calls, from the first ringing to the last BYE.

use std::time::Duration;

use undertone_tests::{Result, lab::Family};

use super::{
    exchange::{Exchange, Line, Over, Plan},
    ground::{Ground, Who},
};

/// Long enough for a few calls that nothing goes wrong in.
pub(super) const CALL: Duration = Duration::from_secs(30);

impl Exchange {
    /// A call from the carrier to the PBX, by a pair of scenarios.
    pub(super) fn call(&self, caller: &str, callee: &str) -> Result<()> {
        let pbx = self.callee(Who::Pbx, callee, 1, &[])?;
        let carrier = self.caller(Who::Carrier, caller, 1, &["-d", "300"])?;
        carrier.done(CALL)?;
        pbx.done(CALL)
    }
}

/// A call by a pair of scenarios on a network, after which nothing is left but a record with this status.
fn check(ground: Ground, caller: &str, callee: &str, status: u16) -> Result<()> {
    let lines = [(Family::V4, Over::Udp); 2];
    let exchange = Plan::on(ground, lines).start()?;
    exchange.call(caller, callee)?;
    let records = exchange.assert_idle(1)?;
    assert_eq!((&records[0]["status"], &records[0]["dialled"]), (&status.into(), &"100".into()), "{}", records[0]);
    Ok(())
}

#[test]
fn a_call_is_answered_and_ended() -> Result<()> {
    check(Ground::loopback()?, "uac", "uas", 200)
}

#[test]
fn a_caller_gives_up_while_it_rings() -> Result<()> {
    check(Ground::loopback()?, "uac_cancel", "uas_cancel", 487)
}

#[test]
fn a_caller_hears_its_callee_before_the_answer() -> Result<()> {
    check(Ground::loopback()?, "uac_early", "uas_early", 200)
}

#[test]
fn a_callee_is_put_on_hold_and_taken_back() -> Result<()> {
    check(Ground::loopback()?, "uac_hold", "uas_hold", 200)
}

#[test]
fn a_caller_without_an_offer_answers_in_its_ack() -> Result<()> {
    check(Ground::loopback()?, "uac_late", "uas_late", 200)
}

#[test]
fn ringing_is_acknowledged_and_media_updated_before_and_after_the_answer() -> Result<()> {
    check(Ground::loopback()?, "uac_prack", "uas_prack", 200)
}

#[test]
fn a_call_goes_to_the_next_peer_when_one_takes_none() -> Result<()> {
    let exchange = Plan::loopback()?.with_spare().start()?;
    let busy = exchange.callee(Who::Pbx, "uas_busy", 1, &[])?;
    let spare = exchange.callee(Who::Spare, "uas", 1, &[])?;
    exchange.caller(Who::Carrier, "uac", 1, &["-d", "300"])?.done(CALL)?;
    busy.done(CALL)?;
    spare.done(CALL)?;
    let records = exchange.assert_idle(1)?;
    assert_eq!(records[0]["callee"]["peer"], "spare", "{}", records[0]);
    Ok(())
}

#[test]
fn a_call_goes_to_the_next_peer_at_once_when_one_cannot_be_connected_to() -> Result<()> {
    let mut plan = Plan::loopback()?.with_spare();
    plan.lines[1] = Line::new(Who::Pbx, Family::V4, Over::Tcp);
    let exchange = plan.start()?;
    let spare = exchange.callee(Who::Spare, "uas", 1, &[])?;
    exchange.caller(Who::Carrier, "uac", 1, &["-d", "300"])?.done(CALL)?;
    spare.done(CALL)?;
    let records = exchange.assert_idle(1)?;
    assert!(records[0]["answered_ms"].as_u64() < Some(5000), "{}", records[0]);
    Ok(())
}

#[test]
fn what_is_lost_is_sent_again() -> Result<()> {
    const CALLS: usize = 20;
    let exchange = Plan::loopback()?.start()?;
    let pbx = exchange.callee(Who::Pbx, "uas_lossy", CALLS, &["-lost", "10"])?;
    let carrier = exchange.caller(Who::Carrier, "uac_lossy", CALLS, &["-lost", "10", "-r", "10", "-d", "2000"])?;
    carrier.done(Duration::from_mins(2))?;
    pbx.done(Duration::from_mins(2))?;
    exchange.assert_idle(CALLS).map(drop)
}

mod privileged {
    use super::*;

    #[test]
    fn calls_go_over_xdp_as_they_do_over_sockets() -> Result<()> {
        let exchange = Plan::on(Ground::lab()?, [(Family::V4, Over::Udp); 2]).start()?;
        let scenarios = [
            ("uac", "uas"),
            ("uac_cancel", "uas_cancel"),
            ("uac_early", "uas_early"),
            ("uac_hold", "uas_hold"),
            ("uac_late", "uas_late"),
            ("uac_prack", "uas_prack"),
        ];
        for (count, (caller, callee)) in (1..).zip(scenarios) {
            exchange.call(caller, callee)?;
            exchange.assert_idle(count)?;
        }
        Ok(())
    }
}
