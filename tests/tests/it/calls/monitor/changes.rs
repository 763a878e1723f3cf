//! The call's media changes in the middle of a session.

use undertone_core::mixer::Mode;
use undertone_tests::{Result, phone::Phone};

use super::{
    scene::Scene,
    sound::{PCMA, PCMU},
};

/// Codes, and what everybody hears after them.
const MODES: [(&str, Mode); 3] = [("*80", Mode::Listen), ("*83", Mode::WhisperToAgent), ("*82", Mode::Barge)];

/// Whatever the supervisor does, the session goes on when the call changes, and everybody hears whom they should afterwards.
fn a_session_goes_on(mut change: impl FnMut(&mut Scene<Phone>, usize) -> Result<()>) -> Result<()> {
    let mut scene = Scene::new()?;
    let session = scene.monitor()?;
    for (index, (code, mode)) in MODES.into_iter().enumerate() {
        scene.supervisor.press(code)?;
        scene.assert_heard(Some(mode))?;
        change(&mut scene, index)?;
        scene.assert_heard(Some(mode))?;
        let now = scene.session("up")?;
        assert_eq!((&now["id"], &now["mode"]), (&session["id"], &mode.key().into()));
    }
    scene.supervisor.hang_up()?;
    scene.assert_heard(None)?;
    scene.caller.hang_up()?;
    scene.exchange.assert_idle(1).map(drop)
}

#[test]
fn a_session_goes_on_when_the_call_was_held_and_resumed() -> Result<()> {
    a_session_goes_on(|scene, _| {
        for (holds, direction) in [(true, "a=sendonly"), (false, "a=inactive")] {
            let party = if holds { &mut scene.agent } else { &mut scene.caller };
            party.reinvite(direction)?;
            scene.session("up")?;
            let party = if holds { &mut scene.agent } else { &mut scene.caller };
            party.reinvite("a=sendrecv")?;
        }
        Ok(())
    })
}

#[test]
fn a_session_goes_on_when_parties_move_to_other_ports() -> Result<()> {
    a_session_goes_on(|scene, _| {
        for party in [&mut scene.caller, &mut scene.agent] {
            party.sound.move_by(1_000)?;
            party.reinvite("")?;
        }
        Ok(())
    })
}

#[test]
fn a_session_goes_on_with_another_codec() -> Result<()> {
    a_session_goes_on(|scene, index| {
        scene.caller.sound.set_codecs(&[if index % 2 == 0 { PCMA } else { PCMU }]);
        scene.caller.reinvite("")
    })
}

#[test]
fn a_session_goes_on_when_a_party_takes_another_of_the_codecs_that_were_agreed_on() -> Result<()> {
    a_session_goes_on(|scene, index| {
        if index == 0 {
            scene.agent.sound.set_answer(&[PCMU, PCMA]);
            scene.caller.sound.set_codecs(&[PCMU, PCMA]);
            scene.caller.reinvite("")?;
        }
        // Nothing is said of it: each may be sent at any time (RFC 3264 §6.1).
        for party in [&scene.caller, &scene.agent] {
            party.sound.set_payload_type(if index % 2 == 0 { PCMA } else { PCMU });
        }
        Ok(())
    })
}
