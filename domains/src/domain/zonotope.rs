//! Zonotopes: every neuron an affine form over the inputs and noise symbols.
//!
//! *Requires* activations of either kind; memory in proportion to symbols × neurons, of which it takes no more than
//! [`MOST_MEMORY`]. *Returns* bounds of every neuron and certified lower bounds of forms: sound, not complete. *Source*:
//! Singh et al. 2018 (DeepZ); Ghorbal et al. 2009.

use super::{AbstractDomain, DomainError, Fact, NodeBounds, Trace, planes};
use crate::activation::{ActivationFn, Line, Lines, Reach};
use crate::budget::Budget;
use crate::network::{Activation, Affine, Coefficients, LinearMap, NodeId, Product, Rounding, Sparse, Term};
use crate::num::Interval;
use crate::num::error::{ETA, UNIT, gamma, underflow};
use crate::num::kernel::{finite_or_nothing, less_error};
use crate::num::round::{add_down, add_up, mul_up, sub_up};
use crate::query::{LinearForms, Region};
use float_ord::FloatOrd;
use ndarray::{Array2, Axis, concatenate};

/// The zonotope domain (DeepZ; Singh et al. 2018): every neuron is an affine form over the inputs and
/// noise symbols in [−1, 1], and each unstable neuron adds one symbol.
#[derive(Clone, Copy, Debug, Default)]
pub struct Zonotope;

/// `x_i ∈ center_i + Σ_k inputs[k, i] · input_k + Σ_j noise[j, i] · e_j ± radius_i`, `e ∈ [−1, 1]`.
///
/// The forms are over the inputs themselves, so that the region's support function concretises them;
/// `radius` collects rounding errors.
#[derive(Clone, Debug)]
pub struct ZonotopeFact {
    center: Vec<f64>,
    /// Inputs × neurons; `None` for the input node itself (the identity).
    inputs: Option<Array2<f64>>,
    /// Symbols × neurons.
    noise: Array2<f64>,
    /// Which symbol each row of `noise` is; increasing.
    symbols: Vec<usize>,
    radius: Vec<f64>,
    bounds: NodeBounds,
}

impl Fact for ZonotopeFact {
    fn bounds(&self) -> &NodeBounds {
        &self.bounds
    }
    fn tighten(&mut self, known: &NodeBounds) {
        self.bounds.intersect(known);
    }
}

impl ZonotopeFact {
    /// An upper bound of `|center_i| + Σ_k |inputs[k, i]| |input_k| + Σ_j |noise[j, i]|`.
    fn magnitudes(&self, inputs: &[f64]) -> Vec<f64> {
        let mut total: Vec<f64> = self.center.iter().map(|c| c.abs()).collect();
        match &self.inputs {
            None => total.iter_mut().zip(inputs).for_each(|(t, m)| *t = add_up(*t, *m)),
            Some(coefficients) => {
                for (row, m) in coefficients.rows().into_iter().zip(inputs) {
                    total.iter_mut().zip(row).for_each(|(t, c)| *t += c.abs() * m);
                }
            }
        }
        for row in self.noise.rows() {
            total.iter_mut().zip(row).for_each(|(t, c)| *t += c.abs());
        }
        let inflation = 1.0 + gamma(inputs.len() + self.symbols.len() + 2);
        total.into_iter().map(|t| mul_up(t, inflation)).collect()
    }

    /// Bounds of every neuron over the region.
    fn concretise(&self, region: &Region) -> NodeBounds {
        let Some(inputs) = &self.inputs else {
            return region.bounds().iter().copied().collect();
        };
        let forms = inputs.t().as_standard_layout().to_owned();
        let below = region.minima(forms.view());
        let above = region.minima((-forms).view());
        let noise = self.noise.t().as_standard_layout().to_owned();
        let ones = vec![1.0; self.symbols.len()];
        let one = |i: usize| {
            let spread = less_error(noise.row(i).to_slice().unwrap_or(&[]), &ones) - ETA;
            let slack = add_down(spread, -self.radius[i]);
            let lower = add_down(add_down(below[i], self.center[i]), slack);
            let upper = add_down(add_down(above[i], -self.center[i]), slack);
            // What overflowed says nothing.
            Interval { lo: finite_or_nothing(lower), hi: -finite_or_nothing(upper) }
        };
        (0..self.center.len()).map(one).collect()
    }
}

