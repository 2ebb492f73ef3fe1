//! The layer graph: `Input | Affine(Σ W·x + b) | Activation(σ) | Product(a · b)` in topological order.
//!
//! Every network is lowered to these four kinds of node. Linear operators differ only in their
//! [`LinearMap`]; a residual sum is an affine node with two terms.

mod behind;
mod builder;
mod coefficients;
mod derived;
mod ensemble;
mod evaluate;
mod float32;
mod graph;
mod linear;
mod maxima;
mod monomials;
mod node;
mod parameter;
mod pull_back;
mod reduce;
mod threshold;
mod twins;
mod with_sum;

pub use builder::NetworkBuilder;
pub use coefficients::Coefficients;
pub use evaluate::EvaluateError;
pub use float32::{Arithmetic, Operator, Order, Rounding};
pub use graph::{Network, NetworkError};
pub use linear::{ColumnMap, Columns, Conv2d, LinearMap, Sparse, Window};
pub use maxima::Maxima;
pub use node::{Activation, Affine, Factor, Node, NodeId, NodeKind, Product, Term};
pub use parameter::Parameter;
pub use pull_back::PullBackError;
pub use reduce::Reduced;
pub use twins::Twin;
