//! The linear program of a network: every row, read as exact numbers, is implied by the network, the
//! region and the concrete bounds.
//!
//! An unstable neuron has two variables, `y` and `s = y − z`, so that its pre-activation `z = y − s`
//! needs none: for ReLU, `0 ≤ y ≤ u`, `0 ≤ s ≤ −l`, and one sparse row for the upper line of the
//! triangle. A stable neuron is a constant, or one variable tied by an equality.

mod cuts;
mod expression;
mod integer;
mod maxima;
mod products;

use super::cone::Cone;
use super::joint::Cut;
use crate::activation::{ActivationFn, HalfPlane, Reach};
use crate::domain::NodeBounds;
use crate::lp::LinearProgram;
use crate::network::{Activation, Affine, Network, NodeId, NodeKind};
use crate::num::Interval;
use crate::num::round::{add_up, mul_up, sub_down};
use crate::polyhedra::Segment;
use crate::query::{Ball, LinearForms, Region};
use expression::{Expression, Value, two_sum};
use std::collections::BTreeSet;
use std::sync::Arc;

/// The linear relaxation of the first nodes of a network over a region.
#[derive(Clone)]
pub(super) struct Encoding<'a> {
    network: &'a Network,
    program: LinearProgram,
    /// Values of the nodes that others read; pre-activations only where an activation has been encoded.
    values: Vec<Option<Vec<Value>>>,
    /// The neurons that are encoded.
    cone: &'a Cone,
    /// The nodes of maxima that have their rows.
    has_rows: BTreeSet<NodeId>,
    /// Which rows are what.
    pub rows: Rows,
}

/// Which rows of a program are what, for arguments.
#[derive(Clone, Default)]
pub(super) struct Rows {
    /// The half-spaces of the region, in order.
    pub half_spaces: Vec<usize>,
    /// Rows that tie a neuron to what it is computed from: of an affine node, and the activation that asks for it, if one does.
    pub ties: Vec<Tie>,
    /// Cuts of several neurons.
    pub cuts: Vec<(usize, Arc<Cut>)>,
    /// For each form of a maximum that it is at most that.
    pub forms: Vec<usize>,
}

/// A row `−(W x + b) + z = 0`: its multiplier is the coefficient that a form has at the neuron.
#[derive(Clone, Copy)]
pub(super) struct Tie {
    pub row: usize,
    pub node: NodeId,
    pub neuron: usize,
    /// The activation of which `z` is the argument; `None` where the neuron is a variable of its own.
    pub reader: Option<NodeId>,
}

impl<'a> Encoding<'a> {
    /// Encodes what the nodes `targets` depend on, and gives those nodes values to put into forms.
    /// `bounds` must know all nodes up to the largest target. Neurons outside of `cone` are left out; forms
    /// that read them have no bound.
    ///
    /// `None` when a bound is infinite: there is no program then.
    pub fn new(
        network: &'a Network,
        region: &Region,
        bounds: &dyn Fn(NodeId) -> &'a NodeBounds,
        targets: &[NodeId],
        cone: &'a Cone,
    ) -> Option<Self> {
        let last = targets.iter().copied().max()?;
        let mut needed = vec![false; last + 1];
        needed[0] = true;
        targets.iter().for_each(|&t| needed[t] = true);
        for id in (0..=last).rev() {
            if needed[id] {
                network.node(id).sources().for_each(|source| needed[source] = true);
            }
        }
        // An affine node gets values of its own unless activations alone read it.
        let mut read_directly = vec![false; last + 1];
        targets.iter().for_each(|&t| read_directly[t] = true);
        for (id, node) in network.nodes().iter().enumerate().take(last + 1) {
            if needed[id] && matches!(node.kind, NodeKind::Affine(_) | NodeKind::Product(_)) {
                node.sources().for_each(|source| read_directly[source] = true);
            }
        }
        let (program, values) = (LinearProgram::new(), vec![None; last + 1]);
        let mut encoding = Self { network, program, values, cone, has_rows: BTreeSet::new(), rows: Rows::default() };
        encoding.input(region)?;
        for id in (1..=last).filter(|&id| needed[id]) {
            encoding.program.begin_layer();
            match &network.node(id).kind {
                NodeKind::Input => {}
                NodeKind::Affine(affine) => {
                    if read_directly[id] {
                        encoding.affine(id, affine, bounds)?;
                    }
                }
                NodeKind::Activation(activation) => encoding.activation(id, activation, bounds)?,
                NodeKind::Product(product) => encoding.product(id, product, bounds)?,
            }
            encoding.maxima(id, bounds);
        }
        Some(encoding)
    }