/// Adds `more` to the rows of `sum` that carry the same symbols.
fn add_noise(sum: &mut (Vec<usize>, Array2<f64>), symbols: &[usize], more: Array2<f64>) {
    if sum.0 == symbols {
        sum.1 += &more;
        return;
    }
    let mut all: Vec<usize> = sum.0.iter().chain(symbols).copied().collect();
    all.sort_unstable();
    all.dedup();
    let mut joined = Array2::zeros((all.len(), more.ncols()));
    for (ids, rows) in [(&sum.0[..], &sum.1), (symbols, &more)] {
        for (id, row) in ids.iter().zip(rows.rows()) {
            if let Ok(at) = all.binary_search(id) {
                let mut target = joined.row_mut(at);
                target += &row;
            }
        }
    }
    *sum = (all, joined);
}

/// GiB that the coefficients of all nodes, and the copies that one more node is made with, may take together.
const MOST_MEMORY: usize = 1;

/// Copies of a node's coefficients while it is made.
const COPIES: usize = 4;

/// Whether there is room for node `id` with so many coefficients for each of its `n` neurons.
fn check_memory(id: NodeId, rows: usize, n: usize, seen: &Trace<ZonotopeFact>) -> Result<(), DomainError> {
    let size = |fact: &ZonotopeFact| fact.noise.len() + fact.inputs.as_ref().map_or(0, Array2::len);
    let so_far: usize = seen.facts.iter().map(size).sum();
    let all = rows.saturating_mul(n).saturating_mul(COPIES).saturating_add(so_far);
    if all > MOST_MEMORY * (1 << 30) / size_of::<f64>() {
        let name = seen.network.nodes().get(id).map_or_else(|| "the property".into(), |node| node.name.clone());
        return Err(DomainError::Memory { node: id, name, most: MOST_MEMORY });
    }
    Ok(())
}

/// Rows of coefficients behind a linear map, as many at a time as keep a deadline.
fn push_forward(map: &LinearMap, rows: &Array2<f64>, budget: &Budget) -> Result<Array2<f64>, DomainError> {
    const MOST_PRODUCTS: usize = 1 << 26;
    let at_once = (MOST_PRODUCTS / (map.output_len() * map.fan_in()).max(1)).max(1);
    let mut forward = Array2::zeros((rows.nrows(), map.output_len()));
    for (mut to, rows) in forward.axis_chunks_iter_mut(Axis(0), at_once).zip(rows.axis_chunks_iter(Axis(0), at_once)) {
        if budget.is_spent() {
            return Err(DomainError::OutOfTime);
        }
        to.assign(&map.push_forward(rows));
    }
    Ok(forward)
}

/// The zonotope of an affine node from those of its sources.
fn affine_fact(id: NodeId, node: &Affine, seen: &Trace<ZonotopeFact>) -> Result<ZonotopeFact, DomainError> {
    let n = node.bias.len();
    let symbols = node.terms.iter().map(|term| seen.facts[term.source].symbols.len()).max().unwrap_or(0);
    check_memory(id, seen.network.input_len() + symbols, n, seen)?;
    let budget = seen.run.budget;
    let inputs_bound: Vec<f64> = seen.region.bounds().iter().map(|x| x.magnitude()).collect();
    let mut center = node.bias.values().to_vec();
    let mut radius: Vec<f64> = (0..n).map(|i| node.bias.radius(i)).collect();
    let mut inputs: Array2<f64> = Array2::zeros((seen.network.input_len(), n));
    let mut noise = (Vec::new(), Array2::zeros((0, n)));
    let mut magnitude: Vec<f64> = center.iter().map(|c| c.abs()).collect();
    for term in &node.terms {
        let source = &seen.facts[term.source];
        match &source.inputs {
            None => {
                let units: Vec<(usize, f64)> = (0..n).map(|i| (i, 1.0)).collect();
                inputs += &term.map.rows(&units).t();
            }
            Some(forms) => inputs += &push_forward(&term.map, forms, budget)?,
        }
        if !source.symbols.is_empty() {
            add_noise(&mut noise, &source.symbols, push_forward(&term.map, &source.noise, budget)?);
        }
        let source_center = Array2::from_shape_fn((1, source.center.len()), |(_, i)| source.center[i]);
        for (c, more) in center.iter_mut().zip(term.map.push_forward(source_center.view())) {
            *c += more;
        }
        // Each coefficient is a dot product, and at most one more sum per term joins them: all their
        // errors together are γ |W| (|center| + Σ|coefficients|), times what the symbols can be.
        let rounding = gamma(term.map.fan_in() + node.terms.len() + 1);
        let size = source.magnitudes(&inputs_bound);
        let inherited: Vec<f64> =
            source.radius.iter().zip(&size).map(|(r, s)| add_up(*r, add_up(mul_up(rounding, *s), ETA))).collect();
        for (r, more) in radius.iter_mut().zip(term.map.magnitudes(&inherited)) {
            *r = add_up(*r, more);
        }
        for (m, more) in magnitude.iter_mut().zip(term.map.magnitudes(&size)) {
            *m = add_up(*m, more);
        }
        // A coefficient that underflows is lost whatever it is, times what its symbol can be.
        let symbols = inputs_bound.iter().fold(1.0 + source.symbols.len() as f64, |s, m| add_up(s, *m));
        let lost = mul_up(underflow(term.map.fan_in() + node.terms.len()), symbols);
        radius.iter_mut().for_each(|r| *r = add_up(*r, lost));
        for (i, r) in radius.iter_mut().enumerate() {
            if let Some((j, of_weight)) = term.map.radius(i) {
                *r = add_up(*r, mul_up(of_weight, size[j]));
            }
        }
    }
    // The sums over the terms and the bias.
    let rounding = gamma(node.terms.len() + 1);
    for (r, m) in radius.iter_mut().zip(&magnitude) {
        *r = add_up(*r, add_up(mul_up(rounding, *m), ETA * 1e3));
    }
    let (symbols, noise) = noise;
    let mut fact =
        ZonotopeFact { center, inputs: Some(inputs), noise, symbols, radius, bounds: NodeBounds::new(vec![], vec![]) };
    fact.bounds = fact.concretise(seen.region);
    Ok(fact)
}

