use undertone_core::{Clock, End, Kind, Policy};

use super::*;

fn ours(port: u16) -> SocketAddr {
    SocketAddr::from(([10, 0, 0, 1], port))
}

fn party(port: u16) -> SocketAddr {
    SocketAddr::from(([10, 9, 0, 1], port))
}

fn end(port: u16) -> End {
    End { local: ours(port), peer: party(port), learn: Policy::Strict, sends: true, dscp: None }
}

fn configured(a: u16, b: u16) -> StaticRelay {
    let relay = Relay { a: end(a), b: end(b), kind: Kind::Rtp, clock: Clock::Hz8000 };
    StaticRelay { relay, from_a: Extras::default(), from_b: Extras::default(), line: 1 }
}

/// The streams of relays, as the data plane would report them.
fn reports(relays: &[StaticRelay]) -> Vec<StreamReport> {
    let stream = |relay: &StaticRelay, end: End, other: End| {
        let extras = relay.extras(end.local).expect("one of its ends");
        StreamReport {
            at: end.local,
            peer: end.peer,
            from: other.local,
            to: other.peer,
            kind: relay.relay.kind,
            clock: relay.relay.clock,
            forward: end.sends,
            divert: extras.divert,
            sequence_offset: 0,
            copies: extras.copies.iter().zip(0..).map(|(to, id)| (CopyId(id), MonitorPort::Network(*to))).collect(),
            statistics: undertone_abi::Statistics::default(),
        }
    };
    let both = |it: &StaticRelay| [stream(it, it.relay.a, it.relay.b), stream(it, it.relay.b, it.relay.a)];
    relays.iter().flat_map(both).collect()
}

#[test]
fn what_is_as_it_should_be_is_left_alone() {
    let mut relays = vec![configured(20_000, 20_002), configured(20_004, 20_006)];
    relays[0].from_a = Extras { copies: vec![party(9)], divert: true };
    assert_eq!(steps(&relays, &relays, &reports(&relays)), []);
}

#[test]
fn the_first_start_adds_everything() {
    let mut relay = configured(20_000, 20_002);
    relay.from_b = Extras { copies: vec![party(9), party(10)], divert: true };
    let at = ours(20_002);
    let expected = [
        Step::Add(relay.relay),
        Step::AddCopy { at, to: party(9) },
        Step::AddCopy { at, to: party(10) },
        Step::Divert { at, on: true },
    ];
    assert_eq!(steps(&[], std::slice::from_ref(&relay), &[]), expected);
    // What has ended at run time comes back, whatever was configured before.
    assert_eq!(steps(std::slice::from_ref(&relay), std::slice::from_ref(&relay), &[]), expected);
}

#[test]
fn what_the_file_changes_is_changed_and_what_it_drops_is_removed() {
    let before = [configured(20_000, 20_002), configured(20_004, 20_006)];
    let mut changed = configured(20_000, 20_002);
    changed.relay.a.peer = party(7);
    let steps = steps(&before, std::slice::from_ref(&changed), &reports(&before));
    assert_eq!(steps, [Step::Remove { at: ours(20_004) }, Step::Change(changed.relay)]);
}

#[test]
fn an_adopted_relay_of_unknown_origin_is_made_what_the_file_says() {
    let relay = configured(20_000, 20_002);
    let steps = steps(&[], std::slice::from_ref(&relay), &reports(std::slice::from_ref(&relay)));
    assert_eq!(steps, [Step::Change(relay.relay)]);
}

#[test]
fn the_names_of_the_ends_do_not_matter() {
    let relay = configured(20_000, 20_002);
    let mut turned = relay.clone();
    (turned.relay.a, turned.relay.b) = (relay.relay.b, relay.relay.a);
    let running = reports(std::slice::from_ref(&relay));
    assert_eq!(steps(&[relay], &[turned], &running), []);
}

#[test]
fn what_was_added_at_run_time_stays_until_its_port_is_needed() {
    let at_run_time = [configured(20_000, 20_002)];
    let elsewhere = configured(20_004, 20_006);
    let running = reports(&at_run_time);
    assert_eq!(steps(&[], std::slice::from_ref(&elsewhere), &running), [Step::Add(elsewhere.relay)]);
    let there = configured(20_002, 20_004);
    let expected = [Step::Remove { at: ours(20_000) }, Step::Add(there.relay)];
    assert_eq!(steps(&[], &[there], &running), expected);
}

#[test]
fn ports_may_be_dealt_anew() {
    let before = [configured(20_000, 20_002), configured(20_004, 20_006)];
    let wanted = [configured(20_000, 20_006), configured(20_004, 20_002)];
    let expected = [
        Step::Remove { at: ours(20_000) },
        Step::Remove { at: ours(20_004) },
        Step::Add(wanted[0].relay),
        Step::Add(wanted[1].relay),
    ];
    assert_eq!(steps(&before, &wanted, &reports(&before)), expected);
}

#[test]
fn copies_and_diverts_of_run_time_stay_and_those_of_the_file_follow_it() {
    let mut before = configured(20_000, 20_002);
    before.from_a.copies = vec![party(1), party(2)];
    before.from_b.divert = true;
    let mut wanted = configured(20_000, 20_002);
    wanted.from_a.copies = vec![party(2), party(3)];
    let mut now = before.clone();
    now.from_a.copies = vec![party(1), party(2), party(77)];
    now.from_a.divert = true;
    let steps = steps(&[before], &[wanted], &reports(&[now]));
    let expected = [
        Step::RemoveCopy { at: ours(20_000), id: CopyId(0), to: MonitorPort::Network(party(1)) },
        Step::AddCopy { at: ours(20_000), to: party(3) },
        Step::Divert { at: ours(20_002), on: false },
    ];
    assert_eq!(steps, expected);
}

#[test]
fn copies_to_a_mixer_that_is_gone_are_leftovers() {
    let mut running = reports(&[configured(20_000, 20_002)]);
    running[1].copies = vec![(CopyId(4), MonitorPort::Mixer(5000)), (CopyId(5), MonitorPort::Network(party(1)))];
    let expected = [Step::RemoveCopy { at: ours(20_002), id: CopyId(4), to: MonitorPort::Mixer(5000) }];
    assert_eq!(leftovers(&running), expected);
}
