//! What is heard of a refusal.

use super::*;
use crate::monitor::{RefusalSound, RefusedCall};

fn scene(refused_call: RefusedCall) -> Scene {
    let mut scene = Scene::with(Monitoring { refused_call, ..monitoring() });
    call_up(&mut scene.bench);
    scene.turn();
    scene
}

/// What is to be done of it, by the shell.
fn told(scene: &mut Scene) -> Option<(SessionId, Saying)> {
    scene.done().into_iter().find_map(|output| match output {
        Output::Say(id, saying) => Some((id, saying)),
        _ => None,
    })
}

#[test]
fn a_call_that_is_refused_may_hear_why_and_ends_as_it_would_have() {
    for (sound, announcement) in [(RefusedCall::Tone, None), (RefusedCall::Announcement, Some(Denial::Protected))] {
        let mut scene = scene(sound);
        let progress = scene.dial("007300");
        assert_eq!(progress.status(), 183);
        assert!(String::from_utf8_lossy(progress.body()).contains("m=audio 30000 "));
        assert_eq!(scene.written(), [(What::Refused, None, "protected".into())], "that is written down at once");
        let (id, saying) = told(&mut scene).expect("something is heard");
        assert_eq!((saying.announcement, saying.signal), (announcement, Some(Signal::Rejection)));
        assert_eq!(scene.desk.sessions().count(), 0);
        scene.desk.said(id);
        scene.turn();
        let refusal = scene.bench.response(PBX);
        assert_eq!((refusal.status(), header(&refusal, "Reason")), (403, Denial::Protected.reason_header()));
        assert_eq!(scene.done(), [Output::Close(key(id))]);
        scene.desk.said(id);
        scene.turn();
        assert_eq!((scene.done(), scene.written()), (Vec::new(), Vec::new()), "that is over");
        scene.assert_idle();
    }
}

#[test]
fn who_gives_up_or_cannot_hear_is_told_nothing_more() {
    let mut scene = scene(RefusedCall::Tone);
    assert_eq!(scene.dial("007300").status(), 183);
    let (id, _) = told(&mut scene).expect("something is heard");
    scene.send(PBX, Draft { method: "CANCEL", body: String::new(), ..dialling("007300") }.text());
    assert_eq!(scene.done(), [Output::Close(key(id))]);
    scene.desk.said(id);
    scene.turn();
    assert_eq!(scene.done(), []);
    scene.bench.heard(PBX);
    scene.assert_idle();

    let draft = dialling("007200").with("Require: 100rel");
    scene.send(PBX, draft.text());
    assert_eq!(scene.bench.response(PBX).status(), 403);
    assert_eq!(told(&mut scene), None);
    scene.assert_idle();
}

#[test]
fn a_code_that_is_dialled_and_refused_says_so_as_is_configured() {
    for (refusal, announcement, signal) in [
        (RefusalSound::Tone, None, Some(Signal::Refusal)),
        (RefusalSound::Announcement, Some(Denial::NoCall), Some(Signal::Refusal)),
        (RefusalSound::None, None, None),
    ] {
        let mut scene = Scene::with(Monitoring { refusal, ..monitoring() });
        call_up(&mut scene.bench);
        scene.turn();
        scene.monitors();
        scene.done();
        assert_eq!(scene.dial("*84").status(), 200, "there is no next call");
        let saying = scene.done().into_iter().find_map(|output| match output {
            Output::Say(_, saying) => Some(saying),
            _ => None,
        });
        let said = saying.map(|saying| (saying.announcement, saying.signal));
        assert_eq!(said, Some((announcement, signal)), "{refusal:?}");
    }
}

#[test]
fn with_no_port_left_the_status_says_it() {
    let mut scene = scene(RefusedCall::Tone);
    for number in ["007300", "007999"] {
        assert_eq!(scene.dial(number).status(), 183, "there are two ports");
    }
    assert_eq!(scene.dial("007200").status(), 403);
}

#[test]
fn a_session_hears_of_a_refusal_as_is_configured() {
    for (refusal, announced, played) in [
        (RefusalSound::Tone, false, true),
        (RefusalSound::Announcement, true, false),
        (RefusalSound::None, false, false),
    ] {
        let mut monitoring = Monitoring { refusal, ..monitoring() };
        monitoring.rules[0].modes = [Mode::Listen].into_iter().collect();
        let mut scene = Scene::with(monitoring);
        call_up(&mut scene.bench);
        scene.turn();
        let (id, _) = scene.monitors();
        scene.done();
        scene.press(id, "*82");
        let done = scene.done();
        let says = done.contains(&Output::Announce(key(id), Denial::ModeNotPermitted));
        assert_eq!((says, plays(&done, Signal::Refusal)), (announced, played), "{refusal:?}");
        // No such code: there is no reason to be told.
        scene.press(id, "*89");
        assert_eq!(plays(&scene.done(), Signal::Refusal), refusal != RefusalSound::None, "{refusal:?}");
    }
}

#[test]
fn who_tries_again_and_again_is_told_to_wait_and_is_one_row() {
    let mut scene = Scene::with(Monitoring { refusals_per_minute: 3, ..monitoring() });
    call_up(&mut scene.bench);
    scene.turn();
    for (number, status) in [("007300", 403), ("007999", 404), ("007101", 480), ("007301", 480), ("007302", 480)] {
        let refusal = scene.dial(number);
        assert_eq!(refusal.status(), status, "{number}");
        let waits = status == 480 && number != "007101";
        assert_eq!(header(&refusal, "Reason") == Denial::TooMany.reason_header(), waits, "{number}");
    }
    assert_eq!((scene.written().len(), scene.desk.counters().refused.of(Denial::TooMany)), (3, 2));
    // What she may do she may.
    scene.monitors();
    scene.written();
    scene.bench.wait(Duration::from_secs(60));
    scene.desk.tick(scene.bench.now, None);
    scene.turn();
    let rows: Vec<_> =
        scene.audit.drain(..).map(|it| (it.by.user, it.reason, it.details["attempts"].clone())).collect();
    assert_eq!(rows, [("ann".to_owned(), "too-many-refusals".to_owned(), 2.into())]);
}
