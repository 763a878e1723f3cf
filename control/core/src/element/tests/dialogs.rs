//! What parties do within a call, beyond the ordinary.

use super::{
    calls::{call_up, from_pbx, within},
    *,
};
use crate::{call::Phase, sip::message::Method};

/// What is heard by a peer: methods, and statuses of responses.
fn methods(messages: &[Message]) -> Vec<String> {
    let line = |message: &Message| match message {
        Message::Request(request) => request.method().to_string(),
        Message::Response(response) => response.status().to_string(),
    };
    messages.iter().map(line).collect()
}

/// A callee's provisional response that is to be acknowledged by PRACK.
fn reliable(request: &Request, tag: &str, number: u32, body: &str) -> Vec<u8> {
    let text = String::from_utf8(reply(request, 183, tag, PBX, body)).expect("text");
    text.replacen("CSeq:", &format!("Require: 100rel\r\nRSeq: {number}\r\nCSeq:"), 1).into_bytes()
}

fn has_port(body: &[u8], port: u16) -> bool {
    let line = format!("m=audio {port} ");
    body.windows(line.len()).any(|window| window == line.as_bytes())
}

#[test]
fn early_media_is_agreed_on_in_a_reliable_response_and_changed_in_prack() {
    let mut bench = Bench::new();
    bench.send(CARRIER, invite("1").text());
    let asked = bench.request(PBX);
    bench.send(PBX, reliable(&asked, "bob", 1, &sdp("203.0.113.7:6000")));
    let early = bench.response(CARRIER);
    assert!(has_port(early.body(), 20_000));
    assert_eq!(bench.relays()[0].b.peer, socket("203.0.113.7:6000"));
    let prack = within("PRACK", "p", 2, &early).with("RAck: 1 1 INVITE");
    bench.send(CARRIER, Draft { body: sdp("198.51.100.8:4200"), ..prack }.text());
    let prack = bench.request(PBX);
    assert!(has_port(prack.body(), 20_002));
    bench.send(PBX, reply(&prack, 200, "bob", PBX, &sdp("203.0.113.7:6100")));
    assert!(has_port(bench.response(CARRIER).body(), 20_000));
    let agreed = bench.relays();
    assert_eq!((agreed[0].a.peer, agreed[0].b.peer), (socket("198.51.100.8:4200"), socket("203.0.113.7:6100")));
    bench.send(PBX, reply(&asked, 200, "bob", PBX, ""));
    assert_eq!(bench.response(CARRIER).status(), 200);
    assert_eq!(bench.relays(), agreed);
}

#[test]
fn an_offer_in_a_reliable_response_is_answered_in_prack() {
    let mut bench = Bench::new();
    bench.send(CARRIER, Draft { body: String::new(), ..invite("1") }.text());
    let asked = bench.request(PBX);
    bench.send(PBX, reliable(&asked, "bob", 1, &sdp("203.0.113.7:6000")));
    let early = bench.response(CARRIER);
    assert_eq!((has_port(early.body(), 20_000), bench.relays().len()), (true, 0));
    let prack = within("PRACK", "p", 2, &early).with("RAck: 1 1 INVITE");
    bench.send(CARRIER, Draft { body: sdp("198.51.100.7:4000"), ..prack }.text());
    assert!(has_port(bench.request(PBX).body(), 20_002));
    assert_eq!(bench.relays()[0].a.peer, socket("198.51.100.7:4000"));
}

#[test]
fn what_cannot_be_an_offer_does_not_lead_media_past_us() {
    let mut bench = Bench::new();
    bench.send(CARRIER, Draft { body: String::new(), ..invite("1") }.text());
    let asked = bench.request(PBX);
    bench.send(PBX, reply(&asked, 183, "bob", PBX, &sdp("203.0.113.7:6000")));
    assert_eq!(bench.response(CARRIER).body(), b"");
}

