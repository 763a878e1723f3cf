//! What parties send is not what they should: lost, late, twice, of another source, of another size, or no sound at all.

use std::collections::HashMap;

use super::*;
use crate::mixer::packet::Header;

/// A call whose packets are numbered, with a supervisor who whispers to the agent all the time.
fn whispered(spoken: Format) -> (Scene, SessionKey) {
    let mut scene = Scene::new(spoken, spoken);
    scene.caller.is_numbered = true;
    let key = scene.join(PCMU, SUPERVISOR_HZ);
    scene.set_mode(key, Mode::WhisperToAgent);
    (scene, key)
}

/// The number in a packet's header extension.
fn number_of(packet: &[u8]) -> Option<usize> {
    let header = Packet::read(packet).unwrap().header;
    header.get(16..20).map(|number| u32::from_be_bytes(number.try_into().unwrap()) as usize)
}

fn sequence_of(packet: &[u8]) -> u16 {
    Packet::read(packet).unwrap().sequence
}

/// No two different packets have one number, and those of the caller's stand to each other as they were sent, but for
/// what was slipped in between.
fn assert_numbers_are_kept(scene: &Scene) {
    let mut seen = HashMap::new();
    let mut places = Vec::new();
    let mut highest = None::<i64>;
    for packet in &scene.agent.packets {
        let sequence = sequence_of(packet);
        let unwrapped =
            highest.map_or(i64::from(sequence), |high| high + i64::from(sequence.wrapping_sub(high as u16) as i16));
        highest = highest.max(Some(unwrapped));
        let number = number_of(packet);
        if let Some(before) = seen.insert(unwrapped, number) {
            assert!(before.is_some() && before == number, "{sequence} is {before:?} and {number:?}");
        }
        places.push((number, unwrapped));
    }
    let slipped: Vec<i64> = places.iter().filter(|(number, _)| number.is_none()).map(|(_, at)| *at).collect();
    let mut said: Vec<_> = places.iter().filter_map(|(number, at)| Some(((*number)?, *at))).collect();
    said.sort_unstable();
    said.dedup();
    let mut gaps = 0;
    for pair in said.windows(2) {
        let between = slipped.iter().filter(|at| (pair[0].1..pair[1].1).contains(at)).count();
        let own = (pair[1].0 - pair[0].0) as i64;
        // The gap that a lost packet leaves may be closed for a moment, when the data plane had just been told.
        gaps += pair[1].1 - pair[0].1 - own - between as i64;
        assert!((-1..=0).contains(&gaps), "{pair:?}, {between} between");
    }
}

#[test]
fn a_stream_that_is_lost_late_and_twice_keeps_its_numbers() {
    for (shift_ms, copies_first) in [(0, false), (1, true), (3, false), (5, true)] {
        let (mut scene, key) = whispered(PCMU);
        (scene.shift_ms, scene.copies_first) = (shift_ms, copies_first);
        // One in thirty is lost, and now and then they overtake each other by up to 50 ms.
        scene.party_network =
            |number| (number * 7_919 % 30 != 3).then_some(if number % 50 < 10 { number * 31 % 51 } else { 2 });
        for turn in 0..60 {
            scene.run(300 + turn * 7);
            scene.caller.is_silent = true;
            scene.run(150 + turn * 11 % 300);
            scene.caller.is_silent = false;
            if turn % 10 == 9 {
                scene.set_mode(key, if turn % 20 == 9 { Mode::Listen } else { Mode::Barge });
            }
        }
        assert!(scene.offsets[1] > 100, "{:?}", scene.offsets);
        assert_numbers_are_kept(&scene);
    }
}

#[test]
fn a_packet_that_is_sent_twice_takes_no_part_of_the_voice_along() {
    let (mut scene, _) = whispered(PCMU);
    scene.caller.height = 0.0;
    scene.run(500);
    scene.forget();
    for _ in 0..500 {
        scene.run(1);
        if scene.caller.next_ns == scene.now_ns + 20 * MS {
            let again = scene.caller.sent.last().unwrap().clone();
            scene.send(Party::Caller, again);
        }
    }
    let mut first = scene.agent.packets.clone();
    first.dedup_by_key(|packet| sequence_of(packet));
    assert_eq!(first.len() * 2, scene.agent.packets.len());
    assert_is_a_smooth_tone(&first);
}

