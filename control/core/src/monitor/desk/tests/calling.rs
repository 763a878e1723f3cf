//! Supervisors who are called.

use super::*;

#[test]
fn a_supervisor_is_called_answers_and_hears_the_call() {
    let (mut scene, _) = Scene::with_call();
    let id = scene.call(wish(Mode::WhisperToAgent)).expect("she may");
    assert_eq!(scene.states(), [(State::Calling, Mode::WhisperToAgent)]);
    let [event] = &scene.audit[..] else { panic!("one row") };
    assert_eq!((event.what, event.by.via, event.by.address.as_str()), (What::SessionStarted, Via::Cli, "uid 0"));
    assert_eq!((event.by.user.as_str(), event.details.get("phone")), ("ann", Some(&"called".into())));
    let invite = scene.bench.request(PBX);
    assert!(invite.uri().to_bytes().starts_with(b"sip:200@"));
    assert!(
        asked(&invite, "From").starts_with("\"Undertone monitoring 100\" <sip:007100@"),
        "{}",
        asked(&invite, "From")
    );
    assert!(String::from_utf8_lossy(invite.body()).contains("m=audio 30000 "));
    assert_eq!(scene.done(), [], "nothing is heard before somebody answers");
    scene.send(PBX, reply(&invite, 200, "sue", PBX, &phone("203.0.113.9:6000")));
    assert_eq!(scene.states(), [(State::Up, Mode::WhisperToAgent)]);
    let done = scene.done();
    assert!(done.contains(&Output::Attach(key(id), call_key(scene.call_id()), Mode::WhisperToAgent)), "{done:?}");
    assert_eq!(diverts(&done), [(ports()[0], true)]);
    scene.bench.heard(PBX);
    assert!(scene.desk.hang_up(id, Cause::by_us(200, "Ended by the Operator")));
    scene.turn();
    assert_eq!(scene.bench.request(PBX).method(), &Method::Bye);
    assert_eq!(
        scene.written().last(),
        Some(&(What::SessionEnded, Some(Mode::WhisperToAgent), "Ended by the Operator".into()))
    );
    scene.assert_idle();
}

#[test]
fn a_supervisor_is_called_by_the_next_peer_where_the_first_one_fails() {
    let (mut scene, _) = Scene::with_call();
    scene.call(wish(Mode::Listen)).expect("she may");
    let invite = scene.bench.request(PBX);
    scene.send(PBX, reply(&invite, 503, "sue", PBX, ""));
    let invite = scene.bench.request(PBX_2);
    assert!(invite.uri().to_bytes().starts_with(b"sip:200@"));
    assert_eq!(scene.states(), [(State::Calling, Mode::Listen)]);
    scene.send(PBX_2, reply(&invite, 200, "sue", PBX_2, &phone("203.0.113.9:6000")));
    assert_eq!(scene.states(), [(State::Up, Mode::Listen)]);
}

#[test]
fn a_phone_that_is_busy_or_does_not_answer_ends_the_session_with_its_reason() {
    for (status, reason) in [(Some(486), "Busy Here"), (None, "No Answer")] {
        let (mut scene, _) = Scene::with_call();
        scene.call(wish(Mode::Listen)).expect("she may");
        let invite = scene.bench.request(PBX);
        scene.send(PBX, reply(&invite, status.unwrap_or(180), "sue", PBX, ""));
        if status.is_none() {
            scene.bench.wait(Duration::from_secs(31));
            scene.turn();
        }
        let ended = scene.audit.last().expect("a row");
        assert_eq!((ended.what, ended.reason.as_str()), (What::SessionEnded, reason));
        assert_eq!(ended.details.get("status"), Some(&status.unwrap_or(408).into()));
        scene.assert_idle();
    }
}

#[test]
fn who_may_not_monitor_is_not_called() {
    for (wish, denial) in [
        (Wish { target: "300".into(), ..wish(Mode::Listen) }, Denial::Protected),
        (Wish { supervisor: "100".into(), target: "101".into(), ..wish(Mode::Listen) }, Denial::NoRule),
        (Wish { supervisor: "555".into(), ..wish(Mode::Listen) }, Denial::UnknownSupervisor),
        (Wish { target: "101".into(), ..wish(Mode::Listen) }, Denial::NoCall),
    ] {
        let (mut scene, _) = Scene::with_call();
        assert_eq!(scene.call(wish), Err(NotCalled::Denied(denial)));
        assert_eq!(scene.written(), [(What::Refused, Some(Mode::Listen), denial.key().to_owned())]);
        assert_eq!(scene.bench.heard(PBX).len(), 0);
        scene.assert_idle();
    }
    let (mut scene, _) = Scene::with_call();
    let elsewhere = Wish { peer: Some("carrier".into()), ..wish(Mode::Listen) };
    assert_eq!(scene.call(elsewhere), Err(NotCalled::NoPeer("carrier".into())), "supervisors are inside");
    let nowhere = Wish { peer: Some("pbxx".into()), ..wish(Mode::Listen) };
    assert_eq!(scene.call(nowhere), Err(NotCalled::NoPeer("pbxx".into())));
    scene.bench.element.set_draining(true);
    assert_eq!(scene.call(wish(Mode::Listen)), Err(NotCalled::Draining));
}

#[test]
fn who_lost_the_right_while_the_phone_rang_hears_nothing() {
    let (mut scene, _) = Scene::with_call();
    scene.call(wish(Mode::Listen)).expect("she may");
    let invite = scene.bench.request(PBX);
    // Not told to sessions: as when a rule's hours are over.
    scene.desk.monitoring = Arc::new(Monitoring { rules: Vec::new(), ..monitoring() });
    scene.send(PBX, reply(&invite, 200, "sue", PBX, &phone("203.0.113.9:6000")));
    let what: Vec<_> = scene.written().into_iter().map(|(what, ..)| what).collect();
    assert_eq!(what, [What::SessionStarted, What::RightsWithdrawn, What::SessionEnded]);
    assert!(!scene.done().iter().any(|output| matches!(output, Output::Open(..))));
    scene.assert_idle();
}

#[test]
fn a_phone_stops_ringing_when_the_call_is_over_or_the_session_is_ended() {
    for is_ended in [false, true] {
        let (mut scene, answer) = Scene::with_call();
        let id = scene.call(wish(Mode::Listen)).expect("she may");
        let invite = scene.bench.request(PBX);
        scene.send(PBX, reply(&invite, 180, "sue", PBX, ""));
        if is_ended {
            assert!(scene.desk.hang_up(id, Cause::by_us(487, "Ended by the Operator")));
            scene.turn();
        } else {
            scene.caller_hangs_up(&answer);
        }
        let heard = scene.bench.heard(PBX);
        let cancels = |message: &crate::sip::message::Message| matches!(message, crate::sip::message::Message::Request(request) if request.method() == &Method::Cancel);
        assert!(heard.iter().any(cancels), "{}", heard.len());
        assert_eq!(scene.desk.sessions().count(), 0);
    }
}
