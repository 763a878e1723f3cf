//! Nobody hears a supervisor come or go: what a party gets is judged packet by packet and sample by sample.

use super::*;
use crate::mixer::codec::{Decoder, SAMPLES_MAX};

/// How high a supervisor's tone is here: too low to hide a sample of a party's that is missing.
const VOICE: f64 = 1_000.0;

/// A packet that a party got.
struct Got {
    /// Which of the other party's packets it is; `None` for one that was slipped in.
    of: Option<usize>,
    at_ns: u64,
    marker: bool,
    payload_type: u8,
    sequence: u16,
    timestamp: u32,
    ssrc: u32,
    payload: Vec<u8>,
}

fn read(bytes: &[u8], at_ns: u64) -> Got {
    let packet = Packet::read(bytes).unwrap();
    let of = packet.header.get(16..20).map(|number| u32::from_be_bytes(number.try_into().unwrap()) as usize);
    let Packet { payload_type, sequence, timestamp, ssrc, .. } = packet;
    let (marker, payload) = (bytes[1] & 0x80 != 0, packet.payload.to_vec());
    Got { of, at_ns, marker, payload_type, sequence, timestamp, ssrc, payload }
}

fn got(phone: &Phone) -> Vec<Got> {
    phone.packets.iter().zip(&phone.times).map(|(packet, at_ns)| read(packet, *at_ns)).collect()
}

/// What one party got of the other, whose packets all came in their order.
struct Trace<'a> {
    speaker: &'a Phone,
    got: Vec<Got>,
}

impl<'a> Trace<'a> {
    fn of(speaker: &'a Phone, listener: &Phone) -> Self {
        Self { speaker, got: got(listener) }
    }

    fn ticks(&self) -> u32 {
        self.speaker.format.codec.clock().hz() / 1000 * u32::from(self.speaker.format.packet_ms)
    }

    /// One source; numbers one by one; timestamps forward, and by no more than time has passed, or the speaker's own
    /// timestamps have; every packet of the speaker's once, with its type and its mark.
    fn assert_is_one_stream(&self, what: &str) {
        let mut next = self.got.first().and_then(|first| first.of).unwrap_or_default();
        for got in &self.got {
            if let Some(of) = got.of {
                assert_eq!(of, next, "{what}: a packet of the speaker's");
                let sent = read(&self.speaker.sent[of], 0);
                assert_eq!((got.payload_type, got.marker), (sent.payload_type, sent.marker), "{what}: {of}");
                if got.payload_type != self.speaker.format.payload_type {
                    assert_eq!(got.payload, sent.payload, "{what}: {of}");
                }
                next += 1;
            }
        }
        for pair in self.got.windows(2) {
            let [a, b] = [&pair[0], &pair[1]];
            let told = format!(
                "{what}: {:?} {} {} -> {:?} {} {}",
                a.of, a.sequence, a.timestamp, b.of, b.sequence, b.timestamp
            );
            assert_eq!(a.ssrc, b.ssrc, "{told}");
            assert_eq!(b.sequence.wrapping_sub(a.sequence), 1, "{told}");
            let step = b.timestamp.wrapping_sub(a.timestamp);
            assert!(step > 0 && step < 1 << 31, "{told}");
            let passed_ms = (b.at_ns - a.at_ns) / MS + 2 * u64::from(self.speaker.format.packet_ms) + 60;
            let most = passed_ms as u32 * (self.speaker.format.codec.clock().hz() / 1000);
            assert!(step <= most, "{told}: {step} of {most}");
            if let (Some(before), Some(after)) = (a.of, b.of) {
                let [before, after] = [before, after].map(|of| read(&self.speaker.sent[of], 0));
                // Time that was moved may be given back in a pause.
                let own = after.timestamp.wrapping_sub(before.timestamp);
                assert!(step == own || step < own && own > self.ticks(), "{told}: {step} of {own}");
            }
        }
    }

    /// What was added to each stretch of sound without a pause.
    fn added(&self) -> Vec<Vec<i16>> {
        let codec = self.speaker.format.codec;
        let [mut heard, mut said] = [(); 2].map(|()| Decoder::new(codec).unwrap());
        let (mut sound, mut own) = (vec![0; SAMPLES_MAX], vec![0; SAMPLES_MAX]);
        let mut stretches: Vec<Vec<i16>> = Vec::new();
        let (mut end, mut was_said) = (None, true);
        for got in self.got.iter().filter(|got| got.payload_type == self.speaker.format.payload_type) {
            let length = heard.decode(&got.payload, &mut sound).unwrap();
            own[..length].fill(0);
            if let Some(of) = got.of {
                let sent = read(&self.speaker.sent[of], 0);
                assert_eq!(said.decode(&sent.payload, &mut own), Ok(length));
            }
            let mut skipped = 0;
            if end != Some(got.timestamp) || was_said != got.of.is_some() {
                stretches.push(Vec::new());
                // Its filters still have what the speaker said before falling silent, and its steps are small by then.
                skipped = if codec == Codec::G722 { 96 } else { 0 };
            }
            end = Some(got.timestamp.wrapping_add(self.ticks()));
            was_said = got.of.is_some();
            let added = sound.iter().zip(&own).take(length).map(|(heard, own)| heard.saturating_sub(*own));
            stretches.last_mut().unwrap().extend(added.skip(skipped));
        }
        stretches
    }

