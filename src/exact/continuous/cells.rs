//! One affine piece of a network, in exact rationals: the polytope of inputs on which every neuron keeps
//! its segment, and the exact minimum of a conjunction's largest margin over it.

use crate::domains::activation::Piece;
use crate::domains::budget::Budget;
use crate::domains::domain::Bounds;
use crate::domains::lp::{RationalOptimum, RationalProgram, RationalSession};
use crate::domains::network::{Network, NodeId, NodeKind, Product};
use crate::domains::num::round::sqrt_up;
use crate::domains::num::{Interval, Rational, Scalar, enclose, exact_or_zero, nearest};
use crate::domains::query::{Atom, Ball, Region, Variable};
use dashu_base::PowerOfTwo;
use dashu_ratio::Relaxed;

/// An affine function of the input; no coefficients mean a constant. `None` where something that is not
/// affine, or not rational, went in.
#[derive(Clone)]
struct Form(Option<(Vec<Relaxed>, Relaxed)>);

/// `sum += w · x`. Floats and what is made of them have powers of two below the line, which are reduced without a common
/// divisor's being sought; others would grow.
fn add_product(sum: &mut Relaxed, w: &Relaxed, x: &Relaxed) {
    *sum += w * x;
    if !sum.denominator().is_power_of_two() {
        *sum = std::mem::take(sum).canonicalize().relax();
    }
}

impl Form {
    fn constant(c: Rational) -> Self {
        Self(Some((Vec::new(), c.relax())))
    }

    fn scaled(&self, w: &Relaxed) -> Self {
        Self(self.0.as_ref().map(|(a, c)| (a.iter().map(|a| a * w).collect(), c * w)))
    }

    fn add_scaled(&mut self, w: &Relaxed, other: &Self) {
        let (Some((a, c)), Some((b, d))) = (&mut self.0, &other.0) else {
            self.0 = None;
            return;
        };
        if a.is_empty() && !b.is_empty() {
            *a = vec![Relaxed::ZERO; b.len()];
        }
        for (a, b) in a.iter_mut().zip(b).filter(|(_, b)| !b.is_zero()) {
            add_product(a, w, b);
        }
        add_product(c, w, d);
    }

    /// Coefficients of so many inputs, and the constant.
    fn reduced(&self, inputs: usize) -> Option<Margin> {
        let (a, c) = self.0.clone()?;
        let mut a: Vec<Rational> = a.into_iter().map(Relaxed::canonicalize).collect();
        a.resize(inputs, Rational::ZERO);
        Some((a, c.canonicalize()))
    }
}

impl Scalar for Form {
    fn zero() -> Self {
        Self::constant(Rational::ZERO)
    }
    fn from_f64(x: f64) -> Self {
        Self::constant(exact_or_zero(x))
    }
    fn from_parameter(_: f64, rational: Option<&Rational>, _: Interval) -> Option<Self> {
        rational.cloned().map(Self::constant)
    }
    fn add(&self, other: &Self) -> Self {
        let mut sum = self.clone();
        sum.add_scaled(&Relaxed::ONE, other);
        sum
    }
    fn mul(&self, other: &Self) -> Self {
        match (&self.0, &other.0) {
            (Some((a, c)), Some(_)) if a.is_empty() => other.scaled(c),
            (Some(_), Some((b, d))) if b.is_empty() => self.scaled(d),
            _ => Self(None),
        }
    }
    fn accumulate(&mut self, w: f64, x: &Self) {
        if w != 0.0 {
            self.add_scaled(&exact_or_zero(w).relax(), x);
        }
    }
}

/// A half-space `a · x ≤ b` over the inputs.
type HalfSpace = (Vec<Rational>, Rational);

/// An affine function `a · x + c` of the inputs.
type Margin = (Vec<Rational>, Rational);

/// A network on one cell.
pub(super) struct Cell<'a> {
    region: &'a Region,
    /// What the cell's closure keeps.
    constraints: Vec<HalfSpace>,
    /// Of which neuron each of them is an end, and whether the upper one.
    ends: Vec<(NodeId, usize, bool)>,
    /// Those of them that no point of the cell meets exactly: ends that a piece lacks, at a jump.
    strict: Vec<HalfSpace>,
    outputs: Vec<Form>,
}

/// What is known of the minimum over a cell.
pub(super) struct CellMinimum {
    /// No point of the cell has less; `None` when the cell is empty.
    pub bound: Option<Rational>,
    /// What shows that, unless the region is a ball.
    pub dual: Dual,
}

