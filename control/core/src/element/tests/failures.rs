//! Calls that are not.

use super::*;
use crate::{call::Role, sip::message::Method};

#[test]
fn a_peer_that_fails_is_followed_by_the_next_and_the_failure_goes_to_the_caller() {
    let mut bench = Bench::new();
    bench.send(CARRIER, invite("1").text());
    let first = bench.request(PBX);
    bench.send(PBX, reply(&first, 503, "x", PBX, ""));
    assert_eq!(bench.request(PBX).method(), &Method::Ack);
    let second = bench.request(PBX_2);
    assert_eq!(second.body(), first.body(), "the same media ports");
    bench.send(PBX_2, reply(&second, 500, "y", PBX_2, ""));
    assert_eq!(bench.response(CARRIER).status(), 500);
    assert_eq!((bench.records[0].cause.status, bench.element.counters().failovers), (500, 1));
    bench.assert_idle();
}

#[test]
fn of_several_failures_the_caller_has_the_best_as_it_came() {
    for (first, second, told, cause) in [
        (500, 503, 500, 500),
        (503, 500, 500, 500),
        (503, 503, 500, 503),
        (480, 500, 480, 480),
        (500, 480, 480, 480),
        (503, 486, 486, 486),
        (480, 486, 486, 486),
        (480, 603, 603, 603),
        (480, 407, 407, 407),
        (302, 480, 302, 302),
    ] {
        let mut bench = Bench::new();
        bench.send(CARRIER, invite("1").text());
        for (at, status, tag) in [(PBX, first, "x"), (PBX_2, second, "y")] {
            let heard = bench.heard(at);
            let Some(Message::Request(asked)) = heard.first() else { panic!("{}", summary(&heard)) };
            let text = String::from_utf8(reply(asked, status, tag, at, "")).expect("text");
            bench.send(at, text.replacen("\r\n", &format!("\r\nX-From: {at}\r\n"), 1));
        }
        let response = bench.response(CARRIER);
        let by = bench.records[0].cause.clone();
        assert_eq!((response.status(), by.status, by.by), (told, cause, Some(Role::Callee)), "{first}, then {second}");
        let whose = if told == first { PBX } else { PBX_2 };
        let from = (cause != 503).then(|| whose.as_bytes().to_vec());
        assert_eq!(response.header("X-From").map(|it| it.to_vec()), from, "{first}, then {second}");
        bench.heard(PBX);
        bench.heard(PBX_2);
        bench.send(CARRIER, Draft { method: "ACK", body: String::new(), ..invite("1") }.text());
        bench.assert_idle();
    }
}

#[test]
fn a_peer_that_is_silent_has_timed_out_which_is_better_than_one_that_is_out_of_service() {
    let mut bench = Bench::new();
    bench.send(CARRIER, invite("1").text());
    bench.wait(Duration::from_secs(33));
    let heard = bench.heard(PBX_2);
    let Some(Message::Request(second)) = heard.first() else { panic!("{}", summary(&heard)) };
    bench.send(PBX_2, reply(second, 503, "y", PBX_2, ""));
    assert_eq!(bench.response(CARRIER).status(), 408, "the lowest class");
    assert_eq!((bench.records[0].cause.status, bench.records[0].cause.by), (408, None));
}

#[test]
fn a_callee_that_is_busy_is_busy() {
    let mut bench = Bench::new();
    bench.send(CARRIER, invite("1").text());
    let first = bench.request(PBX);
    bench.send(PBX, reply(&first, 486, "x", PBX, ""));
    assert_eq!((bench.response(CARRIER).status(), bench.heard(PBX_2).len()), (486, 0));
    assert_eq!(bench.records[0].cause.by, Some(Role::Callee));
    bench.assert_idle();
}

#[test]
fn a_silent_peer_is_given_up_and_the_next_one_tried() {
    let mut bench = Bench::new();
    bench.send(CARRIER, invite("1").text());
    bench.wait(Duration::from_secs(31));
    assert_eq!(bench.heard(PBX).len(), 6, "sent at 0, 0.5, 1.5, 3.5, 7.5 and 15.5 s");
    bench.wait(Duration::from_secs(1));
    assert_eq!(bench.request(PBX_2).method(), &Method::Invite);
    bench.heard(CARRIER);
    bench.wait(Duration::from_secs(32));
    assert_eq!(bench.response(CARRIER).status(), 408);
}

