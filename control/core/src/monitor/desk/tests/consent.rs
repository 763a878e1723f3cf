//! Who hears the consent tone, while supervisors come, change and go.

use super::*;
use crate::monitor::Consent;
use undertone_core::mixer::Person;

fn telling(persons: &[Person], modes: &[Mode]) -> Monitoring {
    Monitoring { consent: Consent { persons: persons.into(), modes: modes.into() }, ..monitoring() }
}

fn scene(monitoring: Monitoring) -> (Scene, Response) {
    let mut scene = Scene::with(monitoring);
    let (_, answer) = call_up(&mut scene.bench);
    scene.turn();
    (scene, answer)
}

/// Who was to hear it, the agent and the caller, each time that it changed.
fn told(done: &[Output]) -> Vec<[bool; 2]> {
    let told = |output: &Output| if let Output::Consent(_, told) = output { Some(*told) } else { None };
    done.iter().filter_map(told).collect()
}

/// What the audit says of that.
fn written(scene: &mut Scene) -> Vec<[bool; 2]> {
    let rows = scene.audit.drain(..).filter(|event| event.what == What::ConsentTone);
    let heard =
        |event: &Event, who: &str| event.details.get(who).and_then(serde_json::Value::as_bool).expect("a party");
    rows.map(|event| {
        assert_eq!((event.on.extension.as_str(), event.by.via), ("100", Via::Node));
        ["agent", "caller"].map(|who| heard(&event, who))
    })
    .collect()
}

#[test]
fn it_is_heard_by_the_parties_and_in_the_modes_that_are_configured() {
    let person = [Person::Agent, Person::Caller];
    for agent in [false, true] {
        for caller in [false, true] {
            for modes in [&[Mode::Listen][..], &[Mode::Barge, Mode::WhisperToCaller], &Mode::ALL] {
                let chosen = person.into_iter().zip([agent, caller]).filter(|(_, is)| *is);
                let persons: Vec<_> = chosen.map(|(person, _)| person).collect();
                let (mut scene, _) = scene(telling(&persons, modes));
                let (id, _) = scene.monitors();
                let mut is = [false; 2];
                for mode in [Mode::Listen, Mode::WhisperToAgent, Mode::Barge, Mode::WhisperToCaller, Mode::Listen] {
                    if mode != Mode::Listen || scene.states() != [(State::Up, Mode::Listen)] {
                        scene.switch(id, mode).expect("it is permitted");
                    }
                    is = told(&scene.done()).last().copied().unwrap_or(is);
                    let expected = [agent, caller].map(|hears| hears && modes.contains(&mode));
                    assert_eq!(is, expected, "{persons:?} in {modes:?}: {mode:?}");
                }
            }
        }
    }
}

#[test]
fn what_carries_it_is_led_by_the_mixer_for_as_long_as_it_is_on() {
    let (mut scene, _) = scene(telling(&[Person::Caller], &[Mode::Listen]));
    let (id, _) = scene.monitors();
    let (call, [caller, agent]) = (call_key(scene.call_id()), ports());
    let done = scene.done();
    assert_eq!(
        (told(&done), diverts(&done)),
        (vec![[false, true]], vec![(agent, true)]),
        "the caller hears the agent's"
    );
    scene.desk.drained(call, Party::Agent);
    scene.turn();
    assert_eq!(scene.done(), [], "there is a tone to come");
    scene.press(id, "*83");
    let done = scene.done();
    assert_eq!((told(&done), diverts(&done)), (vec![[false; 2]], vec![(caller, true)]));
    scene.desk.drained(call, Party::Agent);
    scene.turn();
    assert_eq!(diverts(&scene.done()), [(agent, false)]);
    assert_eq!(written(&mut scene), [[false, true], [false; 2]]);
}

#[test]
fn it_ends_with_the_last_session_that_asks_for_it() {
    let (mut scene, answer) = scene(telling(&[Person::Agent, Person::Caller], &[Mode::Barge]));
    let (_, own) = scene.monitors();
    let other = scene.call(wish(Mode::Barge)).expect("she may");
    let invite = scene.bench.request(PBX);
    scene.send(PBX, reply(&invite, 200, "sue", PBX, &phone("203.0.113.9:6000")));
    assert_eq!(told(&scene.done()), [[true; 2]]);
    scene.bench.heard(PBX);
    scene.desk.hang_up(other, Cause::by_us(200, "Ended by the Operator"));
    scene.turn();
    assert_eq!(told(&scene.done()), [[false; 2]], "who listens goes on");
    scene.bench.heard(PBX);
    scene.send(PBX, in_session("BYE", "bye", 2, &own).text());
    scene.bench.heard(PBX);
    assert_eq!(written(&mut scene), [[true; 2], [false; 2]]);
    scene.caller_hangs_up(&answer);
    scene.assert_idle();
}

#[test]
fn another_configuration_holds_for_sessions_that_there_are() {
    let (mut scene, _) = scene(monitoring());
    scene.monitors();
    assert_eq!(told(&scene.done()), <[[bool; 2]; 0]>::default());
    for (persons, expected) in
        [(&[Person::Agent][..], [true, false]), (&[Person::Caller], [false, true]), (&[], [false; 2])]
    {
        let other = Arc::new(telling(persons, &Mode::ALL));
        scene.desk.set_monitoring(other, NOON, &scene.bench.element);
        scene.turn();
        assert_eq!(told(&scene.done()), [expected]);
    }
    assert_eq!(written(&mut scene), [[true, false], [false, true], [false; 2]]);
}

#[test]
fn who_is_the_agent_is_seen_from_each_session() {
    let (mut scene, _) = Scene::with_call();
    let mut trunks = scene.bench.element.trunks().clone();
    trunks.peers[0].side = Side::OnNet;
    scene.bench.element.set_trunks(Arc::new(trunks), crate::element::Limits::default(), scene.bench.now);
    let (id, _) = scene.monitors();
    let session = scene.desk.sessions.get_mut(&id).expect("a session");
    session.party = Party::Caller;
    scene.desk.set_monitoring(Arc::new(telling(&[Person::Agent], &Mode::ALL)), NOON, &scene.bench.element);
    scene.turn();
    assert_eq!(told(&scene.done()), [[false, true]], "it monitors the party that another one has for the caller");
}
