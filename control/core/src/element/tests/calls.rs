//! Calls that are answered.

use super::*;
use crate::{
    call::{Phase, Role},
    sip::message::Method,
};

/// A call that is up: the INVITE as the PBX had it, and what the carrier was answered.
pub(crate) fn call_up(bench: &mut Bench) -> (Request, Response) {
    bench.send(CARRIER, invite("1").text());
    let invite = bench.request(PBX);
    bench.send(PBX, reply(&invite, 180, "bob", PBX, ""));
    assert_eq!(bench.response(CARRIER).status(), 180);
    bench.send(PBX, reply(&invite, 200, "bob", PBX, &sdp("203.0.113.7:6000")));
    let answer = bench.response(CARRIER);
    assert_eq!(answer.status(), 200);
    bench.send(CARRIER, within("ACK", "2", 1, &answer).text());
    let ack = bench.request(PBX);
    assert_eq!((ack.method(), ack.uri().to_bytes().as_ref()), (&Method::Ack, format!("sip:party@{PBX}").as_bytes()));
    (invite, answer)
}

/// A request of the carrier within its call.
pub(crate) fn within(method: &'static str, branch: &str, cseq: u32, answer: &Response) -> Draft {
    let route = answer.record_routes().iter().map(|uri| String::from_utf8_lossy(uri).into_owned()).collect::<Vec<_>>();
    let draft = Draft {
        method,
        uri: format!("sip:party@{PBX}"),
        to: "<sip:100@undertone.example>;tag=bob".into(),
        cseq,
        body: String::new(),
        ..invite(branch)
    };
    draft.with(format!("Route: <{}>", route.join(">, <")))
}

/// A request of the PBX within the call.
pub(crate) fn from_pbx(method: &'static str, branch: &str, cseq: u32, answer: &Response) -> Draft {
    let mut draft = within(method, branch, cseq, answer);
    std::mem::swap(&mut draft.from, &mut draft.to);
    Draft { uri: format!("sip:party@{CARRIER}"), at: PBX, ..draft }
}

#[test]
fn a_call_is_routed_anchored_and_ended() {
    let mut bench = Bench::new();
    let (invite, answer) = call_up(&mut bench);
    assert_eq!(invite.uri().to_bytes(), format!("sip:100@{}", socket(PBX).ip()).as_bytes());
    assert_eq!(invite.max_forwards, Some(69));
    assert_eq!(
        invite.body(),
        sdp("192.0.2.10:20002").replace("o=- 1 1 IN IP4 192.0.2.10", "o=- 1 1 IN IP4 198.51.100.7").as_bytes()
    );
    assert_eq!(
        answer.body(),
        sdp("192.0.2.10:20000").replace("o=- 1 1 IN IP4 192.0.2.10", "o=- 1 1 IN IP4 203.0.113.7").as_bytes()
    );

    let [rtp, rtcp] = bench.relays()[..] else { panic!("RTP and RTCP, not {:?}", bench.relays()) };
    assert_eq!((rtp.a.local, rtp.a.peer), (socket("192.0.2.10:20000"), socket("198.51.100.7:4000")));
    assert_eq!((rtp.b.local, rtp.b.peer), (socket("192.0.2.10:20002"), socket("203.0.113.7:6000")));
    assert_eq!((rtcp.a.local, rtcp.a.peer), (socket("192.0.2.10:20001"), socket("198.51.100.7:4001")));
    let call = bench.element.calls().next().expect("a call");
    assert_eq!((call.phase, call.leg(Role::Caller).party.name.as_str()), (Phase::Up, "Ann"));

    bench.wait(Duration::from_secs(10));
    bench.send(CARRIER, within("BYE", "3", 2, &answer).text());
    let bye = bench.request(PBX);
    assert_eq!(bye.method(), &Method::Bye);
    bench.send(PBX, reply(&bye, 200, "bob", PBX, ""));
    assert_eq!((bench.response(CARRIER).status(), bench.relays().len()), (200, 0));
    let [record] = &bench.records[..] else { panic!("one record") };
    assert_eq!((record.peers.clone(), record.cause.by), (["carrier".into(), "pbx".into()], Some(Role::Caller)));
    assert_eq!(record.lasted_ns, 10_000_000_000);
    bench.assert_idle();
}

