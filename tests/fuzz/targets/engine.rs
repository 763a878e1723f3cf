//! Packets and orders on the path without XDP.
#![no_main]
#![forbid(unsafe_code)]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| undertone_fuzz::engine(bytes));
