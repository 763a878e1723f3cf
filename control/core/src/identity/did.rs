//! Direct inward dialling: which extension a public number is.

use std::cmp::Ordering;

use super::number::normalised;

/// Digits of a public number, and of the extensions of a range. E.164 has 15.
const DIGITS_MAX: usize = 18;

/// Numbers, and the extensions that they are.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DidTable(Vec<DidRange>);

/// A number, or numbers that follow one another, and the extension of the first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DidRange {
    first: Number,
    last: u64,
    extension: String,
}

/// Digits, of which leading zeros count. Whether a `+` stands in front makes no difference: carriers do as they please.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Number {
    width: usize,
    value: u64,
}

/// Why there is no such range.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DidError {
    /// What should be a number is none.
    #[error("a number has 1 to 18 digits, with or without a + in front")]
    Number,
    /// The two ends do not belong together.
    #[error("the last number has to be above the first, and as long")]
    Order,
    /// Extensions cannot be counted along.
    #[error("there are not as many extensions of that length as there are numbers")]
    Extension,
}

impl DidRange {
    /// Those from `first` to `last`; the first of them is `extension`, the next the next.
    pub fn new(first: &str, last: &str, extension: &str) -> Result<Self, DidError> {
        let (first, last) = (Number::of(first).ok_or(DidError::Number)?, Number::of(last).ok_or(DidError::Number)?);
        if last.width != first.width || last.value < first.value {
            return Err(DidError::Order);
        }
        let range = Self { first, last: last.value, extension: extension.into() };
        // The last has an extension too.
        range.extension(last).map(|_| range.clone()).ok_or(DidError::Extension)
    }

    /// Which of two begins with the lower number.
    pub fn cmp_first(&self, other: &Self) -> Ordering {
        self.first.cmp(&other.first)
    }

    /// Which of two ends with the lower number.
    pub fn cmp_last(&self, other: &Self) -> Ordering {
        (self.first.width, self.last).cmp(&(other.first.width, other.last))
    }

    /// Whether a number is in both.
    pub fn overlaps(&self, other: &Self) -> bool {
        self.first.width == other.first.width && self.first.value <= other.last && other.first.value <= self.last
    }

    fn extension(&self, number: Number) -> Option<String> {
        let offset = number.value.checked_sub(self.first.value).filter(|_| number.value <= self.last)?;
        if offset == 0 {
            return Some(self.extension.clone());
        }
        let first = Number::of(&self.extension).filter(|_| !self.extension.starts_with('+'))?;
        let extension = format!("{:0width$}", first.value.checked_add(offset)?, width = first.width);
        Some(extension).filter(|extension| extension.len() == first.width)
    }
}

impl DidTable {
    /// A table of ranges that do not [overlap](DidRange::overlaps).
    pub fn new(mut ranges: Vec<DidRange>) -> Self {
        ranges.sort_by_key(|range| range.first);
        Self(ranges)
    }

    /// Its ranges, in the order of numbers.
    pub fn ranges(&self) -> &[DidRange] {
        &self.0
    }

    /// The extension that a number is.
    pub fn extension(&self, number: &str) -> Option<String> {
        let number = Number::of(number)?;
        let behind = self.0.partition_point(|range| range.first <= number);
        let range = self.0.get(behind.checked_sub(1)?).filter(|range| range.first.width == number.width)?;
        range.extension(number)
    }
}

impl Number {
    fn of(text: &str) -> Option<Self> {
        let number = normalised(text);
        let digits = number.strip_prefix('+').unwrap_or(&number);
        let is_number = (1..=DIGITS_MAX).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_digit());
        Some(Self { width: digits.len(), value: digits.parse().ok().filter(|_| is_number)? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn range(first: &str, last: &str, extension: &str) -> DidRange {
        DidRange::new(first, last, extension).unwrap_or_else(|error| panic!("{first}: {error}"))
    }

    #[test]
    fn a_number_is_an_extension_and_those_of_a_range_are_counted_along() {
        let table = DidTable::new(vec![
            range("+4930123200", "+4930123299", "0200"),
            range("+49 30 123-100", "+4930123100", "reception"),
            range("0123", "0125", "997"),
        ]);
        for (number, extension) in [
            ("+4930123100", Some("reception")),
            ("4930123100", Some("reception")),
            ("+4930123200", Some("0200")),
            ("+49(30)123-299", Some("0299")),
            ("+4930123300", None),
            ("+4930123199", None),
            ("0125", Some("999")),
            ("0126", None),
            ("123", None),
            ("ann", None),
            ("", None),
            ("+99999999999999999999999", None),
        ] {
            assert_eq!(table.extension(number).as_deref(), extension, "{number}");
        }
    }

    #[test]
    fn what_is_no_range_is_told() {
        for (first, last, extension, error) in [
            ("ann", "ann", "1", DidError::Number),
            ("1", "1234567890123456789", "1", DidError::Number),
            ("20", "10", "1", DidError::Order),
            ("8", "10", "1", DidError::Order),
            ("10", "20", "ann", DidError::Extension),
            ("10", "20", "90", DidError::Extension),
            ("0123", "0125", "998", DidError::Extension),
            ("10", "11", "+90", DidError::Extension),
        ] {
            assert_eq!(DidRange::new(first, last, extension), Err(error), "{first} to {last}");
        }
        let (low, high) = (range("10", "20", "10"), range("20", "30", "20"));
        assert!(low.overlaps(&high) && high.overlaps(&low));
        assert!(!low.overlaps(&range("21", "22", "1")) && !low.overlaps(&range("015", "015", "1")));
    }
}
