//! Linear forms over neurons.

use dashu_base::BitTest;
use dashu_ratio::RBig;
use std::collections::BTreeMap;

/// A linear form over neurons, exactly: a coefficient per node and neuron, and a constant.
#[derive(Clone, Debug, Default)]
pub(crate) struct Form {
    pub terms: BTreeMap<(usize, usize), RBig>,
    pub constant: RBig,
    /// Whether a coefficient became so long that nothing more was added: the form is good for nothing then.
    pub is_too_long: bool,
}

/// Bits of a coefficient, at most: fractions of nothing in common would grow with each that is added.
const MOST_BITS: usize = 1 << 16;

impl Form {
    /// `self += factor · x_i` of a node.
    pub fn add(&mut self, (node, i): (usize, usize), factor: RBig) {
        add(self.terms.entry((node, i)).or_default(), factor, &mut self.is_too_long);
    }

    /// `self += c`.
    pub fn add_constant(&mut self, c: RBig) {
        add(&mut self.constant, c, &mut self.is_too_long);
    }

    /// `self += factor · other`.
    pub fn add_multiple(&mut self, other: &Self, factor: &RBig) {
        self.is_too_long |= other.is_too_long;
        self.add_constant(factor * &other.constant);
        other.terms.iter().for_each(|(&neuron, c)| self.add(neuron, factor * c));
    }
}

fn add(sum: &mut RBig, more: RBig, is_too_long: &mut bool) {
    if !*is_too_long {
        *sum += more;
        *is_too_long = is_long(sum);
    }
}

/// Whether nothing more may be added to a number.
pub(super) fn is_long(q: &RBig) -> bool {
    q.numerator().bit_len() + q.denominator().bit_len() > MOST_BITS
}