#[test]
fn the_answer_of_a_reliable_response_may_stand_in_the_200_again() {
    let mut bench = Bench::new();
    bench.send(CARRIER, invite("1").text());
    let asked = bench.request(PBX);
    bench.send(PBX, reliable(&asked, "bob", 1, &sdp("203.0.113.7:6000")));
    let (early, agreed) = (bench.response(CARRIER), bench.relays());
    bench.send(PBX, reply(&asked, 200, "bob", PBX, &sdp("203.0.113.7:6000")));
    let answer = bench.response(CARRIER);
    assert_eq!((answer.body(), bench.relays()), (early.body(), agreed));
}

#[test]
fn an_update_before_the_answer_has_to_wait_for_the_offer_of_the_invite() {
    let mut bench = Bench::new();
    bench.send(CARRIER, invite("1").text());
    let asked = bench.request(PBX);
    bench.send(PBX, reply(&asked, 180, "bob", PBX, ""));
    let early = bench.response(CARRIER);
    let update = |draft: Draft, at: &str| Draft { body: sdp(at), ..draft }.text();
    bench.send(CARRIER, update(within("UPDATE", "u", 2, &early), "198.51.100.7:4000"));
    let refused = bench.response(CARRIER);
    assert_eq!((refused.status(), refused.header("Retry-After").is_some()), (500, true), "one offer after the other");
    bench.send(PBX, update(from_pbx("UPDATE", "v", 1, &early), "203.0.113.7:6000"));
    assert_eq!((bench.response(PBX).status(), bench.relays().len()), (491, 0), "it crosses the other");
    bench.send(CARRIER, within("UPDATE", "w", 3, &early).text());
    assert_eq!(bench.request(PBX).method(), &Method::Update, "one without an offer may pass");
}

#[test]
fn either_party_may_update_a_call_and_both_at_once_may_not() {
    let mut bench = Bench::new();
    let (_, answer) = call_up(&mut bench);
    bench.send(PBX, Draft { body: sdp("203.0.113.7:6200"), ..from_pbx("UPDATE", "u", 1, &answer) }.text());
    let update = bench.request(CARRIER);
    assert!(has_port(update.body(), 20_000));
    for (branch, method) in [("v", "UPDATE"), ("w", "INVITE")] {
        bench.send(CARRIER, Draft { body: sdp("198.51.100.7:4300"), ..within(method, branch, 2, &answer) }.text());
        assert_eq!(bench.response(CARRIER).status(), 491, "{method}");
    }
    bench.send(CARRIER, reply(&update, 200, "ann", CARRIER, &sdp("198.51.100.7:4000")));
    assert_eq!((bench.response(PBX).status(), bench.relays()[0].b.peer), (200, socket("203.0.113.7:6200")));
    bench.send(CARRIER, Draft { body: sdp("198.51.100.7:4300"), ..within("UPDATE", "x", 3, &answer) }.text());
    assert_eq!(bench.request(PBX).method(), &Method::Update);
}

