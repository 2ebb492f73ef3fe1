//! The analysis of one query, and what it answers.

use crate::certificate;
use crate::error::wrong;
use crate::network::Network;
use crate::neurons::{Neurons, solver};
use crate::options::Choices;
use crate::query::Query;
use crate::region::Region;
use crate::run::run;
use absint::analyze::{Analysis, Options, Reason, analyze_within, deadline, portable};
use absint::domains::domain::{Bounds, Run};
use absint::domains::network::Arithmetic;
use absint::domains::num::{exact, nearest};
use absint::domains::query as asked;
use absint::domains::verdict::{Verdict, Witness};
use absint::format::onnx::Model;
use absint::report::{Context, analysis_json, analysis_text};
use numpy::{IntoPyArray, PyArray1, PyArrayMethods, PyUntypedArray};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict};
use std::path::PathBuf;
use std::sync::Arc;

/// Lower and upper bounds.
type Ends<'py> = (Bound<'py, PyArray1<f64>>, Bound<'py, PyArray1<f64>>);

/// The answer to a query.
#[pyclass(frozen, module = "absint._absint")]
pub struct Result {
    analysis: Analysis,
    model: Arc<Model>,
    query: Arc<asked::Query>,
    shape: Vec<usize>,
    names: (String, String),
    options: (String, Arithmetic),
    #[pyo3(get)]
    label: Option<usize>,
}

/// Analyses a query. `neurons` solves the programs of neurons, where that is not this process alone.
#[pyfunction]
#[pyo3(signature = (network, query, choices, neurons=None))]
pub fn verify(
    py: Python<'_>,
    network: &Network,
    query: &Query,
    choices: Choices,
    neurons: Option<Py<PyAny>>,
) -> PyResult<Result> {
    let (limit, threads) = (choices.timeout()?, choices.threads()?);
    let budget = deadline(limit);
    let (options, failure) = solver(choices.options()?, neurons, &budget);
    let model = executed(network, &options)?;
    query.fits(network)?;
    if options.neurons.is_some() && query.query.cases.len() != 1 {
        return Err(wrong("an executor takes a query about one region"));
    }
    let query_asked = Arc::new((*query.query).clone().with_ties(choices.ties()?));
    let (asked, shared) = (Arc::clone(&query_asked), (Arc::clone(&model), options.clone(), budget.clone()));
    let task = move || {
        let (model, options, budget) = shared;
        let mut analysis = analyze_within(&model.network, &asked, &options, Run::silent(&budget))?;
        if let Verdict::Falsified(witness) = analysis.verdict {
            analysis.verdict = Verdict::Falsified(portable(&model.network, &asked, witness));
        }
        Ok::<_, absint::AnalyzeError>(analysis)
    };
    let done = run(py, (threads, limit), &budget, task);
    Neurons::raise(failure)?;
    let analysis = done?.transpose().map_err(wrong)?.unwrap_or_else(|| Analysis::out_of_time(&query_asked));
    Ok(Result {
        analysis,
        model,
        query: query_asked,
        shape: query.shape.clone(),
        names: (network.name.clone(), query.name.clone()),
        options: (options.method.to_string(), options.arithmetic),
        label: query.label,
    })
}

/// The model as the options have it executed.
pub fn executed(network: &Network, options: &Options) -> PyResult<Arc<Model>> {
    if options.arithmetic == Arithmetic::Real {
        return Ok(Arc::clone(&network.model));
    }
    let model = (*network.model).clone().in_arithmetic(options.arithmetic);
    Ok(Arc::new(model.map_err(|e| wrong(format!("{}: {e}", network.name)))?))
}

/// Certified bounds of every neuron over a region.
#[pyfunction]
#[pyo3(signature = (network, region, choices, neurons=None))]
pub fn bounds<'py>(
    py: Python<'py>,
    network: &Network,
    region: &Region,
    choices: Choices,
    neurons: Option<Py<PyAny>>,
) -> PyResult<Bound<'py, PyDict>> {
    let (limit, threads) = (choices.timeout()?, choices.threads()?);
    let budget = deadline(limit);
    let (options, failure) = solver(choices.options()?, neurons, &budget);
    let model = executed(network, &options)?;
    let shared = (Arc::clone(&model), Arc::clone(&region.region), options, budget.clone());
    let task = move || {
        let (model, region, options, budget) = shared;
        absint::analyze::bounds(&model.network, &region, &options, Run::silent(&budget))
    };
    let done = run(py, (threads, limit), &budget, task);
    Neurons::raise(failure)?;
    let found = done?.transpose().map_err(wrong)?.unwrap_or_else(Bounds::unknown);
    bounds_by_name(py, &model, &found)
}

