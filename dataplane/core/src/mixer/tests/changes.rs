//! Calls and sessions that become other ones while somebody speaks.

use super::*;

const OTHER_CALL: CallKey = CallKey(2);

fn specs(scene: &Scene, rows: [RowIndex; 2]) -> [StreamSpec; 2] {
    let formats = [scene.agent.format, scene.caller.format];
    [0, 1].map(|at| StreamSpec { row: rows[at], format: Some(formats[at]), sequence_offset: 0 })
}

fn rows() -> [RowIndex; 2] {
    Party::BOTH.map(row)
}

fn largest_step(sound: &[i16]) -> i32 {
    sound.windows(2).map(|pair| (i32::from(pair[1]) - i32::from(pair[0])).abs()).max().unwrap_or_default()
}

/// The largest step of a tone of 6,000 at 8 kHz.
fn step_of(hz: f64) -> i32 {
    (6_000.0 * std::f64::consts::TAU * hz / 8_000.0) as i32
}

#[test]
fn ports_that_a_newer_call_has_stay_its_own() {
    let mut scene = Scene::new(PCMU, PCMU);
    let key = scene.join(PCMU, SUPERVISOR_HZ);
    let specs = specs(&scene, rows());
    scene.mixer.set_call(scene.now_ns, OTHER_CALL, specs).unwrap();
    scene.mixer.remove_call(scene.now_ns, CALL);
    scene.mixer.attach(scene.now_ns, key, OTHER_CALL, Mode::Listen).unwrap();
    scene.run(500);
    assert!(scene.supervisors[0].phone.hears(AGENT_HZ) && scene.supervisors[0].phone.hears(CALLER_HZ));
}

#[test]
fn ports_may_change_places() {
    let mut scene = Scene::new(PCMU, PCMU);
    let key = scene.join(PCMU, SUPERVISOR_HZ);
    scene.set_mode(key, Mode::WhisperToAgent);
    scene.run(300);
    let [agent, caller] = rows();
    let specs = specs(&scene, [caller, agent]);
    scene.mixer.set_call(scene.now_ns, CALL, specs).unwrap();
    scene.run(500);
    // What comes to the agent's port is the caller's by now.
    assert!(scene.mixer.is_spoken_into(CALL, Party::Caller));
    assert!(scene.supervisors[0].phone.hears(AGENT_HZ) && scene.supervisors[0].phone.hears(CALLER_HZ));
    assert_eq!(scene.mixer.rows_of(CALL), Some([caller, agent]));
}

#[test]
fn what_is_due_is_due_once_however_often_a_call_changes() {
    let mut scene = Scene::new(PCMU, PCMU);
    let key = scene.join(PCMU, SUPERVISOR_HZ);
    scene.set_mode(key, Mode::Barge);
    scene.run(100);
    let due = scene.mixer.wheel.count();
    for change in 0..20 {
        let [agent, caller] = rows();
        let rows = if change % 2 == 0 { [caller, agent] } else { [agent, caller] };
        let specs = specs(&scene, rows);
        scene.mixer.set_call(scene.now_ns, CALL, specs).unwrap();
        scene.run(11);
    }
    scene.run(200);
    assert!(scene.mixer.wheel.count() <= due, "{} of {due}", scene.mixer.wheel.count());
}

#[test]
fn a_session_in_the_place_of_one_of_its_name_sends_as_much_as_one() {
    let mut scene = Scene::new(PCMU, PCMU);
    let key = scene.join(PCMU, SUPERVISOR_HZ);
    scene.run(105);
    scene.mixer.remove_session(scene.now_ns, key);
    scene.supervisors.clear();
    scene.join(PCMU, SUPERVISOR_HZ);
    scene.run(1_000);
    let packets = scene.supervisors[0].phone.packets.len();
    assert!((50..=51).contains(&packets), "{packets}");
}

#[test]
fn other_packets_of_a_supervisor_leave_those_who_barge_together() {
    let mut scene = Scene::new(PCMU, PCMU);
    let [first, second] = [SUPERVISOR_HZ, SECOND_HZ].map(|hz| scene.join(PCMU, hz));
    scene.set_mode(first, Mode::Barge);
    scene.set_mode(second, Mode::Barge);
    scene.run(300);
    let remote = scene.supervisors[0].phone.endpoint();
    let spec = SessionSpec {
        format: format(Codec::Pcmu, 30),
        remote,
        rtcp: None,
        policy: Policy::Strict,
        hears: true,
        tones: false,
    };
    scene.mixer.set_session(scene.now_ns, first, spec).unwrap();
    scene.run(500);
    let heard = [AGENT_HZ, CALLER_HZ, SECOND_HZ].map(|hz| scene.supervisors[0].phone.hears(hz));
    assert_eq!(heard, [true; 3]);
}

