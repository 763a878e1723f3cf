//! Sessions that stay with an extension from call to call.

use serde_json::json;
use undertone_core::mixer::Mode;
use undertone_tests::{Result, lab::wait_for, speech::hears};

use super::{super::ground::Who, LISTENED, TONES, assert_heard, audit, handset::Handset, scene::Scene};
use crate::daemon::operator::SOON;

/// Another caller's tone.
const OTHER_HZ: f64 = 2_300.0;

#[test]
fn a_session_waits_in_silence_for_the_next_call_of_its_extension() -> Result<()> {
    let mut scene = Scene::with("follow = true\n")?;
    let session = scene.monitor()?;
    scene.supervisor.press("*82")?;
    scene.assert_heard(Some(Mode::Barge))?;
    scene.caller.hang_up()?;
    let waiting = scene.session("waiting")?;
    assert_eq!((&waiting["id"], &waiting["mode"], &waiting["call"]), (&session["id"], &json!("listen"), &json!(null)));
    let from = scene.supervisor.heard_so_far()?.len();
    wait_for("silence", 2 * SOON, || {
        let heard = scene.supervisor.heard_so_far().ok()?;
        let last = heard.get(from..)?.rchunks_exact(LISTENED).next()?;
        TONES.iter().all(|(_, hz)| hears(last, *hz) == Some(false)).then_some(())
    })?;
    let mut caller = scene.handsets[1].call("100")?;
    let agent = scene.handsets[0].came()?;
    let up = scene.session("up")?;
    assert_eq!((&up["id"], &up["call"]), (&session["id"], &scene.exchange.calls()?[0]["id"]));
    assert_heard(Some(Mode::Listen), [&agent.sound, &caller.sound, &scene.supervisor])?;
    let changes: Vec<_> = audit(&scene.exchange)?.into_iter().filter(|row| row["what"] == "call-changed").collect();
    let told: Vec<_> = changes.iter().map(|row| (&row["reason"], &row["mode"])).collect();
    assert_eq!(told, [(&json!("The Call Has Ended"), &json!("listen")), (&json!("The Next Call"), &json!("listen"))]);
    scene.supervisor.hang_up()?;
    caller.hang_up()?;
    scene.exchange.assert_idle(2).map(drop)
}

#[test]
fn a_supervisor_goes_from_one_call_of_an_extension_to_the_next() -> Result<()> {
    let mut scene = Scene::new()?;
    let other = Handset::beside(&scene.exchange, Who::Carrier, 100, OTHER_HZ)?;
    let mut second = other.call("100")?;
    let _agent = scene.handsets[0].came()?;
    scene.exchange.wait_for_calls(2)?;
    // The newest is heard first.
    scene.monitor()?;
    for (index, hz) in [OTHER_HZ, TONES[1].1, OTHER_HZ].into_iter().enumerate() {
        if index > 0 {
            scene.supervisor.press("*84")?;
        }
        let not = if hz == OTHER_HZ { TONES[1].1 } else { OTHER_HZ };
        wait_for(&format!("the caller at {hz} Hz alone"), 2 * SOON, || {
            let heard = scene.supervisor.heard_so_far().ok()?;
            let last = heard.rchunks_exact(LISTENED).next()?;
            (hears(last, hz) == Some(true) && hears(last, not) == Some(false)).then_some(())
        })?;
    }
    second.hang_up()?;
    scene.supervisor.ended()?;
    assert_eq!(scene.written("session-ended")?["reason"], "The Call Has Ended");
    scene.caller.hang_up()?;
    scene.exchange.assert_idle(2).map(drop)
}
