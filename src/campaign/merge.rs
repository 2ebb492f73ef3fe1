//! The shards of one run, put together.

use super::journal::{JournalError, JournalProblem, Results, differing};
use super::outcomes::Outcomes;
use super::verdicts::Tally;
use serde_json::Value;
use std::collections::BTreeMap;
use std::fmt::Write;
use std::ops::Range;
use std::path::{Path, PathBuf};
use thiserror::Error;

/// More images than any data set has: a header with more is damaged.
const MOST_IMAGES: usize = 1 << 31;

/// Why shards are not put together.
#[derive(Debug, Error)]
pub enum MergeError {
    /// A file cannot be read.
    #[error(transparent)]
    Read(#[from] JournalError),
    /// There is no file.
    #[error("no files to merge")]
    Nothing,
    /// Two files are of different runs.
    #[error("{}: is of another run than {}: it {problem}", path.display(), first.display())]
    Header {
        /// The file.
        path: PathBuf,
        /// The first file.
        first: PathBuf,
        /// What differs.
        problem: JournalProblem,
    },
    /// A header without the field, or with one that no run writes.
    #[error("{}:1: is no header of `absint certify`: `{field}` is missing or wrong", path.display())]
    Field {
        /// The file.
        path: PathBuf,
        /// The field.
        field: &'static str,
    },
    /// A line that names no image of the run.
    #[error("{}:{line}: is no result of an image of this run", path.display())]
    Image {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
    },
    /// Two results of one image that disagree.
    #[error("image {image}: {}:{line} disagrees with {}: {what}", path.display(), other.display())]
    Conflict {
        /// The image.
        image: usize,
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
        /// The file with the other result.
        other: PathBuf,
        /// What differs.
        what: String,
    },
}

/// The shards of one run, put together.
#[derive(Clone, Debug)]
pub struct Merged {
    /// The header of the whole run: that of the shards, without a shard.
    pub header: Value,
    /// The lines, by image.
    pub lines: BTreeMap<usize, Value>,
    /// The images of the run that no shard has, in order.
    pub missing: Vec<Range<usize>>,
}

impl Merged {
    /// The file of results that one run would have written, sorted by image.
    #[must_use]
    pub fn text(&self) -> String {
        let mut text = String::new();
        for line in std::iter::once(&self.header).chain(self.lines.values()) {
            // Writing to a string cannot fail.
            let _ = writeln!(text, "{line}");
        }
        text
    }

