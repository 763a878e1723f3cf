//! G.722 at 64 kbit/s (ITU-T G.722, mode 1), with its state in reach.
//!
//! The crates that are there keep their predictors to themselves, and taking over a running stream needs them: an
//! encoder that goes on from where the stream's decoder stands is heard as the same stream. What is added to a stream
//! is added to its two sub-bands, so that the stream itself passes no filter, is not delayed, and stays the same to the
//! bit until something is added. Names in capitals are those of the recommendation's block diagrams.

use super::CodecError;

/// Turns octets into samples at 16 kHz.
#[derive(Clone)]
pub(super) struct Decoder {
    low: Band,
    high: Band,
    /// What the sub-bands' last samples sum to, and what they differ by.
    sums: [i16; TAPS - 1],
    differences: [i16; TAPS - 1],
    /// The sub-bands of the last payload, and how long it was.
    parts: [Parts<i16>; OCTETS_MAX],
    len: usize,
}

/// The most octets of a payload: 60 ms.
const OCTETS_MAX: usize = 480;

/// One sample of each sub-band, of 15 bits, at 8 kHz.
#[derive(Clone, Copy, Default)]
struct Parts<T = i32> {
    low: T,
    high: T,
}

impl Decoder {
    pub(super) fn new() -> Self {
        Self {
            low: Band::low(),
            high: Band::high(),
            sums: [0; TAPS - 1],
            differences: [0; TAPS - 1],
            parts: [Parts::default(); OCTETS_MAX],
            len: 0,
        }
    }

    /// Gives two samples for each octet.
    pub(super) fn decode(&mut self, payload: &[u8], pcm: &mut [i16]) -> Result<usize, CodecError> {
        if payload.is_empty() || payload.len() > OCTETS_MAX {
            return Err(CodecError::Length(payload.len()));
        }
        let samples = 2 * payload.len();
        let pcm = pcm.get_mut(..samples).ok_or(CodecError::Room(samples))?;
        let mut sums = Line::after(&self.sums);
        let mut differences = Line::after(&self.differences);
        for (&code, parts) in payload.iter().zip(&mut self.parts) {
            let (low, high) = (self.low.decode_low(code & 0x3f), self.high.decode_high(code >> 6));
            // Of 15 bits each, so that these are of 16.
            sums.push((low + high) as i16);
            differences.push((low - high) as i16);
            *parts = Parts { low: low as i16, high: high as i16 };
        }
        let pairs = pcm.as_chunks_mut::<2>().0;
        for ((pair, differences), sums) in pairs.iter_mut().zip(differences.windows()).zip(sums.windows()) {
            *pair = [
                saturated(filtered(differences, &LATER) >> 11) as i16,
                saturated(filtered(sums, &EARLIER) >> 11) as i16,
            ];
        }
        sums.keep(&mut self.sums);
        differences.keep(&mut self.differences);
        self.len = payload.len();
        Ok(samples)
    }
}

/// Turns samples at 16 kHz into octets.
#[derive(Clone)]
pub(super) struct Encoder {
    low: Band,
    high: Band,
    /// The last samples at even places and at odd ones.
    even: [i16; TAPS - 1],
    odd: [i16; TAPS - 1],
    /// Whether whoever decodes this stands where the followed decoder does, to the bit.
    in_step: bool,
}

impl Encoder {
    pub(super) fn new() -> Self {
        Self { low: Band::low(), high: Band::high(), even: [0; TAPS - 1], odd: [0; TAPS - 1], in_step: false }
    }

    /// Goes on with the stream of `base`: what is encoded next is decoded by somebody who stands where `base` does.
    pub(super) fn follow(&mut self, base: &Decoder) {
        *self = Self { low: base.low.clone(), high: base.high.clone(), in_step: true, ..Self::new() };
    }

    /// Whether the stream could be given back unheard: what follows in it means the same to whoever decodes this as to
    /// the followed decoder.
    pub(super) fn in_step(&self) -> bool {
        self.in_step && self.is_flushed()
    }

    /// Whether nothing of what was added is still to come out of the filters.
    fn is_flushed(&self) -> bool {
        self.even == [0; TAPS - 1] && self.odd == [0; TAPS - 1]
    }