#[test]
fn a_supervisor_who_hangs_up_in_the_middle_of_a_word_does_not_click() {
    for way in 0..3 {
        for moment in 0..20 {
            let mut scene = Scene::new(PCMU, PCMU);
            let [key, other] = [SUPERVISOR_HZ, SECOND_HZ].map(|hz| scene.join(PCMU, hz));
            scene.supervisors[1].phone.height = 0.0;
            scene.set_mode(key, Mode::Barge);
            scene.set_mode(other, Mode::Barge);
            scene.run(400 + moment);
            let now = scene.now_ns;
            match way {
                0 => scene.mixer.remove_session(now, key),
                1 => scene.mixer.detach(now, key),
                _ => {
                    let remote = scene.supervisors[0].phone.endpoint();
                    let spec = SessionSpec {
                        format: PCMA,
                        remote,
                        rtcp: None,
                        policy: Policy::Strict,
                        hears: true,
                        tones: false,
                    };
                    scene.mixer.set_session(now, key, spec).unwrap();
                }
            }
            scene.supervisors[0].phone.is_silent = true;
            if way == 0 {
                scene.supervisors.remove(0);
            }
            scene.run(300);
            assert!(!scene.agent.hears(SUPERVISOR_HZ) && !scene.caller.hears(SUPERVISOR_HZ));
            let most = step_of(CALLER_HZ).max(step_of(AGENT_HZ)) + step_of(SUPERVISOR_HZ) + 600;
            for phone in [&scene.agent, &scene.caller] {
                assert!(largest_step(&phone.heard) < most, "{way} {moment}: {} of {most}", largest_step(&phone.heard));
            }
            let listener = &scene.supervisors.last().unwrap().phone;
            let most = most + step_of(AGENT_HZ);
            assert!(largest_step(&listener.heard) < most, "{way} {moment}: {}", largest_step(&listener.heard));
        }
    }
}

#[test]
fn who_is_led_to_another_call_hears_the_first_one_fade() {
    for moment in 0..20 {
        let mut scene = Scene::new(PCMU, PCMU);
        let key = scene.join(PCMU, SUPERVISOR_HZ);
        scene.run(400 + moment);
        match moment % 3 {
            0 => scene.mixer.detach(scene.now_ns, key),
            1 => drop(scene.mixer.remove_call(scene.now_ns, CALL)),
            _ => {
                let port = |port| RowIndex::new(undertone_abi::Local(0), port);
                let specs = specs(&scene, [port(20_004), port(20_006)]);
                scene.mixer.set_call(scene.now_ns, CALL, specs).unwrap();
            }
        }
        scene.run(100);
        let most = step_of(AGENT_HZ) + step_of(CALLER_HZ) + 500;
        let largest = largest_step(&scene.supervisors[0].phone.heard);
        assert!(largest < most, "{moment}: {largest} of {most}");
    }
}

/// Gives a call and who is at it to a mixer that has neither.
fn move_to_another_mixer(scene: &mut Scene, key: SessionKey, mode: Mode) {
    let mut other = Mixer::new(scene.now_ns, SEED + 1);
    let moved = scene.mixer.release_session(scene.now_ns, key).expect("a session");
    assert!(scene.mixer.release_session(scene.now_ns, key).is_none() && scene.mixer.report(key).is_none());
    let was_led = scene.mixer.remove_call(scene.now_ns, CALL);
    assert!(scene.mixer.is_idle() && other.is_idle());
    other.set_call(scene.now_ns, CALL, specs(scene, rows())).unwrap();
    scene.supervisors[0].place = other.adopt_session(moved);
    other.attach(scene.now_ns, key, CALL, mode).unwrap();
    other.settle(CALL, was_led);
    scene.mixer = other;
    scene.set_mode(key, mode);
}

