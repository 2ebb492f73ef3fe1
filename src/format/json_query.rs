//! JSON queries, for what VNN-LIB cannot say: L1, L2 and Hamming balls, quantised inputs.
//!
//! One object. Numbers are JSON numbers or strings (also `"p/q"`), read as exactly the decimal written:
//! they never pass through a float. Fields that the type does not have are refused.
//!
//! | `type` | region |
//! |---|---|
//! | `box` | `lower`, `upper`: a number per input; optional `step`: only inputs `lower_i + j·step`, `j` an integer |
//! | `linf` | `center`, `radius`: `\|x_i − center_i\| ≤ radius`; optional `domain: [lo, hi]` of every input |
//! | `l1` | `center`, `radius`: `Σ \|x_i − center_i\| ≤ radius`; optional `domain` |
//! | `l2` | `center`, `radius`: `Σ (x_i − center_i)² ≤ radius²`; optional `domain` |
//! | `hamming` | `center` of two values, `flips`: at most so many inputs take the other value. The values are −1 and 1, or 0 and 1 where the centre has a 0; optional `domain: [low, high]` names them |
//! | `linf_grid` | `center`, `eps`, `step`, `lo`, `hi`: inputs `center_i + j·step`, `j` an integer, with `\|j·step\| ≤ eps` and `lo ≤ x_i ≤ hi` |
//! | `l1_grid` | the same inputs with `Σ \|j_i·step\| ≤ eps` |
//!
//! and besides, optionally `"schema": 1`, and exactly one of
//!
//! * `label`: unsafe where `Y_label ≤ Y_j` for some other output; disjuncts by increasing `j`, margin
//!   `Y_label − Y_j`. For an ensemble: unsafe where all members agree on some class `j ≠ label`; disjuncts by
//!   increasing `j`, atoms member by member with the margins `Y_i − Y_j` of that member's outputs;
//! * `unsafe`: a list (or) of lists (and) of atoms `{"y": {"0": c, …}, "x": {"3": c, …}, "le": rhs}`,
//!   each `Σ c·Y + Σ c·X ≤ rhs`, with the margin `Σ − rhs`; `x` may be left out. An atom without `y` is
//!   allowed; it is not made part of the region.
//!
//! Indices count inputs and outputs in row-major order; the outputs of an ensemble's members follow each
//! other.

