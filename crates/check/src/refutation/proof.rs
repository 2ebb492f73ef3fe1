//! The statements of a proof, each recomputed when it is read.

use super::form::Form;
use super::lanes::Exact;
use super::network::Network;
use super::number::{Number, Range};
use super::query::{Case, Query};
use super::row::{bound, interval, minima, whole};
use super::shown::Shown;
use super::slopes::hear;
use super::state::{MOST_CHANGES, Mark, State};
use super::text::{Reader, Refusal, Words, shown};
use dashu_ratio::RBig;
use std::collections::BTreeSet;
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
    /// That a form is at most zero on the part, perhaps since a neuron is in this range.
    Row(Rc<Form>, Option<(usize, usize, Range)>),
}

/// A block that is open: the case, one half of a split, or a lemma.
struct Block {
    goal: Goal,
    kind: BlockKind,
    /// Which disjuncts are shown on the part by what stands in it; a lemma or row is its only one.
    shown: Shown,
    mark: Mark,
}

enum BlockKind {
    Case,
    /// Where a neuron is split, whether the second half lacks the number, and what the first one shows once it is closed.
    Split((usize, usize), RBig, bool, Option<Shown>),
    Lemma,
}

/// Nothing, or why a line is refused.
type Outcome = Result<(), Refusal>;

/// Blocks within blocks, at most.
const DEEPEST: usize = 10_000;
/// Terms of a row, at most: what a multiplier of it costs.
const MOST_TERMS: usize = 1 << 8;

/// The checker on its way through one case.
struct Checker<'a> {
    state: State<'a>,
    case: &'a Case,
    blocks: Vec<Block>,
    /// For each activation node the neurons that `slopes` speaks of.
    free: Vec<Vec<usize>>,
    refuted: Refuted,
}

/// Checks that a proof refutes every case of the query about the network.
/// The first line that is not understood, or does not hold, is an error.
pub fn check_refutation(network: &Network, query: &Query, proof: impl BufRead) -> Result<Refuted, Refusal> {
    let mut reader = Reader::new(proof, "proof", '#');
    reader.begin()?;
    let mut refuted = Refuted { cases: query.cases.len(), ..Refuted::default() };
    if query.cases.is_empty() {
        return Err(reader.error("the query has no case"));
    }
    for (c, case) in query.cases.iter().enumerate() {
        let mut words = reader.expect()?;
        words.exactly("case")?;
        words.exactly(&c.to_string())?;
        words.end()?;
        if case.ends.len() != network.inputs() {
            return Err(reader.error("the query is about another number of inputs"));
        }
        let state = whole(network, case);
        let free = vec![Vec::new(); network.nodes.len()];
        let mut checker = Checker { state, case, blocks: Vec::new(), free, refuted };
        checker.open(Goal::Disjuncts, BlockKind::Case);
        checker.run(&mut reader)?;
        refuted = checker.refuted;
    }
    reader.finish("nothing may follow the last case")?;
    Ok(refuted)
}

