//! Work beside the interpreter: without its lock, on threads that Ctrl-C leaves behind.

use crate::error::internal;
use absint::campaign::{Worker, WorkerError};
use absint::domains::budget::Budget;
use pyo3::prelude::*;
use std::time::{Duration, Instant};

/// How often the interpreter is asked for signals.
const TICK: Duration = Duration::from_millis(100);

/// How much longer than its time limit a task may take before its threads are abandoned.
const GRACE: Duration = Duration::from_millis(800);

/// Runs a task on so many threads, for `limit` and a little; `None` when it did not stop by then. A signal that raises,
/// such as Ctrl-C, cancels `budget` and leaves the task behind.
pub fn run<T: Send + 'static>(
    py: Python<'_>,
    (threads, limit): (usize, Option<Duration>),
    budget: &Budget,
    task: impl FnOnce() -> T + Send + 'static,
) -> PyResult<Option<T>> {
    let end = limit.and_then(|limit| Instant::now().checked_add(limit.saturating_add(GRACE)));
    let mut started = Worker::new(threads).start(task).map_err(internal)?;
    loop {
        let left = end.map_or(TICK, |end| end.saturating_duration_since(Instant::now()));
        match py.detach(|| started.wait(Some(left.min(TICK)))) {
            Some(Ok(done)) => return Ok(Some(done)),
            Some(Err(WorkerError::OutOfTime)) => return Ok(None),
            Some(Err(error)) => return Err(internal(error)),
            None => {}
        }
        py.check_signals().inspect_err(|_| budget.cancel())?;
        if left.is_zero() {
            budget.cancel();
            return Ok(None);
        }
    }
}
