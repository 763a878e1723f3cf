//! Descriptions of sessions, and bodies of several parts.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| undertone_fuzz::sdp(bytes));