    /// Gives one octet for two samples.
    pub(super) fn encode(&mut self, pcm: &[i16], payload: &mut [u8]) -> Result<usize, CodecError> {
        let len = octets(pcm)?;
        let payload = payload.get_mut(..len).ok_or(CodecError::Room(len))?;
        let mut parts = [Parts::default(); OCTETS_MAX];
        self.split(pcm.iter().copied(), &mut parts[..len]);
        for (code, parts) in payload.iter_mut().zip(parts) {
            *code = self.quantised(parts);
            self.adapt(*code);
        }
        self.in_step = false;
        Ok(len)
    }

    /// Encodes `mixed`, where `base` has just decoded `original` to `pcm` and something may have been added to that.
    /// While nothing was added since [`Encoder::follow`], the octets are those of `original`; when nothing is added any
    /// more, they become those of `original` again within about a second.
    pub(super) fn encode_onto(
        &mut self,
        base: &Decoder,
        original: &[u8],
        pcm: &[i16],
        mixed: &[i16],
        payload: &mut [u8],
    ) -> Result<usize, CodecError> {
        let len = octets(mixed)?;
        if original.len() != len || base.len != len || pcm.len() != mixed.len() {
            return Err(CodecError::Length(original.len()));
        }
        let payload = payload.get_mut(..len).ok_or(CodecError::Room(len))?;
        if pcm == mixed && self.in_step() {
            payload.copy_from_slice(original);
            (self.low, self.high) = (base.low.clone(), base.high.clone());
            return Ok(len);
        }
        let mut added = [Parts::default(); OCTETS_MAX];
        self.split(mixed.iter().zip(pcm).map(|(mixed, &pcm)| mixed.saturating_sub(pcm)), &mut added[..len]);
        let mut untouched = self.in_step;
        for (((code, &original), base), added) in payload.iter_mut().zip(original).zip(&base.parts).zip(&added) {
            let silent = added.low == 0 && added.high == 0;
            let parts = Parts { low: i32::from(base.low) + added.low, high: i32::from(base.high) + added.high };
            untouched &= silent;
            *code = match silent {
                _ if untouched => original,
                true => self.drawn(parts, original),
                false => self.quantised(parts),
            };
            self.adapt(*code);
        }
        self.in_step = self.low == base.low && self.high == base.high;
        Ok(len)
    }

    /// The transmit quadrature mirror filters: the sub-bands of twice as many samples.
    fn split(&mut self, pcm: impl Iterator<Item = i16>, parts: &mut [Parts]) {
        let mut even = Line::after(&self.even);
        let mut odd = Line::after(&self.odd);
        for (at, sample) in pcm.enumerate() {
            if at % 2 == 0 { even.push(sample) } else { odd.push(sample) }
        }
        for ((parts, even), odd) in parts.iter_mut().zip(even.windows()).zip(odd.windows()) {
            let (even, odd) = (filtered(even, &EARLIER), filtered(odd, &LATER));
            *parts = Parts { low: (odd + even) >> 14, high: (odd - even) >> 14 };
        }
        even.keep(&mut self.even);
        odd.keep(&mut self.odd);
    }

    fn quantised(&self, parts: Parts) -> u8 {
        self.high.quantised_high(parts.high) << 6 | self.low.quantised_low(parts.low)
    }

    /// The octet for `parts`, or the parts of `original` that are nearly as good. Both ends of a stream come to the same
    /// state from the same octets, whatever they began with; from different octets for the same sound hardly ever.
    fn drawn(&self, parts: Parts, original: u8) -> u8 {
        let quantised = self.quantised(parts);
        let low = self.low.within(parts.low, LEVELS_6[usize::from(original & 0x3f)], 3);
        let high = self.high.within(parts.high, LEVELS_2[usize::from(original >> 6)], 6);
        (if low { original } else { quantised }) & 0x3f | (if high { original } else { quantised }) & 0xc0
    }

    fn adapt(&mut self, code: u8) {
        self.low.adapt_low(code & 0x3f);
        self.high.adapt_high(code >> 6);
    }
}

