//! The programs of neurons on engines that Python knows.

use crate::error::wrong;
use crate::network::Network;
use crate::options::Choices;
use crate::region::Region;
use crate::result::executed;
use crate::run::run;
use absint::analyze::{Options, deadline};
use absint::domains::budget::Budget;
use absint::domains::domain::{Bounds, LayerPrograms, NeuronSolver, NodeBounds, Run, SolvedPrograms};
use absint::domains::num::Interval;
use numpy::{PyArray1, PyReadonlyArray1};
use pyo3::prelude::*;
use std::sync::{Arc, Mutex, PoisonError};

/// Lower and upper bounds of each node.
type Ends<'py> = Vec<(PyReadonlyArray1<'py, f64>, PyReadonlyArray1<'py, f64>)>;

/// Neurons with their bounds, and how many programs were solved for them.
type Solved = (Vec<(usize, f64, f64)>, usize);

/// What a function raised.
pub type Failure = Arc<Mutex<Option<PyErr>>>;

/// A function that has a layer's programs solved.
pub struct Neurons {
    function: Py<PyAny>,
    failure: Failure,
    budget: Budget,
}

/// The options with a function that solves programs, and what it may have raised.
pub fn solver(options: Options, function: Option<Py<PyAny>>, budget: &Budget) -> (Options, Failure) {
    let failure = Failure::default();
    let neurons = function.map(|function| {
        let neurons = Neurons { function, failure: Arc::clone(&failure), budget: budget.clone() };
        Arc::new(neurons) as Arc<dyn NeuronSolver>
    });
    (Options { neurons, ..options }, failure)
}

impl Neurons {
    /// Raises what the function raised.
    pub fn raise(failure: Failure) -> PyResult<()> {
        failure.lock().unwrap_or_else(PoisonError::into_inner).take().map_or(Ok(()), Err)
    }

    fn call(&self, layer: &LayerPrograms) -> PyResult<SolvedPrograms> {
        Python::attach(|py| {
            let array = |values: &[f64]| PyArray1::from_slice(py, values);
            let nodes = layer.bounds.nodes().iter();
            let bounds: Vec<_> = nodes.map(|node| (array(node.lower()), array(node.upper()))).collect();
            let solved = self.function.call1(py, (layer.node, layer.sessions.clone(), bounds))?;
            let (bounds, programs): Solved = solved.extract(py)?;
            let bounds = bounds.into_iter().map(|(i, lo, hi)| (i, Interval::new(lo, hi))).collect();
            Ok(SolvedPrograms { bounds, programs })
        })
    }
}

impl NeuronSolver for Neurons {
    fn solve(&self, layer: LayerPrograms) -> SolvedPrograms {
        self.call(&layer).unwrap_or_else(|error| {
            self.budget.cancel();
            self.failure.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(error);
            SolvedPrograms::default()
        })
    }
}

/// Solves programs of a layer's neurons, as an analysis by `lp-all` of the same network, region and choices asks.
#[pyfunction]
pub fn solve_programs(
    py: Python<'_>,
    network: &Network,
    region: &Region,
    choices: Choices,
    node: usize,
    sessions: Vec<Vec<usize>>,
    bounds: Ends<'_>,
) -> PyResult<Solved> {
    let options = choices.options()?;
    let (model, region) = (executed(network, &options)?, Arc::clone(&region.region));
    let of_node = |(lower, upper): &(PyReadonlyArray1<'_, f64>, PyReadonlyArray1<'_, f64>)| {
        NodeBounds::new(lower.as_array().to_vec(), upper.as_array().to_vec())
    };
    let nodes: Vec<NodeBounds> = bounds.iter().map(of_node).collect();
    let fits = nodes.iter().zip(model.network.nodes()).all(|(bounds, node)| bounds.len() == node.len);
    if !fits || nodes.len() != node + 1 || nodes.iter().zip(&bounds).any(|(n, (_, u))| n.len() != u.as_array().len()) {
        return Err(wrong("the bounds do not fit to the network"));
    }
    let layer = LayerPrograms { node, sessions, bounds: Bounds::new(nodes) };
    let budget = deadline(None);
    let shared = budget.clone();
    let task = move || absint::analyze::solve_programs(&model.network, &region, &options, &layer, Run::silent(&shared));
    let solved = run(py, (choices.threads()?, None), &budget, task)?.transpose().map_err(wrong)?.unwrap_or_default();
    Ok((solved.bounds.into_iter().map(|(i, z)| (i, z.lo, z.hi)).collect(), solved.programs))
}
