//! Whatever the bytes are, reading them as a network ends in a network or in an error.

#![no_main]

#[path = "../../tests/common/readers.rs"]
#[allow(dead_code)]
mod readers;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| readers::onnx(bytes));
