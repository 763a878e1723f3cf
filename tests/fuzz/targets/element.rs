//! What peers send to the SIP element.
#![no_main]
#![forbid(unsafe_code)]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| undertone_fuzz::element(bytes));