    /// The program, without an objective.
    pub fn program(&self) -> &LinearProgram {
        &self.program
    }

    /// The program, kept.
    pub fn into_program(self) -> LinearProgram {
        self.program
    }

    fn variable(&mut self, bounds: Interval) -> Option<usize> {
        (bounds.lo.is_finite() && bounds.hi.is_finite()).then(|| self.program.add_variable(bounds.lo, bounds.hi))
    }

    /// Adds the row `expression ∈ range`, and returns its index.
    fn row(&mut self, expression: &Expression, range: Interval) -> usize {
        let range = range - expression.constant;
        self.program.add_row(&expression.entries, range.lo, range.hi)
    }

    fn input(&mut self, region: &Region) -> Option<()> {
        let values: Option<Vec<Value>> =
            region.bounds().iter().map(|&x| self.variable(x).map(Value::Variable)).collect();
        let values = values?;
        self.ball(region, &values)?;
        for half_space in region.half_spaces() {
            let mut sum = Expression::new(Interval::ZERO);
            for (i, c) in &half_space.terms {
                let c = crate::num::enclose(c);
                sum.add(c.middle(), values[*i]);
                sum.widen(mul_up(c.width(), region.bounds()[*i].magnitude()));
            }
            let rhs = crate::num::enclose(&half_space.rhs).hi;
            let row = self.row(&sum, Interval { lo: f64::NEG_INFINITY, hi: rhs });
            self.rows.half_spaces.push(row);
        }
        self.values[0] = Some(values);
        Some(())
    }

    /// The rows of an L1 ball; an L2 ball is enclosed in the L1 ball of radius `√n r`; a Hamming ball
    /// counts its flips.
    fn ball(&mut self, region: &Region, inputs: &[Value]) -> Option<()> {
        let (center, radius) = match region.ball() {
            Ball::Box | Ball::Grid { .. } => return Some(()),
            Ball::L1 { center, radius } | Ball::GridL1 { origin: center, radius, .. } => {
                (center, crate::num::enclose(radius).hi)
            }
            Ball::L2 { center, radius } => {
                let root = crate::num::round::sqrt_up(center.len() as f64);
                (center, mul_up(root, crate::num::enclose(radius).hi))
            }
            Ball::Hamming { at_upper, flips } => {
                let mut sum = Expression::new(Interval::ZERO);
                let mut budget = 0.0;
                for ((&value, &high), x) in inputs.iter().zip(at_upper).zip(region.bounds()) {
                    // (x − center) / width, with the sign that makes it a count.
                    let (sign, end) = if high { (-1.0, x.hi) } else { (1.0, x.lo) };
                    sum.add(sign, value);
                    sum.constant = sum.constant - Interval::point(end).scale(sign);
                    budget = x.width().max(budget);
                }
                // Where the two values are no floats, an input at its centre may still count a little.
                let (lower, upper) = region.exact_box();
                let ends = at_upper.iter().zip(lower.iter().zip(upper));
                let slack = ends
                    .fold(0.0, |s, (&high, (l, u))| add_up(s, crate::num::enclose(if high { u } else { l }).width()));
                self.row(&sum, Interval { lo: f64::NEG_INFINITY, hi: add_up(mul_up(budget, *flips as f64), slack) });
                return Some(());
            }
        };
        let mut total = Expression::new(Interval::ZERO);
        for ((&value, c), x) in inputs.iter().zip(center).zip(region.bounds()) {
            let c = crate::num::enclose(c);
            let distance = (*x - c).magnitude();
            let t = self.variable(Interval { lo: 0.0, hi: distance })?;
            for sign in [1.0, -1.0] {
                // sign · (x − center) ≤ t
                let mut row = Expression::new(-c.scale(sign));
                row.add(sign, value);
                row.add(-1.0, Value::Variable(t));
                self.row(&row, Interval { lo: f64::NEG_INFINITY, hi: 0.0 });
            }
            total.add(1.0, Value::Variable(t));
        }
        self.row(&total, Interval { lo: f64::NEG_INFINITY, hi: radius });
        Some(())
    }