#[test]
fn what_is_not_ours_to_change_arrives_as_it_was_sent() {
    let mut bench = Bench::new();
    let odd = ["X-Odd:   kept  as it is", "s: compact", "P-Asserted-Identity: <tel:+4930>", "X-Latin: J\u{f6}rg"];
    let sent = odd.iter().fold(invite("1"), |draft, header| draft.with(*header)).text();
    bench.send(CARRIER, &sent);
    let got = bench.request(PBX).to_bytes();
    let got = String::from_utf8_lossy(&got).into_owned();
    let ours = |line: &&str| {
        !["INVITE ", "Via: ", "Record-Route: ", "Max-Forwards: ", "Content-Length: ", "c=", "m="]
            .iter()
            .any(|it| line.starts_with(it))
    };
    let [sent, got] = [&sent, &got].map(|text| text.split("\r\n").filter(ours).collect::<Vec<_>>());
    assert_eq!(got, sent);
}

#[test]
fn either_party_may_put_the_call_on_hold_and_take_it_back() {
    let mut bench = Bench::new();
    let (_, answer) = call_up(&mut bench);
    let before = bench.relays();
    let hold = Draft { body: sdp("203.0.113.7:6000") + "a=sendonly\r\n", ..from_pbx("INVITE", "h", 1, &answer) };
    bench.send(PBX, hold.text());
    let offer = bench.request(CARRIER);
    assert!(offer.body().ends_with(b"a=sendonly\r\n"), "{}", String::from_utf8_lossy(offer.body()));
    assert!(offer.body().windows(12).any(|it| it == b"audio 20000 "), "the port stays");
    bench.send(CARRIER, reply(&offer, 200, "ann", CARRIER, &(sdp("198.51.100.7:4100") + "a=recvonly\r\n")));
    assert_eq!(bench.response(PBX).status(), 200);
    assert_eq!(bench.relays()[0].a.peer, socket("198.51.100.7:4100"), "the carrier has moved");
    assert_eq!(bench.relays()[0].b, before[0].b);
    bench.send(PBX, from_pbx("ACK", "h2", 1, &answer).text());
    assert_eq!(bench.request(CARRIER).method(), &Method::Ack);
}

#[test]
fn an_offer_that_is_refused_changes_nothing() {
    let mut bench = Bench::new();
    let (_, answer) = call_up(&mut bench);
    let before = bench.relays();
    bench.send(CARRIER, Draft { body: sdp("198.51.100.9:7000"), ..within("INVITE", "r", 2, &answer) }.text());
    let offer = bench.request(PBX);
    // A second one meanwhile has to wait.
    bench.send(PBX, Draft { body: sdp("203.0.113.9:8000"), ..from_pbx("INVITE", "g", 1, &answer) }.text());
    assert_eq!(bench.response(PBX).status(), 491);
    bench.heard(CARRIER);
    bench.send(PBX, reply(&offer, 488, "bob", PBX, ""));
    assert_eq!(bench.response(CARRIER).status(), 488);
    assert_eq!(bench.request(PBX).method(), &Method::Ack, "we acknowledge a failure hop by hop");
    assert_eq!(bench.relays(), before);
}

#[test]
fn a_caller_without_an_offer_gets_one_and_answers_in_its_ack() {
    let mut bench = Bench::new();
    bench.send(CARRIER, Draft { body: String::new(), ..invite("1") }.text());
    let invite = bench.request(PBX);
    assert_eq!(invite.body(), b"");
    bench.send(PBX, reply(&invite, 200, "bob", PBX, &sdp("203.0.113.7:6000")));
    let offer = bench.response(CARRIER);
    assert!(offer.body().windows(12).any(|it| it == b"audio 20000 "));
    assert_eq!(bench.relays(), [], "nobody has answered");
    bench.send(CARRIER, Draft { body: sdp("198.51.100.7:4000"), ..within("ACK", "2", 1, &offer) }.text());
    assert!(bench.request(PBX).body().windows(12).any(|it| it == b"audio 20002 "));
    assert_eq!(bench.relays()[0].a.peer, socket("198.51.100.7:4000"));
    bench.send(CARRIER, within("BYE", "3", 2, &offer).text());
    let bye = bench.request(PBX);
    bench.send(PBX, reply(&bye, 200, "bob", PBX, ""));
    bench.assert_idle();
}

