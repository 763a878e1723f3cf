//! The time that the packets of one poll share.

use crate::cell::Word64;

/// Per CPU: when the poll began that it is in.
#[derive(Debug, Default)]
#[repr(C)]
pub struct PollTime {
    /// The kernel's tick in which the time was read; 0 for none.
    tick: Word64,
    now_ns: Word64,
}

impl PollTime {
    /// The time, if it was read for this poll and in this tick.
    #[inline(always)]
    pub fn at(&self, tick: u64) -> Option<u64> {
        (self.tick.load() == tick).then(|| self.now_ns.load())
    }

    /// Keeps the time for what else comes with this poll.
    #[inline(always)]
    pub fn set(&self, tick: u64, now_ns: u64) {
        self.now_ns.store(now_ns);
        self.tick.store(tick);
    }

    /// The poll is over.
    #[inline(always)]
    pub fn forget(&self) {
        self.tick.store(0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_holds_for_its_poll_and_its_tick() {
        let time = PollTime::default();
        assert_eq!(time.at(7), None);
        time.set(7, 1_000);
        assert_eq!((time.at(7), time.at(8)), (Some(1_000), None));
        time.forget();
        assert_eq!(time.at(7), None);
    }
}