    /// What the results amount to.
    #[must_use]
    pub fn tally(&self) -> Tally {
        let mut tally = Tally::default();
        self.lines.values().for_each(|line| tally.add(line));
        tally
    }
}

/// Puts the results of one run together. Headers agree in everything but the shard; where two files have
/// the same image they agree in what they say of it; the first is kept.
///
/// # Errors
/// A [`MergeError`] that names the files.
pub fn merge<P: AsRef<Path>>(files: &[P]) -> Result<Merged, MergeError> {
    let mut found: BTreeMap<usize, (usize, Value)> = BTreeMap::new();
    let mut header = None;
    for (number, path) in files.iter().enumerate() {
        let path = path.as_ref();
        let Results { header: mut own, lines } = Results::read(path, "image")?;
        let images = images(&own, path)?;
        own["shard"] = Value::Null;
        match &header {
            None => header = Some((own, images.clone())),
            Some((first, _)) if *first != own => {
                let (path, first_path) = (path.to_owned(), files[0].as_ref().to_owned());
                return Err(MergeError::Header { path, first: first_path, problem: differing(&own, first) });
            }
            Some(_) => {}
        }
        for (line, result) in lines {
            let image = result["image"].as_u64().and_then(|i| usize::try_from(i).ok());
            let image = image.filter(|i| images.contains(i));
            let image = image.ok_or_else(|| MergeError::Image { path: path.to_owned(), line })?;
            match found.get(&image) {
                None => {
                    found.insert(image, (number, result));
                }
                Some((other, known)) if claim(known) != claim(&result) => {
                    let other = files[*other].as_ref().to_owned();
                    let what = format!("{} and {}", claim(&result), claim(known));
                    return Err(MergeError::Conflict { image, path: path.to_owned(), line, other, what });
                }
                Some(_) => {}
            }
        }
    }
    let (header, images) = header.ok_or(MergeError::Nothing)?;
    let mut missing = Vec::new();
    let mut next = images.start;
    for image in found.keys().copied().chain([images.end]) {
        if next < image {
            missing.push(next..image);
        }
        next = image + 1;
    }
    Ok(Merged { header, lines: found.into_iter().map(|(image, (_, line))| (image, line)).collect(), missing })
}

/// The images of the whole run.
fn images(header: &Value, path: &Path) -> Result<Range<usize>, MergeError> {
    let fail = |field| MergeError::Field { path: path.to_owned(), field };
    if header["command"] != "certify" {
        return Err(fail("command"));
    }
    let end = |i: usize| header["range"][i].as_u64().and_then(|end| usize::try_from(end).ok());
    match (end(0), end(1)) {
        (Some(start), Some(end)) if start < end && end <= MOST_IMAGES => Ok(start..end),
        _ => Err(fail("range")),
    }
}

/// What a result claims. Times differ from run to run, and the last digits of margins from processor to
/// processor.
fn claim(result: &Value) -> Value {
    let mut result = result.clone();
    if let Some(object) = result.as_object_mut() {
        object.retain(|field, _| ["label", "verdict", "predicted"].contains(&field.as_str()));
    }
    result
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;
    use std::fs;

    fn header(shard: [usize; 2]) -> Value {
        json!({"schema": 1, "command": "certify", "range": [10, 16], "shard": shard, "eps": "1/10"})
    }

    fn line(image: usize, time: f64) -> Value {
        json!({"image": image, "verdict": "verified", "margin": time / 3.0, "time_s": time})
    }

    fn write(path: &Path, lines: &[Value]) {
        fs::write(path, lines.iter().map(|l| format!("{l}\n")).collect::<String>()).unwrap();
    }

    #[test]
    fn shards_make_one_run_in_order_and_what_is_missing_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let (a, b) = (folder.path().join("a"), folder.path().join("b"));
        write(&a, &[header([1, 2]), line(14, 1.0), line(10, 2.0)]);
        write(&b, &[header([2, 2]), line(15, 1.0), line(11, 1.0), line(10, 3.0)]);
        let merged = merge(&[&a, &b]).unwrap();
        assert_eq!(merged.lines.keys().copied().collect::<Vec<_>>(), [10, 11, 14, 15]);
        assert_eq!(merged.missing.iter().cloned().flatten().collect::<Vec<_>>(), [12, 13]);
        assert_eq!((merged.tally().verified, merged.header["shard"].is_null()), (4, true));
        // The merged file is one that can be merged again.
        fs::write(&a, merged.text()).unwrap();
        assert_eq!(merge(&[&a, &b]).unwrap().text(), merged.text());
    }

    #[test]
    fn what_does_not_belong_together_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let (a, b) = (folder.path().join("a"), folder.path().join("b"));
        write(&a, &[header([1, 2]), line(10, 2.0)]);
        let refused = |lines: &[Value]| {
            write(&b, lines);
            merge(&[&a, &b]).unwrap_err().to_string()
        };
        let mut other = header([2, 2]);
        other["eps"] = "1/5".into();
        let error = refused(&[other]);
        assert!(error.contains("1/5") && error.contains("1/10") && !error.contains("range"), "{error}");
        let error = refused(&[header([2, 2]), json!({"image": 10, "verdict": "unknown", "time_s": 2.0})]);
        assert!(error.contains("image 10") && error.contains("b:2") && error.contains("unknown"), "{error}");
        assert!(refused(&[header([2, 2]), line(16, 1.0)]).contains("b:2"));
        assert!(refused(&[json!({"schema": 1, "command": "radius"})]).contains("command"));
        assert!(refused(&[json!({"schema": 1, "command": "certify"})]).contains("range"));
        for range in [json!([16, 10]), json!([10, 10]), json!([0, 1u64 << 60]), json!([-1, 3]), json!([0, 1e300])] {
            let mut other = header([2, 2]);
            other["range"] = range;
            assert!(refused(&[other]).contains("b:1: is no header of `absint certify`: `range`"));
        }
        assert!(merge::<PathBuf>(&[]).is_err());
    }
}
