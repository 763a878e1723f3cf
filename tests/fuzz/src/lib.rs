//! What must hold of any bytes. A body panics when it does not.
//!
//! The fuzzers run these bodies on bytes they make up; the test suite runs them on the files of `seeds` and
//! `regressions`, so that what was found once stays found.

#![forbid(unsafe_code)]

mod config;
mod datagram;
mod frame;
mod reception;
mod rewrite;

pub use config::config;
pub use datagram::datagram;
pub use reception::reception;
pub use rewrite::rewrite;
