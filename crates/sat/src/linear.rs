//! Reified linear constraints `y ↔ (Σ a_i l_i ≥ b)` with counters (Jia & Rinard 2020 §4.2).
//!
//! Each constraint keeps two numbers while literals are assigned: by how much the sum can still exceed
//! the bound, and by how much it already does. From them follow four rules. *Target-inferring*: the sum
//! is decided, so y is. *Operand-inferring*: y is known, and an operand without which the bound would be
//! missed (or with which it would be reached) is forced. A rule of one direction only is switched off
//! by a counter that never triggers.

use super::normal::Linear;
use super::{Lit, Var};

/// Index of a linear constraint.
pub(super) type LinearRef = u32;

/// Which directions of `y ↔ (Σ a_i l_i ≥ b)` hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// `y ↔ sum ≥ b`.
    Both,
    /// `y → sum ≥ b`.
    TargetImplies,
    /// `sum ≥ b → y`.
    ImpliesTarget,
}

/// Far more than any sum of coefficients.
const NEVER: i64 = 1 << 62;

/// The part of a constraint that propagation reads all the time.
#[derive(Clone, Copy, Debug)]
pub(super) struct Counters {
    /// The target `y`.
    pub target: Lit,
    /// Sum of the coefficients of operands that are not false, less the bound.
    pub possible: i64,
    /// Sum of the coefficients of operands that are true, less the bound.
    pub sure: i64,
    /// The largest coefficient.
    pub largest: i64,
}

#[derive(Clone, Copy, Debug)]
struct Body {
    start: u32,
    end: u32,
    /// Where the coefficients begin; `u32::MAX` for cardinality constraints.
    weights: u32,
    total: i64,
    bound: i64,
    /// Read by the independent check of debug builds only.
    #[cfg_attr(not(debug_assertions), allow(dead_code))]
    direction: Direction,
}

/// All linear constraints of a solver.
#[derive(Debug, Default)]
pub(super) struct LinearConstraints {
    counters: Vec<Counters>,
    bodies: Vec<Body>,
    operands: Vec<Lit>,
    weights: Vec<i64>,
    /// For each literal the cardinality constraints that have it as an operand.
    unit: Vec<Vec<LinearRef>>,
    /// For each literal the weighted constraints that have it as an operand, and its coefficient.
    weighted: Vec<Vec<(LinearRef, i64)>>,
    /// For each variable the constraints of which it is the target.
    targets: Vec<Vec<LinearRef>>,
}

impl LinearConstraints {
    pub fn grow(&mut self) {
        for _ in 0..2 {
            self.unit.push(Vec::new());
            self.weighted.push(Vec::new());
        }
        self.targets.push(Vec::new());
    }

    /// Adds a constraint none of whose operands has been counted as assigned yet.
    pub fn push(&mut self, target: Lit, direction: Direction, linear: &Linear) -> LinearRef {
        let id = self.bodies.len() as LinearRef;
        let is_cardinality = linear.is_cardinality();
        let start = self.operands.len() as u32;
        let weights = if is_cardinality { u32::MAX } else { self.weights.len() as u32 };
        for &(a, l) in &linear.terms {
            self.operands.push(l);
            if is_cardinality {
                self.unit[l.index()].push(id);
            } else {
                self.weights.push(a);
                self.weighted[l.index()].push((id, a));
            }
        }
        let (total, bound) = (linear.total(), linear.bound);
        let end = self.operands.len() as u32;
        self.bodies.push(Body { start, end, weights, total, bound, direction });
        self.counters.push(Counters {
            target,
            possible: if direction == Direction::ImpliesTarget { NEVER } else { total - bound },
            sure: if direction == Direction::TargetImplies { -NEVER } else { -bound },
            largest: linear.terms.first().map_or(0, |t| t.0),
        });
        self.targets[target.var().index()].push(id);
        id
    }

    pub fn len(&self) -> usize {
        self.bodies.len()
    }

    pub fn counters(&self, id: LinearRef) -> &Counters {
        &self.counters[id as usize]
    }

    pub fn with_target(&self, var: Var) -> &[LinearRef] {
        &self.targets[var.index()]
    }

    /// Number of operands.
    pub fn operands(&self, id: LinearRef) -> usize {
        let body = &self.bodies[id as usize];
        (body.end - body.start) as usize
    }

    /// Coefficient and literal of operand `i`, from the largest coefficient to the smallest.
    pub fn operand(&self, id: LinearRef, i: usize) -> (i64, Lit) {
        let body = &self.bodies[id as usize];
        let weight = if body.weights == u32::MAX { 1 } else { self.weights[body.weights as usize + i] };
        (weight, self.operands[body.start as usize + i])
    }

    /// The coefficient of an operand.
    fn weight(&self, id: LinearRef, operand: Lit) -> i64 {
        if self.bodies[id as usize].weights == u32::MAX {
            return 1;
        }
        let of_operand = &self.weighted[operand.index()];
        of_operand.binary_search_by_key(&id, |t| t.0).map_or(0, |at| of_operand[at].1)
    }

