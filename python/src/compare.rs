//! Methods side by side: on queries, or image by image of a data set.

use crate::error::wrong;
use crate::network::Network;
use crate::options::Choices;
use crate::query::Query;
use crate::run::run;
use absint::Options;
use absint::analyze::{Method, beaten_by};
use absint::attack::Attack;
use absint::campaign::{Failure, Images, Neighbourhood, Worker};
use absint::compare::{Setting, layers};
use absint::domains::budget::Budget;
use absint::domains::observer::Silent;
use absint::domains::query as asked;
use absint::format::onnx::Model;
use absint::report::compare::{
    Comparison as Report, QueryResult, QueryRow, comparison_html, comparison_json, comparison_text, measurements_csv,
};
use pyo3::prelude::*;
use serde_json::{Value, json};
use std::sync::Arc;

/// Several methods on the same queries.
#[pyclass(frozen, module = "absint._absint")]
pub struct Comparison {
    report: Report,
}

/// Which methods, the one that decides, and how hard the attack looks for small margins.
#[derive(FromPyObject)]
pub struct Contest {
    #[pyo3(item)]
    pub methods: Vec<String>,
    #[pyo3(item)]
    pub exact: Option<String>,
    #[pyo3(item)]
    pub effort: String,
    #[pyo3(item)]
    pub volume: bool,
}

impl Contest {
    pub fn setting(&self, choices: &Choices) -> PyResult<Setting> {
        let options = |name: &String| -> PyResult<Options> {
            let method: Method = name.parse().map_err(wrong)?;
            Ok(Options { method, ..choices.options()? })
        };
        let attack = match self.effort.as_str() {
            "none" => None,
            "short" => Some(Attack::thorough(choices.seed())),
            "long" => Some(Attack { steps: 200, restarts: 25, ..Attack::pgd(choices.seed()) }),
            other => return Err(wrong(format!("there is no effort `{other}`; none, short or long"))),
        };
        Ok(Setting {
            methods: self.methods.iter().map(options).collect::<PyResult<_>>()?,
            exact: self.exact.as_ref().map(options).transpose()?,
            attack,
            timeout: choices.timeout()?,
            volume: self.volume,
        })
    }
}

/// The report on queries of which none has been worked on.
fn report(model: &Model, network: &str, question: String, setting: &Setting, planned: usize) -> Report {
    Report {
        network: network.into(),
        question,
        is_example: false,
        contestants: setting.contestants().map(|options| options.method.to_string()).collect(),
        has_exact: setting.exact.is_some(),
        has_attack: setting.attack.is_some() || setting.exact.is_some(),
        has_volume: setting.volume,
        timeout: setting.timeout,
        layers: layers(&model.network),
        rows: Vec::new(),
        planned,
    }
}

/// All contestants on one query.
fn row(model: &Model, name: &str, query: &asked::Query, setting: &Setting) -> Result<QueryRow, Failure> {
    let compared = absint::compare::compare(&model.network, query, setting, &Silent);
    let compared = compared.map_err(|e| format!("{name}: {e}"))?;
    Ok(QueryRow { query: name.into(), result: QueryResult::Compared(compared) })
}

/// Runs several methods on the same queries.
#[pyfunction]
pub fn compare(
    py: Python<'_>,
    network: &Network,
    queries: Vec<PyRef<'_, Query>>,
    contest: Contest,
    choices: Choices,
) -> PyResult<Comparison> {
    let setting = contest.setting(&choices)?;
    queries.iter().try_for_each(|query| query.fits(network))?;
    let question = match &queries[..] {
        [query] => query.name.clone(),
        several => format!("{} queries", several.len()),
    };
    let model = Arc::clone(&network.model);
    let mut report = report(&model, &network.name, question, &setting, queries.len());
    let asked: Vec<_> = queries.iter().map(|query| (query.name.clone(), Arc::clone(&query.query))).collect();
    drop(queries);
    let task = move || {
        let rows = asked.iter().map(|(name, query)| row(&model, name, query, &setting));
        rows.collect::<Result<Vec<_>, _>>()
    };
    // Every method keeps its own deadline.
    let rows = run(py, (choices.threads()?, None), &Budget::unlimited(), task)?;
    report.rows = rows.transpose().map_err(wrong)?.unwrap_or_default();
    Ok(Comparison { report })
}

/// A comparison on the images of a data set, image by image.
pub struct OnImages {
    pub model: Arc<Model>,
    pub images: Images,
    pub neighbourhood: Neighbourhood,
    pub setting: Setting,
}

impl OnImages {
    /// The line of one image: its number and label, and what `absint compare --format json` says of it.
    pub fn line(self: &Arc<Self>, index: usize, worker: &mut Worker) -> Result<Value, Failure> {
        let shared = Arc::clone(self);
        worker.run(None, move || shared.compared(index))?
    }

    fn compared(&self, index: usize) -> Result<Value, Failure> {
        let image = (self.images)(index).ok_or("an image vanished")?;
        let (label, name) = (image.label, format!("image {index} (a {})", image.label));
        let row = match beaten_by(&self.model.network, &image.pixels, label, asked::Ties::Unsafe) {
            Some(predicted) => QueryRow { query: name, result: QueryResult::Misclassified { label, predicted } },
            None => {
                let region = (self.neighbourhood)(&image.pixels).map_err(|e| format!("image {index}: {e}"))?;
                let query = asked::Query::robustness(region, self.model.network.output_len(), label);
                row(&self.model, &name, &query, &self.setting)?
            }
        };
        let mut report = report(&self.model, "", String::new(), &self.setting, 1);
        report.rows.push(row);
        let mut line = json!({"image": index, "label": label});
        if let (Some(fields), Value::Object(more)) =
            (line.as_object_mut(), comparison_json(&report)["results"][0].take())
        {
            fields.extend(more);
        }
        Ok(line)
    }
}

#[pymethods]
impl Comparison {
    /// The page that `absint compare --report` writes.
    fn html(&self) -> String {
        comparison_html(&self.report)
    }

    /// One object.
    fn json(&self) -> String {
        comparison_json(&self.report).to_string()
    }

    /// One line per query and method.
    fn csv(&self) -> String {
        measurements_csv(&self.report)
    }

    /// Shows the page in a frame of its own.
    fn _repr_html_(slf: &Bound<'_, Self>) -> PyResult<String> {
        slf.py().import("absint._show")?.getattr("frame_html")?.call1((slf.get().html(),))?.extract()
    }

    fn __repr__(&self) -> String {
        let count = self.report.rows.len();
        format!("<Comparison of {} on {count} queries>", self.report.contestants.join(", "))
    }

    fn __str__(&self) -> String {
        comparison_text(&self.report)
    }
}
