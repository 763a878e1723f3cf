//! What nobody should send, and what happens all the same.

use std::{
    net::{SocketAddr, UdpSocket},
    time::{Duration, Instant},
};

use serde_json::Value;
use undertone_core::mixer::{Mode, Person};
use undertone_tests::{
    Result,
    lab::{Family, wait_for},
    rtp::{Packet, Stream},
    speech::{SAMPLE_RATE, encode_pcmu, hears, tone},
};

use super::{super::ground::Who, Ear, LISTENED, assert_hears, audit, handset::Talk, scene::Scene};
use crate::daemon::operator::{SOON, other};

/// What nobody is to hear.
const FORGED_HZ: f64 = 2_300.0;
/// Packets of a telephone a second.
const USUAL: u32 = 50;

/// Telephone events of these keys (RFC 4733 §2.5), as a telephone sends them in its own stream.
fn press_in_band(talk: &Talk, keys: &str) -> Result<()> {
    let to = talk.sound.remote().expect("it was answered");
    for (index, key) in (1..).zip(keys.chars()) {
        let event = match key {
            '*' => 10,
            digit => digit.to_digit(10).unwrap_or_default() as u8,
        };
        // It is as long as 800 units, and at its end from the first packet on.
        for repeated in 0..3 {
            let packet = Packet {
                payload_type: 101,
                marker: repeated == 0,
                sequence: talk.sound.take_number(),
                timestamp: 4_000 * index,
                ssrc: talk.sound.ssrc(),
                payload: vec![event, 0x8a, 3, 0x20],
            };
            talk.sound.send(&packet.to_bytes(), to)?;
        }
    }
    Ok(())
}

#[test]
fn keys_of_the_parties_change_nothing() -> Result<()> {
    let mut scene = Scene::new()?;
    let session = scene.monitor()?;
    for talk in [&mut scene.agent, &mut scene.caller] {
        press_in_band(talk, "*82")?;
        talk.press("*83")?;
    }
    // They are for the other party, who has got them.
    for handset in &scene.handsets {
        wait_for("INFO", SOON, || (handset.heard(&["INFO ", "Signal=3"]).len() == 1).then_some(()))?;
    }
    scene.assert_heard(Some(Mode::Listen))?;
    assert_eq!(scene.session("up")?["id"], session["id"]);
    assert!(audit(&scene.exchange)?.iter().all(|row| row["what"] != "mode-changed"));
    Ok(())
}

/// Packets of a forged tone, a second of them, from a source with these numbers.
fn forged(ssrc: u32) -> Vec<Packet> {
    Stream::pcmu(ssrc).starting_at(9_000, 90_000).packets(&encode_pcmu(&tone(FORGED_HZ, SAMPLE_RATE as usize)))
}

/// Nobody hears the forged tone in what comes from now on.
fn assert_unheard(ears: [(&str, &dyn Ear); 3], meanwhile: impl FnOnce() -> Result<()>) -> Result<()> {
    let from: Result<Vec<_>> = ears.iter().map(|(_, ear)| Ok(ear.heard_so_far()?.len())).collect();
    meanwhile()?;
    for ((who, ear), from) in ears.into_iter().zip(from?) {
        let sound = wait_for("to hear more", SOON, || {
            ear.heard_so_far().ok().filter(|sound| sound.len() >= from + 2 * LISTENED)
        })?;
        for piece in sound[from..].chunks_exact(LISTENED / 4) {
            assert_eq!(hears(piece, FORGED_HZ), Some(false), "{who} hears what was forged");
        }
    }
    Ok(())
}

#[test]
fn forged_sound_is_heard_by_nobody() -> Result<()> {
    let scene = Scene::with_handset("")?;
    let mut talk = scene.monitor()?;
    talk.press("*82")?;
    scene.assert_heard_with(Some(Mode::Barge), &talk.sound)?;
    let stranger = SocketAddr::new(scene.exchange.ground.theirs(Who::Stranger, Family::V4), 4_000);
    let stranger = UdpSocket::bind(stranger).map_err(other)?;
    let places = [&scene.agent, &scene.caller, &talk].map(|talk| talk.sound.remote().expect("it was answered"));
    let ears: [(&str, &dyn Ear); 3] =
        [("the agent", &scene.agent.sound), ("the caller", &scene.caller.sound), ("the supervisor", &talk.sound)];
    assert_unheard(ears, || {
        let own = [&scene.agent, &scene.caller, &talk].map(|talk| forged(talk.sound.ssrc()));
        for number in 0..USUAL as usize {
            let due = Instant::now() + Duration::from_millis(20);
            for (to, own) in places.iter().zip(&own) {
                // From elsewhere, under the number of whom it pretends to be.
                stranger.send_to(&own[number].to_bytes(), to).map_err(other)?;
            }
            // From the right place, under another number, while the right one speaks.
            talk.sound.send(&forged(0xbad)[number].to_bytes(), places[2])?;
            std::thread::sleep(due.saturating_duration_since(Instant::now()));
        }
        Ok(())
    })?;
    let session = scene.session_where("strangers", |session| session["phone"]["strangers"].as_u64() >= Some(40))?;
    assert_eq!(session["mode"], "barge");
    scene.assert_heard_with(Some(Mode::Barge), &talk.sound)
}

