//! Calls that are recorded are held, resumed with another codec, and replaced.

use std::{
    fs,
    path::{Path, PathBuf},
    thread,
    time::Duration,
};

use serde_json::Value;
use undertone_tests::{
    Result,
    lab::wait_for,
    speech::{SAMPLE_RATE, hears, read_stereo_wav},
};

use super::{
    TONES, audit,
    handset::Talk,
    scene::Scene,
    sound::{PCMA, PCMU},
};
use crate::daemon::operator::{SOON, other};

/// Packets of what is said before and behind a change.
const SAID: usize = 100;
/// How long a call is held.
const HELD: Duration = Duration::from_secs(2);
/// Samples that are listened to at a time.
const WINDOW: usize = SAMPLE_RATE as usize / 4;

/// A call of Bob's, whose calls are all recorded, with what its file is named.
fn recorded(folder: &Path) -> Result<(Scene<()>, PathBuf)> {
    let scene = Scene::without_supervisor(&format!(
        "[recording]\nalways = [\"bob\"]\n[recording.files]\ndirectory = \"{}\"\nname = \"{{call}}\"\n",
        folder.display()
    ))?;
    let path = running(&scene)?;
    Ok((scene, path))
}

/// The file of the one recording that runs.
fn running(scene: &Scene<()>) -> Result<PathBuf> {
    wait_for("one recording", SOON, || {
        let all = scene.exchange.operator.ask(&["recordings"]).ok()?;
        let [one] = all.as_array()?.as_slice() else { return None };
        one["file"]["path"].as_str().map(Into::into)
    })
}

/// Both are heard for a while.
fn speak(talks: [&Talk; 2]) -> Result<()> {
    talks.into_iter().try_for_each(|talk| {
        let enough = talk.sound.packets() + SAID;
        wait_for("something to be said", 2 * SOON, || (talk.sound.packets() >= enough).then_some(()))
    })
}

/// What each channel has, piece by piece: its own party's tone, or silence, or what one can argue about. Never the other's tone.
fn pieces(path: &Path) -> Result<[Vec<Option<bool>>; 2]> {
    wait_for("the whole file", SOON, || path.exists().then_some(()))?;
    let [(_, agent), (_, caller), _] = TONES;
    let [left, right] = read_stereo_wav(path)?;
    Ok([(left, caller, agent), (right, agent, caller)].map(|(channel, own, other)| {
        let windows = channel.chunks_exact(WINDOW);
        windows
            .map(|window| {
                assert_ne!(hears(window, other), Some(true), "{other} Hz where {own} Hz belong");
                hears(window, own)
            })
            .collect()
    }))
}

#[test]
fn a_recording_has_a_call_that_is_held_and_goes_on_with_another_codec() -> Result<()> {
    let folder = tempfile::tempdir().map_err(other)?;
    let (mut scene, path) = recorded(folder.path())?;
    speak([&scene.agent, &scene.caller])?;
    scene.agent.reinvite("a=inactive")?;
    thread::sleep(HELD);
    scene.agent.reinvite("a=sendrecv")?;
    for codec in [PCMA, PCMU, PCMA] {
        scene.caller.sound.set_codecs(&[codec]);
        scene.caller.reinvite("")?;
        speak([&scene.agent, &scene.caller])?;
    }
    assert_eq!(running(&scene)?, path, "one recording, one file");
    scene.caller.hang_up()?;
    for channel in pieces(&path)? {
        let silent = |piece: &Option<bool>| *piece == Some(false);
        let longest = channel.split(|piece| !silent(piece)).max_by_key(|run| run.len()).map_or(0, <[_]>::len);
        let held = (HELD.as_secs_f64() * f64::from(SAMPLE_RATE) / WINDOW as f64) as usize;
        assert!((held - 2..held + 4).contains(&longest), "held for {longest} pieces of {channel:?}");
        let first = channel.iter().position(silent).unwrap_or_default();
        let said = channel.iter().filter(|piece| **piece == Some(true)).count();
        assert!(channel[..first.max(1)].contains(&Some(true)), "before it was held: {channel:?}");
        // Three times two seconds behind it, and two before.
        assert!(said >= 24, "{said} pieces of {channel:?}");
    }
    scene.exchange.assert_idle(1).map(drop)
}

#[test]
fn a_call_that_replaces_one_that_is_recorded_has_a_recording_of_its_own() -> Result<()> {
    let folder = tempfile::tempdir().map_err(other)?;
    let (mut scene, first) = recorded(folder.path())?;
    speak([&scene.agent, &scene.caller])?;
    let replaces = format!("{}Require: replaces\r\n", scene.caller.replaces());
    let mut caller = scene.handsets[1].call_with("100", &replaces, &[0])?;
    let agent = scene.handsets[0].came()?;
    scene.agent.hang_up()?;
    scene.exchange.wait_for_calls(1)?;
    let second = running(&scene)?;
    assert_ne!(second, first);
    speak([&agent, &caller])?;
    caller.hang_up()?;
    for path in [&first, &second] {
        for channel in pieces(path)? {
            let said = channel.iter().filter(|piece| **piece == Some(true)).count();
            assert!(said >= 6, "{path:?}: {channel:?}");
        }
    }
    assert_eq!(fs::read_dir(folder.path()).map_err(other)?.count(), 2);
    let told = wait_for("the audit", SOON, || {
        let text = |row: &Value, key: &str| row[key].as_str().unwrap_or_default().to_owned();
        let rows = audit(&scene.exchange).ok()?;
        let rows: Vec<_> = rows.iter().filter(|row| text(row, "what").starts_with("recording-")).collect();
        let told: Vec<_> = rows.iter().map(|row| [text(row, "what"), text(row, "reason")]).collect();
        (told.len() == 4).then_some(told)
    })?;
    let count = |what: &str, reason: &str| told.iter().filter(|row| **row == [what, reason]).count();
    assert_eq!((count("recording-started", "rule"), count("recording-ended", "call-ended")), (2, 2), "{told:?}");
    scene.exchange.assert_idle(2).map(drop)
}
