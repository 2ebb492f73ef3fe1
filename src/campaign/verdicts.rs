//! The results of a whole data set: one line per image, and what they amount to.

use super::outcomes::Outcomes;
use crate::analyze::{Analysis, Reason};
use crate::domains::verdict::Verdict;
use crate::format::onnx::Endings;
use crate::report::{SCHEMA, number, reasons_json, witness_json};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::fmt::Write;
use std::ops::Range;
use std::time::Duration;

/// What became of one image.
#[derive(Debug)]
pub enum ImageOutcome {
    /// The network gives another class to the image itself.
    Misclassified {
        /// That class.
        predicted: usize,
    },
    /// Its neighbourhood was analysed.
    Analysed(Box<Analysis>),
    /// The analysis did not stop in time and was abandoned.
    Abandoned,
    /// The analysis ended in an internal error.
    Failed(String),
}

/// One line of results:
///
/// `{image, label, verdict, by?, margin?, open?, out_of_time?, because?, may_help?, predicted?, adversarial?, witness?,
/// rejected?, tie?, error?, time_s}`
///
/// * `verdict`: `verified`, `falsified`, `unknown`, `misclassified` or `error`;
/// * `by`: the stage that decided; `margin`: the smallest certified bound over the other classes, if there
///   is one; `open`: how many of them are not refuted;
/// * `predicted`: the class of a misclassified image; `adversarial`: the class that a counterexample
///   reaches; `witness`: the counterexample as in the answer of `analyze`, if `witness_of` says what ends the models;
/// * `tie`, added where there is a counterexample: whether it may do no better than the label, which is none where ties are
///   safe;
/// * `rejected`, added where the members of an ensemble disagree on the image itself;
/// * `because`: why it is unknown; `may_help`: what may help;
/// * `certificate`, added where certificates are asked for: whether there is one of what is verified; `uncertified`: why not;
/// * `time_s`: wall time in seconds, the only field that differs between two runs without a time limit.
#[must_use]
pub fn image_line(
    image: usize,
    label: usize,
    outcome: &ImageOutcome,
    time: Duration,
    witness_of: Option<&Endings>,
) -> Value {
    let mut line = Map::new();
    let mut set = |field: &str, value: Value| drop(line.insert(field.into(), value));
    set("image", image.into());
    set("label", label.into());
    match outcome {
        ImageOutcome::Misclassified { predicted } => {
            set("verdict", "misclassified".into());
            set("predicted", (*predicted).into());
        }
        ImageOutcome::Abandoned => {
            set("verdict", "unknown".into());
            set("out_of_time", true.into());
            reasons_json(&[Reason::OutOfTime]).into_iter().for_each(|(field, value)| set(field, value));
        }
        ImageOutcome::Failed(error) => {
            set("verdict", "error".into());
            set("error", error.as_str().into());
        }
        ImageOutcome::Analysed(analysis) => {
            set("verdict", analysis.verdict.name().into());
            if let Some(stage) = analysis.decided_by() {
                set("by", stage.into());
            }
            match &analysis.verdict {
                Verdict::Verified(_) => {
                    set("margin", margin(analysis));
                }
                Verdict::Unknown(gap) => {
                    set("margin", margin(analysis));
                    set("open", gap.open.len().into());
                    set("out_of_time", gap.out_of_time.into());
                    reasons_json(&analysis.reasons).into_iter().for_each(|(field, value)| set(field, value));
                }
                Verdict::Falsified(witness) => {
                    // Disjunct d of robustness is the d-th class other than the label.
                    let class = witness.disjunct() + usize::from(witness.disjunct() >= label);
                    set("adversarial", class.into());
                    if let Some(endings) = witness_of {
                        set("witness", witness_json(witness, endings));
                    }
                }
            }
        }
    }
    set("time_s", number(time.as_secs_f64()));
    Value::Object(line)
}

fn margin(analysis: &Analysis) -> Value {
    number(analysis.disjuncts.iter().map(|d| d.bound).fold(f64::INFINITY, f64::min))
}

/// How many images had which outcome.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Images that the network classifies correctly and robustly.
    pub verified: usize,
    /// Images with a counterexample.
    pub falsified: usize,
    /// Correctly classified images of which nothing is known, for want of time or precision.
    pub unknown: usize,
    /// Those of them whose time was up.
    pub out_of_time: usize,
    /// Images that the network gives another class.
    pub misclassified: usize,
    /// Images on which an ensemble's members disagree, whatever the verdict on their neighbourhood.
    pub rejected: usize,
    /// Images whose analysis failed.
    pub errors: usize,
    /// Verified images with a certificate.
    pub certificates: usize,
    /// Those that have none though they were to have one, by the reason.
    pub uncertified: BTreeMap<String, usize>,
}

impl Outcomes for Tally {
    fn add(&mut self, line: &Value) {
        self.certificates += usize::from(line["certificate"] == Value::Bool(true));
        self.rejected += usize::from(line["rejected"] == Value::Bool(true));
        if let Some(why) = line["uncertified"].as_str() {
            *self.uncertified.entry(why.into()).or_default() += 1;
        }
        match line["verdict"].as_str() {
            Some("verified") => self.verified += 1,
            Some("falsified") => self.falsified += 1,
            Some("misclassified") => self.misclassified += 1,
            Some("unknown") => {
                self.unknown += 1;
                self.out_of_time += usize::from(line["out_of_time"] == Value::Bool(true));
            }
            _ => self.errors += 1,
        }
    }

