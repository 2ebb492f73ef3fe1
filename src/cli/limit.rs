//! The time limit of a command as a whole: whatever it reads and does counts, and nothing outlasts it for long.

use super::{CliResult, Exit, Format, Global};
use crate::campaign::{Worker, WorkerError};
use crate::report::SCHEMA;
use serde_json::json;
use std::time::Duration;

/// How much longer than the time limit the work may take before its thread is abandoned.
const GRACE: Duration = Duration::from_millis(800);

/// What a command says, and what it tells the shell.
pub type Answer = (String, Exit);

/// Runs a command on threads of its own; when it does not stop in time, its answer is that nothing is known.
pub fn within(global: &Global, work: impl FnOnce(&Global) -> CliResult<Answer> + Send + 'static) -> CliResult<Answer> {
    let limit = global.timeout.map(|t| t.saturating_add(GRACE));
    let shared = global.clone();
    match Worker::new(global.threads()).run(limit, move || work(&shared)) {
        Err(WorkerError::OutOfTime) => Ok((out_of_time(global.format), Exit::Unknown)),
        outcome => outcome?,
    }
}

fn out_of_time(format: Format) -> String {
    match format {
        Format::Text => "unknown: out of time".into(),
        Format::Json => json!({"schema": SCHEMA, "verdict": "unknown", "out_of_time": true}).to_string(),
    }
}