#[test]
fn a_call_outlives_its_peers_place_in_the_configuration() {
    let (removed, renamed, moved) = (trunks_without(0), trunks_with(|peer| peer.name = "trunk".into()), {
        let elsewhere = socket("198.51.100.99:5060");
        trunks_with(|peer| (peer.targets, peer.sources) = (vec![Target::new(elsewhere)], vec![elsewhere.ip()]))
    });
    for (what, new) in [("removed", removed), ("renamed", renamed), ("moved", moved)] {
        let mut bench = Bench::new();
        let (_, answer) = call_up(&mut bench);
        let next = new.succeed(&trunks());
        bench.element.set_trunks(Arc::new(next), Limits::default(), bench.now);
        bench.send(CARRIER, Draft { body: sdp("198.51.100.7:4300"), ..within("INVITE", "r", 2, &answer) }.text());
        let asked = bench.request(PBX);
        bench.send(PBX, reply(&asked, 200, "bob", PBX, &sdp("203.0.113.7:6000")));
        assert_eq!(bench.response(CARRIER).status(), 200, "{what}: its requests are answered");
        bench.send(CARRIER, within("ACK", "ra", 2, &answer).text());
        assert_eq!(*bench.request(PBX).method(), Method::Ack, "{what}");

        let before = bench.element.counters().strangers;
        let options = Draft { method: "OPTIONS", body: String::new(), ..invite("o") }.text();
        let other = Draft { call: "call-2", ..invite("2") }.text();
        let news = [other.as_str(), options.as_str(), "INVITE broken"];
        for message in news {
            bench.send(CARRIER, message);
        }
        let strangers = bench.element.counters().strangers - before;
        if what != "renamed" {
            assert_eq!((strangers, bench.heard(CARRIER).len()), (3, 0), "{what}: what begins there is a stranger's");
        }
        bench.heard(CARRIER);
        bench.heard(PBX);
        bench.send(CARRIER, within("BYE", "b", 3, &answer).text());
        let bye = bench.request(PBX);
        bench.send(PBX, reply(&bye, 200, "bob", PBX, ""));
        assert_eq!((bench.response(CARRIER).status(), bench.records.len()), (200, 1), "{what}");
        let late = within("INFO", "late", 4, &answer).text();
        bench.send(CARRIER, late);
        assert_eq!(bench.heard(CARRIER).is_empty(), what != "renamed", "{what}: its last call is over");
    }
}

/// The trunks without one of the peers, and what names it.
fn trunks_without(peer: usize) -> Trunks {
    let mut trunks = trunks();
    trunks.peers.remove(peer);
    trunks.groups = Vec::new();
    trunks.routes = Vec::new();
    trunks
}

/// The trunks with another carrier.
fn trunks_with(change: impl Fn(&mut Peer)) -> Trunks {
    let mut trunks = trunks();
    change(&mut trunks.peers[0]);
    trunks
}

#[test]
fn an_offer_that_nobody_answers_does_not_keep_others_out() {
    for ending in ["nothing", "no description", "failure"] {
        let mut bench = Bench::new();
        let (_, answer) = call_up(&mut bench);
        bench.send(CARRIER, Draft { body: sdp("198.51.100.7:4300"), ..within("UPDATE", "u", 2, &answer) }.text());
        let update = bench.request(PBX);
        match ending {
            "nothing" => bench.wait(Duration::from_secs(33)),
            "failure" => bench.send(PBX, reply(&update, 504, "bob", PBX, "")),
            _ => bench.send(PBX, reply(&update, 200, "bob", PBX, "")),
        }
        let ended = bench.response(CARRIER).status();
        bench.heard(PBX);
        bench.send(PBX, Draft { body: sdp("203.0.113.7:6200"), ..from_pbx("UPDATE", "v", 1, &answer) }.text());
        assert_eq!(bench.request(CARRIER).method(), &Method::Update, "after {ending}: {ended}");
    }
}

#[test]
fn a_re_invite_without_an_offer_gets_one_and_answers_in_its_ack() {
    let mut bench = Bench::new();
    let (_, answer) = call_up(&mut bench);
    bench.send(CARRIER, within("INVITE", "r", 2, &answer).text());
    let asked = bench.request(PBX);
    bench.heard(CARRIER);
    bench.send(PBX, reply(&asked, 200, "bob", PBX, &sdp("203.0.113.7:6300")));
    assert!(has_port(bench.response(CARRIER).body(), 20_000));
    assert_eq!(bench.relays()[0].b.peer, socket("203.0.113.7:6000"), "nobody has answered");
    bench.send(CARRIER, Draft { body: sdp("198.51.100.7:4300"), ..within("ACK", "ra", 2, &answer) }.text());
    assert!(has_port(bench.request(PBX).body(), 20_002));
    let relay = bench.relays()[0];
    assert_eq!((relay.a.peer, relay.b.peer), (socket("198.51.100.7:4300"), socket("203.0.113.7:6300")));
}

