//! What peers send to the SIP element.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| undertone_fuzz::element(bytes));
