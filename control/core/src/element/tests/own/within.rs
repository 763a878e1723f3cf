//! What comes in calls of ours.

use super::*;
use crate::{sip::message::Method, ua::By};

fn held(at: &str, direction: &str) -> String {
    format!("{}a={direction}\r\n", phone(at))
}

#[test]
fn a_phone_that_holds_and_resumes_is_followed() {
    let mut bench = bench();
    let (id, answer) = bench.own_up();
    for (number, direction, ours, sends) in
        [(2, "sendonly", "recvonly", false), (3, "inactive", "inactive", false), (4, "sendrecv", "sendrecv", true)]
    {
        let hold = in_own("INVITE", &format!("r{number}"), number, &answer);
        bench.send(PBX, Draft { body: held("203.0.113.7:6000", direction), ..hold }.text());
        let held = bench.response(PBX);
        let text = String::from_utf8_lossy(held.body()).into_owned();
        assert_eq!((held.status(), text.ends_with(&format!("a={ours}\r\n"))), (200, true), "{text}");
        let told = bench.told();
        assert!(matches!(&told[..], [ua::Event::Media(_, leg)] if leg.sends == sends), "{told:?}");
        bench.send(PBX, in_own("ACK", &format!("a{number}"), number, &answer).text());
    }
    assert_eq!(bench.told(), []);
    bench.wait(Duration::from_secs(5));
    assert_eq!(summary(&bench.heard(PBX)), "[]");
    bench.hang_up_own(id, 200, "");
}

#[test]
fn new_ports_and_codecs_are_told_and_the_same_again_is_not() {
    let mut bench = bench();
    let (id, answer) = bench.own_up();
    let again = Draft { body: phone("203.0.113.7:6000"), ..in_own("UPDATE", "u", 2, &answer) };
    bench.send(PBX, again.text());
    let same = bench.response(PBX);
    assert_eq!((same.body(), bench.told()), (answer.body(), Vec::new()));
    let moved =
        Draft { body: phone("203.0.113.8:7000").replace("0 8 101", "8 101"), ..in_own("UPDATE", "v", 3, &answer) };
    bench.send(PBX, moved.text());
    let text = String::from_utf8_lossy(bench.response(PBX).body()).into_owned();
    assert!(text.contains(" 2 IN IP4 192.0.2.10\r\n") && text.contains("m=audio 20000 RTP/AVP 8 101\r\n"), "{text}");
    let leg = bench.leg(id);
    assert_eq!(
        (leg.remote, leg.format.codec, leg.local),
        (Some(socket("203.0.113.8:7000")), Codec::Pcma, socket("192.0.2.10:20000"))
    );
    assert_eq!(bench.told(), [ua::Event::Media(id, Box::new(leg))]);
    // What cannot be leaves it as it is.
    let fax = "v=0\r\no=- 1 1 IN IP4 203.0.113.7\r\ns=-\r\nc=IN IP4 203.0.113.7\r\nt=0 0\r\nm=image 6000 udptl t38\r\n";
    bench.send(PBX, Draft { body: fax.into(), ..in_own("INVITE", "f", 4, &answer) }.text());
    assert_eq!((bench.response(PBX).status(), bench.leg(id), bench.told()), (488, leg, Vec::new()));
}

#[test]
fn an_invite_without_an_offer_gets_ours_and_its_ack_the_last_word() {
    let mut bench = bench();
    let (id, answer) = bench.own_up();
    bench.send(PBX, in_own("INVITE", "r", 2, &answer).text());
    let offer = bench.response(PBX);
    let text = String::from_utf8_lossy(offer.body()).into_owned();
    assert!(text.contains("m=audio 20000 RTP/AVP 0 8 101\r\n"), "what is spoken stands first: {text}");
    // Until it is answered there is no room for another one.
    let crossing =
        |method, branch: &str, cseq| Draft { body: phone("203.0.113.7:6000"), ..in_own(method, branch, cseq, &answer) };
    bench.send(PBX, crossing("INVITE", "c", 3).text());
    assert_eq!(bench.response(PBX).status(), 491);
    bench.send(PBX, crossing("UPDATE", "d", 4).text());
    assert_eq!(bench.response(PBX).status(), 491);
    let ack = in_own("ACK", "k", 2, &answer);
    bench.send(PBX, Draft { body: phone("203.0.113.9:6200"), ..ack }.text());
    assert_eq!(bench.leg(id).remote, Some(socket("203.0.113.9:6200")));
    assert!(matches!(bench.told()[..], [ua::Event::Media(..)]));
    // An ACK without an answer leaves media as it is.
    bench.send(PBX, in_own("INVITE", "s", 5, &answer).text());
    bench.heard(PBX);
    bench.send(PBX, in_own("ACK", "t", 5, &answer).text());
    assert_eq!((bench.leg(id).remote, bench.told()), (Some(socket("203.0.113.9:6200")), Vec::new()));
    bench.send(PBX, crossing("INVITE", "u", 6).text());
    assert_eq!(bench.response(PBX).status(), 200);
}

