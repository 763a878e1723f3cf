//! Two hours of clocks that differ, for all who read a line: a splice, an ear, and another supervisor's ear.
//!
//! Everybody says a triangle whose every sample is one more or one less than the one before, so that what is heard tells
//! how old it is, and so that a gap or a repetition is a step.

use undertone_abi::Policy;

use super::*;
use crate::mixer::packet::Header;

const FRAME: u64 = 160;
/// Up and down, in samples: two seconds.
const PERIOD: i64 = 16_000;
const HOURS_2_NS: u64 = 7_200_000_000_000;

const L16: Format = Format {
    codec: Codec::L16(SampleRate::Hz8000),
    payload_type: 96,
    telephone_event: None,
    comfort_noise: None,
    packet_ms: 20,
};

fn triangle(at: i64) -> i64 {
    let within = at.rem_euclid(PERIOD);
    if within < PERIOD / 2 { within - PERIOD / 4 } else { PERIOD * 3 / 4 - within }
}

/// Somebody with a clock.
struct Clock {
    ssrc: u32,
    /// Whether it says the triangle, or nothing.
    is_loud: bool,
    packet_ns: u64,
    next_ns: u64,
    number: u64,
}

impl Clock {
    fn new(ssrc: u32, is_loud: bool, parts_per_million: i64) -> Self {
        let packet_ns = 20_000_000_u64.saturating_add_signed(20 * parts_per_million);
        Self { ssrc, is_loud, packet_ns, next_ns: u64::from(ssrc) * 3_100_000, number: 0 }
    }

    fn packet(&mut self) -> Vec<u8> {
        let first = self.number * FRAME;
        let sequence = self.number as u16;
        let header = Header { marker: false, payload_type: 96, sequence, timestamp: first as u32, ssrc: self.ssrc };
        let sample = |at: u64| if self.is_loud { triangle((first + at) as i64) as i16 } else { 0 };
        let sound = (0..FRAME).flat_map(|at| sample(at).to_be_bytes());
        let packet = header.to_bytes().into_iter().chain(sound).collect();
        self.number += 1;
        self.next_ns += self.packet_ns;
        packet
    }
}

/// What somebody hears of somebody else.
#[derive(Default)]
struct Heard {
    last: Option<i64>,
    step_max: i64,
    delay_ms_max: f64,
    samples: u64,
}

impl Heard {
    /// Hears a packet, whose last sample is of now, of somebody who has said so many samples by now.
    fn hear(&mut self, payload: &[u8], said: f64) {
        for pair in payload.as_chunks::<2>().0 {
            let sample = i64::from(i16::from_be_bytes(*pair));
            if let Some(last) = self.last {
                self.step_max = self.step_max.max((sample - last).abs());
            }
            self.last = Some(sample);
            self.samples += 1;
        }
        let (Some(last), Some(expected)) = (self.last, Some(said as i64)) else { return };
        // Of the two samples of this height in a period, the one that is less old.
        let ages = [last + PERIOD / 4, PERIOD * 3 / 4 - last].map(|at| (expected - at).rem_euclid(PERIOD));
        let age = ages.into_iter().min().unwrap_or_default();
        if last.abs() < PERIOD / 4 - 1_000 {
            self.delay_ms_max = self.delay_ms_max.max(age as f64 / 8.0);
        }
    }
}

/// What is heard where, in two hours: the first supervisor by the agent; the caller by the first supervisor; the second
/// supervisor by the first.
struct Hours {
    now_ns: u64,
    /// Samples said by now.
    said: f64,
    heard: Heard,
    counts: bool,
    row: RowIndex,
    place: usize,
    to_phone: bool,
}

impl Sink for Hours {
    fn send_on(&mut self, row: RowIndex, packet: &[u8]) {
        if !self.to_phone && row == self.row && self.counts {
            self.heard.hear(&packet[12..], self.said);
        }
    }

    fn send_to(&mut self, session: usize, _: Endpoint, packet: &[u8]) {
        if self.to_phone && session == self.place && self.counts {
            self.heard.hear(&packet[12..], self.said);
        }
    }

    fn report_to(&mut self, _: usize, _: Endpoint, _: bool, _: &[u8]) {}

    fn shift(&mut self, _: RowIndex, _: u16) {}
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    SupervisorToAgent,
    CallerToSupervisor,
    SupervisorToSupervisor,
}

