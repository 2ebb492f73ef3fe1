//! Certificates of neurons that are bounded jointly over their windows: what these show is accepted, wrong constants and
//! unsafe queries are refused.

#![allow(clippy::unwrap_used, clippy::print_stdout)]

mod common;

use absint::analyze::{Method, Options, analyze};
use absint::domains::activation::{ActivationFn, LeakyRelu, Relu};
use absint::domains::budget::Budget;
use absint::domains::domain::{Bounds, DeepPoly, Run, propagate};
use absint::domains::dual::{Objective, Together, Windows};
use absint::domains::network::{Coefficients, LinearMap, Network, NetworkBuilder, NodeId, Sparse};
use absint::domains::num::{Rational, exact};
use absint::domains::query::{Atom, Disjunct, LinearForms, Property, Query, Region};
use absint::domains::verdict::Verdict;
use absint::format::certificate::Script;
use common::refutations::{checked, raised};
use common::{Dice, random_atom, random_box, random_member};
use ndarray::Array2;
use rayon::prelude::*;
use std::sync::Arc;

/// `channels` neurons at each place of a row of inputs, which read `width` neighbours, and two outputs; and the same without
/// the last layer.
fn networks(dice: &mut Dice, [inputs, width, channels]: [usize; 3], f: &Arc<dyn ActivationFn>) -> [Network; 2] {
    let kernels: Vec<Vec<f64>> = (0..channels).map(|_| dice.weights(width)).collect();
    let row = |place: usize, k: &Vec<f64>| k.iter().enumerate().map(|(i, &w)| (place + i, w)).collect::<Vec<_>>();
    let rows: Vec<_> = (0..=inputs - width).flat_map(|place| kernels.iter().map(move |k| row(place, k))).collect();
    let (count, bias) = (rows.len(), dice.weights(rows.len()));
    let layer = || {
        let mut b = NetworkBuilder::new(&[inputs]);
        let map = LinearMap::Sparse(Sparse::of_rows(inputs, rows.clone()));
        let z = b.linear("z", 0, map, Coefficients::floats(bias.clone())).unwrap();
        let y = b.activation("y", z, f.clone()).unwrap();
        (b, y)
    };
    let (hidden, y) = layer();
    let hidden = hidden.finish(y, &[count]).unwrap();
    let (mut b, y) = layer();
    let w = Array2::from_shape_vec((2, count), dice.weights(2 * count)).unwrap();
    let sums = b.linear("sums", y, LinearMap::Dense(w), Coefficients::floats(dice.weights(2))).unwrap();
    [b.finish(sums, &[2]).unwrap(), hidden]
}

/// A query of one atom, and what windows show of it.
struct Shown {
    network: Network,
    hidden: Network,
    region: Region,
    atom: Atom,
    bounds: Bounds,
    nodes: (NodeId, NodeId),
    bound: f64,
    rows: Vec<Together>,
}

impl Shown {
    fn new(seed: u64) -> Self {
        let mut dice = Dice::new(seed);
        let slopes = [0.0, 0.125, -0.5, 0.3];
        let f: Arc<dyn ActivationFn> = match slopes[dice.below(4)] {
            0.0 => Arc::new(Relu),
            slope => Arc::new(LeakyRelu::new(slope)),
        };
        let shape = [3 + dice.below(5), 1 + dice.below(3), 1 + dice.below(6)];
        let region = random_box(&mut dice, shape[0]);
        Self::of(networks(&mut dice, shape, &f), region, &mut dice)
    }

    /// What is shown of one atom over a box.
    fn of([network, hidden]: [Network; 2], region: Region, dice: &mut Dice) -> Self {
        let atom = random_atom(dice, network.input_len(), 2);
        let budget = Budget::unlimited();
        let trace = propagate(&DeepPoly::default(), &network, &region, &Bounds::unknown(), Run::silent(&budget));
        let bounds = trace.unwrap().bounds();
        let windows = Windows::new(&network, &region, &bounds).unwrap();
        let form = Objective::of_form(&LinearForms::of_atoms(&network, [&atom]), 0, &bounds);
        let (bound, rows) = windows.lower_bound(&form, f64::INFINITY, true, &budget);
        let nodes = windows.nodes();
        Self { network, hidden, region, atom, bounds, nodes, bound, rows }
    }

    /// The query whose margin is greater by `more`.
    fn query(&self, more: &Rational) -> Query {
        let disjuncts = vec![Disjunct { atoms: vec![self.atom.clone()] }];
        raised(&Query::over(self.region.clone(), Property { disjuncts }), more)
    }

    /// The proof by these rows.
    fn proof(&self, rows: &[Together]) -> String {
        let mut script = Script::default();
        script.back_substitution(&self.network, &self.bounds);
        script.refute_together(0, 0, self.nodes, rows);
        Script::proof(vec![script]).unwrap()
    }
}

