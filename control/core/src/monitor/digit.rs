//! A key of a telephone.

use std::fmt;

/// The keys in the order of their events.
const KEYS: &[u8; 16] = b"0123456789*#ABCD";

/// A key of a telephone: a digit, `*`, `#`, or one of A to D.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Digit(u8);

impl Digit {
    /// The key of a telephone event, where it is one (RFC 4733 §3.2).
    pub fn from_event(event: u8) -> Option<Self> {
        KEYS.get(usize::from(event)).copied().map(Self)
    }

    /// The key that a letter stands for, as in `Signal=5` (INFO with `application/dtmf-relay`) and in numbers.
    pub fn from_letter(letter: char) -> Option<Self> {
        let key = u8::try_from(letter).ok()?.to_ascii_uppercase();
        KEYS.contains(&key).then_some(Self(key))
    }

    /// The letter: `0` to `9`, `*`, `#`, `A` to `D`.
    pub const fn letter(self) -> char {
        self.0 as char
    }
}

impl fmt::Display for Digit {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}", self.letter())
    }
}

impl fmt::Debug for Digit {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Digit({})", self.letter())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_known_by_its_event_and_by_its_letter() {
        let keys: String = (0..=u8::MAX).filter_map(Digit::from_event).map(Digit::letter).collect();
        assert_eq!(keys, "0123456789*#ABCD");
        for letter in keys.chars() {
            assert_eq!(Digit::from_letter(letter).map(Digit::letter), Some(letter));
            assert_eq!(Digit::from_letter(letter.to_ascii_lowercase()).map(Digit::letter), Some(letter));
        }
        for letter in ['E', ' ', '\0', 'é', '٣', '\u{12a}'] {
            assert_eq!(Digit::from_letter(letter), None, "{letter:?}");
        }
    }
}
