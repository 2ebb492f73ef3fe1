//! Whatever the text is, reading it as VNN-LIB ends in a query or in an error.

#![no_main]

#[path = "../../tests/common/readers.rs"]
#[allow(dead_code)]
mod readers;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| readers::vnnlib(bytes));