/// Lower and upper bounds by the names of nodes; names that are not the only ones have the node's number behind them.
fn bounds_by_name<'py>(py: Python<'py>, model: &Model, bounds: &Bounds) -> PyResult<Bound<'py, PyDict>> {
    let by_name = PyDict::new(py);
    for (id, (node, bounds)) in model.network.nodes().iter().zip(bounds.nodes()).enumerate() {
        let is_only = model.network.nodes().iter().filter(|other| other.name == node.name).count() == 1;
        let name = if is_only { node.name.clone() } else { format!("{}#{id}", node.name) };
        let (lower, upper) = (PyArray1::from_slice(py, bounds.lower()), PyArray1::from_slice(py, bounds.upper()));
        by_name.set_item(name, (lower, upper))?;
    }
    Ok(by_name)
}

/// A counterexample as an array: in float32 where its values are such numbers, else in float64.
pub fn witness_array<'py>(py: Python<'py>, witness: &Witness, shape: &[usize]) -> PyResult<Bound<'py, PyUntypedArray>> {
    let values: Vec<f64> = witness.input().iter().map(nearest).collect();
    let is_single = witness.input().iter().zip(&values).all(|(q, &x)| exact(f64::from(x as f32)).as_ref() == Some(q));
    if is_single {
        let singles: Vec<f32> = values.iter().map(|&x| x as f32).collect();
        return Ok(singles.into_pyarray(py).reshape(shape)?.as_untyped().clone());
    }
    Ok(values.into_pyarray(py).reshape(shape)?.as_untyped().clone())
}

impl Result {
    fn context(&self) -> Context<'_> {
        Context {
            network: &self.names.0,
            query: &self.names.1,
            domain: self.options.0.clone(),
            arithmetic: self.options.1,
            endings: self.model.final_softmax.into(),
            is_example: false,
        }
    }

    fn found(&self) -> Option<&Witness> {
        match &self.analysis.verdict {
            Verdict::Falsified(witness) => Some(witness),
            _ => None,
        }
    }
}

