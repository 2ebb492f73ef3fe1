//! Neurons' bounds by linear programs over the layers before them (LP-ALL of Salman et al. 2019; the
//! refinement of Singh et al. 2019, §4.3).
//!
//! All neurons of a layer share one program, since it is the program of the layers before; only the
//! objective differs. Convolutions have one program per set of neurons that read the same window.

use super::argument::{Argued, Argument, Claim};
use super::cone::{Cone, of_same_cone};
use super::elsewhere::LayerPrograms;
use super::encoding::Encoding;
use super::{Answer, Cuts, LpDomain, LpFact};
use crate::activation::{ActivationFn, Reach};
use crate::domain::{
    Bounds, Checked, DeepPolyFact, DeepPolyWithin, DomainError, Fact, NodeBounds, Run, Trace, allowance,
    propagate_until,
};
use crate::lp::Stop;
use crate::network::{Affine, Network, NodeId, NodeKind};
use crate::num::Interval;
use crate::num::round::sub_down;
use crate::observer::Event;
use crate::query::{FormTerm, LinearForms, Region};
use ndarray::Array2;
use rayon::prelude::*;

/// A bound is computed up to this part of the distance between the bounds known before.
const PRECISION: f64 = 1e-4;

/// What coarse slopes may cost of a bound, as a share of the magnitudes that it sums up.
const COARSE: f64 = 1e-5;

/// Neurons whose programs one session solves: each profits from those before it.
const NEURONS_PER_SESSION: usize = 12;

/// An affine node whose neurons are bounded.
pub(super) struct Tightening<'t, 'a> {
    domain: &'t LpDomain,
    affine: &'t Affine,
    readers: Readers<'t>,
    cuts: Cuts<'t>,
    seen: &'t Trace<'a, LpFact>,
}

/// A bound, and its argument where arguments are kept.
type Shown = (f64, Option<Argument>);

impl LpDomain {
    /// Bounds of the unstable neurons of an affine node, by two programs each.
    pub(super) fn tightened(
        &self,
        id: NodeId,
        base: DeepPolyFact,
        affine: &Affine,
        seen: &Trace<LpFact>,
    ) -> Result<LpFact, DomainError> {
        let mut fact = LpFact::from(base);
        if let Some(known) = seen.known.get(id) {
            fact.tighten(known);
        }
        let readers = Readers::of(id, seen);
        let is_unstable = |&i: &usize| readers.are_open(fact.bounds().reach(i));
        let unstable: Vec<usize> = (0..fact.bounds().len()).filter(is_unstable).collect();
        // Where nothing before it is relaxed, the region's support function bounds a neuron as well as any program.
        let mut relaxed = seen.network.activations().map(|(id, _)| id).chain(seen.network.products().map(|(id, _)| id));
        let is_first = relaxed.all(|before| before > id);
        if is_first || unstable.is_empty() || fact.bounds().is_contradictory() {
            return Ok(fact);
        }
        let sets = of_same_cone(affine, &unstable);
        let found = match &self.elsewhere {
            None => {
                let found = Tightening::new(self, id, affine, seen)?.all(&sets, fact.bounds());
                if let Some(Ok(mut kept)) = self.argued.as_ref().map(|kept| kept.lock()) {
                    kept.extend(found.iter().flat_map(|found| found.claims(id)));
                }
                found.into_iter().map(|found| (found.neuron, found.bounds)).collect()
            }
            Some(solver) => {
                let sessions = sets.iter().flat_map(|set| set.chunks(NEURONS_PER_SESSION)).map(<[_]>::to_vec).collect();
                let facts = seen.facts.iter().chain([&fact]);
                let bounds = Bounds::new(facts.map(|fact| fact.bounds().clone()).collect());
                let solved = solver.solve(LayerPrograms { node: id, sessions, bounds });
                for form in 0..solved.programs {
                    let event = Event::Lp { form, bound: f64::NEG_INFINITY, rows: 0, new_cuts: 0 };
                    seen.run.observer.event(event);
                }
                solved.bounds
            }
        };
        let mut tighter = vec![Interval::ALL; fact.bounds().len()];
        for (i, z) in found {
            if let Some(tighter) = tighter.get_mut(i) {
                *tighter = z;
            }
        }
        fact.tighten(&tighter.into_iter().collect());
        Ok(fact)
    }

