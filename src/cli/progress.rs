//! Bars and lines of progress on stderr.

use crate::campaign::Outcomes;
use crate::domains::observer::{Event, Observer};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde_json::Value;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// A spinner on stderr (only on a terminal) that says what is being done.
pub struct Progress {
    bar: ProgressBar,
    lps: AtomicUsize,
}

impl Progress {
    pub fn new(quiet: bool) -> Self {
        let target = if quiet { ProgressDrawTarget::hidden() } else { ProgressDrawTarget::stderr() };
        let bar = ProgressBar::with_draw_target(None, target);
        if let Ok(style) = ProgressStyle::with_template("{spinner} {elapsed} {prefix}{msg}") {
            bar.set_style(style);
        }
        bar.enable_steady_tick(Duration::from_millis(120));
        Self { bar, lps: AtomicUsize::new(0) }
    }

    /// What stands before the messages from now on, such as how many queries are done.
    pub fn note(&self, text: &str) {
        tracing::info!("{text}");
        self.bar.set_prefix(format!("{text}  "));
    }
}

impl Observer for Progress {
    fn event(&self, event: Event<'_>) {
        match event {
            Event::Stage(name) => {
                tracing::info!("stage {name}");
                self.bar.set_message(name.to_owned());
            }
            Event::Nodes { done, total } => self.bar.set_message(format!("node {done} of {total}")),
            Event::Lp { form, bound, rows, new_cuts } => {
                let solved = self.lps.fetch_add(1, Ordering::Relaxed) + 1;
                tracing::info!(form, bound, rows, new_cuts, "linear program {solved}");
                self.bar.set_message(format!("linear program {solved}: {rows} rows, bound {bound:.4}"));
            }
            Event::Search { open, closed, bound } => {
                tracing::debug!(open, closed, bound, "search");
                self.bar.set_message(format!("search: {open} cases open, {closed} closed, bound {bound:.4}"));
            }
            Event::Candidate { .. } => {}
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}

/// A bar on stderr (only on a terminal) with the outcomes of a data set so far and the time left.
pub struct DataSetProgress<T> {
    bar: ProgressBar,
    tally: Mutex<T>,
}

impl<T: Outcomes> DataSetProgress<T> {
    /// `tally` counts the images of an earlier run, `open` are still to be done.
    pub fn new(quiet: bool, tally: T, open: usize) -> Self {
        let target = if quiet { ProgressDrawTarget::hidden() } else { ProgressDrawTarget::stderr() };
        let done = tally.images();
        let bar = ProgressBar::with_draw_target(Some((done + open) as u64), target);
        if let Ok(style) = ProgressStyle::with_template("{wide_bar} {pos}/{len}  {msg}  {eta} left") {
            bar.set_style(style);
        }
        bar.set_position(done as u64);
        // Images of an earlier run say nothing about the speed of this one.
        bar.reset_eta();
        bar.enable_steady_tick(Duration::from_millis(500));
        Self { bar, tally: Mutex::new(tally) }
    }

    /// Counts a line of results.
    pub fn add(&self, line: &Value) {
        let mut tally = self.tally.lock().unwrap_or_else(PoisonError::into_inner);
        tally.add(line);
        self.bar.set_message(tally.short());
        self.bar.inc(1);
    }

    /// Removes the bar; the counts of all.
    pub fn finish(self) -> T {
        self.bar.finish_and_clear();
        self.tally.into_inner().unwrap_or_else(PoisonError::into_inner)
    }
}
