//! Constant tensors: initializers, `Constant` nodes and what is computed from them, all exact.

use super::external::External;
use super::fault::Fault;
use super::proto::{self, TensorProto, type_name};
use super::shape;
use crate::domains::network::{Coefficients, Parameter};
use crate::domains::num::Rational;

/// A constant tensor with exact rational entries.
#[derive(Clone, Debug)]
pub(super) struct Constant {
    /// Its shape; may be empty (a scalar) or hold zeros (no elements).
    pub shape: Vec<usize>,
    /// Its entries in row-major order.
    pub values: Coefficients,
    /// True for integer types, whose division truncates.
    pub integer: bool,
}

impl Constant {
    /// A tensor of integers along one axis.
    pub fn integers(values: &[i64]) -> Self {
        Self { shape: vec![values.len()], values: exact_integers(values), integer: true }
    }

    /// The tensor in a file, or beside it.
    pub fn decode(tensor: &TensorProto, external: &External) -> Result<Self, Fault> {
        let name = tensor.name.as_deref().unwrap_or("");
        let fault = |what: String| Fault::from(format!("constant `{name}` {what}"));
        let dims: Result<Vec<usize>, _> = tensor.dims.iter().map(|&d| usize::try_from(d)).collect();
        let shape = dims.map_err(|_| fault(format!("has a negative length in its shape {:?}", tensor.dims)))?;
        let count = shape::product(&shape)?;
        let data_type = tensor.data_type.unwrap_or(0);
        let of_type = |what: String| fault(format!("of {}: {what}", type_name(data_type)));
        let elsewhere;
        let raw = if tensor.data_location == Some(1) {
            let size = bytes_of(data_type).and_then(|n| n.checked_mul(count));
            let size = size.ok_or_else(|| of_type(NOT_SUPPORTED.into()))?;
            elsewhere = external.read(tensor, size).map_err(fault)?;
            Some(&elsewhere[..])
        } else {
            tensor.raw_data.as_deref()
        };
        let (values, integer) = match raw {
            Some(raw) => Self::packed(raw, data_type, count),
            None => Self::listed(tensor, data_type),
        }
        .map_err(of_type)?;
        if values.len() != count {
            return Err(fault(format!("has shape {shape:?}, that is {count} numbers, but holds {}", values.len())));
        }
        Ok(Self { shape, values, integer })
    }

    /// `count` numbers as the bytes that they are, and whether they are integers.
    fn packed(raw: &[u8], data_type: i32, count: usize) -> Result<(Coefficients, bool), String> {
        let floats = |values: Vec<f64>| (Coefficients::floats(values), false);
        let integers = |values: Vec<i64>| (exact_integers(&values), true);
        Ok(match data_type {
            proto::FLOAT => floats(words(raw, count, |b| f64::from(f32::from_le_bytes(b)))?),
            proto::DOUBLE => floats(words(raw, count, f64::from_le_bytes)?),
            proto::FLOAT16 => floats(words(raw, count, |b| half_to_f64(u16::from_le_bytes(b)))?),
            proto::BFLOAT16 => floats(words(raw, count, |b| bfloat_to_f64(u16::from_le_bytes(b)))?),
            proto::INT64 => integers(words(raw, count, i64::from_le_bytes)?),
            proto::INT32 => integers(words(raw, count, |b| i64::from(i32::from_le_bytes(b)))?),
            proto::INT16 => integers(words(raw, count, |b| i64::from(i16::from_le_bytes(b)))?),
            proto::UINT16 => integers(words(raw, count, |b| i64::from(u16::from_le_bytes(b)))?),
            proto::INT8 => integers(words(raw, count, |b| i64::from(i8::from_le_bytes(b)))?),
            proto::UINT8 => integers(words(raw, count, |[b]| i64::from(b))?),
            proto::BOOL => integers(words(raw, count, |[b]| i64::from(b != 0))?),
            _ => return Err(NOT_SUPPORTED.into()),
        })
    }