/// Multipliers, none below zero, with which ends of neurons and half-spaces show a bound of a combination of atoms, or
/// that there is no point.
#[derive(Debug, Default)]
pub(super) struct Dual {
    /// One per atom.
    pub weights: Vec<Rational>,
    /// A neuron, whether it is about its upper end, and the multiplier.
    pub ends: Vec<(NodeId, usize, bool, Rational)>,
    /// Of the region's half-spaces.
    pub half_spaces: Vec<(usize, Rational)>,
}

/// How many neurons the bounds leave on more than one segment, and how many products of two numbers that vary.
pub(super) fn unstable(network: &Network, bounds: &Bounds) -> usize {
    let of_node = |(_, activation): (usize, &crate::domains::network::Activation)| {
        bounds.get(activation.source).map_or(network.node(activation.source).len, |z| {
            z.reaches().filter(|&z| activation.function.is_unstable(z)).count()
        })
    };
    let of_product = |(id, product): (usize, &Product)| {
        let varies = |source: NodeId, i: usize| bounds.get(source).is_none_or(|z| z.get(i).lo < z.get(i).hi);
        let products = product.pairs(varies).filter(|factors| factors.iter().all(|&varies| varies));
        if bounds.get(id).is_none() { network.node(id).len } else { products.count() }
    };
    network.activations().map(of_node).sum::<usize>() + network.products().map(of_product).sum::<usize>()
}

impl<'a> Cell<'a> {
    /// The piece on which every neuron stays on the one segment that `bounds` leave it; a neuron that
    /// `free` bounds leave there anyway gives no constraint. `None` when some neuron has several, or a
    /// parameter is no rational.
    pub fn new(network: &Network, region: &'a Region, bounds: &Bounds, free: &Bounds) -> Option<Self> {
        let inputs = network.input_len();
        let (mut constraints, mut strict, mut ends) = (Vec::new(), Vec::new(), Vec::new());
        let mut values: Vec<Vec<Form>> = Vec::new();
        for node in network.nodes() {
            let forms = match &node.kind {
                NodeKind::Input => (0..inputs)
                    .map(|i| {
                        let mut a = vec![Relaxed::ZERO; inputs];
                        a[i] = Relaxed::ONE;
                        Form(Some((a, Relaxed::ZERO)))
                    })
                    .collect(),
                NodeKind::Affine(affine) => {
                    let mut sums: Vec<Form> =
                        (0..node.len).map(|i| affine.bias.get::<Form>(i)).collect::<Option<_>>()?;
                    for term in &affine.terms {
                        term.map.apply_to(&values[term.source], &mut sums)?;
                    }
                    sums
                }
                NodeKind::Product(_) => return None,
                NodeKind::Activation(activation) => {
                    let (z, free) = (bounds.get(activation.source)?, free.get(activation.source));
                    let mut outputs = Vec::with_capacity(node.len);
                    for (i, form) in values[activation.source].iter().enumerate() {
                        let [segment] = activation.function.segments(z.reach(i))[..] else { return None };
                        let is_free = free.is_some_and(|free| !activation.function.is_unstable(free.reach(i)));
                        let is_its = |p: &&Piece| {
                            p.slope == segment.slope
                                && p.intercept == segment.intercept
                                && p.from <= segment.from
                                && segment.to <= p.to
                        };
                        let piece = activation.function.pieces()?.iter().find(is_its)?;
                        if !is_free {
                            constrain(form, piece, inputs, |half_space, is_upper, is_closed| {
                                strict.extend((!is_closed).then(|| half_space.clone()));
                                constraints.push(half_space);
                                ends.push((activation.source, i, is_upper));
                            })?;
                        }
                        let mut output = Form::from_f64(piece.intercept);
                        output.accumulate(piece.slope, form);
                        outputs.push(output);
                    }
                    outputs
                }
            };
            values.push(forms);
        }
        Some(Self { region, constraints, ends, strict, outputs: values.swap_remove(network.output()) })
    }

    /// The atom's margin.
    fn margin(&self, atom: &Atom) -> Option<Margin> {
        let n = self.region.len();
        let mut sum = Form(Some((vec![Relaxed::ZERO; n], atom.constant.clone().relax())));
        for (variable, c) in &atom.terms {
            match variable {
                Variable::Output(i) => sum.add_scaled(&c.clone().relax(), self.outputs.get(*i)?),
                Variable::Input(i) => sum.0.as_mut()?.0[*i] += c.clone().relax(),
            }
        }
        sum.reduced(n)
    }

