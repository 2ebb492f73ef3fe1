//! Networks.

use crate::error::{internal, wrong};
use crate::region::Values;
use absint::domains::num::{Rational, nearest};
use absint::format::fingerprint::Fingerprint;
use absint::format::onnx::{self, Model};
use absint::report::{info_json, info_text};
use ndarray::Array2;
use numpy::PyArray1;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyTuple};
use std::path::PathBuf;
use std::sync::Arc;

/// Where a network came from, so that it can be sent to another process.
enum Source {
    File(PathBuf),
    Bytes(Arc<[u8]>),
}

/// A network as it was read.
#[pyclass(frozen, module = "absint._absint")]
pub struct Network {
    pub model: Arc<Model>,
    /// The fingerprint of its bytes.
    pub hash: String,
    /// How errors and reports call it.
    #[pyo3(get)]
    pub name: String,
    source: Source,
}

/// As headers of results have it.
fn fingerprint(bytes: &[u8]) -> String {
    let mut fingerprint = Fingerprint::default();
    fingerprint.update(bytes);
    fingerprint.to_string()
}

impl Network {
    /// The file without its folder, as headers of results have it.
    pub fn file_name(&self) -> Option<String> {
        match &self.source {
            Source::File(path) => path.file_name().map(|name| name.to_string_lossy().into_owned()),
            Source::Bytes(_) => self.name.rsplit('/').next().map(Into::into),
        }
    }
}

#[pymethods]
impl Network {
    /// Reads an ONNX file, compressed or not.
    #[staticmethod]
    fn load(py: Python<'_>, path: PathBuf) -> PyResult<Self> {
        let (model, hash) = py.detach(|| onnx::read_fingerprinted(&path)).map_err(wrong)?;
        let (name, model, hash) = (path.display().to_string(), Arc::new(model), hash.to_string());
        Ok(Self { model, hash, name, source: Source::File(path) })
    }

    /// Reads the bytes of an ONNX file; errors and reports call it `name`.
    #[staticmethod]
    #[pyo3(signature = (bytes, name="network"))]
    fn from_bytes(py: Python<'_>, bytes: &[u8], name: &str) -> PyResult<Self> {
        let bytes: Arc<[u8]> = bytes.into();
        let model = py.detach(|| onnx::parse(&bytes, name)).map_err(wrong)?;
        let hash = fingerprint(&bytes);
        Ok(Self { model: Arc::new(model), hash, name: name.into(), source: Source::Bytes(bytes) })
    }

    /// The module of PyTorch as its own exporter writes it, in memory and for evaluation. `example_input` is an input
    /// with a batch of one, such as `x[None]`.
    #[staticmethod]
    #[pyo3(signature = (module, example_input, name=None))]
    fn from_torch(
        py: Python<'_>,
        module: &Bound<'_, PyAny>,
        example_input: &Bound<'_, PyAny>,
        name: Option<String>,
    ) -> PyResult<Self> {
        let export = py.import("absint._torch")?.getattr("to_onnx")?;
        let bytes: Vec<u8> = export.call1((module, example_input))?.extract()?;
        let name = name.map_or_else(|| module.get_type().name().map(|name| name.to_string()), Ok)?;
        Self::from_bytes(py, &bytes, &name)
    }

    /// The built-in example, with the bytes of its image and its label.
    #[staticmethod]
    fn example() -> PyResult<(Self, Vec<u8>, usize)> {
        let (_, image) = absint::example::network_and_image().map_err(internal)?;
        let bytes: Arc<[u8]> = absint::example::NETWORK.into();
        let name = absint::example::NAME.to_owned();
        let model = Arc::new(onnx::parse(&bytes, &name).map_err(internal)?);
        let byte = |pixel: &Rational| (nearest(pixel) * 255.0).round() as u8;
        let pixels = image.pixels.iter().map(byte).collect();
        Ok((Self { model, hash: fingerprint(&bytes), name, source: Source::Bytes(bytes) }, pixels, image.label))
    }

    #[getter]
    fn input_shape(&self) -> Vec<usize> {
        self.model.network.input_shape().to_vec()
    }

    #[getter]
    fn output_shape(&self) -> Vec<usize> {
        self.model.network.output_shape().to_vec()
    }

    #[getter]
    fn parameters(&self) -> usize {
        self.model.network.parameters()
    }

    /// The outputs at `x` (the logits, where the model ends in a Softmax), in floats.
    fn evaluate<'py>(&self, py: Python<'py>, x: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyArray1<f64>>> {
        let x: Values<'_> = py.import("absint._arguments")?.getattr("array_of")?.call1((x,))?.extract()?;
        let x: Vec<f64> = x.rationals()?.iter().map(nearest).collect();
        let (found, network) = (x.len(), &self.model.network);
        let rows = Array2::from_shape_vec((1, found), x).map_err(wrong)?;
        let nodes = network.evaluate_rows(rows).map_err(wrong)?;
        Ok(PyArray1::from_iter(py, nodes[network.output()].iter().copied()))
    }

    fn __repr__(&self) -> String {
        let shape = |lengths: &[usize]| lengths.iter().map(ToString::to_string).collect::<Vec<_>>().join("×");
        let network = &self.model.network;
        let (from, to) = (shape(network.input_shape()), shape(network.output_shape()));
        format!("<Network {}: {from} → {to}, {} parameters>", self.name, network.parameters())
    }

    fn _repr_html_(slf: &Bound<'_, Self>) -> PyResult<String> {
        slf.py().import("absint._show")?.getattr("network_html")?.call1((slf,))?.extract()
    }

    /// What `absint info` says.
    fn info(&self) -> String {
        info_text(&self.model)
    }

    /// The same as JSON.
    fn info_json(&self) -> String {
        info_json(&self.model, &self.name).to_string()
    }

    fn __reduce__<'py>(&self, py: Python<'py>) -> PyResult<(Bound<'py, PyAny>, Bound<'py, PyTuple>)> {
        let class = py.get_type::<Self>();
        let bytes = match &self.source {
            Source::Bytes(bytes) => Some(bytes.to_vec()),
            // What is compressed, or lies in several files, is sent by its name.
            Source::File(path) => std::fs::read(path).ok().filter(|bytes| onnx::parse(bytes, "").is_ok()),
        };
        if let Some(bytes) = bytes.as_ref().filter(|bytes| fingerprint(bytes) != self.hash) {
            let (name, count) = (&self.name, bytes.len());
            return Err(wrong(format!("{name}: is another file of {count} bytes since it was read; load it again")));
        }
        match (bytes, &self.source) {
            (None, Source::File(path)) => Ok((class.getattr("load")?, (path.clone(),).into_pyobject(py)?)),
            (bytes, _) => {
                let bytes = PyBytes::new(py, &bytes.unwrap_or_default());
                Ok((class.getattr("from_bytes")?, (bytes, self.name.clone()).into_pyobject(py)?))
            }
        }
    }
}
