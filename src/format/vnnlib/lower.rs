//! From assertions to cases: multiplies them out and gathers what each disjunct says of the inputs.

use super::declared::{DeclaredNetwork, DeclaredTensor, Element, TensorKind, written};
use super::error::{Fault, VnnlibProblem};
use super::linear::Literal;
use super::parser::{Assertion, Dnf, MOST_DISJUNCTS, Parsed, Placed};
use super::sharing::{Shared, share};
use crate::domains::network::{Arithmetic, Network};
use crate::domains::num::{Rational, exact};
use crate::domains::query::{Atom, Case, Disjunct, HalfSpace, Property, Query, Region, Variable};
use std::collections::BTreeMap;
use std::sync::Arc;

/// How many numbers the regions and atoms of a query may hold together (about a gigabyte), besides one for every
/// so many bytes of the file: no number takes less room there unless assertions are multiplied out.
const MOST_NUMBERS: usize = 1 << 23;
const BYTES_PER_NUMBER: usize = 4;

/// What an atom occupies besides its terms, in numbers: its map allocates in nodes.
const ATOM: usize = 14;

/// A bound and where it is asserted.
type Bound = (Arc<Rational>, usize);

/// The constraints on inputs that a disjunct has gathered.
#[derive(Clone)]
struct Inputs {
    lower: Vec<Option<Bound>>,
    upper: Vec<Option<Bound>>,
    half_spaces: Vec<HalfSpace>,
}

/// A box with a lower end above its upper end.
struct EmptyBox {
    input: usize,
    /// `lower − upper`.
    gap: Rational,
    offset: usize,
}

impl Inputs {
    fn bound(&mut self, input: u32, is_upper: bool, value: &Arc<Rational>, offset: usize) {
        let side = if is_upper { &mut self.upper[input as usize] } else { &mut self.lower[input as usize] };
        let is_tighter = side.as_ref().is_none_or(|(old, _)| if is_upper { value < old } else { value > old });
        if is_tighter {
            *side = Some((value.clone(), offset));
        }
    }

    fn emptiness(&self) -> Option<EmptyBox> {
        let sides = self.lower.iter().zip(&self.upper).enumerate();
        let both = sides.filter_map(|(input, (lower, upper))| Some((input, lower.as_ref()?, upper.as_ref()?)));
        let mut gaps = both.filter(|(_, (lower, _), (upper, _))| lower > upper);
        gaps.next().map(|(input, (lower, at_lower), (upper, at_upper))| EmptyBox {
            input,
            gap: &**lower - &**upper,
            offset: *at_lower.max(at_upper),
        })
    }

    /// The first input that has no bound on a side, and that side.
    fn unbounded(&self) -> Option<(usize, &'static str, &'static str)> {
        let missing = |side: &[Option<Bound>]| side.iter().position(Option::is_none);
        match (missing(&self.lower), missing(&self.upper)) {
            (Some(input), upper) if upper.is_none_or(|u| input <= u) => Some((input, "lower", ">=")),
            (_, Some(input)) => Some((input, "upper", "<=")),
            _ => None,
        }
    }
}

/// A query with the sizes that its declarations promise.
#[derive(Clone, Debug)]
pub struct VnnlibQuery {
    /// The query.
    pub query: Query,
    /// How many inputs it has: those that are declared, but for equal ones of version 2.0, which are one.
    pub inputs: usize,
    /// How many outputs are declared: `Y_j`, or in version 2.0 the entries of all hidden tensors and outputs.
    pub outputs: usize,
    /// What version 2.0 declares; empty in version 1.0.
    pub networks: Vec<DeclaredNetwork>,
    /// For each declared input the input of the query that it is.
    pub input_of: Vec<usize>,
    /// Products of variables that it reads as if they were outputs behind the others: of inputs of the query, outputs, and
    /// products before.
    pub products: Vec<[Variable; 2]>,
}

