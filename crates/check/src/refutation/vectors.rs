//! Loops compiled for the widest vectors that the processor has. Operations and their order stay the same, so that bounds
//! do.

use pulp::{Arch, NullaryFnOnce};

struct Kernel<F>(F);

impl<F: FnMut()> NullaryFnOnce for Kernel<F> {
    type Output = ();

    #[inline(always)]
    fn call(mut self) {
        (self.0)();
    }
}

/// Runs a closure marked `#[inline(always)]`, like everything that it calls.
#[inline(always)]
pub(super) fn vectorised(kernel: impl FnMut()) {
    Arch::new().dispatch(Kernel(kernel));
}