#[test]
fn a_phone_that_floods_is_limited_and_nobody_suffers() -> Result<()> {
    let scene = Scene::with_handset("")?;
    let mut talk = scene.monitor()?;
    talk.press("*82")?;
    scene.assert_heard_with(Some(Mode::Barge), &talk.sound)?;
    let to = talk.sound.remote().expect("it was answered");
    let (packets, began) = (forged(talk.sound.ssrc() ^ 1), Instant::now());
    let mut sent = 0_u32;
    while began.elapsed() < Duration::from_secs(3) {
        // A hundred times as much as a telephone sends.
        while f64::from(sent) < began.elapsed().as_secs_f64() * f64::from(100 * USUAL) {
            talk.sound.send(&packets[sent as usize % packets.len()].to_bytes(), to)?;
            sent += 1;
        }
        std::thread::sleep(Duration::from_millis(2));
    }
    let session = scene.session_where("a flood", |session| session["phone"]["flooded"].as_u64() > Some(1_000))?;
    assert_eq!(session["mode"], "barge", "{sent} packets were sent");
    scene.assert_heard_with(Some(Mode::Barge), &talk.sound)?;
    let lost = |talk: &Talk| -> Result<Value> {
        let at = talk.sound.remote().expect("it was answered");
        Ok(scene.exchange.operator.stream(at)?["lost"].clone())
    };
    assert_eq!([lost(&scene.agent)?, lost(&scene.caller)?], [Value::from(0), Value::from(0)]);
    Ok(())
}

#[test]
fn changes_that_come_at_once_are_made_in_their_order() -> Result<()> {
    let scene = Scene::with_handset("")?;
    let mut talk = scene.monitor()?;
    for (keys, modes, last) in [
        ("*82*83", ["barge", "whisper"], Mode::WhisperToAgent),
        ("*81*80", ["whisper-caller", "listen"], Mode::Listen),
        ("*80*82", ["listen", "barge"], Mode::Barge),
    ] {
        talk.press_at_once(keys)?;
        scene.session_where("the last mode", |session| session["mode"] == last.key())?;
        scene.assert_heard_with(Some(last), &talk.sound)?;
        let told: Vec<_> =
            audit(&scene.exchange)?.into_iter().filter(|row| row["what"] == "mode-changed").rev().take(2).collect();
        assert_eq!([&told[1]["mode"], &told[0]["mode"]], modes, "{keys}");
    }
    Ok(())
}

#[test]
fn a_call_that_ends_in_the_middle_of_a_change_ends_its_session() -> Result<()> {
    let mut scene = Scene::with_handset("")?;
    let mut talk = scene.monitor()?;
    talk.press_at_once("*82*83*82")?;
    scene.caller.hang_up()?;
    talk.ended(SOON)?;
    assert_eq!(scene.written("session-ended")?["reason"], "The Call Has Ended");
    scene.no_session(SOON)?;
    scene.exchange.assert_idle(1).map(drop)
}

#[test]
fn a_party_that_sends_nothing_can_be_spoken_for_and_goes_on() -> Result<()> {
    let scene = Scene::with_handset("")?;
    let mut talk = scene.monitor()?;
    talk.press("*83")?;
    for _ in 0..2 {
        scene.caller.sound.set_silent(true);
        let from = scene.agent.sound.heard_so_far()?.len();
        assert_hears("the agent, without the caller", &scene.agent.sound, from, |who| who == Person::Supervisor)?;
        scene.caller.sound.set_silent(false);
        scene.assert_heard_with(Some(Mode::WhisperToAgent), &talk.sound)?;
    }
    talk.press("*80")?;
    scene.assert_heard_with(Some(Mode::Listen), &talk.sound)
}

#[test]
fn a_party_may_become_another_source() -> Result<()> {
    let scene = Scene::with_handset("")?;
    let mut talk = scene.monitor()?;
    for (index, (code, mode)) in
        [("*80", Mode::Listen), ("*83", Mode::WhisperToAgent), ("*82", Mode::Barge)].into_iter().enumerate()
    {
        talk.press(code)?;
        scene.assert_heard_with(Some(mode), &talk.sound)?;
        for party in [&scene.agent.sound, &scene.caller.sound, &talk.sound] {
            party.set_source(0xfeed_0000 | index as u32);
        }
        scene.assert_heard_with(Some(mode), &talk.sound)?;
    }
    Ok(())
}
