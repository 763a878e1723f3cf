//! Calls that we place.

use super::*;
use crate::{
    sip::message::Method,
    ua::{By, Destination, Placement, UaError},
};

fn placement(to: Destination) -> Placement {
    Placement {
        to,
        number: "200".into(),
        from_number: String::new(),
        from_name: "Undertone monitoring \"100\"".into(),
        terms: terms(),
        auto_answer: false,
        ring_s: 30,
    }
}

fn to_pbx() -> Placement {
    placement(Destination::Peers(vec![PeerIndex(1)]))
}

/// An ACK and a BYE that end what somebody else has answered.
fn is_declined(heard: &[Message]) -> bool {
    summary(heard) == r#"["ACK", "BYE"]"#
}

#[test]
fn a_phone_is_called_answers_and_hangs_up() {
    let mut bench = bench();
    let id = bench.place(to_pbx()).expect("it is placed");
    let invite = bench.request(PBX);
    assert_eq!(invite.uri().to_bytes(), format!("sip:200@{}", socket(PBX).ip()).as_bytes());
    let from = format!("\"Undertone monitoring \\\"100\\\"\" <sip:undertone@{US}>;tag={id}");
    assert_eq!((asked(&invite, "From"), asked(&invite, "To")), (from, format!("<sip:200@{}>", socket(PBX).ip())));
    assert_eq!((asked(&invite, "Contact"), asked(&invite, "Supported")), (format!("<sip:{US}>"), "timer".into()));
    assert_eq!((asked(&invite, "Session-Expires"), asked(&invite, "Min-SE")), ("1800".into(), "90".into()));
    let offer = String::from_utf8_lossy(invite.body()).into_owned();
    assert!(offer.contains("m=audio 20000 RTP/AVP 8 0 101\r\n"), "{offer}");
    assert!(asked(&invite, "Call-Info").is_empty());

    bench.send(PBX, reply(&invite, 180, "sue", PBX, ""));
    bench.send(PBX, reply(&invite, 180, "sue", PBX, ""));
    assert_eq!(bench.told(), [ua::Event::Ringing(id)]);
    let picked_up = reply(&invite, 200, "sue", PBX, &phone("203.0.113.7:6000").replace("0 8 101", "8 101"));
    bench.send(PBX, &picked_up);
    let ack = bench.request(PBX);
    assert_eq!((ack.method(), ack.uri().to_bytes().as_ref()), (&Method::Ack, format!("sip:party@{PBX}").as_bytes()));
    let leg = bench.leg(id);
    assert_eq!(
        (leg.format.codec, leg.remote, leg.local),
        (Codec::Pcma, Some(socket("203.0.113.7:6000")), socket("192.0.2.10:20000"))
    );
    assert_eq!(bench.told(), [ua::Event::Up(id), ua::Event::Media(id, Box::new(leg))]);
    // Its answer comes again for want of an ACK.
    bench.send(PBX, &picked_up);
    assert_eq!(bench.request(PBX).to_bytes(), ack.to_bytes());
    assert_eq!((bench.told(), bench.element.calls_of(PeerIndex(1))), (Vec::new(), 1));

    let bye = Draft {
        method: "BYE",
        uri: format!("sip:{US}"),
        from: "<sip:200@203.0.113.1>;tag=sue".into(),
        to: format!("<sip:undertone@{US}>;tag={id}"),
        call: Box::leak(String::from_utf8_lossy(&invite.call_id).into_owned().into_boxed_str()),
        body: String::new(),
        ..dial("b")
    };
    bench.send(PBX, bye.text());
    assert_eq!((bench.response(PBX).status(), bench.ended().by), (200, By::Party));
    bench.assert_idle();
}

#[test]
fn a_phone_may_be_asked_to_answer_by_itself() {
    let mut bench = bench();
    bench.place(Placement { auto_answer: true, from_number: "*84".into(), ..to_pbx() }).expect("it is placed");
    let invite = bench.request(PBX);
    assert_eq!(asked(&invite, "Call-Info"), format!("<sip:{US}>;answer-after=0"));
    assert!(asked(&invite, "Alert-Info").contains(";info=alert-autoanswer;"));
    assert!(asked(&invite, "From").contains("<sip:*84@"));
}

#[test]
fn a_phone_that_will_not_says_why() {
    for (status, text) in [(486, "Busy Here"), (404, "Not Found"), (603, "Decline"), (401, "Response")] {
        let mut bench = bench();
        bench.place(placement(Destination::Group("inside".into()))).expect("it is placed");
        let invite = bench.request(PBX);
        bench.send(PBX, reply(&invite, status, "sue", PBX, ""));
        assert_eq!(bench.request(PBX).method(), &Method::Ack);
        assert_eq!(bench.ended(), Cause { status, text: text.into(), by: By::Party });
        assert_eq!(summary(&bench.heard(PBX_2)), "[]", "it has spoken for all");
        bench.assert_idle();
    }
}

