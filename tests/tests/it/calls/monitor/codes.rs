//! Codes that are dialled as calls of their own.

use undertone_core::mixer::Mode;
use undertone_tests::{
    Result,
    lab::wait_for,
    speech::{SAMPLE_RATE, strength},
};

use super::{
    super::ground::Who,
    Ear as _, TONES,
    handset::{Handset, header, status},
    scene::Scene,
};
use crate::daemon::operator::SOON;

/// The loudest that a tone of so many hertz is in any tenth of a second.
fn loudest(sound: &[i16], hz: f64) -> f64 {
    sound.chunks(SAMPLE_RATE as usize / 20).map(|piece| strength(piece, hz)).fold(0.0, f64::max)
}

#[test]
fn a_code_that_is_dialled_beside_the_session_succeeds_for_every_phone() -> Result<()> {
    let mut scene = Scene::new()?;
    scene.monitor()?;
    scene.dial("*82")?;
    scene.supervisor.established()?;
    scene.supervisor.ended()?;
    assert_eq!(scene.session("up")?["mode"], "barge");
    // Some put the session on hold while they dial.
    scene.supervisor.hold(false)?;
    scene.assert_heard(Some(Mode::Barge))
}

#[test]
fn a_tone_says_what_came_of_a_code_that_was_dialled() -> Result<()> {
    let mut scene = Scene::with_handset("")?;
    let beside = Handset::beside(&scene.exchange, Who::Spare, 100, TONES[2].1)?;
    let (_, refusal) = beside.try_call("*83", "", &[0])?;
    assert_eq!(status(&refusal), 480, "{refusal}");
    assert_eq!(header(&refusal, "Reason").as_deref(), Some("SIP;cause=480;text=\"The extension is not in a call\""));
    let mut talk = scene.monitor()?;
    for (code, tones, reason, mode) in
        [("*83", [660.0, 880.0], None, "whisper"), ("*84", [480.0, 620.0], Some("SIP;cause=480"), "whisper")]
    {
        let call = beside.call(code)?;
        let bye = call.ended(SOON)?;
        assert_eq!(
            header(&bye, "Reason").as_deref().map(|it| it.split(";text").next().unwrap_or_default()),
            reason,
            "{bye}"
        );
        let heard = call.sound.heard_so_far()?;
        for hz in tones {
            assert!(loudest(&heard, hz) > 1_000.0, "{code}: {hz} Hz: {}", loudest(&heard, hz));
        }
        assert_eq!(scene.session("up")?["mode"], mode);
    }
    scene.assert_heard_with(Some(Mode::WhisperToAgent), &talk.sound)?;
    talk.hang_up()?;
    scene.caller.hang_up()?;
    wait_for("no port in use", SOON, || (scene.exchange.used("port pairs of calls").ok()? == 0).then_some(()))?;
    scene.exchange.assert_idle(1).map(drop)
}