#[test]
fn who_goes_to_another_mixer_is_heard_there_and_hears_one_stream() {
    for moment in 0..20 {
        let mut scene = Scene::new(PCMU, PCMU);
        let key = scene.join(PCMU, SUPERVISOR_HZ);
        scene.set_mode(key, Mode::Barge);
        scene.run(400 + moment);
        move_to_another_mixer(&mut scene, key, Mode::Barge);
        assert_eq!(scene.events, [], "both streams are led on");
        scene.run(500);
        let phone = &scene.supervisors[0].phone;
        assert_eq!(faults(&phone.packets, 160), [""; 0], "{moment}");
        let most = step_of(AGENT_HZ) + step_of(CALLER_HZ) + 500;
        assert!(largest_step(&phone.heard) < most, "{moment}: {} of {most}", largest_step(&phone.heard));
        assert!(phone.hears(AGENT_HZ) && phone.hears(CALLER_HZ));
        assert!(scene.agent.hears(SUPERVISOR_HZ) && scene.caller.hears(SUPERVISOR_HZ), "{moment}");

        move_to_another_mixer(&mut scene, key, Mode::Listen);
        let drained = Party::BOTH.map(|party| Event::Drained(CALL, party));
        assert_eq!(scene.events, drained, "nobody speaks where the call is now");
        scene.run(500);
        assert_eq!(scene.is_diverted, [false; 2]);
        assert!(!scene.agent.hears(SUPERVISOR_HZ) && !scene.caller.hears(SUPERVISOR_HZ), "{moment}");
    }
}

#[test]
fn a_mixer_that_had_nothing_to_do_for_a_while_begins_at_once() {
    for idle_ms in [5, 100, 126, 127, 128, 200, 255, 1_000, 60_000] {
        let mut scene = Scene::new(PCMU, PCMU);
        scene.now_ns += idle_ms * MS;
        for phone in [&mut scene.agent, &mut scene.caller] {
            phone.next_ns = scene.now_ns;
        }
        scene.caller.is_silent = true;
        let key = scene.join(PCMU, SUPERVISOR_HZ);
        scene.set_mode(key, Mode::WhisperToAgent);
        scene.run(500);
        assert!(scene.supervisors[0].phone.hears(AGENT_HZ), "after {idle_ms} ms");
        assert!(scene.agent.hears(SUPERVISOR_HZ), "after {idle_ms} ms");
        assert!((24..=26).contains(&scene.supervisors[0].phone.packets.len()), "after {idle_ms} ms");
    }
}

#[test]
fn who_speaks_again_while_a_stream_is_given_back_is_heard_at_once() {
    let wide = format(Codec::G722, 20);
    let mut scene = Scene::new(wide, wide);
    let key = scene.join(PCMU, SUPERVISOR_HZ);
    for moment in 0..8 {
        scene.caller.is_silent = false;
        scene.set_mode(key, Mode::WhisperToAgent);
        scene.run(500);
        scene.set_mode(key, Mode::Listen);
        scene.run(200);
        scene.caller.is_silent = true;
        scene.run(500 + moment * 17);
        let before = scene.agent.packets.len();
        scene.set_mode(key, Mode::WhisperToAgent);
        scene.run(25);
        assert!(scene.agent.packets.len() > before, "{moment}");
    }
}

#[test]
fn another_payload_type_is_told_once_and_is_heard_when_the_call_has_its_codec() {
    let mut scene = Scene::new(PCMU, PCMU);
    scene.join(PCMU, SUPERVISOR_HZ);
    scene.run(200);
    let Phone { ssrc, sequence, timestamp, next_ns, .. } = scene.agent;
    let other = Format { payload_type: 8, ..PCMA };
    scene.agent = Phone::between(other, PCMU, AGENT_HZ, ssrc);
    (scene.agent.sequence, scene.agent.timestamp, scene.agent.next_ns) = (sequence, timestamp, next_ns);
    scene.run(20);
    assert_eq!(scene.events, [], "one packet may be a stray");
    scene.run(600);
    assert_eq!(scene.events, [Event::OtherType(CALL, Party::Agent)]);
    assert!(!scene.supervisors[0].phone.hears(AGENT_HZ));
    let specs = specs(&scene, rows());
    scene.mixer.set_call(scene.now_ns, CALL, specs).unwrap();
    scene.run(600);
    assert!(scene.supervisors[0].phone.hears(AGENT_HZ) && scene.supervisors[0].phone.hears(CALLER_HZ));
    assert_eq!(scene.events.len(), 1);
}
