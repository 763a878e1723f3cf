//! Replication groups: which are free, and what each row's copies are.

use super::numbers::Numbers;

/// The replication groups of a node. Group 0 means none.
#[derive(Clone, Debug)]
pub(super) struct Groups {
    numbers: Numbers,
    pub(super) count: u32,
}

impl Groups {
    pub(super) fn new(count: u32) -> Self {
        Self { numbers: Numbers::new(1, count), count }
    }

    pub(super) fn take(&mut self, settle: impl FnOnce()) -> Option<u16> {
        self.numbers.take(settle)
    }

    pub(super) fn release(&mut self, group: u16) {
        if group != 0 {
            self.numbers.give(group);
        }
    }

    pub(super) fn adopt(&mut self, held: impl Fn(u16) -> bool) {
        self.numbers.adopt(1, held);
    }

    pub(super) fn held(&self) -> u32 {
        self.numbers.held(1)
    }
}