impl Checker<'_> {
    /// Reads statements up to the end of the case.
    fn run<R: BufRead>(&mut self, reader: &mut Reader<R>) -> Outcome {
        while !self.blocks.is_empty() {
            // On a part without inputs everything is shown.
            if self.state.is_empty {
                self.show(None);
            }
            let mut words = reader.expect()?;
            match words.word()? {
                which @ ("bound" | "tighten" | "late") => {
                    let node = words.index(self.state.network.nodes.len())?;
                    words.end()?;
                    let neurons = 0..self.state.network.nodes[node].len;
                    if which == "tighten" {
                        interval(&mut self.state, node, neurons.clone());
                    }
                    let is_meant = |&i: &usize| which == "bound" || self.state.is_unstable(node, i);
                    let neurons: Vec<usize> = neurons.filter(is_meant).collect();
                    bound(&mut self.state, node, &neurons, which == "late");
                }
                arithmetic @ ("exact" | "float") => {
                    words.end()?;
                    self.state.is_exact = arithmetic == "exact";
                }
                which @ ("area" | "free" | "slopes" | "steep" | "lines") => {
                    hear(&mut self.state, &mut self.free, which, words)?;
                }
                "refute" => self.refute(words)?,
                "prove" => self.prove(words)?,
                "empty" => self.show_by(words, Form::default(), false, None)?,
                "split" => self.split(words)?,
                "lemma" => self.lemma(words)?,
                "row" => self.row(words)?,
                "else" => self.other_half(words)?,
                "end" => self.end(words)?,
                other => return Err(words.error(format!("the statement `{}` is not understood", shown(other)))),
            }
            if self.blocks.len() <= 1 {
                self.state.undo.clear();
            }
            if self.state.undo.len() > MOST_CHANGES || self.blocks.len() > DEEPEST {
                return Err(reader.error("the blocks are nested too deeply, or too much is to be undone at their ends"));
            }
        }
        Ok(())
    }

    /// A disjunct is shown on the part, or whatever is to be.
    fn show(&mut self, what: Option<usize>) {
        self.blocks.last_mut().into_iter().for_each(|block| block.shown.add(what));
    }

    /// What the innermost block is to show. One is open while statements are read.
    fn goal(&self) -> Goal {
        self.blocks.last().map_or(Goal::Disjuncts, |block| block.goal.clone())
    }

    /// The multipliers that end a line: `NODE I C` for what a neuron's bound says, `limit K C` for a half-space of the
    /// case and `row K C` for a row, `C ≥ 0`. What they multiply is at most zero on the part.
    fn add_multipliers(&self, words: &mut Words<'_>, form: &mut Form) -> Outcome {
        let mut named = BTreeSet::new();
        while words.peek().is_some() {
            let is_limit = words.take("limit");
            if is_limit || words.take("row") {
                let known = if is_limit { &self.case.limits } else { &self.state.rows };
                let index = words.index(known.len())?;
                // A limit may be as long as the inputs are many: so that a line costs no more than these and itself.
                if !named.insert((is_limit, index)) {
                    return Err(words.error("a limit or row is multiplied twice"));
                }
                form.add_multiple(&known[index], &words.weight()?);
                continue;
            }
            let (node, i) = self.state.network.neuron(words)?;
            let c = words.number()?;
            let added = self.state.add_bound(form, (node, i), &c);
            added.ok_or_else(|| words.error(format!("neuron {i} of node {node} has no such bound")))?;
        }
        Ok(())
    }

    /// Adds the multipliers that end the line, and compares the least value with zero: then something is shown.
    fn show_by(&mut self, mut words: Words<'_>, mut form: Form, may_be_zero: bool, what: Option<usize>) -> Outcome {
        self.add_multipliers(&mut words, &mut form)?;
        if form.is_too_long {
            return Err(words.error("its sums have fractions that are too long"));
        }
        let (is_shown, bound) = shows(&self.state, &form, may_be_zero);
        // On a part without inputs everything holds, also what whoever wrote this knew of no reason for.
        if !is_shown && !self.state.is_empty {
            return Err(words.error(format!("this does not hold: the bound is {bound:e}")));
        }
        self.refuted.refutations += 1;
        self.show(what);
        Ok(())
    }

    /// `refute DISJUNCT WEIGHT… ; MULTIPLIERS`.
    fn refute(&mut self, mut words: Words<'_>) -> Outcome {
        if !matches!(self.goal(), Goal::Disjuncts) {
            return Err(words.error("lemmas and rows are shown by `prove` or `empty`"));
        }
        let d = words.index(self.case.disjuncts.len())?;
        let (mut atoms, mut form) = (self.case.disjuncts[d].iter(), Form::default());
        while words.peek().is_some() && !words.take(";") {
            let weight = words.weight()?;
            let atom = atoms.next().ok_or_else(|| words.error("there are more weights than forms"))?;
            form.add_multiple(atom, &weight);
        }
        self.show_by(words, form, false, Some(d))
    }

    /// `prove MULTIPLIERS`: the bound of the lemma, or the row.
    fn prove(&mut self, words: Words<'_>) -> Outcome {
        let Goal::Row(row, _) = self.goal() else { return Err(words.error("no lemma or row is open")) };
        let mut form = Form::default();
        form.add_multiple(&row, &RBig::NEG_ONE);
        self.show_by(words, form, true, None)
    }

    fn open(&mut self, goal: Goal, kind: BlockKind) {
        let state = &self.state;
        let mark = (state.undo.len(), state.rows.len(), state.is_exact, state.is_empty);
        self.blocks.push(Block { goal, kind, shown: Shown::default(), mark });
    }

    /// `split NODE I AT`: first where the neuron is at most so large, then (`else`) where it is at least. `< AT`: the first
    /// half lacks the number; `> AT`: the second one does.
    fn split(&mut self, mut words: Words<'_>) -> Outcome {
        let neuron = self.state.network.neuron(&mut words)?;
        let below = words.take("<");
        let is_open = !below && words.take(">");
        let at = words.number()?;
        self.open(self.goal(), BlockKind::Split(neuron, at.clone(), is_open, None));
        self.state.keep(neuron, true, &at, below);
        words.end()
    }

    /// `else`: the other half of the split.
    fn other_half(&mut self, words: Words<'_>) -> Outcome {
        let last = self.blocks.last_mut();
        let Some(Block { kind: BlockKind::Split(neuron, at, is_open, first @ None), shown, mark, .. }) = last else {
            return Err(words.error("no first half of a split is open"));
        };
        *first = Some(std::mem::take(shown));
        self.state.undo(*mark);
        self.state.keep(*neuron, false, at, *is_open);
        words.end()
    }

    /// `lemma NODE I >= VALUE`, or `<=`; what follows up to its end shows it.
    fn lemma(&mut self, mut words: Words<'_>) -> Outcome {
        let (node, i) = self.state.network.neuron(&mut words)?;
        let at_least = words.read(|word| [">=", "<="].contains(&word).then(|| word == ">="), "comparison")?;
        let value = words.float()?;
        // V − x ≤ 0, or x − V ≤ 0.
        let sign = if at_least { RBig::NEG_ONE } else { RBig::ONE };
        let mut form = Form { constant: -&sign * RBig::of(value), ..Form::default() };
        form.add((node, i), sign);
        let bounds = if at_least { (value, f64::INFINITY) } else { (f64::NEG_INFINITY, value) };
        self.open(Goal::Row(Rc::new(form), Some((node, i, Range::closed(bounds)))), BlockKind::Lemma);
        words.end()
    }

    /// `row CONSTANT (NODE I C)…`: the form is at most zero; what follows up to its end shows it.
    fn row(&mut self, mut words: Words<'_>) -> Outcome {
        let mut form = Form { constant: words.number()?, ..Form::default() };
        while words.peek().is_some() {
            let neuron = self.state.network.neuron(&mut words)?;
            form.add(neuron, words.number()?);
            if form.terms.len() > MOST_TERMS {
                return Err(words.error(format!("a row has at most {MOST_TERMS} terms")));
            }
        }
        self.open(Goal::Row(Rc::new(form), None), BlockKind::Lemma);
        Ok(())
    }

    /// `end` of a split, a lemma, a row or the case.
    fn end(&mut self, words: Words<'_>) -> Outcome {
        let Some(block) = self.blocks.pop() else { return Err(words.error("no block is open")) };
        self.state.undo(block.mark);
        match block.kind {
            BlockKind::Split(.., None) => return Err(words.error("the split has no second half")),
            BlockKind::Split(.., Some(first)) => {
                if let Some(outer) = self.blocks.last_mut() {
                    outer.shown.join(first.and(block.shown));
                }
            }
            BlockKind::Lemma if !block.shown.has(0) => return Err(words.error("this is not shown")),
            BlockKind::Lemma => {
                self.refuted.lemmas += 1;
                match block.goal {
                    Goal::Disjuncts => {}
                    Goal::Row(_, Some((node, i, range))) => self.state.tighten(node, i, range),
                    Goal::Row(form, None) => self.state.rows.push(form),
                }
            }
            BlockKind::Case => {
                if let Some(d) = (0..self.case.disjuncts.len()).find(|d| !block.shown.has(*d)) {
                    return Err(words.error(format!("disjunct {d} is not refuted")));
                }
            }
        }
        words.end()
    }
}

/// Whether a form is above zero on the part, or zero where it may be, in exact numbers where rounding may hide it; its bound.
fn shows(state: &State<'_>, form: &Form, may_be_zero: bool) -> (bool, f64) {
    let is_shown = |least: f64| least > 0.0 || (may_be_zero && least == 0.0);
    let form = std::slice::from_ref(form);
    if !state.is_exact {
        let (low, high) = minima::<[f64; 1]>(state, form, false, &is_shown)[0];
        if is_shown(low) || !is_shown(high) {
            return (is_shown(low), low);
        }
    }
    let low = minima::<Exact>(state, form, false, &is_shown)[0].0;
    (is_shown(low), low)
}