#[test]
fn another_invite_says_that_the_answer_has_come_whatever_became_of_its_ack() {
    let mut bench = bench();
    bench.send(PBX, dial("1").text());
    let id = bench.incoming().id;
    bench.accept(id).expect("it can be answered");
    let answer = bench.response(PBX);
    bench.told();
    bench.send(PBX, Draft { body: held("203.0.113.7:6000", "sendonly"), ..in_own("INVITE", "r", 2, &answer) }.text());
    assert_eq!(bench.response(PBX).status(), 200);
    assert!(matches!(bench.told()[..], [ua::Event::Up(_), ua::Event::Media(..)]));
    bench.send(PBX, in_own("ACK", "a", 2, &answer).text());
    bench.wait(Duration::from_secs(60));
    assert_eq!((summary(&bench.heard(PBX)).as_str(), bench.element.ua(id).is_some()), ("[]", true));
}

#[test]
fn keys_in_messages_are_told_and_other_messages_refused() {
    let mut bench = bench();
    let (id, answer) = bench.own_up();
    let info = |branch: &str, cseq, kind: &str, body: &str| {
        let draft = Draft { body: body.into(), ..in_own("INFO", branch, cseq, &answer) };
        draft.text().replace("application/dtmf", kind)
    };
    for (cseq, kind, body, status) in [
        (2, "application/dtmf-relay", "Signal=*\r\nDuration=120\r\n", 200),
        (3, "application/dtmf", "8", 200),
        (4, "application/dtmf-relay", "Signal=what", 400),
        (5, "text/plain", "8", 415),
        (6, "", "", 200),
    ] {
        bench.send(PBX, info(&format!("i{cseq}"), cseq, kind, body));
        let said = bench.response(PBX);
        assert_eq!(said.status(), status, "{kind} {body}");
        if status == 415 {
            assert_eq!(header(&said, "Accept"), "application/dtmf-relay, application/dtmf");
        }
    }
    let digit = |digit, duration_ms| ua::Event::Digit { id, digit, duration_ms };
    assert_eq!(bench.told(), [digit('*', Some(120)), digit('8', None)]);
    // Repeated by the network, a key is pressed once.
    bench.send(PBX, info("i3", 3, "application/dtmf", "8"));
    assert_eq!((bench.response(PBX).status(), bench.told()), (200, Vec::new()));
    bench.send(PBX, in_own("INFO", "p", 7, &answer).with("Info-Package: x").text());
    assert_eq!(bench.response(PBX).status(), 469);
}

#[test]
fn what_is_out_of_place_is_told_so() {
    let mut bench = bench();
    let (id, answer) = bench.own_up();
    for (cseq, method, status) in [
        (5, "OPTIONS", 200),
        (6, "REFER", 603),
        (7, "MESSAGE", 405),
        (8, "SUBSCRIBE", 405),
        (9, "X-UNHEARD-OF", 405),
        (10, "PRACK", 481),
        (10, "OPTIONS", 500),
        (3, "BYE", 500),
    ] {
        bench.send(PBX, in_own(method, &format!("m{cseq}{method}"), cseq, &answer).text());
        let said = bench.response(PBX);
        assert_eq!(said.status(), status, "{method}");
        assert!(status != 405 || header(&said, "Allow").contains("UPDATE"), "{method}");
    }
    bench.send(PBX, in_own("INVITE", "q", 11, &answer).with("Require: precondition").text());
    assert_eq!(bench.response(PBX).status(), 420);
    // Nobody else is in this call, by whatever they differ.
    let strangers = [
        Draft { from: "<sip:200@pbx.example>;tag=other".into(), ..in_own("BYE", "s1", 20, &answer) },
        Draft { call: "call-9", ..in_own("BYE", "s2", 20, &answer) },
        Draft { to: "<sip:007100@undertone.example>;tag=0123456789abcdef".into(), ..in_own("BYE", "s3", 20, &answer) },
    ];
    for draft in strangers {
        bench.send(PBX, draft.text());
        assert_eq!(bench.response(PBX).status(), 481, "{}", draft.text());
    }
    bench.send(CARRIER, Draft { at: CARRIER, ..in_own("BYE", "s4", 20, &answer) }.text());
    assert_eq!(
        (bench.response(CARRIER).status(), bench.told(), bench.element.ua(id).is_some()),
        (481, Vec::new(), true)
    );
}

