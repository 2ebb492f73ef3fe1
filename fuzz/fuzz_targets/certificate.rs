//! Whatever the texts are, checking a certificate ends, and no query with an unsafe input has one that is accepted.

#![no_main]

#[path = "../../tests/common/readers.rs"]
#[allow(dead_code)]
mod readers;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| readers::certificate(bytes));
