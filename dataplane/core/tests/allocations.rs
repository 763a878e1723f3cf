//! Nothing on the way of a packet through the mixer's parts asks the allocator for memory.

use allocation_counter::measure;
use undertone_abi::{Address, Endpoint, Local, Policy, RowIndex};
use undertone_core::mixer::codec::{Decoder, Encoder, PAYLOAD_MAX};
use undertone_core::mixer::dtmf::{Digit, Events};
use undertone_core::mixer::resample::Resampler;
use undertone_core::mixer::signal::{Generator, Signal};
use undertone_core::mixer::tones::Detector;
use undertone_core::mixer::{
    CallKey, Codec, Format, Mixer, Mode, SampleRate, SessionKey, SessionSpec, Sink, StreamSpec,
};

/// Two seconds of something that no codec takes for silence.
fn sound(codec: Codec) -> Vec<i16> {
    let mut state = 1_u32;
    let noise = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 18) as i16
    };
    std::iter::repeat_with(noise).take(codec.rate().samples(2_000)).collect()
}

#[test]
fn no_packet_is_encoded_decoded_or_concealed_with_an_allocation() {
    for codec in Codec::ALL {
        for packet_ms in [10, 20, 30, 60] {
            let sound = sound(codec);
            let mut encoder = Encoder::new(codec, packet_ms).unwrap();
            let mut taken_over = Encoder::new(codec, packet_ms).unwrap();
            let mut decoder = Decoder::new(codec).unwrap();
            let (mut payload, mut other) = ([0; PAYLOAD_MAX], [0; PAYLOAD_MAX]);
            let mut pcm = [0; 2_880];
            let samples = codec.rate().samples(packet_ms.into());
            let info = measure(|| {
                for (at, sound) in sound.chunks_exact(samples).enumerate() {
                    let len = encoder.encode(sound, &mut payload).unwrap();
                    if at % 5 == 4 {
                        decoder.conceal(&mut pcm[..samples]);
                        continue;
                    }
                    taken_over.follow(&decoder);
                    assert_eq!(decoder.decode(&payload[..len], &mut pcm), Ok(samples));
                    taken_over.encode_onto(&decoder, &payload[..len], &pcm[..samples], sound, &mut other).unwrap();
                }
            });
            assert_eq!(info.count_total, 0, "{codec:?}, {packet_ms} ms");
        }
    }
}

#[test]
fn no_sound_is_resampled_made_or_searched_with_an_allocation() {
    for from in SampleRate::ALL {
        for to in SampleRate::ALL {
            let sound = sound(Codec::L16(from));
            let mut resampler = Resampler::new(from, to);
            let (mut generator, mut detector) = (Generator::new(to), Detector::new(to));
            let mut pcm = [0; 960];
            let mut digits = 0;
            let info = measure(|| {
                for (sound, digit) in sound.chunks_exact(from.samples(20)).zip(Digit::all().cycle()) {
                    resampler.process(sound, &mut pcm);
                    detector.process(&pcm[..to.samples(20)], |_| digits += 1);
                    if generator.signal().is_none() {
                        generator.play(Signal::Digit(digit));
                    }
                    generator.generate(&mut pcm[..to.samples(20)]);
                    detector.process(&pcm[..to.samples(20)], |_| digits += 1);
                }
            });
            assert_eq!(info.count_total, 0, "{from:?} to {to:?}");
        }
    }
}

#[test]
fn no_telephone_event_is_received_with_an_allocation() {
    let mut events = Events::new();
    let info = measure(|| {
        for at in 0..1_000_u32 {
            let press = events.packet(&[(at / 10 % 16) as u8, 0, 0, 160], 1, at / 10, u64::from(at) * 20_000_000);
            assert_eq!(press.is_some(), at % 10 == 0);
        }
    });
    assert_eq!(info.count_total, 0);
}

/// Where packets go that nobody looks at.
#[derive(Default)]
struct Out {
    on: u64,
    to: u64,
    reports: u64,
    shifted: u64,
}

impl Sink for Out {
    fn send_on(&mut self, _: RowIndex, _: &[u8]) {
        self.on += 1;
    }

    fn send_to(&mut self, _: usize, _: Endpoint, _: &[u8]) {
        self.to += 1;
    }

    fn report_to(&mut self, _: usize, _: Endpoint, _: bool, _: &[u8]) {
        self.reports += 1;
    }

    fn shift(&mut self, _: RowIndex, _: u16) {
        self.shifted += 1;
    }
}

