//! Inputs that relaxations suggest on the way, kept for an attack.

use crate::domains::observer::{Event, Observer};
use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

/// Passes events on and keeps the inputs that are suggested: the last ones, whose programs were the tightest.
pub(crate) struct Candidates<'a> {
    inner: &'a dyn Observer,
    most: usize,
    kept: Mutex<VecDeque<Vec<f64>>>,
}

impl<'a> Candidates<'a> {
    /// Keeps at most so many.
    pub fn new(inner: &'a dyn Observer, most: usize) -> Self {
        Self { inner, most, kept: Mutex::default() }
    }

    /// What was suggested since the last call.
    pub fn take(&self) -> VecDeque<Vec<f64>> {
        std::mem::take(&mut *self.kept.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Observer for Candidates<'_> {
    fn event(&self, event: Event<'_>) {
        if let Event::Candidate { input } = event {
            let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
            if kept.len() == self.most {
                kept.pop_front();
            }
            kept.push_back(input.to_vec());
        }
        self.inner.event(event);
    }
}
