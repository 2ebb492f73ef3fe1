//! An analysis as text.

use super::{Context, name};
use crate::analyze::{Analysis, Reason};
use crate::domains::network::Arithmetic;
use crate::domains::num::nearest;
use crate::domains::query::{Atom, Query, Variable};
use crate::domains::verdict::{Verdict, Witness};
use crate::format::onnx::Endings;
use float_ord::FloatOrd;
use std::fmt::Write;

/// The most margins that are listed one by one.
const LISTED: usize = 24;

/// The answer in a few lines.
#[must_use]
pub fn analysis_text(analysis: &Analysis, query: &Query, context: &Context, colour: bool) -> String {
    let mut out = String::new();
    // Writing to a string cannot fail.
    let _ = write_analysis(&mut out, analysis, query, context, colour);
    out
}

/// The name of a verdict, in its colour.
pub(super) fn coloured(verdict: &str, colour: bool) -> String {
    let code = match verdict {
        _ if !colour => return verdict.into(),
        "verified" => 32,
        "falsified" => 31,
        _ => 33,
    };
    format!("\x1b[1;{code}m{verdict}\x1b[0m")
}

fn write_analysis(
    out: &mut String,
    analysis: &Analysis,
    query: &Query,
    context: &Context,
    colour: bool,
) -> std::fmt::Result {
    if context.is_example {
        writeln!(out, "No network given: this is the built-in example.")?;
    }
    let word = coloured(analysis.verdict.name(), colour);
    let how = match &analysis.verdict {
        Verdict::Unknown(gap) if gap.out_of_time => ": out of time".into(),
        Verdict::Unknown(gap) => {
            format!(": {} of {} disjuncts of the unsafe set are open", gap.open.len(), analysis.disjuncts.len())
        }
        _ => analysis.decided_by().map_or(String::new(), |stage| format!(" by {stage}")),
    };
    writeln!(out, "{word}{how}")?;
    for reason in &analysis.reasons {
        writeln!(out, "because   {}", reason.because())?;
    }
    for help in Reason::helps(&analysis.reasons) {
        writeln!(out, "may help  {help}")?;
    }
    writeln!(out, "network   {}", name(context.network))?;
    writeln!(out, "query     {}", name(context.query))?;
    if context.arithmetic != Arithmetic::Real {
        let assumed = analysis.assumed_ulps.map_or_else(String::new, |ulps| format!("; {}", assumption(ulps)));
        writeln!(out, "numbers   {}, sums in any order{assumed}", context.arithmetic)?;
    }
    write_margins(out, analysis, query)?;
    write_stages(out, analysis)?;
    if let Verdict::Falsified(witness) = &analysis.verdict {
        write_witness(out, witness, &context.endings)?;
    }
    Ok(())
}

/// What is assumed of the runtime.
#[must_use]
pub fn assumption(ulps: u32) -> String {
    format!(
        "functions such as Exp are assumed to be within {ulps} units in the last place (--assume-ulps), and a Softmax to subtract \
         its largest operand first"
    )
}

/// What the model puts out at a witness, in floats: a Softmax at its end included.
pub(super) fn model_outputs(witness: &Witness, endings: &Endings) -> Vec<f64> {
    let logits = witness.output();
    endings.of(logits).unwrap_or_else(|| logits.iter().map(|y| y.middle()).collect())
}

pub(super) fn write_witness(out: &mut String, witness: &Witness, endings: &Endings) -> std::fmt::Result {
    let input = witness.decimals();
    let shown = input.len().min(16);
    let more = if input.len() > shown {
        format!(" … ({} values; --format json has all)", input.len())
    } else {
        String::new()
    };
    writeln!(out, "witness   x = {}{more}", input[..shown].join(" "))?;
    let joined = |values: Vec<f64>| values.iter().map(|y| format!("{y:.6}")).collect::<Vec<_>>().join(" ");
    match endings.of(witness.output()) {
        None => writeln!(out, "          y = {}", joined(model_outputs(witness, endings)))?,
        Some(y) => {
            writeln!(out, "          y = {} ({})", joined(y), endings.outputs())?;
            let logits = model_outputs(witness, &Endings::default());
            writeln!(out, "          before the Softmax: {} (logits)", joined(logits))?;
        }
    }
    let how = witness.order().map_or("exactly".into(), |order| format!("in float32, every sum in the order {order}"));
    writeln!(out, "          replayed {how}; it satisfies disjunct {} of the unsafe set", witness.disjunct())
}

fn write_margins(out: &mut String, analysis: &Analysis, query: &Query) -> std::fmt::Result {
    let atoms: Vec<&Atom> = query.cases.iter().flat_map(|c| c.property.atoms()).collect();
    writeln!(out, "margins   certified lower bounds; a disjunct is refuted where one is positive")?;
    let worst_first = {
        let mut order: Vec<usize> = (0..analysis.margins.len()).collect();
        if order.len() > LISTED {
            order.sort_by_key(|&i| FloatOrd(analysis.margins[i].bound));
            order.truncate(LISTED);
        }
        order
    };
    for i in worst_first {
        let margin = analysis.margins[i];
        writeln!(out, "  {:>14}  {}", decimal(margin.bound), atoms.get(i).map_or(String::new(), |a| describe(a)))?;
    }
    if analysis.margins.len() > LISTED {
        writeln!(out, "  … the worst {LISTED} of {}; --format json has all", analysis.margins.len())?;
    }
    Ok(())
}

fn write_stages(out: &mut String, analysis: &Analysis) -> std::fmt::Result {
    writeln!(out, "stages")?;
    for stage in &analysis.stages {
        write!(out, "  {:<9} {:>9.3} s", stage.name, stage.time.as_secs_f64())?;
        if !stage.unstable.is_empty() {
            let counts: Vec<String> = stage.unstable.iter().map(ToString::to_string).collect();
            write!(out, "  unstable neurons per layer {}", counts.join(" "))?;
        }
        if stage.count("lps") > 0 {
            write!(out, "  {} LPs, {} cuts", stage.count("lps"), stage.count("cuts"))?;
        }
        if let Some(bound) = stage.milp_bound {
            write!(out, "  least margin {} by the solver, not certified", decimal(bound))?;
        }
        writeln!(out)?;
    }
    Ok(())
}

pub(super) fn decimal(x: f64) -> String {
    if x == f64::NEG_INFINITY {
        "none".into()
    } else if x != 0.0 && (x.abs() < 1e-3 || x.abs() >= 1e6) {
        format!("{x:.4e}")
    } else {
        format!("{x:.6}")
    }
}

/// The margin as a formula, such as `Y_3 − Y_5`.
pub(super) fn describe(atom: &Atom) -> String {
    let mut text = String::new();
    for (variable, c) in &atom.terms {
        let (negative, size) = if nearest(c) < 0.0 { (true, -nearest(c)) } else { (false, nearest(c)) };
        let sign = match (text.is_empty(), negative) {
            (true, false) => "",
            (true, true) => "−",
            (false, false) => " + ",
            (false, true) => " − ",
        };
        let name = match variable {
            Variable::Input(i) => format!("X_{i}"),
            Variable::Output(i) => format!("Y_{i}"),
        };
        let factor = if size == 1.0 { String::new() } else { format!("{size} ") };
        text.push_str(&format!("{sign}{factor}{name}"));
    }
    let constant = nearest(&atom.constant);
    if constant != 0.0 || text.is_empty() {
        let sign = if constant < 0.0 { "−" } else { "+" };
        text.push_str(&format!(" {sign} {}", constant.abs()));
    }
    text
}