#[test]
fn a_phone_that_is_handed_on_is_somebody_else() {
    let mut bench = bench();
    let (id, answer) = bench.own_up();
    let handed_on = in_own("UPDATE", "u", 2, &answer).with("P-Asserted-Identity: \"Tim\" <sip:201@pbx.example>");
    bench.send(PBX, handed_on.text());
    let told = bench.told();
    assert!(
        matches!(&told[..], [ua::Event::Party(of, party)] if *of == id && party.extension == "201" && party.name == "Tim"),
        "{told:?}"
    );
}

#[test]
fn requests_go_where_the_phone_is_and_by_what_stands_between() {
    let mut bench = bench();
    let dial = dial("1").with("Record-Route: <sip:203.0.113.1:5090;lr>, <sip:203.0.113.66;lr>");
    bench.send(PBX, dial.text().replace("Contact: <sip:party@203.0.113.1:5060>", "Contact: <sip:sue@10.0.0.7:5062>"));
    let id = bench.incoming().id;
    bench.accept(id).expect("it can be answered");
    let answer = bench.response(PBX);
    assert_eq!(answer.record_routes(), ["sip:203.0.113.1:5090;lr", "sip:203.0.113.66;lr"]);
    bench.send(PBX, in_own("ACK", "2", 1, &answer).text());
    let moved = in_own("UPDATE", "3", 2, &answer).text();
    bench.send(PBX, moved.replace("Contact: <sip:party@203.0.113.1:5060>", "Contact: <sip:sue@10.0.0.8:5062>"));
    bench.hang_up_own(id, 480, "The Call Is Over");
    let bye = bench.request("203.0.113.1:5090");
    assert_eq!((bye.method(), bye.uri().to_bytes().as_ref()), (&Method::Bye, b"sip:sue@10.0.0.8:5062".as_slice()));
    assert_eq!(asked(&bye, "Route"), "<sip:203.0.113.1:5090;lr>");
    assert_eq!(asked(&bye, "Reason"), "SIP;cause=480;text=\"The Call Is Over\"");
    assert_eq!((bye.from_tag.as_ref(), bye.to_tag.as_deref()), (answer.to_tag.as_deref().unwrap(), Some(&b"sue"[..])));
    bench.send(PBX, reply(&bye, 200, "sue", PBX, ""));
    bench.assert_idle();
}

#[test]
fn a_call_that_we_leave_before_it_is_acknowledged_is_ended_when_it_is() {
    for acknowledges in [true, false] {
        let mut bench = bench();
        bench.send(PBX, dial("1").text());
        let id = bench.incoming().id;
        bench.accept(id).expect("it can be answered");
        let answer = bench.response(PBX);
        bench.told();
        bench.hang_up_own(id, 480, "Over");
        assert_eq!(
            (bench.ended().by, summary(&bench.heard(PBX)).as_str()),
            (By::Us, "[]"),
            "BYE may not overtake the answer"
        );
        assert!(bench.element.ua(id).is_none() && !bench.element.hang_up(bench.now, id, Cause::by_us(480, "")));
        bench.send(PBX, in_own("INFO", "i", 2, &answer).text());
        assert_eq!(bench.response(PBX).status(), 481);
        if acknowledges {
            bench.send(PBX, in_own("ACK", "2", 1, &answer).text());
        } else {
            bench.wait(Duration::from_secs(32));
        }
        let heard = bench.heard(PBX);
        let Some(Message::Request(bye)) = heard.last() else { panic!("{}", summary(&heard)) };
        assert_eq!(asked(bye, "Reason"), "SIP;cause=480;text=\"Over\"");
        bench.send(PBX, reply(bye, 200, "sue", PBX, ""));
        assert_eq!(bench.told(), [], "it is told once that it is over");
        bench.assert_idle();
    }
}

#[test]
fn a_caller_may_hang_up_before_it_is_answered() {
    let mut bench = bench();
    bench.send(PBX, dial("1").text());
    let id = bench.incoming().id;
    bench.element.alert(bench.now, id);
    bench.drain();
    let ringing = bench.response(PBX);
    let early = in_own("UPDATE", "u", 2, &ringing);
    bench.send(PBX, early.text());
    assert_eq!(bench.response(PBX).status(), 200);
    bench.send(PBX, Draft { body: phone("203.0.113.7:6000"), ..in_own("UPDATE", "v", 3, &ringing) }.text());
    assert_eq!(bench.response(PBX).status(), 500, "its first offer is not answered");
    bench.send(PBX, in_own("BYE", "b", 4, &ringing).text());
    assert_eq!(summary(&bench.heard(PBX)), r#"["200 to BYE", "487 to INVITE"]"#);
    assert_eq!(bench.ended().status, 487);
    bench.send(PBX, Draft { method: "ACK", body: String::new(), ..dial("1") }.text());
    bench.assert_idle();
}
