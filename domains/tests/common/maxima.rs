//! Networks with maxima of groups of entries, as a reader lowers MaxPool.

use super::{Dice, dense};
use absint_domains::activation::{ActivationFn, Relu};
use absint_domains::network::{Coefficients, LinearMap, Network, NetworkBuilder, NodeId, Operator, Term};
use std::sync::Arc;

/// The node of the maxima of groups of as many entries each, by rounds of `max(a, b) = b + relu(a − b)`, of which float32
/// executions choose one where these are a `choice`.
fn maxima(b: &mut NetworkBuilder, source: NodeId, groups: &[Vec<usize>], is_choice: bool) -> NodeId {
    let (mut last, mut left) = (source, groups.to_vec());
    while left[0].len() > 1 {
        let input_len = b.len(last);
        let pairs: Vec<(usize, Option<usize>)> =
            left.iter().flat_map(|group| group.chunks(2).map(|pair| (pair[0], pair.get(1).copied()))).collect();
        let select = |index: Vec<Option<usize>>| LinearMap::Select { input_len, index };
        let first = select(pairs.iter().map(|&(first, second)| second.map(|_| first)).collect());
        let base = pairs.iter().map(|&(first, second)| Some(second.unwrap_or(first))).collect::<Vec<_>>();
        let second = select(pairs.iter().map(|&(_, second)| second).collect());
        let n = pairs.len();
        let zeros = || Coefficients::zeros(n);
        let minus = LinearMap::Diagonal(Coefficients::floats(vec![-1.0; n]));
        let of_second = b.linear("second", last, second, zeros()).unwrap();
        let terms = vec![Term { source: last, map: first.into() }, Term { source: of_second, map: minus.into() }];
        let difference = b.affine("difference", terms, zeros()).unwrap();
        let excess = b.activation("excess", difference, Arc::new(Relu)).unwrap();
        let identity = LinearMap::Identity(n).into();
        let terms = vec![Term { source: last, map: select(base).into() }, Term { source: excess, map: identity }];
        last = b.affine("maxima", terms, zeros()).unwrap();
        for node in [difference, last].into_iter().filter(|_| is_choice) {
            b.declare_operator(node, Operator::Choice).unwrap();
        }
        let of_group = left[0].len().div_ceil(2);
        left = (0..left.len()).map(|k| (k * of_group..(k + 1) * of_group).collect()).collect();
    }
    b.declare_maxima(last, source, groups.to_vec()).unwrap();
    last
}

/// A random network with one or two layers of maxima, of inputs, of sums or of activations; groups overlap, and entries
/// are at times the same.
pub fn random_maxima_network(dice: &mut Dice, f: &Arc<dyn ActivationFn>) -> Network {
    let mut b = NetworkBuilder::new(&[2 + dice.below(3)]);
    let mut last = b.input();
    for _ in 0..1 + dice.below(2) {
        if dice.below(4) > 0 {
            let width = 2 + dice.below(5);
            last = dense(&mut b, dice, last, width);
        }
        if dice.below(2) == 0 {
            last = b.activation("act", last, f.clone()).unwrap();
        }
        let (entries, size) = (b.len(last), 2 + dice.below(4));
        let groups: Vec<Vec<usize>> =
            (0..1 + dice.below(3)).map(|_| (0..size).map(|_| dice.below(entries)).collect()).collect();
        last = maxima(&mut b, last, &groups, dice.below(2) == 0);
        if dice.below(2) == 0 {
            last = b.activation("act", last, f.clone()).unwrap();
        }
    }
    let outputs = 1 + dice.below(3);
    let out = dense(&mut b, dice, last, outputs);
    b.finish(out, &[outputs]).unwrap()
}
