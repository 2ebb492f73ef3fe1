//! The radii of a whole data set: one line per image, and what they amount to.

use super::outcomes::Outcomes;
use super::radius::Radius;
use crate::analyze::Reason;
use crate::domains::num::{Rational, nearest, parse_decimal};
use crate::report::{SCHEMA, number, reasons_json};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::fmt::Write;
use std::time::Duration;

/// What became of one image.
#[derive(Debug)]
pub enum RadiusOutcome {
    /// The network gives another class to the image itself.
    Misclassified {
        /// That class.
        predicted: usize,
    },
    /// The radii were searched for.
    Searched(Box<Radius>),
    /// The search did not stop in time and was abandoned.
    Abandoned,
    /// The search ended in an internal error.
    Failed(String),
}

/// One line of results:
///
/// `{image, label, outcome, certified?, base?, attack?, adversarial?, analyses?, attacks?, out_of_time?, because?,
/// may_help?, predicted?, error?, time_s}`
///
/// * `outcome`: `searched`, `misclassified` or `error`;
/// * `certified`: the largest certified radius, `null` where none was; `base`: the cheap domain's, from
///   which a costly one went on;
/// * `attack`: the smallest radius with an exactly replayed counterexample, `null` where none was found, of
///   the class `adversarial`;
/// * `because`: why no larger radius is certified, where it was not a counterexample that said so; `may_help`: what may
///   help;
/// * `time_s`: wall time in seconds, the only field that differs between two runs without a time limit.
#[must_use]
pub fn radius_line(image: usize, label: usize, outcome: &RadiusOutcome, time: Duration) -> Value {
    let mut line = Map::new();
    let mut set = |field: &str, value: Value| drop(line.insert(field.into(), value));
    set("image", image.into());
    set("label", label.into());
    match outcome {
        RadiusOutcome::Misclassified { predicted } => {
            set("outcome", "misclassified".into());
            set("predicted", (*predicted).into());
        }
        RadiusOutcome::Failed(error) => {
            set("outcome", "error".into());
            set("error", error.as_str().into());
        }
        RadiusOutcome::Abandoned => {
            set("outcome", "searched".into());
            set("certified", Value::Null);
            set("attack", Value::Null);
            set("out_of_time", true.into());
            reasons_json(&[Reason::OutOfTime]).into_iter().for_each(|(field, value)| set(field, value));
        }
        RadiusOutcome::Searched(found) => {
            set("outcome", "searched".into());
            set("certified", found.certified.as_ref().map_or(Value::Null, at_most));
            if let Some(base) = &found.base {
                set("base", at_most(base));
            }
            set("attack", found.attacked.as_ref().map_or(Value::Null, |(eps, _)| at_least(eps)));
            if let Some((_, witness)) = &found.attacked {
                // Disjunct d of robustness is the d-th class other than the label.
                let class = witness.disjunct() + usize::from(witness.disjunct() >= label);
                set("adversarial", class.into());
            }
            set("analyses", found.analyses.into());
            set("attacks", found.attacks.into());
            set("out_of_time", found.out_of_time.into());
            if !found.reasons.is_empty() {
                reasons_json(&found.reasons).into_iter().for_each(|(field, value)| set(field, value));
            }
        }
    }
    set("time_s", number(time.as_secs_f64()));
    Value::Object(line)
}

/// The number as it is printed, which is read as a decimal, never exceeds `q`.
fn at_most(q: &Rational) -> Value {
    printed(q, |decimal| decimal <= q, f64::next_down)
}

/// Never falls short of `q`.
fn at_least(q: &Rational) -> Value {
    printed(q, |decimal| decimal >= q, f64::next_up)
}

fn printed(q: &Rational, is_right: impl Fn(&Rational) -> bool, next: impl Fn(f64) -> f64) -> Value {
    let mut x = nearest(q);
    // The shortest decimal of the nearest float is `q` itself where `q` has few digits.
    for _ in 0..4 {
        if parse_decimal(&number(x).to_string()).is_ok_and(|decimal| is_right(&decimal)) {
            break;
        }
        x = next(x);
    }
    number(x)
}

/// What the radii of many images amount to.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RadiusTally {
    /// Images whose radii were searched for.
    pub searched: usize,
    /// Images that the network gives another class.
    pub misclassified: usize,
    /// Images whose search failed.
    pub errors: usize,
    /// Searches that the time limit ended.
    pub out_of_time: usize,
    /// Certified radii, one per image that has one.
    certified: Vec<f64>,
    /// The attack's radii, one per image that has one.
    attacked: Vec<f64>,
    /// `(attack − certified) / attack`, one per image that has both.
    gaps: Vec<f64>,
}

impl Outcomes for RadiusTally {
    fn add(&mut self, line: &Value) {
        match line["outcome"].as_str() {
            Some("searched") => self.searched += 1,
            Some("misclassified") => self.misclassified += 1,
            _ => self.errors += 1,
        }
        self.out_of_time += usize::from(line["out_of_time"] == Value::Bool(true));
        let (certified, attacked) = (line["certified"].as_f64(), line["attack"].as_f64());
        self.certified.extend(certified);
        self.attacked.extend(attacked);
        if let (Some(certified), Some(attacked)) = (certified, attacked) {
            self.gaps.push((attacked - certified) / attacked);
        }
    }

    fn images(&self) -> usize {
        self.searched + self.misclassified + self.errors
    }

    fn errors(&self) -> usize {
        self.errors
    }

    fn short(&self) -> String {
        let show = |x: Option<f64>| x.map_or_else(|| "–".into(), |x| format!("{x:.5}"));
        format!("mean certified {}, attack {}", show(mean(&self.certified)), show(mean(&self.attacked)))
    }
}

