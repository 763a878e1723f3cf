//! A call, supervisors, and a virtual clock.

mod base;
mod changes;
mod consent;
mod drift;
mod rtcp;
mod scene;
mod trace;

use self::scene::*;
use undertone_abi::Policy;

use super::{packet::Packet, *};

const PCMU: Format = format(Codec::Pcmu, 20);
const PCMA: Format = format(Codec::Pcma, 20);

/// Who of the three is heard by whom, as a telephone's ear has it.
fn table(scene: &Scene) -> Vec<(Person, Person)> {
    let tones = [(Person::Agent, AGENT_HZ), (Person::Caller, CALLER_HZ), (Person::Supervisor, SUPERVISOR_HZ)];
    let ears = [
        (Person::Agent, &scene.agent),
        (Person::Caller, &scene.caller),
        (Person::Supervisor, &scene.supervisors[0].phone),
    ];
    let mut heard = Vec::new();
    for (listener, phone) in ears {
        let strengths = tones.map(|(_, hz)| phone.strength(hz) as i32);
        println!("{listener:?} hears agent, caller, supervisor: {strengths:?}");
        heard.extend(tones.iter().filter(|(_, hz)| phone.hears(*hz)).map(|(speaker, _)| (listener, *speaker)));
    }
    heard
}

fn expected(mode: Mode) -> Vec<(Person, Person)> {
    let people = [Person::Agent, Person::Caller, Person::Supervisor];
    let pairs = people.into_iter().flat_map(|listener| people.map(|speaker| (listener, speaker)));
    pairs.filter(|(listener, speaker)| mode.hears(*listener, *speaker)).collect()
}

#[test]
fn everybody_hears_whom_the_table_says_with_every_codec() {
    for calls in Codec::ALL {
        for supervisors in Codec::ALL {
            let mut scene = Scene::new(format(calls, 20), format(Codec::Pcma, 30));
            let key = scene.join(format(supervisors, 20), SUPERVISOR_HZ);
            for mode in [Mode::Listen, Mode::WhisperToAgent, Mode::Barge, Mode::WhisperToCaller, Mode::Listen] {
                scene.set_mode(key, mode);
                scene.run(600);
                assert_eq!(table(&scene), expected(mode), "{calls:?} {supervisors:?} {mode:?}");
            }
        }
    }
}

/// What is wrong with the packets of one stream, where nothing was lost: numbers, times, source.
fn faults(packets: &[Vec<u8>], ticks: u32) -> Vec<String> {
    let packets: Vec<_> = packets.iter().map(|packet| Packet::read(packet).unwrap()).collect();
    let step = |pair: &[Packet<'_>]| {
        let [a, b] = [&pair[0], &pair[1]];
        let numbers = b.sequence.wrapping_sub(a.sequence);
        let times = b.timestamp.wrapping_sub(a.timestamp);
        (a.ssrc != b.ssrc || numbers != 1 || times % ticks != 0 || times == 0 || times > 200 * ticks)
            .then(|| format!("{} {} {} -> {} {} {}", a.ssrc, a.sequence, a.timestamp, b.ssrc, b.sequence, b.timestamp))
    };
    packets.windows(2).filter_map(step).collect()
}

#[test]
fn a_thousand_changes_of_mode_leave_no_trace() {
    let mut scene = Scene::new(PCMU, PCMU);
    let key = scene.join(PCMU, SUPERVISOR_HZ);
    scene.run(500);
    scene.forget();
    for change in 0..1_000_u64 {
        scene.set_mode(key, Mode::ALL[(change % 4) as usize]);
        // Also two within a packet.
        scene.run(7 + change * 13 % 60);
    }
    for phone in [&scene.agent, &scene.caller] {
        assert_eq!(faults(&phone.packets, 160), [""; 0]);
        // Two tones of 6,000 and 1,700 Hz at most, and µ-law's own steps.
        let steps = phone.heard.windows(2).map(|pair| (i32::from(pair[1]) - i32::from(pair[0])).abs());
        let largest = steps.max().unwrap();
        assert!(largest < 13_000, "{largest}");
    }
    assert_eq!(scene.offsets, [0, 0]);
}

#[test]
fn what_nobody_speaks_into_stays_as_it_came_byte_by_byte() {
    for mode in [Mode::Listen, Mode::WhisperToAgent] {
        let mut scene = Scene::new(PCMU, PCMU);
        let key = scene.join(PCMU, SUPERVISOR_HZ);
        scene.set_mode(key, mode);
        for _ in 0..1_000 {
            // Led by here all the time, as it is for a moment at every change.
            scene.is_diverted[Party::Agent.index()] = true;
            scene.run(1);
        }
        let mut twin = Phone::new(PCMU, AGENT_HZ, 1);
        let sent: Vec<_> = (1..=1_000).filter_map(|ms| twin.say(ms * MS)).collect();
        assert!(sent.len() >= 49);
        assert_eq!(scene.caller.packets, sent, "{mode:?}");
    }
}

