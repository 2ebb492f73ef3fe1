//! Shapes: row-major index arithmetic, checked against overflow.

use super::fault::Fault;

/// Number of elements of a tensor of this shape (1 for a scalar).
pub(super) fn product(shape: &[usize]) -> Result<usize, Fault> {
    let product = shape.iter().try_fold(1usize, |n, &d| n.checked_mul(d));
    product.ok_or_else(|| format!("a tensor of shape {shape:?} is too large").into())
}

/// The distance in memory between neighbours along each axis.
pub(super) fn strides(shape: &[usize]) -> Vec<usize> {
    let mut strides = vec![1usize; shape.len()];
    for axis in (1..shape.len()).rev() {
        strides[axis - 1] = strides[axis].saturating_mul(shape[axis]);
    }
    strides
}

/// A possibly negative axis of a tensor with `rank` axes.
pub(super) fn axis(axis: i64, rank: usize) -> Result<usize, Fault> {
    let wrapped = if axis < 0 { axis.checked_add(rank as i64) } else { Some(axis) };
    let found = wrapped.and_then(|a| usize::try_from(a).ok()).filter(|&a| a < rank);
    found.ok_or_else(|| format!("axis {axis} does not exist in a tensor with {rank} axes").into())
}

/// The shape that two tensors broadcast to (numpy's rule, as ONNX uses it).
pub(super) fn broadcast(a: &[usize], b: &[usize]) -> Result<Vec<usize>, Fault> {
    let rank = a.len().max(b.len());
    let dim = |shape: &[usize], axis: usize| match (axis + shape.len()).checked_sub(rank) {
        Some(i) => shape[i],
        None => 1,
    };
    (0..rank)
        .map(|axis| match (dim(a, axis), dim(b, axis)) {
            (x, y) if x == y => Ok(x),
            (1, y) => Ok(y),
            (x, 1) => Ok(x),
            _ => Err(format!("the shapes {a:?} and {b:?} do not broadcast").into()),
        })
        .collect()
}

/// For each element of `to`, the element of `from` that broadcasting copies there.
pub(super) fn broadcast_index(from: &[usize], to: &[usize]) -> Vec<Option<usize>> {
    let own = strides(from);
    let missing = to.len() - from.len();
    let step = |axis: usize| match axis.checked_sub(missing) {
        Some(i) if from[i] != 1 => own[i],
        _ => 0,
    };
    let steps: Vec<usize> = (0..to.len()).map(step).collect();
    gather(to, |axis, at| Some(at * steps[axis]))
}

/// For each element of a tensor of shape `to`, the sum over the axes of `offset(axis, position)`;
/// `None` where one axis has none.
pub(super) fn gather(to: &[usize], offset: impl Fn(usize, usize) -> Option<usize>) -> Vec<Option<usize>> {
    let mut index = vec![Some(0)];
    for (axis, &len) in to.iter().enumerate() {
        let offsets: Vec<Option<usize>> = (0..len).map(|at| offset(axis, at)).collect();
        let extend = |base: Option<usize>| {
            let offsets = &offsets;
            offsets.iter().map(move |o| Some(base? + (*o)?))
        };
        index = index.into_iter().flat_map(extend).collect();
    }
    index
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn broadcasting_follows_numpy() {
        assert_eq!(broadcast(&[1, 3, 2, 2], &[3, 1, 1]).unwrap(), [1, 3, 2, 2]);
        assert_eq!(broadcast(&[], &[4]).unwrap(), [4]);
        assert!(broadcast(&[2], &[3]).is_err());
        let index = broadcast_index(&[3, 1], &[2, 3, 2]);
        let expected = [0, 0, 1, 1, 2, 2, 0, 0, 1, 1, 2, 2].map(Some);
        assert_eq!(index, expected);
    }

    #[test]
    fn axes_count_from_both_ends() {
        assert_eq!(axis(-1, 3).unwrap(), 2);
        assert!(axis(3, 3).is_err() && axis(-4, 3).is_err() && axis(i64::MIN, 3).is_err());
        assert!(product(&[usize::MAX, 2]).is_err());
    }
}
