//! The statements of a proof, each recomputed when it is read.

use super::form::Form;
use super::lanes::UNKNOWN;
use super::network::Network;
use super::number::Number;
use super::query::{Case, Query};
use super::row::minima;
use super::slopes::Spoken;
use super::state::State;
use super::text::{Reader, Refusal, Words, float, number, shown};
use dashu_ratio::RBig;
use std::io::BufRead;
use std::rc::Rc;

/// What was checked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Refuted {
    /// Cases of the query.
    pub cases: usize,
    /// Lemmas about bounds of neurons, and rows.
    pub lemmas: usize,
    /// Refutations of disjuncts, lemmas' negations and parts.
    pub refutations: usize,
}

/// What a block is to show.
#[derive(Clone, Debug)]
enum Goal {
    /// That no input of the part satisfies a disjunct.
    Disjuncts,
    /// That a neuron is at least the number on the part, or at most.
    Bound { node: usize, i: usize, at_least: bool, value: f64 },
    /// That a form is at most zero on the part.
    Row(Rc<Form>),
}

/// A block that is open: the case, one half of a split, or a lemma.
struct Block {
    goal: Goal,
    kind: BlockKind,
    /// What is shown on the part, by number.
    shown: Vec<bool>,
    mark: usize,
    is_exact: bool,
}

/// Whether a split's number is left out of its first half, and of the second one: of one of them at most.
type Open = (bool, bool);

enum BlockKind {
    Case,
    Split { node: usize, i: usize, at: RBig, open: Open, first: Option<Vec<bool>> },
    Lemma,
}

/// Blocks times disjuncts, at most.
const MOST_GOALS: usize = 1 << 26;

/// Blocks within blocks, at most.
const DEEPEST: usize = 10_000;

/// Terms of a row, at most: what a multiplier of it costs.
const MOST_TERMS: usize = 1 << 8;

/// Neurons that are bounded side by side, twice: from below and from above.
const LANES: usize = 4;

/// The checker on its way through one case.
struct Checker<'a> {
    state: State<'a>,
    case: &'a Case,
    blocks: Vec<Block>,
    /// Whether bounds are computed in exact rationals.
    is_exact: bool,
    /// The half-spaces of the case.
    limits: Vec<Rc<Form>>,
    spoken: Spoken,
    refuted: Refuted,
}

/// A form of the query as one over neurons.
fn over(network: &Network, form: &super::query::Form) -> Form {
    let mut found = Form { constant: form.constant.clone(), ..Form::default() };
    for (c, is_output, i) in &form.terms {
        found.add(if *is_output { network.output } else { 0 }, *i, c.clone());
    }
    found
}

/// Checks that a proof refutes every case of the query about the network. A statement costs a
/// pass through the network per neuron that it bounds, a split what is shown before it.
///
/// # Errors
/// The first line that is not understood, or does not hold.
pub fn check_refutation(network: &Network, query: &Query, proof: impl BufRead) -> Result<Refuted, Refusal> {
    let mut reader = Reader::new(proof, "proof");
    reader.exactly("absint proof 1")?;
    let mut refuted = Refuted { cases: query.cases.len(), ..Refuted::default() };
    if query.cases.is_empty() {
        return Err(reader.error("the query has no case"));
    }
    for (c, case) in query.cases.iter().enumerate() {
        reader.exactly(&format!("case {c}"))?;
        if case.lower.len() != network.inputs() {
            return Err(reader.error("the query is about another number of inputs"));
        }
        let mut checker = Checker::new(network, case);
        checker.run(&mut reader)?;
        refuted.lemmas += checker.refuted.lemmas;
        refuted.refutations += checker.refuted.refutations;
    }
    match reader.next()? {
        None => Ok(refuted),
        Some(words) => Err(words.error("nothing may follow the last case")),
    }
}

impl<'a> Checker<'a> {
    fn new(network: &'a Network, case: &'a Case) -> Self {
        let state = State::new(network, case);
        let whole = Block {
            goal: Goal::Disjuncts,
            kind: BlockKind::Case,
            shown: vec![false; case.disjuncts.len()],
            mark: state.mark(),
            is_exact: false,
        };
        let limits = case.limits.iter().map(|limit| Rc::new(over(network, limit))).collect();
        Self {
            state,
            case,
            blocks: vec![whole],
            is_exact: false,
            limits,
            spoken: Spoken::new(network),
            refuted: Refuted::default(),
        }
    }

