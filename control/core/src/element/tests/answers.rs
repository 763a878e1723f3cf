//! What callees answer, and how much of it is for the caller; and who is not asked at all.

use super::{
    calls::{call_up, within},
    *,
};

/// What the caller gets for what the callee answers, with these headers.
fn answered(status: u16, headers: &[&str]) -> (Bench, Response) {
    let mut bench = Bench::new();
    bench.send(CARRIER, invite("1").text());
    let asked = bench.request(PBX);
    let text = String::from_utf8(reply(&asked, status, "bob", PBX, "")).expect("text");
    bench.send(PBX, text.replacen("CSeq:", &format!("{}\r\nCSeq:", headers.join("\r\n")), 1));
    bench.heard(PBX);
    let response = bench.response(CARRIER);
    (bench, response)
}

#[test]
fn a_challenge_reaches_the_caller_which_calls_again() {
    for (status, header) in [(401, "WWW-Authenticate"), (407, "Proxy-Authenticate")] {
        let line = format!("{header}: Digest realm=\"pbx\", nonce=\"1\"");
        let (mut bench, challenge) = answered(status, &[&line]);
        assert_eq!((challenge.status(), challenge.header(header).is_some()), (status, true));
        bench.send(CARRIER, Draft { method: "ACK", body: String::new(), ..invite("1") }.text());
        bench.send(CARRIER, Draft { cseq: 2, ..invite("2") }.with("Authorization: Digest x=\"y\"").text());
        let again = bench.request(PBX);
        assert_eq!((again.cseq, again.header("Authorization").is_some()), (2, true));
    }
}

#[test]
fn session_timers_are_the_parties_own_affair() {
    let (_, small) = answered(422, &["Min-SE: 1800"]);
    assert_eq!((small.status(), small.header("Min-SE").as_deref()), (422, Some(&b"1800"[..])));
    let mut bench = Bench::new();
    let timer = "Session-Expires: 1800;refresher=uac";
    bench.send(CARRIER, invite("1").with(timer).with("Supported: timer").text());
    let asked = bench.request(PBX);
    assert_eq!(asked.header("Session-Expires").as_deref(), Some(&b"1800;refresher=uac"[..]));
    let answer = String::from_utf8(reply(&asked, 200, "bob", PBX, &sdp("203.0.113.7:6000"))).expect("text");
    bench.send(PBX, answer.replacen("CSeq:", "Require: timer\r\nx: 900\r\nCSeq:", 1));
    assert_eq!(bench.response(CARRIER).header("Session-Expires").as_deref(), Some(&b"900"[..]));
}

#[test]
fn a_redirection_is_followed_by_the_next_peer_and_without_one_the_caller_hears_of_it() {
    let (mut bench, moved) = {
        let mut bench = Bench::new();
        bench.send(CARRIER, invite("1").text());
        let asked = bench.request(PBX);
        bench.send(PBX, reply(&asked, 302, "bob", "203.0.113.77:5060", ""));
        let asked = bench.request(PBX_2);
        bench.send(PBX_2, reply(&asked, 302, "bob", "203.0.113.77:5060", ""));
        let moved = bench.response(CARRIER);
        (bench, moved)
    };
    assert_eq!(moved.status(), 302);
    assert_eq!(moved.header("Contact").as_deref(), Some(&b"<sip:party@203.0.113.77:5060>"[..]));
    bench.assert_idle();
}

#[test]
fn a_response_that_has_lost_its_way_back_is_not_one() {
    let mut bench = Bench::new();
    bench.send(CARRIER, invite("1").text());
    let asked = bench.request(PBX);
    let text = String::from_utf8(reply(&asked, 200, "bob", PBX, "")).expect("text");
    let second = text.match_indices("Via:").nth(1).expect("two").0;
    bench.send(PBX, format!("{}X-{}", &text[..second], &text[second..]));
    assert_eq!((bench.element.counters().strays, bench.element.counters().answered), (1, 0));
}

#[test]
fn there_are_so_many_calls_and_no_more() {
    let mut trunks = trunks();
    trunks.calls_max = Some(1);
    let mut bench = Bench::with(trunks);
    let (_, answer) = call_up(&mut bench);
    bench.send(CARRIER, invite("2").text().replace("call-1", "call-2"));
    let refused = bench.response(CARRIER);
    assert_eq!((refused.status(), refused.reason().as_ref()), (503, "Too Many Calls"));
    assert_eq!((refused.header("Retry-After").is_some(), bench.heard(PBX).len()), (true, 0));
    bench.send(CARRIER, within("BYE", "b", 2, &answer).text());
    let bye = bench.request(PBX);
    bench.send(PBX, reply(&bye, 200, "bob", PBX, ""));
    bench.heard(CARRIER);
    bench.send(CARRIER, invite("3").text().replace("call-1", "call-3"));
    assert_eq!(bench.heard(PBX).len(), 1);
}

#[test]
fn a_peer_that_has_all_the_calls_it_may_have_is_passed_over() {
    let mut trunks = trunks();
    trunks.peers[1].calls_max = Some(1);
    trunks.peers[2].calls_max = Some(1);
    let mut bench = Bench::with(trunks);
    for (call, peer) in [("call-1", PBX), ("call-2", PBX_2)] {
        bench.send(CARRIER, invite(call).text().replace("call-1", call));
        assert_eq!(bench.heard(peer).len(), 1);
    }
    bench.heard(CARRIER);
    bench.send(CARRIER, invite("3").text().replace("call-1", "call-3"));
    assert_eq!(bench.response(CARRIER).status(), 503);
    assert_eq!((bench.element.calls_of(PeerIndex(1)), bench.element.calls_of(PeerIndex(2))), (1, 1));
}

#[test]
fn while_we_drain_calls_go_on_and_none_begins() {
    let mut bench = Bench::new();
    let (_, answer) = call_up(&mut bench);
    bench.element.set_draining(true);
    bench.send(CARRIER, invite("2").text().replace("call-1", "call-2"));
    let refused = bench.response(CARRIER);
    assert_eq!((refused.status(), refused.reason().as_ref()), (503, "Shutting Down"));
    bench.send(CARRIER, Draft { body: sdp("198.51.100.7:4100"), ..within("INVITE", "r", 2, &answer) }.text());
    let offer = bench.request(PBX);
    bench.send(PBX, reply(&offer, 200, "bob", PBX, &sdp("203.0.113.7:6000")));
    assert_eq!(bench.response(CARRIER).status(), 200);
    bench.send(CARRIER, within("BYE", "b", 3, &answer).text());
    let bye = bench.request(PBX);
    bench.send(PBX, reply(&bye, 200, "bob", PBX, ""));
    assert_eq!((bench.response(CARRIER).status(), bench.element.calls().count()), (200, 0));
}
