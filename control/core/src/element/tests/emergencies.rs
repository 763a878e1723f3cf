//! Calls that nobody monitors, whatever becomes of their numbers.

use super::*;
use crate::{
    call::Role,
    monitor::Monitoring,
    permission::{Facts, Sound},
};

/// From inside, a number with 0 in front leads outside, where its 0 is taken off.
fn office() -> Trunks {
    let mut trunks = trunks();
    trunks.routes[1].strip = 1;
    trunks
}

fn call(number: &str) -> Bench {
    let mut bench = Bench::with(office());
    bench.send(PBX, Draft { uri: format!("sip:{number}@{US}"), at: PBX, ..invite("1") }.text());
    let asked = bench.request(CARRIER);
    // The answer names somebody else.
    let answer = String::from_utf8(reply(&asked, 200, "b", CARRIER, &sdp("198.51.100.7:6000"))).expect("text");
    bench.send(CARRIER, answer.replacen("\r\n", "\r\nP-Asserted-Identity: <sip:+4930555@carrier>\r\n", 1));
    bench
}

fn is_emergency(bench: &Bench) -> bool {
    let call = bench.element.calls().next().expect("a call");
    Facts::of(call, Role::Caller, &Monitoring::default(), Sound::Mixable).is_emergency
}

#[test]
fn an_emergency_call_is_one_behind_its_route_and_after_its_answer() {
    let bench = call("0112");
    let party = bench.element.calls().next().expect("a call").leg(Role::Callee).party.number.clone();
    assert_eq!(party, "+4930555", "the answer says who it is");
    assert!(is_emergency(&bench));
    assert!(!is_emergency(&call("04711")));
}

#[test]
fn an_emergency_call_is_one_after_a_restart() {
    let mut bench = call("0112");
    bench.restart();
    assert!(is_emergency(&bench));
}
