//! Attributes of an operator, by name.

use super::fault::Fault;
use super::proto::{AttributeProto, TensorProto};

/// The attributes of one operator.
#[derive(Clone, Copy, Debug)]
pub(super) struct Attributes<'a>(pub &'a [AttributeProto]);

impl<'a> Attributes<'a> {
    fn find(self, name: &str) -> Option<&'a AttributeProto> {
        self.0.iter().find(|a| a.name.as_deref() == Some(name))
    }

    /// An integer, or its default.
    pub fn int(self, name: &str, default: i64) -> i64 {
        self.find(name).map_or(default, |a| a.i.unwrap_or(0))
    }

    /// A finite float, if the attribute is there.
    pub fn float(self, name: &str) -> Result<Option<f64>, Fault> {
        let value = self.find(name).map(|a| f64::from(a.f.unwrap_or(0.0)));
        match value {
            Some(v) if !v.is_finite() => Err(format!("attribute `{name}` is NaN or infinite").into()),
            _ => Ok(value),
        }
    }

    /// A list of integers, if the attribute is there.
    pub fn ints(self, name: &str) -> Option<&'a [i64]> {
        self.find(name).map(|a| &a.ints[..])
    }

    /// A list of floats, if the attribute is there.
    pub fn floats(self, name: &str) -> Option<&'a [f32]> {
        self.find(name).map(|a| &a.floats[..])
    }

    /// A text, or its default.
    pub fn text(self, name: &str, default: &'a str) -> Result<&'a str, Fault> {
        let Some(attribute) = self.find(name) else { return Ok(default) };
        let bytes = attribute.s.as_deref().unwrap_or(&[]);
        std::str::from_utf8(bytes).map_err(|_| format!("attribute `{name}` is no text").into())
    }

    /// A tensor, if the attribute is there.
    pub fn tensor(self, name: &str) -> Option<&'a TensorProto> {
        self.find(name).and_then(|a| a.t.as_ref())
    }

    /// A list of lengths, counts or steps along the axes, or `default` for each of `rank` axes.
    pub fn lengths(self, name: &str, rank: usize, default: usize) -> Result<Vec<usize>, Fault> {
        let Some(ints) = self.ints(name) else { return Ok(vec![default; rank]) };
        // Far beyond any real kernel, and small enough that sums and products of a few cannot overflow.
        const LARGEST: usize = 1 << 20;
        let converted: Option<Vec<usize>> =
            ints.iter().map(|&i| usize::try_from(i).ok().filter(|&i| i <= LARGEST)).collect();
        match converted {
            Some(lengths) if lengths.len() == rank => Ok(lengths),
            Some(lengths) => Err(format!("attribute `{name}` has {} entries, expected {rank}", lengths.len()).into()),
            None => Err(format!("attribute `{name}` = {ints:?} must hold numbers from 0 to {LARGEST}").into()),
        }
    }
}