/// Two hours in which one of four speaks, with these clocks.
fn hours(way: Way, parts_per_million: [i64; 4]) -> Heard {
    let mut mixer = Mixer::new(0, SEED);
    let spec = |party| StreamSpec { row: row(party), format: Some(L16), sequence_offset: 0 };
    mixer.set_call(0, CALL, [spec(Party::Agent), spec(Party::Caller)]).unwrap();
    let speaker = match way {
        Way::CallerToSupervisor => 1,
        Way::SupervisorToAgent => 2,
        Way::SupervisorToSupervisor => 3,
    };
    let mut clocks: Vec<_> = (0..4).map(|at| Clock::new(at as u32 + 1, at == speaker, parts_per_million[at])).collect();
    // Those who have nothing to do with it are not there.
    let (there, mode): (&[usize], _) = match way {
        Way::SupervisorToAgent => (&[1, 2], Mode::WhisperToAgent),
        Way::CallerToSupervisor => (&[1, 2], Mode::Listen),
        Way::SupervisorToSupervisor => (&[2, 3], Mode::Barge),
    };
    let remote = |at: u16| Endpoint { address: undertone_abi::Address::v4(1), port: at };
    let places: Vec<_> = [2, 3]
        .into_iter()
        .filter(|at| there.contains(at))
        .map(|at| {
            let key = SessionKey(at as u64);
            let remote = remote(at as u16);
            let spec =
                SessionSpec { format: L16, remote, rtcp: None, policy: Policy::Strict, hears: true, tones: false };
            let place = mixer.set_session(0, key, spec).unwrap();
            mixer.attach(0, key, CALL, mode).unwrap();
            place
        })
        .collect();
    let mut hours = Hours {
        now_ns: 0,
        said: 0.0,
        heard: Heard::default(),
        counts: false,
        row: row(Party::Caller),
        place: places[0],
        to_phone: way != Way::SupervisorToAgent,
    };
    while hours.now_ns < HOURS_2_NS {
        let due = there.iter().map(|at| clocks[*at].next_ns).min().unwrap_or_default();
        let now_ns = due.min(mixer.deadline_ns().unwrap_or(u64::MAX)).max(hours.now_ns);
        hours.now_ns = now_ns;
        hours.counts = now_ns > 2_000_000_000;
        // The packet that has just been sent was begun to be said a packet's time ago.
        let speaking = &clocks[speaker];
        let since = now_ns as f64 - (speaking.next_ns as f64 - speaking.packet_ns as f64);
        hours.said = speaking.number as f64 * FRAME as f64 + since / speaking.packet_ns as f64 * FRAME as f64;
        for at in there.iter().copied() {
            if clocks[at].next_ns > now_ns {
                continue;
            }
            let packet = clocks[at].packet();
            match at {
                1 => {
                    if way == Way::SupervisorToAgent {
                        mixer.pass(now_ns, row(Party::Caller), &packet, &mut hours);
                    }
                    mixer.hear(now_ns, row(Party::Caller), &packet);
                }
                _ => mixer.take(now_ns, places[at - 2], remote(at as u16), &packet),
            }
        }
        mixer.tick(now_ns, &mut hours);
        while mixer.poll().is_some() {}
    }
    hours.heard
}

fn assert_is_close(way: Way) {
    for parts_per_million in [[0, -200, 200, -200], [0, 200, -200, 200]] {
        let heard = hours(way, parts_per_million);
        println!("{way:?} {parts_per_million:?}: {:.1} ms, a step of {}", heard.delay_ms_max, heard.step_max);
        assert!(heard.samples > 57_000_000, "{}", heard.samples);
        assert!(heard.step_max <= 3, "{way:?} {parts_per_million:?}: a gap of {}", heard.step_max);
        assert!(heard.delay_ms_max < 60.0, "{way:?} {parts_per_million:?}: {} ms", heard.delay_ms_max);
    }
}

#[test]
fn two_hours_of_other_clocks_are_close_and_whole_from_a_supervisor_to_a_party() {
    assert_is_close(Way::SupervisorToAgent);
}

#[test]
fn two_hours_of_other_clocks_are_close_and_whole_from_a_party_to_a_supervisor() {
    assert_is_close(Way::CallerToSupervisor);
}

#[test]
fn two_hours_of_other_clocks_are_close_and_whole_from_supervisor_to_supervisor() {
    assert_is_close(Way::SupervisorToSupervisor);
}
