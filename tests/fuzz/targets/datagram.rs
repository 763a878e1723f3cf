//! Frames as they come from a network.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| undertone_fuzz::datagram(bytes));
