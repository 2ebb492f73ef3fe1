//! Back-substitution against exact values.

use super::super::lanes::tests::floats;
use super::super::number::Number;
use super::super::{read_network, read_query};
use super::*;
use proptest::prelude::*;
use std::fmt::Write;

/// A float as a word of a certificate.
fn word(x: f64) -> String {
    let (mut p, mut e) = (x, 0);
    while p.fract() != 0.0 {
        (p, e) = (p * 2.0, e - 1);
    }
    while p.abs() >= 2f64.powi(53) {
        (p, e) = (p / 2.0, e + 1);
    }
    format!("{}b{e}", p as i64)
}

/// A weight: its word, and a number that it may be.
type Weight = (String, RBig);

fn weights(count: usize) -> impl Strategy<Value = Vec<Weight>> {
    let float = floats().prop_map(|x| (word(x), RBig::of(x)));
    let third = (-9..10i32).prop_map(|p| (format!("{p}/3"), RBig::from(p) / RBig::from(3)));
    let between = (-4..5i32, 0..3u8)
        .prop_map(|(p, part)| (format!("{p}~{}", p + 1), RBig::from(p) + RBig::from(part) / RBig::from(2)));
    prop::collection::vec(prop_oneof![8 => float, 1 => third, 1 => between], count)
}

/// Inputs, hidden neurons.
const N: usize = 2;
const M: usize = 3;

/// `max(slope · z, z)`, and twice that beyond 1.
fn activation(z: &RBig, slope: f64) -> RBig {
    match (z <= &RBig::ZERO, z <= &RBig::ONE) {
        (true, _) => RBig::of(slope) * z,
        (_, true) => z.clone(),
        _ => RBig::from(2) * z - RBig::ONE,
    }
}

fn rows(words: &[Weight], inputs: usize) -> impl Iterator<Item = Vec<&str>> {
    words.chunks(inputs).map(|row| row.iter().map(|(word, _)| &word[..]).collect())
}

fn times(w: &[Weight], x: &[RBig]) -> Vec<RBig> {
    w.chunks(x.len()).map(|row| row.iter().zip(x).fold(RBig::ZERO, |sum, ((_, w), x)| sum + w * x)).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    /// Numbers of all sizes: no form is anywhere below its bounds, in either arithmetic, alone or beside others.
    #[test]
    fn no_value_is_below_its_bound(
        first in weights(N * M),
        bias in weights(M),
        second in weights(M * M),
        direct in weights(M * M),
        form in prop::collection::vec(floats(), 4 * M),
        ends in prop::collection::vec((floats(), floats()), N),
        given in prop::collection::vec(floats(), M),
        slope in prop_oneof![Just(0.0), floats()],
        shares in prop::collection::vec(0..3u8, 4 * N),
        is_bounded in any::<bool>(),
    ) {
        let mut network = format!("absint network 2\ninput {N}\naffine\nbias");
        bias.iter().for_each(|(word, _)| write!(network, " {word}").unwrap());
        network += "\ndense 0\n";
        rows(&first, N).for_each(|row| writeln!(network, "{}", row.join(" ")).unwrap());
        let small = word(slope);
        writeln!(network, "end\nactivation 1 3\npiece -inf 0] {small} 0\npiece [0 1] 1 0\npiece [1 +inf 2 -1").unwrap();
        network += "affine\nbias 0 0 0\ndense 2\n";
        rows(&second, M).for_each(|row| writeln!(network, "{}", row.join(" ")).unwrap());
        network += "sparse 1\n";
        rows(&direct, M).for_each(|row| writeln!(network, "row 0 {} 1 {} 2 {}", row[0], row[1], row[2]).unwrap());
        network += "end\noutput 3\n";
        let mut query = String::from("absint query 2\ncase\n");
        for (a, b) in &ends {
            writeln!(query, "x {} {}", word(a.min(*b)), word(a.max(*b))).unwrap();
        }
        query += "unsafe\natom 0\n";
        // Some slopes are beyond what a certificate says as a float.
        let Ok(network) = read_network(network.as_bytes()) else { return Ok(()) };
        let query = read_query(query.as_bytes(), &network).unwrap();
        let mut state = whole(&network, &query.cases[0]);
        given.iter().enumerate().for_each(|(i, &s)| state.set_slopes(2, i, Some((s, None))));
        if is_bounded {
            for i in 0..M {
                let one = Form { terms: BTreeMap::from([((1, i), RBig::ONE)]), ..Form::default() };
                let low = minima::<[f64; 1]>(&state, &[one], false, &|_| false)[0].0;
                state.tighten(1, i, Range::closed((low, f64::INFINITY)));
            }
        }
        let forms: Vec<Form> = form.chunks(M).map(|row| {
            let terms = row.iter().enumerate().map(|(i, &c)| ((3, i), RBig::of(c))).collect();
            Form { terms, constant: RBig::of(row[0]) / RBig::from(3), ..Form::default() }
        }).collect();
        let side_by_side = minima::<[f64; 4]>(&state, &forms, false, &|_| false);
        for (k, form) in forms.iter().enumerate() {
            let alone = minima::<[f64; 1]>(&state, std::slice::from_ref(form), false, &|_| false);
            let exact = minima::<Exact>(&state, std::slice::from_ref(form), false, &|_| false)[0].0;
            for shares in shares.chunks(N) {
                let x: Vec<RBig> = ends.iter().zip(shares).map(|(&(a, b), &k)| {
                    RBig::of(a) + (RBig::of(b) - RBig::of(a)) * RBig::from(k) / RBig::from(2)
                }).collect();
                let z: Vec<RBig> = times(&first, &x).iter().zip(&bias).map(|(z, (_, b))| z + b).collect();
                let y: Vec<RBig> = z.iter().map(|z| activation(z, slope)).collect();
                for (node, values) in [(1, &z), (2, &y)] {
                    for (i, value) in values.iter().enumerate() {
                        let is_within = |x: Option<f64>, below: bool| x.is_none_or(|x| if below { &RBig::of(x) <= value } else { value <= &RBig::of(x) });
                        let [low, high] = state.ends::<f64>(node, i);
                        prop_assert!(is_within(low, true) && is_within(high, false));
                    }
                }
                let outputs = times(&second, &y).into_iter().zip(times(&direct, &z)).map(|(a, b)| a + b);
                let value = form.terms.values().zip(outputs).fold(form.constant.clone(), |sum, (c, y)| sum + c * y);
                for low in [alone[0].0, side_by_side[k].0, exact] {
                    prop_assert!(low == f64::NEG_INFINITY || RBig::of(low) <= value, "{low:e}, {:e}", super::super::number::nearest(&value));
                }
            }
        }
    }
}
