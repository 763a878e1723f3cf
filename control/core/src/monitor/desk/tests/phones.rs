//! What becomes of a session when its phone is on hold, silent, or gone.

use super::*;

#[test]
fn a_phone_that_is_put_on_hold_hears_nothing_and_then_goes_on() {
    let (mut scene, _) = Scene::with_call();
    let (id, own) = scene.monitors();
    scene.done();
    for (cseq, direction, hears) in [(2, "a=sendonly\r\n", false), (3, "", true)] {
        let body = phone("203.0.113.7:6000") + direction;
        scene.send(PBX, Draft { body, ..in_session("INVITE", &format!("h{cseq}"), cseq, &own) }.text());
        let answer = scene.bench.response(PBX);
        scene.send(PBX, in_session("ACK", &format!("a{cseq}"), cseq, &answer).text());
        assert!(
            matches!(&scene.done()[..], [Output::Change(changed, spec)] if *changed == key(id) && spec.hears == hears),
            "hears {hears}"
        );
    }
}

#[test]
fn a_phone_that_is_silent_is_asked_and_goes_on_where_it_answers() {
    let (mut scene, _) = Scene::with_call();
    scene.monitors();
    scene.bench.heard(PBX);
    for round in 0..3 {
        scene.look_after(29, None);
        assert_eq!(scene.bench.heard(PBX).len(), 0, "round {round}");
        scene.look_after(2, None);
        let options = scene.bench.first_request(PBX);
        assert_eq!((options.method(), asked(&options, "Accept").as_str()), (&Method::Options, "application/sdp"));
        // It need not know what OPTIONS is.
        scene.send(PBX, reply(&options, if round == 1 { 501 } else { 200 }, "sue", PBX, ""));
        assert_eq!(scene.states(), [(State::Up, Mode::Listen)]);
    }
    let now = scene.bench.now;
    scene.look_after(29, Some(now));
    assert_eq!(scene.bench.heard(PBX).len(), 0, "who sends is there");
}

#[test]
fn a_phone_that_has_vanished_takes_its_session_along_and_the_call_goes_on() {
    for answer in [None, Some(481)] {
        let (mut scene, _) = Scene::with_call();
        let (id, _) = scene.monitors();
        scene.switch(id, Mode::Barge).expect("it is permitted");
        scene.bench.heard(PBX);
        scene.written();
        scene.look_after(32, None);
        let options = scene.bench.first_request(PBX);
        match answer {
            Some(status) => scene.send(PBX, reply(&options, status, "sue", PBX, "")),
            None => scene.look_after(11, None),
        }
        let (why, vanished) =
            if answer.is_some() { ("Call/Transaction Does Not Exist", 0) } else { ("The Phone Has Vanished", 1) };
        assert_eq!(scene.written(), [(What::SessionEnded, Some(Mode::Barge), why.into())]);
        let is_bye = |message: &crate::sip::message::Message| matches!(message, crate::sip::message::Message::Request(request) if request.method() == &Method::Bye);
        assert!(scene.bench.heard(PBX).iter().any(is_bye), "it is told, should it be there after all");
        assert_eq!((scene.desk.counters().vanished, scene.bench.element.calls().count()), (vanished, 1));
        scene.assert_idle();
    }
}

#[test]
fn a_phone_is_never_asked_where_that_is_switched_off() {
    let mut scene = Scene::with(Monitoring { phone_timeout: None, ..monitoring() });
    call_up(&mut scene.bench);
    scene.turn();
    scene.monitors();
    scene.bench.heard(PBX);
    scene.look_after(100, None);
    assert_eq!((scene.bench.heard(PBX).len(), scene.states()), (0, vec![(State::Up, Mode::Listen)]));
}