    /// `−(W x + b)` of every neuron of the affine node `id`, as expressions over its sources; those outside of
    /// the cone are not filled in.
    fn negated(&self, id: NodeId, affine: &Affine, bounds: &dyn Fn(NodeId) -> &'a NodeBounds) -> Vec<Expression> {
        const AT_ONCE: usize = 256;
        let n = affine.bias.len();
        let mut all: Vec<Expression> = (0..n).map(|i| Expression::new(-affine.bias.enclosure(i))).collect();
        for term in &affine.terms {
            let Some(values) = &self.values[term.source] else {
                all.iter_mut().for_each(|expression| expression.constant = Interval::ALL);
                continue;
            };
            let needed: Vec<(usize, f64)> = (0..n).filter(|&i| self.cone.contains(id, i)).map(|i| (i, -1.0)).collect();
            for units in needed.chunks(AT_ONCE) {
                for (row, &(i, _)) in term.map.rows(units).rows().into_iter().zip(units) {
                    for (&w, &value) in row.iter().zip(values) {
                        all[i].add(w, value);
                    }
                }
            }
            for (i, expression) in all.iter_mut().enumerate() {
                if let Some((j, radius)) = term.map.radius(i) {
                    expression.widen(mul_up(radius, bounds(term.source).get(j).magnitude()));
                }
            }
        }
        all
    }

    fn affine(&mut self, id: NodeId, affine: &Affine, bounds: &dyn Fn(NodeId) -> &'a NodeBounds) -> Option<()> {
        let mut values = Vec::with_capacity(affine.bias.len());
        for (i, mut row) in self.negated(id, affine, bounds).into_iter().enumerate() {
            if !self.cone.contains(id, i) {
                values.push(Value::Absent);
                continue;
            }
            let z = Value::Variable(self.variable(bounds(id).get(i))?);
            row.add(1.0, z);
            let row = self.row(&row, Interval::ZERO);
            self.rows.ties.push(Tie { row, node: id, neuron: i, reader: None });
            values.push(z);
        }
        self.values[id] = Some(values);
        Some(())
    }

    fn activation(
        &mut self,
        id: NodeId,
        activation: &Activation,
        bounds: &dyn Fn(NodeId) -> &'a NodeBounds,
    ) -> Option<()> {
        let z_bounds = bounds(activation.source);
        let y_bounds = bounds(id);
        let function = activation.function.as_ref();
        let known = self.values[activation.source].clone();
        // Where the pre-activations have no values yet, each neuron's row ties z to the nodes before.
        let rows = match (&known, &self.network.node(activation.source).kind) {
            (None, NodeKind::Affine(affine)) => Some(self.negated(activation.source, affine, bounds)),
            _ => None,
        };
        let n = z_bounds.len();
        let (mut zs, mut ys) = (Vec::with_capacity(n), Vec::with_capacity(n));
        for i in 0..n {
            if !self.cone.contains(id, i) {
                zs.push(Value::Absent);
                ys.push(Value::Absent);
                continue;
            }
            let tie = match (&known, &rows) {
                (Some(values), _) => {
                    let mut row = Expression::new(Interval::ZERO);
                    row.add(-1.0, values[i]);
                    row
                }
                (None, Some(rows)) => rows[i].clone(),
                (None, None) => return None,
            };
            let (z, y, row) = self.neuron(function, z_bounds.reach(i), y_bounds.get(i), tie)?;
            let tie = |row| Tie { row, node: activation.source, neuron: i, reader: Some(id) };
            self.rows.ties.extend(row.map(tie));
            zs.push(z);
            ys.push(y);
        }
        if known.is_none() {
            self.values[activation.source] = Some(zs);
        }
        self.values[id] = Some(ys);
        Some(())
    }