    /// Reads statements up to the end of the case.
    fn run<R: BufRead>(&mut self, reader: &mut Reader<R>) -> Result<(), Refusal> {
        self.note_emptiness();
        while !self.blocks.is_empty() {
            let mut words = reader.expect()?;
            match words.word()? {
                "interval" => {
                    words.end()?;
                    (0..self.state.network.nodes.len()).for_each(|id| self.state.interval(id));
                }
                which @ ("bound" | "tighten" | "late") => {
                    let node = words.index(self.state.network.nodes.len())?;
                    words.end()?;
                    if which == "tighten" {
                        self.state.interval(node);
                    }
                    self.back_substitute(node, which == "bound", which == "late");
                }
                arithmetic @ ("exact" | "float") => {
                    words.end()?;
                    self.is_exact = arithmetic == "exact";
                }
                which @ ("area" | "free" | "slopes" | "steep" | "lines") => {
                    self.spoken.hear(&mut self.state, which, words)?;
                }
                "refute" => self.refute(words)?,
                "prove" => self.prove(words)?,
                "empty" => self.empty(words)?,
                "split" => self.split(words)?,
                "lemma" => self.lemma(words)?,
                "row" => self.row(words)?,
                "else" => self.other_half(words)?,
                "end" => self.end(words)?,
                other => return Err(words.error(format!("the statement `{}` is not understood", shown(other)))),
            }
            self.note_emptiness();
            if self.blocks.len() <= 1 {
                self.state.settle();
            }
            if self.state.is_full() {
                return Err(reader.error("more changes are to be undone than a checker keeps"));
            }
        }
        Ok(())
    }

    /// On a part without inputs everything is shown.
    fn note_emptiness(&mut self) {
        if self.state.is_empty {
            self.block_shown();
        }
    }

    fn block(&mut self, words: &Words<'_>) -> Result<&mut Block, Refusal> {
        self.blocks.last_mut().ok_or_else(|| words.error("no block is open"))
    }

    /// Factors that are not below zero: at most `most` of them, up to the end of the line or `;`.
    fn weights(words: &mut Words<'_>, most: usize) -> Result<Vec<RBig>, Refusal> {
        let mut found = Vec::new();
        while let Some(word) = words.next().filter(|word| *word != ";") {
            let factor = number(word).filter(|factor| factor >= &RBig::ZERO);
            found.push(factor.ok_or_else(|| words.error(format!("`{}` is no weight", shown(word))))?);
            if found.len() > most {
                return Err(words.error("there are more weights than forms"));
            }
        }
        Ok(found)
    }

    /// The multipliers that end a line: `NODE I C` for what a neuron's bound says, `limit K C` for a half-space of the
    /// case and `row K C` for a row, `C ≥ 0`. What they multiply is at most zero on the part.
    fn add_multipliers(&self, words: &mut Words<'_>, form: &mut Form) -> Result<(), Refusal> {
        while let Some(word) = words.next() {
            if let "limit" | "row" = word {
                let known = if word == "row" { &self.state.rows } else { &self.limits };
                let row = &known[words.index(known.len())?];
                let c = words.number()?;
                if c < RBig::ZERO {
                    return Err(words.error("what is at most zero has no multiplier below zero"));
                }
                form.add_multiple(row, &c);
                continue;
            }
            let (node, i) = self.neuron(words, word)?;
            let c = words.number()?;
            let added = self.state.add_bound(form, node, i, &c);
            added.ok_or_else(|| words.error(format!("neuron {i} of node {node} has no such bound")))?;
        }
        Ok(())
    }

    /// A neuron, of which the word names the node, and the next one the index.
    fn neuron(&self, words: &mut Words<'_>, word: &str) -> Result<(usize, usize), Refusal> {
        let nodes = &self.state.network.nodes;
        let node = word.parse().ok().filter(|&node: &usize| node < nodes.len());
        let node = node.ok_or_else(|| words.error(format!("`{}` is no node", shown(word))))?;
        Ok((node, words.index(nodes[node].len)?))
    }

    /// Adds the multipliers that end the line, and compares the least value with zero.
    fn holds(&mut self, mut words: Words<'_>, mut form: Form, may_be_zero: bool) -> Result<(), Refusal> {
        self.add_multipliers(&mut words, &mut form)?;
        if form.is_too_long {
            return Err(words.error("its sums have fractions that are too long"));
        }
        let (is_shown, bound) = shows(&self.state, &form, self.is_exact, may_be_zero);
        // On a part without inputs everything holds, also what whoever wrote this knew of no reason for.
        if !is_shown && !self.state.is_empty {
            return Err(words.error(format!("this does not hold: the bound is {bound:e}")));
        }
        self.refuted.refutations += 1;
        words.end()
    }