use super::file;
use crate::domains::num::{Rational, parse_decimal};
use crate::domains::query::{Atom, Disjunct, Property, Query, Region, RegionError, Variable};
use serde::de::{Error as _, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;
use std::collections::BTreeMap;
use std::path::Path;
use thiserror::Error;

/// The longest file that is read, in bytes.
const LONGEST_FILE: u64 = 1 << 28;

/// Why a JSON query is refused.
#[derive(Debug, Error)]
#[error("{file}: {problem}")]
pub struct JsonQueryError {
    /// The file, or the name given for a text.
    pub file: String,
    /// What is wrong.
    #[source]
    pub problem: JsonQueryProblem,
}

/// What may be wrong with a JSON query.
#[derive(Debug, Error)]
pub enum JsonQueryProblem {
    /// The file system refused.
    #[error("cannot be read: {0}")]
    Unreadable(#[from] std::io::Error),
    /// The file exceeds the limit.
    #[error("is longer than {LONGEST_FILE} bytes")]
    TooLong,
    /// Not JSON, or not of this schema; the message has line and column.
    #[error(transparent)]
    Json(#[from] serde_json::Error),
    /// A schema of the future.
    #[error("schema {0} is not known; this version reads schema 1")]
    Schema(u64),
    /// A field that the type needs.
    #[error("type `{kind}` needs the field `{field}`")]
    Missing {
        /// The type.
        kind: &'static str,
        /// The field.
        field: &'static str,
    },
    /// A field that the type does not have.
    #[error("type `{kind}` has no field `{field}`; remove it")]
    Superfluous {
        /// The type.
        kind: &'static str,
        /// The field.
        field: &'static str,
    },
    /// Neither or both of `label` and `unsafe`.
    #[error("exactly one of `label` and `unsafe` must be given")]
    LabelOrUnsafe,
    /// An index beyond the network's inputs or outputs, or the label.
    #[error("{what} {index} is out of range: the network has {size}")]
    Index {
        /// `output`, `input` or `label`.
        what: &'static str,
        /// The index.
        index: usize,
        /// How many there are.
        size: usize,
    },
    /// A centre that is not of the two values.
    #[error(
        "input {0} of `center` is neither of the two values of a Hamming ball ({{-1, 1}} or {{0, 1}}, or `domain`)"
    )]
    NotTwoValued(usize),
    /// A domain that is no interval.
    #[error("`domain` must be [low, high] with low < high")]
    Domain,
    /// A centre outside of the domain.
    #[error("input {0} of `center` lies outside `domain`")]
    OutsideDomain(usize),
    /// A region that makes no sense.
    #[error(transparent)]
    Region(#[from] RegionError),
}

/// Reads a file; `outputs` is the number of outputs of the network.
///
/// # Errors
/// A [`JsonQueryError`] that names the file and what to mend.
pub fn read(path: impl AsRef<Path>, outputs: usize) -> Result<Query, JsonQueryError> {
    read_ensemble(path, 1, outputs)
}

/// Reads a file; the network is an ensemble of `members` networks with `outputs` outputs each, side by side.
///
/// # Errors
/// A [`JsonQueryError`] that names the file and what to mend.
pub fn read_ensemble(path: impl AsRef<Path>, members: usize, outputs: usize) -> Result<Query, JsonQueryError> {
    let path = path.as_ref();
    let load = || -> Result<Query, JsonQueryProblem> {
        let text = file::read(path, LONGEST_FILE)?.ok_or(JsonQueryProblem::TooLong)?;
        lower(serde_json::from_slice(&text)?, members, outputs)
    };
    load().map_err(|problem| JsonQueryError { file: path.display().to_string(), problem })
}

/// Reads a text; `name` stands for the file in errors.
///
/// # Errors
/// A [`JsonQueryError`] that says what to mend.
pub fn parse(text: &str, name: &str, outputs: usize) -> Result<Query, JsonQueryError> {
    let query = serde_json::from_str(text).map_err(JsonQueryProblem::from).and_then(|raw| lower(raw, 1, outputs));
    query.map_err(|problem| JsonQueryError { file: name.to_owned(), problem })
}

/// A number, exactly as written.
#[derive(Clone)]
struct Number(Rational);

impl<'de> Deserialize<'de> for Number {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let raw = <&RawValue>::deserialize(deserializer)?.get();
        let text = match raw.strip_prefix('"').and_then(|r| r.strip_suffix('"')) {
            Some(inner) => inner,
            None if raw.starts_with(|c: char| c == '-' || c.is_ascii_digit()) => raw,
            None => return Err(D::Error::custom("expected a number, or a string with a decimal or `p/q`")),
        };
        parse_decimal(text).map(Number).map_err(D::Error::custom)
    }
}

/// Coefficients by index; an index may occur once.
struct Coefficients(BTreeMap<usize, Rational>);

impl<'de> Deserialize<'de> for Coefficients {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct ByIndex;
        impl<'de> Visitor<'de> for ByIndex {
            type Value = Coefficients;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("an object of coefficients by index, such as {\"0\": \"1.5\"}")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Coefficients, A::Error> {
                let mut all = BTreeMap::new();
                while let Some((key, Number(value))) = map.next_entry::<String, Number>()? {
                    let is_index = !key.is_empty() && key.bytes().all(|b| b.is_ascii_digit());
                    let index = key.parse::<usize>().ok().filter(|_| is_index);
                    let Some(index) = index else {
                        return Err(A::Error::custom(format_args!("`{key:.40}` is no index of an input or output")));
                    };
                    if all.insert(index, value).is_some() {
                        return Err(A::Error::custom(format_args!("index {index} occurs twice")));
                    }
                }
                Ok(Coefficients(all))
            }
        }
        deserializer.deserialize_map(ByIndex)
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawAtom {
    y: Option<Coefficients>,
    x: Option<Coefficients>,
    le: Number,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Kind {
    Box,
    Linf,
    L1,
    L2,
    Hamming,
    LinfGrid,
    L1Grid,
}

impl Kind {
    /// The name in files and the fields that it may have.
    fn describe(self) -> (&'static str, &'static [&'static str]) {
        match self {
            Self::Box => ("box", &["lower", "upper", "step"]),
            Self::Linf => ("linf", &["center", "radius", "domain"]),
            Self::L1 => ("l1", &["center", "radius", "domain"]),
            Self::L2 => ("l2", &["center", "radius", "domain"]),
            Self::Hamming => ("hamming", &["center", "flips", "domain"]),
            Self::LinfGrid => ("linf_grid", &["center", "eps", "step", "lo", "hi"]),
            Self::L1Grid => ("l1_grid", &["center", "eps", "step", "lo", "hi"]),
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawQuery {
    schema: Option<u64>,
    #[serde(rename = "type")]
    kind: Kind,
    lower: Option<Vec<Number>>,
    upper: Option<Vec<Number>>,
    center: Option<Vec<Number>>,
    radius: Option<Number>,
    domain: Option<(Number, Number)>,
    flips: Option<usize>,
    eps: Option<Number>,
    step: Option<Number>,
    lo: Option<Number>,
    hi: Option<Number>,
    label: Option<usize>,
    #[serde(rename = "unsafe")]
    unsafe_set: Option<Vec<Vec<RawAtom>>>,
}

fn lower(mut raw: RawQuery, members: usize, outputs: usize) -> Result<Query, JsonQueryProblem> {
    if let Some(schema) = raw.schema.filter(|&s| s != 1) {
        return Err(JsonQueryProblem::Schema(schema));
    }
    let (kind, allowed) = raw.kind.describe();
    let given = [
        ("lower", raw.lower.is_some()),
        ("upper", raw.upper.is_some()),
        ("center", raw.center.is_some()),
        ("radius", raw.radius.is_some()),
        ("domain", raw.domain.is_some()),
        ("flips", raw.flips.is_some()),
        ("eps", raw.eps.is_some()),
        ("step", raw.step.is_some()),
        ("lo", raw.lo.is_some()),
        ("hi", raw.hi.is_some()),
    ];
    if let Some((field, _)) = given.iter().find(|(field, is_given)| *is_given && !allowed.contains(field)) {
        return Err(JsonQueryProblem::Superfluous { kind, field });
    }
    let (label, unsafe_set) = (raw.label.take(), raw.unsafe_set.take());
    let region = region(raw)?;
    match (label, unsafe_set) {
        (Some(label), None) if label < outputs => Ok(Query::reliable(region, members, outputs, label)),
        (Some(index), None) => Err(JsonQueryProblem::Index { what: "label", index, size: outputs }),
        (None, Some(rows)) => {
            let conjunction = |row: Vec<RawAtom>| {
                let of_atom = |a| atom(a, region.len(), members * outputs);
                let atoms = row.into_iter().map(of_atom).collect::<Result<_, _>>()?;
                Ok(Disjunct { atoms })
            };
            let disjuncts = rows.into_iter().map(conjunction).collect::<Result<_, JsonQueryProblem>>()?;
            Ok(Query::over(region, Property { disjuncts }))
        }
        _ => Err(JsonQueryProblem::LabelOrUnsafe),
    }
}

fn atom(raw: RawAtom, inputs: usize, outputs: usize) -> Result<Atom, JsonQueryProblem> {
    let side = |all: Option<Coefficients>, what: &'static str, size: usize, variable: fn(usize) -> Variable| {
        let Coefficients(all) = all.unwrap_or(Coefficients(BTreeMap::new()));
        match all.last_key_value().filter(|(index, _)| **index >= size) {
            Some((&index, _)) => Err(JsonQueryProblem::Index { what, index, size }),
            None => Ok(all.into_iter().filter(|(_, c)| c != &Rational::ZERO).map(move |(i, c)| (variable(i), c))),
        }
    };
    let x = side(raw.x, "input", inputs, Variable::Input)?;
    let y = side(raw.y, "output", outputs, Variable::Output)?;
    Ok(Atom { terms: x.chain(y).collect(), constant: -raw.le.0, is_strict: false })
}

fn plain(numbers: Vec<Number>) -> Vec<Rational> {
    numbers.into_iter().map(|n| n.0).collect()
}

fn region(raw: RawQuery) -> Result<Region, JsonQueryProblem> {
    let kind = raw.kind.describe().0;
    let missing = |field| move || JsonQueryProblem::Missing { kind, field };
    let domain = raw.domain.map(|(low, high)| (low.0, high.0));
    if domain.as_ref().is_some_and(|(low, high)| low >= high) {
        return Err(JsonQueryProblem::Domain);
    }
    if let Kind::Box = raw.kind {
        let lower = plain(raw.lower.ok_or_else(missing("lower"))?);
        let upper = plain(raw.upper.ok_or_else(missing("upper"))?);
        return Ok(match raw.step {
            Some(step) => Region::grid(&lower, &step.0, &lower, &upper)?,
            None => Region::new_box(lower, upper)?,
        });
    }
    let center = plain(raw.center.ok_or_else(missing("center"))?);
    match raw.kind {
        Kind::Hamming => {
            let flips = raw.flips.ok_or_else(missing("flips"))?;
            return hamming(&center, flips, domain);
        }
        Kind::LinfGrid | Kind::L1Grid => {
            let eps = raw.eps.ok_or_else(missing("eps"))?.0;
            let step = raw.step.ok_or_else(missing("step"))?.0;
            let (lo, hi) = (raw.lo.ok_or_else(missing("lo"))?.0, raw.hi.ok_or_else(missing("hi"))?.0);
            if eps < Rational::ZERO {
                return Err(RegionError::Radius.into());
            }
            let lower: Vec<Rational> = center.iter().map(|c| (c - &eps).max(lo.clone())).collect();
            let upper: Vec<Rational> = center.iter().map(|c| (c + &eps).min(hi.clone())).collect();
            return Ok(match raw.kind {
                Kind::L1Grid => Region::grid_l1(&center, &step, &eps, &lower, &upper)?,
                _ => Region::grid(&center, &step, &lower, &upper)?,
            });
        }
        Kind::Box | Kind::Linf | Kind::L1 | Kind::L2 => {}
    }
    let radius = raw.radius.ok_or_else(missing("radius"))?.0;
    let outside = |(low, high): &(Rational, Rational)| center.iter().position(|c| c < low || c > high);
    if let Some(input) = domain.as_ref().and_then(outside) {
        return Err(JsonQueryProblem::OutsideDomain(input));
    }
    let domain = domain.as_ref().map(|(low, high)| (low, high));
    Ok(match raw.kind {
        Kind::L1 => Region::l1(&center, &radius, domain)?,
        Kind::L2 => Region::l2(&center, &radius, domain)?,
        _ => Region::linf(&center, &radius, domain)?,
    })
}

fn hamming(
    center: &[Rational],
    flips: usize,
    domain: Option<(Rational, Rational)>,
) -> Result<Region, JsonQueryProblem> {
    let low = if center.contains(&Rational::ZERO) { Rational::ZERO } else { -Rational::ONE };
    let (low, high) = domain.unwrap_or((low, Rational::ONE));
    if let Some(input) = center.iter().position(|c| c != &low && c != &high) {
        return Err(JsonQueryProblem::NotTwoValued(input));
    }
    Ok(Region::hamming(&low, &high, center.iter().map(|c| c == &high).collect(), flips)?)
}
