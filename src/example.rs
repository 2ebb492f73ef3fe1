//! The built-in example: a digit network and an image inside the binary, for a first command that works
//! without any file.

use crate::domains::network::Network;
use crate::format::images::{Image, ImageSet};
use crate::format::onnx;
use std::error::Error;

/// The network's file.
pub const NETWORK: &[u8] = include_bytes!("../networks/digits_mlp.onnx");

/// Name of the network.
pub const NAME: &str = "networks/digits_mlp.onnx (built in)";

/// Index of the image in `networks/digits.csv`, a test image.
pub const IMAGE: usize = 1313;

/// Radius of its L∞ ball: too large for one neuron at a time, small enough for three jointly.
pub const EPS: &str = "0.08";

/// The network, and the image that it classifies correctly.
pub fn network_and_image() -> Result<(Network, Image), Box<dyn Error + Send + Sync>> {
    let model = onnx::parse(NETWORK, NAME)?;
    let images = ImageSet::parse_csv(include_bytes!("../networks/example.csv"), "networks/example.csv")?;
    let image = images.get(0).ok_or("networks/example.csv holds no image")?;
    Ok((model.network, image))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_image_is_the_one_it_claims_to_be() {
        let (network, image) = network_and_image().unwrap();
        let all = ImageSet::parse_csv(include_bytes!("../networks/digits.csv"), "digits.csv").unwrap();
        assert_eq!(all.get(IMAGE).unwrap().pixels, image.pixels);
        assert_eq!(network.input_len(), image.pixels.len());
    }
}
