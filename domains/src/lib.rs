//! Abstract domains for ReLU and binarized neural networks, with bounds that hold in real arithmetic.
//!
//! A [`network`] is a graph of affine maps and [`activation`]s, a [`query`] a region of its inputs with a set of unsafe
//! outputs. A [`domain`] carries the region through the network in one fold, and bounds linear forms of the outputs:
//! floats guess, controlled rounding and weak duality prove. [`polyhedra`] has the joint hulls of several neurons, [`lp`]
//! linear programs whose solvers are not believed, [`num`] the arithmetic under all of it. There are no files here, no
//! clock and no printing.
//!
//! A module imports only what stands to its left:
//! `num, budget, observer | lp | polyhedra | activation | network | query | verdict | domain | dual`.
//!
//! # The least value of an output
//!
//! ```
//! use absint_domains::activation::Relu;
//! use absint_domains::budget::Budget;
//! use absint_domains::domain::{AbstractDomain, Bounds, DeepPoly, Run, propagate};
//! use absint_domains::network::{Coefficients, LinearMap, NetworkBuilder};
//! use absint_domains::num::Rational;
//! use absint_domains::query::{LinearForms, Region};
//! use ndarray::array;
//! use std::sync::Arc;
//!
//! // y = relu(x₁ + x₂) + relu(x₁ − x₂) on [−1, 1]².
//! let mut builder = NetworkBuilder::new(&[2]);
//! let z = builder.linear("z", 0, LinearMap::Dense(array![[1.0, 1.0], [1.0, -1.0]]), Coefficients::zeros(2))?;
//! let relu = builder.activation("relu", z, Arc::new(Relu))?;
//! let y = builder.linear("y", relu, LinearMap::Dense(array![[1.0, 1.0]]), Coefficients::zeros(1))?;
//! let network = builder.finish(y, &[1])?;
//! let region = Region::new_box(vec![-Rational::ONE; 2], vec![Rational::ONE; 2])?;
//!
//! let domain = DeepPoly::default();
//! let budget = Budget::unlimited();
//! let trace = propagate(&domain, &network, &region, &Bounds::unknown(), Run::silent(&budget))?;
//! let unstable = trace.bounds_of(z).reaches().filter(|&z| network.activations().all(|(_, a)| a.function.is_unstable(z)));
//! assert_eq!(unstable.count(), 2);
//!
//! // The least value is 0; the bound is certified, and no higher.
//! let forms = LinearForms::of_node(network.output(), array![[1.0]]);
//! let minimum = domain.minima(&forms, &trace)?[0];
//! assert!((-1.0..=0.0).contains(&minimum));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

pub mod activation;
pub mod budget;
pub mod domain;
pub mod dual;
pub mod lp;
pub mod network;
pub mod num;
pub mod observer;
pub mod polyhedra;
pub mod query;
pub mod verdict;