#[test]
fn an_offer_that_an_ack_does_not_answer_is_gone() {
    let mut bench = Bench::new();
    let (_, answer) = call_up(&mut bench);
    bench.send(CARRIER, within("INVITE", "r", 2, &answer).text());
    let asked = bench.request(PBX);
    bench.send(PBX, reply(&asked, 200, "bob", PBX, &sdp("203.0.113.7:6300")));
    bench.send(CARRIER, within("ACK", "ra", 2, &answer).text());
    bench.heard(PBX);
    bench.heard(CARRIER);
    bench.send(PBX, Draft { body: sdp("203.0.113.7:6300"), ..from_pbx("INVITE", "s", 1, &answer) }.text());
    assert_eq!(bench.request(CARRIER).method(), &Method::Invite);
}

#[test]
fn an_ack_without_an_answer_leaves_an_offer_alone_that_crosses_it() {
    let mut bench = Bench::new();
    bench.send(CARRIER, invite("1").text());
    let asked = bench.request(PBX);
    bench.send(PBX, reply(&asked, 200, "bob", PBX, &sdp("203.0.113.7:6000")));
    let answer = bench.response(CARRIER);
    bench.send(PBX, Draft { body: sdp("203.0.113.7:6200"), ..from_pbx("UPDATE", "u", 1, &answer) }.text());
    let update = bench.request(CARRIER);
    bench.send(CARRIER, within("ACK", "a", 1, &answer).text());
    bench.heard(PBX);
    bench.send(CARRIER, reply(&update, 200, "ann", CARRIER, &sdp("198.51.100.7:4000")));
    assert_eq!(bench.relays()[0].b.peer, socket("203.0.113.7:6200"));
}

#[test]
fn an_ack_that_belongs_to_nothing_goes_nowhere() {
    let mut bench = Bench::new();
    bench.send(CARRIER, invite("1").text());
    let asked = bench.request(PBX);
    bench.send(PBX, reply(&asked, 486, "bob", PBX, ""));
    bench.heard(PBX);
    bench.heard(CARRIER);
    let ack = |branch| Draft { method: "ACK", body: String::new(), ..invite(branch) }.text();
    bench.send(CARRIER, ack("other"));
    bench.wait(Duration::from_secs(1));
    assert_eq!(methods(&bench.heard(CARRIER)), ["486"], "the failure is repeated");
    bench.send(CARRIER, ack("1"));
    bench.wait(Duration::from_secs(10));
    assert_eq!((bench.heard(CARRIER).len(), bench.heard(PBX).len()), (0, 0));
    bench.assert_idle();
}

#[test]
fn the_prack_of_each_early_dialog_goes_to_its_own_callee() {
    let mut bench = Bench::new();
    bench.send(CARRIER, invite("1").text());
    let asked = bench.request(PBX);
    for (tag, at) in [("bob", "203.0.113.11:5060"), ("eve", "203.0.113.12:5060")] {
        let ringing = String::from_utf8(reliable(&asked, tag, 1, "")).expect("text");
        bench.send(PBX, ringing.replace(&format!("party@{PBX}"), &format!("party@{at}")));
        bench.response(CARRIER);
    }
    let routes = Message::parse(&reliable(&asked, "bob", 1, ""));
    let Ok(Message::Response(early)) = routes else { panic!("a response") };
    for (tag, at) in [("bob", "203.0.113.11:5060"), ("eve", "203.0.113.12:5060")] {
        let prack = within("PRACK", tag, 2, &early).with("RAck: 1 1 INVITE");
        let to = format!("<sip:100@undertone.example>;tag={tag}");
        bench.send(CARRIER, Draft { uri: format!("sip:party@{at}"), to, ..prack }.text());
        assert_eq!(bench.request(at).to_tag.as_deref(), Some(tag.as_bytes()));
    }
}

