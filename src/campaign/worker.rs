//! Threads for one task at a time, which keep its deadline even where it does not.

use rayon::{ThreadPool, ThreadPoolBuilder};
use std::any::Any;
use std::hint::black_box;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::thread;
use std::time::Duration;
use thiserror::Error;

/// Stack of a worker's threads in bytes, that of a main thread.
const STACK: usize = 8 << 20;

/// Threads of their own for one task at a time, which can be left behind when a task does not stop.
///
/// Tasks that run side by side, each on its own worker, never take each other's work: in one common pool
/// a thread that waits for a part of its task would begin another task meanwhile, and the first would
/// answer late however little work it has.
#[derive(Debug)]
pub struct Worker {
    threads: usize,
    pool: Option<ThreadPool>,
}

/// Why a task has no result.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum WorkerError {
    /// It did not stop in time; its thread was abandoned.
    #[error("out of time")]
    OutOfTime,
    /// It panicked.
    #[error("internal error, please report it: {0}")]
    Panicked(String),
    /// The system gives no threads.
    #[error("no thread can be started: {0}")]
    NoThreads(String),
    /// The calling thread, whose mode new threads inherit, takes subnormal numbers for zero: roundings would be wrong.
    #[error(
        "this thread takes subnormal numbers for zero, which bounds must not; switch that off first \
         (in PyTorch: torch.set_flush_denormal(False))"
    )]
    TakesSubnormalsForZero,
}

impl Worker {
    /// A worker of so many threads (at least one); they start with the first task.
    #[must_use]
    pub fn new(threads: usize) -> Self {
        Self { threads: threads.max(1), pool: None }
    }

    /// Runs a task and waits for its result, for at most `limit`.
    ///
    /// # Errors
    /// A [`WorkerError`]. The worker can be used again after any of them.
    pub fn run<T: Send + 'static>(
        &mut self,
        limit: Option<Duration>,
        task: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, WorkerError> {
        let mut started = self.start(task)?;
        let outcome = started.wait(limit).unwrap_or(Err(WorkerError::OutOfTime));
        if !matches!(outcome, Err(WorkerError::OutOfTime)) {
            self.pool = Some(started.pool);
        }
        outcome
    }

    /// Begins a task, for those who look after something else while it runs.
    ///
    /// # Errors
    /// [`WorkerError::NoThreads`] and [`WorkerError::TakesSubnormalsForZero`].
    pub fn start<T: Send + 'static>(
        &mut self,
        task: impl FnOnce() -> T + Send + 'static,
    ) -> Result<Started<T>, WorkerError> {
        let pool = match self.pool.take() {
            Some(pool) => pool,
            None => {
                if black_box(f64::MIN_POSITIVE) / black_box(2.0) == 0.0 {
                    return Err(WorkerError::TakesSubnormalsForZero);
                }
                let builder = ThreadPoolBuilder::new().num_threads(self.threads).stack_size(STACK);
                builder.build().map_err(|e| WorkerError::NoThreads(e.to_string()))?
            }
        };
        let (sender, receiver) = sync_channel(1);
        pool.spawn(move || {
            // Whoever abandoned the task does not listen any more.
            let _ = sender.send(catch_unwind(AssertUnwindSafe(task)));
        });
        Ok(Started { pool, receiver })
    }
}

/// A task that has begun. Dropped before it is over, it is abandoned: its threads end by themselves once it does.
#[derive(Debug)]
pub struct Started<T> {
    pool: ThreadPool,
    receiver: Receiver<thread::Result<T>>,
}

impl<T> Started<T> {
    /// Waits for the result, for at most `limit`; `None` while there is none. There is one only once.
    #[must_use]
    pub fn wait(&mut self, limit: Option<Duration>) -> Option<Result<T, WorkerError>> {
        let received = match limit {
            Some(limit) => self.receiver.recv_timeout(limit),
            None => self.receiver.recv().map_err(|_| RecvTimeoutError::Disconnected),
        };
        match received {
            Ok(outcome) => Some(outcome.map_err(|panic| WorkerError::Panicked(message(&*panic)))),
            Err(RecvTimeoutError::Timeout) => None,
            Err(RecvTimeoutError::Disconnected) => Some(Err(WorkerError::Panicked("the task vanished".into()))),
        }
    }
}

fn message(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|s| (*s).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_else(|| "unknown panic".into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc::channel;

    #[test]
    fn a_task_runs_on_the_threads_of_its_worker() {
        let mut worker = Worker::new(2);
        for i in 0..3 {
            assert_eq!(worker.run(None, move || (i, rayon::current_num_threads())), Ok((i, 2)));
        }
    }

    #[test]
    fn a_task_that_does_not_stop_is_abandoned_and_the_next_one_runs() {
        let mut worker = Worker::new(1);
        let (release, wait) = channel::<()>();
        let stuck = worker.run(Some(Duration::from_millis(5)), move || wait.recv().is_ok());
        assert_eq!(stuck, Err(WorkerError::OutOfTime));
        assert_eq!(worker.run(None, || 7), Ok(7));
        drop(release);
    }

    #[test]
    fn a_panic_is_an_error_and_the_next_task_runs() {
        let mut worker = Worker::new(1);
        let failed = worker.run(None, || {
            if rayon::current_num_threads() > 0 {
                panic!("on purpose")
            }
        });
        assert_eq!(failed, Err(WorkerError::Panicked("on purpose".into())));
        assert_eq!(worker.run(Some(Duration::from_secs(60)), || 8), Ok(8));
    }
}