/// How many octets so many samples make.
fn octets(pcm: &[i16]) -> Result<usize, CodecError> {
    let len = pcm.len() / 2;
    if len == 0 || len > OCTETS_MAX || !pcm.len().is_multiple_of(2) {
        Err(CodecError::Length(pcm.len()))
    } else {
        Ok(len)
    }
}

/// Taps of one phase of the quadrature mirror filters.
const TAPS: usize = 12;

/// The coefficients that meet the earlier and the later sample of each pair, oldest first (G.722 table 11).
const EARLIER: [i16; TAPS] = [3, -11, 12, 32, -210, 951, 3876, -805, 362, -156, 53, -11];
const LATER: [i16; TAPS] = [-11, 53, -156, 362, -805, 3876, 951, -210, 32, 12, -11, 3];

/// The samples of a payload behind those that a filter remembers.
struct Line {
    samples: [i16; TAPS - 1 + OCTETS_MAX],
    len: usize,
}

impl Line {
    fn after(memory: &[i16; TAPS - 1]) -> Self {
        let mut samples = [0; TAPS - 1 + OCTETS_MAX];
        samples[..TAPS - 1].copy_from_slice(memory);
        Self { samples, len: TAPS - 1 }
    }

    fn push(&mut self, sample: i16) {
        if let Some(place) = self.samples.get_mut(self.len) {
            *place = sample;
            self.len += 1;
        }
    }

    fn windows(&self) -> impl Iterator<Item = &[i16; TAPS]> {
        self.samples[..self.len].array_windows()
    }

    fn keep(&self, memory: &mut [i16; TAPS - 1]) {
        memory.copy_from_slice(&self.samples[self.len - (TAPS - 1)..self.len]);
    }
}

fn filtered(samples: &[i16; TAPS], coefficients: &[i16; TAPS]) -> i32 {
    samples.iter().zip(coefficients).map(|(&sample, &coefficient)| i32::from(sample) * i32::from(coefficient)).sum()
}

/// The adaptive predictor and the adaptive step of one sub-band (G.722 §§3.5 and 3.6), which are the same at both ends.
#[derive(Clone, PartialEq, Eq)]
struct Band {
    /// What is predicted next: S.
    estimate: i32,
    /// The part of it that the zeros give: SZ.
    by_zeros: i32,
    /// The quantiser's step, DET, and its logarithm, NB.
    step: i32,
    step_log: i32,
    /// A1 and A2.
    poles: [i32; 2],
    /// B1 to B6.
    zeros: [i32; 6],
    /// The last quantised differences, newest first: D.
    differences: [i32; 6],
    /// The last reconstructed sample: R1.
    reconstructed: i32,
    /// The signs of what the last two would have been without poles: P1 and P2.
    signs: [i32; 2],
}

impl Band {
    fn low() -> Self {
        Self::of_step(32)
    }

    fn high() -> Self {
        Self::of_step(8)
    }

    fn of_step(step: i32) -> Self {
        Self {
            estimate: 0,
            by_zeros: 0,
            step,
            step_log: 0,
            poles: [0; 2],
            zeros: [0; 6],
            differences: [0; 6],
            reconstructed: 0,
            signs: [0; 2],
        }
    }

    /// The sample of six bits. INVQBL, RECONS, LIMIT.
    fn decode_low(&mut self, code: u8) -> i32 {
        let difference = scaled(LEVELS_6[usize::from(code & 0x3f)], self.step);
        let sample = limited(self.estimate + difference);
        self.adapt_low(code);
        sample
    }

    /// The sample of two bits. INVQAH, RECONS, LIMIT.
    fn decode_high(&mut self, code: u8) -> i32 {
        let sample = limited(self.estimate + scaled(LEVELS_2[usize::from(code & 3)], self.step));
        self.adapt_high(code);
        sample
    }

    /// SUBTRA, QUANTL.
    fn quantised_low(&self, sample: i32) -> u8 {
        let (difference, magnitude) = self.difference(sample);
        // How many decisions, times the step and without twelve bits, are not above the magnitude.
        let most = (((magnitude + 1) << 12) - 1) / self.step.max(1);
        let interval = INTERVALS_6[(most as usize).min(INTERVALS_6.len() - 1)];
        match (difference < 0, interval) {
            (false, _) => 61 - interval,
            (true, 0 | 1) => 63 - interval,
            (true, _) => 33 - interval,
        }
    }

