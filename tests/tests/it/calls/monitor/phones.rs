//! Supervisors' phones that vanish, that are muted, and what they report.

use std::time::Duration;

use undertone_core::mixer::Mode;
use undertone_tests::{Result, lab::wait_for};

use super::scene::Scene;
use crate::daemon::operator::SOON;

/// A phone is asked after a second.
const SOON_ASKED: &str = "phone-timeout = 1\n";
/// Long enough for one that is asked and does not answer.
const GIVEN_UP: Duration = Duration::from_secs(30);

#[test]
fn a_phone_that_vanishes_in_the_middle_of_a_barge_ends_its_session_and_not_the_call() -> Result<()> {
    let mut scene = Scene::with(SOON_ASKED)?;
    scene.monitor()?;
    scene.supervisor.press("*82")?;
    scene.assert_heard(Some(Mode::Barge))?;
    scene.supervisor.kill9()?;
    scene.assert_heard(None)?;
    scene.no_session(GIVEN_UP)?;
    let row = scene.written("session-ended")?;
    assert_eq!((&row["reason"], &row["mode"]), (&"The Phone Has Vanished".into(), &"barge".into()), "{row}");
    scene.assert_heard(None)?;
    scene.caller.hang_up()?;
    scene.exchange.assert_idle(1).map(drop)
}

#[test]
fn a_phone_that_is_muted_without_packets_is_told_from_one_that_vanished() -> Result<()> {
    let mut scene = Scene::with_handset(SOON_ASKED)?;
    let mut talk = scene.monitor()?;
    talk.sound.set_silent(true);
    wait_for("OPTIONS again and again", GIVEN_UP, || (scene.supervisor.heard(&["OPTIONS "]).len() >= 3).then_some(()))?;
    talk.press("*83")?;
    scene.assert_heard_with(Some(Mode::Listen), &talk.sound)?;
    talk.sound.set_silent(false);
    scene.assert_heard_with(Some(Mode::WhisperToAgent), &talk.sound)?;
    // On hold it neither says nor wants to hear anything.
    talk.reinvite("a=inactive")?;
    let asked = scene.supervisor.heard(&["OPTIONS "]).len();
    wait_for("OPTIONS on hold", GIVEN_UP, || (scene.supervisor.heard(&["OPTIONS "]).len() > asked).then_some(()))?;
    scene.session("up")?;
    scene.supervisor.be_deaf();
    scene.no_session(GIVEN_UP)?;
    assert_eq!(scene.written("session-ended")?["reason"], "The Phone Has Vanished");
    scene.assert_heard_with(None, &talk.sound)?;
    scene.caller.hang_up()?;
    scene.exchange.assert_idle(1).map(drop)
}

#[test]
fn a_telephone_and_the_mixer_tell_each_other_how_packets_come() -> Result<()> {
    let mut scene = Scene::new()?;
    scene.monitor()?;
    let session = scene.session_where("reports both ways", |session| {
        let phone = &session["phone"];
        phone["to_phone"].is_object() && phone["from_phone"].is_object() && phone["round_trip_us"].is_u64()
    })?;
    let phone = &session["phone"];
    assert!(phone["round_trip_us"].as_u64() < Some(1_000_000), "{phone}");
    assert!(phone["to_phone"]["jitter_us"].as_u64() < Some(500_000), "{phone}");
    assert_eq!((&phone["flooded"], &phone["strangers"]), (&0.into(), &0.into()), "{phone}");
    scene.supervisor.hang_up()?;
    scene.caller.hang_up()?;
    scene.exchange.assert_idle(1).map(drop)
}

/// A receiver report about a source: so much was lost, and a jitter of 10 ms.
fn report(about: [u8; 4], last: [u8; 4], lost_256ths: u8) -> Vec<u8> {
    let head = [0x81, 201, 0, 7, 0, 0, 0, 9];
    let rest = [lost_256ths, 0, 0, 5, 0, 0, 0, 9, 0, 0, 0, 80];
    [&head[..], &about, &rest, &last, &[0; 4]].concat()
}

#[test]
fn what_is_lost_on_the_way_from_and_to_a_phone_is_seen() -> Result<()> {
    let mut scene = Scene::with_handset("")?;
    let mut talk = scene.monitor()?;
    talk.sound.set_muxed();
    talk.sound.set_lost_of(4);
    talk.reinvite("")?;
    let sender = wait_for("a sender report", 2 * SOON, || {
        talk.sound.rtcp().into_iter().find(|packet| packet.get(1) == Some(&200))
    })?;
    let (about, last) = ([4, 5, 6, 7].map(|at| sender[at]), [10, 11, 12, 13].map(|at| sender[at]));
    let to = talk.sound.remote().expect("it was answered");
    talk.sound.send(&report(about, last, 64), to)?;
    let session = scene.session_where("loss", |session| {
        let lost = |way: &str| session["phone"][way]["lost_permille"].as_u64();
        lost("to_phone") == Some(250) && lost("from_phone").is_some_and(|lost| (100..=400).contains(&lost))
    })?;
    let phone = &session["phone"];
    assert_eq!((&phone["to_phone"]["lost"], &phone["to_phone"]["jitter_us"]), (&5.into(), &10_000.into()), "{phone}");
    assert!(phone["round_trip_us"].is_u64() && phone["from_phone"]["lost"].as_i64() > Some(10), "{phone}");
    talk.hang_up()?;
    scene.caller.hang_up()?;
    scene.exchange.assert_idle(1).map(drop)
}