#[test]
fn what_windows_show_is_accepted_and_wrong_constants_are_refused() {
    let little = Rational::from_parts(1.into(), 1000u32.into());
    let outcomes: Vec<[usize; 3]> = (0..300u64)
        .into_par_iter()
        .map(|seed| {
            let shown = Shown::new(seed);
            let safe = shown.query(&(&little - exact(shown.bound).unwrap()));
            let proof = shown.proof(&shown.rows);
            let found = checked(&shown.network, &safe, &proof);
            assert!(found.is_ok(), "seed {seed}: {found:?}\n{proof}");
            let is_joint = checked(&shown.network, &safe, &shown.proof(&[])).is_err();
            let mut dice = Dice::new(seed);
            let [mut rows, mut refused] = [0; 2];
            // A little more is beyond these lines, but for what a checker knows of a half by itself; more than the row has at
            // a point is wrong.
            let points: Vec<Vec<Rational>> = (0..20).map(|_| random_member(&mut dice, &shown.region)).collect();
            let values: Vec<_> =
                points.into_iter().map(|x| (shown.hidden.evaluate::<Rational>(&x).unwrap(), x)).collect();
            for (at, row) in shown.rows.iter().enumerate() {
                let sum = |terms: &[(usize, f64)], values: &[Rational]| {
                    let terms = terms.iter().map(|&(i, c)| exact(c).unwrap() * &values[i]);
                    terms.fold(Rational::ZERO, |sum, term| sum + term)
                };
                let value = |(y, x): &(Vec<Rational>, Vec<Rational>)| {
                    (sum(&row.neurons, y) - sum(&row.inputs, x)).to_f64().value()
                };
                let attained = values.iter().map(value).fold(f64::INFINITY, f64::min);
                let says = |least: f64| {
                    let mut rows = shown.rows.clone();
                    rows[at].least = least;
                    checked(&shown.network, &safe, &shown.proof(&rows))
                };
                let found = says(attained + 1e-6 * (1.0 + attained.abs()));
                assert!(found.is_err(), "seed {seed}: row {at} is wrong: {found:?}");
                refused += usize::from(says(row.least + 1e-6 * (1.0 + row.least.abs())).is_err());
                rows += 1;
            }
            // Rows that say enough for a query that an input takes to zero.
            let point = random_member(&mut dice, &shown.region);
            let y = shown.network.evaluate::<Rational>(&point).unwrap();
            let attained = shown.atom.margin(&point, &y);
            let wrong = shown.query(&-&attained);
            let gap = (attained - exact(shown.bound).unwrap()).to_f64().value() + 1e-3;
            for at in 0..shown.rows.len() {
                let mut rows = shown.rows.clone();
                rows[at].least += gap;
                let found = checked(&shown.network, &wrong, &shown.proof(&rows));
                assert!(found.is_err(), "seed {seed}: {found:?}");
            }
            [usize::from(is_joint), rows, refused]
        })
        .collect();
    let [joint, rows, refused] = [0, 1, 2].map(|k| outcomes.iter().map(|o| o[k]).sum::<usize>());
    println!("{joint} certificates need their rows; of {rows} that say a little more {refused} are refused");
    assert!(joint > 100 && refused * 10 > rows * 8);
}

/// Layers of hundreds of neurons are bounded so by the methods that search.
#[test]
fn a_method_that_bounds_windows_writes_them_down() {
    let mut dice = Dice::new(3);
    let f: Arc<dyn ActivationFn> = Arc::new(Relu);
    // So wide that most neurons are unstable.
    let end = |x: i32| vec![Rational::from(x); 120];
    let region = Region::new_box(end(-8), end(8)).unwrap();
    let shown = Shown::of(networks(&mut dice, [120, 3, 4], &f), region, &mut dice);
    let query = shown.query(&(Rational::from_parts(1.into(), 100u8.into()) - exact(shown.bound).unwrap()));
    let options = |method| Options { method, attack: false, certify: true, ..Options::default() };
    let by_lines = analyze(&shown.network, &query, &options(Method::DEEPPOLY)).unwrap();
    assert!(!matches!(by_lines.verdict, Verdict::Verified(_)));
    let analysis = analyze(&shown.network, &query, &options(Method::EXACT)).unwrap();
    assert!(matches!(analysis.verdict, Verdict::Verified(_)));
    assert_eq!(analysis.stages.last().map(|stage| stage.name.as_str()), Some("windows"));
    let proof = analysis.proof.unwrap();
    assert!(proof.contains("\nrow "));
    checked(&shown.network, &query, &proof).unwrap();
}