    /// The minimum of the largest margin over the cell's closure, where there are atoms. Balls are cut by tangents, as
    /// many as it takes until `is_enough` says so of the bound and the point reached; it is asked of each.
    pub fn minimum(
        &self,
        atoms: &[Atom],
        budget: &Budget,
        is_enough: impl FnMut(&Rational, &[Rational]) -> bool,
    ) -> Option<CellMinimum> {
        let margins: Vec<Margin> = atoms.iter().map(|a| self.margin(a)).collect::<Option<_>>()?;
        self.least(&margins, self.constraints.clone(), budget, is_enough)
    }

    /// Whether all points of the closure belong to the cell.
    pub fn is_closed(&self) -> bool {
        self.strict.is_empty()
    }

    /// By how much, at least, a point of the closure without positive margins misses the cell or breaks an atom that is
    /// strict: less than zero where there is a point of the cell that does neither.
    pub fn miss(
        &self,
        atoms: &[Atom],
        budget: &Budget,
        is_enough: impl FnMut(&Rational, &[Rational]) -> bool,
    ) -> Option<CellMinimum> {
        let mut constraints = self.constraints.clone();
        let mut missed: Vec<Margin> = self.strict.iter().map(|(a, b)| (a.clone(), -b)).collect();
        for atom in atoms {
            let (a, c) = self.margin(atom)?;
            if atom.is_strict {
                missed.push((a, c));
            } else {
                constraints.push((a, -c));
            }
        }
        self.least(&missed, constraints, budget, is_enough)
    }

    /// The minimum of the largest of some affine functions over the region, where the constraints hold.
    fn least(
        &self,
        margins: &[Margin],
        mut constraints: Vec<HalfSpace>,
        budget: &Budget,
        mut is_enough: impl FnMut(&Rational, &[Rational]) -> bool,
    ) -> Option<CellMinimum> {
        const MOST_CUTS: usize = 200;
        for h in self.region.half_spaces() {
            let mut a = vec![Rational::ZERO; self.region.len()];
            h.terms.iter().for_each(|(i, c)| a[*i] += c);
            constraints.push((a, h.rhs.clone()));
        }
        let mut program = Shifted::new(self.region, margins, &constraints)?;
        let mut last = None;
        for _ in 0..MOST_CUTS {
            match program.session.minimise(budget) {
                RationalOptimum::Infeasible => return Some(CellMinimum { bound: None, dual: self.dual(&program, 0) }),
                RationalOptimum::Unbounded | RationalOptimum::OutOfTime => break,
                RationalOptimum::Optimal { value, point } => {
                    let (value, x) = (value + &program.floor, program.input(&point));
                    let cut = self.tangent(&x);
                    let is_last = is_enough(&value, &x) || cut.is_none();
                    let dual = if is_last { self.dual(&program, margins.len()) } else { Dual::default() };
                    last = Some(CellMinimum { bound: Some(value), dual });
                    match cut {
                        Some((a, b)) if !is_last => program.add(&a, &b),
                        _ => break,
                    }
                }
            }
        }
        last
    }

    /// What shows the program's optimum over the largest of so many margins, or that it has none.
    fn dual(&self, program: &Shifted, margins: usize) -> Dual {
        let mut dual = Dual { weights: vec![Rational::ZERO; margins], ..Dual::default() };
        let (varying, ends) = (program.varying.len(), self.ends.len());
        let before = varying + ends + self.region.half_spaces().len();
        for (row, factor) in program.session.multipliers() {
            if row >= before {
                if let Some(weight) = dual.weights.get_mut(row - before) {
                    *weight = factor;
                }
            } else if row >= varying + ends {
                dual.half_spaces.push((row - varying - ends, factor));
            } else if row >= varying {
                let (node, neuron, is_upper) = self.ends[row - varying];
                dual.ends.push((node, neuron, is_upper, factor));
            }
        }
        let sum = dual.weights.iter().fold(Rational::ZERO, |sum, weight| sum + weight);
        if margins > 0 && sum != Rational::ONE {
            // The box alone gives the best atom's bound.
            let weights = (0..margins).map(|atom| Rational::from(i32::from(atom == program.highest)));
            dual = Dual { weights: weights.collect(), ..Dual::default() };
        }
        dual
    }