/// The packets' sound, one after the other in the order of their numbers, is the supervisor's tone without a step.
fn assert_is_a_smooth_tone(packets: &[Vec<u8>]) {
    let mut packets: Vec<_> = packets.to_vec();
    packets.sort_by_key(|packet| sequence_of(packet));
    let mut decoder = codec::Decoder::new(Codec::Pcmu).unwrap();
    let mut sound: Vec<i16> = Vec::new();
    for packet in &packets {
        let mut pcm = [0; 480];
        let length = decoder.decode(Packet::read(packet).unwrap().payload, &mut pcm).unwrap();
        sound.extend(&pcm[..length]);
    }
    let steady = &sound[80..];
    // A tone is what it was, turned: twice the cosine times the last sample, less the one before.
    let turn = 2.0 * (std::f64::consts::TAU * SUPERVISOR_HZ / 8_000.0).cos();
    for triple in steady.windows(3) {
        let [before, last, next] = [0, 1, 2].map(|at| f64::from(triple[at]));
        assert!((turn * last - before - next).abs() < 700.0, "{triple:?}");
    }
}

#[test]
fn voices_go_on_where_packets_are_late_or_lost() {
    let (mut scene, _) = whispered(PCMU);
    scene.caller.height = 0.0;
    scene.run(500);
    scene.forget();
    let from = scene.caller.sent.len();
    // Of twenty, one comes 45 ms late, behind two others.
    scene.party_network = |number| Some(if number.is_multiple_of(20) { 45 } else { 0 });
    scene.run(2_000);
    scene.party_network = |_| Some(0);
    scene.run(100);
    let numbers: Vec<_> = scene.agent.packets.iter().filter_map(|packet| number_of(packet)).collect();
    assert!(!numbers.is_sorted() && numbers.len() == scene.caller.sent.len() - from);
    assert_is_a_smooth_tone(&scene.agent.packets);
    // What is lost takes its part of the voice along, and the voice is not later after it.
    scene.forget();
    scene.party_network = |number| (!number.is_multiple_of(10)).then_some(0);
    scene.run(4_000);
    scene.party_network = |_| Some(0);
    scene.run(1_000);
    assert_eq!(scene.mixer.report(SessionKey(1)).unwrap().mic.concealed, 0);
    let numbers: Vec<_> = scene.agent.packets.iter().filter_map(|packet| number_of(packet)).collect();
    let gaps = numbers.windows(2).filter(|pair| pair[1] - pair[0] > 1).count();
    assert!(gaps >= 18, "{gaps}");
}

#[test]
fn keys_and_comfort_noise_of_a_party_pass_as_they_are() {
    let (mut scene, _) = whispered(PCMU);
    scene.shift_ms = 2;
    let mut events = Vec::new();
    for turn in 0..30 {
        scene.run(203 + turn * 5);
        scene.caller.is_silent = true;
        // Pressed while speaking, shortly after, and while packets are slipped in.
        scene.run([0, 30, 200][turn as usize % 3]);
        let timestamp = scene.caller.timestamp;
        for packet in 0..8_u16 {
            let [high, low] = (160 * (packet + 1)).to_be_bytes();
            let payload = [5, if packet > 4 { 0x8a } else { 0x0a }, high, low];
            let event = scene.caller.packet(101, timestamp, &payload);
            scene.send(Party::Caller, event);
            events.push((turn, payload));
            if packet % 3 == 2 {
                let noise = scene.caller.packet(13, timestamp + 160 * u32::from(packet), &[60 + packet as u8]);
                scene.send(Party::Caller, noise);
            }
            scene.run(20);
        }
        scene.run([10, 100, 250][turn as usize / 3 % 3]);
        scene.caller.is_silent = false;
    }
    assert_numbers_are_kept(&scene);
    let read: Vec<_> = scene.agent.packets.iter().map(|packet| Packet::read(packet).unwrap()).collect();
    assert_eq!(faults_of_numbers(&scene.agent.packets), [""; 0]);
    let heard: Vec<_> = read.iter().filter(|packet| packet.payload_type == 101).collect();
    assert_eq!(heard.len(), events.len());
    for (presses, sent) in heard.chunks(8).zip(events.chunks(8)) {
        assert!(presses.iter().all(|packet| packet.timestamp == presses[0].timestamp), "one press, one timestamp");
        assert!(presses.iter().zip(sent).all(|(packet, sent)| packet.payload == sent.1));
    }
    let noise = read.iter().filter(|packet| packet.payload_type == 13);
    assert!(noise.clone().all(|packet| (62..70).contains(&packet.payload[0])) && noise.count() == 60);
}

