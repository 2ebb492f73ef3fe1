//! What is asked: a region and an unsafe set.

use crate::error::wrong;
use crate::network::Network;
use crate::region::Region;
use absint::analyze::check_query;
use absint::domains::num::exact;
use absint::domains::query::{self, Atom, Disjunct, Property, Variable};
use absint::format::vnnlib;
use numpy::{PyReadonlyArray1, PyReadonlyArray2};
use pyo3::prelude::*;
use std::path::PathBuf;
use std::sync::Arc;

/// A region of inputs and an unsafe set of outputs.
#[pyclass(frozen, module = "absint._absint")]
pub struct Query {
    pub query: Arc<query::Query>,
    /// What is asked, in a few words.
    #[pyo3(get)]
    pub name: String,
    /// The shape of inputs.
    #[pyo3(get)]
    pub shape: Vec<usize>,
    /// The class that must win, where that is what is asked.
    #[pyo3(get)]
    pub label: Option<usize>,
}

/// `A · y ≤ b`, row by row.
type Rows<'py> = (PyReadonlyArray2<'py, f64>, PyReadonlyArray1<'py, f64>);

#[pymethods]
impl Query {
    /// Robustness of a label, or a list of conjunctions `A · y ≤ b` of which none may hold.
    #[new]
    #[pyo3(signature = (network, region, label=None, unsafe_set=None))]
    fn new(
        network: &Network,
        region: &Region,
        label: Option<usize>,
        unsafe_set: Option<Vec<Rows<'_>>>,
    ) -> PyResult<Self> {
        let classes = network.model.network.output_len();
        let (property, what) = match (label, unsafe_set) {
            (Some(label), _) if label >= classes => {
                return Err(wrong(format!("class {label} does not exist: the network has {classes} outputs")));
            }
            (Some(label), None) => (Property::robustness(classes, label), format!("class {label}")),
            (None, Some(rows)) => {
                let disjuncts = rows.iter().map(disjunct).collect::<PyResult<_>>()?;
                (Property { disjuncts }, "unsafe set".into())
            }
            _ => return Err(wrong("nothing is asked: give label= or unsafe=, one of the two")),
        };
        let name = format!("{what}, {}", region.__repr__().trim_matches(['<', '>']));
        let query = query::Query::over((*region.region).clone(), property);
        Self::checked(network, query, name, region.shape.clone(), label)
    }

    /// A VNN-LIB file.
    #[staticmethod]
    fn read_vnnlib(path: PathBuf, network: &Network) -> PyResult<Self> {
        let name = path.display().to_string();
        let query = vnnlib::read(&path).map_err(wrong)?.of_network(&network.model.network);
        let query = query.map_err(|e| wrong(format!("{name}: {e}")))?;
        Self::checked(network, query, name, network.model.network.input_shape().to_vec(), None)
    }

    /// How many disjuncts the unsafe set has.
    #[getter]
    fn disjuncts(&self) -> usize {
        self.query.disjuncts()
    }

    fn __repr__(&self) -> String {
        format!("<{}>", self.name)
    }
}

impl Query {
    /// Whether it may be asked of this network, be it the one that it was made for or another.
    pub fn fits(&self, network: &Network) -> PyResult<()> {
        check_query(&network.model.network, &self.query).map_err(|e| wrong(format!("{}: {e}", self.name)))?;
        network.model.check_softmax(&self.query).map_err(|e| wrong(format!("{}: {e}", network.name)))
    }

    /// Refuses what does not fit to the network.
    fn checked(
        network: &Network,
        query: query::Query,
        name: String,
        shape: Vec<usize>,
        label: Option<usize>,
    ) -> PyResult<Self> {
        let query = Self { query: Arc::new(query), name, shape, label };
        query.fits(network)?;
        Ok(query)
    }
}

fn disjunct((a, b): &Rows<'_>) -> PyResult<Disjunct> {
    let (a, b) = (a.as_array(), b.as_array());
    if a.nrows() != b.len() {
        return Err(wrong(format!("an unsafe set has {} rows in A and {} values in b", a.nrows(), b.len())));
    }
    let number = |x: f64| exact(x).ok_or_else(|| wrong(format!("an unsafe set has the value {x}: no number")));
    let atom = |(row, rhs): (ndarray::ArrayView1<'_, f64>, &f64)| -> PyResult<Atom> {
        let nonzero = row.iter().enumerate().filter(|(_, c)| **c != 0.0);
        let terms = nonzero.map(|(i, &c)| Ok((Variable::Output(i), number(c)?))).collect::<PyResult<_>>()?;
        Ok(Atom { terms, constant: -number(*rhs)?, is_strict: false })
    };
    Ok(Disjunct { atoms: a.rows().into_iter().zip(b).map(atom).collect::<PyResult<_>>()? })
}
