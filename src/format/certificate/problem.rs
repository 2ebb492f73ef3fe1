//! A network and a query in the normal form of certificates.

use super::numbers::{Digits, Exact, Float, Number};
use crate::domains::activation::Piece;
use crate::domains::network::{Affine, LinearMap, Network, NodeKind};
use crate::domains::num::Rational;
use crate::domains::query::{Atom, Ball, Query, Variable};
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
    let (mut rows, mut line, mut written) = (0, Vec::new(), Ok(()));
    let mut put = |i: usize, j: usize, number: &dyn Fn(&mut Vec<u8>)| {
        while rows <= i {
            begin_row(rows, is_dense, &mut line);
            rows += 1;
            if line.len() > LONG {
                let result = out.write_all(&line);
                written = std::mem::replace(&mut written, Ok(())).and(result);
                line.clear();
            }
        }
        if !is_dense {
            line.push(b' ');
            line.extend_from_slice(Digits::of_index(j).bytes());
        }
        line.push(b' ');
        number(&mut line);
    };
    if map.is_exact() {
        map.for_each_product(|i, j, w| {
            if is_dense || w != 0.0 {
                put(i, j, &|line| line.extend_from_slice(Digits::of_float(w).bytes()));
            }
        });
    } else {
        map.for_each_parameter(|i, j, w| put(i, j, &|line| line.extend_from_slice(Number(&w).to_string().as_bytes())));
    }
    (rows..map.output_len()).for_each(|row| begin_row(row, is_dense, &mut line));
    written?;
    line.push(b'\n');
    out.write_all(&line)
}

/// Bytes that are kept before they are written.
const LONG: usize = 1 << 16;

fn begin_row(row: usize, is_dense: bool, line: &mut Vec<u8>) {
    if row > 0 {
        line.push(b'\n');
    }
    if !is_dense {
        line.extend_from_slice(b"row");
    }
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

/// Writes the query: for each case the box of its region, its L1 or L2 ball, the half-spaces, and the unsafe set.
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
        let (norm, center, radius) = match case.region.ball() {
            Ball::L1 { center, radius } => ("L1", &center[..], Some(radius)),
            Ball::L2 { center, radius } => ("L2", &center[..], Some(radius)),
            Ball::Box | Ball::Hamming { .. } | Ball::GridL1 { .. } | Ball::Grid { .. } => ("", &[][..], None),
        };
        if let Some(radius) = radius {
            write!(out, "ball {norm} {}", Exact(radius))?;
            center.iter().try_for_each(|c| write!(out, " {}", Exact(c)))?;
            writeln!(out)?;
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
