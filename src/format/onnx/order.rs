//! Which nodes the outputs need, in an order in which each stands behind those that it reads.

use super::fault::Failure;
use super::proto::GraphProto;
use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};

/// The needed nodes by index; where the file's order is already such a one, in that order.
pub(super) fn order<'a>(
    graph: &GraphProto,
    outputs: impl Iterator<Item = &'a str>,
    labels: &[String],
) -> Result<Vec<usize>, Failure> {
    let made = |(i, node): (usize, &'_ super::proto::NodeProto)| -> Vec<(String, usize)> {
        node.output.iter().filter(|o| !o.is_empty()).map(|o| (o.clone(), i)).collect()
    };
    let makers: HashMap<String, usize> = graph.node.iter().enumerate().flat_map(made).collect();
    let makers = &makers;
    let sources = |i: usize| graph.node[i].input.iter().filter_map(move |name| makers.get(name).copied());
    let mut needed = vec![false; graph.node.len()];
    let mut open: Vec<usize> = outputs.filter_map(|output| makers.get(output).copied()).collect();
    while let Some(i) = open.pop() {
        if !std::mem::replace(&mut needed[i], true) {
            open.extend(sources(i));
        }
    }
    let all = || (0..needed.len()).filter(|&i| needed[i]);
    // How many operands of each are still to come, and who waits for whom.
    let mut missing = vec![0usize; needed.len()];
    let mut readers: Vec<Vec<usize>> = vec![Vec::new(); needed.len()];
    for i in all() {
        for source in sources(i) {
            missing[i] += 1;
            readers[source].push(i);
        }
    }
    let mut ready: BinaryHeap<Reverse<usize>> = all().filter(|&i| missing[i] == 0).map(Reverse).collect();
    let mut order = Vec::new();
    while let Some(Reverse(i)) = ready.pop() {
        order.push(i);
        for &reader in &readers[i] {
            missing[reader] -= 1;
            if missing[reader] == 0 {
                ready.push(Reverse(reader));
            }
        }
    }
    match all().find(|&i| missing[i] > 0) {
        None => Ok(order),
        Some(i) => {
            let fault = match sources(i).find(|&k| missing[k] > 0) {
                Some(k) => format!(
                    "it reads the result of node `{}`, which waits for others: the graph has a cycle",
                    labels[k]
                ),
                None => "the graph has a cycle".into(),
            };
            Err(Failure { node: Some(labels[i].clone()), fault: fault.into() })
        }
    }
}
