//! Calls to numbers of ours, until they are up.

use undertone_core::{Policy, mixer::Format};

use super::*;
use crate::{
    call::Phase,
    sip::message::Method,
    ua::{By, UaError, Unacceptable},
};

#[test]
fn a_call_to_a_number_of_ours_waits_for_us_and_is_answered_by_us() {
    let mut bench = bench();
    bench.send(PBX, dial("1").text());
    let trying = bench.heard(PBX);
    assert_eq!(summary(&trying), r#"["100 to INVITE"]"#);
    let incoming = bench.incoming();
    assert_eq!((incoming.number.as_str(), incoming.peer, incoming.offers_late), ("007100", PeerIndex(1), false));
    assert_eq!((incoming.party.extension.as_str(), incoming.party.name.as_str()), ("200", "Sue"));
    assert_eq!((incoming.codecs, incoming.media), (vec![Codec::Pcmu, Codec::Pcma], Some(IpAddr::from(MEDIA))));
    assert_eq!(bench.element.calls().count(), 0, "it is no call between peers");

    assert!(bench.element.alert(bench.now, incoming.id));
    bench.drain();
    let ringing = bench.response(PBX);
    assert_eq!((ringing.status(), header(&ringing, "Contact")), (180, format!("<sip:{US}>")));
    bench.accept(incoming.id).expect("it can be answered");
    let answer = bench.response(PBX);
    assert_eq!((answer.status(), &answer.to_tag), (200, &ringing.to_tag));
    assert_eq!(header(&answer, "Contact"), format!("<sip:{US}>"));
    assert_eq!(header(&answer, "Allow"), "INVITE, ACK, BYE, CANCEL, OPTIONS, UPDATE, INFO");
    let text = String::from_utf8_lossy(answer.body());
    assert!(text.contains("\r\nm=audio 20000 RTP/AVP 0 101\r\n"), "{text}");

    let format =
        Format { codec: Codec::Pcmu, payload_type: 0, telephone_event: Some(101), comfort_noise: None, packet_ms: 20 };
    let leg = MediaLeg {
        local: socket("192.0.2.10:20000"),
        remote: Some(socket("203.0.113.7:6000")),
        remote_rtcp: Some(socket("203.0.113.7:6001")),
        format,
        arriving: format,
        opus: ua::OpusWishes::default(),
        sends: true,
        receives: true,
        rtcp_mux: false,
        dscp: None,
        learn: Policy::Latch,
    };
    assert_eq!(bench.told(), [ua::Event::Media(incoming.id, Box::new(leg))]);
    assert_eq!((bench.element.ports_used().0, bench.element.is_of_call(socket("192.0.2.10:20001"))), (1, true));
    assert_eq!(bench.element.calls_of(PeerIndex(1)), 1);

    bench.send(PBX, in_own("ACK", "2", 1, &answer).text());
    assert_eq!(bench.told(), [ua::Event::Up(incoming.id)]);
    assert_eq!(bench.element.ua(incoming.id).map(|ua| (ua.phase, ua.is_confirmed)), Some((Phase::Up, true)));
    bench.wait(Duration::from_secs(60));
    assert_eq!(summary(&bench.heard(PBX)), "[]", "an acknowledged answer is not repeated");
    bench.send(PBX, in_own("BYE", "3", 2, &answer).text());
    assert_eq!(bench.response(PBX).status(), 200);
    assert_eq!(bench.ended(), Cause { status: 200, text: "Normal Clearing".into(), by: By::Party });
    bench.assert_idle();
}

#[test]
fn only_peers_on_our_side_and_only_numbers_of_ours_are_answered() {
    for (peer, number, is_ours) in [
        (PBX, "007100", true),
        (PBX, "*80", true),
        (PBX, "%2a81", true),
        (PBX, "007-100;phone-context=x", true),
        (PBX, "007", false),
        (PBX, "0074951234567", false),
        (PBX, "*82", false),
        (PBX, "*800", false),
        (CARRIER, "007100", false),
    ] {
        let mut bench = bench();
        let at = if peer == PBX { PBX } else { CARRIER };
        bench.send(peer, Draft { uri: format!("sip:{number}@{US}"), at, ..dial("1") }.text());
        let told = bench.told();
        assert_eq!(matches!(told[..], [ua::Event::Incoming(_)]), is_ours, "{number} from {peer}: {told:?}");
        assert_eq!(bench.element.calls().count(), usize::from(!is_ours), "{number} from {peer}");
    }
    let mut nobodys = Bench::new();
    nobodys.send(PBX, dial("1").text());
    assert_eq!((nobodys.told(), nobodys.element.calls().count()), (Vec::new(), 1), "none was configured");
}

#[test]
fn a_refusal_has_its_status_its_phrase_and_a_reason() {
    let mut bench = bench();
    bench.send(PBX, dial("1").text());
    let id = bench.incoming().id;
    let reason = "SIP;cause=403;text=\"100 is not to be monitored\"".to_owned();
    assert!(bench.element.turn_down(bench.now, id, 403, "Not Allowed to Monitor", Some(reason.clone())));
    bench.drain();
    let refusal = bench.response(PBX);
    assert_eq!((refusal.status(), refusal.reason().as_ref()), (403, "Not Allowed to Monitor"));
    assert_eq!(header(&refusal, "Reason"), reason);
    assert_eq!((bench.ended().status, bench.element.counters().refused), (403, 1));
    assert!(!bench.element.turn_down(bench.now, id, 403, "", None) && !bench.element.alert(bench.now, id));
    assert_eq!(bench.accept(id), Err(UaError::Gone));
    // It is repeated until it is acknowledged, like every failure of an INVITE.
    bench.wait(Duration::from_millis(600));
    assert_eq!(bench.response(PBX).status(), 403);
    bench.send(PBX, Draft { method: "ACK", ..dial("1") }.text());
    bench.assert_idle();
}

#[test]
fn an_answer_is_repeated_until_it_is_acknowledged_and_the_call_ended_if_it_never_is() {
    let mut bench = bench();
    bench.send(PBX, dial("1").text());
    let id = bench.incoming().id;
    bench.accept(id).expect("it can be answered");
    let answer = bench.response(PBX);
    assert!(matches!(bench.told()[..], [ua::Event::Media(..)]));
    // T1, doubled up to T2 (RFC 3261 §13.3.1.4), whatever the INVITE's transaction does meanwhile.
    let mut times = Vec::new();
    let began = bench.now;
    while bench.now - began < Duration::from_millis(31_900) {
        bench.wait(Duration::from_millis(100));
        for message in bench.heard(PBX) {
            let Message::Response(again) = message else { panic!("a response") };
            assert_eq!(
                (again.status(), again.to_tag.as_ref(), again.body()),
                (200, answer.to_tag.as_ref(), answer.body())
            );
            times.push((bench.now - began).as_millis());
        }
    }
    assert_eq!(times, [500, 1500, 3500, 7500, 11_500, 15_500, 19_500, 23_500, 27_500, 31_500]);
    bench.wait(Duration::from_millis(100));
    let bye = bench.request(PBX);
    assert_eq!(
        (bye.method(), asked(&bye, "Reason").as_str()),
        (&Method::Bye, "SIP;cause=408;text=\"Not Acknowledged\"")
    );
    assert_eq!(bench.ended().text, "Not Acknowledged");
    bench.send(PBX, reply(&bye, 200, "sue", PBX, ""));
    bench.assert_idle();
    assert!(bench.kept_own.is_empty(), "it was never up");
}

#[test]
fn one_that_comes_again_while_it_is_answered_is_the_same() {
    let mut bench = bench();
    bench.send(PBX, dial("1").text());
    let id = bench.incoming().id;
    bench.heard(PBX);
    bench.send(PBX, dial("1").text());
    assert_eq!(summary(&bench.heard(PBX)), r#"["100 to INVITE"]"#);
    bench.send(PBX, dial("other").text());
    assert_eq!(bench.response(PBX).status(), 482, "the same call by another way");
    bench.accept(id).expect("it can be answered");
    assert!(matches!(bench.told()[..], [ua::Event::Media(..)]));
}

#[test]
fn a_caller_that_gives_up_is_told_so_and_so_are_we() {
    let mut bench = bench();
    bench.send(PBX, dial("1").text());
    let id = bench.incoming().id;
    bench.heard(PBX);
    bench.send(PBX, Draft { method: "CANCEL", body: String::new(), ..dial("1") }.text());
    assert_eq!(summary(&bench.heard(PBX)), r#"["200 to CANCEL", "487 to INVITE"]"#);
    assert_eq!((bench.ended().by, bench.accept(id)), (By::Party, Err(UaError::Gone)));
    bench.assert_idle();
}

#[test]
fn a_cancel_that_crosses_our_answer_changes_nothing() {
    let mut bench = bench();
    bench.send(PBX, dial("1").text());
    let id = bench.incoming().id;
    bench.accept(id).expect("it can be answered");
    let answer = bench.response(PBX);
    bench.send(PBX, Draft { method: "CANCEL", body: String::new(), ..dial("1") }.text());
    assert_eq!((bench.response(PBX).method, bench.told().len()), (Method::Cancel, 1));
    bench.send(PBX, in_own("ACK", "2", 1, &answer).text());
    assert_eq!(bench.told(), [ua::Event::Up(id)]);
    bench.send(PBX, in_own("BYE", "3", 2, &answer).text());
    bench.assert_idle();
}

#[test]
fn who_leaves_it_to_us_to_offer_answers_in_its_ack() {
    let mut bench = bench();
    bench.send(PBX, Draft { body: String::new(), ..dial("1") }.text());
    let incoming = bench.incoming();
    assert!(incoming.offers_late && incoming.codecs.is_empty());
    bench.accept(incoming.id).expect("it can be answered");
    let answer = bench.response(PBX);
    let offer = String::from_utf8_lossy(answer.body()).into_owned();
    assert!(offer.contains("\r\nm=audio 20000 RTP/AVP 8 0 101\r\n"), "{offer}");
    assert_eq!(bench.told(), [], "nothing is agreed on");
    let ack = in_own("ACK", "2", 1, &answer);
    bench.send(PBX, Draft { body: phone("203.0.113.7:6000"), ..ack }.text());
    let told = bench.told();
    assert!(
        matches!(&told[..], [ua::Event::Up(_), ua::Event::Media(_, leg)] if leg.format.codec == Codec::Pcmu),
        "{told:?}"
    );
    bench.send(PBX, in_own("BYE", "3", 2, &answer).text());
    bench.assert_idle();
}

#[test]
fn an_ack_without_the_answer_that_is_due_ends_the_call() {
    for body in [String::new(), sdp("203.0.113.7:6000").replace("audio 6000", "audio 0"), "nothing".into()] {
        let mut bench = bench();
        bench.send(PBX, Draft { body: String::new(), ..dial("1") }.text());
        let id = bench.incoming().id;
        bench.accept(id).expect("it can be answered");
        let answer = bench.response(PBX);
        bench.send(PBX, Draft { body: body.clone(), ..in_own("ACK", "2", 1, &answer) }.text());
        let bye = bench.request(PBX);
        assert_eq!((bye.method(), bench.ended().status), (&Method::Bye, 488), "{body}");
        bench.send(PBX, reply(&bye, 200, "sue", PBX, ""));
        bench.assert_idle();
    }
}

#[test]
fn offers_that_cannot_be_met_are_refused_with_a_warning() {
    let plain = phone("203.0.113.7:6000");
    for (body, status, warning) in [
        (plain.replace("RTP/AVP", "RTP/SAVP"), 488, "302 undertone \"The SDP has audio over SRTP alone"),
        (plain.replace("0 8 101", "18 101"), 488, "305 undertone \"None of the codecs"),
        (plain.replace("m=audio", "m=video"), 488, "304 undertone \"The SDP has no audio"),
        (
            plain.replace("203.0.113.7", "192.0.2.10"),
            488,
            "399 undertone \"The media address is an address of this element\"",
        ),
        ("v=0\r\nwhat\r\n".into(), 488, "399 undertone \"The SDP has a line"),
        (plain.replace("6000", "80"), 488, "399 undertone \"The media port is below 1024\""),
    ] {
        let mut bench = bench();
        bench.send(PBX, Draft { body: body.clone(), ..dial("1") }.text());
        let id = bench.incoming().id;
        let refused = bench.accept(id);
        assert!(matches!(refused, Err(UaError::Unacceptable(_))), "{body}");
        let refusal = bench.response(PBX);
        assert_eq!(refusal.status(), status, "{body}");
        assert!(header(&refusal, "Warning").starts_with(warning), "{}", header(&refusal, "Warning"));
        assert_eq!(bench.ended().status, status);
        bench.send(PBX, Draft { method: "ACK", body: String::new(), ..dial("1") }.text());
        bench.assert_idle();
    }
}

#[test]
fn what_we_cannot_do_is_refused_before_anybody_is_asked() {
    let typed = |kind: &str| dial("1").text().replace("application/sdp", kind);
    for (text, status, name, value) in [
        (dial("1").with("Require: replaces, timer").text(), 420, "Unsupported", "replaces"),
        (typed("text/plain"), 415, "Accept", "application/sdp"),
        (typed("multipart/mixed"), 400, "Content-Length", "0"),
        (dial("1").with("Content-Encoding: gzip").text(), 415, "Accept-Encoding", "identity"),
        (dial("1").with("Supported: timer").with("Session-Expires: 30").text(), 422, "Min-SE", "90"),
    ] {
        let mut bench = bench();
        bench.send(PBX, &text);
        let refusal = bench.response(PBX);
        assert_eq!((refusal.status(), header(&refusal, name).as_str()), (status, value), "{text}");
        assert_eq!(bench.told(), []);
        bench.send(PBX, Draft { method: "ACK", body: String::new(), ..dial("1") }.text());
        bench.assert_idle();
    }
}

#[test]
fn nothing_provisional_is_sent_to_who_wants_it_acknowledged() {
    let mut bench = bench();
    bench.send(PBX, dial("1").with("Require: 100rel").text());
    let id = bench.incoming().id;
    bench.heard(PBX);
    assert!(bench.element.alert(bench.now, id));
    bench.drain();
    assert_eq!(summary(&bench.heard(PBX)), "[]");
    bench.accept(id).expect("it can be answered");
    assert_eq!(bench.response(PBX).status(), 200);
}

#[test]
fn who_decides_has_a_while_to_do_so() {
    let mut bench = bench();
    bench.send(PBX, dial("1").text());
    bench.incoming();
    bench.heard(PBX);
    bench.wait(Duration::from_secs(59));
    assert_eq!(summary(&bench.heard(PBX)), "[]");
    bench.wait(Duration::from_secs(1));
    assert_eq!((bench.response(PBX).status(), bench.ended().status), (480, 480));
    bench.send(PBX, Draft { method: "ACK", body: String::new(), ..dial("1") }.text());
    bench.assert_idle();
}

#[test]
fn one_call_too_many_is_told_to_come_again() {
    let mut bench = Bench::new();
    bench.element.set_own(numbers(), Limits { calls_max: 1, ..Limits::default() });
    bench.send(PBX, dial("1").text());
    bench.heard(PBX);
    let second = Draft { call: "call-2", ..dial("2") };
    bench.send(PBX, second.text());
    let full = bench.response(PBX);
    assert_eq!(
        (full.status(), header(&full, "Retry-After").as_str(), full.reason().as_ref()),
        (503, "5", "Too Many Calls Here")
    );
    assert!(bench.events.iter().any(|event| matches!(event, Event::Refused { status: 503, .. })));

    let mut trunks = trunks();
    trunks.peers[1].calls_per_second_max = Some(1);
    let mut bench = Bench::with(trunks);
    bench.element.set_own(numbers(), Limits::default());
    bench.send(PBX, dial("1").text());
    bench.heard(PBX);
    bench.send(PBX, Draft { call: "call-2", ..dial("2") }.text());
    assert_eq!(bench.response(PBX).reason(), "Too Many Calls a Second");
    bench.element.set_draining(true);
    bench.wait(Duration::from_secs(5));
    bench.heard(PBX);
    bench.send(PBX, Draft { call: "call-3", ..dial("3") }.text());
    assert_eq!(bench.response(PBX).reason(), "Shutting Down");
}

#[test]
fn without_a_port_there_is_no_call() {
    let mut bench = bench();
    for port in (20_000..20_040).step_by(2) {
        bench.element.claim_port(SocketAddr::new(IpAddr::from(MEDIA), port));
    }
    bench.send(PBX, dial("1").text());
    let id = bench.incoming().id;
    assert_eq!(bench.accept(id), Err(UaError::Unacceptable(Unacceptable::NoPort)));
    assert_eq!((bench.response(PBX).status(), bench.element.counters().no_port), (503, 1));
    // Whoever has a place of its own for media needs none.
    bench.send(PBX, Draft { call: "call-2", ..dial("2") }.text());
    bench.heard(PBX);
    let told = bench.told();
    let Some(ua::Event::Incoming(incoming)) = told.last() else { panic!("{told:?}") };
    let terms = Terms { local: Some(socket("192.0.2.99:4000")), ..terms() };
    assert_eq!(bench.element.accept(bench.now, incoming.id, &terms), Ok(()));
    bench.drain();
    assert!(String::from_utf8_lossy(bench.response(PBX).body()).contains("c=IN IP4 192.0.2.99\r\n"));
}

#[test]
fn media_is_of_the_address_that_the_peer_is_spoken_with_from() {
    let mut trunks = trunks();
    let six = socket("[2001:db8::9]:5060");
    trunks.listeners.push(Listener { transport: Transport::Udp, address: socket("[2001:db8::1]:5060") });
    trunks.peers[2] = Peer {
        ways: crate::trunk::Ways::to(six.ip(), crate::trunk::Way { listener: 1, media: 1 }),
        ..Peer::new("pbx-6", Side::OnNet, six)
    };
    let mut bench = Bench::new();
    let ours = [IpAddr::from(MEDIA), "2001:db8::10".parse().unwrap()];
    bench.element = Element::new(
        Arc::new(trunks),
        super::super::Limits::default(),
        Board::default(),
        Ports::new(&ours, 20_000, 20_039),
        [7; 32],
        bench.now,
    );
    bench.element.set_own(numbers(), Limits::default());
    let flow = Flow { listener: 1, transport: Transport::Udp, remote: six, connection: 0 };
    let offer = Draft { body: phone("[2001:db8::99]:6000"), ..dial("1") };
    bench.element.receive(bench.now, flow, offer.text().as_bytes());
    bench.drain();
    let incoming = bench.incoming();
    assert_eq!(incoming.media, Some(ours[1]));
    bench.accept(incoming.id).expect("it can be answered");
    let answer = bench.response("[2001:db8::9]:5060");
    let text = String::from_utf8_lossy(answer.body()).into_owned();
    assert!(text.contains(" IN IP6 2001:db8::10\r\n") && text.contains("c=IN IP6 2001:db8::10\r\n"), "{text}");
    assert_eq!(header(&answer, "Contact"), "<sip:[2001:db8::1]:5060>");
    assert_eq!(bench.leg(incoming.id).local, socket("[2001:db8::10]:20000"));
}

#[test]
fn a_number_of_ours_is_asked_for_its_abilities_and_takes_nothing_else() {
    let mut bench = bench();
    bench.send(PBX, Draft { method: "OPTIONS", body: String::new(), ..dial("1") }.text());
    let answer = bench.response(PBX);
    assert_eq!((answer.status(), header(&answer, "Supported").as_str()), (200, "timer"));
    bench.send(PBX, Draft { method: "MESSAGE", body: String::new(), ..dial("2") }.text());
    let answer = bench.response(PBX);
    assert_eq!((answer.status(), header(&answer, "Allow").starts_with("INVITE, ACK, BYE")), (405, true));
    // It has crossed all the elements that it may, and is where it should be.
    bench.send(PBX, dial("3").text().replace("Max-Forwards: 70", "Max-Forwards: 0"));
    bench.incoming();
}

#[test]
fn a_caller_may_hear_something_before_it_is_refused() {
    let mut bench = bench();
    bench.send(PBX, dial("1").text());
    bench.heard(PBX);
    let id = bench.incoming().id;
    assert!(bench.element.speak_early(bench.now, id, &terms()));
    bench.drain();
    let progress = bench.response(PBX);
    assert_eq!((progress.status(), header(&progress, "Contact")), (183, format!("<sip:{US}>")));
    let text = String::from_utf8_lossy(progress.body());
    assert!(text.contains("\r\nm=audio 20000 RTP/AVP 0 101\r\n"), "{text}");
    assert!(matches!(&bench.told()[..], [ua::Event::Media(told, leg)] if *told == id && leg.sends));
    assert!(!bench.element.speak_early(bench.now, id, &terms()), "that is said once");
    let reason = "SIP;cause=403;text=\"No\"".to_owned();
    assert!(bench.element.turn_down(bench.now, id, 403, "Forbidden", Some(reason.clone())));
    bench.drain();
    let refusal = bench.response(PBX);
    assert_eq!((refusal.status(), &refusal.to_tag, header(&refusal, "Reason")), (403, &progress.to_tag, reason));
    assert_eq!(bench.ended().status, 403);
    assert!(!bench.element.speak_early(bench.now, id, &terms()), "there is no such call");
    bench.send(PBX, Draft { method: "ACK", body: String::new(), ..dial("1") }.text());
    bench.wait(Duration::from_secs(60));
    bench.assert_idle();
}

#[test]
fn who_cannot_hear_anything_early_is_not_told_so() {
    let late = Draft { body: String::new(), ..dial("1") };
    let video = Draft { body: phone("203.0.113.7:6000").replace("m=audio", "m=video"), ..dial("1") };
    for draft in [late, video, dial("1").with("Require: 100rel")] {
        let mut bench = bench();
        bench.send(PBX, draft.text());
        bench.heard(PBX);
        let id = bench.incoming().id;
        assert!(!bench.element.speak_early(bench.now, id, &terms()));
        bench.drain();
        assert_eq!((summary(&bench.heard(PBX)).as_str(), bench.told()), ("[]", Vec::new()));
        assert!(bench.element.turn_down(bench.now, id, 403, "Forbidden", None));
        bench.drain();
        assert_eq!(bench.response(PBX).status(), 403);
    }
}

#[test]
fn who_hears_something_early_may_give_up() {
    let mut bench = bench();
    bench.send(PBX, dial("1").text());
    let id = bench.incoming().id;
    assert!(bench.element.speak_early(bench.now, id, &terms()));
    bench.drain();
    bench.heard(PBX);
    bench.send(PBX, Draft { method: "CANCEL", body: String::new(), ..dial("1") }.text());
    assert_eq!(summary(&bench.heard(PBX)), r#"["200 to CANCEL", "487 to INVITE"]"#);
    bench.told();
    bench.send(PBX, Draft { method: "ACK", body: String::new(), ..dial("1") }.text());
    bench.wait(Duration::from_secs(60));
    bench.assert_idle();
}
