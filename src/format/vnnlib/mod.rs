//! VNN-LIB queries: `assert` with `and`, `or`, `not`, `=>`, `true`, `false`, `<=`, `>=`, `<`, `>`, `==`, `!=` over
//! linear terms. In version 1.0 the variables are `X_i` and `Y_j`, from `declare-const X_i Real`. In version 2.0, which
//! begins with `(vnnlib-version <2.0>)`, they are entries `X[0,1]` of the tensors that `declare-network` declares: the
//! inputs of all networks are numbered one after the other, in row-major order, and so are the hidden tensors and
//! outputs of all networks. Inputs that are asserted to be equal are one input of the query, and inputs of type float32
//! lie between the finite numbers of that type, where nothing else is said of them. Terms of version 2.0 may be polynomials:
//! their products of variables are further outputs.
//!
//! The assertions together describe the *unsafe* set. They are brought to disjunctive normal form with
//! the first assertion varying slowest, so that disjunct `k` is the `k`-th in file order. In a disjunct
//!
//! * a constraint on one input tightens the box (the tightest of several is kept, exactly);
//! * any other constraint on inputs alone is a [`HalfSpace`](crate::domains::query::HalfSpace) of the region;
//! * a constraint that reads an output is an [`Atom`](crate::domains::query::Atom) with the margin
//!   `lhs − rhs` of `<=` and `rhs − lhs` of `>=`, in file order; `=` (or `==`) is `<=` and then `>=`;
//! * a constraint without any variable is dropped where it holds; where it does not, it is an atom whose
//!   margin is a positive constant.
//!
//! Negations are brought down to the comparisons, and `and` of nothing holds, `or` of nothing does not. A strict
//! comparison is an atom that a counterexample must keep strictly; on inputs alone its closure bounds the region
//! besides. Whatever is proved, is proved of the closure.
//!
//! Consecutive disjuncts with equal regions share a [`Case`](crate::domains::query::Case). A disjunct
//! whose box is empty, while another's is not, keeps its number: it becomes one atom with the constant
//! margin `lower − upper > 0` over a neighbour's region. A disjunct *without* atoms is unsafe in its whole
//! region. Whether half-spaces leave anything of a box is not examined here: where there are some, they are the atoms
//! of such a disjunct.
//!
//! Numbers are read exactly, exponents included. Besides the standard's syntax the reader accepts
//! in version 1.0 `declare-fun` with no arguments, chains such as `(<= 0 X_0 1)`, `(/ 1 3)` of constants, and ignores
//! `set-logic`, `set-info`, `set-option`, `check-sat`, `get-model` and `exit`.

mod cursor;
mod declared;
mod error;
mod lexer;
mod linear;
mod lower;
mod numbered;
mod parser;
mod products;
mod sharing;
mod tensors;

pub use declared::{DeclaredNetwork, DeclaredTensor, Element, Relation, TensorKind};
pub use error::{VnnlibError, VnnlibProblem};
pub use lower::VnnlibQuery;

use super::file;
use std::path::Path;

/// The longest file that is read, in bytes.
const LONGEST_FILE: u64 = 1 << 30;

/// Reads a file.
///
/// # Errors
/// A [`VnnlibError`] that names the file and, where there is one, the place.
pub fn read(path: impl AsRef<Path>) -> Result<VnnlibQuery, VnnlibError> {
    let path = path.as_ref();
    let name = path.display().to_string();
    let unreadable = |e: std::io::Error| VnnlibError::without_place(&name, VnnlibProblem::Unreadable(e));
    let too_long = || VnnlibError::without_place(&name, VnnlibProblem::TooLong(LONGEST_FILE));
    let bytes = file::read(path, LONGEST_FILE).map_err(unreadable)?.ok_or_else(too_long)?;
    match std::str::from_utf8(&bytes) {
        Ok(text) => parse(text, &name),
        Err(e) => Err(VnnlibError::at(&name, &bytes, e.valid_up_to(), VnnlibProblem::NotUtf8)),
    }
}

/// Reads a text; `name` stands for the file in errors.
///
/// # Errors
/// A [`VnnlibError`] with line and column.
pub fn parse(text: &str, name: &str) -> Result<VnnlibQuery, VnnlibError> {
    let built = parser::Parser::new(text).run().and_then(lower::lower);
    built.map_err(|fault| VnnlibError::at(name, text.as_bytes(), fault.offset, fault.problem))
}