    /// `refute DISJUNCT WEIGHT… ; MULTIPLIERS`.
    fn refute(&mut self, mut words: Words<'_>) -> Result<(), Refusal> {
        if !matches!(self.block(&words)?.goal, Goal::Disjuncts) {
            return Err(words.error("lemmas and rows are shown by `prove` or `empty`"));
        }
        let d = words.index(self.case.disjuncts.len())?;
        let atoms = &self.case.disjuncts[d];
        let weights = Self::weights(&mut words, atoms.len())?;
        let mut form = Form::default();
        for (weight, atom) in weights.iter().zip(atoms) {
            form.add_multiple(&over(self.state.network, atom), weight);
        }
        self.holds(words, form, false)?;
        if let Some(block) = self.blocks.last_mut() {
            block.shown[d] = true;
        }
        Ok(())
    }

    /// `prove MULTIPLIERS`: the bound of the lemma, or the row.
    fn prove(&mut self, words: Words<'_>) -> Result<(), Refusal> {
        let mut form = Form::default();
        match &self.block(&words)?.goal {
            Goal::Disjuncts => return Err(words.error("no lemma or row is open")),
            Goal::Bound { node, i, at_least, value } => {
                let sign = RBig::from(if *at_least { 1 } else { -1 });
                form.constant = -&sign * RBig::of(*value);
                form.add(*node, *i, sign);
            }
            Goal::Row(row) => form.add_multiple(row, &RBig::from(-1)),
        }
        self.holds(words, form, true)?;
        self.block_shown();
        Ok(())
    }

    /// `empty MULTIPLIERS`: no input is on the part.
    fn empty(&mut self, words: Words<'_>) -> Result<(), Refusal> {
        self.holds(words, Form::default(), false)?;
        self.block_shown();
        Ok(())
    }

    fn block_shown(&mut self) {
        if let Some(block) = self.blocks.last_mut() {
            block.shown.fill(true);
        }
    }

    fn open(&mut self, words: &Words<'_>, goal: Goal, kind: BlockKind, shown: Vec<bool>) -> Result<(), Refusal> {
        let is_large = self.blocks.len() >= DEEPEST || self.blocks.len() * shown.len() > MOST_GOALS;
        if is_large {
            return Err(words.error("the blocks are nested too deeply"));
        }
        let (mark, is_exact) = (self.state.mark(), self.is_exact);
        self.blocks.push(Block { goal, kind, shown, mark, is_exact });
        Ok(())
    }

    fn step(&mut self, node: usize, i: usize, below: bool, at: &RBig, open: Open) {
        if node == 0 {
            self.state.narrow(i, below, at);
        } else {
            self.state.keep(node, i, below, at);
        }
        if if below { open.0 } else { open.1 } {
            self.state.leave_out(node, i, below, at);
        }
    }

    /// `split NODE I AT`: first where the neuron is at most so large, then (`else`) where it is at least. `< AT`: the first
    /// half lacks the number; `> AT`: the second one does.
    fn split(&mut self, mut words: Words<'_>) -> Result<(), Refusal> {
        let node = words.index(self.state.network.nodes.len())?;
        let i = words.index(self.state.network.nodes[node].len)?;
        let word = words.word()?;
        let (open, at) = match word {
            "<" => ((true, false), words.number()?),
            ">" => ((false, true), words.number()?),
            at => ((false, false), words.number_in(at)?),
        };
        let block = self.block(&words)?;
        let (goal, shown) = (block.goal.clone(), block.shown.clone());
        self.open(&words, goal, BlockKind::Split { node, i, at: at.clone(), open, first: None }, shown)?;
        self.step(node, i, true, &at, open);
        words.end()
    }

    /// `else`: the other half of the split.
    fn other_half(&mut self, words: Words<'_>) -> Result<(), Refusal> {
        let wrong = words.error("no first half of a split is open");
        let Some(mut block) = self.blocks.pop() else { return Err(wrong) };
        let BlockKind::Split { node, i, at, open, first } = &mut block.kind else { return Err(wrong) };
        if first.is_some() {
            return Err(wrong);
        }
        self.state.undo(block.mark);
        self.is_exact = block.is_exact;
        let outer = self.blocks.last().map_or_else(Vec::new, |outer| outer.shown.clone());
        *first = Some(std::mem::replace(&mut block.shown, outer));
        let (node, i, at, open) = (*node, *i, at.clone(), *open);
        self.blocks.push(block);
        self.step(node, i, false, &at, open);
        words.end()
    }

    /// `lemma NODE I >= VALUE`, or `<=`; what follows up to its end shows it.
    fn lemma(&mut self, mut words: Words<'_>) -> Result<(), Refusal> {
        let node = words.index(self.state.network.nodes.len())?;
        let i = words.index(self.state.network.nodes[node].len)?;
        let at_least = match words.word()? {
            ">=" => true,
            "<=" => false,
            other => return Err(words.error(format!("`{}` is no comparison", shown(other)))),
        };
        let word = words.word()?;
        let value = float(word).ok_or_else(|| words.error(format!("`{}` is no float", shown(word))))?;
        self.open(&words, Goal::Bound { node, i, at_least, value }, BlockKind::Lemma, vec![false])?;
        words.end()
    }

