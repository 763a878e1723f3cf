//! The consent tone, and how loud a party is while somebody speaks.

use super::*;

const TONE_HZ: f64 = 1_400.0;

/// When the tone began at a party, and how long it was, in milliseconds by the clock on the wall.
fn tones(scene: &mut Scene, listener: Party, ms: u64) -> Vec<(u64, u64)> {
    let mut tones = Vec::new();
    let mut since = None;
    for _ in 0..ms / 20 {
        scene.run(20);
        let now_ns = scene.now_ns;
        let phone = scene.phone(listener);
        let sounds = phone.packets.iter().zip(&phone.times).rfind(|(packet, _)| packet[1] & 0x7f == 96);
        let is_new = sounds.is_some_and(|(_, at_ns)| now_ns - at_ns <= 20 * MS);
        let is_heard = is_new && phone.strength_within(TONE_HZ, 20) > 1_500.0;
        match (since, is_heard) {
            (None, true) => since = Some(scene.now_ns / MS),
            (Some(begun), false) => {
                tones.push((begun, scene.now_ns / MS - begun));
                since = None;
            }
            _ => {}
        }
    }
    tones
}

fn assert_is_every_15_seconds(tones: &[(u64, u64)], begun_ms: u64) {
    assert_eq!(tones.len(), 4, "{tones:?}");
    for (turn, (at, length)) in tones.iter().enumerate() {
        let due = begun_ms + turn as u64 * 15_000;
        assert!(at.abs_diff(due) <= 130 && (460..=540).contains(length), "{due}: {tones:?}");
    }
}

#[test]
fn whoever_is_to_be_told_hears_the_tone_every_15_seconds_and_nobody_else_does() {
    for codec in [Codec::Pcmu, Codec::G722, Codec::Opus] {
        let mut scene = Scene::new(format(codec, 20), format(codec, 20));
        scene.agent.is_numbered = true;
        scene.join(PCMU, SUPERVISOR_HZ);
        scene.run(500);
        scene.set_consent([false, true]);
        assert!(scene.mixer.is_spoken_into(CALL, Party::Agent) && !scene.mixer.is_spoken_into(CALL, Party::Caller));
        let begun_ms = scene.now_ns / MS;
        let told = tones(&mut scene, Party::Caller, 46_000);
        assert_is_every_15_seconds(&told, begun_ms);
        assert_eq!(tones(&mut scene, Party::Agent, 16_000), []);
        assert_eq!(scene.events, []);
        scene.set_consent([false, false]);
        scene.run(3_000);
        assert_eq!(scene.events, [Event::Drained(CALL, Party::Agent)]);
        assert_eq!(faults(&scene.caller.packets, codec.clock().hz() / 50), [""; 0]);
    }
}

#[test]
fn a_tone_between_two_silences_is_heard_too() {
    for silence in [Silence::Nothing, Silence::Noise] {
        let mut scene = Scene::new(PCMU, PCMU);
        scene.caller.silence = silence;
        scene.run(500);
        scene.set_consent([true, false]);
        let begun_ms = scene.now_ns / MS;
        scene.caller.is_silent = true;
        let told = tones(&mut scene, Party::Agent, 46_000);
        assert_is_every_15_seconds(&told, begun_ms);
        // A packet before it, and no more packets than the tone is long.
        assert!((4 * 24..=4 * 28).contains(&usize::from(scene.offsets[1])), "{:?}", scene.offsets);
    }
}

#[test]
fn a_tone_goes_on_where_the_call_changes_and_beside_a_supervisor() {
    let mut scene = Scene::new(PCMU, PCMU);
    let key = scene.join(PCMU, SUPERVISOR_HZ);
    scene.set_consent([true, true]);
    scene.run(700);
    scene.set_mode(key, Mode::Barge);
    scene.run(300);
    scene.set_mode(key, Mode::Listen);
    scene.run(1_000);
    assert!(scene.events.is_empty(), "the stream still has to come by");
    let port = |port| RowIndex::new(undertone_abi::Local(0), port);
    let spec = |port| StreamSpec { row: port, format: Some(PCMA), sequence_offset: 0 };
    scene.mixer.set_call(scene.now_ns, CALL, [spec(port(20_004)), spec(port(20_006))]).unwrap();
    assert!(Party::BOTH.into_iter().all(|party| scene.mixer.is_spoken_into(CALL, party)));
    scene.set_consent([false, false]);
    scene.set_consent([true, true]);
    assert!(Party::BOTH.into_iter().all(|party| scene.mixer.is_spoken_into(CALL, party)));
}

#[test]
fn a_tone_that_is_ended_in_its_middle_does_not_click() {
    let mut scene = Scene::new(PCMU, PCMU);
    scene.caller.height = 0.0;
    for turn in 0..40 {
        scene.set_consent([true, false]);
        scene.run(100 + turn * 7);
        scene.set_consent([false, false]);
        scene.run(60);
        assert!(!scene.mixer.is_spoken_into(CALL, Party::Caller));
    }
    let steps = scene.agent.heard.windows(2).map(|pair| (i32::from(pair[1]) - i32::from(pair[0])).abs());
    let steepest = (3_600.0 * std::f64::consts::TAU * TONE_HZ / 8_000.0) as i32 + 300;
    assert!(steps.clone().max().unwrap() < steepest, "{:?} of {steepest}", steps.max());
}

#[test]
fn a_party_is_softer_while_a_supervisor_speaks_if_that_is_wanted() {
    let mut scene = Scene::new(PCMU, PCMU);
    scene.mixer.set_ducking(12);
    let key = scene.join(PCMU, SUPERVISOR_HZ);
    scene.supervisors[0].phone.height = 1_500.0;
    scene.set_mode(key, Mode::WhisperToAgent);
    scene.run(800);
    let quarter = scene.agent.strength(CALLER_HZ);
    assert!((1_400.0..1_650.0).contains(&quarter), "{quarter}");
    let untouched = scene.caller.strength(AGENT_HZ);
    assert!((5_800.0..6_200.0).contains(&untouched), "{untouched}");
    // Who says nothing makes nobody softer.
    scene.supervisors[0].phone.height = 0.0;
    scene.run(1_000);
    let whole = scene.agent.strength(CALLER_HZ);
    assert!((5_800.0..6_200.0).contains(&whole), "{whole}");
    scene.supervisors[0].phone.height = 1_500.0;
    scene.run(500);
    scene.set_mode(key, Mode::Listen);
    scene.run(100);
    assert!(scene.events.is_empty(), "until it is as loud as before");
    scene.run(700);
    assert_eq!(scene.events, [Event::Drained(CALL, Party::Caller)]);
    let steps = scene.agent.heard.windows(2).map(|pair| (i32::from(pair[1]) - i32::from(pair[0])).abs());
    let steepest = (std::f64::consts::TAU * (6_000.0 * CALLER_HZ + 1_500.0 * SUPERVISOR_HZ) / 8_000.0) as i32 + 500;
    assert!(steps.clone().max().unwrap() < steepest, "{:?} of {steepest}", steps.max());
}