#[test]
fn where_a_peer_does_not_answer_the_next_of_its_group_is_called() {
    let mut bench = bench();
    let id = bench.place(placement(Destination::Group("inside".into()))).expect("it is placed");
    let first = bench.request(PBX);
    bench.send(PBX, reply(&first, 503, "x", PBX, ""));
    let second = bench.request(PBX_2);
    assert_eq!((&second.call_id, second.cseq > first.cseq), (&first.call_id, true));
    assert_eq!([1, 2].map(|peer| bench.element.calls_of(PeerIndex(peer))), [0, 1]);
    bench.send(PBX_2, reply(&second, 200, "sue", PBX_2, &phone("203.0.113.7:6000")));
    assert_eq!(
        (bench.request(PBX_2).method(), bench.element.ua(id).map(|ua| ua.peer)),
        (&Method::Ack, Some(PeerIndex(2)))
    );
    bench.hang_up_own(id, 200, "");
    let bye = bench.request(PBX_2);
    bench.send(PBX_2, reply(&bye, 200, "sue", PBX_2, ""));
    bench.assert_idle();
    // Nobody is there at all.
    bench.told();
    bench.heard(PBX);
    bench.place(placement(Destination::AsFrom(PeerIndex(0)))).expect("it is placed");
    bench.wait(Duration::from_secs(10));
    bench.unreachable(PBX);
    bench.unreachable(PBX_2);
    assert_eq!((bench.ended(), bench.element.ports_used().0), (Cause::by_us(503, ""), 0));
    bench.assert_idle();
}

#[test]
fn a_call_is_given_up_by_us_or_when_it_has_rung_for_too_long() {
    for is_ours in [true, false] {
        let mut bench = bench();
        let id = bench.place(to_pbx()).expect("it is placed");
        let invite = bench.request(PBX);
        bench.send(PBX, reply(&invite, 180, "sue", PBX, ""));
        bench.told();
        if is_ours {
            bench.hang_up_own(id, 487, "No Longer Wanted");
        } else {
            bench.wait(Duration::from_secs(30));
        }
        assert_eq!(
            (bench.request(PBX).method(), bench.ended().status),
            (&Method::Cancel, if is_ours { 487 } else { 408 })
        );
        // It was answered all the same.
        bench.send(PBX, reply(&invite, 200, "sue", PBX, &phone("203.0.113.7:6000")));
        let heard = bench.heard(PBX);
        assert!(is_declined(&heard), "{}", summary(&heard));
        assert_eq!(bench.told(), []);
        let Some(Message::Request(bye)) = heard.last() else { panic!("BYE") };
        bench.send(PBX, reply(bye, 200, "sue", PBX, ""));
        bench.assert_idle();
    }
}

#[test]
fn of_several_that_answer_one_is_taken() {
    let mut bench = bench();
    let id = bench.place(to_pbx()).expect("it is placed");
    let invite = bench.request(PBX);
    bench.send(PBX, reply(&invite, 180, "tim", PBX, ""));
    bench.send(PBX, reply(&invite, 200, "sue", PBX, &phone("203.0.113.7:6000")));
    assert_eq!(bench.request(PBX).method(), &Method::Ack);
    bench.send(PBX, reply(&invite, 200, "tim", PBX, &phone("203.0.113.8:6000")));
    let heard = bench.heard(PBX);
    assert!(is_declined(&heard), "{}", summary(&heard));
    assert_eq!((bench.leg(id).remote, bench.element.counters().forks), (Some(socket("203.0.113.7:6000")), 1));
}

#[test]
fn an_answer_that_takes_nothing_is_acknowledged_and_ended() {
    for body in
        [String::new(), phone("203.0.113.7:0"), "what".into(), phone("203.0.113.7:6000").replace("AVP 0 8", "AVP 18")]
    {
        let mut bench = bench();
        bench.place(to_pbx()).expect("it is placed");
        let invite = bench.request(PBX);
        bench.send(PBX, reply(&invite, 200, "sue", PBX, &body));
        let heard = bench.heard(PBX);
        assert!(is_declined(&heard), "{body}: {}", summary(&heard));
        assert_eq!((bench.ended().status, bench.kept_own.len()), (488, 0), "{body}");
        let Some(Message::Request(bye)) = heard.last() else { panic!("BYE") };
        bench.send(PBX, reply(bye, 200, "sue", PBX, ""));
        bench.assert_idle();
    }
}

