//! Packets in, sound out, over a network that is late, loses and has another clock.

use std::sync::LazyLock;

use super::*;
use crate::mixer::{Codec, packet::Header};

const MS: u64 = 1_000_000;
const FRAME: usize = 160;

/// A line of 20 ms packets of linear samples, with somebody who reads.
struct Scene {
    line: Line,
    reader: Reader,
    scratch: Box<Scratch>,
    sent: u32,
    heard: Vec<i16>,
}

impl Scene {
    fn new() -> Self {
        let format = Format {
            codec: Codec::L16(SampleRate::Hz8000),
            payload_type: 96,
            telephone_event: None,
            comfort_noise: None,
            packet_ms: 20,
        };
        Self {
            line: Line::new(format).unwrap(),
            reader: Reader::new(),
            scratch: Box::new([0; SAMPLES_MAX]),
            sent: 0,
            heard: Vec::new(),
        }
    }

    /// A packet of a tone, with these numbers.
    fn packet(number: u32, ssrc: u32) -> Vec<u8> {
        let timestamp = number.wrapping_mul(FRAME as u32);
        let header = Header { marker: false, payload_type: 96, sequence: number as u16, timestamp, ssrc };
        let sound =
            (0..FRAME as u32).flat_map(|at| tone(number.wrapping_mul(FRAME as u32).wrapping_add(at)).to_be_bytes());
        header.to_bytes().into_iter().chain(sound).collect()
    }

    fn receive(&mut self, now_ns: u64, number: u32, ssrc: u32) -> bool {
        let bytes = Self::packet(number, ssrc);
        self.line.receive(now_ns, &Packet::read(&bytes).unwrap(), &mut self.scratch)
    }

    fn send(&mut self, now_ns: u64) {
        let number = self.sent;
        self.sent += 1;
        self.receive(now_ns, number, 1);
    }

    fn read(&mut self, now_ns: u64, count: usize) {
        let mut sound = vec![0; count];
        self.reader.read(now_ns, &mut self.line, &mut sound, &mut self.scratch);
        self.heard.extend(sound);
    }

    /// How far behind what was sent the reader is, in milliseconds.
    fn delay_ms(&self) -> f64 {
        (self.line.ring.head() as f64 - self.reader.position as f64) / 8.0
    }

    fn largest_step(&self) -> i32 {
        self.heard.windows(2).map(|pair| (i32::from(pair[1]) - i32::from(pair[0])).abs()).max().unwrap_or_default()
    }
}

/// 400 Hz, 12,000 high: steps of at most 3,770. Twenty samples, again and again.
fn tone(at: u32) -> i16 {
    static PERIOD: LazyLock<[i16; 20]> = LazyLock::new(|| {
        std::array::from_fn(|at| ((at as f64 / 20.0 * std::f64::consts::TAU).sin() * 12_000.0).round() as i16)
    });
    PERIOD[at as usize % 20]
}
const STEP_MAX: i32 = 3_775;

#[test]
fn what_was_sent_is_heard_sample_by_sample() {
    let mut scene = Scene::new();
    for number in 0..100 {
        scene.send(number * 20 * MS);
        scene.read(number * 20 * MS, FRAME);
    }
    let first = scene.heard.iter().position(|sample| *sample != 0).unwrap() - 1;
    for (at, sample) in scene.heard.iter().skip(first).enumerate() {
        assert_eq!(*sample, tone(at as u32), "{at}");
    }
    assert_eq!(first, 240, "the next packet comes ten milliseconds before its time");
    assert_eq!(scene.line.counts(), Counts { heard: 100, ..Counts::default() });
}

