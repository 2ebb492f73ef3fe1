//! Float32 execution of a network: what it can lose ([`Rounding`]), and replaying it in one order of summation.

mod arithmetic;
mod nodes;
mod operator;
mod order;
mod original;
mod rounding;

pub use arithmetic::Arithmetic;
pub use operator::Operator;
pub use order::Order;
pub(crate) use original::Original;
pub use rounding::Rounding;
pub(crate) use rounding::{Growth, RoundingRow};
