//! libFuzzer's way into [`fuzz::normalise`].
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| fuzz::normalise(bytes));
