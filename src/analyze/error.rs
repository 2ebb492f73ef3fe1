//! Why a query cannot be analysed.

use crate::domains::domain::DomainError;
use crate::exact::signum::SignumError;
use thiserror::Error;

/// Why a query cannot be analysed at all.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum AnalyzeError {
    /// A domain refused the query or contradicted itself.
    #[error(transparent)]
    Domain(#[from] DomainError),
    /// The query names an input or output that the network does not have.
    #[error("the query reads {what}_{index}, but the network has only {available}")]
    Variable {
        /// `X` or `Y`.
        what: char,
        /// The index.
        index: usize,
        /// How many there are.
        available: usize,
    },
    /// The exact engine for signum networks contradicted itself, or cannot certify the query.
    #[error(transparent)]
    Signum(#[from] SignumError),
    /// Certificates are asked for where there are none.
    #[error("only signum networks over two-valued or quantised inputs, or few real ones, have certificates")]
    NoCertificate,
    /// An activation or a product of which no float32 execution is known.
    #[error(
        "node `{0}`: nothing is known of how it is computed in float32 (functions such as Exp need an --assume-ulps above 0; \
         LayerNormalization and Gelu are not modelled); use --arithmetic real"
    )]
    Float32Activation(String),
    /// Certificates of a signum network are asked for of another method than the exact one.
    #[error(
        "signum networks have certificates with --domain exact or auto only: what other domains verify of them has none"
    )]
    SignumCertificate,
    /// A certificate is asked for of a method that writes none.
    #[error("--domain {method} writes no certificate{over}; use one of {proving}")]
    NoProof {
        /// The method.
        method: String,
        /// Over what, where it is not everything.
        over: &'static str,
        /// Those that write one.
        proving: String,
    },
    /// A certificate is asked for over a region of which there are none.
    #[error("certificates over real inputs are about boxes, L1 and L2 balls, not about flips or quantised inputs")]
    ProofRegion,
    /// A certificate is asked for of several networks side by side.
    #[error("certificates are about one network, not about several that a query compares; leave out --proof")]
    ProofNetworks,
    /// A certificate is asked for of a network with a smooth activation or a product.
    #[error(
        "node `{0}`: certificates take piecewise affine activations, and no products of two computed numbers; leave out --proof"
    )]
    ProofCurve(String),
    /// Certificates are about real arithmetic.
    #[error("certificates hold in real arithmetic only; leave out --arithmetic float32")]
    Float32Certificate,
    /// A query without any case says nothing.
    #[error("the query has no disjunct: nothing is unsafe")]
    Nothing,
}
