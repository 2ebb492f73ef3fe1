//! Counterexamples at points that other programs can be given.

use crate::domains::network::Network;
use crate::domains::num::{Rational, exact, nearest};
use crate::domains::query::{Case, Query};
use crate::domains::verdict::Witness;

/// The same counterexample at a point that other programs can be given without rounding: a point of
/// float32 numbers where one nearby is a counterexample too, else of float64 numbers, else as it is.
#[must_use]
pub fn portable(network: &Network, query: &Query, witness: Witness) -> Witness {
    if witness.order().is_some() {
        // It is a float32 point already.
        return witness;
    }
    let Some(case) = query.case_of(witness.disjunct()) else { return witness };
    let disjunct = witness.disjunct() - case.first;
    let single = |x: f64| {
        let x = x as f32;
        [x, x.next_up(), x.next_down()].map(f64::from)
    };
    let double = |x: f64| [x, x.next_up(), x.next_down()];
    let roundings: [&dyn Fn(f64) -> [f64; 3]; 2] = [&single, &double];
    let replayed = roundings.iter().find_map(|rounded| {
        let point = inside(case, witness.input(), rounded)?;
        Witness::replay(network, case, disjunct, point)
    });
    replayed.unwrap_or(witness)
}

/// Each coordinate at the first of its rounded values that the box holds.
fn inside(case: &Case, x: &[Rational], rounded: &dyn Fn(f64) -> [f64; 3]) -> Option<Vec<Rational>> {
    let (lower, upper) = case.region.exact_box();
    let coordinate = |(x, (l, u)): (&Rational, (&Rational, &Rational))| {
        rounded(nearest(x)).into_iter().filter_map(exact).find(|x| l <= x && x <= u)
    };
    x.iter().zip(lower.iter().zip(upper)).map(coordinate).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domains::num::parse_decimal;
    use crate::format::onnx::{OnnxWriter, parse};
    use crate::format::vnnlib;
    use ndarray::array;

    fn replayed(bounds: [&str; 2], threshold: &str, at: &str) -> Vec<Rational> {
        let mut writer = OnnxWriter::input(&[1]);
        writer.gemm(array![[1.0f32]].view(), &[0.0]);
        let network = parse(&writer.finish(&[1]), "test").unwrap().network;
        let text = format!(
            "(declare-const X_0 Real)(declare-const Y_0 Real)(assert (>= X_0 {}))(assert (<= X_0 {}))\
             (assert (or (and (>= Y_0 9)) (and (>= Y_0 {threshold}))))",
            bounds[0], bounds[1]
        );
        let query = vnnlib::parse(&text, "test").unwrap().query;
        let witness = Witness::replay(&network, &query.cases[0], 1, vec![parse_decimal(at).unwrap()]).unwrap();
        portable(&network, &query, witness).input().to_vec()
    }

    #[test]
    fn the_point_is_rounded_as_far_as_it_stays_a_counterexample() {
        let is_single = |x: &Rational| exact(f64::from(nearest(x) as f32)).as_ref() == Some(x);
        let x = replayed(["0", "1"], "0.5", "0.7");
        assert!(is_single(&x[0]));
        // 0.1 rounds upwards in float32: it is the largest float32 below that lies in the box.
        let x = replayed(["0", "0.1"], "0.05", "0.1");
        assert!(is_single(&x[0]) && x[0] < parse_decimal("0.1").unwrap());
        // Between these bounds there is no float32, but a float64.
        let x = replayed(["0.1", "0.1000000000001"], "0.1", "0.1");
        assert!(!is_single(&x[0]) && exact(nearest(&x[0])).as_ref() == Some(&x[0]));
        // And here no float at all.
        assert_eq!(replayed(["(/ 1 3)", "(/ 1 3)"], "0.3", "1/3"), [parse_decimal("1/3").unwrap()]);
    }
}