const MS: u64 = 1_000_000;

/// Packets of two parties and two supervisors, each of 20 ms, all made before.
struct Scene {
    mixer: Mixer,
    now_ns: u64,
    number: u16,
    /// What everybody says, again and again.
    payloads: Vec<Vec<u8>>,
    ticks: u32,
    places: [usize; 2],
    packet: Vec<u8>,
    out: Out,
}

const ROWS: [RowIndex; 2] = [RowIndex::new(Local(0), 20_000), RowIndex::new(Local(0), 20_002)];
const REMOTE: Endpoint = Endpoint { address: Address::v4(1), port: 4_000 };

impl Scene {
    fn new(codec: Codec) -> Self {
        let format =
            Format { codec, payload_type: 96, telephone_event: Some(101), comfort_noise: Some(13), packet_ms: 20 };
        let mut mixer = Mixer::new(0, 1);
        let streams = ROWS.map(|row| StreamSpec { row, format: Some(format), sequence_offset: 0 });
        mixer.set_call(0, CallKey(1), streams).unwrap();
        mixer.set_ducking(6);
        let places = [(1, Mode::Barge), (2, Mode::Barge)].map(|(key, mode)| {
            let spec =
                SessionSpec { format, remote: REMOTE, rtcp: None, policy: Policy::Strict, hears: true, tones: true };
            let place = mixer.set_session(0, SessionKey(key), spec).unwrap();
            mixer.attach(0, SessionKey(key), CallKey(1), mode).unwrap();
            place
        });
        mixer.set_consent(0, CallKey(1), [true; 2]).unwrap();
        let (mut encoder, mut payload) = (Encoder::new(codec, 20).unwrap(), [0; PAYLOAD_MAX]);
        let sound = sound(codec);
        let payloads = sound.chunks_exact(codec.rate().samples(20)).map(|sound| {
            let octets = encoder.encode(sound, &mut payload).unwrap();
            payload[..octets].to_vec()
        });
        let payloads = payloads.collect();
        let (ticks, packet) = (codec.clock().hz() / 50, Vec::with_capacity(2_048));
        Self { mixer, now_ns: 0, number: 0, payloads, ticks, places, packet, out: Out::default() }
    }

    /// Makes the packet of somebody, as number `number`.
    fn make(&mut self, ssrc: u8, number: u16) {
        self.packet.clear();
        self.packet.extend([0x80, 96]);
        self.packet.extend(number.to_be_bytes());
        self.packet.extend((u32::from(number) * self.ticks).to_be_bytes());
        self.packet.extend([0, 0, 0, ssrc]);
        self.packet.extend(&self.payloads[usize::from(number) % self.payloads.len()]);
    }

    /// Lets 20 ms pass. Now and then the parties are silent, a supervisor's packet is lost, and two change places.
    fn run(&mut self) {
        let number = self.number;
        for party in 0..2_u8 {
            if number % 100 < 90 {
                self.make(1 + party, number);
                self.mixer.pass(self.now_ns, ROWS[usize::from(party)], &self.packet, &mut self.out);
                self.mixer.hear(self.now_ns, ROWS[usize::from(party)], &self.packet);
            }
        }
        for supervisor in 0..2_u8 {
            let number = if number % 10 < 2 { number ^ 1 } else { number };
            if number % 20 != 7 {
                self.make(11 + supervisor, number);
                self.mixer.take(self.now_ns, self.places[usize::from(supervisor)], REMOTE, &self.packet);
            }
        }
        for _ in 0..20 {
            self.now_ns += MS;
            self.mixer.tick(self.now_ns, &mut self.out);
        }
        while self.mixer.poll().is_some() {}
        self.number += 1;
    }
}

#[test]
fn no_packet_of_a_whole_call_with_two_who_barge_is_mixed_with_an_allocation() {
    for codec in Codec::ALL {
        let mut scene = Scene::new(codec);
        // Until readers know how late packets come, and as many have waited for another as ever will.
        (0..600).for_each(|_| scene.run());
        let before = (scene.out.on, scene.out.to);
        let info = measure(|| (0..500).for_each(|_| scene.run()));
        let Out { on, to, reports, shifted } = scene.out;
        assert!(reports > 0, "RTCP too");
        assert!(on - before.0 >= 950 && to - before.1 >= 999 && shifted > 50, "{on} {to} {shifted}");
        assert_eq!(info.count_total, 0, "{codec:?}");
    }
}
