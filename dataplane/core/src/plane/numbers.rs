//! Numbers to give out and take back.

/// The numbers from 1 to a highest, each given out to one holder at a time.
///
/// A number that came back rests until [`Fabric::settle`](crate::Fabric::settle): somebody may still be looking at what it named.
#[derive(Clone, Debug)]
pub(super) struct Numbers {
    next: u32,
    end: u32,
    free: Vec<u16>,
    resting: Vec<u16>,
}

impl Numbers {
    /// Numbers from `first` to below `end`, at most 65,536.
    pub(super) fn new(first: u16, end: u32) -> Self {
        Self { next: first as u32, end: end.min(65_536), free: Vec::new(), resting: Vec::new() }
    }

    /// A number nobody holds. Calls `settle` when only resting ones are left.
    pub(super) fn take(&mut self, settle: impl FnOnce()) -> Option<u16> {
        if let Some(number) = self.free.pop() {
            return Some(number);
        }
        if self.next < self.end {
            self.next += 1;
            return Some((self.next - 1) as u16);
        }
        if !self.resting.is_empty() {
            settle();
            self.free.append(&mut self.resting);
        }
        self.free.pop()
    }

    /// Takes a number back.
    pub(super) fn give(&mut self, number: u16) {
        self.resting.push(number);
    }

    /// Marks the numbers for which `held` is true as given out, all others as free.
    pub(super) fn adopt(&mut self, first: u16, held: impl Fn(u16) -> bool) {
        let last = (first as u32..self.end).rev().find(|number| held(*number as u16));
        self.next = last.map_or(first as u32, |last| last + 1);
        self.free = (first as u32..self.next).map(|number| number as u16).filter(|number| !held(*number)).collect();
        self.resting.clear();
    }

    /// How many are given out.
    pub(super) fn held(&self, first: u16) -> u32 {
        self.next - first as u32 - (self.free.len() + self.resting.len()) as u32
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_number_that_is_not_held_is_free_after_an_adoption() {
        for end in [10, 65_535, 65_536] {
            let mut numbers = Numbers::new(1, end);
            // The last of all is held, which makes all others free ones.
            numbers.adopt(1, |number| u32::from(number) == end - 1);
            assert_eq!(numbers.held(1), 1, "{end}");
            assert!(numbers.take(|| ()).is_some(), "{end}");
        }
    }
}
