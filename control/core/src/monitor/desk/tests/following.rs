//! What becomes of a session when its call ends, or is another one.

use super::*;

#[test]
fn a_session_ends_with_its_call_unless_it_waits_for_the_next() {
    for follow in [false, true] {
        let mut scene = Scene::with(Monitoring { follow, ..monitoring() });
        let (_, answer) = call_up(&mut scene.bench);
        scene.turn();
        let (id, _) = scene.monitors();
        scene.switch(id, Mode::Barge).expect("it is permitted");
        scene.done();
        scene.written();
        scene.caller_hangs_up(&answer);
        if follow {
            assert_eq!(scene.states(), [(State::Waiting, Mode::Listen)]);
            assert_eq!(scene.written(), [(What::CallChanged, Some(Mode::Listen), "The Call Has Ended".into())]);
        } else {
            assert_eq!(scene.bench.request(PBX).method(), &Method::Bye);
            scene.assert_idle();
            assert_eq!(scene.written(), [(What::SessionEnded, Some(Mode::Barge), "The Call Has Ended".into())]);
        }
    }
}

#[test]
fn the_next_call_of_the_extension_is_a_code_away() {
    let (mut scene, _) = Scene::with_call();
    let (id, _) = scene.monitors();
    let first = scene.call_id();
    scene.switch(id, Mode::Barge).expect("it is permitted");
    scene.written();
    scene.press(id, "*84");
    assert_eq!(scene.written(), [(What::Refused, None, "no-call".into())], "there is no other");
    assert_eq!((scene.dial("*84").status(), scene.states()), (200, vec![(State::Up, Mode::Barge)]), "a tone says so");
    second_call(&mut scene);
    scene.done();
    scene.written();
    scene.press(id, "*84");
    let monitored = |scene: &Scene| scene.desk.sessions().next().and_then(|session| session.call);
    assert!(monitored(&scene).is_some_and(|call| call != first), "{first}");
    assert_eq!(scene.states(), [(State::Up, Mode::Listen)], "nobody is spoken to unawares");
    assert_eq!(scene.written(), [(What::CallChanged, Some(Mode::Listen), "The Next Call".into())]);
    let done = scene.done();
    assert!(done.contains(&Output::Detach(key(id))) && done.contains(&Output::EndCall(call_key(first))), "{done:?}");
    assert_eq!(diverts(&done), [(ports()[1], false), (ports()[0], false)]);
    scene.press(id, "*84");
    assert_eq!(monitored(&scene), Some(first));
}

#[test]
fn a_session_that_waits_joins_the_next_call() {
    let mut scene = Scene::with(Monitoring { follow: true, ..monitoring() });
    let (id, _) = scene.monitors();
    assert_eq!(scene.states(), [(State::Waiting, Mode::Listen)]);
    scene.done();
    let (_, answer) = call_up(&mut scene.bench);
    scene.turn();
    assert_eq!(scene.states(), [(State::Up, Mode::Listen)]);
    let (first, done) = (scene.call_id(), scene.done());
    assert!(done.contains(&Output::Attach(key(id), call_key(first), Mode::Listen)), "{done:?}");
    scene.caller_hangs_up(&answer);
    assert_eq!(scene.states(), [(State::Waiting, Mode::Listen)]);
    second_call(&mut scene);
    assert_eq!(scene.states(), [(State::Up, Mode::Listen)]);
    assert!(scene.done().contains(&Output::Attach(key(id), call_key(scene.call_id()), Mode::Listen)));
}

/// Another call to 100 in the place of the one that there is.
fn replacing_call(scene: &mut Scene, tags: &str) {
    let first = String::from_utf8_lossy(&scene.bench.element.calls().next().expect("a call").sip_call_id).into_owned();
    let draft = Draft { call: "call-2", body: sdp("198.51.100.7:4010"), ..invite("b1") };
    scene.send(CARRIER, draft.with(format!("Replaces: {first};{tags}")).text());
    let invite = scene.bench.request(PBX);
    assert!(asked(&invite, "Replaces").starts_with(&first), "it passes on as it came");
    scene.send(PBX, reply(&invite, 200, "bob-2", PBX, &sdp("203.0.113.7:6010")));
    scene.bench.response(CARRIER);
}

