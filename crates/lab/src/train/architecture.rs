//! What a network to be trained looks like.

use super::TrainError;
use std::str::FromStr;

/// A hidden layer; each is followed by a ReLU.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hidden {
    /// A dense layer.
    Dense {
        /// Its neurons.
        neurons: usize,
    },
    /// A convolution with a square kernel and zero padding on all sides.
    Conv {
        /// Its output channels.
        channels: usize,
        /// Height and width of the kernel.
        kernel: usize,
        /// The stride in both directions.
        stride: usize,
        /// The padding on every side.
        padding: usize,
    },
}

/// The hidden layers of a network, written `conv4:3:1:1-conv8:3:2:1-32`: convolutions as
/// `channels:kernel:stride:padding`, dense layers as their number of neurons; convolutions come first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Architecture(pub Vec<Hidden>);

/// No size in an architecture may exceed this.
const LARGEST: usize = 1 << 14;

impl FromStr for Architecture {
    type Err = TrainError;

    fn from_str(text: &str) -> Result<Self, TrainError> {
        let bad = |part: &str| TrainError::Architecture { part: part.into() };
        let size = |text: &str| text.parse::<usize>().ok().filter(|&n| n <= LARGEST);
        let mut layers = Vec::new();
        for part in text.split('-') {
            let layer = match part.strip_prefix("conv") {
                Some(sizes) => {
                    let sizes: Option<Vec<usize>> = sizes.split(':').map(size).collect();
                    match sizes.as_deref() {
                        Some(&[channels, kernel, stride, padding])
                            if channels > 0 && stride > 0 && padding < kernel =>
                        {
                            Hidden::Conv { channels, kernel, stride, padding }
                        }
                        _ => return Err(bad(part)),
                    }
                }
                None => Hidden::Dense { neurons: size(part).filter(|&n| n > 0).ok_or_else(|| bad(part))? },
            };
            if matches!((layers.last(), layer), (Some(Hidden::Dense { .. }), Hidden::Conv { .. })) {
                return Err(bad(part));
            }
            layers.push(layer);
        }
        Ok(Self(layers))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn architectures_are_read_and_nonsense_is_named() {
        let conv = Hidden::Conv { channels: 4, kernel: 3, stride: 2, padding: 1 };
        assert_eq!("conv4:3:2:1-32".parse::<Architecture>().unwrap().0, [conv, Hidden::Dense { neurons: 32 }]);
        for bad in
            ["", "0", "32-", "x", "conv4", "conv4:3:0:1", "conv4:3:1:3", "conv0:3:1:1", "32-conv4:3:1:1", "99999999"]
        {
            assert!(bad.parse::<Architecture>().is_err(), "{bad}");
        }
    }
}