    /// The numbers of a tensor in the field of their type, and whether they are integers.
    fn listed(tensor: &TensorProto, data_type: i32) -> Result<(Coefficients, bool), String> {
        let floats = |values: Vec<f64>| (Coefficients::floats(values), false);
        let words = || tensor.int32_data.iter();
        Ok(match data_type {
            proto::FLOAT => floats(tensor.float_data.iter().map(|&v| f64::from(v)).collect()),
            proto::DOUBLE => floats(tensor.double_data.clone()),
            proto::FLOAT16 => floats(words().map(|&v| half_to_f64(v as u16)).collect()),
            proto::BFLOAT16 => floats(words().map(|&v| bfloat_to_f64(v as u16)).collect()),
            proto::INT64 => (exact_integers(&tensor.int64_data), true),
            proto::INT32 | proto::INT16 | proto::UINT16 | proto::INT8 | proto::UINT8 | proto::BOOL => {
                (exact_integers(&words().map(|&v| i64::from(v)).collect::<Vec<_>>()), true)
            }
            _ => return Err(NOT_SUPPORTED.into()),
        })
    }

    /// Number of entries.
    pub fn len(&self) -> usize {
        self.values.len()
    }

    /// The entries as integers.
    pub fn to_integers(&self) -> Result<Vec<i64>, Fault> {
        let integer = |i: usize| {
            let q = self.values.rational(i)?;
            if !self.values.values()[i].is_finite() || !q.is_int() {
                return None;
            }
            i64::try_from(q.numerator().clone()).ok()
        };
        let integers: Option<Vec<i64>> = (0..self.len()).map(integer).collect();
        integers.ok_or_else(|| "a constant that should hold integers holds other numbers".into())
    }

    /// The only entry, as a float.
    pub fn scalar(&self) -> Result<f64, Fault> {
        match self.values.values() {
            [value] if self.values.is_exact() => Ok(*value),
            _ => Err(format!("expected one float, found a constant of shape {:?}", self.shape).into()),
        }
    }

    /// The entries as the floats they are: the weights of dense and convolution maps.
    pub fn floats(&self) -> Result<&[f64], Fault> {
        if self.values.is_exact() {
            return Ok(self.values.values());
        }
        Err("the weight is computed from other constants and its entries are no floats; fold it in the exporter".into())
    }

    /// The entries of this tensor broadcast to `shape`, which must be one that it broadcasts to.
    pub fn broadcast_to(&self, to: &[usize]) -> Result<Coefficients, Fault> {
        if shape::broadcast(&self.shape, to)? != to {
            return Err(format!("a constant of shape {:?} does not broadcast to {to:?}", self.shape).into());
        }
        if self.len() == shape::product(to)? {
            return Ok(self.values.clone());
        }
        Ok(self.values.select(&shape::broadcast_index(&self.shape, to)))
    }

    /// `1 / c` for every entry.
    pub fn reciprocals(&self) -> Result<Self, Fault> {
        let invert = |i: usize| {
            let c = self.values.parameter(i);
            match c.signum() {
                Some(0.0) => Err(Fault::from("division by a constant that holds a zero")),
                Some(sign) => Ok(Parameter::float(sign).over_magnitude(&c).unwrap_or(Parameter::ZERO)),
                None => Err("division by a constant that is known only approximately and may be zero".into()),
            }
        };
        let values = Coefficients::parameters((0..self.len()).map(invert).collect::<Result<_, _>>()?);
        Ok(Self { shape: self.shape.clone(), values, integer: false })
    }
}

/// Why a type is refused.
const NOT_SUPPORTED: &str = "this type is not supported; supported types: float32, float64, float16, bfloat16, int64, \
                             int32, int16, int8, uint16, uint8, bool";

/// Bytes of one number, where the type is supported.
fn bytes_of(data_type: i32) -> Option<usize> {
    Some(match data_type {
        proto::BOOL | proto::INT8 | proto::UINT8 => 1,
        proto::FLOAT16 | proto::BFLOAT16 | proto::INT16 | proto::UINT16 => 2,
        proto::FLOAT | proto::INT32 => 4,
        proto::DOUBLE | proto::INT64 => 8,
        _ => return None,
    })
}

