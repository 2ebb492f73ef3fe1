//! The built-in example.
use crate::domains::network::Network;
use crate::format::images::Image;
/// Name of the network.
pub const NAME: &str = "digits";
/// Index of the image.
pub const IMAGE: usize = 0;
/// Radius.
pub const EPS: &str = "0.02";
/// The network and the image.
pub fn network_and_image() -> Result<(Network, Image), Box<dyn std::error::Error + Send + Sync>> {
    Err("not yet".into())
}
