//! Files of results that an interrupted run continues.

use serde_json::Value;
use std::collections::BTreeMap;
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom, Write};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use thiserror::Error;

/// A file of results that an interrupted run can continue: a header line, then one JSON object per
/// finished item, each written whole as soon as it is there.
///
/// The header binds what the results depend on (network, data, options, version): a file with another
/// header is never continued. A last line that was cut off is dropped, and its item done again. The file
/// is locked for as long as it is open, so that two runs cannot mix.
#[derive(Debug)]
pub struct Journal {
    path: PathBuf,
    key_field: String,
    file: Mutex<File>,
    done: BTreeMap<String, Value>,
}

/// Why results cannot be written, or an earlier run not be continued.
#[derive(Debug, Error)]
#[error("{}{}: {problem}", path.display(), line.map(|l| format!(":{l}")).unwrap_or_default())]
pub struct JournalError {
    /// The file.
    pub path: PathBuf,
    /// The line, from 1, where there is one.
    pub line: Option<usize>,
    /// What is wrong.
    #[source]
    pub problem: JournalProblem,
}

/// What may be wrong with a file of results.
#[derive(Debug, Error)]
pub enum JournalProblem {
    /// The file system refused.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// The file exists and nobody asked to continue it.
    #[error("exists; add --resume to continue it, or move it away to start again")]
    Exists,
    /// Another process has it open.
    #[error("another run is writing to it")]
    Locked,
    /// Its first line is another header.
    #[error("was made with {found}, this run has {expected}; run with those options, or move it away to start again")]
    Header {
        /// What the file was made with: the fields that differ.
        found: String,
        /// The same fields of this run.
        expected: String,
    },
    /// It does not begin with a header line at all.
    #[error("is not a file of results: its first line is no header; name another file")]
    NoHeader,
    /// A line in the middle is damaged.
    #[error("is damaged: the line is no JSON object with the field `{0}`; remove the line to have its item done again")]
    Line(String),
    /// A result without its key.
    #[error("a result has no field `{0}`")]
    Key(String),
}

impl Journal {
    /// Starts a file, which must not exist or be empty. `key_field` is the field of each result that
    /// tells items apart, such as `image`.
    ///
    /// # Errors
    /// A [`JournalError`] that names the file.
    pub fn create(path: &Path, header: &Value, key_field: &str) -> Result<Self, JournalError> {
        Self::open(path, header, key_field, false)
    }

    /// Continues a file that was made with the same header; starts it where there is none.
    ///
    /// # Errors
    /// A [`JournalError`] that names the file and, where it is damaged, the line.
    pub fn resume(path: &Path, header: &Value, key_field: &str) -> Result<Self, JournalError> {
        Self::open(path, header, key_field, true)
    }