#[test]
fn what_was_said_before_the_answer_counts_where_the_answer_says_nothing() {
    let mut bench = bench();
    let id = bench.place(to_pbx()).expect("it is placed");
    let invite = bench.request(PBX);
    bench.send(PBX, reply(&invite, 183, "sue", PBX, &phone("203.0.113.7:6000")));
    assert_eq!(bench.told(), [ua::Event::Ringing(id)], "nothing is heard before somebody answers");
    bench.send(PBX, reply(&invite, 200, "sue", PBX, ""));
    assert_eq!(bench.leg(id).remote, Some(socket("203.0.113.7:6000")));
}

#[test]
fn a_longer_interval_is_taken_where_the_phone_wants_one() {
    let mut bench = Bench::new();
    bench.element.set_own(Vec::new(), Limits { session_expires_s: Some(120), ..Limits::default() });
    let id = bench.place(to_pbx()).expect("it is placed");
    let invite = bench.request(PBX);
    let brief = String::from_utf8(reply(&invite, 422, "sue", PBX, "")).unwrap();
    bench.send(PBX, brief.replace("CSeq:", "Min-SE: 1200\r\nCSeq:"));
    let heard = bench.heard(PBX);
    let [Message::Request(_), Message::Request(again)] = &heard[..] else { panic!("{}", summary(&heard)) };
    assert_eq!((asked(again, "Session-Expires").as_str(), again.cseq), ("1200", 2));
    let taken = String::from_utf8(reply(again, 200, "sue", PBX, &phone("203.0.113.7:6000"))).unwrap();
    bench.send(PBX, taken.replace("CSeq:", "Session-Expires: 1200;refresher=uac\r\nCSeq:"));
    bench.heard(PBX);
    bench.wait(Duration::from_secs(600));
    assert_eq!(bench.request(PBX).method(), &Method::Invite, "it did not say that it takes UPDATE");
    assert!(bench.element.ua(id).is_some());
}

#[test]
fn a_bye_that_overtakes_the_answer_ends_the_call() {
    let mut bench = bench();
    let id = bench.place(to_pbx()).expect("it is placed");
    let invite = bench.request(PBX);
    bench.send(PBX, reply(&invite, 180, "sue", PBX, ""));
    bench.told();
    let bye = Draft {
        method: "BYE",
        uri: format!("sip:{US}"),
        to: format!("<sip:undertone@{US}>;tag={id}"),
        call: Box::leak(String::from_utf8_lossy(&invite.call_id).into_owned().into_boxed_str()),
        body: String::new(),
        ..dial("b")
    };
    bench.send(PBX, bye.text());
    assert_eq!((bench.ended().by, bench.element.ua(id).is_none()), (By::Party, true));
    bench.heard(PBX);
    bench.send(PBX, reply(&invite, 200, "sue", PBX, &phone("203.0.113.7:6000")));
    let heard = bench.heard(PBX);
    assert!(is_declined(&heard), "{}", summary(&heard));
}

#[test]
fn who_answers_may_be_another_one_than_was_called() {
    let mut bench = bench();
    let id = bench.place(to_pbx()).expect("it is placed");
    assert_eq!(bench.element.ua(id).map(|ua| ua.party.number.clone()).as_deref(), Some("200"));
    let invite = bench.request(PBX);
    let other = String::from_utf8(reply(&invite, 200, "tim", PBX, &phone("203.0.113.7:6000"))).unwrap();
    bench.send(PBX, other.replace("CSeq:", "P-Asserted-Identity: \"Tim\" <sip:201@pbx.example>\r\nCSeq:"));
    let told = bench.told();
    assert!(
        matches!(&told[..], [ua::Event::Party(_, party), ua::Event::Up(_), ua::Event::Media(..)] if party.extension == "201"),
        "{told:?}"
    );
}

#[test]
fn a_call_that_cannot_be_placed_is_not() {
    let mut bench = Bench::new();
    bench.element.set_own(Vec::new(), Limits { calls_max: 1, ..Limits::default() });
    let nowhere = bench.place(placement(Destination::Group("nobody".into())));
    assert_eq!(nowhere, Err(UaError::NoRoute("200".into())));
    assert_eq!(bench.place(placement(Destination::Peers(vec![PeerIndex(9)]))), Err(UaError::NoRoute("200".into())));
    let id = bench.place(to_pbx()).expect("it is placed");
    assert_eq!(bench.place(to_pbx()), Err(UaError::TooMany(1)));
    bench.hang_up_own(id, 487, "");
    bench.element.set_draining(true);
    assert_eq!(bench.place(to_pbx()), Err(UaError::Draining));

    let mut full = trunks();
    full.peers[1].calls_max = Some(1);
    let mut bench = Bench::with(full);
    bench.place(to_pbx()).expect("it is placed");
    bench.place(to_pbx()).expect("what becomes of it is told");
    assert_eq!((bench.ended().status, bench.element.calls_of(PeerIndex(1))), (503, 1));
}