#[test]
fn who_reads_waits_as_long_as_packets_are_late_and_then_hears_them_in_order() {
    let mut scene = Scene::new();
    let mut concealed = 0;
    for turn in 0..1_500_u64 {
        // Of ten, one comes three packets late.
        let number = match turn % 10 {
            4..7 => turn + 1,
            7 => turn - 3,
            _ => turn,
        };
        scene.receive(turn * 20 * MS, number as u32, 1);
        scene.read(turn * 20 * MS, FRAME);
        if turn == 500 {
            concealed = scene.line.counts().concealed;
            scene.heard.clear();
        }
    }
    let counts = scene.line.counts();
    assert!(concealed > 0 && counts.concealed == concealed, "first {concealed}, then {counts:?}");
    assert!(scene.largest_step() <= STEP_MAX, "{}", scene.largest_step());
    assert!(scene.delay_ms() < 95.0, "{}", scene.delay_ms());
}

#[test]
fn a_lost_packet_is_concealed_when_its_time_has_come_and_not_before() {
    let mut scene = Scene::new();
    for number in 0..50 {
        scene.sent = number as u32;
        if number != 25 {
            scene.send(number * 20 * MS);
        }
        scene.read(number * 20 * MS, FRAME);
    }
    let counts = scene.line.counts();
    assert_eq!(counts.heard, 49);
    assert!((FRAME as u64..=2 * FRAME as u64).contains(&counts.concealed), "{counts:?}");
    assert!(scene.largest_step() <= STEP_MAX + 400, "{}", scene.largest_step());
}

#[test]
fn a_packet_that_nobody_waits_for_does_not_stop_the_line() {
    let mut scene = Scene::new();
    for number in (0..100).filter(|number| number % 30 != 7) {
        scene.receive(number as u64 * 20 * MS, number, 1);
    }
    assert!(scene.line.counts().heard >= 75, "nobody reads, and yet it goes on: {:?}", scene.line.counts());
}

#[test]
fn after_a_pause_speech_goes_on_without_more_delay() {
    let mut scene = Scene::new();
    for turn in 0..200_u32 {
        scene.sent = turn;
        if !(50..120).contains(&turn) {
            // A sender that is silent numbers on, with the time that has passed.
            let number = if turn < 120 { turn } else { turn - 70 };
            let mut bytes = Scene::packet(turn, 1);
            bytes[2..4].copy_from_slice(&(number as u16).to_be_bytes());
            scene.line.receive(u64::from(turn) * 20 * MS, &Packet::read(&bytes).unwrap(), &mut scene.scratch);
        }
        scene.read(u64::from(turn) * 20 * MS, FRAME);
    }
    assert!(scene.delay_ms() < 45.0, "{}", scene.delay_ms());
    assert_eq!(scene.line.counts().heard, 130);
}

#[test]
fn a_late_network_makes_the_delay_longer_and_a_better_one_shorter_again() {
    let mut scene = Scene::new();
    let mut backlog = Vec::new();
    let mut worst: f64 = 0.0;
    for turn in 0..3_000_u64 {
        // For ten seconds, packets come in pairs.
        let is_bad = (500..1_000).contains(&turn);
        backlog.push(turn);
        if !is_bad || turn % 3 == 2 {
            for _ in backlog.drain(..) {
                scene.send(turn * 20 * MS);
            }
        }
        scene.read(turn * 20 * MS, FRAME);
        if is_bad {
            worst = worst.max(scene.delay_ms());
        }
    }
    assert!((60.0..120.0).contains(&worst), "{worst}");
    assert!(scene.delay_ms() < 40.0, "{} ms are still kept in hand", scene.delay_ms());
}

#[test]
fn two_hours_of_another_clock_make_no_gap_and_no_delay() {
    for parts_per_million in [-200_i64, 200] {
        let mut scene = Scene::new();
        let (mut next_send, mut worst) = (0_i64, 0.0_f64);
        let packet_ns = 20_000_000 + 20 * parts_per_million;
        for turn in 0..360_000_i64 {
            let now = turn * 20_000_000;
            while next_send <= now {
                scene.send(next_send as u64);
                next_send += packet_ns;
            }
            scene.read(now as u64, FRAME);
            if turn > 100 {
                worst = worst.max(scene.delay_ms());
            }
            if scene.heard.len() > 1_000_000 {
                assert!(scene.largest_step() <= STEP_MAX + 60, "{}", scene.largest_step());
                scene.heard.clear();
            }
        }
        assert!(worst < 60.0, "{parts_per_million} ppm: {worst} ms");
        assert_eq!(scene.line.counts().concealed, 0, "{parts_per_million} ppm");
    }
}

