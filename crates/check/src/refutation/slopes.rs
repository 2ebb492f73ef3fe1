//! What a proof says of the slopes of lines around activations.

use super::network::Kind;
use super::state::State;
use super::text::{Refusal, Words};

/// The statement that begins with `which`, about an activation node; `free` has for each the neurons of which `slopes` speaks.
pub(super) fn hear(
    state: &mut State<'_>,
    free: &mut [Vec<usize>],
    which: &str,
    mut words: Words<'_>,
) -> Result<(), Refusal> {
    let id = words.index(state.network.nodes.len())?;
    let node = &state.network.nodes[id];
    let Kind::Activation { pieces, .. } = &node.kind else {
        return Err(words.error(format!("node {id} is no activation")));
    };
    let (first, last) = (pieces[0].slope, pieces[pieces.len() - 1].slope);
    match which {
        // `area NODE`: nothing was said of slopes.
        "area" => (0..node.len).for_each(|i| state.set_slopes(id, i, None)),
        // `free NODE I…`: the neurons that `slopes NODE` speaks of.
        "free" => free[id] = neurons(node.len, &mut words)?,
        // `slopes NODE HEX`: four digits for each of the free neurons, or one that stands for four like it.
        "slopes" => {
            let of_all = |digits: &str| shares(digits, free[id].len());
            let shares = words.read(of_all, "list of one or four hexadecimal digits for each free neuron")?;
            for (&i, share) in free[id].iter().zip(shares) {
                let lower = first + (last - first) * (f64::from(share) / f64::from(u16::MAX));
                state.set_slopes(id, i, Some((lower, None)));
            }
        }
        // `steep NODE I…`: below those neurons lines have the slope of the last piece, below the others that of the first.
        "steep" => {
            let mut slopes = vec![first; node.len];
            neurons(node.len, &mut words)?.into_iter().for_each(|i| slopes[i] = last);
            slopes.into_iter().enumerate().for_each(|(i, slope)| state.set_slopes(id, i, Some((slope, None))));
        }
        // `lines NODE I LOWER UPPER`: the slopes of one neuron's lines; only the lower one where the other is left out.
        _ => {
            let (i, lower) = (words.index(node.len)?, words.float()?);
            let upper = words.peek().is_some().then(|| words.float()).transpose()?;
            state.set_slopes(id, i, Some((lower, upper)));
        }
    }
    words.end()
}

/// The neurons of a node that are named up to the end of the line: no more than there are.
fn neurons(len: usize, words: &mut Words<'_>) -> Result<Vec<usize>, Refusal> {
    std::iter::from_fn(|| words.peek().is_some().then(|| words.index(len))).take(len).collect()
}

/// So many shares, four hexadecimal digits each, or one that stands for four like it.
fn shares(digits: &str, count: usize) -> Option<Vec<u16>> {
    let (width, factor) = if digits.len() == count { (1, 0x1111) } else { (4, 1) };
    let digit = |b: &u8| u16::try_from(char::from(*b).to_digit(16)?).ok();
    let share = |some: &[u8]| some.iter().try_fold(0, |sum, b| Some(sum << 4 | digit(b)?)).map(|share| factor * share);
    (digits.len() == count * width).then(|| digits.as_bytes().chunks(width).map(share).collect())?
}
