//! Packets in, frames out, by a virtual clock.

use std::f64::consts::TAU;

use super::*;
use crate::mixer::codec::Encoder;

const MS: u64 = 1_000_000;
/// Milliseconds of a packet.
const PACKET: usize = 20;

/// A sender of a tone in packets of 20 ms.
struct Sender {
    codec: Codec,
    payload_type: u8,
    hz: f64,
    ssrc: u32,
    sequence: u16,
    timestamp: u32,
    encoder: Encoder,
    sent: usize,
}

impl Sender {
    fn new(codec: Codec, payload_type: u8, hz: f64) -> Self {
        let encoder = Encoder::new(codec, PACKET as u8).unwrap();
        Self { codec, payload_type, hz, ssrc: 7, sequence: 65_530, timestamp: u32::MAX - 500, encoder, sent: 0 }
    }

    /// The next packet.
    fn next(&mut self) -> Vec<u8> {
        let length = self.codec.rate().samples(PACKET);
        let rate = f64::from(self.codec.rate().hz());
        let sample = |at: usize| (8_000.0 * (TAU * self.hz * at as f64 / rate).sin()) as i16;
        let sound: Vec<_> = (self.sent..self.sent + length).map(sample).collect();
        let mut payload = vec![0; 4000];
        let octets = self.encoder.encode(&sound, &mut payload).unwrap();
        let packet = self.packet(self.payload_type, &payload[..octets]);
        self.sent += length;
        self.timestamp = self.timestamp.wrapping_add(self.ticks());
        packet
    }

    fn packet(&mut self, payload_type: u8, payload: &[u8]) -> Vec<u8> {
        let mut packet = vec![0x80, payload_type];
        packet.extend(self.sequence.to_be_bytes());
        packet.extend(self.timestamp.to_be_bytes());
        packet.extend(self.ssrc.to_be_bytes());
        packet.extend(payload);
        self.sequence = self.sequence.wrapping_add(1);
        packet
    }

    fn ticks(&self) -> u32 {
        self.codec.clock().hz() / 1000 * PACKET as u32
    }

    /// Says nothing for so many packets, as senders do that suppress silence.
    fn pause(&mut self, packets: u32) {
        self.timestamp = self.timestamp.wrapping_add(packets * self.ticks());
    }
}

/// A recording with its clock.
struct Tape {
    stereo: Stereo,
    rate: SampleRate,
    now_ms: u64,
    frames: Vec<u8>,
}

impl Tape {
    fn new(rate: SampleRate, codecs: &[(u8, Codec)]) -> Self {
        let mut stereo = Stereo::new(rate, 0);
        stereo.set_codecs(Party::Caller, codecs);
        stereo.set_codecs(Party::Agent, codecs);
        Self { stereo, rate, now_ms: 0, frames: Vec::new() }
    }

    fn hear(&mut self, party: Party, packet: &[u8]) {
        self.stereo.receive(party, self.now_ms * MS, packet);
    }

    fn pass(&mut self, ms: u64) {
        self.now_ms += ms;
        self.stereo.take(self.now_ms * MS, &mut self.frames).unwrap();
    }

    /// Both channels, caller and agent.
    fn end(mut self) -> [Vec<i16>; 2] {
        self.stereo.take_all(self.now_ms * MS, &mut self.frames).unwrap();
        let samples: Vec<_> = self.frames.as_chunks::<2>().0.iter().map(|it| i16::from_le_bytes(*it)).collect();
        assert_eq!(
            samples.len() as u64,
            2 * self.now_ms * u64::from(self.rate.hz()) / 1000,
            "as long as it has lasted"
        );
        [0, 1].map(|side| samples.iter().skip(side).step_by(2).copied().collect())
    }
}

/// How strong a tone is in sound, of 1 for that of a sender.
fn strength(sound: &[i16], hz: f64, rate: SampleRate) -> f64 {
    let (mut sine, mut cosine) = (0.0, 0.0);
    for (at, sample) in sound.iter().enumerate() {
        let angle = TAU * hz * at as f64 / f64::from(rate.hz());
        sine += angle.sin() * f64::from(*sample);
        cosine += angle.cos() * f64::from(*sample);
    }
    2.0 * f64::hypot(sine, cosine) / sound.len().max(1) as f64 / 8_000.0
}

fn assert_tone(sound: &[i16], hz: f64, rate: SampleRate) {
    let found = strength(sound, hz, rate);
    assert!((0.9..1.1).contains(&found), "{hz} Hz: {found}");
}

fn is_silent(sound: &[i16]) -> bool {
    sound.iter().all(|sample| *sample == 0)
}