/// The slope of the narrowest band around the graph, among the slopes of its lines and 0.
fn best_slope(function: &dyn ActivationFn, z: Reach<'_>) -> f64 {
    let lines = function.lines(z);
    let width = |slope: &f64| function.band(z, *slope).width();
    let candidates = [lines.upper.slope, lines.lower.slope, 0.0];
    candidates.into_iter().min_by_key(|slope| FloatOrd(width(slope))).unwrap_or(0.0)
}

impl Zonotope {
    /// The band around a graph as two parallel lines.
    #[must_use]
    pub fn lines(function: &dyn ActivationFn, z: Reach<'_>) -> Lines {
        let slope = best_slope(function, z);
        let band = function.band(z, slope);
        Lines { lower: Line { slope, intercept: band.lo }, upper: Line { slope, intercept: band.hi } }
    }
}

impl AbstractDomain for Zonotope {
    type Fact = ZonotopeFact;

    fn name(&self) -> &'static str {
        "zonotope"
    }

    fn input(&self, region: &Region) -> ZonotopeFact {
        let n = region.len();
        ZonotopeFact {
            center: vec![0.0; n],
            inputs: None,
            noise: Array2::zeros((0, n)),
            symbols: Vec::new(),
            radius: vec![0.0; n],
            bounds: region.bounds().iter().copied().collect(),
        }
    }

    fn affine(&self, id: NodeId, node: &Affine, seen: &Trace<ZonotopeFact>) -> Result<ZonotopeFact, DomainError> {
        affine_fact(id, node, seen)
    }

    fn activation(
        &self,
        id: NodeId,
        node: &Activation,
        seen: &Trace<ZonotopeFact>,
    ) -> Result<ZonotopeFact, DomainError> {
        let z = &seen.facts[node.source];
        let n = z.bounds.len();
        let function = node.function.as_ref();
        // Symbols are numbered through the network, so that branches never share one by accident.
        let first: usize = seen.network.nodes()[..id].iter().map(|node| node.len).sum();
        let inputs_bound: Vec<f64> = seen.region.bounds().iter().map(|x| x.magnitude()).collect();
        let size = z.magnitudes(&inputs_bound);
        let slopes: Vec<f64> = z.bounds.reaches().map(|b| best_slope(function, b)).collect();
        let bands: Vec<Interval> = (0..n).map(|i| function.band(z.bounds.reach(i), slopes[i])).collect();
        let fresh: Vec<usize> = (0..n).filter(|&i| bands[i].lo < bands[i].hi).collect();
        check_memory(id, seen.network.input_len() + z.symbols.len() + fresh.len(), n, seen)?;
        let slope_row = ndarray::ArrayView1::from(&slopes);
        let identity = || Array2::from_diag(&ndarray::Array1::ones(n));
        let mut inputs = z.inputs.clone().unwrap_or_else(identity);
        inputs *= &slope_row;
        let mut noise = z.noise.clone();
        noise *= &slope_row;
        let mut own = Array2::zeros((fresh.len(), n));
        let mut center = Vec::with_capacity(n);
        let mut radius = Vec::with_capacity(n);
        for i in 0..n {
            let (slope, middle) = (slopes[i], bands[i].middle());
            center.push(slope * z.center[i] + middle);
            // Scaling rounds every coefficient once, the centre twice.
            let rounding = mul_up(4.0 * UNIT, add_up(mul_up(slope.abs(), size[i]), middle.abs()));
            let underflow = mul_up(1e3 * ETA, add_up(1.0, inputs_bound.iter().fold(n as f64, |s, m| add_up(s, *m))));
            radius.push(add_up(mul_up(slope.abs(), z.radius[i]), add_up(rounding, underflow)));
        }
        for (row, &i) in fresh.iter().enumerate() {
            let middle = bands[i].middle();
            own[[row, i]] = sub_up(bands[i].hi, middle).max(sub_up(middle, bands[i].lo));
        }
        let noise = concatenate(Axis(0), &[noise.view(), own.view()]).unwrap_or(own);
        let symbols = z.symbols.iter().copied().chain(fresh.iter().map(|i| first + i)).collect();
        let image = z.bounds.reaches().map(|b| function.image(b)).collect();
        let mut fact = ZonotopeFact { center, inputs: Some(inputs), noise, symbols, radius, bounds: image };
        let concrete = fact.concretise(seen.region);
        fact.bounds.intersect(&concrete);
        Ok(fact)
    }

    /// `a b` is `m_b a + m_a b` with the middles `m` of its factors, up to a symbol of its own.
    fn product(&self, id: NodeId, node: &Product, seen: &Trace<ZonotopeFact>) -> Result<ZonotopeFact, DomainError> {
        let first: usize = seen.network.nodes()[..id].iter().map(|node| node.len).sum();
        let ranges: Vec<[Interval; 2]> = node.pairs(|source, i| seen.bounds_of(source).get(i)).collect();
        let slopes: Vec<[f64; 2]> = ranges.iter().map(|[a, b]| [b.middle(), a.middle()]).collect();
        let bands: Vec<Interval> =
            ranges.iter().zip(&slopes).map(|(&ranges, &slopes)| planes::band(ranges, slopes)).collect();
        let terms = node.factors.iter().enumerate().map(|(side, factor)| {
            let weights: Vec<f64> = slopes.iter().map(|slopes| slopes[side]).collect();
            let map = Sparse::selection(seen.network.node(factor.source).len, &factor.index, &weights);
            Term { source: factor.source, map: LinearMap::Sparse(map).into() }
        });
        let bias = Coefficients::floats(bands.iter().map(|band| band.middle()).collect());
        let middle = Affine { terms: terms.collect(), bias, rounding: Rounding::default() };
        let mut fact = affine_fact(id, &middle, seen)?;
        check_memory(id, seen.network.input_len() + fact.symbols.len() + bands.len(), bands.len(), seen)?;
        let own = bands.iter().map(|band| sub_up(band.hi, band.middle()).max(sub_up(band.middle(), band.lo)));
        let own = Array2::from_diag(&ndarray::Array1::from_iter(own));
        fact.noise = concatenate(Axis(0), &[fact.noise.view(), own.view()]).unwrap_or(own);
        fact.symbols.extend((0..bands.len()).map(|k| first + k));
        fact.bounds = seen.product_bounds(node);
        let concrete = fact.concretise(seen.region);
        fact.bounds.intersect(&concrete);
        Ok(fact)
    }

    fn minima(&self, forms: &LinearForms, seen: &Trace<ZonotopeFact>) -> Result<Vec<f64>, DomainError> {
        let terms = forms
            .terms
            .iter()
            .map(|t| Term { source: t.node, map: LinearMap::Dense(t.coefficients.clone()).into() })
            .collect();
        // A form is what we compute, not the network: nothing is lost in float32.
        let node = Affine { terms, bias: Coefficients::floats(forms.constants.clone()), rounding: Rounding::default() };
        let mut minima = affine_fact(seen.facts.len(), &node, seen)?.bounds.lower().to_vec();
        for term in &forms.terms {
            if let Some(radius) = &term.radius {
                let magnitudes = seen.bounds_of(term.node).magnitudes();
                for (minimum, radius) in minima.iter_mut().zip(radius.rows()) {
                    *minimum = add_down(*minimum, less_error(&radius.to_vec(), &magnitudes));
                }
            }
        }
        Ok(minima)
    }
}
