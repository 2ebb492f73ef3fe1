//! The run over a data set: which images are open, several of them side by side, each result a line as soon as it is
//! there.

use super::journal::{Journal, JournalError};
use super::worker::{Worker, WorkerError};
use crate::analyze::deadline_within;
use crate::domains::budget::Budget;
use serde_json::Value;
use std::error::Error;
use std::path::Path;
use std::str::FromStr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// How much longer than its time limit an image may take before its thread is abandoned.
const GRACE: Duration = Duration::from_millis(500);

/// Why a run stops: one line that names the place and the mend.
pub type Failure = Box<dyn Error + Send + Sync>;

/// Part `index` (from 1) `of` so many of a run on several machines: every `of`-th image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shard {
    /// Which part, from 1.
    pub index: usize,
    /// Of how many.
    pub of: usize,
}

impl Shard {
    /// All of a run.
    pub const WHOLE: Self = Self { index: 1, of: 1 };
}

impl FromStr for Shard {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let parts = text.split_once('/').and_then(|(i, n)| Some((i.parse().ok()?, n.parse().ok()?)));
        match parts {
            Some((index, of)) if (1..=of).contains(&index) => Ok(Self { index, of }),
            _ => Err(format!("`{text}` is no shard; write `1/4`, `2/4`, `3/4` and `4/4` for four parts")),
        }
    }
}

/// A run over some images of a data set, as far as it came.
pub struct Campaign {
    journal: Option<Journal>,
    /// The lines of an earlier run.
    pub done: Vec<Value>,
    /// The images that are still to be done.
    pub open: Vec<usize>,
    /// Ends the run when it is cancelled: what is not done by then stays open.
    pub stop: Budget,
}

impl Campaign {
    /// Begins a run, or continues the one whose results are in a file where that is asked for; `out` is the file with
    /// its header.
    ///
    /// # Errors
    /// A [`JournalError`] that names the file.
    pub fn begin(
        images: impl Iterator<Item = usize>,
        out: Option<(&Path, &Value)>,
        resume: bool,
    ) -> Result<Self, JournalError> {
        let open = if resume { Journal::resume } else { Journal::create };
        let journal = out.map(|(path, header)| open(path, header, "image")).transpose()?;
        let (mut done, mut open) = (Vec::new(), Vec::new());
        for image in images {
            match journal.as_ref().and_then(|j| j.done().get(&image.to_string())) {
                Some(line) => done.push(line.clone()),
                None => open.push(image),
            }
        }
        Ok(Self { journal, done, open, stop: Budget::unlimited() })
    }

    /// Makes the line of each open image by `one`, so many of them side by side as `jobs` says (one per thread
    /// without), each with its own worker; writes it, then tells `told`. After an error the others finish what they
    /// have begun.
    ///
    /// # Errors
    /// The first error of `one` or of the file of results.
    pub fn run(
        &self,
        threads: usize,
        jobs: Option<usize>,
        one: impl Fn(usize, &mut Worker) -> Result<Value, Failure> + Sync,
        told: impl Fn(Value) + Sync,
    ) -> Result<(), Failure> {
        let jobs = jobs.unwrap_or(threads).min(self.open.len().max(1));
        let next = AtomicUsize::new(0);
        let failure = Mutex::new(None);
        let is_on = || !self.stop.is_cancelled();
        let work = |image: usize, worker: &mut Worker| -> Result<(), Failure> {
            let line = one(image, worker)?;
            if self.stop.is_cancelled() {
                return Ok(());
            }
            self.append(&line)?;
            told(line);
            Ok(())
        };
        std::thread::scope(|scope| {
            for _ in 0..jobs {
                scope.spawn(|| {
                    let mut worker = Worker::new(threads / jobs);
                    while let Some(&image) = self.open.get(next.fetch_add(1, Ordering::Relaxed)).filter(|_| is_on()) {
                        if let Err(error) = work(image, &mut worker) {
                            next.store(self.open.len(), Ordering::Relaxed);
                            failure.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(error);
                        }
                    }
                });
            }
        });
        failure.into_inner().unwrap_or_else(PoisonError::into_inner).map_or(Ok(()), Err)
    }

    /// Keeps the line of an image that was made elsewhere.
    ///
    /// # Errors
    /// That of the file of results.
    pub fn append(&self, line: &Value) -> Result<(), JournalError> {
        self.journal.as_ref().map_or(Ok(()), |journal| journal.append(line))
    }
}

/// What becomes of one image within the time limit: the outcome of `work`, or that it did not stop, or how it
/// failed. The budget of `work` is cancelled with `stop`.
///
/// # Errors
/// That of `work`, with the number of the image, or that the system gives no threads.
pub fn one_image<T: Send + 'static>(
    index: usize,
    (worker, stop): (&mut Worker, &Budget),
    timeout: Option<Duration>,
    work: impl FnOnce(&Budget) -> Result<T, Failure> + Send + 'static,
    abandoned: T,
    failed: fn(String) -> T,
) -> Result<T, Failure> {
    let budget = deadline_within(stop, timeout);
    match worker.run(timeout.map(|t| t.saturating_add(GRACE)), move || work(&budget)) {
        Ok(outcome) => outcome.map_err(|e| format!("image {index}: {e}").into()),
        Err(WorkerError::OutOfTime) => Ok(abandoned),
        Err(WorkerError::Panicked(message)) => Ok(failed(message)),
        Err(error @ (WorkerError::NoThreads(_) | WorkerError::TakesSubnormalsForZero)) => Err(error.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shards_are_read_or_refused() {
        assert_eq!("2/3".parse::<Shard>().unwrap(), Shard { index: 2, of: 3 });
        for bad in ["", "0/3", "4/3", "1", "1/0", "a/b"] {
            assert!(bad.parse::<Shard>().is_err(), "{bad}");
        }
    }
}
