//! Hulls that are known from papers.

use crate::polyhedra::{JointHull, Octahedron, Segment};

/// Singh et al. 2019, §1: |x1 ± x2| ≤ 2.
fn diamond() -> JointHull {
    let octahedron = Octahedron::new(2, vec![2.0; 8]).unwrap();
    JointHull::new(&octahedron, &[Segment::relu(-2.0, 2.0), Segment::relu(-2.0, 2.0)]).unwrap()
}

#[test]
fn the_introductory_example_of_k_relu() {
    let facets = diamond().facets();
    let published = |f: &&super::super::Facet| f.z == [-0.5, -0.5] && f.y == [1.0, 1.0] && f.rhs == 1.0;
    assert_eq!(facets.iter().filter(published).count(), 1);
}