    fn open(path: &Path, header: &Value, key_field: &str, may_continue: bool) -> Result<Self, JournalError> {
        let fail = |line, problem| JournalError { path: path.to_owned(), line, problem };
        let io = |e: io::Error| fail(None, e.into());
        // A device or a pipe has no end, or keeps nothing.
        if std::fs::metadata(path).is_ok_and(|m| !m.is_file()) {
            return Err(io(io::Error::other("is no file; name one")));
        }
        let mut file = OpenOptions::new().read(true).append(true).create(true).open(path).map_err(io)?;
        file.try_lock().map_err(|e| match e {
            TryLockError::WouldBlock => fail(None, JournalProblem::Locked),
            TryLockError::Error(e) => io(e),
        })?;
        let mut text = Vec::new();
        file.read_to_end(&mut text).map_err(io)?;
        if !text.is_empty() && !may_continue {
            return Err(fail(None, JournalProblem::Exists));
        }
        let header_line = format!("{header}\n");
        let mut done = BTreeMap::new();
        match text.iter().rposition(|&b| b == b'\n') {
            // Not even the header was finished: begin again, unless it is something else altogether.
            None if !header_line.as_bytes().starts_with(&text) => return Err(fail(Some(1), JournalProblem::NoHeader)),
            None => {
                file.set_len(0).map_err(io)?;
                file.write_all(header_line.as_bytes()).map_err(io)?;
            }
            Some(end) => {
                let mut lines = text[..end].split(|&b| b == b'\n').enumerate();
                let first = lines.next().and_then(|(_, line)| serde_json::from_slice::<Value>(line).ok());
                match first {
                    Some(Value::Object(_)) if first.as_ref() == Some(header) => {}
                    Some(found @ Value::Object(_)) => return Err(fail(Some(1), differing(&found, header))),
                    _ => return Err(fail(Some(1), JournalProblem::NoHeader)),
                }
                let mut halves = Vec::new();
                for (number, line) in lines {
                    let (half, key, result) = keyed(line, key_field)
                        .ok_or_else(|| fail(Some(number + 1), JournalProblem::Line(key_field.into())))?;
                    if half > 0 {
                        // Lines lie in `text`, one after the other.
                        let start = line.as_ptr() as usize - text.as_ptr() as usize;
                        halves.push(start..start + half);
                    }
                    done.insert(key, result);
                }
                blank(path, &halves).map_err(io)?;
                file.set_len(end as u64 + 1).map_err(io)?;
            }
        }
        file.seek(SeekFrom::End(0)).map_err(io)?;
        Ok(Self { path: path.to_owned(), key_field: key_field.into(), file: Mutex::new(file), done })
    }

    /// The results that were there when the file was opened, by their key.
    #[must_use]
    pub fn done(&self) -> &BTreeMap<String, Value> {
        &self.done
    }

    /// True when the item with that key was finished before.
    #[must_use]
    pub fn has(&self, key: impl ToString) -> bool {
        self.done.contains_key(&key.to_string())
    }

    /// Writes a result as a line of its own; it is in the file when this returns. Of a line that does not fit on the
    /// disk nothing stays.
    ///
    /// # Errors
    /// A [`JournalError`] when the file system refuses or the result lacks its key.
    pub fn append(&self, result: &Value) -> Result<(), JournalError> {
        let fail = |problem| JournalError { path: self.path.clone(), line: None, problem };
        if key(result, &self.key_field).is_none() {
            return Err(fail(JournalProblem::Key(self.key_field.clone())));
        }
        let line = format!("{result}\n");
        // A lock is poisoned by a panic between whole lines, or within one that the next resume drops.
        let mut file = self.file.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let whole = file.metadata().map_err(|e| fail(e.into()))?.len();
        file.write_all(line.as_bytes()).and_then(|()| file.flush()).map_err(|e| {
            // Where even this fails, the next resume heals the line.
            let _ = file.set_len(whole);
            fail(e.into())
        })
    }
}

/// A file of results as it was left, without its last line where that was cut off.
#[derive(Clone, Debug)]
pub struct Results {
    /// The header.
    pub header: Value,
    /// The results, in the order of the file, each with the number of its line, from 1.
    pub lines: Vec<(usize, Value)>,
}

impl Results {
    /// Reads a file, whether a run is writing to it or not.
    ///
    /// # Errors
    /// A [`JournalError`] that names the file and, where it is damaged, the line.
    pub fn read(path: &Path, key_field: &str) -> Result<Self, JournalError> {
        let fail = |line, problem| JournalError { path: path.to_owned(), line, problem };
        let mut file = BufReader::new(File::open(path).map_err(|e| fail(None, e.into()))?);
        let (mut header, mut lines, mut line) = (None, Vec::new(), Vec::new());
        for number in 1.. {
            line.clear();
            file.by_ref().take(LONGEST_LINE).read_until(b'\n', &mut line).map_err(|e| fail(None, e.into()))?;
            let is_whole = line.pop_if(|end| *end == b'\n').is_some();
            if !is_whole && (line.len() as u64) < LONGEST_LINE {
                // The file's end, or half a result.
                break;
            }
            match &header {
                None => {
                    let read = serde_json::from_slice(&line).ok().filter(Value::is_object);
                    header = Some(read.ok_or_else(|| fail(Some(1), JournalProblem::NoHeader))?);
                }
                Some(_) => match is_whole.then(|| keyed(&line, key_field)).flatten() {
                    Some((_, _, result)) => lines.push((number, result)),
                    None => return Err(fail(Some(number), JournalProblem::Line(key_field.into()))),
                },
            }
        }
        let header = header.ok_or_else(|| fail(Some(1), JournalProblem::NoHeader))?;
        Ok(Self { header, lines })
    }
}

