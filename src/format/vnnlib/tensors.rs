//! The variables of version 2.0: entries of the tensors that networks declare.

use super::cursor::{Cursor, fault, unexpected};
use super::declared::{DeclaredNetwork, DeclaredTensor, Element, Relation, TensorKind};
use super::error::{Fault, VnnlibProblem};
use super::lexer::{Token, shortened};
use crate::domains::query::Variable;
use std::collections::HashMap;

/// How many inputs or outputs may be declared.
pub(super) const MOST_VARIABLES: usize = 1 << 22;
/// How many axes a tensor may have.
const MOST_AXES: usize = 64;

/// The networks that are declared so far.
#[derive(Default)]
pub(super) struct Tensors {
    networks: Vec<DeclaredNetwork>,
    /// Network and tensor of each name.
    places: HashMap<String, (usize, usize)>,
    /// Where the tensor of each input entry is declared.
    inputs: Vec<usize>,
    outputs: usize,
}

impl Tensors {
    /// `declare-network` after its name.
    pub(super) fn declare_network(&mut self, tokens: &mut Cursor) -> Result<(), Fault> {
        let (offset, name) = tokens.word("the name of a network")?;
        if self.networks.iter().any(|network| network.name == name) {
            return fault(offset, VnnlibProblem::DeclaredTwice(shortened(name)));
        }
        self.networks.push(DeclaredNetwork { name: name.to_owned(), relation: None, tensors: Vec::new() });
        let mut related = None;
        loop {
            match tokens.next() {
                (_, Token::Open) => {}
                (_, Token::Close) => break,
                (offset, found) => return unexpected(offset, "`(declare-input`, `(declare-output` or `)`", found),
            }
            let (offset, part) = tokens.word("`declare-input`, `declare-hidden` or `declare-output`")?;
            match part {
                "equal-to" | "isomorphic-to" if related.is_none() && self.current().tensors.is_empty() => {
                    related = Some(self.relation(tokens, part == "equal-to")?);
                }
                "declare-input" => self.tensor(tokens, TensorKind::Input)?,
                "declare-hidden" => self.tensor(tokens, TensorKind::Hidden)?,
                "declare-output" => self.tensor(tokens, TensorKind::Output)?,
                _ => {
                    let expected = "`declare-input`, `declare-hidden` or `declare-output` (and once before them \
                                    `equal-to` or `isomorphic-to`)";
                    return unexpected(offset, expected, Token::Word(part));
                }
            }
        }
        for (kind, what) in [(TensorKind::Input, "input"), (TensorKind::Output, "output")] {
            if self.current().tensors.iter().all(|tensor| tensor.kind != kind) {
                return fault(offset, VnnlibProblem::Incomplete { network: shortened(name), what });
            }
        }
        self.check_onnx_names(offset)?;
        related.map_or(Ok(()), |offset| self.check_relation(offset))
    }

    /// The network that is being declared.
    fn current(&self) -> &DeclaredNetwork {
        &self.networks[self.networks.len() - 1]
    }

    /// `equal-to` or `isomorphic-to` after its name; where the other network's name stands.
    fn relation(&mut self, tokens: &mut Cursor, is_equal: bool) -> Result<usize, Fault> {
        let (offset, name) = tokens.word("the name of a network")?;
        tokens.close()?;
        let last = self.networks.len() - 1;
        let Some(other) = self.networks[..last].iter().position(|network| network.name == name) else {
            return fault(offset, VnnlibProblem::UnknownNetwork(shortened(name)));
        };
        if self.networks[other].relation.is_some() {
            return fault(offset, VnnlibProblem::Chained(shortened(name)));
        }
        let relation = if is_equal { Relation::EqualTo(other) } else { Relation::IsomorphicTo(other) };
        self.networks[last].relation = Some(relation);
        Ok(offset)
    }

    /// Related networks have the same inputs and outputs, up to names and, where they are isomorphic, types.
    fn check_relation(&self, offset: usize) -> Result<(), Fault> {
        let (other, is_equal) = match self.current().relation {
            Some(Relation::EqualTo(other)) => (other, true),
            Some(Relation::IsomorphicTo(other)) => (other, false),
            None => return Ok(()),
        };
        let interface = |network: &DeclaredNetwork| {
            let seen = network.tensors.iter().filter(|t| t.kind != TensorKind::Hidden);
            let part = |t: &DeclaredTensor| (t.kind, t.shape.clone(), t.element.name.to_owned(), t.onnx_name.clone());
            seen.map(part)
                .map(
                    |(kind, shape, element, name)| {
                        if is_equal { (kind, shape, Some((element, name))) } else { (kind, shape, None) }
                    },
                )
                .collect::<Vec<_>>()
        };
        let other = &self.networks[other];
        if interface(other) == interface(self.current()) {
            return Ok(());
        }
        fault(offset, VnnlibProblem::OtherInterface(shortened(&other.name)))
    }

    /// Inputs and outputs are found by their places or by their names in the file, all of them in one way.
    fn check_onnx_names(&self, offset: usize) -> Result<(), Fault> {
        let mut seen = self.current().tensors.iter().filter(|t| t.kind != TensorKind::Hidden);
        let is_named = seen.next().is_some_and(|t| t.onnx_name.is_some());
        match seen.find(|t| t.onnx_name.is_some() != is_named) {
            Some(tensor) => fault(offset, VnnlibProblem::HalfNamed(shortened(&tensor.name))),
            None => Ok(()),
        }
    }

