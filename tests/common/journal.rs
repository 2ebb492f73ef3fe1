//! What commands leave in files of results, and what they say when they refuse.

use serde_json::Value;
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;

/// The error of a refused command.
pub fn refused(command: &mut Command) -> String {
    let output = command.output().unwrap();
    let error = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{error}");
    assert!(output.stdout.is_empty(), "{error}");
    error
}

/// The header, and the results by image without their times.
pub fn results(path: &Path) -> (Value, BTreeMap<u64, Value>) {
    let text = fs::read_to_string(path).unwrap();
    assert!(text.ends_with('\n'));
    let mut lines = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let header = lines.next().unwrap();
    let mut results = BTreeMap::new();
    for mut line in lines {
        assert!(line.as_object_mut().unwrap().remove("time_s").unwrap().is_f64());
        let before = results.insert(line["image"].as_u64().unwrap(), line);
        assert!(before.is_none(), "image twice: {before:?}");
    }
    (header, results)
}