#[test]
fn a_second_callee_that_answers_is_told_that_it_is_too_late() {
    let mut bench = Bench::new();
    let (invite, _) = call_up(&mut bench);
    let relays = bench.relays();
    bench.send(PBX, reply(&invite, 200, "eve", PBX, &sdp("203.0.113.99:6000")));
    assert_eq!(bench.heard(CARRIER).len(), 0, "the caller hears nothing of it");
    let heard = bench.heard(PBX);
    let [Message::Request(ack), Message::Request(bye)] = &heard[..] else { panic!("{}", summary(&heard)) };
    assert_eq!([ack.method(), bye.method()], [&Method::Ack, &Method::Bye]);
    assert_eq!(bye.to_tag.as_deref(), Some(&b"eve"[..]));
    assert_eq!((bench.relays(), bench.element.counters().forks), (relays, 1));
}

#[test]
fn an_answer_that_is_repeated_is_repeated_to_the_caller() {
    let mut bench = Bench::new();
    let (invite, answer) = call_up(&mut bench);
    bench.send(PBX, reply(&invite, 200, "bob", PBX, &sdp("203.0.113.7:6000")));
    assert_eq!(bench.response(CARRIER).to_bytes(), answer.to_bytes());
}

#[test]
fn a_call_outlives_the_daemon_and_is_ended_and_recorded_by_the_next() {
    let mut bench = Bench::new();
    let (_, answer) = call_up(&mut bench);
    let (before, id) = (bench.relays(), bench.element.calls().next().expect("a call").id);
    bench.wait(Duration::from_secs(3));
    bench.restart();
    assert_eq!((bench.relays(), bench.element.ports_used().0), (before, 2));
    let hold = Draft { body: sdp("203.0.113.7:6002"), ..from_pbx("INVITE", "h", 1, &answer) };
    bench.send(PBX, hold.text());
    let offer = bench.request(CARRIER);
    bench.send(CARRIER, reply(&offer, 200, "ann", CARRIER, &sdp("198.51.100.7:4000")));
    assert_eq!((bench.response(PBX).status(), bench.relays()[0].b.peer), (200, socket("203.0.113.7:6002")));
    bench.send(CARRIER, within("BYE", "3", 2, &answer).text());
    let bye = bench.request(PBX);
    bench.send(PBX, reply(&bye, 200, "bob", PBX, ""));
    assert_eq!(bench.response(CARRIER).status(), 200);
    let [record] = &bench.records[..] else { panic!("one record") };
    assert_eq!((record.id, record.lasted_ns, record.parties[0].name.as_str()), (id, 3_000_000_000, "Ann"));
    bench.assert_idle();
}

#[test]
fn an_operator_ends_a_call_and_both_parties_hear_of_it() {
    let mut bench = Bench::new();
    call_up(&mut bench);
    let id = bench.element.calls().next().expect("a call").id;
    bench.element.end_call(bench.now, id, crate::call::Cause::by_us(480, "Ended by the Operator"));
    bench.drain();
    let (to_carrier, to_pbx) = (bench.request(CARRIER), bench.request(PBX));
    for (bye, from, to) in [(&to_carrier, "bob", "ann"), (&to_pbx, "ann", "bob")] {
        assert_eq!(
            (bye.method(), bye.from_tag.as_ref(), bye.to_tag.as_deref()),
            (&Method::Bye, from.as_bytes(), Some(to.as_bytes()))
        );
    }
    assert_eq!(to_pbx.cseq, 2, "behind the caller's INVITE");
    bench.send(CARRIER, reply(&to_carrier, 200, "ann", CARRIER, ""));
    bench.send(PBX, reply(&to_pbx, 481, "bob", PBX, ""));
    bench.assert_idle();
}