    /// One neuron: `tie + z = 0`, and `(z, y)` in the hull of the graph. Returns both values, and the row that ties it.
    fn neuron(&mut self, function: &dyn ActivationFn, z: Reach<'_>, y: Interval, mut tie: Expression) -> Option<Tied> {
        let segments = function.segments(z);
        if let [only] = segments[..] {
            return self.stable(only, z.bounds, y, tie);
        }
        let output = self.variable(y)?;
        // s = y − z lies in the band of slope 1 around the graph. An interval in the row goes into s, so that the row
        // stays an equality.
        let radius = tie.take_radius();
        let around = Interval::new(-radius, radius);
        let slack = self.variable(function.band(z, 1.0) + around)?;
        tie.add(1.0, Value::Difference { y: output, s: slack, radius: 0.0 });
        let row = self.row(&tie, Interval::ZERO);
        let difference = Value::Difference { y: output, s: slack, radius };
        for half_plane in function.hull(z) {
            let rhs = add_up(half_plane.rhs, mul_up(half_plane.z.abs(), radius));
            self.half_plane(HalfPlane { rhs, ..half_plane }, output, slack);
        }
        Some((difference, Value::Variable(output), Some(row)))
    }

    /// A neuron with one segment: a constant, or a variable that an equality ties to its inputs.
    fn stable(&mut self, segment: Segment, z: Interval, y: Interval, mut tie: Expression) -> Option<Tied> {
        if segment.slope == 0.0 {
            return Some((Value::Absent, Value::Fixed(segment.intercept), None));
        }
        if segment.slope == 1.0 && segment.intercept == 0.0 {
            let radius = tie.take_radius();
            let variable = self.variable(y.intersect(z) + Interval::new(-radius, radius))?;
            tie.add(1.0, Value::Variable(variable));
            let row = self.row(&tie, Interval::ZERO);
            let value = if radius > 0.0 { Value::Near { variable, radius } } else { Value::Variable(variable) };
            return Some((value, value, Some(row)));
        }
        let (input, output) = (self.variable(z)?, self.variable(y)?);
        tie.add(1.0, Value::Variable(input));
        let row = self.row(&tie, Interval::ZERO);
        let mut line = Expression::new(Interval::point(-segment.intercept));
        line.add(1.0, Value::Variable(output));
        line.add(-segment.slope, Value::Variable(input));
        self.row(&line, Interval::ZERO);
        Some((Value::Variable(input), Value::Variable(output), Some(row)))
    }

    /// `a z + b y ≤ rhs` in the variables `y` and `s = y − z`: `(a + b) y − a s ≤ rhs`. The rounding of
    /// `a + b` is charged to the right side; a row that the variables' bounds imply is left out.
    fn half_plane(&mut self, half_plane: HalfPlane, y: usize, s: usize) {
        let HalfPlane { z: a, y: b, rhs } = half_plane;
        let (sum, error) = two_sum(a, b);
        let range = |v: usize| Interval { lo: self.program.lower()[v], hi: self.program.upper()[v] };
        let rhs = add_up(rhs, mul_up(error, range(y).magnitude()));
        let largest = (range(y).scale(sum) + range(s).scale(-a)).hi;
        let tolerance = 1e-12 * (rhs.abs() + range(y).scale(sum).magnitude());
        if largest > rhs + tolerance {
            self.program.add_row(&[(y, sum), (s, -a)], f64::NEG_INFINITY, rhs);
        }
    }

