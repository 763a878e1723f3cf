//! Packets by what became of them.

use undertone_abi::{Reason, Word64};

/// A counter for every reason, shared with whoever reads them.
#[derive(Debug, Default)]
pub(crate) struct Reasons([Word64; Reason::COUNT as usize]);

impl Reasons {
    pub(crate) fn read(&self) -> Vec<(Reason, u64)> {
        Reason::ALL.iter().copied().zip(self.0.iter().map(Word64::load)).collect()
    }
}

/// What was decided in a turn, before it is known which sends failed. A shared counter never goes back.
#[derive(Debug, Default)]
pub(crate) struct Counts([i64; Reason::COUNT as usize]);

impl Counts {
    pub(crate) fn add(&mut self, reason: Reason) {
        self.0[reason as usize] += 1;
    }

    pub(crate) fn add_many(&mut self, reason: Reason, count: u32) {
        self.0[reason as usize] += i64::from(count);
    }

    /// Takes back what a send that failed with `error` was counted for, and counts why.
    pub(crate) fn unsent(&mut self, reason: Reason, error: i32) {
        self.0[reason as usize] -= 1;
        self.add(match (reason, error) {
            (Reason::CopySent, libc::EMSGSIZE) => Reason::CopyTooBig,
            (_, libc::EMSGSIZE) => Reason::TooBig,
            (_, libc::EAGAIN | libc::ENOBUFS | libc::ENOMEM) => Reason::NoRoom,
            // No route, no address to send from, a firewall's refusal.
            (Reason::CopySent, _) => Reason::CopyNoHop,
            _ => Reason::NoHop,
        });
    }

    /// Adds to the shared counters. Only their one writer may call this.
    pub(crate) fn settle(&mut self, reasons: &Reasons) {
        for (count, shared) in self.0.iter_mut().zip(&reasons.0) {
            if *count > 0 {
                shared.store(shared.load().wrapping_add(*count as u64));
                *count = 0;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(reasons: &Reasons) -> Vec<(Reason, u64)> {
        reasons.read().into_iter().filter(|(_, count)| *count > 0).collect()
    }

    #[test]
    fn a_failed_send_counts_for_its_failure_alone() {
        let (mut counts, reasons) = (Counts::default(), Reasons::default());
        for _ in 0..3 {
            counts.add(Reason::Forwarded);
        }
        counts.add_many(Reason::CopySent, 2);
        counts.unsent(Reason::Forwarded, libc::EAGAIN);
        counts.unsent(Reason::CopySent, libc::EMSGSIZE);
        counts.unsent(Reason::CopySent, libc::ENETUNREACH);
        counts.settle(&reasons);
        counts.settle(&reasons);
        let expected = [(Reason::Forwarded, 2), (Reason::NoRoom, 1), (Reason::CopyNoHop, 1), (Reason::CopyTooBig, 1)];
        let mut found = shown(&reasons);
        found.sort_unstable();
        let mut expected = expected.to_vec();
        expected.sort_unstable();
        assert_eq!(found, expected);
    }

    #[test]
    fn a_failure_that_comes_late_never_lowers_a_counter() {
        let (mut counts, reasons) = (Counts::default(), Reasons::default());
        counts.add(Reason::Forwarded);
        counts.settle(&reasons);
        counts.unsent(Reason::Forwarded, libc::ENOBUFS);
        counts.settle(&reasons);
        assert_eq!(shown(&reasons), [(Reason::Forwarded, 1), (Reason::NoRoom, 1)]);
        counts.add(Reason::Forwarded);
        counts.settle(&reasons);
        assert_eq!(shown(&reasons), [(Reason::Forwarded, 1), (Reason::NoRoom, 1)]);
    }
}
