//! Digits into codes.

use std::time::Duration;

use undertone_core::mixer::Mode;

use super::Digit;
use crate::time::Nanos;

/// What a supervisor asks for by digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Code {
    /// Another mode.
    Mode(Mode),
    /// The next call of the extension, where it has several.
    NextCall,
}

impl Code {
    /// Every code.
    pub const ALL: [Self; 5] = [
        Self::Mode(Mode::Listen),
        Self::Mode(Mode::WhisperToCaller),
        Self::Mode(Mode::Barge),
        Self::Mode(Mode::WhisperToAgent),
        Self::NextCall,
    ];

    /// The key of the configuration that has its digits.
    pub const fn key(self) -> &'static str {
        match self {
            Self::Mode(Mode::Listen) => "listen",
            Self::Mode(Mode::WhisperToCaller) => "speak-with-caller",
            Self::Mode(Mode::Barge) => "speak-with-everyone",
            Self::Mode(Mode::WhisperToAgent) => "whisper-to-agent",
            Self::NextCall => "next-call",
        }
    }

    /// Its digits unless the configuration says otherwise.
    pub const fn usual(self) -> &'static str {
        match self {
            Self::Mode(Mode::Listen) => "*80",
            Self::Mode(Mode::WhisperToCaller) => "*81",
            Self::Mode(Mode::Barge) => "*82",
            Self::Mode(Mode::WhisperToAgent) => "*83",
            Self::NextCall => "*84",
        }
    }
}

/// The digits of the codes that there are. None is empty, and none is the beginning of another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Codes(Vec<(String, Code)>);

impl Codes {
    /// The codes of these digits; `None` where one is empty, or the beginning of another or the same.
    pub fn new(codes: Vec<(String, Code)>) -> Option<Self> {
        let clash = |at: usize, digits: &str| {
            let others = codes.iter().enumerate().filter(|(other, _)| *other != at);
            others.map(|(_, (other, _))| other).any(|other| other.starts_with(digits))
        };
        let is_wrong = codes.iter().enumerate().any(|(at, (digits, _))| digits.is_empty() || clash(at, digits));
        (!is_wrong).then_some(Self(codes))
    }

    /// The code of these digits.
    pub fn of(&self, digits: &str) -> Option<Code> {
        self.0.iter().find(|(of_code, _)| of_code == digits).map(|(_, code)| *code)
    }

    /// The digits of a code; `None` where it is switched off.
    pub fn digits(&self, code: Code) -> Option<&str> {
        self.0.iter().find(|(_, other)| *other == code).map(|(digits, _)| digits.as_str())
    }

    /// All of them, with their digits.
    pub fn all(&self) -> impl Iterator<Item = (&str, Code)> {
        self.0.iter().map(|(digits, code)| (digits.as_str(), *code))
    }

    /// Whether these digits are the beginning of a code.
    fn has_beginning(&self, digits: &str) -> bool {
        self.0.iter().any(|(of_code, _)| of_code.starts_with(digits))
    }
}

impl Default for Codes {
    fn default() -> Self {
        Self(Code::ALL.map(|code| (code.usual().to_owned(), code)).into())
    }
}

/// What a digit makes of those before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Heard {
    /// A code.
    Code(Code),
    /// The beginning of one.
    Beginning,
    /// No code any more: what had begun is forgotten.
    Unknown,
    /// Nothing had begun, and nothing begins by it.
    Nothing,
}

/// Collects the digits of one supervisor.
///
/// [`handle_digit`](Self::handle_digit) takes each as it comes, once; [`handle_timeout`](Self::handle_timeout) is due at
/// [`poll_timeout`](Self::poll_timeout). A digit that does not go on with what has begun may begin anew: after `*8`, `*` does.
#[derive(Clone, Debug, Default)]
pub struct Collector {
    /// The beginning of a code, and no whole one.
    pending: String,
    /// When that is forgotten.
    forgotten: Option<Nanos>,
}

impl Collector {
    /// Takes a digit. What had begun is forgotten `timeout` after its last digit.
    pub fn handle_digit(&mut self, now: Nanos, digit: Digit, codes: &Codes, timeout: Duration) -> Heard {
        self.handle_timeout(now);
        let had_begun = !self.pending.is_empty();
        self.pending.push(digit.letter());
        // The codes may have been changed since the last digit, too.
        while !self.pending.is_empty() && !codes.has_beginning(&self.pending) {
            self.pending.remove(0);
        }
        if let Some(code) = codes.of(&self.pending) {
            self.clear();
            return Heard::Code(code);
        }
        self.forgotten = (!self.pending.is_empty()).then(|| now + timeout);
        match (self.forgotten, had_begun) {
            (Some(_), _) => Heard::Beginning,
            (None, true) => Heard::Unknown,
            (None, false) => Heard::Nothing,
        }
    }