    fn images(&self) -> usize {
        self.verified + self.falsified + self.unknown + self.misclassified + self.errors
    }

    fn errors(&self) -> usize {
        self.errors
    }

    fn short(&self) -> String {
        format!(
            "{} verified, {} falsified, {} unknown, {} misclassified",
            self.verified, self.falsified, self.unknown, self.misclassified
        )
    }
}

impl Tally {
    /// `count` of all images, as a fraction; NaN where there are none.
    fn share(&self, count: usize) -> f64 {
        count as f64 / self.images() as f64
    }

    fn has_certificates(&self) -> bool {
        self.certificates > 0 || !self.uncertified.is_empty()
    }

    /// Images that no counterexample speaks against: the attack's upper bound of robust accuracy.
    #[must_use]
    pub fn not_refuted(&self) -> usize {
        self.verified + self.unknown + self.errors
    }
}

/// The tally as one object. Accuracies are fractions of all images: `clean_accuracy` counts the correctly
/// classified, `certified_accuracy` the verified, `attack_bound_accuracy` those without a counterexample;
/// robust accuracy lies between the last two. Where an ensemble rejects images, `rejected` counts them; these are not
/// classified correctly. Where certificates were asked for, `certificates` counts them, and
/// `uncertified` by the reason what is verified without one.
#[must_use]
pub fn tally_json(tally: &Tally, missing: usize) -> Value {
    let mut object = json!({
        "schema": SCHEMA,
        "images": tally.images(),
        "verified": tally.verified,
        "falsified": tally.falsified,
        "unknown": tally.unknown,
        "out_of_time": tally.out_of_time,
        "misclassified": tally.misclassified,
        "errors": tally.errors,
        "missing": missing,
        "clean_accuracy": number(tally.share(tally.images() - tally.misclassified - tally.rejected)),
        "certified_accuracy": number(tally.share(tally.verified)),
        "attack_bound_accuracy": number(tally.share(tally.not_refuted())),
    });
    if tally.rejected > 0 {
        object["rejected"] = tally.rejected.into();
    }
    if tally.has_certificates() {
        object["certificates"] = tally.certificates.into();
        object["uncertified"] = json!(tally.uncertified);
    }
    object
}

/// The tally in a few lines.
#[must_use]
pub fn tally_text(tally: &Tally) -> String {
    let mut out = String::new();
    let mut row = |name: &str, count: usize, note: &str| {
        // Writing to a string cannot fail.
        let _ = writeln!(out, "{name:<15}{count:>7}  {}{note}", percent(tally.share(count)));
    };
    row("images", tally.images(), "");
    row("verified", tally.verified, "");
    row("falsified", tally.falsified, "");
    let out_of_time = match tally.out_of_time {
        0 => String::new(),
        n => format!("  ({n} out of time)"),
    };
    row("unknown", tally.unknown, &out_of_time);
    row("misclassified", tally.misclassified, "");
    if tally.rejected > 0 {
        row("rejected", tally.rejected, "  (by the ensemble, before any change)");
    }
    if tally.errors > 0 {
        row("errors", tally.errors, "  (internal errors, please report them)");
    }
    if tally.has_certificates() {
        row("certificates", tally.certificates, "");
    }
    for (why, &count) in &tally.uncertified {
        row("without one", count, &format!("  ({why})"));
    }
    let (low, high) = (percent(tally.share(tally.verified)), percent(tally.share(tally.not_refuted())));
    let _ = write!(out, "robust accuracy {} (certified) to {} (no counterexample)", low.trim(), high.trim());
    out
}

fn percent(share: f64) -> String {
    if share.is_nan() { "     –".into() } else { format!("{:>5.1} %", 100.0 * share) }
}

/// Ranges of numbers as a list, such as `3, 17, 19–25`; only the first few of many.
#[must_use]
pub fn ranges(runs: &[Range<usize>]) -> String {
    const SHOWN: usize = 12;
    let show = |run: &Range<usize>| match run.len() {
        1 => run.start.to_string(),
        _ => format!("{}–{}", run.start, run.end - 1),
    };
    let more = if runs.len() > SHOWN { ", …" } else { "" };
    runs.iter().take(SHOWN).map(show).collect::<Vec<_>>().join(", ") + more
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accuracies_lie_where_they_belong() {
        let mut tally = Tally::default();
        for verdict in ["verified", "verified", "falsified", "unknown", "misclassified"] {
            tally.add(&json!({"verdict": verdict, "out_of_time": verdict == "unknown"}));
        }
        assert_eq!((tally.images(), tally.not_refuted(), tally.out_of_time), (5, 3, 1));
        let object = tally_json(&tally, 0);
        assert_eq!((object["certified_accuracy"].as_f64(), object["clean_accuracy"].as_f64()), (Some(0.4), Some(0.8)));
        assert!(tally_text(&tally).contains("robust accuracy 40.0 % (certified) to 60.0 % (no counterexample)"));
        // No image: no number, and no panic.
        assert_eq!(tally_json(&Tally::default(), 0)["certified_accuracy"], Value::Null);
        assert!(tally_text(&Tally::default()).contains('–'));
    }

    #[test]
    fn ranges_are_short() {
        assert_eq!(ranges(&[]), "");
        assert_eq!(ranges(&[3..4, 17..18, 19..22]), "3, 17, 19–21");
        let every_other: Vec<Range<usize>> = (0..100).map(|i| 2 * i..2 * i + 1).collect();
        assert!(ranges(&every_other).ends_with("22, …"));
    }
}