    /// SUBTRA, QUANTH.
    fn quantised_high(&self, sample: i32) -> u8 {
        let (difference, magnitude) = self.difference(sample);
        let outer = u8::from(magnitude >= (DECISION_2 * self.step) >> 12);
        if difference < 0 { 1 - outer } else { 3 - outer }
    }

    /// How far a sample is from what was predicted, and how far with a negative one counted from minus one.
    fn difference(&self, sample: i32) -> (i32, i32) {
        let difference = saturated(sample - self.estimate);
        (difference, if difference < 0 { !difference } else { difference })
    }

    /// Whether a level comes as near to a sample as so many 64ths of the step. Measured on speech: three, and six in the
    /// high band, leave the worst packet as good as the nearest levels do, and bring every stream back in step.
    fn within(&self, sample: i32, level: i32, parts: i32) -> bool {
        (self.estimate + scaled(level, self.step) - sample).abs() * 64 <= parts * self.step
    }

    /// INVQAL, LOGSCL, SCALEL: the predictor sees four of the six bits.
    fn adapt_low(&mut self, code: u8) {
        let code = usize::from(code >> 2 & 0xf);
        let difference = scaled(LEVELS_4[code], self.step);
        self.step_log = (self.step_log * 127 / 128 + STEPS_4[code]).clamp(0, 18_432);
        self.step = step(self.step_log, 8);
        self.predict(difference);
    }

    /// INVQAH, LOGSCH, SCALEH.
    fn adapt_high(&mut self, code: u8) {
        let code = usize::from(code & 3);
        let difference = scaled(LEVELS_2[code], self.step);
        self.step_log = (self.step_log * 127 / 128 + STEPS_2[code]).clamp(0, 22_528);
        self.step = step(self.step_log, 10);
        self.predict(difference);
    }

    /// Block 4: learns from a quantised difference and predicts the next sample.
    fn predict(&mut self, difference: i32) {
        let reconstructed = saturated(self.estimate + difference);
        let sign = saturated(self.by_zeros + difference) >> 15;
        self.poles = self.poles_after(sign);
        self.signs = [sign, self.signs[0]];

        // UPZERO. A difference of nothing teaches nothing but forgetting.
        let gain = if difference == 0 { 0 } else { 128 };
        for (zero, past) in self.zeros.iter_mut().zip(&self.differences) {
            let towards = if (past ^ difference) < 0 { -gain } else { gain };
            *zero = saturated(towards + ((*zero * 32_640) >> 15));
        }
        self.differences.copy_within(..5, 1);
        self.differences[0] = difference;

        // FILTEP, FILTEZ, PREDIC.
        let by_poles = saturated(
            scaled(self.poles[0], doubled(reconstructed)) + scaled(self.poles[1], doubled(self.reconstructed)),
        );
        let by_zeros = self.zeros.iter().zip(&self.differences).map(|(zero, past)| scaled(*zero, doubled(*past)));
        self.by_zeros = by_zeros.rev().fold(0, |sum, term| saturated(sum + term));
        self.estimate = saturated(by_poles + self.by_zeros);
        self.reconstructed = reconstructed;
    }

    /// UPPOL2, UPPOL1.
    fn poles_after(&self, sign: i32) -> [i32; 2] {
        let [first, second] = self.poles;
        let towards = |alike: bool, gain: i32| if alike { gain } else { -gain };
        let quadruple = saturated(first << 2);
        let against_first = towards(sign != self.signs[0], quadruple).min(32_767) >> 7;
        let second = against_first + towards(sign == self.signs[1], 128) + ((second * 32_512) >> 15);
        let second = second.clamp(-12_288, 12_288);
        let bound = 15_360 - second;
        let first = towards(sign == self.signs[0], 192) + ((first * 32_640) >> 15);
        [saturated(first).clamp(-bound, bound), second]
    }
}

fn saturated(value: i32) -> i32 {
    value.clamp(i16::MIN.into(), i16::MAX.into())
}

