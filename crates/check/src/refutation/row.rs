//! Linear forms on their way back through the network: every step leaves lower bounds of them.

use super::ball::Ball;
use super::form::Form;
use super::lanes::{Exact, Lanes, TINY, UNKNOWN};
use super::network::{Kind, Network, Table, Term};
use super::number::{Number, Pair, Range, enclose, gamma};
use super::query::Case;
use super::state::State;
use dashu_ratio::RBig;
use pulp::NullaryFnOnce;
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

/// `Σ at[node] · x_node + sum`: at most the forms where they began.
struct Rows<'a, L: Lanes> {
    state: &'a State<'a>,
    /// The coefficients of the nodes that are read.
    at: BTreeMap<usize, Vec<L>>,
    sum: L::Sum,
    /// Neurons of these nodes, and those from and to which forms were taken since they were last bounded.
    read: usize,
    passed: usize,
}

/// Replaces a node's neurons, which have these coefficients, by what they are computed from. (No closure: that is not inlined.)
struct Pass<'p, 'a, L: Lanes>(&'p mut Rows<'a, L>, usize, &'p [L]);

impl<L: Lanes> NullaryFnOnce for Pass<'_, '_, L> {
    type Output = ();
    #[inline(always)]
    fn call(self) {
        let Self(rows, id, a) = self;
        let mut read: Vec<(usize, &L)> = Vec::with_capacity(a.len());
        read.extend(a.iter().enumerate().filter(|(_, a)| !a.is_zero()));
        match &rows.state.network.nodes[id].kind {
            Kind::Input => {}
            Kind::Affine { terms, bias } => {
                for &(i, a) in &read {
                    a.add_end(&mut rows.sum, bias.ends(i));
                }
                for (t, term) in terms.iter().enumerate() {
                    rows.pass_term(id, t, &read, term);
                }
            }
            Kind::Activation { source, .. } => rows.pass_activation(id, *source, &read),
        }
    }
}

/// Does so by AVX2 where the processor has it, which changes no operation. (Wider vectors make slower loops.)
fn vectorised<L: Lanes>(pass: Pass<'_, '_, L>) {
    #[cfg(target_arch = "x86_64")]
    if let Some(processor) = pulp::x86::V3::try_new() {
        return processor.vectorize(pass);
    }
    pass.call();
}

/// Forms that are bounded side by side: neurons from below and from above. (Eight are slower than four.)
const LANES: usize = 16;

/// Neurons that forms may read for each that was passed since they were last bounded: so passing costs as much as bounding.
const MOST_READ: usize = 64;

/// For each form a lower bound over the part: the best of those that it has on its way back to the input, or where `is_late`
/// that at the input, which ends where all are `enough`; and what another arithmetic might find at most.
pub(super) fn minima<L: Lanes>(
    state: &State<'_>,
    forms: &[Form],
    is_late: bool,
    enough: &dyn Fn(f64) -> bool,
) -> Vec<(f64, f64)> {
    let constants: Vec<&RBig> = forms.iter().map(|form| &form.constant).collect();
    let mut rows = Rows::<L> { state, at: BTreeMap::new(), sum: L::sums(&constants), read: 0, passed: 0 };
    for (lane, form) in forms.iter().enumerate() {
        for (&(node, i), q) in &form.terms {
            let zeros = || vec![L::of(|_| 0.0); state.network.nodes[node].len];
            rows.at.entry(node).or_insert_with(zeros)[i].set(lane, q, state.reach(node, i), &mut rows.sum);
        }
    }
    rows.read = rows.at.values().map(Vec::len).sum();
    let mut best = vec![UNKNOWN; forms.len()];
    if !is_late {
        rows.improve(&mut best);
    }
    while let Some((id, a)) = rows.at.pop_last().filter(|(id, _)| *id > 0)
        && !best.iter().all(|(low, _)| enough(*low))
    {
        // Lines lie outside the graph: before their activation they say nothing by themselves that its values did not.
        let is_seen = match state.network.nodes[id].kind {
            Kind::Activation { source, .. } => source > 0 && !rows.at.contains_key(&source),
            _ => false,
        };
        rows.read -= a.len();
        rows.passed += a.len();
        vectorised(Pass(&mut rows, id, &a));
        let is_input = rows.at.last_key_value().is_none_or(|(&id, _)| id == 0);
        if is_input || !(is_seen || is_late || rows.read > MOST_READ * rows.passed) {
            rows.improve(&mut best);
            rows.passed = 0;
        }
    }
    best
}

/// The whole box of a case, every node bounded by interval arithmetic.
pub(super) fn whole<'a>(network: &'a Network, case: &'a Case) -> State<'a> {
    let mut state = State::new(network, case);
    for id in 0..network.nodes.len() {
        state.measure(id);
        interval(&mut state, id, 0..network.nodes[id].len);
    }
    state.undo.clear();
    state
}

/// Bounds neurons of a node by those of the nodes that it reads.
pub(super) fn interval(state: &mut State<'_>, id: usize, neurons: impl Iterator<Item = usize>) {
    state.activate(id);
    let Kind::Affine { terms, bias } = &state.network.nodes[id].kind else { return };
    let signs = [RBig::ONE, RBig::NEG_ONE];
    for i in neurons {
        let floats = || by_row::<[f64; 2]>(state, i, (terms, bias), &signs);
        let least = if state.is_exact { vec![UNKNOWN; 2] } else { floats() };
        let exact = |state: &State, side: usize| by_row::<Exact>(state, i, (terms, bias), &signs[side..=side])[0];
        take(state, (id, i), &least, exact);
    }
}

/// Takes over lower bounds of a neuron and its negative, exact ones where rounding may decide on which side they are.
fn take(
    state: &mut State<'_>,
    (node, i): (usize, usize),
    least: &[(f64, f64)],
    exact: impl Fn(&State<'_>, usize) -> (f64, f64),
) {
    let of_side = |side: usize| {
        let is_decided = !state.is_exact && !state.is_undecided(node, i, side == 0, least[side]);
        if is_decided { least[side].0 } else { exact(state, side).0 }
    };
    let bounds = (of_side(0), -of_side(1));
    state.tighten(node, i, Range::closed(bounds));
}

/// Lower bounds of `± x_i` of an affine node by the neurons that it reads: a sign times a weight rounds nothing.
fn by_row<L: Lanes>(state: &State<'_>, i: usize, (terms, bias): (&[Term], &Table), signs: &[RBig]) -> Vec<(f64, f64)> {
    let mut sum = L::sums(&vec![&RBig::ZERO; signs.len()]);
    let mut a = L::of(|_| 0.0);
    signs.iter().enumerate().for_each(|(lane, sign)| a.set(lane, sign, 0.0, &mut sum));
    a.add_end(&mut sum, bias.ends(i));
    for Term { source, map } in terms {
        for (entry, j) in map.row(i) {
            let product = map.product(entry, &a, state.reach(*source, j), &mut sum);
            product.add_end(&mut sum, state.ends(*source, j));
        }
    }
    L::bounds(&sum)
}

/// Bounds neurons of a node by back-substitution, in exact numbers where rounding may decide on which side a bound is.
pub(super) fn bound(state: &mut State<'_>, node: usize, neurons: &[usize], is_late: bool) {
    // One step back lies the input.
    let reads_input = |terms: &[Term]| matches!(terms, [Term { source: 0, .. }]) && state.ball.is_none();
    if matches!(&state.network.nodes[node].kind, Kind::Affine { terms, .. } if reads_input(terms)) {
        return interval(state, node, neurons.iter().copied());
    }
    for neurons in neurons.chunks(LANES / 2) {
        let mut forms = Vec::new();
        for (&i, sign) in neurons.iter().flat_map(|i| [(i, RBig::ONE), (i, RBig::NEG_ONE)]) {
            forms.push(Form { terms: BTreeMap::from([((node, i), sign)]), ..Form::default() });
        }
        let mut least = vec![UNKNOWN; LANES];
        if !state.is_exact {
            least = minima::<[f64; LANES]>(state, &forms, is_late, &|_| false);
        }
        for (k, &i) in neurons.iter().enumerate() {
            let one = |side: usize| std::slice::from_ref(&forms[2 * k + side]);
            let exact = |state: &State, side| minima::<Exact>(state, one(side), is_late, &|_| false)[0];
            take(state, (node, i), &least[2 * k..], exact);
        }
    }
}

impl<L: Lanes> Rows<'_, L> {
    /// Adds coefficients of a node to those that it has.
    #[inline(always)]
    fn add(&mut self, node: usize, more: Vec<L>) {
        self.passed += more.len();
        match self.at.entry(node) {
            Entry::Vacant(place) => {
                self.read += more.len();
                place.insert(more);
            }
            Entry::Occupied(mut a) => {
                for (j, (a, more)) in a.get_mut().iter_mut().zip(&more).enumerate() {
                    a.add(more, self.state.reach(node, j), &mut self.sum);
                }
            }
        }
    }

    #[inline(always)]
    fn pass_term(&mut self, id: usize, t: usize, read: &[(usize, &L)], term: &Term) {
        let state = self.state;
        let mut out = vec![L::of(|_| 0.0); state.network.nodes[term.source].len];
        term.map.pull_back(read, &mut out, &|j| state.reach(term.source, j), &mut self.sum);
        if L::ROUNDS {
            // Every coefficient is a sum of at most `n` products: Σ_j γ |a| |W|_j reach_j, and what underflows.
            let rate = gamma(read.len());
            let (of_rows, of_all) = &state.magnitudes[id][t];
            let loss = TINY * of_all.max(1.0);
            for &(i, a) in read {
                a.charge(&mut self.sum, rate, of_rows[i], loss);
            }
        }
        self.add(term.source, out);
    }

    #[inline(always)]
    fn pass_activation(&mut self, id: usize, source: usize, read: &[(usize, &L)]) {
        let state = self.state;
        let mut out = vec![L::of(|_| 0.0); state.network.nodes[id].len];
        let lines = state.lines::<L::Number>(id, read.iter().map(|(i, _)| *i));
        for &(i, a) in read {
            let pair = lines[i].as_ref().and_then(|(_, pair)| pair.as_ref());
            // Below y where the coefficient is positive, above where it is negative: in either case below a · y.
            let ends = pair.map_or([None, None], |pair| pair.intercepts.clone().map(Some));
            a.add_end(&mut self.sum, ends);
            if let Some(&Pair { slopes: [below, above], .. }) = pair {
                out[i] = a.along(below, above, state.reach(source, i), &mut self.sum);
            }
        }
        self.add(source, out);
    }

    /// Adds lower bounds over ball and box of forms of the inputs: `a·x = b·c + b·(x − c) + (a − b)·x` for any `b`, and
    /// `b·(x − c) ≥ −r ‖b‖` in the ball, the norm being the dual one (Hölder); the rest is bounded in the box.
    fn add_least(&self, ball: &Ball, a: &[L], sum: &mut L::Sum) {
        let state = self.state;
        let coefficients = |lane| a.iter().map(|a| a.near(lane)).collect::<Vec<f64>>();
        let share = |lane| ball.share(&coefficients(lane), |i| state.ends(0, i));
        let b: Vec<Vec<f64>> = (0..L::LANES).map(share).collect();
        for (i, (a, (center, (low, high)))) in a.iter().zip(&ball.center).enumerate() {
            let mut rest = a.clone();
            rest.add(&L::of(|lane| -b[lane][i]), state.reach(0, i), sum);
            rest.add_end(sum, state.ends(0, i));
            let ends = [low, high].map(|end| Some(L::Number::end(|| Some(center.clone()), *end)));
            L::of(|lane| b[lane][i]).add_end(sum, ends);
        }
        let radius = L::Number::end(|| Some(ball.radius.clone()), enclose(&ball.radius).1);
        L::of(|lane| -ball.dual_norm(&b[lane])).add_end(sum, [None, Some(radius)]);
    }

    /// Takes over the least values that the forms have by the bounds of what they read, where these are better.
    fn improve(&self, best: &mut [(f64, f64)]) {
        let mut sum = self.sum.clone();
        for (&node, a) in &self.at {
            if let Some(ball) = self.state.ball.filter(|_| node == 0) {
                self.add_least(ball, a, &mut sum);
                continue;
            }
            for (i, a) in a.iter().enumerate().filter(|(_, a)| !a.is_zero()) {
                a.add_end(&mut sum, self.state.ends(node, i));
            }
        }
        for (best, (low, high)) in best.iter_mut().zip(L::bounds(&sum)) {
            *best = (best.0.max(low), best.1.max(high));
        }
    }
}

#[cfg(test)]
mod tests;