    /// `declare-input`, `declare-hidden` or `declare-output` after its name.
    fn tensor(&mut self, tokens: &mut Cursor, kind: TensorKind) -> Result<(), Fault> {
        let (offset, name) = tokens.word("the name of a tensor")?;
        if !name.starts_with(|c: char| c.is_ascii_alphabetic())
            || !name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
        {
            return fault(offset, VnnlibProblem::BadTensorName(shortened(name)));
        }
        if self.current().tensors.last().is_some_and(|last| last.kind > kind) {
            return fault(offset, VnnlibProblem::TensorOrder(shortened(name)));
        }
        let (at, element) = tokens.word("the type of the tensor's entries")?;
        let Some(element) = Element::named(element) else {
            return fault(at, VnnlibProblem::ElementType(shortened(element)));
        };
        let shape = shape(tokens)?;
        let onnx_name = match tokens.ahead().1 {
            Token::Word(word) => {
                let at = tokens.next().0;
                let Some(quoted) = word.strip_prefix('"').and_then(|word| word.strip_suffix('"')) else {
                    return unexpected(at, "the name of an ONNX tensor in double quotes, or `)`", Token::Word(word));
                };
                Some(quoted.to_owned())
            }
            _ if kind == TensorKind::Hidden => {
                let (at, found) = tokens.next();
                return unexpected(at, "the name of an ONNX tensor in double quotes", found);
            }
            _ => None,
        };
        tokens.close()?;
        let count = if kind == TensorKind::Input { self.inputs.len() } else { self.outputs };
        let last = self.networks.len() - 1;
        let tensor = DeclaredTensor { name: name.to_owned(), kind, element, shape, onnx_name, first: count };
        let fits = |len: &usize| count.checked_add(*len).is_some_and(|sum| sum <= MOST_VARIABLES);
        let product = tensor.shape.iter().try_fold(1usize, |product, n| product.checked_mul(*n));
        let Some(len) = product.filter(fits) else {
            return fault(offset, VnnlibProblem::TooLarge { limit: MOST_VARIABLES, what: "variables" });
        };
        match kind {
            TensorKind::Input => self.inputs.resize(count + len, offset),
            TensorKind::Hidden | TensorKind::Output => self.outputs += len,
        }
        if self.places.insert(name.to_owned(), (last, self.networks[last].tensors.len())).is_some() {
            return fault(offset, VnnlibProblem::DeclaredTwice(shortened(name)));
        }
        self.networks[last].tensors.push(tensor);
        Ok(())
    }

    /// The entry of a tensor that is written at `offset`: the tensor's name, `word`, and the indices that follow.
    pub(super) fn resolve(&self, tokens: &mut Cursor, offset: usize, word: &str) -> Result<Variable, Fault> {
        let Some(&(network, place)) = self.places.get(word) else {
            return fault(offset, VnnlibProblem::UndeclaredTensor(shortened(word)));
        };
        let tensor = &self.networks[network].tensors[place];
        let indices = if tokens.ahead().1 == Token::OpenIndex { numbers(tokens)? } else { Vec::new() };
        let fits = indices.len() == tensor.shape.len() && indices.iter().zip(&tensor.shape).all(|(i, n)| i < n);
        if !fits {
            let (tensor, shape) = (shortened(word), format!("{:?}", tensor.shape));
            return fault(offset, VnnlibProblem::Index { tensor, shape });
        }
        let entry = indices.iter().zip(&tensor.shape).fold(0, |entry, (i, n)| entry * n + i);
        let number = tensor.first + entry;
        Ok(if tensor.kind == TensorKind::Input { Variable::Input(number) } else { Variable::Output(number) })
    }

    /// How many hidden and output entries are declared.
    pub(super) fn outputs(&self) -> usize {
        self.outputs
    }

    /// The networks, where their inputs are declared, and how many hidden and output entries there are.
    pub(super) fn finish(self, end: usize) -> Result<(Vec<DeclaredNetwork>, Vec<usize>, usize), Fault> {
        if self.networks.is_empty() {
            fault(end, VnnlibProblem::NoNetworks)
        } else {
            Ok((self.networks, self.inputs, self.outputs))
        }
    }
}

/// `[2,3]`, the lengths of a tensor, or `[]`.
fn shape(tokens: &mut Cursor) -> Result<Vec<usize>, Fault> {
    let offset = tokens.ahead().0;
    let lengths = numbers(tokens)?;
    if lengths.len() > MOST_AXES || lengths.contains(&0) {
        return fault(offset, VnnlibProblem::Shape);
    }
    Ok(lengths)
}

/// Whole numbers between brackets, with commas between them.
fn numbers(tokens: &mut Cursor) -> Result<Vec<usize>, Fault> {
    tokens.expect(Token::OpenIndex, "`[`")?;
    let mut numbers = Vec::new();
    if tokens.passes(Token::CloseIndex) {
        return Ok(numbers);
    }
    loop {
        let (offset, word) = tokens.word("a whole number")?;
        let is_whole = word.bytes().all(|b| b.is_ascii_digit());
        match word.parse() {
            Ok(number) if is_whole => numbers.push(number),
            _ => return unexpected(offset, "a whole number", Token::Word(word)),
        }
        if !tokens.passes(Token::Comma) {
            tokens.expect(Token::CloseIndex, "`,` or `]`")?;
            return Ok(numbers);
        }
    }
}
