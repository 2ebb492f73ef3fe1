//! How much longer a computation may take. The tool makes it; the mathematics only polls it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// A deadline and a cancellation flag, both owned by the caller.
///
/// Cloning is cheap and shares both. This crate never reads a clock: the remaining time comes from a
/// closure that the tool supplies.
#[derive(Clone, Default)]
pub struct Budget {
    remaining: Option<Arc<dyn Fn() -> Duration + Send + Sync>>,
    cancelled: Arc<AtomicBool>,
}

impl std::fmt::Debug for Budget {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Budget").field("remaining", &self.remaining()).field("cancelled", &self.is_cancelled()).finish()
    }
}

impl Budget {
    /// No limit (it can still be cancelled).
    #[must_use]
    pub fn unlimited() -> Self {
        Self::default()
    }

    /// A limit given by `remaining`, which returns zero once the time is up.
    #[must_use]
    pub fn new(remaining: impl Fn() -> Duration + Send + Sync + 'static) -> Self {
        Self { remaining: Some(Arc::new(remaining)), cancelled: Arc::default() }
    }

    /// A limit of its own that is cancelled together with this budget.
    #[must_use]
    pub fn within(&self, remaining: impl Fn() -> Duration + Send + Sync + 'static) -> Self {
        Self { remaining: Some(Arc::new(remaining)), cancelled: Arc::clone(&self.cancelled) }
    }

    /// This budget until so large a share of the time left is used up.
    #[must_use]
    pub fn share(&self, share: f64) -> Self {
        let Some(left) = self.remaining() else { return self.clone() };
        let (whole, kept) = (self.clone(), left.mul_f64(1.0 - share));
        self.within(move || whole.remaining().unwrap_or_default().saturating_sub(kept))
    }

    /// The time left; `None` when there is no limit, zero when cancelled.
    #[must_use]
    pub fn remaining(&self) -> Option<Duration> {
        if self.is_cancelled() {
            return Some(Duration::ZERO);
        }
        self.remaining.as_ref().map(|f| f())
    }

    /// True when the work should stop now.
    #[must_use]
    pub fn is_spent(&self) -> bool {
        self.remaining().is_some_and(|left| left.is_zero())
    }

    /// Asks all holders of this budget to stop.
    pub fn cancel(&self) {
        self.cancelled.store(true, Ordering::Relaxed);
    }

    /// True after [`Budget::cancel`].
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        self.cancelled.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clone_shares_the_cancellation() {
        let budget = Budget::unlimited();
        let shared = budget.clone();
        assert!(!shared.is_spent());
        budget.cancel();
        assert!(shared.is_spent());
    }

    #[test]
    fn a_limit_within_another_ends_by_itself_and_is_cancelled_with_it() {
        let outer = Budget::unlimited();
        let inner = outer.within(|| Duration::from_secs(1));
        assert!(!inner.is_spent());
        assert!(outer.within(|| Duration::ZERO).is_spent() && !outer.is_spent());
        outer.cancel();
        assert!(inner.is_spent());
    }

    #[test]
    fn a_share_ends_when_its_part_of_the_time_is_used() {
        let left = Arc::new(std::sync::atomic::AtomicU64::new(8));
        let clock = Arc::clone(&left);
        let whole = Budget::new(move || Duration::from_secs(clock.load(Ordering::Relaxed)));
        let share = whole.share(0.25);
        assert_eq!(share.remaining(), Some(Duration::from_secs(2)));
        left.store(6, Ordering::Relaxed);
        assert!(share.is_spent() && !whole.is_spent());
        assert_eq!(Budget::unlimited().share(0.5).remaining(), None);
    }

    #[test]
    fn it_is_spent_when_no_time_remains() {
        assert!(Budget::new(|| Duration::ZERO).is_spent());
        assert!(!Budget::new(|| Duration::from_secs(1)).is_spent());
    }
}