/// Numbers of one source that do not follow on each other.
fn faults_of_numbers(packets: &[Vec<u8>]) -> Vec<String> {
    let read: Vec<_> = packets.iter().map(|packet| Packet::read(packet).unwrap()).collect();
    let step = |pair: &[Packet<'_>]| {
        let [a, b] = [&pair[0], &pair[1]];
        (a.ssrc == b.ssrc && b.sequence.wrapping_sub(a.sequence) != 1)
            .then(|| format!("{} of {} -> {} of {}", a.sequence, a.payload_type, b.sequence, b.payload_type))
    };
    read.windows(2).filter_map(step).collect()
}

#[test]
fn a_source_that_changes_in_the_middle_is_followed() {
    for shift_ms in [0, 2] {
        let (mut scene, _) = whispered(PCMU);
        scene.shift_ms = shift_ms;
        for turn in 0..10_u32 {
            scene.run(400);
            scene.caller.is_silent = true;
            scene.run(400 + u64::from(turn) * 7);
            scene.caller.is_silent = false;
            scene.caller.ssrc = 1_000 + turn;
            scene.caller.sequence = (turn * 7_777) as u16;
            scene.caller.timestamp = turn.wrapping_mul(987_654_321);
        }
        scene.run(400);
        assert_eq!(faults_of_numbers(&scene.agent.packets), [""; 0]);
        let sources: Vec<u32> = scene.agent.packets.iter().map(|packet| Packet::read(packet).unwrap().ssrc).collect();
        let changes = sources.windows(2).filter(|pair| pair[0] != pair[1]).count();
        assert_eq!(changes, 10, "no source comes back");
        assert!(scene.agent.hears(SUPERVISOR_HZ) && scene.agent.hears(CALLER_HZ));
    }
}

#[test]
fn who_counts_anew_is_followed() {
    let (mut scene, _) = whispered(PCMU);
    scene.run(400);
    scene.caller.is_silent = true;
    scene.run(400);
    scene.caller.is_silent = false;
    scene.caller.sequence = scene.caller.sequence.wrapping_add(20_000);
    scene.run(400);
    assert_eq!(faults_of_numbers(&scene.agent.packets).len(), 1);
}

#[test]
fn rtcp_beside_rtp_and_what_is_neither_pass_byte_by_byte() {
    let (mut scene, _) = whispered(PCMU);
    scene.run(300);
    let odd: [&[u8]; 5] = [
        &[0x80, 200, 0, 6, 0, 0, 0, 1, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20],
        &[0x81, 201, 0, 1, 0, 0, 0, 2],
        &[],
        &[0x80],
        &[0xbf; 30],
    ];
    for bytes in odd {
        let mut out = Out::default();
        scene.mixer.pass(scene.now_ns, row(Party::Caller), bytes, &mut out);
        assert_eq!(out.on, [(row(Party::Caller), bytes.to_vec())]);
        scene.mixer.hear(scene.now_ns, row(Party::Caller), bytes);
    }
    scene.run(300);
    assert_eq!(faults(&scene.agent.packets, 160), [""; 0]);
}

/// A packet of the caller's, with everything that a header can have.
fn dressed(scene: &mut Scene, payload: &[u8], padding: u8) -> Vec<u8> {
    let Phone { ssrc, sequence, timestamp, .. } = scene.caller;
    scene.caller.sequence = sequence.wrapping_add(1);
    scene.caller.timestamp = timestamp.wrapping_add(payload.len() as u32);
    let mut bytes = Header { marker: true, payload_type: 96, sequence, timestamp, ssrc }.to_bytes().to_vec();
    bytes[0] = 0xb2;
    bytes.extend([1, 2, 3, 4, 5, 6, 7, 8, 0xbe, 0xde, 0, 1, 0x10, 7, 0, 0]);
    bytes.extend(payload);
    bytes.extend(vec![0; usize::from(padding) - 1]);
    bytes.push(padding);
    bytes
}

#[test]
fn marks_contributors_extensions_and_other_lengths_stay_and_padding_goes() {
    let (mut scene, _) = whispered(PCMU);
    scene.caller.is_silent = true;
    scene.run(400);
    for length in [79, 80, 160, 161, 240, 400, 480] {
        let payload = vec![0xff; length];
        scene.run(length as u64 / 8);
        let bytes = dressed(&mut scene, &payload, 9);
        let mut out = Out::default();
        scene.mixer.pass(scene.now_ns, row(Party::Caller), &bytes, &mut out);
        let (_, left) = out.on.pop().unwrap();
        assert_eq!((left[0], left[1]), (0x92, 0x80 | 0x60), "no padding, but the mark");
        assert_eq!(left[12..28], bytes[12..28]);
        assert_eq!(left.len(), 28 + length);
        assert_ne!(left[28..], payload, "the supervisor is in it");
    }
    // More than is sound passes as it came.
    for length in [0, 481, 1_000] {
        let bytes = dressed(&mut scene, &vec![0xff; length], 4);
        let mut out = Out::default();
        scene.mixer.pass(scene.now_ns, row(Party::Caller), &bytes, &mut out);
        let (_, left) = out.on.pop().unwrap();
        assert_eq!((left[0], &left[8..]), (0xb2, &bytes[8..]));
    }
}

