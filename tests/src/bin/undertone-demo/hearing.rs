//! Whether somebody's words are in what somebody else's telephone recorded.

use undertone_tests::speech::{likeness, similarity};

use super::script::ms;

/// How much earlier or later than expected words may be: telephones, jitter buffers and a busy machine take their time.
const REACH: usize = ms(900);

/// Where words are is known this well before their waves are compared.
const NEAR: usize = ms(30);

/// Words that sound this much like what was said are heard, and less than the other one are not. Real ones are alike by more
/// than 0.9, other words and silence by less than 0.4.
const HEARD_MIN: f64 = 0.75;
const NOT_HEARD_MAX: f64 = 0.5;

/// A sentence in a recording.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Heard {
    /// How much like it the recording sounds where it does most: 1 is the same.
    pub(crate) likeness: f64,
    /// Where that begins.
    pub(crate) begin: usize,
}

impl Heard {
    /// Looks for a sentence near where it should begin in a recording.
    pub(crate) fn of(sentence: &[i16], recording: &[i16], expected: isize) -> Self {
        let (window, from) = around(recording, expected, sentence.len());
        let found = likeness(sentence, window);
        Self { likeness: found.score.max(0.0), begin: from.saturating_add_signed(found.lag) }
    }

    /// How alike it is to the sentence there, wave by wave: 1 is the same.
    pub(crate) fn fidelity(&self, sentence: &[i16], recording: &[i16]) -> f64 {
        let from = self.begin.saturating_sub(NEAR).min(recording.len());
        let to = (self.begin + sentence.len() + NEAR).min(recording.len());
        similarity(sentence, &recording[from..to], 2 * NEAR).score.max(0.0)
    }

    /// Whether it is heard. None where one can argue about it.
    pub(crate) fn is_heard(&self) -> Option<bool> {
        match self.likeness {
            likeness if likeness >= HEARD_MIN => Some(true),
            likeness if likeness <= NOT_HEARD_MAX => Some(false),
            _ => None,
        }
    }
}

/// The stretch of a recording in which something of this length may be that should begin at `expected`, and where the
/// stretch begins.
fn around(recording: &[i16], expected: isize, length: usize) -> (&[i16], usize) {
    let reach = REACH as isize;
    let from = usize::try_from(expected - reach).unwrap_or(0).min(recording.len());
    let to = usize::try_from(expected + length as isize + reach).unwrap_or(0).clamp(from, recording.len());
    (&recording[from..to], from)
}

#[cfg(test)]
mod tests {
    use undertone_tests::speech::{decode_pcmu, encode_pcmu, say};

    use super::*;

    /// As G.711 leaves it.
    fn voice(words: &str) -> Vec<i16> {
        decode_pcmu(&encode_pcmu(&say("en-gb", words).expect("espeak-ng speaks")))
    }

    fn ferry() -> Vec<i16> {
        voice("The ferry leaves on Friday at noon.")
    }

    fn recording(parts: &[&[i16]]) -> Vec<i16> {
        [&[&vec![0; ms(1_000)][..]], parts, &[&vec![0; ms(1_000)][..]]].concat().concat()
    }

    #[test]
    fn a_voice_is_heard_where_it_is() {
        let (said, expected) = (ferry(), ms(700) as isize);
        let recording = recording(&[&said]);
        let heard = Heard::of(&said, &recording, expected);
        assert_eq!(heard.is_heard(), Some(true), "{heard:?}");
        assert!(heard.begin.abs_diff(ms(1_000)) <= ms(10), "{heard:?}");
        assert!(heard.fidelity(&said, &recording) > 0.999);
    }

    #[test]
    fn a_voice_is_not_heard_in_silence_in_other_words_or_in_nothing() {
        let other = voice("Bicycles travel free of charge.");
        for heard in [recording(&[&vec![0; ms(2_000)]]), recording(&[&other]), Vec::new()] {
            let heard = Heard::of(&ferry(), &heard, ms(1_000) as isize);
            assert_eq!(heard.is_heard(), Some(false), "{heard:?}");
        }
    }

    #[test]
    fn a_voice_is_heard_though_a_packet_is_missing_and_that_costs_fidelity() {
        let said = ferry();
        let recording = recording(&[&said[..ms(900)], &said[ms(920)..]]);
        let heard = Heard::of(&said, &recording, ms(1_000) as isize);
        assert_eq!(heard.is_heard(), Some(true), "{heard:?}");
        assert!(heard.fidelity(&said, &recording) < 0.95);
    }
}