    /// `row CONSTANT (NODE I C)…`: the form is at most zero; what follows up to its end shows it.
    fn row(&mut self, mut words: Words<'_>) -> Result<(), Refusal> {
        let mut form = Form { constant: words.number()?, ..Form::default() };
        while let Some(word) = words.next() {
            let (node, i) = self.neuron(&mut words, word)?;
            form.add(node, i, words.number()?);
            if form.terms.len() > MOST_TERMS {
                return Err(words.error(format!("a row has at most {MOST_TERMS} terms")));
            }
        }
        self.open(&words, Goal::Row(Rc::new(form)), BlockKind::Lemma, vec![false])
    }

    /// `end` of a split, a lemma, a row or the case.
    fn end(&mut self, words: Words<'_>) -> Result<(), Refusal> {
        let Some(block) = self.blocks.pop() else { return Err(words.error("no block is open")) };
        self.state.undo(block.mark);
        self.is_exact = block.is_exact;
        match block.kind {
            BlockKind::Split { first: None, .. } => return Err(words.error("the split has no second half")),
            BlockKind::Split { first: Some(first), .. } => {
                let both = first.iter().zip(&block.shown).map(|(a, b)| *a && *b);
                if let Some(outer) = self.blocks.last_mut() {
                    outer.shown.iter_mut().zip(both).for_each(|(outer, both)| *outer |= both);
                }
            }
            BlockKind::Lemma if !block.shown[0] => return Err(words.error("this is not shown")),
            BlockKind::Lemma => {
                self.refuted.lemmas += 1;
                match block.goal {
                    Goal::Disjuncts => {}
                    Goal::Bound { node, i, at_least, value } => {
                        let bounds = if at_least { (value, f64::INFINITY) } else { (f64::NEG_INFINITY, value) };
                        self.state.tighten(node, i, bounds);
                    }
                    Goal::Row(form) => self.state.add_row(form),
                }
            }
            BlockKind::Case => {
                if let Some(d) = block.shown.iter().position(|shown| !shown) {
                    return Err(words.error(format!("disjunct {d} is not refuted")));
                }
            }
        }
        words.end()
    }

    /// Bounds the neurons of a node by back-substitution: all, or those of which an activation sees several pieces; and up
    /// to the input alone, or on the way there. Where rounding may decide on which side of a number a bound is, in exact
    /// numbers.
    fn back_substitute(&mut self, node: usize, all: bool, is_late: bool) {
        let (state, never) = (&mut self.state, |_| false);
        let neurons = 0..state.network.nodes[node].len;
        let neurons: Vec<usize> = neurons.filter(|&i| all || state.is_unstable(node, i)).collect();
        for neurons in neurons.chunks(LANES / 2) {
            let side = |i: usize, sign: i8| {
                let mut form = Form::default();
                form.add(node, i, RBig::from(sign));
                form
            };
            let forms: Vec<Form> = neurons.iter().flat_map(|&i| [side(i, 1), side(i, -1)]).collect();
            let mut least = vec![UNKNOWN; LANES];
            if !self.is_exact {
                least = minima::<[f64; LANES]>(state, &forms, is_late, &never);
            }
            for (side, form) in forms.iter().enumerate() {
                if self.is_exact || state.is_undecided(node, neurons[side / 2], side % 2 == 0, least[side]) {
                    least[side] = minima::<RBig>(state, std::slice::from_ref(form), is_late, &never)[0];
                }
            }
            for (&i, least) in neurons.iter().zip(least.chunks(2)) {
                state.tighten(node, i, (least[0].0, -least[1].0));
            }
        }
    }
}

/// Whether a form is above zero on the part, or zero where it may be; and the bound that says so or not. Where rounding
/// alone may hide it, it is looked for in exact numbers.
fn shows(state: &State<'_>, form: &Form, is_exact: bool, may_be_zero: bool) -> (bool, f64) {
    let is_shown = |least: f64| least > 0.0 || (may_be_zero && least == 0.0);
    let form = std::slice::from_ref(form);
    let (low, high) = if is_exact { UNKNOWN } else { minima::<[f64; 1]>(state, form, false, &is_shown)[0] };
    if !is_exact && (is_shown(low) || !is_shown(high)) {
        return (is_shown(low), low);
    }
    let low = minima::<RBig>(state, form, false, &is_shown)[0].0;
    (is_shown(low), low)
}
