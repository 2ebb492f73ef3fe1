//! Results that are kept for the next query of the same kind.

use super::SignumError;
use std::sync::{Arc, Mutex, PoisonError};

/// The last `N` results, by what they were made from.
pub(super) struct Memo<K, V, const N: usize>(Mutex<Vec<(K, Arc<V>)>>);

impl<K, V, const N: usize> Default for Memo<K, V, N> {
    fn default() -> Self {
        Self(Mutex::new(Vec::new()))
    }
}

impl<K: PartialEq + Clone, V, const N: usize> Memo<K, V, N> {
    /// The result for `key`, which is made if it is not there; threads that ask at the same time may both make it.
    ///
    /// # Errors
    /// Those of `make`, of which nothing is kept.
    pub fn get(&self, key: &K, make: impl FnOnce() -> Result<V, SignumError>) -> Result<Arc<V>, SignumError> {
        let kept = || self.0.lock().unwrap_or_else(PoisonError::into_inner);
        {
            let mut kept = kept();
            if let Some(place) = kept.iter().position(|(k, _)| k == key) {
                // Those that were not asked for longest go first.
                let value = Arc::clone(&kept[place].1);
                kept[place..].rotate_left(1);
                return Ok(value);
            }
        }
        let made = Arc::new(make()?);
        let mut kept = kept();
        if kept.len() >= N {
            kept.remove(0);
        }
        kept.push((key.clone(), Arc::clone(&made)));
        Ok(made)
    }
}