    /// Solves programs of a layer; the domain must be the one that asks for them.
    ///
    /// # Errors
    /// As [`propagate`](crate::domain::propagate), through the nodes before.
    pub fn solve_programs(
        &self,
        network: &Network,
        region: &Region,
        layer: &LayerPrograms,
        run: Run<'_>,
    ) -> Result<Vec<(usize, Interval)>, DomainError> {
        let Some(NodeKind::Affine(_)) = network.nodes().get(layer.node).map(|node| &node.kind) else {
            return Ok(Vec::new());
        };
        // Nothing is bounded again, which might come out tighter by a rounding where fewer rows go back together.
        let before =
            DeepPolyWithin { base: self.base, known: &layer.bounds, settled: layer.node, checked: Checked::Never };
        let trace = propagate_until(&before, network, region, &layer.bounds, layer.node + 1, run)?;
        let Trace { network, region, facts, known, run, spare, is_real } = trace;
        let facts = facts.into_iter().map(LpFact::from).collect();
        let mut trace = Trace { network, region, facts, known, run, spare, is_real };
        let Some(fact) = trace.facts.pop() else { return Ok(Vec::new()) };
        let NodeKind::Affine(affine) = &trace.network.node(layer.node).kind else { return Ok(Vec::new()) };
        let inside = |session: &Vec<usize>| session.iter().copied().filter(|&i| i < fact.bounds().len()).collect();
        let sessions: Vec<Vec<usize>> = layer.sessions.iter().map(inside).filter(|s: &Vec<_>| !s.is_empty()).collect();
        let found = Tightening::new(self, layer.node, affine, &trace)?.all(&sessions, fact.bounds());
        Ok(found.into_iter().map(|found| (found.neuron, found.bounds)).collect())
    }
}

/// What programs found of a neuron.
pub(super) struct Found {
    neuron: usize,
    bounds: Interval,
    /// Lower and upper bounds with their arguments, where these are kept.
    argued: Vec<(bool, f64, Argument)>,
}

impl Found {
    fn claims(&self, node: NodeId) -> impl Iterator<Item = Argued> + '_ {
        let neuron = self.neuron;
        self.argued.iter().map(move |(at_least, bound, argument)| {
            let (at_least, bound, argument) = (*at_least, *bound, argument.clone());
            Argued { claim: Claim::Neuron { node, neuron, at_least, bound }, argument }
        })
    }
}

/// What is relaxed over a node: activations, and whether there is anything else.
struct Readers<'t> {
    activations: Vec<&'t dyn ActivationFn>,
    is_ranged: bool,
}

impl<'t> Readers<'t> {
    fn of(id: NodeId, seen: &'t Trace<LpFact>) -> Self {
        let of_node = seen.network.activations().filter(|(_, activation)| activation.source == id);
        let activations = of_node.map(|(_, activation)| activation.function.as_ref()).collect();
        Self { activations, is_ranged: seen.network.is_ranged(id) }
    }

    /// Whether tighter bounds of a neuron would serve them.
    fn are_open(&self, z: Reach<'_>) -> bool {
        self.activations.iter().any(|function| function.is_unstable(z)) || (self.is_ranged && z.bounds.lo < z.bounds.hi)
    }
}

impl<'t, 'a> Tightening<'t, 'a> {
    /// The node `id` after those that were seen.
    pub fn new(
        domain: &'t LpDomain,
        id: NodeId,
        affine: &'t Affine,
        seen: &'t Trace<'a, LpFact>,
    ) -> Result<Self, DomainError> {
        Ok(Self { domain, affine, readers: Readers::of(id, seen), cuts: domain.cuts(seen)?, seen })
    }

    /// Bounds of neurons in sets of which each depends on the same neurons of the nodes before.
    pub fn all(&self, sets: &[Vec<usize>], known: &NodeBounds) -> Vec<Found> {
        let known = |i: usize| known.reach(i);
        sets.par_iter().flat_map_iter(|set| self.bounds(set, &known)).collect()
    }