/// No line is longer: what never ends is no file of results.
const LONGEST_LINE: u64 = 1 << 26;

/// A line's result with its key, and how many bytes in front of it are half a result: when a disk was full for a moment,
/// the next result stands behind it in the same line. The half is nobody's, its item will be done again.
fn keyed(line: &[u8], field: &str) -> Option<(usize, String, Value)> {
    let starts = line.windows(2).enumerate().skip(1).filter(|(_, pair)| pair == br#"{""#).map(|(start, _)| start);
    std::iter::once(0).chain(starts).find_map(|start| {
        let result = serde_json::from_slice(&line[start..]).ok()?;
        Some((start, key(&result, field)?, result))
    })
}

/// Writes blanks over halves of results, which any reader of JSON lines skips; wherever this stops, it can be done
/// again.
fn blank(path: &Path, halves: &[Range<usize>]) -> io::Result<()> {
    if halves.is_empty() {
        return Ok(());
    }
    // The journal itself can only write at its end.
    let mut file = OpenOptions::new().write(true).open(path)?;
    for half in halves {
        file.seek(SeekFrom::Start(half.start as u64))?;
        file.write_all(&vec![b' '; half.len()])?;
    }
    Ok(())
}

/// The key of a result: a string as it is, any other value as JSON writes it.
fn key(result: &Value, field: &str) -> Option<String> {
    match result.as_object()?.get(field)? {
        Value::Null => None,
        Value::String(text) => Some(text.clone()),
        other => Some(other.to_string()),
    }
}

/// The fields in which two headers differ.
pub(super) fn differing(found: &Value, expected: &Value) -> JournalProblem {
    let empty = serde_json::Map::new();
    let (a, b) = (found.as_object().unwrap_or(&empty), expected.as_object().unwrap_or(&empty));
    let mut fields: Vec<&String> = a.keys().chain(b.keys().filter(|k| !a.contains_key(*k))).collect();
    fields.retain(|field| a.get(*field) != b.get(*field));
    let show = |side: &serde_json::Map<String, Value>| {
        let of = |field: &&String| format!("{field} = {}", side.get(*field).unwrap_or(&Value::Null));
        fields.iter().map(of).collect::<Vec<_>>().join(", ")
    };
    JournalProblem::Header { found: show(a), expected: show(b) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;
    use std::fs;

    fn header() -> Value {
        json!({"schema": 1, "network": "0123", "options": {"k": 3}})
    }

    fn result(image: usize) -> Value {
        json!({"image": image, "eps": 0.1 * image as f64, "note": "näher"})
    }

    fn write(path: &Path, images: std::ops::Range<usize>) {
        let journal = Journal::resume(path, &header(), "image").unwrap();
        for image in images {
            assert!(!journal.has(image));
            journal.append(&result(image)).unwrap();
        }
    }

    #[test]
    fn a_file_cut_off_at_any_byte_is_healed_and_ends_up_the_same() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("results.jsonl");
        write(&path, 0..4);
        let whole = fs::read(&path).unwrap();
        for length in 0..=whole.len() {
            fs::write(&path, &whole[..length]).unwrap();
            let journal = Journal::resume(&path, &header(), "image").unwrap();
            let lines = whole[..length].iter().filter(|&&b| b == b'\n').count();
            assert_eq!(journal.done().len(), lines.saturating_sub(1), "cut at {length}");
            for (key, found) in journal.done() {
                assert_eq!(found, &result(key.parse().unwrap()));
            }
            for image in (0..4).filter(|&i| !journal.has(i)) {
                journal.append(&result(image)).unwrap();
            }
            drop(journal);
            assert_eq!(fs::read(&path).unwrap(), whole, "cut at {length}");
        }
    }

    #[test]
    fn another_header_is_refused_and_the_file_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("results.jsonl");
        write(&path, 0..2);
        let whole = fs::read(&path).unwrap();
        let other = json!({"schema": 1, "network": "4567", "options": {"k": 3}});
        let error = Journal::resume(&path, &other, "image").unwrap_err().to_string();
        assert!(error.contains("results.jsonl:1") && error.contains("0123") && error.contains("4567"), "{error}");
        assert!(!error.contains("schema"), "only what differs: {error}");
        let error = Journal::create(&path, &header(), "image").unwrap_err();
        assert!(matches!(error.problem, JournalProblem::Exists));
        assert_eq!(fs::read(&path).unwrap(), whole);
    }

    #[test]
    fn what_is_no_file_of_results_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("notes.txt");
        for text in ["dear diary", "dear diary\nmore\n", "[1]\n", "\n"] {
            fs::write(&path, text).unwrap();
            let error = Journal::resume(&path, &header(), "image").unwrap_err();
            assert!(matches!(error.problem, JournalProblem::NoHeader), "{error}");
            assert_eq!(fs::read_to_string(&path).unwrap(), text);
        }
        for line in ["{\"imag", "{\"eps\":1}", "3", "\u{FFFD}"] {
            let text = format!("{}\n{line}\n{}\n", header(), result(7));
            fs::write(&path, &text).unwrap();
            let error = Journal::resume(&path, &header(), "image").unwrap_err();
            assert!(error.to_string().contains("notes.txt:2"), "{error}");
            assert_eq!(fs::read_to_string(&path).unwrap(), text);
        }
        let nowhere = folder.path().join("no/such/folder.jsonl");
        assert!(Journal::create(&nowhere, &header(), "image").unwrap_err().to_string().contains("folder.jsonl"));
    }

    #[test]
    fn half_a_result_with_another_glued_to_it_is_healed_wherever_it_was_cut() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("results.jsonl");
        let half = result(1).to_string();
        for length in 1..=half.len() {
            fs::write(
                &path,
                format!("{}\n{}\n{}{}\n", header(), result(0), &half[..half.floor_char_boundary(length)], result(2)),
            )
            .unwrap();
            assert_eq!(Results::read(&path, "image").unwrap().lines.len(), 2);
            write(&path, 1..2);
            let text = fs::read_to_string(&path).unwrap();
            // Now every line is JSON for everybody.
            let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
            assert_eq!(lines, [header(), result(0), result(2), result(1)], "cut at {length}");
        }
    }

    #[cfg(unix)]
    #[test]
    fn a_device_is_no_file_of_results() {
        let error = Journal::create(Path::new("/dev/null"), &header(), "image").unwrap_err();
        assert!(error.to_string().starts_with("/dev/null: "), "{error}");
    }

    #[test]
    fn two_runs_cannot_mix() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("results.jsonl");
        let first = Journal::create(&path, &header(), "image").unwrap();
        let error = Journal::resume(&path, &header(), "image").unwrap_err();
        assert!(matches!(error.problem, JournalProblem::Locked), "{error}");
        assert!(matches!(first.append(&json!({"eps": 1})).unwrap_err().problem, JournalProblem::Key(_)));
        drop(first);
        Journal::resume(&path, &header(), "image").unwrap();
    }
}