#[test]
fn a_peer_that_cannot_be_reached_is_followed_by_the_next_at_once() {
    let mut bench = Bench::new();
    bench.send(CARRIER, invite("1").text());
    let first = bench.request(PBX);
    bench.unreachable(PBX);
    let second = bench.request(PBX_2);
    assert_eq!(second.body(), first.body(), "the same media ports");
    bench.unreachable(PBX_2);
    assert_eq!(bench.response(CARRIER).status(), 500, "other calls may do better");
    assert_eq!((bench.records[0].cause.status, bench.records[0].cause.by), (503, None));
    bench.assert_idle();
}

#[test]
fn a_peer_that_was_heard_of_is_not_given_up_with_a_connection() {
    let mut bench = Bench::new();
    bench.send(CARRIER, invite("1").text());
    let asked = bench.request(PBX);
    bench.send(PBX, reply(&asked, 180, "bob", PBX, ""));
    assert_eq!(bench.response(CARRIER).status(), 180);
    bench.unreachable(PBX);
    assert_eq!((bench.heard(CARRIER).len(), bench.heard(PBX_2).len()), (0, 0));
    bench.send(PBX, reply(&asked, 200, "bob", PBX, &sdp("203.0.113.7:6000")));
    assert_eq!(bench.response(CARRIER).status(), 200);
}

#[test]
fn a_caller_that_gives_up_is_answered_and_the_callee_is_told() {
    let mut bench = Bench::new();
    bench.send(CARRIER, invite("1").text());
    let asked = bench.request(PBX);
    // Before anything is heard of the callee, a CANCEL could overtake the INVITE.
    bench.send(CARRIER, Draft { method: "CANCEL", body: String::new(), ..invite("1") }.text());
    let heard = bench.heard(CARRIER);
    let statuses: Vec<_> =
        heard.iter().filter_map(|it| if let Message::Response(it) = it { Some(it.status()) } else { None }).collect();
    assert_eq!(statuses, [100, 200, 487]);
    assert_eq!(bench.heard(PBX).len(), 0);
    bench.send(PBX, reply(&asked, 180, "bob", PBX, ""));
    let cancel = bench.request(PBX);
    assert_eq!((cancel.method(), &cancel.via.branch), (&Method::Cancel, &asked.via.branch));
    bench.send(PBX, reply(&cancel, 200, "bob", PBX, ""));
    bench.send(PBX, reply(&asked, 487, "bob", PBX, ""));
    assert_eq!(bench.request(PBX).method(), &Method::Ack);
    bench.send(
        CARRIER,
        Draft { method: "ACK", body: String::new(), to: "<sip:100@undertone.example>;tag=x".into(), ..invite("1") }
            .text(),
    );
    assert_eq!(bench.records[0].cause.status, 487);
    bench.assert_idle();
}

#[test]
fn an_answer_that_crosses_a_cancel_is_accepted_and_ended() {
    let mut bench = Bench::new();
    bench.send(CARRIER, invite("1").text());
    let asked = bench.request(PBX);
    bench.send(PBX, reply(&asked, 180, "bob", PBX, ""));
    bench.send(CARRIER, Draft { method: "CANCEL", body: String::new(), ..invite("1") }.text());
    assert_eq!(bench.request(PBX).method(), &Method::Cancel);
    bench.heard(CARRIER);
    bench.send(PBX, reply(&asked, 200, "bob", PBX, &sdp("203.0.113.7:6000")));
    let heard = bench.heard(PBX);
    let [Message::Request(ack), Message::Request(bye)] = &heard[..] else { panic!("{}", summary(&heard)) };
    assert_eq!([ack.method(), bye.method()], [&Method::Ack, &Method::Bye]);
    bench.send(PBX, reply(bye, 200, "bob", PBX, ""));
    bench.assert_idle();
}

