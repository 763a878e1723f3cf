//! Replication groups: which are free, and what each row's copies are.

use super::numbers::Numbers;

/// The replication groups of a node. Group 0 means none.
#[derive(Clone, Debug)]
pub(super) struct Groups {
    numbers: Numbers,
    count: u32,
}

/// Groups that are kept back at most: a stream's copies change by way of a second group, and each use of the last
/// ones costs a grace period.
const SPARE_MAX: u32 = 64;

/// How many streams can be copied with a table of `groups` groups, group 0 included.
pub const fn streams_copied(groups: u32) -> u32 {
    let quarter = groups / 4;
    let spare = if quarter < 1 {
        1
    } else if quarter > SPARE_MAX {
        SPARE_MAX
    } else {
        quarter
    };
    groups.saturating_sub(1 + spare)
}

/// How large the table of groups has to be for `streams` to be copied, as far as that goes.
pub const fn groups_for(streams: u32) -> u32 {
    let mut groups = streams.saturating_add(2);
    while streams_copied(groups) < streams && groups < 65_536 {
        groups += 1;
    }
    if groups > 65_536 { 65_536 } else { groups }
}

impl Groups {
    pub(super) fn new(count: u32) -> Self {
        Self { numbers: Numbers::new(1, count), count }
    }

    /// A group for a stream that has one already, or has none yet.
    pub(super) fn take(&mut self, has_one: bool, settle: impl FnOnce()) -> Option<u16> {
        if !has_one && self.held() >= self.max() {
            return None;
        }
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

    /// How many streams can have one at the same time.
    pub(super) fn max(&self) -> u32 {
        streams_copied(self.count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_has_room_for_what_it_was_made_for() {
        for streams in [1, 2, 3, 10, 100, 256, 8192, 60_000] {
            assert_eq!(streams_copied(groups_for(streams)), streams);
        }
        assert_eq!(groups_for(65_535), 65_536);
    }
}
