//! Neuron bounds refined by search, layer by layer: both sides of every unstable neuron are forms over the layers before,
//! each with a small tree of parts; what one layer gains serves all layers behind it (theory: the slack of a layer
//! multiplies through all that follow).

use super::ascent::Effort;
use super::batch::{Member, Objective};
use super::record::{NeuronBound, Record};
use super::relaxed::{Compiled, Relaxed};
use super::tree::{Forest, Limits};
use crate::activation::ActivationFn;
use crate::budget::Budget;
use crate::domain::{Bounds, NodeBounds, allowance, open_differences, products, reaches};
use crate::network::{Activation, Arithmetic, Network, NodeId, NodeKind};
use crate::num::Interval;
use crate::num::round::{div_down, div_up};
use crate::query::Region;
use std::collections::BTreeSet;
use std::time::Duration;

/// A round of refinement: how far neuron bounds are refined.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Refinement {
    /// Parts per neuron side of the last layer, at most; earlier ones have more. One part: slopes alone are optimised.
    pub parts: usize,
    /// The share of the budget left that all layers together may take.
    pub share: f64,
    /// Whether neurons are only bounded where the network's last node, of one neuron, is not positive: a counterexample's
    /// margin, say, so that bounds that exclude each other prove that there is none (Kotha et al. 2023). All layers have
    /// the same number of parts then, since every form reads that node.
    pub assumes: bool,
}

impl Default for Refinement {
    /// The first round: slopes alone.
    fn default() -> Self {
        Self { parts: 1, share: 0.7, assumes: false }
    }
}

/// No round has more parts per neuron side.
const MOST_PARTS: usize = 4096;

/// What a neuron side's root costs, in parts.
const ROOT: usize = 3;

/// What a refinement did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Refined {
    /// Neuron sides that were bounded.
    pub sides: usize,
    /// Parts examined for them.
    pub parts: usize,
    /// Neurons that became stable.
    pub settled: usize,
}

/// Gradient steps of a neuron's side at its root, and at parts.
const AT_ROOT: Effort = Effort { rounds: 8, alpha: 0.2, beta: 0.1 };
const BELOW: Effort = Effort { rounds: 4, alpha: 0.2, beta: 0.3 };

/// Layer `k` of `n` has `(n / k)²` times the parts of the last one: what an early layer loses multiplies through all
/// that follow, and its parts cost less.
fn parts_of(last: usize, k: usize, n: usize) -> usize {
    (last * n * n).div_ceil(k * k)
}

impl Refinement {
    /// The round after this one, before and after which so much time was left, with up to `growth` times the parts;
    /// `None` when another one would not pay.
    #[must_use]
    pub fn next(self, growth: usize, before: Option<Duration>, after: Option<Duration>) -> Option<Self> {
        let growing = (self.parts * growth).min(MOST_PARTS);
        let parts = before.zip(after).map_or(growing, |(before, after)| {
            let took = before.saturating_sub(after).as_secs_f64().max(1e-3);
            let affordable = after.as_secs_f64() * self.share / took * (self.parts + ROOT) as f64;
            growing.min((affordable as usize).saturating_sub(ROOT))
        });
        (parts >= 2 * self.parts).then_some(Self { parts, ..self })
    }

    /// Tightens `bounds` (of all nodes, over `region`) in place, until the parts or the time is used up. They are about
    /// the network in real arithmetic: of one in float32 nothing is refined.
    pub fn run(&self, compiled: &Compiled<'_>, region: &Region, bounds: &mut Bounds, budget: &Budget) -> Refined {
        self.recorded(compiled, region, bounds, budget, None)
    }