#[test]
fn a_callee_rings_only_so_long() {
    let mut bench = Bench::new();
    bench.send(CARRIER, invite("1").text());
    let asked = bench.request(PBX);
    bench.send(PBX, reply(&asked, 180, "bob", PBX, ""));
    bench.wait(Duration::from_secs(100));
    bench.send(PBX, reply(&asked, 180, "bob", PBX, ""));
    bench.heard(CARRIER);
    bench.wait(Duration::from_secs(184));
    assert_eq!(bench.heard(PBX).len(), 0);
    bench.wait(Duration::from_millis(1200));
    let heard = bench.heard(PBX);
    assert!(matches!(&heard[0], Message::Request(it) if *it.method() == Method::Cancel), "{}", summary(&heard));
    assert_eq!(bench.response(CARRIER).status(), 408);
}

#[test]
fn what_cannot_be_is_answered_with_its_reason() {
    let cases: [(Draft, u16); 6] = [
        (invite("1").with("Proxy-Require: sec-agree"), 420),
        (Draft { uri: "mailto:ann@example.com".into(), ..invite("1") }, 416),
        (Draft { body: sdp("127.0.0.1:4000"), ..invite("1") }, 488),
        (Draft { body: sdp("192.0.2.10:4000"), ..invite("1") }, 488),
        (Draft { to: "<sip:100@undertone.example>;tag=nobody".into(), ..invite("1") }, 481),
        (Draft { method: "REGISTER", ..invite("1") }, 405),
    ];
    for (draft, status) in cases {
        let mut bench = Bench::new();
        bench.send(CARRIER, draft.text());
        assert_eq!(bench.response(CARRIER).status(), status, "{}", draft.text());
        assert_eq!(bench.heard(PBX).len(), 0);
        bench.wait(Duration::from_secs(40));
        bench.assert_idle();
    }
}

#[test]
fn without_a_media_port_a_call_is_refused_and_the_others_go_on() {
    let mut bench = Bench::new();
    for call in 0..10 {
        let text = invite(&format!("n{call}")).text().replace("call-1", &format!("call-{call}"));
        bench.send(CARRIER, text);
    }
    assert_eq!((bench.heard(PBX).len(), bench.element.ports_used()), (10, (20, 20)));
    bench.heard(CARRIER);
    bench.send(CARRIER, invite("full").text().replace("call-1", "call-11"));
    let refused = bench.response(CARRIER);
    assert_eq!((refused.status(), refused.reason().as_ref()), (503, "No Media Port"));
    assert_eq!((bench.element.calls().count(), bench.element.counters().no_port), (10, 1));
}

#[test]
fn a_peer_has_so_many_calls_and_no_more() {
    let mut few = trunks();
    few.peers[0].calls_max = Some(1);
    let mut bench = Bench::with(few);
    bench.send(CARRIER, invite("1").text());
    bench.heard(CARRIER);
    bench.send(CARRIER, invite("2").text().replace("call-1", "call-2"));
    let refused = bench.response(CARRIER);
    assert_eq!((refused.status(), refused.reason().as_ref()), (503, "Too Many Calls of This Peer"));
}

#[test]
fn strangers_hear_nothing() {
    let mut bench = Bench::new();
    bench.send("198.51.100.99:5060", invite("1").text());
    bench.send("198.51.100.99:5060", b"\0\xff");
    assert_eq!((bench.sent.len(), bench.element.counters().strangers), (0, 2));
}

#[test]
fn what_cannot_be_read_is_answered_once_it_says_where() {
    let mut bench = Bench::new();
    bench.send(CARRIER, invite("1").text().replace("Max-Forwards: 70", "Max-Forwards: many"));
    let refused = bench.response(CARRIER);
    assert_eq!((refused.status(), refused.reason().as_ref()), (400, "Bad Max-Forwards"));
    bench.send(CARRIER, "INVITE sip:100@x SIP/2.0\r\n\r\n");
    assert_eq!(bench.heard(CARRIER).len(), 0);
}

#[test]
fn a_route_of_ours_above_one_that_cannot_be_read_is_refused() {
    let mut bench = Bench::new();
    let routed = invite("1").with(format!("Route: <sip:{US};lr>")).with("Route: <nothing");
    bench.send(CARRIER, routed.text());
    let refused = bench.response(CARRIER);
    assert_eq!((refused.status(), refused.reason().as_ref()), (400, "Bad Route"));
    assert_eq!(bench.heard(PBX).len(), 0);
}
