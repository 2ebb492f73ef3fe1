//! Roundings that are wrong on purpose, for the tests that show them to be found: only where the feature `planted` is
//! asked for, which no program needs. Everywhere else nothing is turned.

/// What can be made to round to the wrong side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Operation {
    /// Sums and differences.
    Sum = 1,
    /// Products.
    Product,
    /// Quotients.
    Quotient,
    /// Floats around a rational.
    Enclosure,
    /// What is charged for the sums of a whole kernel.
    Charge,
}

#[cfg(feature = "planted")]
static TURNED: std::sync::atomic::AtomicU8 = std::sync::atomic::AtomicU8::new(0);

/// Turns the roundings of one operation, everywhere and from now on, and those of all others back.
#[cfg(feature = "planted")]
pub fn turn(operation: Option<Operation>) {
    TURNED.store(operation.map_or(0, |operation| operation as u8), std::sync::atomic::Ordering::SeqCst);
}

/// What a turned rounding errs by, relative to its result: more than a certificate allows for.
#[cfg(feature = "planted")]
const COARSE: f64 = 1e-4;

/// The lower bound that an operation gives: one that is too high where its roundings are turned.
#[inline(always)]
pub(super) fn lower(operation: Operation, bound: f64) -> f64 {
    #[cfg(feature = "planted")]
    if TURNED.load(std::sync::atomic::Ordering::Relaxed) == operation as u8 {
        return bound + COARSE * bound.abs();
    }
    let _ = operation;
    bound
}

/// What is charged for a kernel: a gift where charges are turned.
#[inline(always)]
pub(super) fn charge(bound: f64) -> f64 {
    #[cfg(feature = "planted")]
    if TURNED.load(std::sync::atomic::Ordering::Relaxed) == Operation::Charge as u8 {
        return -COARSE;
    }
    bound
}
