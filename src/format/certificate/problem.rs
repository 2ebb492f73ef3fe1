//! A network and a query in the normal form of certificates.

use super::numbers::{Exact, Float, Number};
use crate::domains::activation::Piece;
use crate::domains::network::{Affine, LinearMap, Network, NodeKind};
use crate::domains::num::Rational;
use crate::domains::query::{Atom, Query, Variable};
use std::fmt::Display;
use std::io::{Result, Write};

/// Writes the network: every node in order, every weight as the number that it is.
///
/// # Errors
/// The writer's.
pub fn write_network(network: &Network, out: &mut impl Write) -> Result<()> {
    writeln!(out, "absint network 2")?;
    for node in network.nodes() {
        match &node.kind {
            NodeKind::Input => writeln!(out, "input {}", node.len)?,
            NodeKind::Affine(affine) => write_affine(affine, out)?,
            NodeKind::Activation(activation) => {
                // Curves are refused before anything is written.
                let pieces = activation.function.pieces().unwrap_or_default();
                writeln!(out, "activation {} {}", activation.source, pieces.len())?;
                pieces.iter().try_for_each(|piece| write_piece(piece, out))?;
            }
            // Refused before anything is written, as curves are.
            NodeKind::Product(_) => writeln!(out, "product")?,
        }
    }
    writeln!(out, "output {}", network.output())
}

fn write_affine(affine: &Affine, out: &mut impl Write) -> Result<()> {
    write!(out, "affine\nbias")?;
    for i in 0..affine.bias.len() {
        write!(out, " {}", Number(&affine.bias.parameter(i)))?;
    }
    writeln!(out)?;
    for term in &affine.terms {
        let source = term.source;
        if term.map.is_identity() {
            writeln!(out, "identity {source}")?;
        } else if term.map.is_dense() {
            writeln!(out, "dense {source}")?;
            write_rows(&term.map, true, out)?;
        } else {
            writeln!(out, "sparse {source}")?;
            write_rows(&term.map, false, out)?;
        }
    }
    writeln!(out, "end")
}

/// One line per output with its weights: all of them, or after the word `row` those that are not zero, each behind its
/// input.
fn write_rows(map: &LinearMap, is_dense: bool, out: &mut impl Write) -> Result<()> {
    let (mut rows, mut written) = (0, Ok(()));
    let mut put = |i: usize, j: usize, w: &dyn Display| -> Result<()> {
        while rows <= i {
            let (end, begin) = (if rows > 0 { "\n" } else { "" }, if is_dense { "" } else { "row" });
            write!(out, "{end}{begin}")?;
            rows += 1;
        }
        if is_dense { write!(out, " {w}") } else { write!(out, " {j} {w}") }
    };
    let mut note = |result: Result<()>| written = std::mem::replace(&mut written, Ok(())).and(result);
    if map.is_exact() {
        map.for_each_product(|i, j, w| {
            if is_dense || w != 0.0 {
                note(put(i, j, &Float(w)));
            }
        });
    } else {
        map.for_each_parameter(|i, j, w| note(put(i, j, &Number(&w))));
    }
    written?;
    for row in rows..map.output_len() {
        write!(out, "{}{}", if row > 0 { "\n" } else { "" }, if is_dense { "" } else { "row" })?;
    }
    writeln!(out)
}

fn write_piece(piece: &Piece, out: &mut impl Write) -> Result<()> {
    write!(out, "piece ")?;
    match piece.from {
        f64::NEG_INFINITY => write!(out, "-inf ")?,
        from => write!(out, "{}{} ", if piece.from_closed { '[' } else { '(' }, Float(from))?,
    }
    match piece.to {
        f64::INFINITY => write!(out, "+inf")?,
        to => write!(out, "{}{}", Float(to), if piece.to_closed { ']' } else { ')' })?,
    }
    writeln!(out, " {} {}", Float(piece.slope), Float(piece.intercept))
}

/// Writes the query: for each case the box of its region, the half-spaces, and the unsafe set. Of a ball the box around
/// it is written: what is shown there holds in the ball.
///
/// # Errors
/// The writer's.
pub fn write_query(query: &Query, out: &mut impl Write) -> Result<()> {
    writeln!(out, "absint query 2")?;
    for case in &query.cases {
        writeln!(out, "case")?;
        let (lower, upper) = case.region.exact_box();
        for (l, u) in lower.iter().zip(upper) {
            writeln!(out, "x {} {}", Exact(l), Exact(u))?;
        }
        for half_space in case.region.half_spaces() {
            write!(out, "limit {}", Exact(&-half_space.rhs.clone()))?;
            half_space.terms.iter().try_for_each(|(i, c)| write!(out, " {} X{i}", Exact(c)))?;
            writeln!(out)?;
        }
        for disjunct in &case.property.disjuncts {
            writeln!(out, "unsafe")?;
            disjunct.atoms.iter().try_for_each(|atom| write_atom(atom, out))?;
        }
    }
    Ok(())
}

fn write_atom(atom: &Atom, out: &mut impl Write) -> Result<()> {
    write!(out, "atom {}", Exact(&atom.constant))?;
    let mut term = |c: &Rational, name: char, i: usize| write!(out, " {} {name}{i}", Exact(c));
    for (variable, c) in &atom.terms {
        match variable {
            Variable::Input(i) => term(c, 'X', *i)?,
            Variable::Output(i) => term(c, 'Y', *i)?,
        }
    }
    writeln!(out)
}
