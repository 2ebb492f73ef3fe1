//! Why a VNN-LIB file is refused, and where.

use crate::domains::num::ParseDecimalError;
use crate::domains::query::{RegionError, Variable};
use thiserror::Error;

/// Why a VNN-LIB file is refused, and where.
#[derive(Debug, Error)]
#[error("{file}{}: {problem}", match place { Some((line, column)) => format!(":{line}:{column}"), None => String::new() })]
pub struct VnnlibError {
    /// The file, or the name given for a text.
    pub file: String,
    /// Line and column, both from 1; `None` when the file could not be read at all.
    pub place: Option<(usize, usize)>,
    /// What is wrong.
    #[source]
    pub problem: VnnlibProblem,
}

impl VnnlibError {
    pub(super) fn without_place(file: &str, problem: VnnlibProblem) -> Self {
        Self { file: file.to_owned(), place: None, problem }
    }

    /// Lines and columns are only counted when there is an error to report.
    pub(super) fn at(file: &str, text: &[u8], offset: usize, problem: VnnlibProblem) -> Self {
        let before = &text[..offset.min(text.len())];
        let line_start = before.iter().rposition(|&b| b == b'\n').map_or(0, |at| at + 1);
        let line = 1 + before.iter().filter(|&&b| b == b'\n').count();
        let column = 1 + String::from_utf8_lossy(&before[line_start..]).chars().count();
        Self { file: file.to_owned(), place: Some((line, column)), problem }
    }
}

/// A problem at a byte of the text.
#[derive(Debug)]
pub(super) struct Fault {
    pub(super) offset: usize,
    pub(super) problem: VnnlibProblem,
}

/// The name of a variable as the file writes it.
pub(super) fn spelled(variable: Variable) -> String {
    match variable {
        Variable::Input(i) => format!("X_{i}"),
        Variable::Output(i) => format!("Y_{i}"),
    }
}