    /// Forgets what has begun when its time is over. Whether anything was forgotten.
    pub fn handle_timeout(&mut self, now: Nanos) -> bool {
        let is_over = self.forgotten.is_some_and(|at| at <= now);
        if is_over {
            self.clear();
        }
        is_over
    }

    /// When what has begun will be forgotten.
    pub const fn poll_timeout(&self) -> Option<Nanos> {
        self.forgotten
    }

    fn clear(&mut self) {
        self.pending.clear();
        self.forgotten = None;
    }
}

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prelude::*, sample::select};

    use super::*;

    const TIMEOUT: Duration = Duration::from_secs(5);
    const LISTEN: Heard = Heard::Code(Code::Mode(Mode::Listen));
    const BARGE: Heard = Heard::Code(Code::Mode(Mode::Barge));

    /// What each of these digits makes, typed without a pause.
    fn typed(codes: &Codes, digits: &str) -> Vec<Heard> {
        let mut collector = Collector::default();
        let digits = digits.chars().filter_map(Digit::from_letter);
        digits.map(|digit| collector.handle_digit(Nanos(0), digit, codes, TIMEOUT)).collect()
    }

    /// The codes among them.
    fn codes_in(codes: &Codes, digits: &str) -> Vec<Code> {
        let code = |heard: Heard| if let Heard::Code(code) = heard { Some(code) } else { None };
        typed(codes, digits).into_iter().filter_map(code).collect()
    }

    #[test]
    fn each_usual_code_is_heard_by_its_last_digit() {
        let codes = Codes::default();
        for code in Code::ALL {
            let expected = [Heard::Beginning, Heard::Beginning, Heard::Code(code)];
            assert_eq!(typed(&codes, code.usual()), expected);
            assert_eq!((codes.digits(code), codes.of(code.usual())), (Some(code.usual()), Some(code)));
        }
        let all: String = Code::ALL.map(Code::usual).concat();
        assert_eq!(codes_in(&codes, &all), Code::ALL, "one after the other");
    }

    #[test]
    fn what_is_no_code_is_forgotten_and_a_star_begins_anew() {
        use Heard::{Beginning, Nothing, Unknown};
        let codes = Codes::default();
        for (digits, expected) in [
            ("*9", vec![Beginning, Unknown]),
            ("*95", vec![Beginning, Unknown, Nothing]),
            ("*#", vec![Beginning, Unknown]),
            ("*8#0", vec![Beginning, Beginning, Unknown, Nothing]),
            ("*85", vec![Beginning, Beginning, Unknown]),
            ("80", vec![Nothing, Nothing]),
            ("#", vec![Nothing]),
            ("**80", vec![Beginning, Beginning, Beginning, LISTEN]),
            ("*8*82", vec![Beginning, Beginning, Beginning, Beginning, BARGE]),
            ("*9*82", vec![Beginning, Unknown, Beginning, Beginning, BARGE]),
            ("*802", vec![Beginning, Beginning, LISTEN, Nothing]),
        ] {
            assert_eq!(typed(&codes, digits), expected, "{digits}");
        }
    }

    #[test]
    fn what_begins_in_the_middle_of_what_is_forgotten_is_not_lost() {
        let listen = Code::Mode(Mode::Listen);
        let codes = Codes::new(vec![("**1".into(), listen), ("*2#3".into(), Code::NextCall)]).expect("codes");
        assert_eq!(codes_in(&codes, "***1"), [listen]);
        assert_eq!(codes_in(&codes, "*2**1*2#3"), [listen, Code::NextCall]);
        let stars = Codes::new(vec![("**1".into(), listen), ("*1".into(), Code::NextCall)]).expect("codes");
        assert_eq!(codes_in(&stars, "**1*1"), [listen, Code::NextCall], "the longest that fits");
    }

    #[test]
    fn a_beginning_is_forgotten_some_time_after_its_last_digit() {
        let codes = Codes::default();
        let [star, eight, zero] = ['*', '8', '0'].map(|letter| Digit::from_letter(letter).expect("a key"));
        let at = |ms: u64| Nanos(ms * 1_000_000);
        let mut collector = Collector::default();
        assert_eq!(collector.poll_timeout(), None);
        assert_eq!(collector.handle_digit(at(0), star, &codes, TIMEOUT), Heard::Beginning);
        assert_eq!(collector.handle_digit(at(4_999), eight, &codes, TIMEOUT), Heard::Beginning);
        assert_eq!(collector.poll_timeout(), Some(at(9_999)));
        let mut late = collector.clone();
        assert_eq!(collector.handle_digit(at(9_998), zero, &codes, TIMEOUT), LISTEN, "each digit gives time anew");
        assert_eq!(collector.poll_timeout(), None);
        assert_eq!(late.clone().handle_digit(at(9_999), zero, &codes, TIMEOUT), Heard::Nothing, "too late");
        assert!(!late.handle_timeout(at(9_998)));
        assert!(late.handle_timeout(at(9_999)));
        assert!(!late.handle_timeout(at(9_999)), "once");
        assert_eq!(late.poll_timeout(), None);
    }

    #[test]
    fn a_code_that_is_switched_off_is_none() {
        let codes = Codes::new(vec![("*80".into(), Code::Mode(Mode::Listen))]).expect("a code");
        assert_eq!(typed(&codes, "*82"), [Heard::Beginning, Heard::Beginning, Heard::Unknown]);
        assert_eq!((codes.of("*82"), codes.digits(Code::NextCall)), (None, None));
        let none = Codes::new(Vec::new()).expect("no code");
        assert_eq!(typed(&none, "*80"), [Heard::Nothing; 3]);
    }

    #[test]
    fn no_code_is_empty_or_the_beginning_of_another() {
        let (listen, next) = (Code::Mode(Mode::Listen), Code::NextCall);
        for (one, other) in [("*8", "*80"), ("*80", "*8"), ("*80", "*80"), ("", "*80")] {
            assert_eq!(Codes::new(vec![(one.into(), listen), (other.into(), next)]), None, "{one} and {other}");
        }
        assert!(Codes::new(vec![("*80".into(), listen), ("*8*80".into(), next)]).is_some());
    }

    fn code_sets() -> impl Strategy<Value = Codes> {
        let words = vec("[*#0-9]{1,4}", 0..6);
        words.prop_filter_map("one is the beginning of another", |words| {
            Codes::new(words.into_iter().zip(Code::ALL).collect())
        })
    }

    fn keys() -> impl Strategy<Value = Digit> {
        select(('0'..='9').chain("*#AD".chars()).filter_map(Digit::from_letter).collect::<Vec<_>>())
    }

    proptest! {
        // What was heard so far is kept whole here, and looked through again for each digit.
        #[test]
        fn it_hears_what_a_search_through_all_digits_finds(
            codes in code_sets(),
            keys in vec((keys(), 0_u64..8_000), 0..60),
        ) {
            let (mut collector, mut now, mut typed) = (Collector::default(), Nanos(1), String::new());
            for (digit, pause_ms) in keys {
                let pause = Duration::from_millis(pause_ms);
                now = now + pause;
                if pause >= TIMEOUT {
                    typed.clear();
                }
                typed.push(digit.letter());
                let expected = (0..typed.len()).find_map(|from| {
                    let rest = &typed[from..];
                    codes.of(rest).map(Some).or_else(|| codes.has_beginning(rest).then_some(None))
                });
                let heard = collector.handle_digit(now, digit, &codes, TIMEOUT);
                match expected {
                    Some(Some(code)) => {
                        prop_assert_eq!(heard, Heard::Code(code));
                        typed.clear();
                    }
                    Some(None) => prop_assert_eq!(heard, Heard::Beginning),
                    None => prop_assert!(matches!(heard, Heard::Unknown | Heard::Nothing)),
                }
                prop_assert_eq!(collector.poll_timeout(), matches!(heard, Heard::Beginning).then(|| now + TIMEOUT));
            }
        }

        #[test]
        fn nothing_typed_makes_it_panic_or_remember_more_than_a_code(
            sets in vec(code_sets(), 1..4),
            keys in vec((any::<u8>(), any::<u64>(), any::<u64>(), any::<bool>()), 0..200),
        ) {
            let mut collector = Collector::default();
            for (index, (event, now, timeout, is_timeout)) in keys.into_iter().enumerate() {
                let codes = &sets[index % sets.len()];
                if is_timeout {
                    collector.handle_timeout(Nanos(now));
                }
                let Some(digit) = Digit::from_event(event) else { continue };
                collector.handle_digit(Nanos(now), digit, codes, Duration::from_nanos(timeout));
                prop_assert!(collector.pending.len() <= 4 && codes.of(&collector.pending).is_none());
                prop_assert_eq!(collector.pending.is_empty(), collector.poll_timeout().is_none());
            }
        }
    }
}