fn limited(sample: i32) -> i32 {
    sample.clamp(-16_384, 16_383)
}

fn doubled(value: i32) -> i32 {
    saturated(value << 1)
}

/// A product of two numbers of which one is a fraction of 15 bits.
fn scaled(fraction: i32, value: i32) -> i32 {
    (fraction * value) >> 15
}

/// The step of a logarithm whose unit is 2^-11, where `octaves` stand for one.
fn step(log: i32, octaves: i32) -> i32 {
    let mantissa = OCTAVE[(log >> 6 & 31) as usize];
    let down = octaves - (log >> 11);
    (if down < 0 { mantissa << -down } else { mantissa >> down }) << 2
}

/// Q6: where the six-bit quantiser decides.
const DECISIONS_6: [i32; 29] = [
    35, 72, 110, 150, 190, 233, 276, 323, 370, 422, 473, 530, 587, 650, 714, 786, 858, 940, 1023, 1121, 1219, 1339,
    1458, 1612, 1765, 1980, 2195, 2557, 2919,
];

/// How many of these are not above a number.
static INTERVALS_6: [u8; 2_920] = {
    let mut intervals = [0; 2_920];
    let (mut number, mut passed) = (0, 0);
    while number < intervals.len() {
        while passed < DECISIONS_6.len() && DECISIONS_6[passed] as usize <= number {
            passed += 1;
        }
        intervals[number] = passed as u8;
        number += 1;
    }
    intervals
};

/// Where the two-bit quantiser decides.
const DECISION_2: i32 = 564;

/// QM6: what six bits stand for. The first four codes are no encoder's.
const LEVELS_6: [i32; 64] = [
    -136, -136, -136, -136, -24_808, -21_904, -19_008, -16_704, -14_984, -13_512, -12_280, -11_192, -10_232, -9_360,
    -8_576, -7_856, -7_192, -6_576, -6_000, -5_456, -4_944, -4_464, -4_008, -3_576, -3_168, -2_776, -2_400, -2_032,
    -1_688, -1_360, -1_040, -728, 24_808, 21_904, 19_008, 16_704, 14_984, 13_512, 12_280, 11_192, 10_232, 9_360, 8_576,
    7_856, 7_192, 6_576, 6_000, 5_456, 4_944, 4_464, 4_008, 3_576, 3_168, 2_776, 2_400, 2_032, 1_688, 1_360, 1_040,
    728, 432, 136, -432, -136,
];

/// QM4: what their upper four stand for.
const LEVELS_4: [i32; 16] =
    [0, -20_456, -12_896, -8_968, -6_288, -4_240, -2_584, -1_200, 20_456, 12_896, 8_968, 6_288, 4_240, 2_584, 1_200, 0];

/// QM2: what two bits stand for.
const LEVELS_2: [i32; 4] = [-7_408, -1_616, 7_408, 1_616];

/// WL: how the low band's step moves by its four bits.
const STEPS_4: [i32; 16] = [-60, 3_042, 1_198, 538, 334, 172, 58, -30, 3_042, 1_198, 538, 334, 172, 58, -30, -60];

/// WH: how the high band's step moves by its two.
const STEPS_2: [i32; 4] = [798, -214, 798, -214];