#[test]
fn another_source_is_heard_only_when_the_first_is_silent() {
    let mut scene = Scene::new();
    for number in 0..20 {
        assert!(scene.receive(number * 20 * MS, number as u32, 1));
        assert!(!scene.receive(number * 20 * MS, 5_000 + number as u32, 2), "a forged source");
    }
    let now = 20 * 20 * MS + 200 * MS;
    assert!(!scene.receive(now, 9_000, 3), "one packet may be a stray");
    assert!(scene.receive(now + 20 * MS, 9_001, 3));
    assert_eq!(scene.line.counts().rival, 21);
}

#[test]
fn numbers_that_begin_anew_are_taken_up() {
    let mut scene = Scene::new();
    for number in 0..10 {
        scene.receive(number * 20 * MS, number as u32, 1);
    }
    assert!(!scene.receive(200 * MS, 40_000, 1));
    assert!(scene.receive(220 * MS, 40_001, 1));
    assert!(scene.receive(240 * MS, 40_002, 1));
    assert_eq!(scene.line.counts().heard, 12);
}

#[test]
fn another_codec_of_the_same_rate_goes_on_where_the_first_was() {
    let mut scene = Scene::new();
    for number in 0..1_000 {
        scene.send(number * 20 * MS);
        scene.read(number * 20 * MS, FRAME);
    }
    let format = Format { codec: Codec::Pcmu, payload_type: 0, ..scene.line.format };
    scene.line.set_format(format).unwrap();
    for number in 1_000..1_020_u64 {
        let mut bytes = Scene::packet(number as u32, 1);
        bytes[1] = 0;
        bytes.truncate(12 + FRAME);
        scene.line.receive(number * 20 * MS, &Packet::read(&bytes).unwrap(), &mut scene.scratch);
        scene.read(number * 20 * MS, FRAME);
    }
    let counts = scene.line.counts();
    assert!(counts.concealed <= FRAME as u64 && counts.heard == 1_020, "{counts:?}");
    assert!(scene.delay_ms() < 50.0, "{}", scene.delay_ms());
}

#[test]
fn keys_that_come_in_disorder_make_nothing_later() {
    let mut scene = Scene::new();
    for turn in 0..2_000_u64 {
        let sent = turn as u32;
        // Now and then a key is pressed for 200 ms: the event's timestamp is that of its beginning.
        let in_press = (turn % 100).checked_sub(80).filter(|within| *within < 10);
        let mut bytes = Scene::packet(sent, 1);
        if let Some(within) = in_press {
            bytes[1] = 101;
            bytes[4..8].copy_from_slice(&((sent - within as u32) * FRAME as u32).to_be_bytes());
        }
        let number = if in_press.is_some() { sent ^ 1 } else { sent };
        bytes[2..4].copy_from_slice(&(number as u16).to_be_bytes());
        scene.line.receive(turn * 20 * MS, &Packet::read(&bytes).unwrap(), &mut scene.scratch);
        scene.read(turn * 20 * MS, FRAME);
    }
    assert!(scene.delay_ms() < 50.0, "{}", scene.delay_ms());
}

#[test]
fn no_packets_are_too_strange() {
    let mut scene = Scene::new();
    let mut state = 7_u64;
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as u32
    };
    for turn in 0..30_000_u64 {
        let mut bytes = Scene::packet(next() % 64, 1 + next() % 2);
        let length = 12 + next() as usize % 340;
        bytes.truncate(length);
        if next() % 4 == 0 {
            let at = 1 + next() as usize % 10;
            bytes[at] = next() as u8;
        }
        if let Some(packet) = Packet::read(&bytes) {
            scene.line.receive(turn * MS, &packet, &mut scene.scratch);
        }
        if next() % 3 == 0 {
            scene.read(turn * MS, 80 + next() as usize % 400);
            scene.heard.clear();
        }
    }
    assert!(scene.line.counts().heard > 0);
}
