//! libFuzzer's way into [`fuzz::search`].
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| fuzz::search(bytes));
