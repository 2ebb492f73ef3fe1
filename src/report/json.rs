//! An analysis as JSON, and the numbers and witnesses of all JSON.

use super::Context;
use crate::analyze::{Analysis, Reason};
use crate::domains::num::{Rational, nearest};
use crate::domains::verdict::{Verdict, Witness};
use crate::format::onnx::Endings;
use serde_json::{Map, Value, json};

/// Version of the objects written here.
pub const SCHEMA: u32 = 1;

/// A float; infinities and NaN have no JSON number and become `null`.
pub(crate) fn number(x: f64) -> Value {
    serde_json::Number::from_f64(x).map_or(Value::Null, Value::Number)
}

fn numbers(values: &[f64]) -> Value {
    values.iter().map(|&x| number(x)).collect()
}

/// The analysis as one object: `{schema, verdict, network, query, domain, arithmetic, assumed_ulps?, stages, margins,
/// disjuncts, open?, out_of_time?, because?, may_help?, witness?}`; the last but one say why a query is open, and what may help.
#[must_use]
pub fn analysis_json(analysis: &Analysis, context: &Context) -> Value {
    let stages: Vec<Value> = analysis
        .stages
        .iter()
        .map(|s| {
            let mut stage = json!({
                "name": s.name,
                "time_s": s.time.as_secs_f64(),
                "margins": numbers(&s.margins),
                "unstable": s.unstable,
                "lps": s.count("lps"),
                "cuts": s.count("cuts"),
            });
            for (&name, &count) in &s.counters {
                stage[name] = count.into();
            }
            if let Some(bound) = s.milp_bound {
                stage["milp_bound_uncertified"] = number(bound);
            }
            stage
        })
        .collect();
    let margins: Vec<Value> = analysis
        .margins
        .iter()
        .map(|m| json!({"disjunct": m.disjunct, "atom": m.atom, "bound": number(m.bound)}))
        .collect();
    let disjuncts: Vec<Value> = analysis.disjuncts.iter().map(|d| json!({"bound": number(d.bound)})).collect();
    let mut object = Map::new();
    object.insert("schema".into(), SCHEMA.into());
    object.insert("verdict".into(), analysis.verdict.name().into());
    object.insert("network".into(), context.network.into());
    object.insert("query".into(), context.query.into());
    object.insert("domain".into(), context.domain.as_str().into());
    object.insert("arithmetic".into(), context.arithmetic.to_string().into());
    if let Some(ulps) = analysis.assumed_ulps {
        object.insert("assumed_ulps".into(), ulps.into());
    }
    object.insert("stages".into(), stages.into());
    object.insert("margins".into(), margins.into());
    object.insert("disjuncts".into(), disjuncts.into());
    match &analysis.verdict {
        Verdict::Verified(_) => {}
        Verdict::Falsified(witness) => {
            object.insert("witness".into(), witness_json(witness, &context.endings));
        }
        Verdict::Unknown(gap) => {
            object.insert("open".into(), gap.open.clone().into());
            object.insert("out_of_time".into(), gap.out_of_time.into());
            object.extend(reasons_json(&analysis.reasons).map(|(field, value)| (field.to_owned(), value)));
        }
    }
    Value::Object(object)
}

/// Why something is open, a sentence for each reason, and what may help.
pub(crate) fn reasons_json(reasons: &[Reason]) -> [(&'static str, Value); 2] {
    let because = reasons.iter().map(Reason::because).collect();
    [("because", because), ("may_help", Reason::helps(reasons).collect())]
}

/// The input exactly, as `"p/q"`, and as decimals that lie in the region (text where they need more digits than a
/// float64); the output as enclosures, for a model that ends in a Softmax those of the logits, and what the model puts
/// out beside them; in float32 the order of summation that shows it.
pub(crate) fn witness_json(witness: &Witness, endings: &Endings) -> Value {
    let exact: Vec<String> = witness.input().iter().map(ToString::to_string).collect();
    let of_float = |(q, text): (&Rational, &String)| match nearest(q) {
        x if x.to_string() == *text => number(x),
        _ => text.as_str().into(),
    };
    let decimal: Vec<Value> = witness.input().iter().zip(witness.decimals()).map(of_float).collect();
    let output: Vec<Value> = witness.output().iter().map(|y| json!([number(y.lo), number(y.hi)])).collect();
    let mut object = json!({
        "disjunct": witness.disjunct(),
        "input": exact,
        "input_decimal": decimal,
        "output": output,
    });
    if let (Some(order), Some(fields)) = (witness.order(), object.as_object_mut()) {
        fields.insert("order".into(), order.to_string().into());
    }
    if let (Some(outputs), Some(fields)) = (endings.of(witness.output()), object.as_object_mut()) {
        fields.insert("output_is".into(), "logits".into());
        fields.insert("model_output".into(), numbers(&outputs));
        fields.insert("model_output_is".into(), endings.outputs().into());
    }
    object
}