#[test]
fn a_silent_party_leaves_room_for_the_supervisor_and_numbers_go_on() {
    let mut scene = Scene::new(PCMU, PCMU);
    let key = scene.join(PCMU, SUPERVISOR_HZ);
    scene.run(300);
    scene.set_mode(key, Mode::WhisperToAgent);
    for _ in 0..20 {
        scene.run(400);
        scene.caller.is_silent = true;
        scene.run(700);
        assert!(scene.agent.hears(SUPERVISOR_HZ), "while the caller is silent");
        assert!(!scene.agent.hears(CALLER_HZ));
        scene.caller.is_silent = false;
    }
    scene.set_mode(key, Mode::Listen);
    scene.run(400);
    assert!(scene.agent.hears(CALLER_HZ) && !scene.agent.hears(SUPERVISOR_HZ));
    assert_eq!(faults(&scene.agent.packets, 160), [""; 0]);
    assert!(scene.offsets[1] > 20 * 25 && scene.offsets[0] == 0, "{:?}", scene.offsets);
    let packets = scene.agent.packets.len();
    scene.caller.is_silent = true;
    scene.run(1_000);
    assert_eq!(scene.agent.packets.len(), packets, "nobody speaks, and nothing is slipped in");
}

#[test]
fn a_party_that_was_never_heard_of_can_be_spoken_for() {
    let mut scene = Scene::new(PCMU, PCMU);
    scene.caller.is_silent = true;
    let key = scene.join(PCMU, SUPERVISOR_HZ);
    scene.set_mode(key, Mode::WhisperToAgent);
    scene.run(1_000);
    assert!(scene.agent.hears(SUPERVISOR_HZ));
    assert_eq!(faults(&scene.agent.packets, 160), [""; 0]);
}

#[test]
fn supervisors_who_barge_hear_each_other_and_others_do_not() {
    let mut scene = Scene::new(PCMU, PCMU);
    let [first, second] =
        [(PCMU, SUPERVISOR_HZ), (format(Codec::Opus, 20), SECOND_HZ)].map(|it| scene.join(it.0, it.1));
    scene.set_mode(first, Mode::Barge);
    scene.set_mode(second, Mode::WhisperToAgent);
    scene.run(600);
    assert!(!scene.supervisors[0].phone.hears(SECOND_HZ) && !scene.supervisors[1].phone.hears(SUPERVISOR_HZ));
    assert!(scene.agent.hears(SUPERVISOR_HZ) && scene.agent.hears(SECOND_HZ));
    assert!(scene.caller.hears(SUPERVISOR_HZ) && !scene.caller.hears(SECOND_HZ));
    scene.set_mode(second, Mode::Barge);
    scene.run(600);
    assert!(scene.supervisors[0].phone.hears(SECOND_HZ) && scene.supervisors[1].phone.hears(SUPERVISOR_HZ));
    scene.mixer.remove_session(scene.now_ns, second);
    scene.supervisors.pop();
    scene.run(600);
    assert!(!scene.supervisors[0].phone.hears(SECOND_HZ) && !scene.agent.hears(SECOND_HZ));
}

#[test]
fn a_supervisor_on_a_bad_network_costs_the_parties_nothing() {
    let mut scene = Scene::new(PCMU, PCMU);
    // Of twenty, one is lost; the others take up to 40 ms longer and overtake each other.
    scene.network = |number| (number * 7_919 % 20 != 3).then_some(number * 104_729 % 41);
    let key = scene.join(PCMU, SUPERVISOR_HZ);
    for mode in [Mode::WhisperToAgent, Mode::Listen, Mode::Barge, Mode::WhisperToCaller].into_iter().cycle().take(40) {
        scene.set_mode(key, mode);
        scene.run(333);
    }
    for phone in [&scene.agent, &scene.caller] {
        assert_eq!(faults(&phone.packets, 160), [""; 0]);
    }
    assert!(scene.mixer.report(key).unwrap().mic.heard > 500);
}