/// The part of a channel from one millisecond to another.
fn part(channel: &[i16], rate: SampleRate, from_ms: usize, to_ms: usize) -> &[i16] {
    &channel[rate.samples(from_ms)..rate.samples(to_ms)]
}

#[test]
fn the_caller_is_left_and_the_agent_right_in_every_codec_at_its_own_rate() {
    let opus = (96, Codec::Opus);
    let table = [(0, Codec::Pcmu), (8, Codec::Pcma), (9, Codec::G722), (97, Codec::L16(SampleRate::Hz16000)), opus];
    for (number, codec) in table {
        let rate = codec.rate();
        let mut tape = Tape::new(rate, &table);
        let (mut caller, mut agent) = (Sender::new(codec, number, 1_000.0), Sender::new(codec, number, 600.0));
        for _ in 0..100 {
            let (left, right) = (caller.next(), agent.next());
            tape.hear(Party::Caller, &left);
            tape.hear(Party::Agent, &right);
            tape.pass(PACKET as u64);
        }
        let [left, right] = tape.end();
        for (sound, own, other) in [(left, 1_000.0, 600.0), (right, 600.0, 1_000.0)] {
            let sound = part(&sound, rate, 200, 1_800);
            assert_tone(sound, own, rate);
            assert!(strength(sound, other, rate) < 0.01, "{codec:?}");
        }
    }
}

#[test]
fn a_file_of_another_rate_has_the_same_sound() {
    for (rate, number, codec) in [(SampleRate::Hz16000, 0, Codec::Pcmu), (SampleRate::Hz8000, 96, Codec::Opus)] {
        let mut tape = Tape::new(rate, &[(number, codec)]);
        let mut caller = Sender::new(codec, number, 1_000.0);
        for _ in 0..100 {
            let packet = caller.next();
            tape.hear(Party::Caller, &packet);
            tape.pass(PACKET as u64);
        }
        let [left, right] = tape.end();
        assert_tone(part(&left, rate, 200, 1_800), 1_000.0, rate);
        assert!(is_silent(&right));
    }
}

#[test]
fn what_comes_out_of_order_twice_or_late_is_in_its_place() {
    let rate = SampleRate::Hz8000;
    let mut tape = Tape::new(rate, &[(0, Codec::Pcmu)]);
    let mut caller = Sender::new(Codec::Pcmu, 0, 1_000.0);
    let packets: Vec<_> = (0..100).map(|_| caller.next()).collect();
    for pair in packets.chunks(5) {
        // Five at once, the last first, and one of them twice.
        tape.pass(5 * PACKET as u64);
        for packet in pair.iter().rev().chain(&pair[..1]) {
            tape.hear(Party::Caller, packet);
        }
    }
    tape.pass(1_100);
    let counts = tape.stereo.counts(Party::Caller);
    assert_eq!((counts.heard, counts.lost, counts.bad), (100, 0, 0));
    assert_eq!(counts.late, 20, "those that came twice");
    let [left, _] = tape.end();
    assert_tone(part(&left, rate, 300, 1_900), 1_000.0, rate);
}

#[test]
fn what_is_lost_is_concealed_for_a_moment_and_silence_then() {
    let rate = SampleRate::Hz8000;
    let mut tape = Tape::new(rate, &[(0, Codec::Pcmu)]);
    let mut caller = Sender::new(Codec::Pcmu, 0, 1_000.0);
    for at in 0..100 {
        let packet = caller.next();
        if at != 20 && !(40..60).contains(&at) {
            tape.hear(Party::Caller, &packet);
        }
        tape.pass(PACKET as u64);
    }
    tape.pass(1_000);
    assert_eq!(tape.stereo.counts(Party::Caller).lost, 21);
    let [left, _] = tape.end();
    assert!(strength(part(&left, rate, 400, 420), 1_000.0, rate) > 0.7, "one packet");
    assert!(is_silent(part(&left, rate, 930, 1_195)), "twenty packets");
    assert_tone(part(&left, rate, 1_220, 1_980), 1_000.0, rate);
}

#[test]
fn pauses_are_silence_whether_or_not_the_timestamps_go_on() {
    let rate = SampleRate::Hz8000;
    for goes_on in [true, false] {
        let mut tape = Tape::new(rate, &[(0, Codec::Pcmu)]);
        let mut caller = Sender::new(Codec::Pcmu, 0, 1_000.0);
        for _ in 0..50 {
            let packet = caller.next();
            tape.hear(Party::Caller, &packet);
            tape.pass(PACKET as u64);
        }
        if goes_on {
            caller.pause(150);
        }
        tape.pass(3_000);
        for _ in 0..50 {
            let packet = caller.next();
            tape.hear(Party::Caller, &packet);
            tape.pass(PACKET as u64);
        }
        let [left, _] = tape.end();
        assert_tone(part(&left, rate, 0, 1_000), 1_000.0, rate);
        assert!(is_silent(part(&left, rate, 1_010, 3_990)), "{goes_on}");
        assert_tone(part(&left, rate, 4_020, 5_000), 1_000.0, rate);
    }
}