impl VnnlibQuery {
    /// The query, for this network.
    ///
    /// # Errors
    /// When it declares other numbers of inputs or outputs, or, in version 2.0, more than one network with one of each,
    /// other shapes, or types that ask for another arithmetic than the network's.
    pub fn of_network(self, network: &Network) -> Result<Query, String> {
        let tensors: Vec<&DeclaredTensor> = self.networks.iter().flat_map(|network| &network.tensors).collect();
        let is_more = self.input_of.len() > self.inputs || !self.products.is_empty();
        if self.networks.len() > 1 || tensors.len() > 2 || is_more {
            return Err(
                "the query is about several networks or tensors, equal inputs or products, which only `absint verify` reads"
                    .into(),
            );
        }
        let (inputs, outputs) = (network.input_len(), network.output_len());
        for (what, found, expected) in [("inputs", self.inputs, inputs), ("outputs", self.outputs, outputs)] {
            if found != expected {
                return Err(format!("the query declares {found} {what}, the network has {expected}"));
            }
        }
        let is_float32 = network.arithmetic() == Arithmetic::Float32;
        for DeclaredTensor { name, kind, shape, element, .. } in tensors {
            if *element != Element::REAL && !(is_float32 && element.name == "float32") {
                return Err(format!(
                    "the query's `{name}` is of type {}, and types are only heeded by `absint verify`; declare it `real`",
                    element.name
                ));
            }
            let found = if *kind == TensorKind::Input { network.input_shape() } else { network.output_shape() };
            if without_batch(shape) != without_batch(found) {
                return Err(format!("the query's `{name}` has shape {shape:?}, the network's {found:?}"));
            }
        }
        Ok(self.query)
    }
}

/// A shape without its leading batch axis of length 1, which networks leave out.
fn without_batch(shape: &[usize]) -> &[usize] {
    match shape {
        [1, rest @ ..] if !rest.is_empty() => rest,
        _ => shape,
    }
}

/// What the inputs are called, and where they are declared.
struct Names<'a> {
    networks: &'a [DeclaredNetwork],
    /// For each input the declared one that gives it its name.
    declared: &'a [usize],
    /// Where each declared one stands.
    offsets: &'a [usize],
}

impl Names<'_> {
    fn of_input(&self, input: usize) -> String {
        written(self.networks, Variable::Input(self.declared[input]))
    }

    fn offset(&self, input: usize) -> usize {
        self.offsets[self.declared[input]]
    }

    /// What is known of the inputs before any assertion: those of type float32 lie between the least and the largest
    /// finite number.
    fn limits(&self) -> Inputs {
        let n = self.declared.len();
        let mut inputs = Inputs { lower: vec![None; n], upper: vec![None; n], half_spaces: Vec::new() };
        let is_single = |t: &&DeclaredTensor| t.kind == TensorKind::Input && t.element.name == "float32";
        let tensors = self.networks.iter().flat_map(|network| &network.tensors).filter(is_single);
        let mut are_single = vec![false; self.offsets.len()];
        tensors.for_each(|t| are_single[t.first..t.first + t.len()].fill(true));
        let largest = exact(f64::from(f32::MAX)).unwrap_or_default();
        let (least, largest) = (Arc::new(-&largest), Arc::new(largest));
        for (i, declared) in self.declared.iter().enumerate().filter(|(_, declared)| are_single[**declared]) {
            inputs.lower[i] = Some((least.clone(), self.offsets[*declared]));
            inputs.upper[i] = Some((largest.clone(), self.offsets[*declared]));
        }
        inputs
    }
}

/// A factor of the normal form that is the same in every disjunct, or chosen.
enum Factor {
    Atom(Atom),
    Choice(Dnf),
}

/// Multiplies the assertions out.
pub(super) fn lower(parsed: Parsed) -> Result<VnnlibQuery, Fault> {
    let Parsed { networks, outputs, mut products, mut assertions, mut literals, declared: offsets, bytes } = parsed;
    // In version 1.0 the inputs are those of the network.
    let shared = if networks.is_empty() {
        let inputs: Vec<usize> = (0..offsets.len()).collect();
        Shared { input_of: inputs.clone(), declared: inputs }
    } else {
        share(offsets.len(), &mut assertions, &mut literals)?
    };
    let names = Names { networks: &networks, declared: &shared.declared, offsets: &offsets };
    let mut common = names.limits();
    let mut factors = Vec::new();
    let mut count: usize = 1;
    for assertion in assertions {
        match assertion {
            Assertion::Fixed(fixed) => {
                for (offset, literal) in fixed {
                    match literal {
                        Literal::Bound { input, is_upper, value } => common.bound(input, is_upper, &value, offset),
                        Literal::HalfSpace(half_space) => common.half_spaces.push(*half_space),
                        // What equal inputs make true.
                        Literal::Atom(atom) if atom.terms.is_empty() && atom.constant < Rational::ZERO => {}
                        Literal::Atom(atom) => factors.push(Factor::Atom(*atom)),
                    }
                }
            }
            Assertion::Choice(offset, rows) => {
                count = count.saturating_mul(rows.len());
                if count > MOST_DISJUNCTS {
                    let problem = VnnlibProblem::TooLarge { limit: MOST_DISJUNCTS, what: "disjuncts" };
                    return Err(Fault { offset, problem });
                }
                factors.push(Factor::Choice(rows));
            }
        }
    }
    if let Some(empty) = common.emptiness() {
        return Err(empty.fault(&names));
    }
    let mut builder = Builder::new(&common, &literals, &names, MOST_NUMBERS + bytes / BYTES_PER_NUMBER);
    builder.charge(builder.numbers(count, &factors), offsets[0])?;
    for disjunct in 0..count {
        builder.add(disjunct, &factors)?;
    }
    let query = builder.finish()?;
    let (inputs, input_of) = (shared.declared.len(), shared.input_of);
    for factor in products.iter_mut().flatten() {
        if let Variable::Input(i) = factor {
            *i = input_of[*i];
        }
    }
    Ok(VnnlibQuery { query, inputs, outputs, networks, input_of, products })
}