#[test]
fn a_stranger_is_not_heard_and_a_flood_is_bounded() {
    let mut scene = Scene::new(PCMU, PCMU);
    let key = scene.join(PCMU, SUPERVISOR_HZ);
    scene.set_mode(key, Mode::Barge);
    scene.run(500);
    let (place, endpoint) = (scene.supervisors[0].place, scene.supervisors[0].phone.endpoint());
    let mut stranger = Phone::new(PCMU, SECOND_HZ, 99);
    for _ in 0..500 {
        scene.run(1);
        // From elsewhere, and from the right place but of another source, a hundred times as much as there may be.
        for _ in 0..5 {
            let packet = stranger.say(u64::MAX).unwrap();
            let elsewhere = Endpoint { port: 5, ..endpoint };
            scene.mixer.take(scene.now_ns, place, elsewhere, &packet);
            scene.mixer.take(scene.now_ns, place, endpoint, &packet);
        }
    }
    assert!(!scene.agent.hears(SECOND_HZ) && !scene.caller.hears(SECOND_HZ));
    let report = scene.mixer.report(key).unwrap();
    assert_eq!(report.strangers, 2_500);
    assert!(report.flooded > 2_000, "{report:?}");
    assert_eq!(faults(&scene.agent.packets, 160), [""; 0]);
}

#[test]
fn a_call_that_ends_in_the_middle_of_a_change_takes_nobody_with_it() {
    let mut scene = Scene::new(PCMU, PCMU);
    let key = scene.join(PCMU, SUPERVISOR_HZ);
    scene.set_mode(key, Mode::Barge);
    scene.run(103);
    scene.set_mode(key, Mode::Listen);
    scene.mixer.remove_call(scene.now_ns, CALL);
    scene.run(500);
    assert_eq!(scene.mixer.report(key).unwrap().call, None);
    let supervisor = &scene.supervisors[0].phone;
    assert_eq!(faults(&supervisor.packets, 160), [""; 0], "silence goes on");
    assert!(!supervisor.hears(AGENT_HZ) && !supervisor.hears(CALLER_HZ));
    scene.mixer.remove_session(scene.now_ns, key);
    scene.supervisors.clear();
    scene.run(200);
    assert_eq!(scene.mixer.deadline_ns(), None, "nothing is left to do");
}

#[test]
fn another_codec_in_the_middle_of_a_barge_is_spoken_at_once() {
    let mut scene = Scene::new(PCMU, PCMU);
    let key = scene.join(PCMU, SUPERVISOR_HZ);
    scene.set_mode(key, Mode::Barge);
    scene.run(500);
    let wide = format(Codec::G722, 20);
    let spec = |party| StreamSpec { row: row(party), format: Some(wide), sequence_offset: 0 };
    scene.mixer.set_call(scene.now_ns, CALL, [spec(Party::Agent), spec(Party::Caller)]).unwrap();
    for (phone, hz) in [(&mut scene.agent, AGENT_HZ), (&mut scene.caller, CALLER_HZ)] {
        let Phone { ssrc, sequence, timestamp, next_ns, .. } = *phone;
        *phone = Phone::new(wide, hz, ssrc);
        (phone.sequence, phone.timestamp, phone.next_ns) = (sequence, timestamp, next_ns);
    }
    scene.run(800);
    assert_eq!(table(&scene), expected(Mode::Barge));
}

#[test]
fn a_drained_stream_is_told_once_and_only_after_the_voice_has_faded() {
    let mut scene = Scene::new(PCMU, PCMU);
    let key = scene.join(PCMU, SUPERVISOR_HZ);
    scene.set_mode(key, Mode::WhisperToAgent);
    scene.run(300);
    scene.set_mode(key, Mode::Listen);
    assert_eq!(scene.events, []);
    assert!(scene.is_diverted[Party::Caller.index()], "until it has faded");
    scene.run(40);
    assert_eq!(scene.events, [Event::Drained(CALL, Party::Caller)]);
    scene.run(300);
    assert_eq!(scene.events.len(), 1);
}

#[test]
fn a_stream_of_a_coder_with_a_memory_is_given_back_when_it_has_forgotten() {
    let wide = format(Codec::G722, 20);
    let mut scene = Scene::new(wide, wide);
    let key = scene.join(PCMU, SUPERVISOR_HZ);
    scene.run(500);
    for _ in 0..5 {
        scene.set_mode(key, Mode::WhisperToAgent);
        scene.run(1_000);
        assert!(scene.agent.hears(SUPERVISOR_HZ));
        scene.set_mode(key, Mode::Listen);
        scene.run(30);
        // Until then it comes by, and nobody is heard in it.
        scene.run(400);
        assert!(!scene.agent.hears(SUPERVISOR_HZ));
        scene.run(1_800);
        assert!(!scene.is_diverted[Party::Caller.index()]);
        assert_eq!(faults(&scene.agent.packets, 160), [""; 0]);
        assert!(scene.agent.hears(CALLER_HZ));
    }
    assert_eq!(scene.events.len(), 5);
}
