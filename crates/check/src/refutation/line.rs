//! Lines below and above an activation's graph between two bounds.

use super::network::Piece;
use super::number::{Given, Number, Pair, Range};

/// What of each piece lies in the range, its open ends closed: the function's graph is among it.
pub(super) fn between(pieces: &[Piece], range: Range) -> Vec<Piece> {
    let Range { bounds: (l, u), open } = range;
    let part = |p: &Piece| Piece { from: p.from.max(l), to: p.to.min(u), ..*p };
    let is_reached = |p: &&Piece| {
        let misses_left = u == p.from && (!p.from_closed || open.1);
        let misses_right = l == p.to && (!p.to_closed || open.0);
        p.from <= u && l <= p.to && !misses_left && !misses_right
    };
    let parts: Vec<Piece> = pieces.iter().filter(is_reached).map(part).collect();
    if parts.len() < 2 {
        return parts;
    }
    // A point that lies on a neighbour adds nothing to it.
    let holds = |p: &Piece, z: f64| p.from < p.to && p.from <= z && z <= p.to;
    let is_point_of = |p: &Piece, q: &Piece| p.from == p.to && holds(q, p.from) && p.value(p.from) == q.value(p.from);
    parts.iter().filter(|p| !parts.iter().any(|q| is_point_of(p, q))).copied().collect()
}

fn below<N: Number>(piece: &Piece, z: f64) -> N {
    N::of(piece.slope).times(&N::of(z)).plus(&N::of(piece.intercept))
}

fn mirrored(piece: &Piece) -> Piece {
    Piece { slope: -piece.slope, intercept: -piece.intercept, ..*piece }
}

/// Bounds of the function's values.
pub(super) fn image(pieces: &[Piece], range: Range) -> Range {
    let (mut low, mut high) = (f64::INFINITY, f64::NEG_INFINITY);
    for part in between(pieces, range) {
        for z in [part.from, part.to] {
            low = low.min(below(&part, z));
            high = high.max(-below::<f64>(&mirrored(&part), z));
        }
    }
    let is_known = !low.is_nan() && !high.is_nan() && low <= high;
    Range::closed(if is_known { (low, high) } else { (f64::NEG_INFINITY, f64::INFINITY) })
}

/// The intercept of the line of this slope that lies below all parts, as high as it can be told.
fn line_below<N: Number>(parts: &[Piece], slope: f64) -> Option<N> {
    let mut least: Option<N> = None;
    for part in parts {
        for z in [part.from, part.to] {
            let gap = if part.slope == slope {
                N::of(part.intercept)
            } else {
                below::<N>(part, z).plus(&N::of(-slope).times(&N::of(z)))
            };
            // No number bounds nothing.
            gap.partial_cmp(&gap)?;
            if least.as_ref().is_none_or(|least| &gap < least) {
                least = Some(gap);
            }
        }
    }
    least
}

/// The slopes of segments between ends of parts, then those of the parts: every edge of the hull has one of them.
fn slopes(parts: &[Piece]) -> Vec<f64> {
    let own: Vec<f64> = parts.iter().map(|p| p.slope).collect();
    let of_part = |part: &Piece| [part.from, part.to].map(|z| (z, part.slope * z + part.intercept));
    let ends: Vec<(f64, f64)> = parts.iter().flat_map(of_part).collect();
    let mut slopes: Vec<f64> = Vec::new();
    for (i, a) in ends.iter().enumerate() {
        for b in &ends[..i] {
            let slope = (a.1 - b.1) / (a.0 - b.0);
            if a.0 != b.0 && slope.is_finite() && !own.contains(&slope) {
                slopes.push(slope);
            }
        }
    }
    slopes.extend(own);
    slopes
}

/// The slope of the line below that is highest in the middle, of least area: floats decide which. Of equal ones the last.
fn highest(parts: &[Piece], slopes: &[f64], middle: f64) -> Option<f64> {
    let mut best: Option<(f64, f64)> = None;
    for &slope in slopes {
        let height = slope * middle + line_below::<f64>(parts, slope)?;
        if best.is_none_or(|(highest, _)| height >= highest) {
            best = Some((height, slope));
        }
    }
    best.map(|(_, slope)| slope)
}

/// The pair of least area around the graph between the bounds, or with the slopes that are given, below and perhaps above:
/// where both are, they stay what they are on one piece as well. `None` where the bounds do not suffice.
pub(super) fn around<N: Number>(pieces: &[Piece], range: Range, given: Given) -> Option<Pair<N>> {
    let (parts, bounds) = (between(pieces, range), range.bounds);
    let is_finite = bounds.0.is_finite() && bounds.1.is_finite();
    let stays = is_finite && matches!(given, Some((_, Some(_))));
    if let ([part], false) = (&parts[..], stays) {
        return Some(Pair { slopes: [part.slope; 2], intercepts: [N::of(part.intercept), N::of(part.intercept)] });
    }
    if !is_finite {
        return None;
    }
    let middle = 0.5 * bounds.0 + 0.5 * bounds.1;
    let all = slopes(&parts);
    let below = given.map_or_else(|| highest(&parts, &all, middle), |(slope, _)| Some(slope))?;
    let upside_down: Vec<Piece> = parts.iter().map(mirrored).collect();
    let mirrored: Vec<f64> = all.iter().map(|slope| -slope).collect();
    let named = given.and_then(|(_, above)| above.map(|slope| -slope));
    let above = named.or_else(|| highest(&upside_down, &mirrored, middle))?;
    let intercepts = [line_below(&parts, below)?, N::of(-1.0).times(&line_below(&upside_down, above)?)];
    Some(Pair { slopes: [below, -above], intercepts })
}
