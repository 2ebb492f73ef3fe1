//! Abstract domains: each carries a region through a network, node by node, in one fold.

mod allowance;
mod bounds;
mod deeppoly;
mod float32;
mod interval;
mod lattice;
mod list;
mod lp;
mod peaks;
mod planes;
mod zonotope;

pub use allowance::{allowance, reach, reaches};
use allowance::{less, loosened};
pub use bounds::{Bounds, NodeBounds};
pub use deeppoly::{
    BackSubstitution, Checked, Concretise, DeepPoly, DeepPolyFact, DeepPolyWithin, DifferenceLines, Differences,
    History, Kept, Narrowed, NodeLines, Peaks, RationalDeepPoly, RationalFact, Relaxation, Wanted, difference_lines,
    open_differences,
};
pub use interval::IntervalDomain;
use interval::quick_bounds;
pub use lattice::of_margin as margin_lattice;
pub use list::{AnyDomain, all};
pub use lp::{Argued, Argument, Claim, Cut, CutProof, corner, share};
pub use lp::{IntegerModel, LayerPrograms, LpDomain, LpFact, NeuronSolver, SolvedPrograms, Tighten};
use peaks::{peak_levels, peak_line, peak_plane};
pub use planes::{NodePlanes, Plane, Planes, planes_of_product, products};
pub use zonotope::{Zonotope, ZonotopeFact};

use crate::budget::Budget;
use crate::network::{Activation, Affine, Arithmetic, Network, NodeId, NodeKind, Product};
use crate::num::Spare;
use crate::observer::{Event, Observer, Silent};
use crate::query::{LinearForms, Region};
use std::borrow::Cow;
use thiserror::Error;

/// Why a domain gave up. *Unknown* is not an error; this is.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum DomainError {
    /// The time is up, or the work was cancelled.
    #[error("out of time")]
    OutOfTime,
    /// Two sound bounds of a node exclude each other: the region is empty, or there is a bug.
    #[error("the bounds of node {node} (`{name}`) are empty: the region holds no point, or this is a bug")]
    Contradiction {
        /// Index of the node.
        node: NodeId,
        /// Its name.
        name: String,
    },
    /// The domain would take more memory than it may.
    #[error(
        "node {node} (`{name}`): the generators of the zonotope would take more than {most} GiB; use another domain, \
         such as deeppoly, or a region with fewer unstable neurons"
    )]
    Memory {
        /// Index of the node.
        node: NodeId,
        /// Its name.
        name: String,
        /// The limit.
        most: usize,
    },
    /// A float32 execution may leave the range of `f32`, or its result is not known.
    #[error("node {node} (`{name}`) may overflow in float32, or its float32 execution is not known")]
    Float32 {
        /// Index of the node.
        node: NodeId,
        /// Its name.
        name: String,
    },
    /// The region and the network do not fit together.
    #[error("the region has {found} inputs, the network {expected}")]
    Region {
        /// Inputs of the region.
        found: usize,
        /// Inputs of the network.
        expected: usize,
    },
}

/// What a domain knows of one node.
pub trait Fact: Send + Sync {
    /// Concrete bounds of every neuron.
    fn bounds(&self) -> &NodeBounds;
    /// Intersects the concrete bounds with others that are known to hold.
    fn tighten(&mut self, known: &NodeBounds);
}

/// What surrounds a run of a domain: how long it may take and who listens.
#[derive(Clone, Copy)]
pub struct Run<'a> {
    /// The deadline.
    pub budget: &'a Budget,
    /// The listener.
    pub observer: &'a dyn Observer,
}

impl<'a> Run<'a> {
    /// A run that reports to nobody.
    #[must_use]
    pub fn silent(budget: &'a Budget) -> Self {
        Self { budget, observer: &Silent }
    }
}

/// The facts of the nodes seen so far, with what they are about.
pub struct Trace<'a, F> {
    /// The network; in float32 a copy whose biases are intervals, as far as it was passed.
    pub network: Cow<'a, Network>,
    /// The region of inputs.
    pub region: &'a Region,
    /// One fact per node seen, in topological order.
    pub facts: Vec<F>,
    /// What earlier stages know of all nodes.
    pub known: Bounds,
    /// Deadline and listener.
    pub run: Run<'a>,
    /// Memory to work in.
    pub spare: Spare,
    /// True when every execution of the nodes seen has the signs and values of the real one.
    pub is_real: bool,
}

impl<F: Fact> Trace<'_, F> {
    /// The concrete bounds of a node seen.
    #[must_use]
    pub fn bounds_of(&self, id: NodeId) -> &NodeBounds {
        self.facts[id].bounds()
    }

    /// Bounds of the product of what is seen of its factors.
    fn product_bounds(&self, product: &Product) -> NodeBounds {
        products(product, |source, i| self.bounds_of(source).get(i)).collect()
    }

    /// The concrete bounds of all nodes seen.
    #[must_use]
    pub fn bounds(&self) -> Bounds {
        Bounds::new(self.facts.iter().map(|f| f.bounds().clone()).collect())
    }
}

