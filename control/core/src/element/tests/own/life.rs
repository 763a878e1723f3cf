//! Calls of ours that last: whether the other end is there, and whether we are.

use super::*;
use crate::{sip::message::Method, ua::By};

/// A call with these headers in its INVITE.
fn timed(bench: &mut Bench, headers: &[&str]) -> (UaId, Response) {
    let invite = headers.iter().fold(dial("1"), |invite, header| invite.with(*header));
    bench.send(PBX, invite.text());
    let id = bench.incoming().id;
    bench.accept(id).expect("it can be answered");
    let answer = bench.response(PBX);
    bench.send(PBX, in_own("ACK", "2", 1, &answer).text());
    bench.told();
    (id, answer)
}

#[test]
fn who_refreshes_is_agreed_on() {
    for (headers, expires, require) in [
        (&["Supported: timer", "Session-Expires: 600;refresher=uac"][..], "600;refresher=uac", "timer"),
        (&["Supported: timer", "x: 600"], "600;refresher=uac", "timer"),
        (&["Supported: 100rel,timer", "Session-Expires: 600;refresher=uas"], "600;refresher=uas", ""),
        (&["Session-Expires: 600"], "600;refresher=uas", ""),
        (&["Supported: timer"], "1800;refresher=uac", "timer"),
        (&["Supported: timer", "Min-SE: 3600"], "3600;refresher=uac", "timer"),
        (&[], "", ""),
    ] {
        let (_, answer) = timed(&mut bench(), headers);
        assert_eq!(
            (header(&answer, "Session-Expires").as_str(), header(&answer, "Require").as_str()),
            (expires, require),
            "{headers:?}"
        );
    }
}

#[test]
fn a_phone_that_is_not_heard_of_in_time_is_given_up() {
    let mut bench = bench();
    let (_, answer) = timed(&mut bench, &["Supported: timer", "Session-Expires: 600;refresher=uac"]);
    bench.wait(Duration::from_secs(500));
    let refresh = |branch: &str, cseq| {
        in_own("UPDATE", branch, cseq, &answer).with("Supported: timer").with("Session-Expires: 600;refresher=uac")
    };
    bench.send(PBX, refresh("u", 2).text());
    let refreshed = bench.response(PBX);
    assert_eq!((refreshed.status(), header(&refreshed, "Session-Expires").as_str()), (200, "600;refresher=uac"));
    // 32 seconds before the end (RFC 4028 §10).
    bench.wait(Duration::from_secs(567));
    assert_eq!((summary(&bench.heard(PBX)).as_str(), bench.told()), ("[]", Vec::new()));
    bench.wait(Duration::from_secs(1));
    assert_eq!(bench.request(PBX).method(), &Method::Bye);
    assert_eq!(bench.ended(), Cause { status: 408, text: "Session Expired".into(), by: By::Us });
    bench.assert_idle();
}

#[test]
fn where_it_is_ours_to_refresh_we_do_by_update() {
    let mut bench = bench();
    let headers = ["Supported: timer", "Allow: INVITE, UPDATE", "Session-Expires: 600;refresher=uas"];
    let (id, _) = timed(&mut bench, &headers);
    for round in 1..=3 {
        bench.wait(Duration::from_secs(300));
        let update = bench.request(PBX);
        assert_eq!((update.method(), update.cseq, update.body().len()), (&Method::Update, round, 0));
        assert_eq!(asked(&update, "Session-Expires"), "600;refresher=uac");
        let kept = reply(&update, 200, "sue", PBX, "");
        let kept = String::from_utf8(kept).unwrap().replace("CSeq:", "Session-Expires: 600;refresher=uac\r\nCSeq:");
        bench.send(PBX, kept);
    }
    // It forgets, or it was started again.
    bench.wait(Duration::from_secs(300));
    let update = bench.request(PBX);
    bench.send(PBX, reply(&update, 481, "sue", PBX, ""));
    assert_eq!((bench.ended().status, bench.element.ua(id).is_none()), (481, true));
    assert_eq!(summary(&bench.heard(PBX)), "[]", "it need not be told");
    bench.assert_idle();
}

#[test]
fn a_phone_without_update_is_asked_by_invite_with_what_is_agreed_on() {
    let mut bench = bench();
    let headers = ["Supported: timer", "Session-Expires: 600;refresher=uas", "Allow: INVITE, UPDATE"];
    let (id, _) = timed(&mut bench, &headers);
    bench.wait(Duration::from_secs(300));
    let update = bench.request(PBX);
    bench.send(PBX, reply(&update, 501, "sue", PBX, ""));
    bench.wait(Duration::from_millis(1));
    let invite = bench.request(PBX);
    let text = String::from_utf8_lossy(invite.body()).into_owned();
    assert_eq!(
        (invite.method(), text.contains(" 1 IN IP4"), text.contains("RTP/AVP 0 101\r\n")),
        (&Method::Invite, true, true),
        "{text}"
    );
    // Another INVITE crosses it, and both wait (RFC 3261 §14.1).
    bench.send(PBX, reply(&invite, 491, "sue", PBX, ""));
    assert_eq!(bench.request(PBX).method(), &Method::Ack);
    bench.wait(Duration::from_secs(2));
    let invite = bench.first_request(PBX);
    let taken = reply(&invite, 200, "sue", PBX, &phone("203.0.113.7:6500"));
    let taken = String::from_utf8(taken).unwrap().replace("CSeq:", "Session-Expires: 600;refresher=uac\r\nCSeq:");
    bench.send(PBX, &taken);
    let ack = bench.request(PBX);
    assert_eq!((ack.method(), ack.cseq), (&Method::Ack, invite.cseq));
    assert_eq!(bench.leg(id).remote, Some(socket("203.0.113.7:6500")));
    assert!(matches!(bench.told()[..], [ua::Event::Media(..)]));
    // The ACK was lost.
    bench.send(PBX, &taken);
    assert_eq!(bench.request(PBX).to_bytes(), ack.to_bytes());
    bench.hang_up_own(id, 200, "");
}

