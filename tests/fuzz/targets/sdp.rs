//! Descriptions of sessions, and bodies of several parts.
#![no_main]
#![forbid(unsafe_code)]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| undertone_fuzz::sdp(bytes));
