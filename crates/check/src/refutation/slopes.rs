//! What a proof says of the slopes of lines around activations.

use super::network::{Kind, Network};
use super::state::State;
use super::text::{Refusal, Words};

/// For each activation node the neurons that `slopes` speaks of.
pub(super) struct Spoken {
    free: Vec<Vec<usize>>,
}

impl Spoken {
    pub fn new(network: &Network) -> Self {
        Self { free: vec![Vec::new(); network.nodes.len()] }
    }

    /// The statement that begins with this word.
    pub fn hear(&mut self, state: &mut State<'_>, which: &str, words: Words<'_>) -> Result<(), Refusal> {
        match which {
            "area" => area(state, words),
            "free" => self.free(state, words),
            "slopes" => self.slopes(state, words),
            "steep" => steep(state, words),
            _ => lines(state, words),
        }
    }

    /// `free NODE I…`: the neurons that `slopes NODE` speaks of.
    fn free(&mut self, state: &State<'_>, mut words: Words<'_>) -> Result<(), Refusal> {
        let (id, _) = activation(state, &mut words)?;
        self.free[id] = neurons(state, id, &mut words)?;
        Ok(())
    }

    /// `slopes NODE HEX`: four digits for each of the free neurons, or one that stands for four like it.
    fn slopes(&mut self, state: &mut State<'_>, mut words: Words<'_>) -> Result<(), Refusal> {
        let (id, [first, last]) = activation(state, &mut words)?;
        let shares = shares(words.word()?, self.free[id].len());
        let shares =
            shares.ok_or_else(|| words.error("one or four hexadecimal digits are expected for each free neuron"))?;
        for (&i, share) in self.free[id].iter().zip(shares) {
            let lower = first + (last - first) * (f64::from(share) / f64::from(u16::MAX));
            state.set_slopes(id, i, Some((lower, None)));
        }
        words.end()
    }
}

/// An activation node, and the slopes of its first piece and of its last one.
fn activation(state: &State<'_>, words: &mut Words<'_>) -> Result<(usize, [f64; 2]), Refusal> {
    let id = words.index(state.network.nodes.len())?;
    match &state.network.nodes[id].kind {
        Kind::Activation { pieces, .. } => Ok((id, [pieces[0].slope, pieces[pieces.len() - 1].slope])),
        _ => Err(words.error(format!("node {id} is no activation"))),
    }
}

/// The neurons of a node that are named up to the end of the line.
fn neurons(state: &State<'_>, id: usize, words: &mut Words<'_>) -> Result<Vec<usize>, Refusal> {
    let mut neurons = Vec::new();
    while words.peek().is_some() {
        neurons.push(words.index(state.network.nodes[id].len)?);
    }
    Ok(neurons)
}

/// `area NODE`: nothing was said of slopes.
fn area(state: &mut State<'_>, mut words: Words<'_>) -> Result<(), Refusal> {
    let (id, _) = activation(state, &mut words)?;
    (0..state.network.nodes[id].len).for_each(|i| state.set_slopes(id, i, None));
    words.end()
}

/// `steep NODE I…`: below those neurons lines have the slope of the last piece, below the others that of the first.
fn steep(state: &mut State<'_>, mut words: Words<'_>) -> Result<(), Refusal> {
    let (id, [first, last]) = activation(state, &mut words)?;
    let mut slopes = vec![first; state.network.nodes[id].len];
    neurons(state, id, &mut words)?.into_iter().for_each(|i| slopes[i] = last);
    slopes.into_iter().enumerate().for_each(|(i, slope)| state.set_slopes(id, i, Some((slope, None))));
    Ok(())
}

/// `lines NODE I LOWER UPPER`: the slopes of one neuron's lines; only the lower one where the other is left out.
fn lines(state: &mut State<'_>, mut words: Words<'_>) -> Result<(), Refusal> {
    let (id, _) = activation(state, &mut words)?;
    let (i, lower) = (words.index(state.network.nodes[id].len)?, words.float()?);
    let upper = if words.peek().is_some() { Some(words.float()?) } else { None };
    state.set_slopes(id, i, Some((lower, upper)));
    words.end()
}

/// So many shares, four hexadecimal digits each, or one that stands for four like it.
fn shares(digits: &str, count: usize) -> Option<Vec<u16>> {
    let (width, factor) = if digits.len() == count { (1, 0x1111) } else { (4, 1) };
    if digits.len() != count * width || !digits.bytes().all(|b| b.is_ascii_hexdigit()) {
        return None;
    }
    let share = |some: &[u8]| Some(factor * u16::from_str_radix(std::str::from_utf8(some).ok()?, 16).ok()?);
    digits.as_bytes().chunks(width).map(share).collect()
}
