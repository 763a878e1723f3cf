//! What is counted, beside what is told.

/// Counters, from the start on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Messages from addresses that are no peer's.
    pub strangers: u64,
    /// Messages that could not be read.
    pub malformed: u64,
    /// Requests that came, repetitions not counted.
    pub requests: u64,
    /// Responses that came.
    pub responses: u64,
    /// Responses to nothing that is known.
    pub strays: u64,
    /// Calls that began.
    pub calls: u64,
    /// Calls that were answered.
    pub answered: u64,
    /// Calls that were refused before any peer was tried.
    pub refused: u64,
    /// Calls that went on to another peer after a failure.
    pub failovers: u64,
    /// Second answers of forked calls, which were ended.
    pub forks: u64,
    /// Calls that ended because no media came.
    pub silent: u64,
    /// Calls without a free media port.
    pub no_port: u64,
}