    /// A half-space that holds the region's ball but not `x`; `None` when the ball holds `x`, or has no
    /// tangents.
    fn tangent(&self, x: &[Rational]) -> Option<HalfSpace> {
        let (center, radius, direction, norm) = match self.region.ball() {
            Ball::Box | Ball::Hamming { .. } | Ball::Grid { .. } | Ball::GridL1 { .. } => return None,
            Ball::L1 { center, radius } => {
                let sign = |(x, c): (&Rational, &Rational)| match x.cmp(c) {
                    std::cmp::Ordering::Greater => Rational::ONE,
                    std::cmp::Ordering::Equal => Rational::ZERO,
                    std::cmp::Ordering::Less => -Rational::ONE,
                };
                let direction: Vec<Rational> = x.iter().zip(center).map(sign).collect();
                (center, radius, direction, Rational::ONE)
            }
            Ball::L2 { center, radius } => {
                let direction: Vec<Rational> =
                    x.iter().zip(center).map(|(x, c)| exact_or_zero(nearest(&(x - c)))).collect();
                let square = direction.iter().fold(Rational::ZERO, |sum, d| sum + d * d);
                (center, radius, direction, exact_or_zero(sqrt_up(enclose(&square).hi)))
            }
        };
        let rhs = direction.iter().zip(center).fold(radius * norm, |sum, (d, c)| sum + d * c);
        let value = direction.iter().zip(x).fold(Rational::ZERO, |sum, (d, x)| sum + d * x);
        (value > rhs).then_some((direction, rhs))
    }
}

/// The largest margin over box and constraints, minimised in the variables `x − lower` of the inputs that
/// vary and `t − floor`, where `t` is at least every margin.
struct Shifted<'a> {
    lower: &'a [Rational],
    varying: Vec<usize>,
    floor: Rational,
    /// The margin that is never below the floor.
    highest: usize,
    session: RationalSession,
}

impl<'a> Shifted<'a> {
    fn new(region: &'a Region, margins: &[Margin], constraints: &[HalfSpace]) -> Option<Self> {
        let (lower, upper) = region.exact_box();
        let varying: Vec<usize> = (0..lower.len()).filter(|&i| lower[i] < upper[i]).collect();
        let least = |(a, c): &Margin| {
            varying.iter().fold(product(a, lower) + c, |sum, &i| {
                if a[i] < Rational::ZERO { sum + &a[i] * (&upper[i] - &lower[i]) } else { sum }
            })
        };
        let (floor, highest) = margins.iter().map(least).zip(0..).max()?;
        let n = varying.len();
        let mut objective = vec![Rational::ZERO; n + 1];
        objective[n] = Rational::ONE;
        let mut rows = Vec::new();
        for (k, &i) in varying.iter().enumerate() {
            let mut row = vec![Rational::ZERO; n + 1];
            row[k] = Rational::ONE;
            rows.push((row, &upper[i] - &lower[i]));
        }
        for (a, b) in constraints {
            let row: Vec<Rational> = varying.iter().map(|&i| a[i].clone()).chain([Rational::ZERO]).collect();
            rows.push((row, b - product(a, lower)));
        }
        for (a, c) in margins {
            let row: Vec<Rational> = varying.iter().map(|&i| a[i].clone()).chain([-Rational::ONE]).collect();
            rows.push((row, &floor - c - product(a, lower)));
        }
        let session = RationalProgram { objective, rows }.session();
        Some(Self { lower, varying, floor, highest, session })
    }

    fn add(&mut self, a: &[Rational], b: &Rational) {
        let row: Vec<Rational> = self.varying.iter().map(|&i| a[i].clone()).collect();
        self.session.add_row(&row, &(b - product(a, self.lower)));
    }

    /// The input at a point of the program.
    fn input(&self, point: &[Rational]) -> Vec<Rational> {
        let mut x = self.lower.to_vec();
        for (&i, step) in self.varying.iter().zip(point) {
            x[i] += step;
        }
        x
    }
}

/// `a · x`, passing over zeros.
fn product(a: &[Rational], x: &[Rational]) -> Rational {
    a.iter().zip(x).filter(|(a, _)| **a != Rational::ZERO).fold(Rational::ZERO, |sum, (a, x)| sum + a * x)
}

/// Adds `from ≤ form ≤ to` for the ends of the piece that are finite, and says whether it is the upper one and whether
/// the piece has it.
fn constrain(form: &Form, piece: &Piece, inputs: usize, mut add: impl FnMut(HalfSpace, bool, bool)) -> Option<()> {
    let (a, c) = form.reduced(inputs)?;
    if piece.to.is_finite() {
        add((a.clone(), exact_or_zero(piece.to) - &c), true, piece.to_closed);
    }
    if piece.from.is_finite() {
        add((a.iter().map(|a| -a).collect(), c - exact_or_zero(piece.from)), false, piece.from_closed);
    }
    Some(())
}
