//! Sound, orders and time for the mixer.
#![no_main]
#![forbid(unsafe_code)]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| undertone_fuzz::mixer(bytes));
