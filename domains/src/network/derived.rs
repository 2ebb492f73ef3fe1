//! A place in a network for what others derive from it.

use std::any::Any;
use std::sync::{Arc, OnceLock};

/// A place for something that is made from a network once; copies of the network share it.
#[derive(Clone, Debug, Default)]
pub(super) struct Derived(Arc<OnceLock<Arc<dyn Any + Send + Sync>>>);

impl Derived {
    /// What is kept, if it has this type, else what `make` makes; the first that is made is kept.
    pub fn get<T: Send + Sync + 'static, E>(&self, make: impl FnOnce() -> Result<T, E>) -> Result<Arc<T>, E> {
        if let Some(kept) = self.0.get().and_then(|kept| Arc::clone(kept).downcast().ok()) {
            return Ok(kept);
        }
        let made = Arc::new(make()?);
        // Another thread may have been faster.
        let _ = self.0.set(Arc::<T>::clone(&made));
        Ok(made)
    }
}
