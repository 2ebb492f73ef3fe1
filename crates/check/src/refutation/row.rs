//! A linear form on its way back through the network: every step leaves a lower bound of it.

use super::form::Form;
use super::line::Pair;
use super::network::{Kind, Table, Term};
use super::number::{Number, UNIT, add_up, enclose, gamma, mul_up, underflow};
use super::state::State;

/// `Σ at[node] · x_node + constant − lost`: at most the form where it began.
struct Row<'a, N> {
    state: &'a State<'a>,
    /// The coefficients by node; none where nothing reads it.
    at: Vec<Vec<N>>,
    constant: N,
    /// An upper bound of what rounding may have added.
    lost: f64,
}

/// A lower bound of the form over the part: the best of those that the row has on its way back to the input, which ends
/// where one is `enough`. `None` when there is none.
pub(super) fn minimum<N: Number>(state: &State<'_>, form: &Form, enough: &dyn Fn(&N) -> bool) -> Option<N> {
    let at = vec![Vec::new(); state.network.nodes.len()];
    let constant = N::end(&form.constant, enclose(&form.constant).0);
    let mut row = Row { state, at, constant, lost: 0.0 };
    row.begin(form);
    let mut best = row.least();
    for id in (1..row.at.len()).rev() {
        if row.at[id].is_empty() {
            continue;
        }
        if best.as_ref().is_some_and(enough) {
            break;
        }
        // Lines lie outside the graph: before their activation they say nothing by themselves that its values did not.
        let is_seen = matches!(state.network.nodes[id].kind, Kind::Activation { source, .. } if source > 0 && row.at[source].is_empty());
        if row.pass(id).is_none() {
            break;
        }
        if is_seen {
            continue;
        }
        let least = row.least();
        if best.is_none() || (least.is_some() && least > best) {
            best = least;
        }
    }
    best
}

impl<N: Number> Row<'_, N> {
    fn begin(&mut self, form: &Form) {
        for (&(node, i), q) in &form.terms {
            let near = N::near(q);
            if N::ROUNDS {
                let (low, high) = enclose(q);
                let off = add_up(high, -low);
                self.charge(off, self.state.reach(node, i));
            }
            let a = &mut self.at[node];
            a.resize(self.state.network.nodes[node].len, N::of(0.0));
            a[i] = near;
        }
    }

    /// Charges `error · reach`, neither below zero.
    fn charge(&mut self, error: f64, reach: f64) {
        self.lost = add_up(self.lost, mul_up(error, reach));
    }

    /// Adds coefficients of a node to those that it has.
    fn add(&mut self, node: usize, more: Vec<N>) {
        if self.at[node].is_empty() {
            self.at[node] = more;
            return;
        }
        let mut lost = self.lost;
        for (j, (a, more)) in self.at[node].iter_mut().zip(&more).enumerate() {
            a.add_near(more);
            if N::ROUNDS && *more != N::of(0.0) {
                lost = add_up(lost, mul_up(mul_up(2.0 * UNIT, a.magnitude()), self.state.reach(node, j)));
            }
        }
        self.lost = lost;
    }

    /// Replaces a node's neurons by what they are computed from; `None` when that gives no bound.
    fn pass(&mut self, id: usize) -> Option<()> {
        let a = std::mem::take(&mut self.at[id]);
        let state = self.state;
        if !is_finite(&a) {
            return None;
        }
        match &state.network.nodes[id].kind {
            Kind::Input => Some(()),
            Kind::Affine { terms, bias } => {
                self.pass_bias(&a, bias);
                for (t, term) in terms.iter().enumerate() {
                    self.pass_term(id, t, &a, term);
                }
                Some(())
            }
            Kind::Activation { source, .. } => self.pass_activation(id, *source, &a),
        }
    }

    fn pass_bias(&mut self, a: &[N], bias: &Table) {
        let zero = N::of(0.0);
        for (i, a) in a.iter().enumerate().filter(|(_, a)| **a != zero) {
            let (low, high) = bias.enclosure(i);
            let rounded = if *a > zero { low } else { high };
            let b = bias.exact(i).map_or_else(|| N::of(rounded), |exact| N::end(&exact, rounded));
            self.constant = self.constant.plus(&a.times(&b));
        }
    }

    fn pass_term(&mut self, id: usize, t: usize, a: &[N], term: &Term) {
        let state = self.state;
        let mut out = vec![N::of(0.0); state.network.nodes[term.source].len];
        let reach = |j: usize| state.reach(term.source, j);
        let lost = term.map.pull_back(a, &mut out, &reach);
        self.lost = add_up(self.lost, lost);
        if N::ROUNDS {
            // Every coefficient is a sum of at most `n` products: Σ_j γ |a| |W|_j reach_j, and what underflows.
            let n = a.iter().filter(|a| **a != N::of(0.0)).count();
            let (of_rows, of_all) = &state.magnitudes[id][t];
            let products = a.iter().zip(of_rows).filter(|(a, _)| **a != N::of(0.0));
            let sum = products.fold(0.0, |sum, (a, &row)| add_up(sum, mul_up(a.magnitude(), row)));
            self.charge(gamma(n), sum);
            self.charge(underflow(n), *of_all);
        }
        self.add(term.source, out);
    }

    fn pass_activation(&mut self, id: usize, source: usize, a: &[N]) -> Option<()> {
        let state = self.state;
        let zero = N::of(0.0);
        let mut out = vec![zero.clone(); a.len()];
        for (i, a) in a.iter().enumerate().filter(|(_, a)| **a != zero) {
            let Pair { lower, upper } = state.lines::<N>(id, i)?;
            // Below y where the coefficient is positive, above where it is negative: in either case below a · y.
            let line = if *a > zero { lower } else { upper };
            self.constant = self.constant.plus(&a.times(&line.intercept));
            out[i] = a.times_near(line.slope);
            if N::ROUNDS && line.slope != 0.0 && line.slope.abs() != 1.0 {
                let error = add_up(mul_up(2.0 * UNIT, out[i].magnitude()), underflow(1));
                self.charge(error, state.reach(source, i));
            }
        }
        self.add(source, out);
        Some(())
    }

    /// The least value that the row has by the bounds of what it reads; `None` where they do not suffice.
    fn least(&self) -> Option<N> {
        let mut sum = self.constant.clone();
        if !self.at.iter().all(|a| is_finite(a)) {
            return None;
        }
        for (node, a) in self.at.iter().enumerate() {
            for (i, a) in a.iter().enumerate().filter(|(_, a)| **a != N::of(0.0)) {
                let end = self.state.end::<N>(node, i, *a > N::of(0.0))?;
                sum = sum.plus(&a.times(&end));
            }
        }
        if !self.lost.is_finite() {
            return None;
        }
        let sum = sum.plus(&N::of(-self.lost));
        // Only a number is a bound.
        (sum.partial_cmp(&sum).is_some() && sum.down().is_finite()).then_some(sum)
    }
}

/// Whether no coefficient overflowed.
fn is_finite<N: Number>(a: &[N]) -> bool {
    a.iter().all(|a| a.magnitude().is_finite())
}
