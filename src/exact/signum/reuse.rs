//! What queries on one network have in common, made once: the neurons' constraints as long as the inputs have the
//! same values, whatever the ball; the unsafe sets; and both again as the certificate's second encoder writes
//! them.

use super::SignumError;
use super::encode::{Encoded, Goal, Neurons, UnitLayer, denominator, in_unit_layers};
use super::memo::Memo;
use super::original::{self, OpbText, Original};
use super::region::{Inputs, Value};
use super::steps::StepNetwork;
use crate::domains::budget::Budget;
use crate::domains::network::Network;
use crate::domains::query::{Case, Property};
use absint_sat::{Constraint, Formula};
use dashu_int::IBig;
use std::borrow::Cow;
use std::sync::Arc;

/// What inputs can be.
#[derive(Clone, PartialEq)]
struct Values {
    values: Vec<Value>,
    is_real: bool,
    denominator: IBig,
    has_constants: bool,
}

/// Everything over inputs that can be the same.
struct Shared {
    neurons: Arc<Neurons>,
    original: Memo<(), Numbered<original::Neurons>, 1>,
    /// As many as a network has classes, more or less.
    goals: Memo<Property, SharedGoal, 16>,
}

struct SharedGoal {
    goal: Arc<Goal>,
    original: Memo<(), Numbered<OpbText>, 1>,
}

/// A part of the certificate's formula, and the numbers in it of the inequalities of each constraint of the search.
struct Numbered<T> {
    part: Arc<T>,
    numbers: Vec<[u32; 2]>,
}

/// A query for the search, and what is needed to encode it once more for its certificate.
pub(super) struct Prepared {
    pub encoded: Encoded,
    shared: Arc<Shared>,
    goal: Arc<SharedGoal>,
}

/// A network ready to be encoded with one query after the other.
pub(super) struct Encoder<'a> {
    network: Cow<'a, Network>,
    steps: Arc<StepNetwork>,
    /// Its layers in units of a denominator, over real inputs or not.
    units: Memo<(IBig, bool), Vec<UnitLayer>, 2>,
    shared: Memo<Values, Shared, 2>,
}

fn numbers<'a>(
    part: &OpbText,
    constraints: impl IntoIterator<Item = &'a Constraint>,
) -> Result<Vec<[u32; 2]>, SignumError> {
    part.numbers(constraints).ok_or(SignumError::Disagreement)
}

impl<'a> Encoder<'a> {
    /// An encoder of a network, given what its [`StepNetwork`] is.
    pub fn new(network: Cow<'a, Network>, steps: Arc<StepNetwork>) -> Self {
        Self { network, steps, units: Memo::default(), shared: Memo::default() }
    }

    /// Encodes a case for the search; constant neurons have bits only where a certificate has them.
    ///
    /// # Errors
    /// Numbers that the solver cannot hold; or the time is up.
    pub fn encode(&self, case: &Case, has_constants: bool, budget: &Budget) -> Result<Prepared, SignumError> {
        let mut region = Formula::default();
        let denominator = denominator(&self.steps, &case.region)?;
        let mut inputs = Inputs::encode(&case.region, &denominator, &mut region)?;
        let is_real = inputs.cells.is_some();
        let values = inputs.values.clone();
        let values = Values { values, is_real, denominator: denominator.clone(), has_constants };
        let shared = self.shared.get(&values, || {
            let name_of = |node| self.network.node(node).name.clone();
            let units = self.units.get(&(denominator.clone(), is_real), || {
                in_unit_layers(&self.steps, &denominator, is_real, name_of, budget)
            })?;
            let of_steps = (&*self.steps, &units[..]);
            let neurons = Neurons::new(of_steps, &inputs, region.vars, &denominator, has_constants, name_of, budget)?;
            Ok(Shared { neurons: Arc::new(neurons), original: Memo::default(), goals: Memo::default() })
        })?;
        if let Some(cells) = &mut inputs.cells {
            cells.sides.clone_from(&shared.neurons.sides);
        }
        let goal = shared.goals.get(&case.property, || {
            let goal = Goal::new(&case.property, &self.steps, &shared.neurons)?;
            Ok(SharedGoal { goal: Arc::new(goal), original: Memo::default() })
        })?;
        let (neurons, of_goal) = (Arc::clone(&shared.neurons), Arc::clone(&goal.goal));
        let encoded = Encoded { inputs, denominator, region, network: neurons, goal: of_goal };
        Ok(Prepared { encoded, shared, goal })
    }

    /// Encodes a case for its certificate; with the numbers of the inequalities of each constraint of the search.
    ///
    /// # Errors
    /// As [`Original::encode`], and [`SignumError::Disagreement`].
    pub fn original(
        &self,
        case: &Case,
        prepared: &Prepared,
        budget: &Budget,
    ) -> Result<(Original, Vec<[u32; 2]>), SignumError> {
        let encoded = &prepared.encoded;
        let inputs = original::Inputs::encode(&case.region)?;
        let of_region = numbers(inputs.opb(), &encoded.region.constraints)?;
        let neurons = prepared.shared.original.get(&(), || {
            let part = original::Neurons::encode(&self.network, &inputs, budget)?;
            let numbers = numbers(part.opb(), &encoded.network.formula.constraints)?;
            Ok(Numbered { part: Arc::new(part), numbers })
        })?;
        let goal = prepared.goal.original.get(&(), || {
            let part = neurons.part.goal(&case.property, &inputs, budget)?;
            let numbers = numbers(&part, &encoded.goal.formula.constraints)?;
            Ok(Numbered { part: Arc::new(part), numbers })
        })?;
        let original = Original::of(inputs, Arc::clone(&neurons.part), Arc::clone(&goal.part));
        if encoded.vars() != original.variables() {
            return Err(SignumError::Disagreement);
        }
        let numbers = original.numbers([&of_region, &neurons.numbers, &goal.numbers]);
        Ok((original, numbers))
    }
}
