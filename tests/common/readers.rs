//! What must hold of every reader, whatever the bytes: the fuzz targets of `fuzz/` and the replay of
//! their corpus in `tests/fuzz_corpus.rs` run the same functions.

use absint::check;
use absint::domains::budget::Budget;
use absint::domains::domain::{Bounds, IntervalDomain, Run, propagate};
use absint::domains::network::Network;
use absint::domains::num::{Rational, exact};
use absint::domains::query::{Query, Region, Variable};
use absint::format::images::ImageSet;
use absint::format::opb::{self, Opb, OpbTerm, Relation};
use absint::format::{json_query, onnx, patterns, vnnlib};

/// Networks with at most so many parameters and so many neurons are also evaluated.
const SMALL: usize = 1 << 12;

/// A model is read or refused; one that is read can be evaluated, and its interval bounds hold.
pub fn onnx(bytes: &[u8]) {
    let Ok(model) = onnx::parse(bytes, "model") else { return };
    let network = model.network;
    let neurons: usize = network.nodes().iter().map(|n| n.len).sum();
    let is_small = neurons <= SMALL && network.parameters() <= SMALL && network.nodes().len() <= 64;
    if is_small {
        interval_bounds_hold(&network);
    }
}

fn interval_bounds_hold(network: &Network) {
    let n = network.input_len();
    assert!(network.evaluate(&vec![0.5; n]).is_ok(), "evaluation in floats");
    let region = Region::new_box(vec![Rational::ZERO; n], vec![Rational::ONE; n]).expect("the unit box");
    let budget = Budget::unlimited();
    let trace = propagate(&IntervalDomain, network, &region, &Bounds::unknown(), Run::silent(&budget));
    let bounds = trace.expect("the unit box is not empty").bounds();
    // A parameter that is no rational has no exact value.
    let half = Rational::from_parts(1.into(), 2u8.into());
    let Ok(values) = network.evaluate_all(&vec![half; n]) else { return };
    for (id, values) in values.iter().enumerate() {
        let Some(bounds) = bounds.get(id) else { continue };
        for (i, value) in values.iter().enumerate() {
            let z = bounds.get(i);
            assert!(exact(z.lo).is_none_or(|lo| &lo <= value), "lower bound of neuron {i} of node {id}");
            assert!(exact(z.hi).is_none_or(|hi| &hi >= value), "upper bound of neuron {i} of node {id}");
        }
    }
}

/// A query is read or refused; the regions of one that is read hold a point.
pub fn vnnlib(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    if let Ok(read) = vnnlib::parse(text, "query") {
        let outputs = regions_make_sense(&read.query, read.inputs);
        let known = read.outputs + read.products.len();
        assert!(outputs <= known, "output {outputs} is read, {known} are declared or products");
        for (k, factor) in read.products.iter().enumerate().flat_map(|(k, f)| f.map(|factor| (k, factor))) {
            match factor {
                Variable::Input(i) => assert!(i < read.inputs),
                Variable::Output(i) => assert!(i < read.outputs + k),
            }
        }
    }
}

/// An activation pattern tree has no pattern that says two things of a neuron, and none of a neuron 0.
pub fn patterns(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    if let Ok(tree) = patterns::parse(text, "tree") {
        let is_sorted = |leaf: &Vec<patterns::Phase>| leaf.windows(2).all(|pair| pair[0].0 < pair[1].0);
        assert!(tree.leaves.iter().all(|leaf| is_sorted(leaf) && leaf.first().is_none_or(|phase| phase.0 > 0)));
    }
}

/// As [`vnnlib`], for a network of four outputs.
pub fn json_query(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    if let Ok(query) = json_query::parse(text, "query", 4) {
        let inputs = query.cases.first().map_or(0, |case| case.region.len());
        assert!(regions_make_sense(&query, inputs) <= 4);
    }
}

