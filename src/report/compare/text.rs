//! A comparison as text and JSON.

use super::axis::{duration, number as short, volume};
use super::summary::mean;
use super::{Comparison, QueryResult, Summary, summaries};
use crate::report::json::{SCHEMA, number};
use comfy_table::{CellAlignment, Table, presets};
use serde_json::{Value, json};

/// The summary as a few lines.
#[must_use]
pub fn comparison_text(comparison: &Comparison) -> String {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    let mut header = vec!["domain", "verified", "falsified", "unknown", "mean time", "mean margin", "gap to exact"];
    if comparison.has_volume {
        header.push("output box");
    }
    table.set_header(header);
    for column in table.column_iter_mut().skip(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    let known = |x: Option<f64>| x.map_or("–".into(), short);
    for s in summaries(comparison) {
        let timeouts = if s.timeouts > 0 { format!(" ({} timed out)", s.timeouts) } else { String::new() };
        let mut row = vec![
            s.name.clone(),
            s.verified.to_string(),
            s.falsified.to_string(),
            format!("{}{timeouts}", s.unknown),
            s.mean_time.map_or("–".into(), duration),
            known(s.mean_margin),
            gap(&s),
        ];
        if comparison.has_volume {
            row.push(s.mean_log10_volume.map_or("–".into(), |v| {
                let (factor, power) = volume(v);
                format!("{factor}e{power}")
            }));
        }
        table.add_row(row);
    }
    let example = if comparison.is_example { "No network given: this is the built-in example.\n" } else { "" };
    let compared = comparison.compared().count();
    let misclassified = match comparison.misclassified() {
        0 => String::new(),
        n => format!("; {n} misclassified, not analysed"),
    };
    let volume = if comparison.has_volume { " Output box: geometric mean of its volume." } else { "" };
    let milp: Vec<(f64, f64)> = comparison
        .compared()
        .flat_map(|(_, compared)| compared.measurements.iter().filter_map(|m| m.milp))
        .map(|(bound, time)| (bound, time.as_secs_f64()))
        .collect();
    let milp = mean(milp.iter().map(|m| m.1)).map_or(String::new(), |time| {
        format!(
            "\nIn {} on average the integer programs end at the margin {}: the solver's word, not certified.",
            duration(time),
            known(mean(milp.iter().map(|m| m.0)))
        )
    });
    format!(
        "{example}network  {}\nqueries  {}: {compared} compared{misclassified}\n\n{table}\n\n\
         Margins are certified lower bounds. Gap: 0 % is the exact minimum, 100 % interval arithmetic.{volume}{milp}",
        comparison.network, comparison.question
    )
}

/// A mean gap as people read it: one number where both ends agree, none where nothing is minimised.
pub(super) fn gap(summary: &Summary) -> String {
    match (summary.mean_gap_least.map(short), summary.mean_gap.map(short)) {
        _ if summary.decides => "decides".into(),
        (Some(least), Some(most)) if least == most => format!("{most} %"),
        (Some(least), Some(most)) => format!("{least} to {most} %"),
        (Some(least), None) => format!("≥ {least} %"),
        (None, Some(most)) => format!("≤ {most} %"),
        (None, None) => "–".into(),
    }
}

/// Everything as one object: `{schema, network, queries, layers, summary, results}`.
#[must_use]
pub fn comparison_json(comparison: &Comparison) -> Value {
    let option = |x: Option<f64>| x.map_or(Value::Null, number);
    let layers: Vec<Value> = comparison
        .layers
        .iter()
        .map(|l| json!({"node": l.node, "name": l.name, "kind": l.kind, "neurons": l.neurons}))
        .collect();
    let summary: Vec<Value> = summaries(comparison)
        .into_iter()
        .map(|s| {
            json!({
                "domain": s.name,
                "verified": s.verified,
                "falsified": s.falsified,
                "unknown": s.unknown,
                "timeouts": s.timeouts,
                "mean_time_s": option(s.mean_time),
                "median_time_s": option(s.median_time),
                "mean_margin": option(s.mean_margin),
                "mean_gap_percent": option(s.mean_gap),
                "mean_gap_percent_least": option(s.mean_gap_least),
                "mean_log10_output_volume": option(s.mean_log10_volume),
            })
        })
        .collect();
    let results: Vec<Value> = comparison
        .rows
        .iter()
        .map(|row| match &row.result {
            QueryResult::Misclassified { label, predicted } => {
                json!({"query": row.query, "misclassified": {"label": label, "predicted": predicted}})
            }
            QueryResult::Compared(compared) => {
                let domains = comparison.contestants.iter().zip(&compared.measurements).map(|(name, m)| {
                    let layers = m.layers.iter().map(|l| {
                        l.map_or(Value::Null, |l| {
                            json!({"unstable": l.unstable, "mean_width": number(l.mean), "max_width": number(l.max)})
                        })
                    });
                    let mut measured = json!({
                        "domain": name,
                        "verdict": m.outcome.name(),
                        "margin": number(m.margin),
                        "gap_percent": option(m.gap.most),
                        "gap_percent_least": option(m.gap.least),
                        "time_s": m.time.as_secs_f64(),
                        "lps": m.lps,
                        "cuts": m.cuts,
                        "layers": layers.collect::<Vec<_>>(),
                        "log10_output_volume": option(m.log10_volume),
                    });
                    if let Some((bound, time)) = m.milp {
                        measured["milp_bound_uncertified"] = number(bound);
                        measured["milp_time_s"] = time.as_secs_f64().into();
                    }
                    measured
                });
                json!({
                    "query": row.query,
                    "interval_margin": number(compared.reference.base),
                    "best_certified_margin": number(compared.reference.lower),
                    "attained_margin": option(compared.reference.upper),
                    "attack_time_s": compared.reference.attack_time.as_secs_f64(),
                    "domains": domains.collect::<Vec<_>>(),
                })
            }
        })
        .collect();
    json!({
        "schema": SCHEMA,
        "network": comparison.network,
        "queries": comparison.question,
        "timeout_s": comparison.timeout.map(|t| t.as_secs_f64()),
        "layers": layers,
        "summary": summary,
        "results": results,
    })
}
