use crate::domains::observer::{Event, Observer};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::sync::atomic::{AtomicUsize, Ordering};
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
            Event::Candidate { .. } => {}
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}