#[pymethods]
impl Result {
    #[getter]
    fn verdict(&self) -> &'static str {
        self.analysis.verdict.name()
    }

    #[getter]
    fn out_of_time(&self) -> bool {
        matches!(&self.analysis.verdict, Verdict::Unknown(gap) if gap.out_of_time)
    }

    /// What is assumed of functions of the runtime.
    #[getter]
    fn assumed_ulps(&self) -> Option<u32> {
        self.analysis.assumed_ulps
    }

    /// Why it is unknown.
    #[getter]
    fn because(&self) -> Vec<String> {
        self.analysis.reasons.iter().map(Reason::because).collect()
    }

    /// What may help.
    #[getter]
    fn may_help(&self) -> Vec<&'static str> {
        Reason::helps(&self.analysis.reasons).collect()
    }

    #[getter]
    fn decided_by(&self) -> Option<&str> {
        self.analysis.decided_by()
    }

    #[getter]
    fn witness<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyUntypedArray>>> {
        self.found().map(|witness| witness_array(py, witness, &self.shape)).transpose()
    }

    /// Every input as the fraction that it is.
    #[getter]
    fn witness_exact(&self) -> Option<Vec<String>> {
        self.found().map(|witness| witness.input().iter().map(ToString::to_string).collect())
    }

    /// Enclosures of the outputs at the witness.
    #[getter]
    fn witness_output<'py>(&self, py: Python<'py>) -> Option<Ends<'py>> {
        self.found().map(|witness| {
            let (lo, hi): (Vec<f64>, Vec<f64>) = witness.output().iter().map(|y| (y.lo, y.hi)).unzip();
            (lo.into_pyarray(py), hi.into_pyarray(py))
        })
    }

    /// The class that reaches the label at the witness, where a label was asked for.
    #[getter]
    fn adversarial(&self) -> Option<usize> {
        // Disjunct d of robustness is the d-th class other than the label.
        self.label.zip(self.found()).map(|(label, w)| w.disjunct() + usize::from(w.disjunct() >= label))
    }

    /// The stages that ran: name, time, margins, unstable neurons, programs, and what else they counted.
    #[getter]
    fn stages<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        py.import("json")?.getattr("loads")?.call1((self.json(),))?.get_item("stages")
    }

    fn __repr__(&self) -> String {
        let how = self.analysis.decided_by().map_or(String::new(), |stage| format!(" by {stage}"));
        let bound = self.analysis.disjuncts.iter().map(|d| d.bound).fold(f64::INFINITY, f64::min);
        match &self.analysis.verdict {
            Verdict::Falsified(_) => format!("<falsified{how}: {}>", self.names.1),
            Verdict::Unknown(gap) if gap.out_of_time => format!("<unknown, out of time: {}>", self.names.1),
            verdict => format!("<{}{how}, margin {bound:.6}: {}>", verdict.name(), self.names.1),
        }
    }

    fn _repr_html_(slf: &Bound<'_, Self>) -> PyResult<String> {
        slf.py().import("absint._show")?.getattr("result_html")?.call1((slf,))?.extract()
    }

    /// Margins as bars and the counterexample as a picture, with matplotlib; returns the axes.
    #[pyo3(signature = (ax=None))]
    fn plot<'py>(slf: &Bound<'py, Self>, ax: Option<Bound<'py, PyAny>>) -> PyResult<Bound<'py, PyAny>> {
        slf.py().import("absint._show")?.getattr("plot")?.call1((slf, ax))
    }

    /// The disjunct that the witness satisfies.
    #[getter]
    fn witness_disjunct(&self) -> Option<usize> {
        self.found().map(Witness::disjunct)
    }

    #[getter]
    fn margins<'py>(&self, py: Python<'py>) -> Bound<'py, PyArray1<f64>> {
        let bounds: Vec<f64> = self.analysis.margins.iter().map(|m| m.bound).collect();
        bounds.into_pyarray(py)
    }

    #[getter]
    fn disjuncts<'py>(&self, py: Python<'py>) -> Bound<'py, PyArray1<f64>> {
        let bounds: Vec<f64> = self.analysis.disjuncts.iter().map(|d| d.bound).collect();
        bounds.into_pyarray(py)
    }

    #[getter]
    fn bounds<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        match &self.analysis.bounds[..] {
            [bounds] => bounds_by_name(py, &self.model, bounds),
            [] => Ok(PyDict::new(py)),
            several => {
                let count = several.len();
                Err(wrong(format!("the query has {count} regions, each with bounds of its own: see bounds_of(i)")))
            }
        }
    }

    /// The bounds over the i-th region of a query with several.
    fn bounds_of<'py>(&self, py: Python<'py>, i: usize) -> PyResult<Bound<'py, PyDict>> {
        let bounds = self.analysis.bounds.get(i).ok_or_else(|| wrong(format!("the query has no region {i}")))?;
        bounds_by_name(py, &self.model, bounds)
    }

    /// The certificates of a verified query about a signum network: formula and proof of each region.
    #[getter]
    fn certificate<'py>(&self, py: Python<'py>) -> Option<Vec<(String, Bound<'py, PyBytes>)>> {
        let certificates = &self.analysis.certificates;
        (!certificates.is_empty())
            .then(|| certificates.iter().map(|c| (c.opb.clone(), PyBytes::new(py, &c.proof))).collect())
    }

    /// Writes the certificates into a folder, for `absint check`.
    fn write_certificate(&self, folder: PathBuf) -> PyResult<()> {
        if self.analysis.proof.is_none() && self.analysis.certificates.is_empty() {
            return Err(wrong("there is no certificate: ask for one with certificate=True, of what is verified"));
        }
        certificate::write(&folder, &self.model.network, &self.query, &self.analysis)
    }

    /// What `absint analyze --format json` says.
    fn json(&self) -> String {
        analysis_json(&self.analysis, &self.context()).to_string()
    }

    fn __str__(&self) -> String {
        analysis_text(&self.analysis, &self.query, &self.context(), false)
    }
}
