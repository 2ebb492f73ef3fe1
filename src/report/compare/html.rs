//! The page: one file without scripts that loads nothing.

use super::axis::{duration, number, volume};
use super::svg::{STYLE, escape, series};
use super::text::gap;
use super::{Comparison, QueryResult, QueryRow, plots, summaries};
use crate::compare::{Compared, Outcome};

/// The most queries that are listed one by one.
const LISTED: usize = 300;

const PAGE_STYLE: &str = "\
*{box-sizing:border-box}body{margin:0;background:var(--paper);color:var(--ink);\
font:15px/1.5 system-ui,-apple-system,'Segoe UI',Roboto,'DejaVu Sans',sans-serif}\
main{max-width:1440px;margin:0 auto;padding:28px 28px 48px}h1{font-size:25px;line-height:1.25;margin:0 0 4px;font-weight:650}\
h2{font-size:18px;margin:34px 0 10px;font-weight:650}p{margin:6px 0;max-width:80ch}\
.soft,dt,figcaption,th,footer{color:var(--soft)}dl{display:grid;grid-template-columns:max-content 1fr;gap:2px 18px;margin:14px 0 0}\
dd{margin:0;overflow-wrap:anywhere}.scroll{overflow-x:auto}table{border-collapse:collapse;font-variant-numeric:tabular-nums}\
th,td{padding:5px 14px 5px 0;text-align:right;white-space:nowrap;border-bottom:1px solid var(--grid)}\
th{font-weight:500;vertical-align:bottom}th:first-child,td:first-child{text-align:left}tbody th{color:var(--ink);font-weight:400}\
td.name{font-weight:600}td.verified{font-weight:600}td .tick{color:var(--s2)}td .cross{color:var(--s7)}\
.swatch{display:inline-block;width:10px;height:10px;border-radius:3px;margin-right:9px}\
.plots{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,520px),1fr));gap:22px}\
figure{margin:0;padding:8px 8px 14px;background:var(--panel);border:1px solid var(--grid);border-radius:10px}\
figure svg{display:block;width:100%;height:auto}figcaption{font-size:13px;padding:4px 16px 0;max-width:78ch}\
details{margin-top:8px}summary{cursor:pointer}footer{margin-top:36px;font-size:13px}code{font-size:.93em}\
.s0{background:var(--s0)}.s1{background:var(--s1)}.s2{background:var(--s2)}.s3{background:var(--s3)}\
.s4{background:var(--s4)}.s5{background:var(--s5)}.s6{background:var(--s6)}.s7{background:var(--s7)}\
@media print{figure{break-inside:avoid}}";

/// The report as a page that stands alone: well-formed as XML, no scripts, nothing loaded.
#[must_use]
pub fn comparison_html(comparison: &Comparison) -> String {
    let title = format!("Comparison of {} domains", comparison.contestants.len());
    let figures: String = plots(comparison)
        .iter()
        .map(|p| format!("<figure>{}<figcaption>{}</figcaption></figure>", p.inline(), escape(&p.caption)))
        .collect();
    let figures = if figures.is_empty() {
        "<p>Nothing was compared, so there is nothing to draw.</p>".to_owned()
    } else {
        format!("<div class=\"plots\">{figures}</div>")
    };
    format!(
        "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"/>\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"/>\
         <meta name=\"color-scheme\" content=\"light dark\"/><title>{title} · absint</title>\
         <style>{STYLE}{PAGE_STYLE}</style></head><body><main><h1>{title}</h1>{}\
         <h2>Summary</h2>{}<h2>Plots</h2>{figures}<h2>Queries</h2>{}<h2>What the numbers mean</h2>{}\
         <footer>absint {}</footer></main></body></html>\n",
        facts(comparison),
        summary_table(comparison),
        query_table(comparison),
        meaning(comparison),
        env!("CARGO_PKG_VERSION"),
    )
}

/// Network, question, time limit, size: a list of definitions.
fn facts(comparison: &Comparison) -> String {
    let compared = comparison.compared().count();
    let mut queries = format!("{} ({compared} compared", comparison.question);
    match comparison.misclassified() {
        0 => {}
        n => queries.push_str(&format!(", {n} misclassified and not analysed")),
    }
    queries.push(')');
    if comparison.rows.len() < comparison.planned {
        queries.push_str(&format!("; still running: {} of {} done", comparison.rows.len(), comparison.planned));
    }
    let network = if comparison.is_example {
        format!("{}: the built-in example", comparison.network)
    } else {
        comparison.network.clone()
    };
    let limit = comparison.timeout.map_or("none".into(), |t| format!("{} s per query and domain", t.as_secs_f64()));
    let neurons: usize = comparison.layers.iter().filter(|l| l.kind != "output").map(|l| l.neurons).sum();
    let layers = comparison.layers.iter().filter(|l| l.kind != "output").count();
    let size = format!("{neurons} neurons in {layers} activation layer{}", if layers == 1 { "" } else { "s" });
    let line = |(name, value): (&str, &str)| format!("<dt>{name}</dt><dd>{}</dd>", escape(value));
    let lines = [("Network", network.as_str()), ("Size", &size), ("Queries", &queries), ("Time limit", &limit)];
    format!("<dl>{}</dl>", lines.into_iter().map(line).collect::<String>())
}

