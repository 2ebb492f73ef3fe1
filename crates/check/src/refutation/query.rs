//! The query that a proof is about: for each case a box of inputs, perhaps a ball, and an unsafe set.

use super::ball::Ball;
use super::form::Form;
use super::network::Network;
use super::text::{Reader, Refusal, Words, shown};
use dashu_ratio::RBig;
use std::io::BufRead;
use std::rc::Rc;

/// Cases, each of which must be refuted.
#[derive(Debug)]
pub struct Query {
    pub(super) cases: Vec<Case>,
}

/// Inputs, and the unsafe set that none of them may reach.
#[derive(Debug, Default)]
pub(super) struct Case {
    pub ends: Vec<(RBig, RBig)>,
    pub ball: Option<Ball>,
    /// Half-spaces of the inputs, besides the box and the ball: each form is at most zero.
    pub limits: Vec<Rc<Form>>,
    /// Conjunctions of forms that are at most zero.
    pub disjuncts: Vec<Vec<Form>>,
}

/// Reads a query about the network, as `docs/certificates.md` has it.
/// The first line that is not understood is an error.
pub fn read_query(source: impl BufRead, network: &Network) -> Result<Query, Refusal> {
    let mut reader = Reader::new(source, "query", '#');
    reader.begin()?;
    let mut cases: Vec<Case> = Vec::new();
    while let Some(mut words) = reader.next()? {
        let keyword = words.word()?;
        match (keyword, cases.last_mut()) {
            ("case", _) => {
                words.end()?;
                let mut case = Case::default();
                for _ in 0..network.inputs() {
                    let mut words = reader.expect()?;
                    words.exactly("x")?;
                    case.ends.push((words.number()?, words.number()?));
                    words.end()?;
                }
                cases.push(case);
            }
            ("ball", Some(case)) if case.ball.is_none() && case.disjuncts.is_empty() => {
                case.ball = Some(Ball::read(words, network.inputs())?);
            }
            ("limit", Some(case)) if case.disjuncts.is_empty() => {
                let limit = read_form(words, &[('X', 0, network.inputs())])?;
                case.limits.push(Rc::new(limit));
            }
            ("unsafe", Some(case)) => {
                words.end()?;
                case.disjuncts.push(Vec::new());
            }
            ("atom", Some(Case { disjuncts, .. })) if !disjuncts.is_empty() => {
                let variables = [('X', 0, network.inputs()), ('Y', network.output, network.outputs())];
                let atom = read_form(words, &variables)?;
                disjuncts.last_mut().into_iter().for_each(|atoms| atoms.push(atom.clone()));
            }
            (other, _) => return Err(words.error(format!("`{}` is not understood here", shown(other)))),
        }
    }
    Ok(Query { cases })
}

/// `CONSTANT C Xi C Yj …`, where variables with these initials are the neurons of a node, so many.
fn read_form(mut words: Words<'_>, variables: &[(char, usize, usize)]) -> Result<Form, Refusal> {
    let neuron = |name: &str| {
        let of = |&(initial, node, len): &(char, usize, usize)| {
            Some((node, name.strip_prefix(initial)?.parse().ok().filter(|&i: &usize| i < len)?))
        };
        variables.iter().find_map(of)
    };
    let mut form = Form { constant: words.number()?, ..Form::default() };
    while words.peek().is_some() {
        let c = words.number()?;
        form.add(words.read(neuron, "variable")?, c);
    }
    Ok(form)
}
