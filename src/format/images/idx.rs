//! MNIST's files of unsigned bytes.

use super::error::ImagesProblem;

/// The sizes of an idx file's dimensions, and its data.
pub(super) fn parse(bytes: &[u8]) -> Result<(Vec<usize>, &[u8]), ImagesProblem> {
    let [0, 0, 8, dimensions, rest @ ..] = bytes else { return Err(ImagesProblem::Magic) };
    let dimensions = usize::from(*dimensions);
    if dimensions == 0 || rest.len() < 4 * dimensions {
        return Err(ImagesProblem::Magic);
    }
    let (header, data) = rest.split_at(4 * dimensions);
    let sizes: Vec<u32> = header.chunks_exact(4).map(|s| u32::from_be_bytes([s[0], s[1], s[2], s[3]])).collect();
    let promised = sizes.iter().fold(1u128, |product, &s| product.saturating_mul(s.into()));
    if promised != data.len() as u128 {
        return Err(ImagesProblem::Length { promised, found: data.len() });
    }
    Ok((sizes.into_iter().map(|s| s as usize).collect(), data))
}