fn summary_table(comparison: &Comparison) -> String {
    let known = |x: Option<f64>| x.map_or("–".into(), number);
    let seconds = |x: Option<f64>| x.map_or("–".into(), duration);
    let rows: String = summaries(comparison)
        .into_iter()
        .enumerate()
        .map(|(i, s)| {
            let timeouts = if s.timeouts > 0 { format!(" ({} timed out)", s.timeouts) } else { String::new() };
            let size = match s.mean_log10_volume {
                _ if !comparison.has_volume => String::new(),
                None => "<td>–</td>".into(),
                Some(v) => {
                    let (factor, power) = volume(v);
                    format!("<td>{factor} · 10<sup>{power}</sup></td>")
                }
            };
            format!(
                "<tr><td class=\"name\"><span class=\"swatch {}\"></span>{}</td><td>{}</td><td>{}</td><td>{}{timeouts}</td>\
                 <td>{}</td><td>{}</td><td>{}</td><td>{}</td>{size}</tr>",
                series(i),
                escape(&s.name),
                s.verified,
                s.falsified,
                s.unknown,
                seconds(s.mean_time),
                seconds(s.median_time),
                known(s.mean_margin),
                gap(&s),
            )
        })
        .collect();
    let size = if comparison.has_volume { "<th>output box,<br/>geometric mean</th>" } else { "" };
    format!(
        "<div class=\"scroll\"><table><thead><tr><th>domain</th><th>verified</th><th>falsified</th><th>unknown</th>\
         <th>mean time</th><th>median time</th><th>mean certified<br/>margin</th><th>mean gap<br/>to exact</th>{size}\
         </tr></thead><tbody>{rows}</tbody></table></div>"
    )
}

/// Every query with the margins of all contestants; ✓ marks proofs.
fn query_table(comparison: &Comparison) -> String {
    let columns: String = comparison.contestants.iter().map(|c| format!("<th>{}</th>", escape(c))).collect();
    let attained = if comparison.has_attack { "<th>attained</th>" } else { "" };
    let rows: String = comparison.rows.iter().take(LISTED).map(|row| query_row(comparison, row)).collect();
    let more = match comparison.rows.len().saturating_sub(LISTED) {
        0 => String::new(),
        n => format!("<p class=\"soft\">… and {n} more, in the CSV file.</p>"),
    };
    let open = if comparison.rows.len() <= 25 { " open=\"open\"" } else { "" };
    format!(
        "<p class=\"soft\">Certified margins; a tick marks a proof, a cross a counterexample. Attained: the smallest margin found \
         at a point of the region, which no certified margin can exceed.</p>\
         <details{open}><summary>{} queries</summary><div class=\"scroll\"><table><thead><tr><th>query</th>{columns}{attained}\
         </tr></thead><tbody>{rows}</tbody></table></div>{more}</details>",
        comparison.rows.len()
    )
}

fn query_row(comparison: &Comparison, row: &QueryRow) -> String {
    let name = escape(&row.query);
    match &row.result {
        QueryResult::Misclassified { label, predicted } => {
            let span = comparison.contestants.len() + usize::from(comparison.has_attack);
            format!(
                "<tr><td>{name}</td><td class=\"soft\" colspan=\"{span}\">misclassified as {predicted} (label {label}), not \
                 analysed</td></tr>"
            )
        }
        QueryResult::Compared(compared) => {
            let attained = match compared.reference.upper {
                _ if !comparison.has_attack => String::new(),
                Some(margin) => format!("<td>{}</td>", with_sign(compared.reference.is_falsified, margin)),
                None => "<td>–</td>".into(),
            };
            format!("<tr><td>{name}</td>{}{attained}</tr>", margins(compared))
        }
    }
}

fn with_sign(is_falsified: bool, margin: f64) -> String {
    let cross = if is_falsified { "<span class=\"cross\">✗</span> " } else { "" };
    format!("{cross}{}", number(margin))
}

fn margins(compared: &Compared) -> String {
    let cell = |m: &crate::compare::Measurement| {
        let (class, tick) = match m.outcome {
            Outcome::Verified => (" class=\"verified\"", "<span class=\"tick\">✓</span> "),
            _ => ("", ""),
        };
        let tip = format!("{} in {}", m.outcome.name(), duration(m.time.as_secs_f64()));
        format!("<td{class} title=\"{}\">{tick}{}</td>", escape(&tip), number(m.margin))
    };
    compared.measurements.iter().map(cell).collect()
}

fn meaning(comparison: &Comparison) -> String {
    let volume = if comparison.has_volume {
        "<p><b>Output box.</b> Every output is minimised and maximised with the domain; the volume is the product of the \
         widths. This is not part of the times.</p>"
    } else {
        ""
    };
    let exact = if comparison.has_exact {
        "<p><b>Exact.</b> The last domain is a complete search. It ends when the query is decided and does not minimise, so that \
         its bound has no gap; a counterexample of its own counts as attained.</p>"
    } else {
        ""
    };
    format!(
        "<p><b>Certified margin.</b> A lower bound, valid in real arithmetic, of the smallest margin by which the property \
         holds over the whole region. A query is proved when it is positive.</p>\
         <p><b>Gap to exact.</b> With the exact minimum <i>m</i> and the bound <i>i</i> of interval arithmetic, a bound \
         <i>b</i> has the gap 100 (<i>m</i> − <i>b</i>) / (<i>m</i> − <i>i</i>) percent: 0 is exact, 100 as loose as \
         intervals. The exact minimum lies between the best certified margin and the smallest margin that some point of \
         the region attains; the two ends give the least and the largest gap.</p>\
         <p><b>Time.</b> Wall-clock time to bound all neurons and all margins as well as the domain can, beneath-lying \
         domains included, no attack.</p>{volume}{exact}"
    )
}
