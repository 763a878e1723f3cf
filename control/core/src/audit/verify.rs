//! Looking for what is wrong with a chain.

use std::fmt;

use super::{Head, Row, What};
use crate::audit::Hash;

/// Faults that are told one by one.
const FAULTS_MAX: usize = 20;

/// Goes through a chain.
///
/// [`Verifier::new`] with where it begins, [`row`](Self::row) for each in the order of numbers, and at last
/// [`finish`](Self::finish).
#[derive(Debug)]
pub struct Verifier {
    anchor: Head,
    /// Whether the chain itself says that rows were removed up to the anchor.
    is_attested: bool,
    last: Head,
    /// Whether the row before the next is there to compare with.
    follows: bool,
    rows: u64,
    known: Vec<Known>,
    faults: Vec<Fault>,
    more: u64,
}

/// A head that somebody has kept.
#[derive(Clone, Copy, Debug)]
struct Known {
    head: Head,
    found: Option<Hash>,
}

/// What is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// A row is not the one that was written, or does not belong behind the one before.
    Changed(u64),
    /// Rows are missing between others: the first and the last of them.
    Missing(u64, u64),
    /// Rows are missing at the end: the first, and the last that was written.
    Cut(u64, u64),
    /// Rows are there that nobody has counted, from this on.
    Uncounted(u64),
    /// The end that was written down is not that of the last row.
    Head(u64),
    /// Rows were removed from the front, up to this, and no row says so.
    Unattested(u64),
    /// A head that was kept elsewhere is not in the chain.
    Unknown(Head),
}

/// What there is to say of a chain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verified {
    /// How many rows it has.
    pub rows: u64,
    /// Up to which row it was cut for its age.
    pub anchor: Head,
    /// Its last row.
    pub head: Head,
    /// Heads that were kept elsewhere, of rows that have been removed for their age since: they say nothing any more.
    pub outdated: Vec<Head>,
    /// What is wrong, the first twenty.
    pub faults: Vec<Fault>,
    /// How many faults there are beside these.
    pub more: u64,
}

impl Verifier {
    /// Begins behind `anchor`. Heads that somebody has kept elsewhere are looked for, too.
    pub fn new(anchor: Head, known: impl IntoIterator<Item = Head>) -> Self {
        let known = known.into_iter().map(|head| {
            let is_anchor = head.number == anchor.number;
            Known { head, found: is_anchor.then_some(anchor.hash) }
        });
        Self {
            anchor,
            is_attested: anchor.number == 0,
            last: anchor,
            follows: true,
            rows: 0,
            known: known.collect(),
            faults: Vec::new(),
            more: 0,
        }
    }

    /// The next row. They have to come in the order of their numbers.
    pub fn row(&mut self, row: &Row) {
        let expected = self.last.number.saturating_add(1);
        if row.number > expected {
            self.fault(Fault::Missing(expected, row.number - 1));
            // Nothing is there to compare it with: what comes next will tell whether it was changed.
            self.follows = false;
        }
        if row.number < expected || self.follows && row.hash != row.hash_after(&self.last.hash) {
            self.fault(Fault::Changed(row.number));
        }
        self.follows = true;
        self.last = row.head();
        self.rows += 1;
        self.is_attested |= row.what == What::RowsRemoved.key() && row.reason == self.anchor.to_string();
        for known in self.known.iter_mut().filter(|known| known.head.number == row.number) {
            known.found = Some(row.hash);
        }
    }