#[test]
fn a_re_invite_that_fails_leaves_the_call_as_it_was() {
    for status in [408, 481, 488, 500] {
        let mut bench = Bench::new();
        let (_, answer) = call_up(&mut bench);
        let before = bench.relays();
        bench.send(CARRIER, Draft { body: sdp("198.51.100.9:7000"), ..within("INVITE", "r", 2, &answer) }.text());
        let offer = bench.request(PBX);
        bench.send(PBX, reply(&offer, status, "bob", PBX, ""));
        assert_eq!((bench.response(CARRIER).status(), bench.relays()), (status, before));
        bench.heard(PBX);
        // Whoever takes 408 or 481 for the end of the call hangs up (RFC 5057 §5.3, RFC 3261 §12.2.1.2).
        bench.send(CARRIER, within("BYE", "b", 3, &answer).text());
        let bye = bench.request(PBX);
        bench.send(PBX, reply(&bye, 481, "bob", PBX, ""));
        assert_eq!((bench.response(CARRIER).status(), bench.records.len()), (481, 1));
        bench.assert_idle();
    }
}

#[test]
fn a_re_invite_that_nobody_answers_is_cancelled_and_the_call_goes_on() {
    let mut bench = Bench::new();
    let (_, answer) = call_up(&mut bench);
    bench.send(CARRIER, Draft { body: sdp("198.51.100.9:7000"), ..within("INVITE", "r", 2, &answer) }.text());
    let offer = bench.request(PBX);
    bench.send(PBX, reply(&offer, 100, "", PBX, ""));
    bench.heard(CARRIER);
    bench.wait(Duration::from_secs(186));
    assert_eq!(bench.heard(PBX).first().map(|it| methods(std::slice::from_ref(it))), Some(vec!["CANCEL".into()]));
    bench.wait(Duration::from_secs(32));
    assert_eq!(methods(&bench.heard(CARRIER)).first().map(String::as_str), Some("408"));
    bench.heard(PBX);
    bench.send(PBX, Draft { body: sdp("203.0.113.7:6200"), ..from_pbx("INVITE", "v", 1, &answer) }.text());
    assert_eq!(bench.request(CARRIER).method(), &Method::Invite);
}

#[test]
fn two_byes_that_cross_are_both_answered() {
    let mut bench = Bench::new();
    let (_, answer) = call_up(&mut bench);
    bench.send(CARRIER, within("BYE", "b", 2, &answer).text());
    bench.send(PBX, from_pbx("BYE", "c", 1, &answer).text());
    let (to_pbx, to_carrier) = (bench.request(PBX), bench.request(CARRIER));
    bench.send(PBX, reply(&to_pbx, 200, "bob", PBX, ""));
    bench.send(CARRIER, reply(&to_carrier, 200, "ann", CARRIER, ""));
    assert_eq!([bench.response(CARRIER).status(), bench.response(PBX).status()], [200, 200]);
    assert_eq!(bench.records.len(), 1);
    bench.assert_idle();
}

#[test]
fn a_bye_that_is_challenged_ends_nothing_until_it_is_known_who_sends_it() {
    let mut bench = Bench::new();
    let (_, answer) = call_up(&mut bench);
    bench.wait(Duration::from_secs(5));
    bench.send(CARRIER, within("BYE", "b", 2, &answer).text());
    let bye = bench.request(PBX);
    bench.send(PBX, reply(&bye, 407, "bob", PBX, ""));
    assert_eq!((bench.response(CARRIER).status(), bench.relays().len()), (407, 2));
    bench.wait(Duration::from_secs(1));
    bench.send(CARRIER, within("BYE", "c", 3, &answer).with("Proxy-Authorization: Digest x=\"y\"").text());
    let bye = bench.request(PBX);
    bench.wait(Duration::from_millis(300));
    bench.send(PBX, reply(&bye, 200, "bob", PBX, ""));
    assert_eq!((bench.response(CARRIER).status(), bench.records[0].lasted_ns), (200, 6_000_000_000));
    bench.assert_idle();
}