/// The atoms of a disjunct; where it has none, those of its half-spaces: whether anything is left between them is then all
/// that is asked.
fn or_within(atoms: Vec<Atom>, half_spaces: &[HalfSpace]) -> Vec<Atom> {
    let atom = |half_space: &HalfSpace| Atom {
        terms: half_space.terms.iter().map(|(i, c)| (Variable::Input(*i), c.clone())).collect(),
        constant: -half_space.rhs.clone(),
        is_strict: false,
    };
    if atoms.is_empty() { half_spaces.iter().map(atom).collect() } else { atoms }
}

/// What no input does, by so much.
fn never(gap: Rational) -> Disjunct {
    Disjunct { atoms: vec![Atom { terms: BTreeMap::new(), constant: gap, is_strict: false }] }
}

impl EmptyBox {
    fn fault(&self, names: &Names) -> Fault {
        let problem = VnnlibProblem::Empty(names.of_input(self.input));
        Fault { offset: self.offset, problem }
    }
}

/// Gathers disjuncts into cases.
struct Builder<'a> {
    common: &'a Inputs,
    literals: &'a [Placed],
    names: &'a Names<'a>,
    cases: Vec<Case>,
    /// The literals that, with the common ones, made the region of the last case.
    last_choice: Vec<u32>,
    /// By how much its half-spaces contradict each other, where several networks' do.
    last_gap: Option<Rational>,
    /// Unreachable disjuncts before the first case.
    pending: Vec<Disjunct>,
    first_empty: Option<Fault>,
    /// Numbers written so far, and how many there may be.
    size: usize,
    limit: usize,
}

impl<'a> Builder<'a> {
    fn new(common: &'a Inputs, literals: &'a [Placed], names: &'a Names<'a>, limit: usize) -> Self {
        let (cases, last_choice, pending) = (Vec::new(), Vec::new(), Vec::new());
        Self { common, literals, names, cases, last_choice, last_gap: None, pending, first_empty: None, size: 0, limit }
    }

    /// What all disjuncts hold together, their regions aside, before any is made: a row of a choice occurs
    /// in as many as the other choices have combinations.
    fn numbers(&self, count: usize, factors: &[Factor]) -> usize {
        let of_atom = |atom: &Atom| ATOM + 2 * atom.terms.len();
        let of_literal = |&id: &u32| match &self.literals[id as usize].1 {
            Literal::Atom(atom) => of_atom(atom),
            _ => 1,
        };
        let of_factor = |factor: &Factor| match factor {
            Factor::Atom(atom) => count.saturating_mul(of_atom(atom)),
            Factor::Choice(rows) => {
                let others = count.checked_div(rows.len()).unwrap_or(0);
                others.saturating_mul(rows.iter().flatten().map(of_literal).sum())
            }
        };
        factors.iter().map(of_factor).fold(0, usize::saturating_add)
    }

    /// What the half-spaces that are common or chosen hold.
    fn of_half_spaces(&self, choice: &[u32]) -> usize {
        let chosen = choice.iter().filter_map(|&id| match &self.literals[id as usize].1 {
            Literal::HalfSpace(half_space) => Some(&**half_space),
            _ => None,
        });
        self.common.half_spaces.iter().chain(chosen).map(|half_space| ATOM + 2 * half_space.terms.len()).sum()
    }

    fn charge(&mut self, numbers: usize, offset: usize) -> Result<(), Fault> {
        self.size = self.size.saturating_add(numbers);
        if self.size <= self.limit {
            return Ok(());
        }
        Err(Fault { offset, problem: VnnlibProblem::TooLarge { limit: self.limit, what: "numbers" } })
    }