/// `−c`.
pub(super) fn negated(c: &Coefficients) -> Coefficients {
    if c.is_exact() {
        return Coefficients::floats(c.values().iter().map(|v| -v).collect());
    }
    c.times(&Coefficients::floats(vec![-1.0; c.len()]))
}

/// Integers as parameters: floats where these hold them, else rationals.
fn exact_integers(values: &[i64]) -> Coefficients {
    const LARGEST: u64 = 1 << 53;
    if values.iter().all(|v| v.unsigned_abs() <= LARGEST) {
        return Coefficients::floats(values.iter().map(|&v| v as f64).collect());
    }
    Coefficients::rationals(values.iter().map(|&v| Rational::from(v)).collect())
}

/// Little-endian words of `N` bytes each; the length is checked before anything is allocated.
fn words<const N: usize, T>(raw: &[u8], count: usize, read: impl Fn([u8; N]) -> T) -> Result<Vec<T>, String> {
    if count.checked_mul(N) != Some(raw.len()) {
        return Err(format!("{count} numbers of {N} bytes do not fill {} bytes", raw.len()));
    }
    let (chunks, _) = raw.as_chunks::<N>();
    Ok(chunks.iter().map(|chunk| read(*chunk)).collect())
}

/// An IEEE half as the float it is.
fn half_to_f64(bits: u16) -> f64 {
    let sign = if bits >> 15 == 1 { -1.0 } else { 1.0 };
    let (exponent, fraction) = (i32::from(bits >> 10 & 0x1f), f64::from(bits & 0x3ff));
    let magnitude = match exponent {
        0 => fraction * 2f64.powi(-24),
        0x1f if fraction == 0.0 => f64::INFINITY,
        0x1f => f64::NAN,
        e => (1024.0 + fraction) * 2f64.powi(e - 25),
    };
    sign * magnitude
}

/// A bfloat16 as the float it is.
fn bfloat_to_f64(bits: u16) -> f64 {
    f64::from(f32::from_bits(u32::from(bits) << 16))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tensor(data_type: i32, dims: &[i64], raw: &[u8]) -> TensorProto {
        let (dims, data_type) = (dims.to_vec(), Some(data_type));
        TensorProto { dims, data_type, raw_data: Some(raw.to_vec().into()), ..TensorProto::default() }
    }

    #[test]
    fn every_supported_type_is_read_exactly() {
        let read = |t: &TensorProto| Constant::decode(t, &External::none()).unwrap().values.values().to_vec();
        assert_eq!(read(&tensor(proto::FLOAT, &[2], &[0, 0, 0x80, 0x3f, 0, 0, 0, 0xc0])), [1.0, -2.0]);
        assert_eq!(read(&tensor(proto::DOUBLE, &[], &0.1f64.to_le_bytes())), [0.1]);
        assert_eq!(read(&tensor(proto::FLOAT16, &[3], &[0x00, 0x3c, 0x00, 0xc0, 1, 0])), [1.0, -2.0, 2f64.powi(-24)]);
        assert_eq!(read(&tensor(proto::BFLOAT16, &[1], &[0x80, 0x3f])), [1.0]);
        assert_eq!(read(&tensor(proto::BOOL, &[2], &[0, 1])), [0.0, 1.0]);
        let largest =
            Constant::decode(&tensor(proto::INT64, &[1], &i64::MAX.to_le_bytes()), &External::none()).unwrap();
        assert_eq!(largest.to_integers().unwrap(), [i64::MAX]);
    }

    #[test]
    fn a_declared_shape_allocates_nothing() {
        for dims in [&[1 << 40][..], &[1 << 40, 1 << 40], &[-1], &[3]] {
            assert!(Constant::decode(&tensor(proto::FLOAT, dims, &[0; 8]), &External::none()).is_err(), "{dims:?}");
        }
        let e = Constant::decode(&tensor(14, &[1], &[1]), &External::none()).unwrap_err();
        assert!(format!("{e:?}").contains("complex64"));
        let mut elsewhere = tensor(proto::FLOAT, &[1], &[0; 4]);
        elsewhere.data_location = Some(1);
        assert!(format!("{:?}", Constant::decode(&elsewhere, &External::none())).contains("another file"));
    }
}