/// ILB: one octave of the step, from its logarithm's five bits.
const OCTAVE: [i32; 32] = [
    2_048, 2_093, 2_139, 2_186, 2_233, 2_282, 2_332, 2_383, 2_435, 2_489, 2_543, 2_599, 2_656, 2_714, 2_774, 2_834,
    2_896, 2_960, 3_025, 3_091, 3_158, 3_228, 3_298, 3_371, 3_444, 3_520, 3_597, 3_676, 3_756, 3_838, 3_922, 4_008,
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mixer::testing::{Noise, ratio_db, speech_like};

    fn encoded(encoder: &mut Encoder, pcm: &[i16]) -> Vec<u8> {
        let mut payload = vec![0; pcm.len() / 2];
        for (pcm, payload) in pcm.chunks(320).zip(payload.chunks_mut(160)) {
            assert_eq!(encoder.encode(pcm, payload), Ok(payload.len()));
        }
        payload
    }

    fn decoded(decoder: &mut Decoder, payload: &[u8]) -> Vec<i16> {
        let mut pcm = vec![0; payload.len() * 2];
        for (payload, pcm) in payload.chunks(160).zip(pcm.chunks_mut(320)) {
            assert_eq!(decoder.decode(payload, pcm), Ok(pcm.len()));
        }
        pcm
    }

    // The other one begins with steps of nothing, where the recommendation's table 13 has 32 and 8.

    #[test]
    fn it_encodes_to_the_octets_of_another_implementation() {
        use ezk_g722::libg722::{Bitrate, encoder};
        for pcm in [speech_like(16_000, 32_000), Noise::new(1).samples(32_000, 20_000)] {
            let mut other = encoder::Encoder::new(Bitrate::Mode1_64000, false, false);
            let mut encoder = Encoder { low: Band::of_step(0), high: Band::of_step(0), ..Encoder::new() };
            let (ours, theirs) = (encoded(&mut encoder, &pcm), other.encode(&pcm));
            let differ = ours.iter().zip(&theirs).filter(|(ours, theirs)| ours != theirs).count();
            assert_eq!(differ, 0, "of {}", ours.len());
        }
    }

    #[test]
    fn it_decodes_to_the_samples_of_another_implementation() {
        use ezk_g722::libg722::{Bitrate, decoder};
        let payload = encoded(&mut Encoder::new(), &speech_like(16_000, 32_000));
        let mut other = decoder::Decoder::new(Bitrate::Mode1_64000, false, false);
        let mut decoder = Decoder { low: Band::of_step(0), high: Band::of_step(0), ..Decoder::new() };
        let (ours, theirs) = (decoded(&mut decoder, &payload), other.decode(&payload));
        let differ = ours.iter().zip(&theirs).filter(|(ours, theirs)| ours != theirs).count();
        assert_eq!(differ, 0, "of {}", ours.len());
    }

    /// A stream to which a voice is added in some of its packets: per packet what the stream says, what a listener
    /// hears, and whether it is in step.
    fn whispered(packets: std::ops::Range<usize>) -> Vec<([i16; 320], [i16; 320], bool)> {
        let stream = encoded(&mut Encoder::new(), &speech_like(16_000, 80_000));
        let mut voice = speech_like(16_000, 80_000);
        voice.rotate_left(7_000);
        let (mut base, mut far, mut encoder) = (Decoder::new(), Decoder::new(), Encoder::new());
        encoder.follow(&base);
        let packet = |(at, original): (usize, &[u8])| {
            let (mut pcm, mut payload, mut heard) = ([0; 320], [0; 160], [0; 320]);
            base.decode(original, &mut pcm).unwrap();
            let mut mixed = pcm;
            if packets.contains(&at) {
                mixed.iter_mut().zip(&voice[at * 320..]).for_each(|(sample, voice)| *sample += voice / 2);
            }
            encoder.encode_onto(&base, original, &pcm, &mixed, &mut payload).unwrap();
            far.decode(&payload, &mut heard).unwrap();
            (pcm, heard, encoder.in_step())
        };
        stream.chunks(160).enumerate().map(packet).collect()
    }

    #[test]
    fn a_stream_to_which_nothing_is_added_stays_the_same_to_the_bit() {
        assert!(whispered(0..0).iter().all(|(pcm, heard, in_step)| pcm == heard && *in_step));
    }

    #[test]
    fn a_stream_to_which_something_was_added_becomes_the_same_to_the_bit_again() {
        let packets = whispered(50..70);
        assert!(!packets[69].2);
        let back = packets.iter().skip(70).position(|packet| packet.2).unwrap();
        assert!(back < 75, "after {back} packets");
        // The receive filters remember a millisecond and a half.
        assert!(packets[70 + back + 2..].iter().all(|(pcm, heard, _)| pcm == heard));
        let (pcm, heard): (Vec<_>, Vec<_>) = packets[71..70 + back].iter().map(|packet| (packet.0, packet.1)).unzip();
        let ratio = ratio_db(pcm.as_flattened(), heard.as_flattened());
        assert!(ratio > 30.0, "{ratio} dB");
    }
}
