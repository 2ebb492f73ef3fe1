//! The exact minimum of a property's margins over a box, for tiny networks with continuous activations.
//!
//! The box is cut into simplices, and each again along every neuron's break points, until the network
//! is affine on each of them; then vertices are all that matters. No linear program, no rounding.

use absint::domains::network::{Network, NodeKind};
use absint::domains::num::{Rational, exact};
use absint::domains::query::{Disjunct, Region};
use std::sync::Arc;

/// A point with the values of every node there.
struct Vertex {
    x: Vec<Rational>,
    values: Vec<Vec<Rational>>,
}

type Simplex = Vec<Arc<Vertex>>;

/// What a cut follows: an affine function on each simplex, by its values at the vertices.
type Cut<'a> = &'a dyn Fn(&Vertex) -> Rational;

/// A box cut into simplices on which the network is affine.
pub struct Cells<'a> {
    network: &'a Network,
    simplices: Vec<Simplex>,
}

impl<'a> Cells<'a> {
    /// `None` when there would be more than `limit` simplices.
    pub fn new(network: &'a Network, region: &Region, limit: usize) -> Option<Self> {
        let mut cells = Self { network, simplices: Vec::new() };
        cells.simplices = cells.triangulated_box(region);
        for (_, activation) in network.activations() {
            for piece in activation.function.pieces().unwrap() {
                let Some(corner) = exact(piece.from) else { continue };
                for i in 0..network.node(activation.source).len {
                    cells.cut(&|vertex| &vertex.values[activation.source][i] - &corner, limit)?;
                }
            }
        }
        Some(cells)
    }

    fn vertex(&self, x: Vec<Rational>) -> Arc<Vertex> {
        let values = self.network.evaluate_all::<Rational>(&x).unwrap();
        Arc::new(Vertex { x, values })
    }

    /// One simplex per order in which the coordinates that vary go from their lower to their upper end.
    fn triangulated_box(&self, region: &Region) -> Vec<Simplex> {
        let (lower, upper) = region.exact_box();
        let varying: Vec<usize> = (0..lower.len()).filter(|&i| lower[i] < upper[i]).collect();
        let mut paths = vec![(varying, vec![lower.to_vec()])];
        let mut complete = Vec::new();
        while let Some((left, path)) = paths.pop() {
            if left.is_empty() {
                complete.push(path.into_iter().map(|x| self.vertex(x)).collect());
                continue;
            }
            for &i in &left {
                let mut next = path.last().unwrap().clone();
                next[i] = upper[i].clone();
                let rest = left.iter().copied().filter(|&j| j != i).collect();
                paths.push((rest, path.iter().cloned().chain([next]).collect()));
            }
        }
        complete
    }

    /// Cuts every simplex that `f` changes its sign on.
    fn cut(&mut self, f: Cut, limit: usize) -> Option<()> {
        let mut open = std::mem::take(&mut self.simplices);
        while let Some(simplex) = open.pop() {
            let values: Vec<Rational> = simplex.iter().map(|v| f(v)).collect();
            let below = values.iter().position(|v| v < &Rational::ZERO);
            let above = values.iter().position(|v| v > &Rational::ZERO);
            let (Some(below), Some(above)) = (below, above) else {
                self.simplices.push(simplex);
                continue;
            };
            if self.simplices.len() + open.len() > limit {
                return None;
            }
            // Halving the edge between the two at the zero leaves fewer such edges in both halves.
            let share = &values[below] / (&values[below] - &values[above]);
            let (from, to) = (&simplex[below].x, &simplex[above].x);
            let middle = self.vertex(from.iter().zip(to).map(|(a, b)| a + (b - a) * &share).collect());
            for end in [below, above] {
                let mut half = simplex.clone();
                half[end] = middle.clone();
                open.push(half);
            }
        }
        Some(())
    }

    fn margins<'v>(&self, disjunct: &'v Disjunct, vertex: &'v Vertex) -> impl Iterator<Item = Rational> + 'v {
        let output = self.network.output();
        disjunct.atoms.iter().map(move |atom| atom.margin(&vertex.x, &vertex.values[output]))
    }

    /// The exact minimum of each atom's margin.
    pub fn minima(&self, disjunct: &Disjunct) -> Vec<Rational> {
        let all = self.simplices.iter().flatten().map(|v| self.margins(disjunct, v).collect::<Vec<_>>());
        all.reduce(|a, b| a.into_iter().zip(b).map(|(a, b)| a.min(b)).collect()).unwrap()
    }

    /// The exact minimum of the largest margin; the simplices are cut further where two margins cross.
    pub fn minimum_of_maximum(&mut self, disjunct: &Disjunct, limit: usize) -> Option<Rational> {
        let output = self.network.output();
        for (i, a) in disjunct.atoms.iter().enumerate() {
            for b in &disjunct.atoms[..i] {
                self.cut(&|v| a.margin(&v.x, &v.values[output]) - b.margin(&v.x, &v.values[output]), limit)?;
            }
        }
        self.simplices.iter().flatten().map(|v| self.margins(disjunct, v).max().unwrap()).min()
    }

    /// How many simplices there are.
    pub fn len(&self) -> usize {
        self.simplices.len()
    }
}

/// Whether all activations of the network are piecewise affine and none jumps.
pub fn is_continuous(network: &Network) -> bool {
    network.nodes().iter().all(|node| match &node.kind {
        NodeKind::Activation(activation) => activation.function.pieces().is_some_and(|pieces| {
            pieces.windows(2).all(|pair| {
                let value = |p: &absint::domains::activation::Piece| p.slope * pair[1].from + p.intercept;
                value(&pair[0]) == value(&pair[1])
            })
        }),
        _ => true,
    })
}