#[test]
fn a_bye_that_nobody_answers_ends_the_call_all_the_same() {
    let mut bench = Bench::new();
    let (_, answer) = call_up(&mut bench);
    bench.wait(Duration::from_secs(5));
    bench.send(CARRIER, within("BYE", "b", 2, &answer).text());
    bench.wait(Duration::from_secs(33));
    assert_eq!((bench.response(CARRIER).status(), bench.records[0].lasted_ns), (408, 5_000_000_000));
    bench.assert_idle();
}

#[test]
fn a_bye_during_a_re_invite_ends_the_call_and_the_re_invite_is_answered() {
    let mut bench = Bench::new();
    let (_, answer) = call_up(&mut bench);
    bench.send(CARRIER, Draft { body: sdp("198.51.100.9:7000"), ..within("INVITE", "r", 2, &answer) }.text());
    let offer = bench.request(PBX);
    bench.send(CARRIER, within("BYE", "b", 3, &answer).text());
    let bye = bench.request(PBX);
    bench.heard(CARRIER);
    bench.send(PBX, reply(&bye, 200, "bob", PBX, ""));
    bench.send(PBX, reply(&offer, 487, "bob", PBX, ""));
    assert_eq!(methods(&bench.heard(CARRIER)), ["200", "487"]);
    assert_eq!((methods(&bench.heard(PBX)), bench.records.len()), (vec!["ACK".to_owned()], 1));
    bench.assert_idle();
}

#[test]
fn a_re_invite_may_be_cancelled_before_and_after_it_is_heard_of() {
    for early in [true, false] {
        let mut bench = Bench::new();
        let (_, answer) = call_up(&mut bench);
        let draft = |method| within(method, "r", 2, &answer).text();
        bench.send(CARRIER, draft("INVITE"));
        let asked = bench.request(PBX);
        let cancel = |bench: &mut Bench| bench.send(CARRIER, draft("CANCEL"));
        if early {
            cancel(&mut bench);
            assert_eq!(bench.heard(PBX).len(), 0, "it could overtake the INVITE");
        }
        bench.send(PBX, reply(&asked, 180, "bob", PBX, ""));
        if !early {
            cancel(&mut bench);
        }
        let cancel = bench.request(PBX);
        assert_eq!((cancel.method(), &cancel.via.branch), (&Method::Cancel, &asked.via.branch));
        bench.heard(CARRIER);
        bench.send(PBX, reply(&cancel, 200, "bob", PBX, ""));
        bench.send(PBX, reply(&asked, 487, "bob", PBX, ""));
        assert_eq!((bench.response(CARRIER).status(), bench.element.calls().count()), (487, 1));
    }
}

#[test]
fn a_cancel_that_comes_too_late_is_answered_and_changes_nothing() {
    let mut bench = Bench::new();
    call_up(&mut bench);
    bench.send(CARRIER, Draft { method: "CANCEL", body: String::new(), ..invite("1") }.text());
    assert_eq!((bench.response(CARRIER).status(), bench.heard(PBX).len()), (200, 0));
    assert_eq!(bench.element.calls().next().map(|call| call.phase), Some(Phase::Up));
    bench.send(CARRIER, Draft { method: "CANCEL", body: String::new(), ..invite("none") }.text());
    assert_eq!(bench.response(CARRIER).status(), 481);
}

#[test]
fn a_caller_may_end_an_early_dialog_by_bye_and_the_invite_is_answered_all_the_same() {
    let mut bench = Bench::new();
    bench.send(CARRIER, invite("1").text());
    let asked = bench.request(PBX);
    bench.send(PBX, reply(&asked, 180, "bob", PBX, ""));
    let early = bench.response(CARRIER);
    bench.send(CARRIER, within("BYE", "b", 2, &early).text());
    let bye = bench.request(PBX);
    bench.send(PBX, reply(&bye, 200, "bob", PBX, ""));
    assert_eq!((bench.response(CARRIER).status(), bench.element.calls().count()), (200, 1));
    bench.send(PBX, reply(&asked, 487, "bob", PBX, ""));
    assert_eq!(bench.response(CARRIER).status(), 487);
    bench.assert_idle();
}

