//! Linear maps: the closed vocabulary of operators `x ↦ W x` that keep their structure, one file each.
//!
//! What a map is lies in its file, as an [`operator::LinearOperator`]; everybody else asks the methods of
//! [`LinearMap`] and never which map it is.

mod columns;
mod compose;
mod conv2d;
mod dense;
mod diagonal;
mod identity;
mod map;
mod operator;
mod select;
mod sparse;
mod window;

pub use columns::ColumnMap;
pub use conv2d::Conv2d;
pub(super) use map::Copies;
pub use map::{Columns, LinearMap};
pub use sparse::Sparse;
pub use window::Window;
