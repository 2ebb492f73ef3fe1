//! Which rows go back together: blocks are the unit of parallel work and of memory.

use itertools::Itertools;
use std::ops::Range;

/// A block of fewer rows is not worth its overhead.
pub const BLOCK_ROWS: usize = 16;

/// Neurons of a convolution go together within squares of so many positions a side: what they depend on overlaps.
const TILE: usize = 2;

/// Blocks of `size` rows.
pub fn even_blocks(rows: usize, size: usize) -> Vec<Range<usize>> {
    (0..rows.div_ceil(size)).map(|b| b * size..rows.min((b + 1) * size)).collect()
}

/// The unit forms of the neurons of a node that has positions, and which of them should go together: those of one
/// position, or of a few that are neighbours, at `most` so many.
pub fn position_units<I: Iterator<Item = (usize, f64)>>(
    [channels, height, width]: [usize; 3],
    of_neuron: impl Fn(usize) -> I,
    most: usize,
) -> (Vec<(usize, f64)>, Vec<Range<usize>>) {
    let (mut units, mut blocks, mut start) = (Vec::new(), Vec::new(), 0);
    let along = |size: usize, tile: usize| tile * TILE..size.min((tile + 1) * TILE);
    for (down, across) in (0..height.div_ceil(TILE)).cartesian_product(0..width.div_ceil(TILE)) {
        let end_of_tile = (height.min((down + 1) * TILE) - 1, width.min((across + 1) * TILE) - 1);
        for (row, column) in along(height, down).cartesian_product(along(width, across)) {
            let neurons = (0..channels).map(|channel| (channel * height + row) * width + column);
            units.extend(neurons.flat_map(&of_neuron));
            let is_full = units.len() >= start + BLOCK_ROWS;
            if is_full || ((row, column) == end_of_tile && units.len() > start) {
                let parts = even_blocks(units.len() - start, most);
                blocks.extend(parts.into_iter().map(|block| start + block.start..start + block.end));
                start = units.len();
            }
        }
    }
    (units, blocks)
}