#[test]
fn another_source_goes_on_where_it_comes() {
    let rate = SampleRate::Hz16000;
    let mut tape = Tape::new(rate, &[(9, Codec::G722)]);
    let mut caller = Sender::new(Codec::G722, 9, 1_000.0);
    for at in 0..100 {
        if at == 50 {
            caller = Sender { ssrc: 8, sequence: 1, timestamp: 77, ..Sender::new(Codec::G722, 9, 600.0) };
        }
        let packet = caller.next();
        tape.hear(Party::Caller, &packet);
        tape.pass(PACKET as u64);
    }
    let [left, _] = tape.end();
    assert_tone(part(&left, rate, 100, 950), 1_000.0, rate);
    assert_tone(part(&left, rate, 1_050, 1_950), 600.0, rate);
}

#[test]
fn another_codec_is_known_by_its_payload_type_and_events_are_silence() {
    let rate = SampleRate::Hz16000;
    let mut tape = Tape::new(rate, &[(9, Codec::G722), (0, Codec::Pcmu)]);
    let mut caller = Sender::new(Codec::G722, 9, 1_000.0);
    for at in 0..150 {
        if at == 50 {
            let Sender { ssrc, sequence, timestamp, .. } = caller;
            caller = Sender { ssrc, sequence, timestamp, ..Sender::new(Codec::Pcmu, 0, 600.0) };
        }
        let packet = if (100..110).contains(&at) {
            caller.packet(101, &[1, 10, 0, 160])
        } else {
            if at == 110 {
                caller.pause(10);
            }
            caller.next()
        };
        tape.hear(Party::Caller, &packet);
        tape.pass(PACKET as u64);
    }
    tape.pass(1_000);
    assert_eq!(tape.stereo.counts(Party::Caller), Counts { heard: 140, ..Counts::default() });
    let [left, _] = tape.end();
    assert_tone(part(&left, rate, 100, 990), 1_000.0, rate);
    assert_tone(part(&left, rate, 1_020, 1_990), 600.0, rate);
    assert!(is_silent(part(&left, rate, 2_010, 2_190)));
    assert_tone(part(&left, rate, 2_220, 2_980), 600.0, rate);
}

#[test]
fn a_clock_that_is_wrong_does_not_part_the_two() {
    let rate = SampleRate::Hz8000;
    let mut tape = Tape::new(rate, &[(0, Codec::Pcmu)]);
    let mut agent = Sender::new(Codec::Pcmu, 0, 1_000.0);
    // A packet in 100 more than there should be: a clock that is 1 % too fast.
    for at in 0..4_000 {
        let packet = agent.next();
        tape.hear(Party::Agent, &packet);
        if at % 100 != 0 {
            tape.pass(PACKET as u64);
        }
    }
    let end_ms = tape.now_ms as usize;
    let [_, right] = tape.end();
    assert_tone(part(&right, rate, end_ms - 900, end_ms - 20), 1_000.0, rate);
}

#[test]
fn a_recording_goes_on_behind_what_is_written() {
    let rate = SampleRate::Hz8000;
    let mut stereo = Stereo::new(rate, 80_000);
    stereo.set_codecs(Party::Caller, &[(0, Codec::Pcmu)]);
    let mut caller = Sender::new(Codec::Pcmu, 0, 1_000.0);
    let mut frames = Vec::new();
    for at in 0..100 {
        stereo.receive(Party::Caller, (10_000 + at * 20) * MS, &caller.next());
    }
    stereo.take_all(12_000 * MS, &mut frames).unwrap();
    assert_eq!(frames.len(), 16_000 * wav::FRAME_BYTES);
}

#[test]
fn strange_bytes_and_floods_are_counted_and_nothing_else() {
    let mut tape = Tape::new(SampleRate::Hz8000, &[(0, Codec::Pcmu)]);
    for bytes in [&[][..], &[0x80], &[0; 40], &[0x80, 200, 0, 1, 0, 0, 0, 1, 0, 0, 0, 0]] {
        tape.hear(Party::Caller, bytes);
    }
    let mut caller = Sender::new(Codec::Pcmu, 0, 1_000.0);
    for _ in 0..1_000 {
        let packet = caller.next();
        tape.hear(Party::Agent, &packet);
    }
    tape.pass(2_000);
    assert_eq!(tape.stereo.counts(Party::Caller).bad, 4);
    assert!(tape.stereo.counts(Party::Agent).bad > 700);
    tape.end();
}
