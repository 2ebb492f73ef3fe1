//! What an attack found, as text and JSON.

use super::json::{SCHEMA, number, witness_json};
use super::text::{coloured, decimal, describe, write_witness};
use super::{Context, name};
use crate::domains::query::{Atom, Query};
use crate::domains::verdict::Witness;
use float_ord::FloatOrd;
use serde_json::{Map, Value, json};
use std::fmt::Write;
use std::time::Duration;

/// What an attack on a query came to.
#[derive(Clone, Debug)]
pub struct Attacked {
    /// The method, as it is called on the command line.
    pub method: &'static str,
    /// The counterexample, replayed exactly.
    pub witness: Option<Witness>,
    /// For each disjunct that was attacked, by its number in the query, the smallest margin (the largest of
    /// its atoms') that was met, in floats.
    pub closest: Vec<(usize, f64)>,
    /// Points evaluated.
    pub points: usize,
    /// How long it took.
    pub time: Duration,
    /// True when the time was up before the attack was over.
    pub out_of_time: bool,
}

impl Attacked {
    fn verdict(&self) -> &'static str {
        if self.witness.is_some() { "falsified" } else { "unknown" }
    }
}

/// The outcome in a few lines.
#[must_use]
pub fn attack_text(attacked: &Attacked, query: &Query, context: &Context, colour: bool) -> String {
    let mut out = String::new();
    // Writing to a string cannot fail.
    let _ = write_attack(&mut out, attacked, query, context, colour);
    out
}

fn write_attack(
    out: &mut String,
    attacked: &Attacked,
    query: &Query,
    context: &Context,
    colour: bool,
) -> std::fmt::Result {
    /// The most disjuncts that are listed.
    const LISTED: usize = 12;
    if context.is_example {
        writeln!(out, "No network given: this is the built-in example.")?;
    }
    let how = match (&attacked.witness, attacked.out_of_time) {
        (Some(_), _) => format!(" by {}", attacked.method),
        (None, true) => ": out of time, no counterexample found (which proves nothing)".into(),
        (None, false) => ": no counterexample found (which proves nothing)".into(),
    };
    writeln!(out, "{}{how}", coloured(attacked.verdict(), colour))?;
    writeln!(out, "network   {}", name(context.network))?;
    writeln!(out, "query     {}", name(context.query))?;
    writeln!(out, "attack    {} points in {:.3} s", attacked.points, attacked.time.as_secs_f64())?;
    if let Some(witness) = &attacked.witness {
        return write_witness(out, witness, &context.endings);
    }
    let atoms: Vec<&[Atom]> =
        query.cases.iter().flat_map(|c| &c.property.disjuncts).map(|d| d.atoms.as_slice()).collect();
    writeln!(out, "closest   the smallest margins met, in floats; at 0 the property breaks")?;
    let mut order = attacked.closest.clone();
    order.sort_by_key(|c| FloatOrd(c.1));
    for (disjunct, margin) in order.iter().take(LISTED) {
        let what = match atoms.get(*disjunct) {
            Some([atom]) => describe(atom),
            _ => format!("disjunct {disjunct}"),
        };
        writeln!(out, "  {:>14}  {what}", decimal(*margin))?;
    }
    if order.len() > LISTED {
        writeln!(out, "  … the closest {LISTED} of {}; --format json has all", order.len())?;
    }
    Ok(())
}

/// The outcome as one object: `{schema, verdict, network, query, method, points, time_s, out_of_time,
/// closest[{disjunct, margin}], witness?}`; the witness as `analyze` writes it.
#[must_use]
pub fn attack_json(attacked: &Attacked, context: &Context) -> Value {
    let closest: Vec<Value> =
        attacked.closest.iter().map(|&(d, margin)| json!({"disjunct": d, "margin": number(margin)})).collect();
    let mut object = Map::new();
    object.insert("schema".into(), SCHEMA.into());
    object.insert("verdict".into(), attacked.verdict().into());
    object.insert("network".into(), context.network.into());
    object.insert("query".into(), context.query.into());
    object.insert("method".into(), attacked.method.into());
    object.insert("points".into(), attacked.points.into());
    object.insert("time_s".into(), attacked.time.as_secs_f64().into());
    object.insert("out_of_time".into(), attacked.out_of_time.into());
    object.insert("closest".into(), closest.into());
    if let Some(witness) = &attacked.witness {
        object.insert("witness".into(), witness_json(witness, &context.endings));
    }
    Value::Object(object)
}
