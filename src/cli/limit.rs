//! The time limit of a command as a whole: whatever it reads and does counts, and nothing outlasts it for long.

use super::{CliResult, Exit, Format, Global};
use crate::campaign::{Worker, WorkerError};
use crate::report::SCHEMA;
use serde_json::json;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// How much longer than the time limit the work may take before its thread is abandoned.
const GRACE: Duration = Duration::from_millis(800);

/// What a command says, and what it tells the shell.
pub type Answer = (String, Exit);

/// What a command says of what it knows so far, should it be left behind: never more than that the rest is unknown.
#[derive(Clone, Default)]
pub struct SoFar(Arc<Mutex<Option<String>>>);

impl SoFar {
    /// Replaces what was said before.
    pub fn say(&self, text: String) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(text);
    }

    fn take(&self) -> Option<String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

/// Runs a command on threads of its own; when it does not stop in time, its answer is what it said so far, or that
/// nothing is known.
pub fn within(
    global: &Global,
    work: impl FnOnce(&Global, &SoFar) -> CliResult<Answer> + Send + 'static,
) -> CliResult<Answer> {
    let limit = global.timeout.map(|t| t.saturating_add(GRACE));
    let (shared, so_far) = (global.clone(), SoFar::default());
    let said = so_far.clone();
    match Worker::new(global.threads()).run(limit, move || work(&shared, &said)) {
        Err(WorkerError::OutOfTime) => Ok((so_far.take().unwrap_or_else(|| out_of_time(global.format)), Exit::Unknown)),
        outcome => outcome?,
    }
}

/// Reads what a command is about, on a thread that is left behind when the time for one image or query is up.
pub fn reading<T: Send + 'static>(
    global: &Global,
    read: impl FnOnce() -> CliResult<T> + Send + 'static,
) -> CliResult<T> {
    let limit = global.timeout.map(|t| t.saturating_add(GRACE));
    match Worker::new(global.threads()).run(limit, read) {
        Err(WorkerError::OutOfTime) => {
            Err("the files were not read within --timeout, which holds for reading too; give it more seconds".into())
        }
        outcome => outcome?,
    }
}

fn out_of_time(format: Format) -> String {
    match format {
        Format::Text => "unknown: out of time".into(),
        Format::Json => json!({"schema": SCHEMA, "verdict": "unknown", "out_of_time": true}).to_string(),
    }
}
