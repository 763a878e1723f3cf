//! Names that no other run uses.

use std::hash::{BuildHasher as _, Hasher as _, RandomState};

/// Gives out branches, tags and Call-IDs.
#[derive(Debug)]
pub(in crate::calls) struct Names {
    run: u64,
    given: u64,
}

impl Names {
    /// Names of a run of its own.
    pub(in crate::calls) fn new() -> Self {
        Self { run: RandomState::new().build_hasher().finish(), given: 0 }
    }

    /// A name that was not given before.
    pub(in crate::calls) fn next(&mut self) -> String {
        self.given += 1;
        format!("{:016x}{:x}", self.run, self.given)
    }

    /// The Call-ID of call number `number`.
    pub(in crate::calls) fn call_id(&self, number: u64) -> String {
        format!("{number}-{:016x}", self.run)
    }

    /// The number of the call with this Call-ID, if it is of this run.
    pub(in crate::calls) fn number_of(&self, call_id: &[u8]) -> Option<u64> {
        let (number, run) = std::str::from_utf8(call_id).ok()?.split_once('-')?;
        (u64::from_str_radix(run, 16) == Ok(self.run)).then(|| number.parse().ok())?
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_id_leads_back_to_its_call() {
        let (ours, others) = (Names::new(), Names::new());
        assert_eq!(ours.number_of(ours.call_id(17).as_bytes()), Some(17));
        assert_eq!(ours.number_of(others.call_id(17).as_bytes()), None);
        assert_eq!(ours.number_of(b"whatever"), None);
    }
}