    /// The values of a node, if it is part of the program.
    fn values_of(&self, id: NodeId) -> Option<&Vec<Value>> {
        self.values.get(id)?.as_ref()
    }

    /// The network's input at a point of the program, if it is one.
    pub fn input_at<'p>(&self, point: &'p [f64]) -> Option<&'p [f64]> {
        point.get(..self.network.input_len())
    }

    /// One form of a batch as an expression over the program's variables.
    fn expression(
        &self,
        forms: &LinearForms,
        form: usize,
        bounds: &dyn Fn(NodeId) -> &'a NodeBounds,
    ) -> Option<Expression> {
        let mut sum = Expression::new(Interval::point(forms.constants[form]));
        for term in &forms.terms {
            let values = self.values[term.node].as_ref()?;
            for (&c, &value) in term.coefficients.row(form).iter().zip(values) {
                sum.add(c, value);
            }
            if let Some(radius) = &term.radius {
                for (i, &r) in radius.row(form).iter().enumerate() {
                    sum.widen(mul_up(r, bounds(term.node).get(i).magnitude()));
                }
            }
        }
        Some(sum)
    }

    /// One form of a batch as an objective.
    pub fn objective(
        &self,
        forms: &LinearForms,
        form: usize,
        bounds: &dyn Fn(NodeId) -> &'a NodeBounds,
    ) -> Option<Objective> {
        Some(self.objective_of(self.expression(forms, form, bounds)?))
    }

    /// An expression as an objective.
    fn objective_of(&self, sum: Expression) -> Objective {
        let mut coefficients = vec![0.0; self.program.variables()];
        let mut constant = sum.constant.lo;
        for (v, c) in sum.entries {
            let (total, error) = two_sum(coefficients[v], c);
            coefficients[v] = total;
            let range = Interval { lo: self.program.lower()[v], hi: self.program.upper()[v] };
            constant = sub_down(constant, mul_up(error, range.magnitude()));
        }
        Objective { coefficients, constant }
    }

    /// The maximum of all forms as an objective: a new variable that is at least each of them.
    pub fn maximum(&mut self, forms: &LinearForms, bounds: &dyn Fn(NodeId) -> &'a NodeBounds) -> Option<Objective> {
        let expressions: Option<Vec<Expression>> =
            (0..forms.len()).map(|form| self.expression(forms, form, bounds)).collect();
        let expressions = expressions?;
        let range = |e: &Expression| {
            e.entries.iter().fold(e.constant, |sum, &(v, c)| {
                sum + Interval { lo: self.program.lower()[v], hi: self.program.upper()[v] }.scale(c)
            })
        };
        let t = expressions.iter().map(range).reduce(Interval::join)?;
        let t = Value::Variable(self.variable(t)?);
        for mut expression in expressions {
            // form − t ≤ 0
            expression.add(-1.0, t);
            let row = self.row(&expression, Interval { lo: f64::NEG_INFINITY, hi: 0.0 });
            self.rows.forms.push(row);
        }
        let mut coefficients = vec![0.0; self.program.variables()];
        *coefficients.last_mut()? = 1.0;
        Some(Objective { coefficients, constant: 0.0 })
    }
}

/// The values of a neuron before and after its activation, and the row that ties it, if there is one.
type Tied = (Value, Value, Option<usize>);

/// What a program minimises: `coefficients · variables + constant`.
pub(super) struct Objective {
    /// One per variable.
    pub coefficients: Vec<f64>,
    /// A lower bound of the constant part.
    pub constant: f64,
}