    /// [`run`](Self::run), which tells what proves the bounds that it finds.
    pub fn recorded(
        &self,
        compiled: &Compiled<'_>,
        region: &Region,
        bounds: &mut Bounds,
        budget: &Budget,
        mut record: Option<&mut (dyn Record + '_)>,
    ) -> Refined {
        let network = compiled.network;
        let mut refined = Refined::default();
        // A record is about all of the region.
        if network.arithmetic() != Arithmetic::Real || self.assumes && record.is_some() {
            return refined;
        }
        let at_start = budget.remaining();
        let spent = |budget: &Budget| match (at_start, budget.remaining()) {
            (Some(before), Some(now)) => before.saturating_sub(now),
            _ => Duration::ZERO,
        };
        let layers = read_by_choices(network);
        for (at, &node) in layers.iter().enumerate() {
            follow(network, bounds, node);
            // With so many parts the time that the layers take falls like 1 / k.
            let reach = self.share * ((at + 1) as f64 / layers.len() as f64).sqrt();
            let share = at_start.map(|time| time.mul_f64(reach));
            let is_over = |budget: &Budget| budget.is_spent() || share.is_some_and(|share| spent(budget) >= share);
            if !is_over(budget) {
                let parts = if self.assumes { self.parts } else { parts_of(self.parts, at + 1, layers.len()) };
                let of_layer = Self { parts, ..*self };
                let record = record.as_mut().map(|record| &mut **record as &mut dyn Record);
                of_layer.layer(compiled, region, bounds, node, budget, &is_over, &mut refined, record);
            }
        }
        follow(network, bounds, network.nodes().len());
        refined
    }

    /// Refines what activations and products read of the node `source`, or what activations that correspond do.
    #[allow(clippy::too_many_arguments)]
    fn layer(
        &self,
        compiled: &Compiled<'_>,
        region: &Region,
        bounds: &mut Bounds,
        source: NodeId,
        budget: &Budget,
        is_over: &dyn Fn(&Budget) -> bool,
        refined: &mut Refined,
        record: Option<&mut dyn Record>,
    ) {
        // What comes after is not passed, but for what is assumed.
        let passed = if self.assumes { bounds.nodes() } else { &bounds.nodes()[..=source] };
        let before = Bounds::new(passed.to_vec());
        let relaxed = Relaxed::new(compiled, region, &before);
        if !self.assumes && relaxed.free_up_to(source) == 0 {
            return;
        }
        let z = &before.nodes()[source];
        let is_open = choices_of(compiled.network, source, &before);
        let unstable: Vec<usize> = (0..z.len()).filter(|&i| is_open(z, i)).collect();
        // Multipliers of what is assumed are measured in the neurons' widths; powers of two round nothing.
        let unit = |i: usize| if self.assumes { power_of_two(z.get(i).hi - z.get(i).lo) } else { 1.0 };
        let sides: Vec<(usize, f64)> = unstable.iter().flat_map(|&i| [(i, unit(i)), (i, -unit(i))]).collect();
        let forms = sides.iter().map(|&(i, sign)| Objective::neuron(source, i, sign)).collect();
        let reach = || reaches(compiled.network, source, &before).into_iter().fold(0.0, f64::max);
        let goal = if record.is_some() { allowance(reach()) } else { 0.0 };
        let tolerance = if self.assumes { f32::NEG_INFINITY } else { 1e-3 };
        let limits = Limits { tolerance, assumes: self.assumes, ..Limits::new(goal, self.parts, AT_ROOT, BELOW) };
        let mut forest = Forest::new(&relaxed, forms, limits);
        if record.is_some() {
            forest.keep();
        }
        forest.plant(budget);
        while !is_over(budget) && forest.grow(budget).is_some() {}
        refined.sides += sides.len();
        refined.parts += forest.parts();
        let mut found = vec![Interval::ALL; z.len()];
        let bounds_of_sides = match record {
            None => forest.bounds(),
            Some(record) => recorded(&mut forest, &relaxed, (source, &sides), goal, record),
        };
        for (&(i, sign), bound) in sides.iter().zip(bounds_of_sides) {
            if sign > 0.0 { found[i].lo = div_down(bound, sign) } else { found[i].hi = div_up(bound, sign) }
        }
        let mut now = z.clone();
        now.intersect(&found.into_iter().collect::<NodeBounds>());
        refined.settled += unstable.iter().filter(|&&i| !is_open(&now, i)).count();
        set(bounds, source, now);
    }
}

/// A power of two near the inverse of a positive number; one where there is none. Products with it round nothing but what
/// underflows.
#[must_use]
pub fn power_of_two(x: f64) -> f64 {
    if (1e-30..1e30).contains(&x) { x.recip().log2().round().exp2() } else { 1.0 }
}

/// The bounds that a forest proves of neurons of a node, up to `loss`; those that are news are told.
fn recorded(
    forest: &mut Forest<'_>,
    relaxed: &Relaxed<'_>,
    (node, sides): (NodeId, &[(usize, f64)]),
    loss: f64,
    record: &mut dyn Record,
) -> Vec<f64> {
    let tell = |(&(neuron, sign), (bound, parts)): (&(usize, f64), (f64, Vec<Member>))| {
        let known = relaxed.bounds.nodes()[node].get(neuron);
        let is_news = if sign > 0.0 { bound > known.lo } else { -bound < known.hi };
        if !is_news {
            return f64::NEG_INFINITY;
        }
        record.bound(relaxed, NeuronBound { node, neuron, at_least: sign > 0.0, bound: sign * bound, parts });
        bound
    };
    sides.iter().zip(forest.proved(loss)).map(tell).collect()
}

/// The nodes whose bounds say how another one is passed, in order: pre-activations, what products multiply, and what two
/// pre-activations differ by.
fn read_by_choices(network: &Network) -> Vec<NodeId> {
    let factors = network.products().flat_map(|(_, product)| product.factors.iter().map(|factor| factor.source));
    let sources = network.activations().map(|(_, activation)| activation.source);
    // The region itself is known.
    let differences = network.twins().iter().map(|twin| twin.difference);
    let sources: BTreeSet<NodeId> = sources.chain(factors).chain(differences).filter(|&source| source > 0).collect();
    sources.into_iter().collect()
}

/// Whether the bounds of a neuron of the node say how it is passed: it is unstable, the difference of two of which one is
/// unstable by these `bounds`, or a factor that is no constant.
fn choices_of(network: &Network, source: NodeId, bounds: &Bounds) -> impl Fn(&NodeBounds, usize) -> bool {
    let readers = network.activations().filter(move |(_, activation)| activation.source == source);
    let functions: Vec<&dyn ActivationFn> = readers.map(|(_, activation)| activation.function.as_ref()).collect();
    let factors = network.products().flat_map(|(_, product)| &product.factors);
    let factors: BTreeSet<usize> =
        factors.filter(|factor| factor.source == source).flat_map(|factor| factor.index.iter().copied()).collect();
    let differences = open_differences(network, source, |id| &bounds.nodes()[id]);
    move |z, i| {
        let is_factor = || factors.contains(&i) && z.get(i).lo < z.get(i).hi;
        let is_read = functions.iter().any(|function| function.is_unstable(z.reach(i)));
        let differs = || differences.as_ref().is_some_and(|open| open[i]) && z.get(i).lo < z.get(i).hi;
        is_read || is_factor() || differs()
    }
}

/// Replaces the bounds of one node.
fn set(bounds: &mut Bounds, id: NodeId, now: NodeBounds) {
    let mut nodes = bounds.nodes().to_vec();
    nodes[id] = now;
    *bounds = Bounds::new(nodes);
}

/// Tightens the bounds of activation and product nodes before `end` by those of their sources.
fn follow(network: &Network, bounds: &mut Bounds, end: NodeId) {
    let mut nodes = bounds.nodes().to_vec();
    for id in 0..end {
        let image: NodeBounds = match &network.node(id).kind {
            NodeKind::Activation(Activation { source, function, .. }) => {
                nodes[*source].reaches().map(|z| function.image(z)).collect()
            }
            NodeKind::Product(product) => products(product, |source, i| nodes[source].get(i)).collect(),
            _ => continue,
        };
        nodes[id].intersect(&image);
    }
    *bounds = Bounds::new(nodes);
}