#[test]
fn an_answer_that_is_repeated_after_the_end_is_acknowledged_and_ended_along_its_own_route() {
    let mut bench = Bench::new();
    let (asked, answer) = call_up(&mut bench);
    bench.send(CARRIER, within("BYE", "b", 2, &answer).text());
    let bye = bench.request(PBX);
    bench.send(PBX, reply(&bye, 200, "bob", PBX, ""));
    bench.heard(CARRIER);
    let again = String::from_utf8(reply(&asked, 200, "bob", PBX, "")).expect("text");
    let behind = "Record-Route: <sip:203.0.113.9;lr>\r\nRecord-Route: <sip:192.0.2.1:5060;lr";
    bench.send(PBX, again.replace("Record-Route: <sip:192.0.2.1:5060;lr", behind));
    let heard = bench.heard(PBX);
    assert_eq!((methods(&heard), bench.heard(CARRIER).len()), (vec!["ACK".to_owned(), "BYE".to_owned()], 0));
    for message in &heard {
        let Message::Request(request) = message else { panic!("a request") };
        let route = request.route().expect("readable").expect("the one behind us");
        assert_eq!(route.uri.to_bytes(), b"sip:203.0.113.9;lr"[..]);
        assert_eq!(request.header_values("Route").len(), 1, "not back to us");
    }
}

#[test]
fn our_own_bye_is_numbered_behind_all_that_the_party_has_sent() {
    let mut bench = Bench::new();
    bench.send(CARRIER, invite("1").text());
    let asked = bench.request(PBX);
    bench.send(PBX, reply(&asked, 180, "bob", PBX, ""));
    let early = bench.response(CARRIER);
    bench.send(PBX, from_pbx("INFO", "i", 41, &early).text());
    let info = bench.request(CARRIER);
    bench.send(CARRIER, reply(&info, 200, "ann", CARRIER, ""));
    bench.heard(PBX);
    bench.send(PBX, reply(&asked, 200, "bob", PBX, &sdp("203.0.113.7:6000")));
    bench.heard(CARRIER);
    let id = bench.element.calls().next().expect("a call").id;
    bench.element.end_call(bench.now, id, crate::call::Cause::by_us(480, "The End"));
    bench.drain();
    assert_eq!((bench.request(CARRIER).cseq, bench.request(PBX).cseq), (42, 2));
}

#[test]
fn another_callee_of_a_forked_call_cannot_end_it() {
    let mut bench = Bench::new();
    let (asked, answer) = call_up(&mut bench);
    bench.send(PBX, reply(&asked, 200, "eve", PBX, &sdp("203.0.113.99:6000")));
    bench.heard(PBX);
    let bye = from_pbx("BYE", "e", 1, &answer);
    bench.send(PBX, Draft { from: bye.from.replace("bob", "eve"), ..bye }.text());
    assert_eq!((bench.response(PBX).status(), bench.heard(CARRIER).len()), (481, 0));
    assert_eq!(bench.element.calls().count(), 1);
}

#[test]
fn an_ack_that_comes_again_goes_on_as_the_same_one() {
    let mut bench = Bench::new();
    let (_, answer) = call_up(&mut bench);
    let branch = |bench: &mut Bench, ack: &Draft| {
        bench.send(CARRIER, ack.text());
        bench.request(PBX).via.branch
    };
    let ack = within("ACK", "2", 1, &answer);
    let first = branch(&mut bench, &ack);
    assert_eq!(branch(&mut bench, &ack), first);
    assert_ne!(branch(&mut bench, &within("ACK", "3", 1, &answer)), first, "of another transaction");
}
