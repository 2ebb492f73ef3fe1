//! Whatever the texts are, checking a proof of a formula ends, and no formula that has a solution is refuted.

#![no_main]

#[path = "../../tests/common/readers.rs"]
#[allow(dead_code)]
mod readers;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| readers::proof(bytes));