    /// There are no more rows, and `head` was written down as the last.
    pub fn finish(mut self, head: Head) -> Verified {
        let last = self.last;
        if head.number > last.number {
            self.fault(Fault::Cut(last.number + 1, head.number));
        } else if head.number < last.number {
            self.fault(Fault::Uncounted(head.number + 1));
        } else if head.hash != last.hash {
            self.fault(Fault::Head(head.number));
        }
        if !self.is_attested {
            self.fault(Fault::Unattested(self.anchor.number));
        }
        let is_outdated = |known: &Known| known.found.is_none() && known.head.number < self.anchor.number;
        let outdated = self.known.iter().filter(|known| is_outdated(known)).map(|known| known.head).collect();
        let unknown = |known: &&Known| !is_outdated(known) && known.found != Some(known.head.hash);
        let unknown: Vec<_> = self.known.iter().filter(unknown).map(|known| known.head).collect();
        for head in unknown {
            self.fault(Fault::Unknown(head));
        }
        let Self { anchor, rows, faults, more, .. } = self;
        Verified { rows, anchor, head: last, outdated, faults, more }
    }

    fn fault(&mut self, fault: Fault) {
        if self.faults.len() < FAULTS_MAX {
            self.faults.push(fault);
        } else {
            self.more += 1;
        }
    }
}