    /// Counts `literal` as true; `triggered` receives the constraints that may now infer something.
    pub fn count(&mut self, literal: Lit, triggered: &mut Vec<LinearRef>) {
        for &id in &self.unit[literal.index()] {
            let c = &mut self.counters[id as usize];
            c.sure += 1;
            if c.sure >= -1 {
                triggered.push(id);
            }
        }
        for &id in &self.unit[(!literal).index()] {
            let c = &mut self.counters[id as usize];
            c.possible -= 1;
            if c.possible <= 0 {
                triggered.push(id);
            }
        }
        for &(id, a) in &self.weighted[literal.index()] {
            let c = &mut self.counters[id as usize];
            c.sure += a;
            if c.sure + c.largest >= 0 {
                triggered.push(id);
            }
        }
        for &(id, a) in &self.weighted[(!literal).index()] {
            let c = &mut self.counters[id as usize];
            c.possible -= a;
            if c.possible < c.largest {
                triggered.push(id);
            }
        }
    }

    /// Takes back what [`LinearConstraints::count`] did.
    pub fn uncount(&mut self, literal: Lit) {
        for &id in &self.unit[literal.index()] {
            self.counters[id as usize].sure -= 1;
        }
        for &id in &self.unit[(!literal).index()] {
            self.counters[id as usize].possible += 1;
        }
        for &(id, a) in &self.weighted[literal.index()] {
            self.counters[id as usize].sure -= a;
        }
        for &(id, a) in &self.weighted[(!literal).index()] {
            self.counters[id as usize].possible += a;
        }
    }

    /// The clause by which a constraint forces `inferred` (or contradicts the assignment, where that is
    /// `None`), less `inferred` itself: literals for which `is_false` holds.
    ///
    /// `is_false` must hold only of literals that became false before the inference.
    pub fn explain(&self, id: LinearRef, inferred: Option<Lit>, is_false: impl Fn(Lit) -> bool, clause: &mut Vec<Lit>) {
        let body = &self.bodies[id as usize];
        let target = self.counters[id as usize].target;
        let operands = || (0..self.operands(id)).map(|i| self.operand(id, i));
        // The bound is missed once false operands weigh more than this, and reached once true ones weigh
        // at least that.
        let (mut missed, mut reached) = (body.total - body.bound, body.bound);
        let is_missed = match inferred {
            Some(l) if l == target => false,
            Some(l) if l == !target => true,
            // The target says one thing, the operands the other or nearly so.
            _ => is_false(!target),
        };
        if let Some(l) = inferred.filter(|l| l.var() != target.var()) {
            let weight = self.weight(id, if is_missed { l } else { !l });
            missed -= weight;
            reached -= weight;
        }
        if inferred.is_none_or(|l| l.var() != target.var()) {
            clause.push(if is_missed { !target } else { target });
        }
        let skipped = inferred.map(Lit::var);
        let mut weight = 0;
        for (a, l) in operands() {
            let l = if is_missed { l } else { !l };
            if (is_missed && weight > missed) || (!is_missed && weight >= reached) {
                break;
            }
            if Some(l.var()) != skipped && is_false(l) {
                weight += a;
                clause.push(l);
            }
        }
        debug_assert!(if is_missed { weight > missed } else { weight >= reached });
    }

    /// Whether the counters are what they count, and no rule has anything left to infer, decided anew from the
    /// values of all literals.
    #[cfg(debug_assertions)]
    pub fn is_settled(&self, id: LinearRef, value: impl Fn(Lit) -> i8) -> bool {
        let (body, counters) = (&self.bodies[id as usize], &self.counters[id as usize]);
        let (mut possible, mut sure) = (-body.bound, -body.bound);
        for (a, l) in (0..self.operands(id)).map(|i| self.operand(id, i)) {
            possible += if value(l) < 0 { 0 } else { a };
            sure += if value(l) > 0 { a } else { 0 };
        }
        let (forward, backward) = match body.direction {
            Direction::Both => (true, true),
            Direction::TargetImplies => (true, false),
            Direction::ImpliesTarget => (false, true),
        };
        let is_counted = (!forward || counters.possible == possible) && (!backward || counters.sure == sure);
        let target = value(counters.target);
        let open = (0..self.operands(id)).map(|i| self.operand(id, i)).filter(|&(_, l)| value(l) == 0);
        let largest = open.map(|t| t.0).max().unwrap_or(0);
        let forward_done = if possible < 0 { target < 0 } else { target <= 0 || largest <= possible };
        let backward_done = if sure >= 0 { target > 0 } else { target >= 0 || sure + largest < 0 };
        is_counted && (!forward || forward_done) && (!backward || backward_done)
    }

    /// Whether the clause follows from the constraint, decided anew from its definition.
    #[cfg(debug_assertions)]
    pub fn implies(&self, id: LinearRef, clause: &[Lit]) -> bool {
        let body = &self.bodies[id as usize];
        let target = self.counters[id as usize].target;
        let is_false = |l: Lit| clause.contains(&l);
        let is_true = |l: Lit| clause.contains(&!l);
        let (mut least, mut most) = (0, 0);
        for i in 0..self.operands(id) {
            let (a, l) = self.operand(id, i);
            least += if is_true(l) { a } else { 0 };
            most += if is_false(l) { 0 } else { a };
        }
        let forward = body.direction != Direction::ImpliesTarget && is_true(target) && most < body.bound;
        let backward = body.direction != Direction::TargetImplies && is_false(target) && least >= body.bound;
        forward || backward
    }
}