    /// Bounds of neurons that depend on the same neurons of the nodes before.
    fn bounds<'k>(&self, neurons: &[usize], known: &(dyn Fn(usize) -> Reach<'k> + Sync)) -> Vec<Found> {
        let Self { affine, seen, .. } = self;
        let sources: Vec<NodeId> = affine.terms.iter().map(|term| term.source).collect();
        let cone = Cone::of(&seen.network, affine, neurons);
        let bounds = |id: NodeId| seen.bounds_of(id);
        let Some(encoding) = Encoding::new(&seen.network, seen.region, &bounds, &sources, &cone) else {
            return Vec::new();
        };
        let several = |some: &[usize]| -> Vec<Found> {
            let mut session = self.domain.backend.session(encoding.program()).ok();
            let mut solve = |forms: &LinearForms, stop: Stop, form: usize| {
                let objective = encoding.objective(forms, 0, &bounds)?;
                if self.cuts.is_empty() {
                    let answer = self.domain.solve(&mut **session.as_mut()?, &encoding, &objective, stop, seen.run)?;
                    answer.report(form, answer.bound, &encoding, 0, seen.run);
                    return self.bound(&encoding, forms, answer, stop);
                }
                let (mut own, cuts) = (encoding.clone(), || &self.cuts);
                let answer = self.domain.minimum(&mut own, &cuts, &objective, stop, form, seen.run);
                self.bound(&own, forms, answer, stop)
            };
            some.iter().map(|&i| self.neuron(i, known(i), &mut solve)).collect()
        };
        neurons.par_chunks(NEURONS_PER_SESSION).flat_map_iter(several).collect()
    }

    /// The bound of an answer; where arguments are kept, what its argument shows, less what a checker may lose.
    fn bound(&self, encoding: &Encoding, forms: &LinearForms, answer: Answer, stop: Stop) -> Option<Shown> {
        if self.domain.argued.is_none() {
            return Some((answer.bound, None));
        }
        if answer.bound <= stop.known {
            return None;
        }
        let mut reach = forms.constants[0].abs();
        for term in &forms.terms {
            let magnitudes = self.seen.bounds_of(term.node).magnitudes();
            reach += term.coefficients.iter().zip(magnitudes).map(|(c, x)| c.abs() * x).sum::<f64>();
        }
        let aims = (stop.known.max(answer.bound - COARSE * reach), reach);
        let (bound, argument) = self.domain.argued(&encoding.rows, forms, &answer.multipliers, aims, self.seen)?;
        Some((sub_down(bound.min(answer.bound), allowance(reach)), Some(argument)))
    }

    /// Tightens the bounds `z` of one neuron, first on the side that is more likely to decide its branch.
    fn neuron(
        &self,
        i: usize,
        known: Reach<'_>,
        solve: &mut dyn FnMut(&LinearForms, Stop, usize) -> Option<Shown>,
    ) -> Found {
        let mut z = known.bounds;
        let mut argued = Vec::new();
        let gap = PRECISION * z.width();
        let order = if -z.lo < z.hi { [1.0, -1.0] } else { [-1.0, 1.0] };
        for sign in order {
            if z.is_empty() || !self.readers.are_open(known.within(z)) || self.seen.run.budget.is_spent() {
                break;
            }
            let forms = affine_forms(self.affine, &[(i, sign)]);
            let least = z.scale(sign).lo;
            let stop = Stop { above: self.decisive(z, sign), gap, known: least };
            let form = 2 * i + usize::from(sign < 0.0);
            let Some((bound, argument)) = solve(&forms, stop, form).filter(|(bound, _)| *bound > least) else {
                continue;
            };
            if sign > 0.0 {
                z.lo = bound
            } else {
                z.hi = -bound
            }
            argued.extend(argument.map(|argument| (sign > 0.0, sign * bound, argument)));
        }
        Found { neuron: i, bounds: z, argued }
    }

    /// The bound of `sign · z` beyond which one piece of each activation is left: what is gained further on
    /// is gained by the rows of the neuron itself. There is none for a product.
    fn decisive(&self, z: Interval, sign: f64) -> f64 {
        if self.readers.is_ranged {
            return f64::INFINITY;
        }
        let ends = self
            .readers
            .activations
            .iter()
            .flat_map(|function| function.pieces().unwrap_or_default())
            .map(|piece| sign * piece.from);
        let reach = z.scale(sign).hi;
        // The last end of a piece on the way.
        ends.filter(|&end| end.is_finite() && end <= reach).reduce(f64::max).unwrap_or(f64::INFINITY)
    }
}

/// The neurons `sign · z_i` of an affine node as forms over its sources.
fn affine_forms(affine: &Affine, rows: &[(usize, f64)]) -> LinearForms {
    let constants = rows.iter().map(|&(i, sign)| affine.bias.enclosure(i).scale(sign).lo).collect();
    let mut forms = LinearForms { terms: Vec::new(), constants };
    for term in &affine.terms {
        let coefficients = term.map.rows(rows);
        let radius = (!term.map.is_exact()).then(|| {
            let mut radii = Array2::zeros(coefficients.dim());
            for (r, &(i, _)) in rows.iter().enumerate() {
                if let Some((j, radius)) = term.map.radius(i) {
                    radii[[r, j]] = radius;
                }
            }
            radii
        });
        forms.terms.push(FormTerm { node: term.source, coefficients, radius });
    }
    forms
}