    /// Nothing is missing, nothing is there twice, nothing clicks: what was added is a soft tone, and changes softly.
    fn assert_sounds_like_itself(&self, voice_hz: f64, what: &str) {
        let codec = self.speaker.format.codec;
        let added = self.added();
        // What coders make of it: steps of G.711 at 7,500, noise of G.722's.
        let noise = match codec {
            Codec::Pcmu | Codec::Pcma => 300,
            Codec::G722 => 1_000,
            _ => 2,
        };
        let largest = added.iter().flatten().map(|sample| sample.unsigned_abs()).max().unwrap_or_default();
        assert!(i32::from(largest) <= VOICE as i32 * 5 / 4 + noise, "{what}: {largest} were added");
        let steps = added.iter().flat_map(|stretch| stretch.windows(2));
        let step = steps.map(|pair| (i32::from(pair[1]) - i32::from(pair[0])).abs()).max().unwrap_or_default();
        let ramp = VOICE as i32 / codec.rate().samples(5) as i32;
        let most = (VOICE * std::f64::consts::TAU * voice_hz / f64::from(codec.rate().hz())) as i32 + ramp;
        assert!(step <= most * 5 / 4 + 2 * noise, "{what}: a step of {step}, of {most} and twice {noise}");
    }
}

/// A call with numbered packets of `codec`, and a supervisor on a bad network: of twenty packets one is lost, the others
/// take up to 40 ms longer and overtake each other.
fn scene(codec: Codec, party_ms: u8, supervisor_ms: u8) -> (Scene, SessionKey) {
    let mut scene = Scene::new(format(codec, party_ms), format(codec, party_ms));
    scene.agent.is_numbered = true;
    scene.caller.is_numbered = true;
    scene.network = |number| (number * 7_919 % 20 != 3).then_some(number * 104_729 % 41);
    let key = scene.join(format(Codec::Pcmu, supervisor_ms), SUPERVISOR_HZ);
    scene.supervisors[0].phone.height = VOICE;
    (scene, key)
}

/// Codecs whose sound can be told apart sample by sample.
const EXACT: [Codec; 5] =
    [Codec::Pcmu, Codec::Pcma, Codec::G722, Codec::L16(SampleRate::Hz8000), Codec::L16(SampleRate::Hz16000)];

fn judge(scene: &Scene, what: &str) {
    for (speaker, listener) in [(&scene.agent, &scene.caller), (&scene.caller, &scene.agent)] {
        let trace = Trace::of(speaker, listener);
        trace.assert_is_one_stream(what);
        if EXACT.contains(&speaker.format.codec) {
            trace.assert_sounds_like_itself(SUPERVISOR_HZ, what);
        }
    }
}

/// A thousand changes of mode, some of them within one packet, and now and then the parties are silent.
fn change_a_thousand_times(codec: Codec, silence: Option<Silence>, packets_ms: impl IntoIterator<Item = (u8, u8)>) {
    for (party_ms, supervisor_ms) in packets_ms {
        let (mut scene, key) = scene(codec, party_ms, supervisor_ms);
        (scene.shift_ms, scene.lead_ms) = (u64::from(supervisor_ms) / 10 % 5, u64::from(party_ms) / 5);
        scene.copies_first = party_ms > supervisor_ms;
        scene.run(500);
        for change in 0..1_000_u64 {
            scene.set_mode(key, Mode::ALL[(change * 7 % 11 % 4) as usize]);
            if let Some(silence) = silence {
                (scene.agent.silence, scene.caller.silence) = (silence, silence);
                scene.agent.is_silent = change % 37 > 20;
                scene.caller.is_silent = change % 53 > 30;
            }
            scene.run(7 + change * 13 % 60);
        }
        judge(&scene, &format!("{codec:?} {party_ms} {supervisor_ms} {silence:?}"));
        if silence.is_none() {
            assert_eq!(scene.offsets, [0, 0]);
        }
    }
}

const PACKETS_MS: [(u8, u8); 6] = [(10, 60), (20, 20), (30, 10), (60, 30), (20, 60), (60, 10)];

#[test]
fn a_thousand_changes_leave_no_trace_in_g711() {
    change_a_thousand_times(Codec::Pcmu, None, PACKETS_MS);
    change_a_thousand_times(Codec::Pcma, None, PACKETS_MS);
}

#[test]
fn a_thousand_changes_leave_no_trace_in_g722() {
    change_a_thousand_times(Codec::G722, None, PACKETS_MS);
}

#[test]
fn a_thousand_changes_leave_no_trace_in_l16() {
    change_a_thousand_times(Codec::L16(SampleRate::Hz8000), None, PACKETS_MS);
    change_a_thousand_times(Codec::L16(SampleRate::Hz16000), None, PACKETS_MS);
}

#[test]
fn a_thousand_changes_leave_no_trace_in_opus() {
    change_a_thousand_times(Codec::Opus, None, [(20, 20), (10, 60), (60, 10)]);
}

fn change_while_parties_fall_silent(silence: Silence) {
    for codec in [Codec::Pcmu, Codec::L16(SampleRate::Hz16000)] {
        change_a_thousand_times(codec, Some(silence), PACKETS_MS);
    }
    change_a_thousand_times(Codec::G722, Some(silence), [(10, 60), (30, 20)]);
    change_a_thousand_times(Codec::Opus, Some(silence), [(20, 20)]);
}

#[test]
fn a_thousand_changes_leave_no_trace_while_parties_fall_silent() {
    change_while_parties_fall_silent(Silence::Nothing);
}

#[test]
fn a_thousand_changes_leave_no_trace_beside_comfort_noise() {
    change_while_parties_fall_silent(Silence::Noise);
}

#[test]
fn a_thousand_changes_leave_no_trace_where_clocks_stand_still() {
    change_while_parties_fall_silent(Silence::Stops);
}
