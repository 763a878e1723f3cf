//! Parties of a call that is monitored are transferred.

use serde_json::json;
use undertone_core::mixer::Mode;
use undertone_tests::{Result, lab::wait_for};

use super::{
    assert_heard,
    handset::{header, status},
    scene::Scene,
};
use crate::daemon::operator::SOON;

#[test]
fn a_session_follows_its_extension_to_a_call_that_replaces_the_one_it_was_at() -> Result<()> {
    let mut scene = Scene::new()?;
    let session = scene.monitor()?;
    scene.supervisor.press("*82")?;
    scene.assert_heard(Some(Mode::Barge))?;
    // The caller has another telephone take over: an attended transfer, seen from its end.
    let replaces = format!("{}Require: replaces\r\n", scene.caller.replaces());
    let mut caller = scene.handsets[1].call_with("100", &replaces, &[0])?;
    let agent = scene.handsets[0].came()?;
    let invite = scene.handsets[0].hears(&["INVITE ", "Replaces: "], SOON)?;
    assert!(
        replaces.starts_with(&format!("Replaces: {}", header(&invite, "Replaces").unwrap_or_default())),
        "{invite}"
    );
    scene.agent.hang_up()?;
    scene.exchange.wait_for_calls(1)?;
    let now = scene.session("up")?;
    let call = &scene.exchange.calls()?[0]["id"];
    assert_eq!((&now["id"], &now["call"], &now["mode"]), (&session["id"], call, &json!("listen")), "{now}");
    assert_heard(Some(Mode::Listen), [&agent.sound, &caller.sound, &scene.supervisor])?;
    let row = scene.written("call-changed")?;
    assert_eq!((&row["call"], &row["reason"], &row["mode"]), (call, &json!("The Call Was Replaced"), &json!("listen")));
    scene.supervisor.press("*83")?;
    assert_heard(Some(Mode::WhisperToAgent), [&agent.sound, &caller.sound, &scene.supervisor])?;
    caller.hang_up()?;
    scene.supervisor.ended()?;
    scene.exchange.assert_idle(2).map(drop)
}

/// A PBX transfers without a word but of who speaks now.
#[test]
fn a_session_ends_when_its_extension_is_no_longer_in_the_call() -> Result<()> {
    let mut scene = Scene::new()?;
    scene.monitor()?;
    scene.supervisor.press("*82")?;
    scene.assert_heard(Some(Mode::Barge))?;
    let offer = scene.agent.sound.offer("");
    let pbx = scene.exchange.address_of(super::Who::Pbx);
    let answer = scene.agent.request("INVITE", &format!("P-Asserted-Identity: \"Eve\" <sip:300@{pbx}>\r\n"), &offer)?;
    assert_eq!(status(&answer), 200, "{answer}");
    scene.supervisor.ended()?;
    scene.assert_heard(None)?;
    let row = scene.written("session-ended")?;
    assert_eq!((&row["reason"], &row["mode"]), (&json!("The Extension Has Left the Call"), &json!("barge")), "{row}");
    scene.caller.hang_up()?;
    scene.exchange.assert_idle(1).map(drop)
}

/// Whoever the agent speaks with now may be somebody whom nobody may listen to.
#[test]
fn a_session_ends_when_the_other_party_is_nobody_to_listen_to() -> Result<()> {
    let mut scene = Scene::with("emergency-numbers = [\"112\"]\n")?;
    scene.monitor()?;
    let offer = scene.caller.sound.offer("");
    let answer = scene.caller.request("INVITE", "P-Asserted-Identity: <tel:112>\r\n", &offer)?;
    assert_eq!(status(&answer), 200, "{answer}");
    scene.supervisor.ended()?;
    scene.assert_heard(None)?;
    assert_eq!(scene.written("rights-withdrawn")?["reason"], "emergency-call");
    scene.written("session-ended").map(drop)
}

#[test]
fn a_refer_passes_and_the_session_ends_with_the_call() -> Result<()> {
    let mut scene = Scene::new()?;
    let session = scene.monitor()?;
    let to = scene.exchange.address_for(super::Who::Carrier);
    let refer_to = format!("Refer-To: <sip:300@{to}>\r\nReferred-By: <sip:100@pbx.example>\r\n");
    let answer = scene.agent.request("REFER", &refer_to, "")?;
    assert_eq!(status(&answer), 202, "{answer}");
    let refer = scene.handsets[1].hears(&["REFER "], SOON)?;
    assert!(refer.contains(&refer_to), "as it was said: {refer}");
    let notify = scene.caller.request("NOTIFY", "Event: refer\r\nSubscription-State: active\r\n", "")?;
    assert_eq!(status(&notify), 200, "{notify}");
    assert_eq!(scene.session("up")?["id"], session["id"], "nothing has changed yet");
    // What the caller does about it is a call like any other: without the extension that is monitored.
    let mut other = scene.handsets[1].call("300")?;
    scene.agent.hang_up()?;
    scene.supervisor.ended()?;
    assert_eq!(scene.written("session-ended")?["reason"], "The Call Has Ended");
    wait_for("the other call", SOON, || (scene.exchange.calls().ok()?.len() == 1).then_some(()))?;
    other.hang_up()?;
    scene.exchange.assert_idle(2).map(drop)
}