impl Verified {
    /// Whether nothing is wrong.
    pub fn is_whole(&self) -> bool {
        self.faults.is_empty()
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Changed(number) => {
                write!(formatter, "row {number} is not what was written, or not behind what it was written behind")
            }
            Self::Missing(first, last) if first == last => write!(formatter, "row {first} is missing"),
            Self::Missing(first, last) => write!(formatter, "rows {first} to {last} are missing"),
            Self::Cut(first, last) if first == last => write!(formatter, "row {first}, the last, is missing"),
            Self::Cut(first, last) => write!(formatter, "rows {first} to {last}, the last, are missing"),
            Self::Uncounted(first) => write!(formatter, "the rows from {first} on were not written by Undertone"),
            Self::Head(number) => write!(formatter, "row {number}, the last, is another than was noted down"),
            Self::Unattested(number) => {
                write!(formatter, "the rows up to {number} were removed, and no row says that they were too old")
            }
            Self::Unknown(Head { number, hash }) => {
                write!(
                    formatter,
                    "there is no row {number} with the hash {hash}: the file is an older copy, another one, or was rewritten"
                )
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audit::{By, Event};

    const START: Head = Head { number: 0, hash: Hash([1; 32]) };

    fn event(number: u64) -> Event {
        Event::new(What::Refused, By::node()).with("number", number)
    }

    fn append(rows: &mut Vec<Row>, event: &Event, behind: Head) {
        let head = rows.last().map_or(behind, Row::head);
        rows.push(Row::seal(event, format!("2026-11-26T08:00:00.{:09}Z", head.number), &head));
    }

    /// A chain of ten.
    fn chain() -> Vec<Row> {
        let mut rows = Vec::new();
        (1..=10).for_each(|number| append(&mut rows, &event(number), START));
        rows
    }

    fn verify(anchor: Head, rows: &[Row], head: Head, known: &[Head]) -> Verified {
        let mut verifier = Verifier::new(anchor, known.iter().copied());
        for row in rows {
            verifier.row(row);
        }
        verifier.finish(head)
    }

    fn faults(rows: &[Row]) -> Vec<Fault> {
        verify(START, rows, chain()[9].head(), &[]).faults
    }

    #[test]
    fn a_chain_as_it_was_written_is_whole() {
        let rows = chain();
        let known = [START, rows[4].head(), rows[9].head()];
        let verified = verify(START, &rows, rows[9].head(), &known);
        assert!(verified.is_whole(), "{verified:?}");
        assert_eq!((verified.rows, verified.head, verified.outdated), (10, rows[9].head(), vec![]));
        assert!(verify(START, &[], START, &[START]).is_whole(), "and so is an empty one");
    }

    #[test]
    fn the_row_that_was_changed_is_named() {
        for at in 0..10 {
            let mut rows = chain();
            rows[at].reason = "nothing".into();
            assert_eq!(faults(&rows), [Fault::Changed(at as u64 + 1)]);
        }
        let mut rows = chain();
        rows[3].details = "{}".into();
        rows[3].hash = rows[3].hash_after(&rows[2].hash);
        assert_eq!(faults(&rows), [Fault::Changed(5)], "with a hash made anew it is the next that does not follow");
        rows[9].at = "2026-11-27T00:00:00.000000000Z".into();
        rows[9].hash = rows[9].hash_after(&rows[8].hash);
        assert_eq!(faults(&rows), [Fault::Changed(5), Fault::Head(10)], "and behind the last, the end");
    }

    #[test]
    fn rows_that_are_missing_are_named() {
        let without = |gone: std::ops::Range<usize>| {
            let mut rows = chain();
            rows.drain(gone);
            faults(&rows)
        };
        assert_eq!(without(0..1), [Fault::Missing(1, 1)]);
        assert_eq!(without(3..6), [Fault::Missing(4, 6)]);
        assert_eq!(without(9..10), [Fault::Cut(10, 10)]);
        assert_eq!(without(5..10), [Fault::Cut(6, 10)]);
        assert_eq!(without(0..10), [Fault::Cut(1, 10)]);
    }

    #[test]
    fn rows_that_were_moved_or_closed_up_are_named() {
        let mut rows = chain();
        rows.swap(2, 6);
        (rows[2].number, rows[6].number) = (3, 7);
        assert_eq!(faults(&rows), [3, 4, 7, 8].map(Fault::Changed));
        let mut rows = chain();
        rows.remove(4);
        rows[4..].iter_mut().for_each(|row| row.number -= 1);
        let expected: Vec<_> = (5..=9).map(Fault::Changed).chain([Fault::Cut(10, 10)]).collect();
        assert_eq!(faults(&rows), expected);
        let mut rows = chain();
        append(&mut rows, &event(11), START);
        assert_eq!(faults(&rows), [Fault::Uncounted(11)]);
    }

    #[test]
    fn a_chain_that_was_written_anew_is_known_by_a_head_that_was_kept() {
        let kept = chain()[6].head();
        let mut rows = chain()[..5].to_vec();
        (0..5).for_each(|_| append(&mut rows, &event(99), START));
        let verified = verify(START, &rows, rows[9].head(), &[]);
        assert!(verified.is_whole(), "without it nobody knows");
        assert_eq!(verify(START, &rows, rows[9].head(), &[kept]).faults, [Fault::Unknown(kept)]);
        let older = &chain()[..5];
        assert_eq!(verify(START, older, older[4].head(), &[kept]).faults, [Fault::Unknown(kept)], "an older copy");
        let other = Head { hash: Hash([2; 32]), ..START };
        assert_eq!(verify(other, &[], other, &[START]).faults, [Fault::Unknown(START)], "another chain");
    }

    #[test]
    fn rows_are_removed_from_the_front_by_a_row_that_says_so() {
        let mut rows = chain();
        let anchor = rows[3].head();
        append(&mut rows, &Event { reason: anchor.to_string(), ..Event::new(What::RowsRemoved, By::node()) }, START);
        let (old, known) = ([rows[0].head(), START], [rows[3].head(), rows[7].head()]);
        let verified = verify(anchor, &rows[4..], rows[10].head(), &[old, known].concat());
        assert!(verified.is_whole(), "{verified:?}");
        assert_eq!((verified.rows, verified.outdated), (7, old.to_vec()));
        // Further than it says.
        let further = rows[5].head();
        assert_eq!(verify(further, &rows[6..], rows[10].head(), &[]).faults, [Fault::Unattested(6)]);
        let wrong = Head { hash: Hash([9; 32]), ..anchor };
        let found = verify(wrong, &rows[4..], rows[10].head(), &[]).faults;
        assert_eq!(found, [Fault::Changed(5), Fault::Unattested(4)]);
    }

    #[test]
    fn of_many_faults_some_are_told_and_the_others_counted() {
        let mut rows = Vec::new();
        (1..=50).for_each(|number| append(&mut rows, &event(number), START));
        for row in &mut rows {
            row.mode = "barge".into();
        }
        let verified = verify(START, &rows, rows[49].head(), &[]);
        assert_eq!((verified.faults.len(), verified.more), (20, 30));
    }
}