fn mean(values: &[f64]) -> Option<f64> {
    (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
}

fn median(values: &[f64]) -> Option<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    match sorted.len() % 2 {
        1 => Some(sorted[middle]),
        _ => Some(0.5 * (sorted.get(middle)? + sorted.get(middle.checked_sub(1)?)?)),
    }
}

/// The tally as one object; means and the median of `(attack − certified) / attack` (the percentage gap of
/// Salman et al. 2019, appendix L.2) are over the images that have what they need.
#[must_use]
pub fn radius_tally_json(tally: &RadiusTally) -> Value {
    let option = |x: Option<f64>| x.map_or(Value::Null, number);
    json!({
        "schema": SCHEMA,
        "images": tally.images(),
        "searched": tally.searched,
        "misclassified": tally.misclassified,
        "errors": tally.errors,
        "out_of_time": tally.out_of_time,
        "certified": tally.certified.len(),
        "attacked": tally.attacked.len(),
        "mean_certified": option(mean(&tally.certified)),
        "mean_attack": option(mean(&tally.attacked)),
        "median_gap": option(median(&tally.gaps)),
    })
}

/// The lines as a table, and the tally below it.
#[must_use]
pub fn radius_text(lines: &[Value], tally: &RadiusTally) -> String {
    /// The most images that are listed.
    const LISTED: usize = 40;
    let mut out = String::new();
    // Writing to a string cannot fail.
    let _ = writeln!(out, "{:>7} {:>6} {:>14} {:>14}", "image", "label", "certified", "attack");
    for line in lines.iter().take(LISTED) {
        let cell = |field: &str| line[field].as_f64().map_or_else(|| "none".into(), |x| x.to_string());
        let note = match line["outcome"].as_str() {
            Some("misclassified") => format!("  misclassified as {}", line["predicted"]),
            Some("searched") if line["out_of_time"] == Value::Bool(true) => "  out of time".into(),
            Some("searched") => String::new(),
            _ => format!("  error: {}", line["error"].as_str().unwrap_or_default()),
        };
        let (certified, attack) = match line["outcome"].as_str() {
            Some("searched") => (cell("certified"), cell("attack")),
            _ => ("–".into(), "–".into()),
        };
        let (image, label) = (line["image"].to_string(), line["label"].to_string());
        let _ = writeln!(out, "{image:>7} {label:>6} {certified:>14} {attack:>14}{note}");
    }
    if lines.len() > LISTED {
        let _ = writeln!(out, "  … the first {LISTED} of {}; --out FILE has all", lines.len());
    }
    let show = |x: Option<f64>| x.map_or_else(|| "–".into(), |x| format!("{x:.6}"));
    let _ = writeln!(
        out,
        "mean certified radius   {:>10}  ({} images)",
        show(mean(&tally.certified)),
        tally.certified.len()
    );
    let _ =
        writeln!(out, "mean radius of attack   {:>10}  ({} images)", show(mean(&tally.attacked)), tally.attacked.len());
    if let Some(gap) = median(&tally.gaps) {
        let _ = writeln!(out, "median gap              {:>8.1} %", 100.0 * gap);
    }
    if tally.misclassified > 0 {
        let _ = writeln!(out, "misclassified           {:>10}", tally.misclassified);
    }
    if tally.errors > 0 {
        let _ = writeln!(out, "errors                  {:>10}  (internal errors, please report them)", tally.errors);
    }
    for (field, title) in [("because", "goes no further because"), ("may_help", "what may help:")] {
        for (words, count) in said(lines, field) {
            let _ = writeln!(out, "{title} {words}  ({count} images)");
        }
    }
    out
}

/// The sentences of a field that lists some, each with the number of lines that have it.
fn said<'a>(lines: &'a [Value], field: &str) -> BTreeMap<&'a str, usize> {
    let of_line = |line: &'a Value| line[field].as_array().into_iter().flatten().filter_map(Value::as_str);
    let mut counts = BTreeMap::new();
    lines.iter().flat_map(of_line).for_each(|words| *counts.entry(words).or_default() += 1);
    counts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_printed_radius_never_claims_more_than_was_found() {
        let q = |text: &str| parse_decimal(text).unwrap();
        assert_eq!(at_most(&q("0.014923")).to_string(), "0.014923");
        assert_eq!(at_least(&q("0.014923")).to_string(), "0.014923");
        for text in ["1/3", "2/3", "1/7", "2/255", "0.1234567890123456789", "1e-320", "0"] {
            let read = |value: Value| parse_decimal(&value.to_string()).unwrap();
            assert!(read(at_most(&q(text))) <= q(text), "{text}");
            assert!(read(at_least(&q(text))) >= q(text), "{text}");
        }
    }

    #[test]
    fn means_are_over_the_images_that_have_one() {
        let mut tally = RadiusTally::default();
        for line in [
            json!({"outcome": "searched", "certified": 0.1, "attack": 0.2}),
            json!({"outcome": "searched", "certified": 0.3, "attack": null}),
            json!({"outcome": "searched", "certified": null, "attack": 0.4, "out_of_time": true}),
            json!({"outcome": "searched", "certified": 0.2, "attack": 0.8}),
            json!({"outcome": "misclassified"}),
            json!({"outcome": "error"}),
        ] {
            tally.add(&line);
        }
        let object = radius_tally_json(&tally);
        assert_eq!((tally.images(), tally.out_of_time, tally.errors), (6, 1, 1));
        assert!((object["mean_certified"].as_f64().unwrap() - 0.2).abs() < 1e-12);
        assert!((object["median_gap"].as_f64().unwrap() - 0.625).abs() < 1e-12);
        assert_eq!(radius_tally_json(&RadiusTally::default())["mean_attack"], Value::Null);
        assert!(radius_text(&[], &RadiusTally::default()).contains('–'));
    }
}
