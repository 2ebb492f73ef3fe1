//! Budgets that a clock ends.

use crate::domains::budget::Budget;
use std::time::{Duration, Instant};

/// A budget that ends `limit` from now; without a limit it never ends.
#[must_use]
pub fn deadline(limit: Option<Duration>) -> Budget {
    deadline_within(&Budget::unlimited(), limit)
}

/// A budget that ends `limit` from now, and is cancelled together with `whole`, which has no limit of its own.
#[must_use]
pub fn deadline_within(whole: &Budget, limit: Option<Duration>) -> Budget {
    match limit.and_then(|limit| Instant::now().checked_add(limit)) {
        Some(end) => whole.within(move || end.saturating_duration_since(Instant::now())),
        None => whole.clone(),
    }
}
