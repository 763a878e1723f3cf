//! A stream's rule.

use undertone_abi::{RowIndex, Rule, Via};

use super::{Plane, PlaneError, Stream};
use crate::{Fabric, Memory as _};

impl<F: Fabric> Plane<F> {
    /// Writes a row's group and rule as they should be now. Nothing has changed after an error.
    pub(super) fn refresh(&mut self, row: RowIndex) -> Result<(), PlaneError> {
        let Some(stream) = self.streams.get(&row) else { return Ok(()) };
        let group = if stream.copies.is_empty() { 0 } else { self.make_group(row)? };
        self.put_group(row, group);
        Ok(())
    }

    /// Writes a row's group and rule as they have to be, now that the world has changed. A stream whose copies find no
    /// room goes on without them.
    pub(super) fn follow(&mut self, row: RowIndex) -> Result<(), PlaneError> {
        let result = self.refresh(row);
        if result.is_err() {
            self.put_group(row, 0);
        }
        result
    }

    /// Makes a group the one that a row's copies are made by.
    pub(super) fn put_group(&mut self, row: RowIndex, group: u16) {
        let Some(stream) = self.streams.get_mut(&row) else { return };
        let old = std::mem::replace(&mut stream.group, group);
        self.write_rule(row);
        self.groups.release(old);
        self.in_vain &= old == 0;
    }

    /// Writes a row's rule as it should be now.
    pub(super) fn write_rule(&self, row: RowIndex) {
        let Some(stream) = self.streams.get(&row) else { return };
        let rule = stream.rule(self.ways.hop(stream.towards));
        if let Some(row) = self.fabric.memory().row(row) {
            row.write(&rule);
        }
    }
}

impl Stream {
    fn rule(&self, hop: u16) -> Rule {
        Rule {
            kind: self.kind,
            policy: self.end.learn,
            clock: self.clock,
            forward: self.end.sends,
            divert: self.divert,
            dscp: self.other.dscp,
            to: self.other.peer.into(),
            from_port: self.partner.port(),
            via: Via { local: self.partner.local(), hop },
            group: self.group,
            sequence_offset: self.sequence_offset,
        }
    }
}