#[test]
fn another_payload_type_passes_as_it_is_and_nothing_is_slipped_in_beside_it() {
    let (mut scene, _) = whispered(PCMU);
    scene.run(500);
    let slipped = scene.offsets;
    scene.caller.is_silent = true;
    scene.forget();
    let (mut timestamp, mut sent) = (scene.caller.timestamp, Vec::new());
    for _ in 0..50 {
        let packet = scene.caller.packet(8, timestamp, &[0x55; 160]);
        sent.push(packet.clone());
        scene.send(Party::Caller, packet);
        timestamp += 160;
        scene.run(20);
    }
    assert_eq!(scene.agent.packets, sent);
    assert_eq!(scene.offsets, slipped);
    scene.caller.is_silent = false;
    scene.run(300);
    assert_eq!(faults_of_numbers(&scene.agent.packets), [""; 0]);
    assert!(scene.agent.hears(SUPERVISOR_HZ));
}

#[test]
fn packets_of_another_length_than_was_said_are_spoken_into() {
    for codec in [Codec::Pcmu, Codec::G722, Codec::L16(SampleRate::Hz16000), Codec::Opus] {
        for packet_ms in [10, 40, 60] {
            let mut scene = Scene::new(format(codec, 20), format(codec, 20));
            scene.caller = Phone::new(format(codec, packet_ms), CALLER_HZ, 2);
            let key = scene.join(PCMU, SUPERVISOR_HZ);
            scene.set_mode(key, Mode::WhisperToAgent);
            scene.run(1_000);
            assert!(scene.agent.hears(SUPERVISOR_HZ) && scene.agent.hears(CALLER_HZ), "{codec:?} {packet_ms}");
            assert_eq!(scene.offsets, [0, 0], "{codec:?} {packet_ms}: nothing had to be slipped in");
        }
    }
}

#[test]
fn a_loud_party_stays_as_it_is_while_the_supervisor_is_silent() {
    for codec in [Codec::Pcmu, Codec::Pcma, Codec::L16(SampleRate::Hz16000), Codec::G722] {
        let (mut scene, _) = whispered(format(codec, 20));
        scene.caller.height = 32_700.0;
        scene.supervisors[0].phone.height = 0.0;
        scene.run(2_000);
        let sounds = |packets: &[Vec<u8>]| -> Vec<Vec<u8>> {
            packets.iter().map(|packet| Packet::read(packet).unwrap().payload.to_vec()).collect()
        };
        assert_eq!(sounds(&scene.agent.packets), sounds(&scene.caller.sent), "{codec:?}");
    }
}

#[test]
fn a_stream_of_a_coder_with_a_memory_is_taken_over_in_its_middle_however_late_it_is_led_by() {
    let wide = format(Codec::G722, 20);
    for (lead_ms, copies_first) in [(0, false), (0, true), (13, false), (45, true), (90, false)] {
        let (mut scene, key) = (Scene::new(wide, wide), SessionKey(1));
        (scene.lead_ms, scene.copies_first) = (lead_ms, copies_first);
        scene.caller.is_numbered = true;
        scene.join(PCMU, SUPERVISOR_HZ);
        // A voice that is hardly one, so that octets are made anew all the time.
        scene.supervisors[0].phone.height = 40.0;
        scene.run(1_000);
        scene.set_mode(key, Mode::WhisperToAgent);
        scene.run(1_000);
        let mut decoder = codec::Decoder::new(Codec::G722).unwrap();
        let mut own: Vec<i16> = Vec::new();
        for packet in &scene.caller.sent {
            let mut pcm = [0; 320];
            let length = decoder.decode(Packet::read(packet).unwrap().payload, &mut pcm).unwrap();
            own.extend(&pcm[..length]);
        }
        let added = scene.agent.heard.iter().zip(&own).map(|(heard, own)| (i32::from(*heard) - i32::from(*own)).abs());
        let largest = added.max().unwrap();
        assert!(largest < 700, "{lead_ms} {copies_first}: {largest}");
    }
}
