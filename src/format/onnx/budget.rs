//! What the messages of a file cost in memory, before any is made: many small ones cost a multiple of their
//! bytes.

use super::proto::{
    AttributeProto, DimensionProto, EntryProto, GraphProto, NodeProto, OperatorSetIdProto, SparseTensorProto,
    TensorProto, TensorShapeProto, TensorTypeProto, TypeProto, ValueInfoProto,
};
use std::mem::size_of;

/// The memory that messages may take besides, and for each byte of the file.
const FREE: usize = 1 << 26;
const PER_BYTE: usize = 16;
/// Deeper than any message that is read.
const DEEPEST: usize = 12;

/// A kind of message, as far as the reader descends into it.
#[derive(Clone, Copy)]
enum Kind {
    Model,
    Graph,
    Node,
    Attribute,
    Tensor,
    ValueInfo,
    Type,
    TensorType,
    Shape,
    Leaf,
}

impl Kind {
    /// The message in this field and its size, if it is one that is read.
    fn message(self, field: u64) -> Option<(Self, usize)> {
        Some(match (self, field) {
            (Self::Model, 7) => (Self::Graph, size_of::<GraphProto>()),
            (Self::Model, 8) => (Self::Leaf, size_of::<OperatorSetIdProto>()),
            (Self::Graph, 1) => (Self::Node, size_of::<NodeProto>()),
            (Self::Graph, 5) | (Self::Attribute, 5) => (Self::Tensor, size_of::<TensorProto>()),
            (Self::Graph, 11 | 12) => (Self::ValueInfo, size_of::<ValueInfoProto>()),
            (Self::Graph, 15) => (Self::Leaf, size_of::<SparseTensorProto>()),
            (Self::Node, 5) => (Self::Attribute, size_of::<AttributeProto>()),
            (Self::Tensor, 13) => (Self::Leaf, size_of::<EntryProto>()),
            (Self::ValueInfo, 2) => (Self::Type, size_of::<TypeProto>()),
            (Self::Type, 1) => (Self::TensorType, size_of::<TensorTypeProto>()),
            (Self::TensorType, 2) => (Self::Shape, size_of::<TensorShapeProto>()),
            (Self::Shape, 1) => (Self::Leaf, size_of::<DimensionProto>()),
            _ => return None,
        })
    }

    /// What each element of a repeated field of numbers or names costs.
    fn element(self, field: u64) -> usize {
        match (self, field) {
            (Self::Node, 1 | 2) => size_of::<String>(),
            (Self::Attribute, 7 | 8) | (Self::Tensor, 1 | 4 | 5 | 7 | 10) => size_of::<u64>(),
            _ => 0,
        }
    }
}

/// Refuses bytes whose messages would cost far more memory than the file has bytes. What is no protobuf is left to
/// the decoder.
pub(super) fn weigh(bytes: &[u8]) -> Result<(), String> {
    let mut left = FREE.saturating_add(bytes.len().saturating_mul(PER_BYTE));
    match message(bytes, Kind::Model, &mut left, 0) {
        Err(Stop::TooMuch) => {
            Err("its messages are so many and so small that they need far more memory than the file has bytes".into())
        }
        Ok(()) | Err(Stop::Malformed) => Ok(()),
    }
}

enum Stop {
    TooMuch,
    Malformed,
}

fn spend(left: &mut usize, cost: usize) -> Result<(), Stop> {
    // A list that grows holds up to twice what is in it, and once more while it moves.
    *left = left.checked_sub(3 * cost).ok_or(Stop::TooMuch)?;
    Ok(())
}

fn message(mut bytes: &[u8], kind: Kind, left: &mut usize, depth: usize) -> Result<(), Stop> {
    while !bytes.is_empty() {
        let key = varint(&mut bytes)?;
        let field = key >> 3;
        match key & 7 {
            0 => {
                varint(&mut bytes)?;
                spend(left, kind.element(field))?;
            }
            1 => {
                split(&mut bytes, 8)?;
            }
            5 => {
                split(&mut bytes, 4)?;
                spend(left, kind.element(field))?;
            }
            2 => {
                let length = usize::try_from(varint(&mut bytes)?).map_err(|_| Stop::Malformed)?;
                let content = split(&mut bytes, length)?;
                if let Some((inner, size)) = kind.message(field) {
                    spend(left, size)?;
                    if depth < DEEPEST {
                        message(content, inner, left, depth + 1)?;
                    }
                } else {
                    let packed = match (kind, field) {
                        (Kind::Attribute, 7 | 8) | (Kind::Tensor, 1 | 5 | 7) => length,
                        _ => 1,
                    };
                    spend(left, kind.element(field).saturating_mul(packed) / if packed > 1 { 2 } else { 1 })?;
                }
            }
            _ => return Err(Stop::Malformed),
        }
    }
    Ok(())
}

fn split<'a>(bytes: &mut &'a [u8], length: usize) -> Result<&'a [u8], Stop> {
    let (head, tail) = bytes.split_at_checked(length).ok_or(Stop::Malformed)?;
    *bytes = tail;
    Ok(head)
}

fn varint(bytes: &mut &[u8]) -> Result<u64, Stop> {
    let mut value = 0u64;
    for shift in (0..70).step_by(7) {
        let (&byte, rest) = bytes.split_first().ok_or(Stop::Malformed)?;
        *bytes = rest;
        value |= u64::from(byte & 0x7F).checked_shl(shift).unwrap_or(0);
        if byte < 0x80 {
            return Ok(value);
        }
    }
    Err(Stop::Malformed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_empty_messages_are_refused_and_a_large_tensor_is_not() {
        let length = |n: usize| [(n & 0x7F | 0x80) as u8, (n >> 7 & 0x7F | 0x80) as u8, (n >> 14) as u8];
        let within = |field: u8, content: &[u8]| [&[field << 3 | 2][..], &length(content.len()), content].concat();
        // 500,000 attributes of two bytes in one node.
        let empty = [5u8 << 3 | 2, 0].repeat(500_000);
        let model = |graph: Vec<u8>| within(7, &graph);
        assert!(weigh(&model(within(1, &empty))).is_err());
        assert!(weigh(&model(within(5, &within(9, &vec![0; 1_000_000])))).is_ok());
        assert!(weigh(&[0xFF; 20]).is_ok());
    }
}
