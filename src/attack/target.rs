//! What attacks, integer programs and exact engines are given: a network and what is open of one case.

use crate::domains::network::Network;
use crate::domains::num::Rational;
use crate::domains::query::Case;
use crate::domains::verdict::Witness;

/// What is open of one case of a query on a network.
#[derive(Clone, Copy, Debug)]
pub struct Target<'a> {
    /// The network.
    pub network: &'a Network,
    /// The region and the unsafe set.
    pub case: &'a Case,
    /// The disjuncts that are neither refuted nor reached yet, by index in the case.
    pub open: &'a [usize],
}

impl Target<'_> {
    /// The counterexample that the input `x` is for disjunct `d` of the case, if it is one.
    #[must_use]
    pub fn replay(&self, d: usize, x: Vec<Rational>) -> Option<Witness> {
        Witness::replay(self.network, self.case, d, x)
    }
}