/// All regions have so many inputs and a box that holds a point; the number of outputs that atoms read.
fn regions_make_sense(query: &Query, inputs: usize) -> usize {
    let mut outputs = 0;
    for case in &query.cases {
        assert_eq!(case.region.len(), inputs);
        let (lower, upper) = case.region.exact_box();
        assert!(lower.iter().zip(upper).all(|(l, u)| l <= u), "an empty box");
        for ((l, u), outer) in lower.iter().zip(upper).zip(case.region.bounds()) {
            let (below, above) = (exact(outer.lo), exact(outer.hi));
            assert!(below.is_none_or(|x| &x <= l) && above.is_none_or(|x| &x >= u), "a box rounded inward");
        }
        for atom in case.property.atoms() {
            let (input, output) = atom.largest_indices();
            assert!(input.is_none_or(|i| i < inputs));
            outputs = outputs.max(output.map_or(0, |j| j + 1));
        }
    }
    outputs
}

/// The first byte chooses: 0 for an idx pair, whose labels are the last bytes, as many as the second byte
/// says; CSV otherwise. What is read has as many labels as images, all of the same length.
pub fn images(bytes: &[u8]) {
    let set = match bytes {
        [0, labels, rest @ ..] => {
            let (pixels, labels) = rest.split_at(rest.len().saturating_sub(usize::from(*labels)));
            ImageSet::parse_idx(pixels, labels, "images", "labels")
        }
        _ => ImageSet::parse_csv(bytes, "images"),
    };
    let Ok(set) = set else { return };
    assert!(!set.is_empty() && set.pixels_per_image() > 0);
    for i in [0, set.len() - 1] {
        let image = set.get(i).expect("an image of the set");
        assert_eq!(image.pixels.len(), set.pixels_per_image());
        assert!(image.pixels.iter().all(|p| (Rational::ZERO..=Rational::ONE).contains(p)));
    }
    assert!(set.get(set.len()).is_none());
}

/// A formula, a line `===` and a proof. A proof that the checker accepts is one of a formula without
/// solutions: small formulas are tried out.
pub fn proof(bytes: &[u8]) {
    const MOST_VARIABLES: usize = 10;
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let (formula, proof) = text.split_once("\n===\n").unwrap_or((text, ""));
    let read = opb::parse(formula, "formula");
    let accepted = check::check(formula.as_bytes(), proof.as_bytes()).is_ok();
    if let Some(formula) = read.ok().filter(|f| accepted && f.variables <= MOST_VARIABLES) {
        assert!((0..1usize << formula.variables).all(|point| !solves(&formula, point)), "a wrong proof is accepted");
    }
}

/// Whether the constraints hold where variable `i` is bit `i − 1` of `point`.
fn solves(formula: &Opb, point: usize) -> bool {
    let value = |t: &OpbTerm| i128::from((point >> (t.variable - 1) & 1 == 1) != t.is_negated);
    formula.constraints.iter().all(|constraint| {
        let sum: i128 = constraint.terms.iter().map(|t| i128::from(t.coefficient) * value(t)).sum();
        let bound = i128::from(constraint.bound);
        match constraint.relation {
            Relation::AtLeast => sum >= bound,
            Relation::AtMost => sum <= bound,
            Relation::Equal => sum == bound,
        }
    })
}

/// A network, a query and a proof, with lines `===` between them: read or refused. No proof at all is one of a query that
/// has an unsafe input.
pub fn certificate(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let mut parts = text.split("\n===\n");
    let [network, query, proof] = [(); 3].map(|()| parts.next().unwrap_or_default());
    if let Ok(network) = check::read_network(network.as_bytes())
        && let Ok(query) = check::read_query(query.as_bytes(), &network)
    {
        let _ = check::check_refutation(&network, &query, proof.as_bytes());
    }
    let network = check::read_network(NETWORK.as_bytes()).expect("the network of docs/certificates.md");
    let query = check::read_query(UNSAFE_QUERY.as_bytes(), &network).expect("a query");
    assert!(check::check_refutation(&network, &query, proof.as_bytes()).is_err(), "a wrong proof is accepted");
}

/// `relu(x0 + x1) − relu(x0)`, which is 1 at (0, 1) and nowhere more.
const NETWORK: &str = "absint network 2\ninput 2\naffine\nbias 0 0\ndense 0\n1 1\n1 0\nend\nactivation 1 2\n\
                       piece -inf 0] 0 0\npiece [0 +inf 1 0\naffine\nbias 0\ndense 2\n1 -1\nend\noutput 3\n";

/// Whether it is at least 1 anywhere.
const UNSAFE_QUERY: &str = "absint query 2\ncase\nx -1 1\nx -1 1\nunsafe\natom 1 -1 Y0\n";