#[test]
fn a_phone_that_says_nothing_at_all_is_given_up_after_one_question() {
    let mut bench = bench();
    timed(&mut bench, &["Supported: timer", "Session-Expires: 600;refresher=uas", "Allow: UPDATE"]);
    bench.wait(Duration::from_secs(332));
    let heard = bench.heard(PBX);
    assert!(matches!(heard.last(), Some(Message::Request(bye)) if *bye.method() == Method::Bye), "{}", summary(&heard));
    assert_eq!(bench.ended().text, "Session Expired");
    bench.assert_idle();
}

#[test]
fn a_longer_interval_is_asked_for_where_it_is_wanted() {
    let mut bench = bench();
    timed(&mut bench, &["Supported: timer", "Session-Expires: 90;refresher=uas", "Allow: UPDATE"]);
    bench.wait(Duration::from_secs(45));
    let update = bench.request(PBX);
    let brief = reply(&update, 422, "sue", PBX, "");
    bench.send(PBX, String::from_utf8(brief).unwrap().replace("CSeq:", "Min-SE: 300\r\nCSeq:"));
    bench.wait(Duration::from_secs(1));
    assert_eq!(asked(&bench.request(PBX), "Session-Expires"), "300;refresher=uac");
}

/// The daemon dies, and another one goes on from what was kept.
fn restart(bench: &mut Bench) -> UaId {
    let kept = bench.kept_own.pop().expect("a call was kept");
    let json = serde_json::to_string(&kept).expect("JSON");
    let read: ua::Snapshot = serde_json::from_str(&json).expect("the same");
    assert_eq!(read, kept);
    *bench = Bench { now: bench.now, ..super::bench() };
    let id = bench.element.restore_ua(&read).expect("it goes on");
    assert_eq!(bench.element.ua_snapshot(id), Some(kept), "nothing was lost");
    id
}

#[test]
fn a_call_outlives_the_daemon_on_either_side() {
    for phone_leaves in [true, false] {
        let mut bench = bench();
        let (id, answer) = bench.own_up();
        let leg = bench.leg(id);
        assert_eq!(restart(&mut bench), id);
        assert_eq!((bench.leg(id), bench.element.calls_of(PeerIndex(1))), (leg, 1));
        assert!(bench.element.is_of_call(leg.local) && bench.element.ports_used().0 == 1);
        let hold = in_own("INVITE", "r", 2, &answer);
        bench.send(PBX, Draft { body: format!("{}a=sendonly\r\n", phone("203.0.113.7:6000")), ..hold }.text());
        let held = bench.response(PBX);
        let text = String::from_utf8_lossy(held.body()).into_owned();
        assert_eq!((held.status(), text.contains(" 2 IN IP4 192.0.2.10\r\n")), (200, true), "{text}");
        bench.send(PBX, in_own("ACK", "a", 2, &answer).text());
        assert!(matches!(bench.told()[..], [ua::Event::Media(..)]));
        assert_eq!(restart(&mut bench), id);
        if phone_leaves {
            bench.send(PBX, in_own("BYE", "b", 3, &answer).text());
            assert_eq!((bench.response(PBX).status(), bench.ended().by), (200, By::Party));
        } else {
            bench.hang_up_own(id, 480, "Over");
            let bye = bench.request(PBX);
            assert_eq!(
                (bye.method(), bye.cseq, asked(&bye, "To").as_str()),
                (&Method::Bye, 1, "\"Sue\" <sip:200@pbx.example>;tag=sue")
            );
            bench.send(PBX, reply(&bye, 200, "sue", PBX, ""));
            bench.ended();
        }
        bench.assert_idle();
    }
}

#[test]
fn the_interval_runs_on_over_a_restart() {
    let mut bench = bench();
    timed(&mut bench, &["Supported: timer", "Session-Expires: 600;refresher=uac"]);
    bench.wait(Duration::from_secs(400));
    restart(&mut bench);
    bench.wait(Duration::from_secs(168));
    assert_eq!((bench.request(PBX).method(), bench.ended().text.as_str()), (&Method::Bye, "Session Expired"));
}

#[test]
fn a_call_of_a_peer_that_is_gone_is_not_taken_up() {
    let mut bench = bench();
    bench.own_up();
    let kept = bench.kept_own.pop().expect("a call was kept");
    let mut others = trunks();
    others.peers[1].name = "another".into();
    let mut bench = Bench::with(others);
    assert_eq!((bench.element.restore_ua(&kept), bench.element.ports_used().0), (None, 0));
    bench.assert_idle();
}

#[test]
fn a_peer_that_moves_keeps_its_calls_with_us() {
    let mut bench = bench();
    let (_, answer) = bench.own_up();
    let mut moved = trunks();
    moved.peers[1] = peer("pbx", Side::OnNet, "203.0.113.99:5060");
    let next = moved.succeed(bench.element.trunks());
    bench.element.set_trunks(Arc::new(next), super::super::Limits::default(), bench.now);
    bench.send(PBX, in_own("BYE", "b", 2, &answer).text());
    assert_eq!((bench.response(PBX).status(), bench.ended().by), (200, By::Party));
    bench.send(PBX, dial("4").text());
    assert_eq!((bench.told(), bench.element.counters().strangers), (Vec::new(), 1), "no more of them");
}