/// An abstract domain: how facts pass through each kind of node, and how linear forms are bounded.
pub trait AbstractDomain: Sync {
    /// What is known of one node.
    type Fact: Fact;
    /// True for a domain that solves linear programs.
    const SOLVES_PROGRAMS: bool = false;
    /// The name that users type.
    fn name(&self) -> &'static str;
    /// The fact of the input.
    fn input(&self, region: &Region) -> Self::Fact;
    /// The fact of the affine node `id`, whose sources have been seen.
    fn affine(&self, id: NodeId, node: &Affine, seen: &Trace<Self::Fact>) -> Result<Self::Fact, DomainError>;
    /// The fact of the activation node `id`, whose source has been seen.
    fn activation(&self, id: NodeId, node: &Activation, seen: &Trace<Self::Fact>) -> Result<Self::Fact, DomainError>;
    /// The fact of the product node `id`, whose factors have been seen.
    fn product(&self, id: NodeId, node: &Product, seen: &Trace<Self::Fact>) -> Result<Self::Fact, DomainError>;
    /// For each form a certified lower bound of its minimum over the region.
    fn minima(&self, forms: &LinearForms, seen: &Trace<Self::Fact>) -> Result<Vec<f64>, DomainError>;
    /// A certified lower bound of the minimum over the region of the *maximum* of the forms: positive
    /// when they cannot all be at most zero.
    fn minimum_of_maximum(&self, forms: &LinearForms, seen: &Trace<Self::Fact>) -> Result<f64, DomainError> {
        Ok(self.minima(forms, seen)?.into_iter().fold(f64::NEG_INFINITY, f64::max))
    }
}

/// Carries `region` through `network`: the one fold that every domain shares.
///
/// Bounds in `known` (from earlier stages) are intersected with each fact before it is used, and rounded
/// inward to the lattices on which the values are known to lie (parity of sums of ±1, quantised inputs).
pub fn propagate<'a, D: AbstractDomain>(
    domain: &D,
    network: &'a Network,
    region: &'a Region,
    known: &Bounds,
    run: Run<'a>,
) -> Result<Trace<'a, D::Fact>, DomainError> {
    propagate_until(domain, network, region, known, network.nodes().len(), run)
}

/// As [`propagate`], through the first `end` nodes only.
///
/// # Errors
/// Those of [`propagate`].
pub fn propagate_until<'a, D: AbstractDomain>(
    domain: &D,
    network: &'a Network,
    region: &'a Region,
    known: &Bounds,
    end: usize,
    run: Run<'a>,
) -> Result<Trace<'a, D::Fact>, DomainError> {
    if region.len() != network.input_len() {
        return Err(DomainError::Region { found: region.len(), expected: network.input_len() });
    }
    let total = network.nodes().len();
    let facts: Vec<D::Fact> = Vec::with_capacity(total);
    let mut trace = Trace {
        network: Cow::Borrowed(network),
        region,
        facts,
        known: known.clone(),
        run,
        spare: Spare::default(),
        is_real: true,
    };
    let inputs = (network.arithmetic() == Arithmetic::Float32).then(|| float32::Inputs::of(region));
    for id in 0..end {
        if run.budget.is_spent() {
            return Err(DomainError::OutOfTime);
        }
        if let Some(inputs) = &inputs {
            let facts = &trace.facts;
            if let Some(widened) = float32::widened(network, id, inputs, &|source| facts[source].bounds())? {
                trace.is_real &= widened.is_real;
                trace.network.to_mut().replace_bias(id, widened.bias);
            }
        }
        let node = trace.network.node(id);
        let mut fact = match &node.kind {
            NodeKind::Input => domain.input(region),
            NodeKind::Affine(affine) => domain.affine(id, affine, &trace)?,
            NodeKind::Activation(activation) => domain.activation(id, activation, &trace)?,
            NodeKind::Product(product) => domain.product(id, product, &trace)?,
        };
        let facts = &trace.facts;
        let lattices = || lattice::of_node(&node.kind, region, &|source| facts[source].bounds());
        if let Some(lattices) = network.has_lattices().then(lattices).flatten() {
            fact.tighten(&NodeBounds::on_lattices(lattices));
        }
        if let Some(maxima) = network.maxima_at(id) {
            let entries = trace.facts[maxima.source].bounds();
            fact.tighten(&maxima.ranges(|i| entries.get(i)).collect());
        }
        if let Some(known) = known.get(id) {
            fact.tighten(known);
        }
        if fact.bounds().is_contradictory() {
            return Err(DomainError::Contradiction { node: id, name: node.name.clone() });
        }
        trace.facts.push(fact);
        run.observer.event(Event::Nodes { done: id + 1, total });
    }
    Ok(trace)
}
