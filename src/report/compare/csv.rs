//! A comparison as tables of comma-separated values.

use super::{Comparison, QueryResult};
use csv::Writer;

/// A number as it is, and nothing where there is none: no column ever holds NaN or an infinity.
fn number(x: impl Into<Option<f64>>) -> String {
    x.into().filter(|x| x.is_finite()).map_or(String::new(), |x| x.to_string())
}

fn text(writer: Writer<Vec<u8>>) -> String {
    // Writing to memory cannot fail, and all fields are UTF-8.
    writer.into_inner().ok().and_then(|bytes| String::from_utf8(bytes).ok()).unwrap_or_default()
}

/// One line per query and contestant. Margins are certified lower bounds, times seconds, gaps percent;
/// what is not known is empty. A misclassified image has lines of its own, without numbers.
#[must_use]
pub fn measurements_csv(comparison: &Comparison) -> String {
    let mut writer = Writer::from_writer(Vec::new());
    let _ = writer.write_record([
        "query",
        "domain",
        "verdict",
        "margin",
        "gap_percent",
        "gap_percent_least",
        "time_s",
        "interval_margin",
        "best_certified_margin",
        "attained_margin",
        "unstable",
        "lps",
        "cuts",
        "log10_output_volume",
        "output_volume",
        "milp_bound_uncertified",
        "milp_time_s",
    ]);
    for row in &comparison.rows {
        for (i, domain) in comparison.contestants.iter().enumerate() {
            let start = [row.query.clone(), domain.clone()];
            let rest: [String; 15] = match &row.result {
                QueryResult::Misclassified { .. } => {
                    std::array::from_fn(|i| if i == 0 { "misclassified".into() } else { String::new() })
                }
                QueryResult::Compared(compared) => {
                    let (m, reference) = (&compared.measurements[i], &compared.reference);
                    // Where a layer was not reached there is no total.
                    let unstable: Option<usize> =
                        m.layers.iter().map(|l| l.map(|l| l.unstable.unwrap_or(0))).sum::<Option<usize>>();
                    [
                        m.outcome.name().into(),
                        number(m.margin),
                        number(m.gap.most),
                        number(m.gap.least),
                        number(m.time.as_secs_f64()),
                        number(reference.base),
                        number(reference.lower),
                        number(reference.upper),
                        unstable.map_or(String::new(), |u| u.to_string()),
                        m.lps.to_string(),
                        m.cuts.to_string(),
                        number(m.log10_volume),
                        number(m.log10_volume.map(|v| 10f64.powf(v))),
                        number(m.milp.map(|milp| milp.0)),
                        number(m.milp.map(|milp| milp.1.as_secs_f64())),
                    ]
                }
            };
            let _ = writer.write_record(start.iter().chain(&rest));
        }
    }
    text(writer)
}

/// One line per query, contestant and layer: the pre-activations of every activation, and the output.
#[must_use]
pub fn layers_csv(comparison: &Comparison) -> String {
    let mut writer = Writer::from_writer(Vec::new());
    let _ = writer.write_record([
        "query",
        "domain",
        "layer",
        "name",
        "kind",
        "neurons",
        "unstable",
        "mean_width",
        "max_width",
    ]);
    for (query, compared) in comparison.compared() {
        for (domain, m) in comparison.contestants.iter().zip(&compared.measurements) {
            for (number_of, (layer, widths)) in comparison.layers.iter().zip(&m.layers).enumerate() {
                let unstable = widths.and_then(|w| w.unstable);
                let _ = writer.write_record([
                    query,
                    domain,
                    &(number_of + 1).to_string(),
                    &layer.name,
                    layer.kind,
                    &layer.neurons.to_string(),
                    &unstable.map_or(String::new(), |u| u.to_string()),
                    &number(widths.map(|w| w.mean)),
                    &number(widths.map(|w| w.max)),
                ]);
            }
        }
    }
    text(writer)
}
