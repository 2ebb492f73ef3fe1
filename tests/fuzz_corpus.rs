//! The corpus of the fuzz targets in `fuzz/`, read again by the stable compiler: what fuzzing has found
//! stays found.

#![allow(clippy::unwrap_used, clippy::expect_used)]

#[path = "common/readers.rs"]
mod readers;

use proptest::prelude::*;
use proptest::sample::Index;
use proptest::test_runner::{Config, TestRunner};
use std::path::{Path, PathBuf};

/// The files of a target's folder.
fn corpus(target: &str) -> Vec<(PathBuf, Vec<u8>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fuzz_corpus").join(target);
    let mut files: Vec<PathBuf> = std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files.into_iter().map(|path| (path.clone(), std::fs::read(path).unwrap())).collect()
}

/// Every file of a target's folder, one after the other, and then changed ones: as many as `PROPTEST_CASES` says.
fn replay(target: &str, read: fn(&[u8])) {
    let files = corpus(target);
    assert!(files.len() > 5, "{target}: the corpus is missing");
    for (path, bytes) in &files {
        if let Err(panic) = std::panic::catch_unwind(|| read(bytes)) {
            panic!("{}: {:?}", path.display(), panic.downcast_ref::<String>());
        }
    }
    let edit = (any::<Index>(), any::<Index>(), 0..6u8, any::<u8>());
    let edits = (any::<Index>(), prop::collection::vec(edit, 1..6));
    let config = Config { failure_persistence: None, ..Config::default() };
    let outcome = TestRunner::new(config).run(&edits, |(file, edits)| {
        let mut bytes = file.get(&files).1.clone();
        for (at, other, kind, value) in edits {
            let at = at.index(bytes.len() + 1);
            let stranger = &other.get(&files).1;
            match (kind, bytes.get_mut(at)) {
                (0, Some(byte)) => *byte = value,
                (1, Some(byte)) => *byte ^= 1 << (value % 8),
                (2, Some(_)) => drop(bytes.drain(at..(at + usize::from(value % 8)).min(bytes.len()))),
                (3, _) => bytes.truncate(at),
                (4, _) => drop(bytes.splice(at..at, stranger.iter().take(usize::from(value)).copied())),
                _ => drop(bytes.splice(at.., stranger.iter().skip(at).copied())),
            }
        }
        read(&bytes);
        Ok(())
    });
    assert!(outcome.is_ok(), "{target}: {outcome:?}");
}

#[test]
fn onnx_models() {
    replay("onnx", readers::onnx);
}

#[test]
fn activation_pattern_trees() {
    replay("patterns", readers::patterns);
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
fn certificates() {
    replay("certificate", readers::certificate);
}

#[test]
fn proofs() {
    replay("proof", readers::proof);
}
