//! Whatever the text is, reading it as an activation pattern tree ends in a tree or in an error.

#![no_main]

#[path = "../../tests/common/readers.rs"]
#[allow(dead_code)]
mod readers;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| readers::patterns(bytes));