#[test]
fn a_session_follows_its_extension_into_a_call_that_replaces_its_own() {
    for (tags, follows) in
        [("to-tag=bob;from-tag=ann", true), ("to-tag=bob;from-tag=eve", false), ("to-tag=bob", false)]
    {
        let (mut scene, answer) = Scene::with_call();
        let tag = scene.bench.element.calls().next().and_then(|call| call.legs[0].tag.clone()).expect("a tag");
        let tags = tags.replace("from-tag=ann", &format!("from-tag={}", String::from_utf8_lossy(&tag)));
        let (id, _) = scene.monitors();
        let first = scene.call_of(id);
        scene.switch(id, Mode::Barge).expect("it is permitted");
        scene.written();
        replacing_call(&mut scene, &tags);
        assert_eq!(scene.call_of(id) != first, follows, "{tags}");
        scene.caller_hangs_up(&answer);
        if follows {
            assert_eq!(scene.states(), [(State::Up, Mode::Listen)], "{tags}");
            assert_eq!(scene.written(), [(What::CallChanged, Some(Mode::Listen), "The Call Was Replaced".into())]);
        } else {
            assert_eq!(scene.written(), [(What::SessionEnded, Some(Mode::Barge), "The Call Has Ended".into())]);
        }
    }
}

#[test]
fn a_session_goes_when_its_extension_leaves_the_call() {
    for follow in [false, true] {
        let mut scene = Scene::with(Monitoring { follow, ..monitoring() });
        let (_, answer) = call_up(&mut scene.bench);
        scene.turn();
        let (id, _) = scene.monitors();
        scene.switch(id, Mode::Barge).expect("it is permitted");
        scene.written();
        let update = from_pbx("UPDATE", "u", 2, &answer).with("P-Asserted-Identity: <sip:101@pbx.example>");
        scene.send(PBX, update.text());
        let why = "The Extension Has Left the Call";
        if follow {
            assert_eq!(scene.states(), [(State::Waiting, Mode::Listen)]);
            assert_eq!(scene.written(), [(What::CallChanged, Some(Mode::Listen), why.into())]);
        } else {
            assert_eq!(scene.written(), [(What::SessionEnded, Some(Mode::Barge), why.into())]);
            scene.assert_idle();
        }
        assert_eq!(diverts(&scene.done()).iter().filter(|(_, on)| !on).count(), 2, "their streams are their own again");
    }
}

#[test]
fn a_session_follows_its_call_to_another_codec() {
    let (mut scene, answer) = Scene::with_call();
    scene.monitors();
    scene.done();
    let only_a_law =
        |at: &str| sdp(at).replace("RTP/AVP 0 8\r\na=rtpmap:0 PCMU/8000", "RTP/AVP 8\r\na=rtpmap:8 PCMA/8000");
    scene.send(PBX, Draft { body: only_a_law("203.0.113.7:6000"), ..from_pbx("INVITE", "re", 2, &answer) }.text());
    let invite = scene.bench.request(CARRIER);
    scene.send(CARRIER, reply(&invite, 200, "ann", CARRIER, &only_a_law("198.51.100.7:4000")));
    let codecs: Vec<_> = scene
        .done()
        .into_iter()
        .filter_map(|output| match output {
            Output::SetCall(_, streams) => Some(streams.map(|stream| stream.format.map(|format| format.codec))),
            _ => None,
        })
        .collect();
    assert_eq!(codecs.last(), Some(&[Some(mixer::Codec::Pcma); 2]), "{codecs:?}");
}