    fn add(&mut self, number: usize, factors: &[Factor]) -> Result<(), Fault> {
        let (atoms, choice) = self.gather(number, factors);
        // The region holds the half-spaces, and so does a disjunct without atoms.
        let is_new = self.cases.is_empty() || self.last_choice != choice;
        let copies = usize::from(is_new) + usize::from(atoms.is_empty());
        if copies > 0 {
            self.charge(copies.saturating_mul(self.of_half_spaces(&choice)), self.names.offset(0))?;
        }
        let joins = self.names.networks.len() > 1;
        let within = |region: &Region, gap: &Option<Rational>| match gap {
            Some(gap) => never(gap.clone()),
            None => Disjunct { atoms: or_within(atoms, region.half_spaces()) },
        };
        if let Some(last) = self.cases.last_mut()
            && self.last_choice == choice
        {
            let disjunct = within(&last.region, &self.last_gap);
            last.property.disjuncts.push(disjunct);
            return Ok(());
        }
        let inputs = self.inputs(&choice);
        self.charge(2 * inputs.lower.len(), self.names.offset(0))?;
        if let Some((input, side, comparison)) = inputs.unbounded() {
            let variable = self.names.of_input(input);
            let problem = VnnlibProblem::Unbounded { variable, side, comparison, disjunct: number };
            return Err(Fault { offset: self.names.offset(input), problem });
        }
        if let Some(empty) = inputs.emptiness() {
            self.first_empty.get_or_insert_with(|| empty.fault(self.names));
            let never = never(empty.gap);
            match self.cases.last_mut() {
                Some(last) => last.property.disjuncts.push(never),
                None => self.pending.push(never),
            }
            return Ok(());
        }
        let sides = inputs.lower.into_iter().zip(inputs.upper);
        let ends = sides.filter_map(|(lower, upper)| Some([lower?.0, upper?.0])).collect();
        let region = Region::shared_box(ends)
            .map_err(|e| Fault { offset: self.names.offset(0), problem: e.into() })?
            .with_half_spaces(inputs.half_spaces);
        self.last_gap = region.gap().filter(|_| joins);
        let disjunct = within(&region, &self.last_gap);
        let region = if joins { region.with_differences() } else { region };
        self.last_choice = choice;
        match self.cases.last_mut() {
            Some(last) if last.region == region => last.property.disjuncts.push(disjunct),
            _ => {
                let mut disjuncts = std::mem::take(&mut self.pending);
                disjuncts.push(disjunct);
                let first = self.cases.last().map_or(0, |last| last.numbers().end);
                self.cases.push(Case { first, region, property: Property { disjuncts } });
            }
        }
        Ok(())
    }

    /// The atoms of disjunct `number`, and its chosen literals that are none: the digits of `number` in
    /// the mixed radix of the choices, the last varying fastest, select the rows.
    fn gather(&self, mut number: usize, factors: &[Factor]) -> (Vec<Atom>, Vec<u32>) {
        let mut rows = Vec::with_capacity(factors.len());
        for factor in factors.iter().rev() {
            if let Factor::Choice(all) = factor {
                rows.push(&all[number % all.len()]);
                number /= all.len();
            }
        }
        let (mut atoms, mut choice) = (Vec::new(), Vec::new());
        for factor in factors {
            match factor {
                Factor::Atom(atom) => atoms.push(atom.clone()),
                Factor::Choice(_) => {
                    for &id in rows.pop().into_iter().flatten() {
                        match &self.literals[id as usize].1 {
                            Literal::Atom(atom) => atoms.push((**atom).clone()),
                            _ => choice.push(id),
                        }
                    }
                }
            }
        }
        (atoms, choice)
    }

    /// The common constraints with the chosen ones.
    fn inputs(&self, choice: &[u32]) -> Inputs {
        let mut inputs = self.common.clone();
        for &id in choice {
            let (offset, literal) = &self.literals[id as usize];
            match literal {
                Literal::Bound { input, is_upper, value } => inputs.bound(*input, *is_upper, value, *offset),
                Literal::HalfSpace(half_space) => inputs.half_spaces.push((**half_space).clone()),
                Literal::Atom(_) => {}
            }
        }
        inputs
    }

    fn finish(self) -> Result<Query, Fault> {
        match (self.cases.is_empty(), self.first_empty) {
            (true, Some(fault)) => Err(fault),
            _ => Ok(Query { cases: self.cases }),
        }
    }
}
