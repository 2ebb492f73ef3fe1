//! The corpus of the fuzz targets in `fuzz/`, read again by the stable compiler: what fuzzing has found
//! stays found.

#![allow(clippy::unwrap_used, clippy::expect_used)]

#[path = "common/readers.rs"]
mod readers;

use std::path::Path;

/// Every file of a target's folder, one after the other.
fn replay(target: &str, read: fn(&[u8])) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fuzz_corpus").join(target);
    let mut files = 0;
    for entry in std::fs::read_dir(&folder).unwrap() {
        let path = entry.unwrap().path();
        let bytes = std::fs::read(&path).unwrap();
        if let Err(panic) = std::panic::catch_unwind(|| read(&bytes)) {
            panic!("{}: {:?}", path.display(), panic.downcast_ref::<String>());
        }
        files += 1;
    }
    assert!(files > 5, "{target}: the corpus is missing");
}

#[test]
fn onnx_models() {
    replay("onnx", readers::onnx);
}

#[test]
fn vnnlib_queries() {
    replay("vnnlib", readers::vnnlib);
}

#[test]
fn json_queries() {
    replay("json_query", readers::json_query);
}

#[test]
fn images() {
    replay("images", readers::images);
}

#[test]
fn proofs() {
    replay("proof", readers::proof);
}