/// What may be wrong with a VNN-LIB file.
#[derive(Debug, Error)]
pub enum VnnlibProblem {
    /// The file system refused.
    #[error("cannot be read: {0}")]
    Unreadable(std::io::Error),
    /// The file exceeds the limit.
    #[error("is longer than {0} bytes; split the query")]
    TooLong(u64),
    /// The text is not UTF-8.
    #[error("not UTF-8 text; is this a VNN-LIB file (not compressed)?")]
    NotUtf8,
    /// Something else was needed here.
    #[error("expected {expected}, found {found}")]
    Unexpected {
        /// What the grammar needs.
        expected: &'static str,
        /// What is there.
        found: String,
    },
    /// Parentheses nested beyond the limit.
    #[error("parentheses are nested more than {0} deep; flatten the formula")]
    TooDeep(usize),
    /// A command that this version of VNN-LIB does not have.
    #[error("unknown command `{0}`; VNN-LIB 1.0 has `declare-const` and `assert`, 2.0 `declare-network` and `assert`")]
    UnknownCommand(String),
    /// A connective or comparison that is not supported.
    #[error("`{0}` is not a formula of VNN-LIB; use `and`, `or`, `not`, `=>`, `<=`, `>=`, `<`, `>`, `==`, `!=`")]
    UnknownFormula(String),
    /// `!=` between more than two terms.
    #[error("`!=` compares two terms; write the pairs that must differ one by one")]
    Unequal,
    /// An arithmetic operator that is not supported.
    #[error("`{0}` is not an operator of linear terms; use `+`, `-`, `*`")]
    UnknownOperator(String),
    /// A name that is no variable.
    #[error("`{0}` is no variable; inputs are `X_0`, `X_1`, …, outputs `Y_0`, `Y_1`, …")]
    BadName(String),
    /// A variable that is not of sort Real.
    #[error("`{0}` must be of sort `Real`")]
    BadSort(String),
    /// A second declaration.
    #[error("`{0}` is declared twice; remove one declaration")]
    DeclaredTwice(String),
    /// A variable that is used before its declaration.
    #[error("`{0}` is not declared; add `(declare-const {0} Real)` before its use")]
    Undeclared(String),
    /// A hole in the numbering of declared variables.
    #[error("`{declared}` is declared but `{missing}` is not; variables are numbered from 0 without gaps")]
    Gap {
        /// The variable with the largest index.
        declared: String,
        /// The first that lacks.
        missing: String,
    },
    /// A version that is not read, or stated too late.
    #[error("`{0}` cannot be read here; a query begins with `(vnnlib-version <2.0>)`, or is one of version 1.0")]
    Version(String),
    /// A network behind the first assertion.
    #[error("networks are declared before the first assertion; move this declaration up")]
    LateNetwork,
    /// No network is declared.
    #[error("no network is declared; add `(declare-network NAME (declare-input …) (declare-output …))`")]
    NoNetworks,
    /// A network without inputs or without outputs.
    #[error("network `{network}` has no {what}; add `(declare-{what} NAME TYPE [LENGTHS])`")]
    Incomplete {
        /// The network.
        network: String,
        /// `input` or `output`.
        what: &'static str,
    },
    /// A relation to a network that is not declared.
    #[error("no network `{0}` is declared before this one")]
    UnknownNetwork(String),
    /// A relation to a network that has one itself.
    #[error("network `{0}` is declared equal or isomorphic to another one; name that one")]
    Chained(String),
    /// Related networks with different interfaces.
    #[error("the inputs and outputs are not those of network `{0}`; give them the same shapes and types")]
    OtherInterface(String),
    /// ONNX names for some inputs and outputs only.
    #[error("`{0}` has an ONNX name and others have none; give all inputs and outputs of a network one, or none")]
    HalfNamed(String),
    /// A tensor's name that is not made of letters, digits and underscores.
    #[error("`{0}` is no name of a tensor; names are letters, digits and `_`, and begin with a letter")]
    BadTensorName(String),
    /// An input behind a hidden tensor, or that behind an output.
    #[error("`{0}` stands too late; declare inputs first, then hidden tensors, then outputs")]
    TensorOrder(String),
    /// A type that there is not.
    #[error("`{0}` is no type of entries; use `real`, `float32` or another type of ONNX, in small letters")]
    ElementType(String),
    /// A shape with a length of 0 or with very many lengths.
    #[error("this is no shape of a tensor; lengths are positive, and there are at most 64 of them")]
    Shape,
    /// A tensor that is not declared.
    #[error("no network declares `{0}`; declare it as an input, a hidden tensor or an output")]
    UndeclaredTensor(String),
    /// Too few, too many or too large indices.
    #[error("`{tensor}` has the shape {shape}; give one index for each length, counted from 0")]
    Index {
        /// The tensor.
        tensor: String,
        /// Its shape.
        shape: String,
    },
    /// No input is declared.
    #[error("no input is declared; add `(declare-const X_0 Real)`")]
    NoInputs,
    /// Nothing is asserted.
    #[error("nothing is asserted; add the bounds of the inputs and the unsafe outputs")]
    NoAssertions,
    /// A number that cannot be read.
    #[error(transparent)]
    Number(#[from] ParseDecimalError),
    /// A product of variables.
    #[error("a product of variables is not linear; one factor at most may be a variable")]
    NotLinear,
    /// A division by zero or by a variable.
    #[error("division is only by a constant other than 0")]
    Division,
    /// Arithmetic on constants that leaves every sensible range.
    #[error("the constants of this term grow beyond {0} bits; simplify it")]
    Huge(usize),
    /// An input without a bound on one side.
    #[error("`{variable}` has no {side} bound in disjunct {disjunct}; assert `({comparison} {variable} …)`")]
    Unbounded {
        /// The input.
        variable: String,
        /// `lower` or `upper`.
        side: &'static str,
        /// The comparison that lacks.
        comparison: &'static str,
        /// The number of the disjunct, from 0.
        disjunct: usize,
    },
    /// No disjunct has a box with a point.
    #[error("empty region: the lower bound of `{0}` exceeds its upper bound")]
    Empty(String),
    /// A disjunctive normal form beyond the limit.
    #[error("the query expands to more than {limit} {what}; split it into several files")]
    TooLarge {
        /// The limit.
        limit: usize,
        /// Of what.
        what: &'static str,
    },
    /// A region that makes no sense for another reason.
    #[error(transparent)]
    Region(#[from] RegionError),
}
