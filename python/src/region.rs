//! Regions of inputs.

use crate::error::wrong;
use crate::options::{decimal, radius_of};
use absint::domains::num::{Rational, exact};
use absint::domains::query::{self, RegionError};
use numpy::{PyReadonlyArrayDyn, PyUntypedArrayMethods};
use pyo3::prelude::*;
use pyo3::types::PyTuple;
use std::sync::Arc;

/// Values of inputs: bytes stand for the pixels k/255, floats for themselves, texts for the decimals that they are.
#[derive(FromPyObject)]
pub enum Values<'py> {
    Bytes(PyReadonlyArrayDyn<'py, u8>),
    Floats(PyReadonlyArrayDyn<'py, f64>),
    Exact(Vec<String>),
}

impl Values<'_> {
    /// The rational numbers that they are.
    pub fn rationals(&self) -> PyResult<Vec<Rational>> {
        let pixel = |&k: &u8| Rational::from_parts(k.into(), 255u8.into());
        let finite = |(i, &x): (usize, &f64)| exact(x).ok_or_else(|| wrong(format!("value {i} is {x}: no number")));
        match self {
            Self::Bytes(bytes) => Ok(bytes.as_array().iter().map(pixel).collect()),
            Self::Floats(floats) => floats.as_array().iter().enumerate().map(finite).collect(),
            Self::Exact(texts) => texts.iter().map(|text| decimal(text)).collect(),
        }
    }

    /// The shape of the array that holds them.
    pub fn shape(&self) -> Vec<usize> {
        match self {
            Self::Bytes(bytes) => bytes.shape().to_vec(),
            Self::Floats(floats) => floats.shape().to_vec(),
            Self::Exact(texts) => vec![texts.len()],
        }
    }
}

/// How a region was made, so that it can be made again.
struct Recipe {
    kind: String,
    values: Vec<Rational>,
    more: Option<Vec<Rational>>,
    eps: Option<String>,
    clip: Option<(String, String)>,
}

/// A region of inputs.
#[pyclass(frozen, module = "absint._absint")]
pub struct Region {
    pub region: Arc<query::Region>,
    /// The shape in which inputs were given.
    #[pyo3(get)]
    pub shape: Vec<usize>,
    recipe: Recipe,
}

/// The ball of a norm by its name, for those with a radius.
pub fn ball(
    norm: &str,
    center: &[Rational],
    eps: &Rational,
    clip: Option<(&Rational, &Rational)>,
) -> Result<query::Region, RegionError> {
    match norm {
        "l1" => query::Region::l1(center, eps, clip),
        "l2" => query::Region::l2(center, eps, clip),
        _ => query::Region::linf(center, eps, clip),
    }
}

/// The ends of the values of inputs.
pub fn ends(clip: Option<&(String, String)>) -> PyResult<Option<(Rational, Rational)>> {
    clip.map(|(low, high)| Ok((decimal(low)?, decimal(high)?))).transpose()
}

/// Inputs of two values of which at most `eps` flip.
pub fn hamming(center: &[Rational], eps: &str, clip: Option<&(Rational, Rational)>) -> PyResult<query::Region> {
    let (low, high) = clip.ok_or_else(|| wrong("a Hamming ball needs the two values of its inputs"))?;
    if !center.iter().all(|x| x == low || x == high) {
        return Err(wrong(format!("a Hamming ball needs inputs of the two values {low} and {high}")));
    }
    let flips = eps.parse().map_err(|_| wrong("a Hamming ball needs a whole number of flips"))?;
    query::Region::hamming(low, high, center.iter().map(|x| x == high).collect(), flips).map_err(wrong)
}

#[pymethods]
impl Region {
    /// `kind` is linf, l1, l2, hamming or box; `more` are the upper ends of a box, and `shape` that of exact values.
    #[new]
    #[pyo3(signature = (kind, values, more=None, eps=None, clip=None, shape=None))]
    fn new(
        kind: String,
        values: Values<'_>,
        more: Option<Values<'_>>,
        eps: Option<String>,
        clip: Option<(String, String)>,
        shape: Option<Vec<usize>>,
    ) -> PyResult<Self> {
        let shape = shape.unwrap_or_else(|| values.shape());
        let values = values.rationals()?;
        let more = more.map(|values| values.rationals()).transpose()?;
        let eps_text = eps.as_deref().unwrap_or("0");
        let limits = ends(clip.as_ref())?;
        let region = match (kind.as_str(), &more) {
            ("box", Some(upper)) => query::Region::new_box(values.clone(), upper.clone()).map_err(wrong)?,
            ("hamming", _) => hamming(&values, eps_text, limits.as_ref())?,
            _ => {
                let limits = limits.as_ref().map(|(low, high)| (low, high));
                ball(&kind, &values, &radius_of(eps_text)?, limits).map_err(wrong)?
            }
        };
        Ok(Self { region: Arc::new(region), shape, recipe: Recipe { kind, values, more, eps, clip } })
    }

    /// linf, l1, l2, hamming or box.
    #[getter]
    fn kind(&self) -> &str {
        &self.recipe.kind
    }

    /// The radius as it was written; `None` for a box.
    #[getter]
    fn eps(&self) -> Option<&str> {
        self.recipe.eps.as_deref()
    }

    fn __len__(&self) -> usize {
        self.region.len()
    }

    pub fn __repr__(&self) -> String {
        let shape = self.shape.iter().map(ToString::to_string).collect::<Vec<_>>().join("×");
        match (&self.recipe.eps, &self.recipe.clip) {
            (None, _) => format!("<box of {shape} inputs>"),
            (Some(eps), _) if self.recipe.kind == "hamming" => format!("<hamming ball of {eps} flips, {shape} inputs>"),
            (Some(eps), Some((low, high))) => {
                format!("<{} ball of radius {eps}, {shape} inputs in [{low}, {high}]>", self.recipe.kind)
            }
            (Some(eps), None) => format!("<{} ball of radius {eps}, {shape} inputs>", self.recipe.kind),
        }
    }

    fn __reduce__<'py>(&self, py: Python<'py>) -> PyResult<(Bound<'py, PyAny>, Bound<'py, PyTuple>)> {
        let spelled = |values: &Vec<Rational>| values.iter().map(ToString::to_string).collect::<Vec<_>>();
        let Recipe { kind, values, more, eps, clip } = &self.recipe;
        let arguments = (kind, spelled(values), more.as_ref().map(spelled), eps, clip, &self.shape);
        Ok((py.get_type::<Self>().into_any(), arguments.into_pyobject(py)?))
    }
}
