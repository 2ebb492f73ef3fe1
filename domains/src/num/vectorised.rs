//! Loops compiled for the widest vectors that the processor has.

use pulp::{Arch, NullaryFnOnce};

/// Runs `kernel`, a closure marked `#[inline(always)]` like everything that it calls, compiled once per instruction set.
///
/// It is called by reference: called by value, a closure passes through a shim of the compiler's, which is not inlined
/// and so stays compiled for the oldest processors.
#[inline(always)]
pub fn vectorised<R>(kernel: impl FnMut() -> R) -> R {
    Arch::new().dispatch(Kernel(kernel))
}

struct Kernel<F>(F);

impl<R, F: FnMut() -> R> NullaryFnOnce for Kernel<F> {
    type Output = R;

    #[inline(always)]
    fn call(mut self) -> R {
        (self.0)()
    }
}
